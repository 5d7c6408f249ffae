# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import pytest

from videomae.named_videos import find_named_videos


def names(root, *words):
    found = find_named_videos([str(word) if "://" in str(word) else str(root / word) for word in words])
    return [path.removeprefix(f"{root}/") for path in found]


def test_files_and_addresses_are_themselves_and_keep_their_order(folder):
    root = folder("b.mp4")
    assert names(root, "b.mp4", "https://host/a.mp4", "gone.mp4") == ["b.mp4", "https://host/a.mp4", "gone.mp4"]


def test_folders_and_lists_are_their_videos(listed):
    path = listed("path\nx/2.mp4\nx/1.mp4\n", "x/1.mp4", "x/2.mp4", "notes.txt.bak")
    assert names(path.parent, "x", path.name) == ["x/1.mp4", "x/2.mp4", "x/2.mp4", "x/1.mp4"]


def test_a_folder_of_frames_is_one_video(folder):
    root = folder("x/frames/1.png", "x/frames/2.png")
    assert names(root, "x/frames") == names(root, "x") == ["x/frames"]


def test_a_pattern_is_what_fits_it_by_name(folder):
    root = folder("b1.mp4", "a1.mp4", "a2.mp4", "deep/er/c1.mp4", "a1.txt")
    assert names(root, "?1.mp4") == ["a1.mp4", "b1.mp4"]
    assert names(root, "**/[bc]*.mp4") == ["b1.mp4", "deep/er/c1.mp4"]
    assert names(root, "de*") == ["deep/er/c1.mp4"]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(folder):
    root = folder("take[1].mp4", "take1.mp4")
    assert names(root, "take[1].mp4") == ["take[1].mp4"]


@pytest.mark.parametrize("address", ["ftp://host/a.mp4", "file:///a.mp4", "rtsp://host/live", "udp://@:5000"])
def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError, match="wanted http or https"):
        find_named_videos([address])


def test_all_complaints_come_at_once(folder):
    root = folder("x/notes.txt")
    with pytest.raises(ValueError, match="no videos in this folder .*; .*no file fits this pattern; -: a stream"):
        find_named_videos([str(root / "x"), str(root / "*.mp4"), "-"])
    with pytest.raises(ValueError, match="no videos are named"):
        find_named_videos([])
