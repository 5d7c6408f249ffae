# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Prepared copies of a few videos: found where `videomae prepare` puts them, or made on the spot."""

import pytest

from videomae.copies import existing_copies, temporary_copies
from videomae.video import probe


def test_copies_are_found_under_the_relative_name_with_the_extension_mp4(folder, tmp_path):
    source = folder("cat/a.avi", "dog/b.webm")
    paths = [str(source / "cat" / "a.avi"), str(source / "dog" / "b.webm")]
    (tmp_path / "small" / "cat").mkdir(parents=True)
    (tmp_path / "small" / "cat" / "a.mp4").touch()
    assert existing_copies(paths, source, tmp_path / "small") == {paths[0]: str(tmp_path / "small" / "cat" / "a.mp4")}


def test_the_copies_of_a_list_are_relative_to_its_folder(listed, tmp_path):
    source = listed("cat/a.avi\n", "cat/a.avi", name="train.txt")
    (tmp_path / "small" / "cat").mkdir(parents=True)
    (tmp_path / "small" / "cat" / "a.mp4").touch()
    assert list(existing_copies([str(source.parent / "cat" / "a.avi")], source, tmp_path / "small"))


def test_a_folder_without_any_copy_is_an_error_that_says_where_one_was_looked_for(folder, tmp_path):
    source = folder("cat/a.avi")
    with pytest.raises(ValueError, match=r"none of the 1 videos .*small/cat/a\.mp4"):
        existing_copies([str(source / "cat" / "a.avi")], source, tmp_path / "small")


def test_temporary_copies_have_the_same_frames_and_those_that_fail_are_left_out(tiny_clip, tmp_path):
    good, bad = str(tiny_clip(num_frames=9)), tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    (tmp_path / "copies").mkdir()
    copies = temporary_copies([good, str(bad)], tmp_path / "copies", seconds=60)
    assert list(copies) == [good]
    assert probe(copies[good]).num_frames == 9
