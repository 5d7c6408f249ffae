# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A classifier is measured on all videos of a split, with its own classes, from a table or from tar shards."""

import io
import tarfile

import pytest

from videomae.evaluation_data import ShardVideos, open_evaluation_videos
from videomae.shards import TarShards
from videomae.video import VideoDecodeError

NAMES = ["clap", "point", "wave"]


@pytest.fixture
def shards(tmp_path):
    """Five samples in two shards; the first has no video."""
    members = [("a.cls", b"wave"), ("b.cls", b"wave"), ("b.mp4", b"B"), ("c.cls", b"clap"), ("c.mp4", b"C")]
    more = [("d.cls", b"wave"), ("d.mp4", b"D"), ("e.cls", b"clap"), ("e.mp4", b"E")]
    for name, content in (("0.tar", members), ("1.tar", more)):
        with tarfile.open(tmp_path / name, "w") as tar:
            for member, data in content:
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return tmp_path / "*.tar"


def test_the_test_split_comes_first_then_validation_then_what_there_is(folder):
    root = folder("train/wave/a.mp4", "val/clap/b.mp4", "test/point/c.mp4")
    for split, found, label in ((None, "test", 1), ("train", "train", 2), ("validation", "validation", 0)):
        videos = open_evaluation_videos(root, NAMES, split=split)
        assert (videos.split, list(videos.labels), len(videos)) == (found, [label], 1)
    assert open_evaluation_videos(root / "train", NAMES).split == "train"
    (root / "test" / "point" / "c.mp4").unlink()
    with pytest.raises(ValueError, match="a class folder without videos"):
        open_evaluation_videos(root, NAMES, split="train")


def test_a_split_is_asked_for_as_its_folder_is_called(folder):
    videos = open_evaluation_videos(folder("train/wave/a.mp4", "val/wave/b.mp4"), NAMES, split="val")
    assert videos.split == "validation" and len(videos) == 1


def test_a_split_that_is_not_there_is_named_with_those_that_are(folder):
    with pytest.raises(ValueError, match="no split 'validation'; there is train"):
        open_evaluation_videos(folder("wave/a.mp4"), NAMES, split="validation")


def test_videos_without_labels_are_refused(folder):
    with pytest.raises(ValueError, match="the videos have no labels"):
        open_evaluation_videos(folder("a.mp4"), NAMES)


def test_paths_of_a_list_start_from_the_root(listed, folder, tmp_path):
    file = listed("a.mp4 wave\nb.mp4 clap\n", "elsewhere/a.mp4", "elsewhere/b.mp4")
    videos = open_evaluation_videos(file, NAMES, root=tmp_path / "data" / "elsewhere")
    assert list(videos.videos) == [str(tmp_path / "data" / "elsewhere" / name) for name in ("a.mp4", "b.mp4")]
    assert list(videos.labels) == [2, 0]


def test_tar_shards_give_their_videos_in_order_with_the_models_classes(shards):
    videos = open_evaluation_videos(shards, NAMES)
    assert (videos.split, videos.labels) == ("train", [-1, 2, 0, 2, 0])
    assert [videos.videos[number]["bytes"] for number in (4, 1, 2)] == [b"E", b"B", b"C"]
    assert videos.videos[3]["path"].endswith("1.tar/d.mp4")
    with pytest.raises(VideoDecodeError, match="0 videos among the members"):
        videos.videos[0]
    with pytest.raises(ValueError, match="label 'clap', label 'wave' are unknown; the classes are point"):
        open_evaluation_videos(shards, ["point"])


def test_the_videos_of_shards_end(shards):
    videos = ShardVideos(TarShards(shards))
    assert len(videos) == 5
    for number in (-1, 5):
        with pytest.raises(IndexError):
            videos[number]


def test_shards_of_several_splits_are_not_mixed(shards):
    (shards.parent / "0.tar").rename(shards.parent / "train-0.tar")
    (shards.parent / "1.tar").rename(shards.parent / "val-0.tar")
    for split, found, labels in (
        (None, "validation", [2, 0]),
        ("val", "validation", [2, 0]),
        ("train", "train", [-1, 2, 0]),
    ):
        videos = open_evaluation_videos(shards.parent, NAMES, split=split)
        assert (videos.split, videos.labels) == (found, labels)
    with pytest.raises(ValueError, match="no split 'test'; there is train, validation"):
        open_evaluation_videos(shards, NAMES, split="test")


def test_shards_have_no_root_and_leave_no_videos_out(shards):
    for name in ("root", "exclude"):
        with pytest.raises(ValueError, match=f"tar shards have no use for {name}='videos'"):
            open_evaluation_videos(shards, NAMES, **{name: "videos"})
