# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Names of outputs: readable where they can be, inside of their folder always, and no two alike."""

import os

import pytest

from videomae.output_names import find_output_names, safe_name


def names(*words):
    return list(find_output_names([str(word) for word in words]).values())


def test_videos_of_a_folder_keep_their_place_in_it(folder):
    root = folder("clap/0.mp4", "clap/1.v2.avi", "wave/0.mp4")
    assert names(root) == ["clap/0", "clap/1.v2", "wave/0"]


def test_files_are_called_as_they_are(folder):
    root = folder("a/first.mp4", "b/second.webm")
    assert names(root / "a" / "first.mp4", root / "b" / "second.webm") == ["first", "second"]


def test_videos_of_a_list_keep_their_place_beside_it(listed, tmp_path):
    source = listed("videos/0.mp4 1\n../far/2.mp4 0\n", "videos/0.mp4", "../far/2.mp4", name="list.txt")
    assert names(source) == ["videos/0", "2"]


def test_a_video_that_is_named_twice_is_there_once(folder):
    root = folder("0.mp4", "1.mp4")
    assert names(root, root / "0.mp4") == ["0", "1"]


def test_two_videos_of_one_name_get_a_hash_of_their_paths(folder):
    root = folder("a/clip.mp4", "b/clip.mp4", "b/Clip.avi", "b/other.mp4")
    found = names(root / "a" / "clip.mp4", root / "b")
    assert len(set(map(str.casefold, found))) == 4 and found[-1] == "other"
    assert sorted(name.rpartition("-")[0] for name in found[:3]) == ["Clip", "clip", "clip"]
    assert names(root / "b", root / "a" / "clip.mp4") == [found[1], found[2], found[3], found[0]]


def test_addresses_are_called_by_the_end_of_their_path(monkeypatch):
    assert names("https://example.org/a/my%20clip.mp4?token=1/2#x", "https://example.org/") == ["my_clip", "video"]
    assert names("https://example.org/..%2F..%2Fetc%2Fpasswd") == ["passwd"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("a/../../b", "a/b"),
        ("..", "video"),
        ("", "video"),
        (".hidden/.clip", "hidden/clip"),
        ("-rf", "rf"),
        ("a\nb\tc", "a_b_c"),
        ("$(reboot);|`x`", "_reboot_x_"),
        ("C:\\clip", "C_clip"),
        ("nul\0l", "nul_l"),
        ("Übung 3 — 走る", "Übung_3_走る"),
        ("\udce4.clip", "_.clip"),
        ("é", "é"),
    ],
)
def test_hostile_names_become_harmless(name, safe):
    assert safe_name(name) == safe


def test_long_names_are_cut_and_stay_apart(folder):
    long = "ü" * 120
    root = folder(f"{long}a.mp4", f"{long}b.mp4")
    found = names(root)
    assert len(set(found)) == 2
    assert all(len(name.encode()) <= 210 for name in found)


def test_links_and_dots_of_a_list_stay_inside(listed, tmp_path):
    source = listed("a/../../x.mp4,0\n./b/./y.mp4,0\n", "../x.mp4", "b/y.mp4", "a/z.mp4")
    found = names(source)
    assert found == ["x", "b/y"]
    assert all(not os.path.isabs(name) and ".." not in name for name in found)


def test_what_is_no_video_is_told_for_all_words_at_once(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: no videos in this folder.*ftp://x: an address of scheme ftp"):
        names(tmp_path / "empty", "ftp://x")
