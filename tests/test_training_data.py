# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Flags name tables or streams; each becomes its kind of data set, and flags that do not fit are told."""

import tarfile
from functools import partial
from pathlib import Path

import datasets
import pytest

from videomae import training_data
from videomae.arguments import FinetuningVideoArguments
from videomae.clips import TrainingClips, ValidationClips
from videomae.data import VideoDataset, make_processor
from videomae.listing import read_videos
from videomae.streaming import VideoStream
from videomae.training_data import check_training_videos, make_dataset, open_training_videos


@pytest.fixture
def videos(tiny_clip):
    """Four videos to train on and two to validate on, of two classes."""
    places = ["train/a/0", "train/b/0", "train/a/1", "train/b/1", "val/a/0", "val/b/0"]
    for length, place in enumerate(places, 20):  # no two are alike
        clip = tiny_clip(f"videos/{place}.mp4", num_frames=length)
    return clip.parents[2]


@pytest.fixture
def shards(videos, tmp_path):
    """The training videos in two tar shards."""
    (tmp_path / "shards").mkdir()
    for number in range(2):
        with tarfile.open(tmp_path / "shards" / f"train-{number}.tar", "w") as tar:
            for name in ("a", "b"):
                tar.add(videos / "train" / name / f"{number}.mp4", f"{name}{number}.mp4")
                (tmp_path / "label").write_text(name)
                tar.add(tmp_path / "label", f"{name}{number}.txt")
    return tmp_path / "shards"


def arguments(data, **fields):
    paths = {name: str(value) for name, value in fields.items() if isinstance(value, Path)}
    return FinetuningVideoArguments(**{"data": str(data), **fields, **paths})


open_labelled = partial(open_training_videos, labels=True, batch_size=2)


def test_a_folder_becomes_tables_and_data_sets(videos, tiny_config):
    found = open_labelled(arguments(videos))
    assert found.class_names == ["a", "b"] and (len(found.train), len(found.validation)) == (4, 2)
    processor = make_processor(tiny_config(), frame_stride=3)
    flags = arguments(videos, on_bad_video="skip")
    training = make_dataset(found.train, TrainingClips(processor, found.class_names), seed=3, training=flags)
    assert isinstance(training, VideoDataset) and (training.seed, training.on_bad_video) == (3, "skip")
    validation = make_dataset(found.validation, ValidationClips(processor), seed=3)
    assert validation.on_bad_video == "error" and validation[1]["labels"] == 1


def test_the_test_split_is_opened_when_it_is_asked_for(videos, shards):
    (videos / "test" / "b").mkdir(parents=True)
    (videos / "train" / "b" / "0.mp4").rename(videos / "test" / "b" / "0.mp4")
    assert open_labelled(arguments(videos)).test is None
    found = open_labelled(arguments(videos, validation_data=videos / "val"), test=True)
    assert (len(found.test), found.test[0]["label"], len(found.validation)) == (1, 1, 2)
    (shards / "train-1.tar").rename(shards / "test-1.tar")
    assert open_labelled(arguments(shards)).test is None
    found = open_labelled(arguments(shards), test=True)
    assert found.validation is None and found.test.labels.tolist() == [0, 1] and found.test.class_names == ["a", "b"]
    with tarfile.open(shards / "test-2.tar", "w") as tar:
        tar.add(videos / "val" / "a" / "0.mp4", "unlabelled.mp4")
    with pytest.raises(ValueError, match=r"1 videos have no label(.|\n)*--test_views none trains without it"):
        open_labelled(arguments(shards), test=True)


def test_tar_shards_become_streams_and_may_be_validated_on_a_folder(shards, videos, tiny_config):
    flags = arguments(shards, validation_data=videos / "val", shuffle_window=2, samples_per_epoch=3)
    found = open_labelled(flags)
    assert found.class_names == ["a", "b"] and len(found.validation) == 2
    processor = make_processor(tiny_config(), frame_stride=3)
    clips = TrainingClips(processor, found.class_names)
    training = make_dataset(found.train, clips, seed=3, training=flags)
    assert isinstance(training, VideoStream) and training.shuffle
    assert (len(training), training.window) == (3, 2)
    assert training[0]["pixel_values"].shape == (4, 3, 24, 32)
    validation = make_dataset(open_labelled(arguments(shards, validation_data=shards)).validation, clips, seed=3)
    assert not validation.shuffle and [int(validation[i]["labels"]) for i in range(4)] == [0, 1, 0, 1]


def test_without_labels_nothing_about_them_is_read(shards, videos):
    for data in (shards, videos):
        found = open_training_videos(arguments(data), labels=False, batch_size=2)
        assert found.class_names is None


def test_videos_that_a_list_names_are_left_out(videos, tmp_path):
    (tmp_path / "bad.txt").write_text(f"{videos}/train/a/0.mp4\n")
    assert len(open_labelled(arguments(videos, exclude=tmp_path / "bad.txt")).train) == 3


def test_paths_of_a_list_may_be_relative_to_another_folder(videos, tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "list.csv").write_text("train/a/0.mp4 0\ntrain/b/1.mp4 1\n")
    found = open_labelled(arguments(tmp_path / "lists" / "list.csv", data_root=videos))
    assert [row["video"] for row in found.train] == [f"{videos}/train/a/0.mp4", f"{videos}/train/b/1.mp4"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"samples_per_epoch": 3}, "--samples_per_epoch: for streams"),
        ({"samples_per_epoch": 3, "shuffle_window": 4}, "--samples_per_epoch and --shuffle_window: for streams"),
        ({"streaming": True}, "--streaming is for hf:owner/name and tar shards"),
    ],
)
def test_flags_of_streams_are_refused_for_tables(videos, fields, message):
    with pytest.raises(ValueError, match=message):
        open_labelled(arguments(videos, **fields))


@pytest.mark.parametrize("name", ["exclude", "data_root"])
def test_flags_of_tables_are_refused_for_streams(shards, name):
    with pytest.raises(ValueError, match="--exclude and --data_root are for lists and folders"):
        open_labelled(arguments(shards, **{name: shards}))


def test_a_stream_has_its_own_validation_split_or_one_of_any_kind(shards, videos, tmp_path, monkeypatch):
    assert open_labelled(arguments(shards)).validation is None
    (tmp_path / "split" / "val").mkdir(parents=True)
    (shards / "train-1.tar").rename(tmp_path / "split" / "val" / "0.tar")
    shards.rename(tmp_path / "split" / "train")
    found = open_labelled(arguments(tmp_path / "split"))
    assert (found.train.num_samples, found.validation.num_samples) == (2, 2)
    assert found.validation.class_names == ["a", "b"]
    other = open_labelled(arguments(tmp_path / "split", validation_data=videos / "val"))
    assert other.validation["video"] == [f"{videos}/val/{name}/0.mp4" for name in "ab"]
    table = open_labelled(arguments(videos / "train", validation_data=tmp_path / "split"))
    assert len(table.train) == 4 and table.validation.shards == [str(tmp_path / "split" / "val" / "0.tar")]


@pytest.fixture
def streams(monkeypatch):
    """`streams(split=samples, …)`: what hf:o/n has when it is streamed; None: a number that it does not tell."""

    def make(**lengths):
        found = datasets.IterableDatasetDict()
        for split, samples in lengths.items():
            rows = datasets.Dataset.from_dict({"video": ["0.mp4"], "label": ["b"]}).to_iterable_dataset()
            features = datasets.Features(
                {"video": datasets.Value("string"), "label": datasets.ClassLabel(names=["b"])}
            )
            rows = rows.cast(features)
            rows.info.splits = datasets.SplitDict({split: datasets.SplitInfo(split, num_examples=samples or 0)})
            rows._split = datasets.Split(split)
            found[split] = rows
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, streaming: found)

    return make


def test_a_streamed_data_set_of_the_hub_is_validated_on_its_own_split(streams, videos, caplog):
    streams(train=70, valid=7)
    found = open_labelled(arguments("hf:o/n", streaming=True))
    assert (found.train.num_samples, found.validation.num_samples) == (70, 7) and found.class_names == ["b"]
    streams(train=70, valid=None)
    assert open_labelled(arguments("hf:o/n", streaming=True)).validation is None
    assert "hf:o/n: this stream does not say how many videos its validation split has" in caplog.text
    with pytest.raises(ValueError, match="does not say how many .*: validate on a list, a folder or tar shards"):
        open_labelled(arguments(videos / "train", validation_data="hf:o/n", streaming=True))
    streams(test=7)
    with pytest.raises(ValueError, match="hf:o/n: no split 'train'; there is test"):
        open_labelled(arguments("hf:o/n", streaming=True))


def test_videos_without_labels_are_told_of_whatever_kind_they_are(shards, videos, tmp_path):
    with tarfile.open(tmp_path / "bare.tar", "w") as tar:
        tar.add(videos / "val" / "a" / "0.mp4", "0.mp4")
    told = "the videos have no labels: wanted class folders"
    for fields in (
        {"data": videos / "val" / "a"},
        {"data": tmp_path / "bare.tar"},
        {"data": videos / "train", "validation_data": videos / "val" / "a"},
    ):
        with pytest.raises(ValueError, match=told):
            open_labelled(arguments(**fields))
    assert open_training_videos(arguments(tmp_path / "bare.tar"), labels=False, batch_size=2).class_names is None


def test_several_splits_to_validate_on_are_not_chosen_from(videos, tmp_path):
    (videos / "val").rename(videos / "test")
    with pytest.raises(ValueError, match="no split 'validation'; there is train, test"):
        open_labelled(arguments(videos / "train", validation_data=videos))


def test_the_check_tells_everything_at_once_and_reads_each_source_once(videos, tmp_path, monkeypatch):
    lines = [
        "train/a/0.mp4,a",
        "train/a/0.mp4,b",
        "train/a/1.mp4,a",
        "./train/a/1.mp4,a",
        "gone.mp4,b",
        "val/a/0.mp4,a",
    ]
    (videos / "train.csv").write_text("\n".join(lines))
    (videos / "other.csv").write_text("val/a/0.mp4,a\nval/b/0.mp4,swim\n")
    read = []
    monkeypatch.setattr(
        training_data, "read_videos", lambda source, **kw: read.append(source) or read_videos(source, **kw)
    )
    flags = arguments(videos / "train.csv", validation_data=videos / "other.csv")
    report = check_training_videos(flags, labels=True)
    assert {finding.kind: finding.count for finding in report.errors} == {
        "listed file": 1,  # gone.mp4
        "listed label": 1,  # swim
        "leak by path": 1,
        "labels by path": 1,
    }
    assert "twice by path" in [finding.kind for finding in report.warnings]
    assert "train.csv, line 5: no such file" in str(report) and "validation: " in str(report)
    assert read == [str(videos / "train.csv"), str(videos / "other.csv")]


def test_the_check_covers_all_splits_and_the_validation_videos(videos, tmp_path):
    report = check_training_videos(arguments(videos), labels=True)
    assert report.videos == {"train": 4, "validation": 2} and not report.errors
    leaked = check_training_videos(arguments(videos / "train", validation_data=videos / "train"), labels=True)
    assert leaked.videos == {"train": 4, "validation": 4} and leaked.errors


def test_a_stream_cannot_be_checked(shards):
    with pytest.raises(ValueError, match="--validate is for lists and folders"):
        check_training_videos(arguments(shards), labels=True)
