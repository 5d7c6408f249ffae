# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Files, folders of frames and arrays are told apart by their names and places."""

import logging
import os

import pytest

from videomae.folders import find_videos
from videomae.listing import class_names, load_videos


def found(root):
    return [os.path.relpath(path, root) for path in find_videos(str(root))]


def pictures(folder, count):
    return [f"{folder}/img_{number:05}.jpg" for number in range(1, count + 1)]


def test_a_folder_that_holds_pictures_alone_is_one_video(folder):
    root = folder(*pictures("run/clip_a", 3), *pictures("run/clip_b", 2), "jump/1.mp4", "jump/2.npy", "jump/3.npz")
    assert found(root) == ["jump/1.mp4", "jump/2.npy", "jump/3.npz", "run/clip_a", "run/clip_b"]
    table = load_videos(root, "train")
    assert class_names(table) == ["jump", "run"] and table["label"] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ("clips/a.mp4", ["clips/a.mp4"]),
        ("clips/more/a.mp4", ["clips/more/a.mp4"]),
        ("clips/notes.txt", ["clips"]),
    ],
)
def test_pictures_beside_videos_or_folders_are_no_frames(folder, beside, expected):
    assert found(folder(*pictures("clips", 2), beside)) == expected


def test_one_picture_is_a_thumbnail(folder):
    assert found(folder("a/cover.jpg", "b/1.mp4")) == ["b/1.mp4"]


def test_what_begins_with_a_dot_is_not_there(folder):
    assert found(folder("a/.1.jpg", "a/.2.jpg", ".b/1.mp4", "c/._1.mp4", "c/2.mp4")) == ["c/2.mp4"]


def test_files_that_may_have_been_meant_as_videos_are_logged(folder, caplog):
    root = folder("run/A.AVI", "run/b.dat", "run/deep/noext", "run/deep/c.dat", "run/c/wrong ext.jpg")
    with caplog.at_level(logging.WARNING):
        assert len(load_videos(root, "train")) == 1
    (line,) = caplog.messages
    assert line.startswith(f"{root}: passed over, ")
    assert f": 2 .dat, 1 .jpg, 1 without an extension (such as {root}/run/b.dat)" in line


def test_files_that_lie_beside_videos_are_not_logged(folder, caplog):
    beside = ("run/a.srt", "run/a.JSON", "run/.DS_Store", "run/README.md", "labels.xml", *pictures("run/clip", 2))
    with caplog.at_level(logging.WARNING):
        assert len(load_videos(folder("run/a.mp4", "run/clip/notes.txt", *beside), "train")) == 2
    assert not caplog.messages


def test_a_folder_of_frames_may_be_the_source(folder):
    root = folder(*pictures("clip", 4))
    assert load_videos(root / "clip", "train")["video"] == [str(root / "clip")]


def test_folders_of_frames_side_by_side_are_videos_and_no_classes(folder):
    table = load_videos(folder(*pictures("a", 2), *pictures("b", 2)), "train")
    assert [os.path.basename(path) for path in table["video"]] == ["a", "b"] and table.column_names == ["video"]


def test_splits_may_hold_folders_of_frames(folder):
    splits = load_videos(folder(*pictures("train/run/a", 2), *pictures("val/run/b", 2)))
    assert [len(splits[split]) for split in ("train", "validation")] == [1, 1]


def test_a_folder_called_like_a_file_is_a_folder(folder):
    assert found(folder(*pictures("a.mp4", 2))) == ["a.mp4"]


def test_a_link_in_a_circle_is_an_error(folder):
    root = folder("a/b/1.mp4")
    (root / "a" / "b" / "up").symlink_to(root / "a")
    with pytest.raises(ValueError, match="a/b/up: a link to .*/a, a folder that it lies in"):
        find_videos(str(root))


def test_each_folder_is_listed_once(folder, monkeypatch):
    root = folder("a/1.mp4", "a/deep/2.mp4", *pictures("b/clip", 2))
    listings = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listings.append(os.path.relpath(path, root)), scandir(path))[1])
    find_videos(str(root))
    assert sorted(listings) == [".", "a", "a/deep", "b", "b/clip"]
