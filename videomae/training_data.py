# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What the flags of a training program say about its videos, made into data sets.

`--data` and `--validation_data` name tables (folders, lists, parquet, the Hub: `listing`), of which any row can be
read, or streams (tar shards, the Hub with `--streaming`: `streaming`), which come in the order of their shards.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import datasets

from .arguments import VideoArguments
from .checking import Report, check
from .data import VideoDataset
from .listing import class_names as names_of
from .listing import load_training_videos, load_videos, read_class_names
from .shards import are_shards
from .stored import HUB_PREFIX
from .streaming import Source, VideoStream, load_source

Videos = datasets.Dataset | Source


@dataclass
class TrainingVideos:
    """The videos to train on and, where there are any, those to validate on; `class_names` where they are labelled."""

    train: Videos
    validation: Videos | None
    class_names: list[str] | None


def open_training_videos(arguments: VideoArguments, *, labels: bool, batch_size: int) -> TrainingVideos:
    """The videos that the flags name. `batch_size`: clips of one device in one forward pass, for streams.

    Raises:
        ValueError: flags that do not fit the source, and what `load_videos` and `load_source` raise.
    """
    class_names = _given_class_names(arguments) if labels else None
    if not is_stream(arguments, arguments.data):
        _refuse_flags_of_streams(arguments)
        given = _list_settings(arguments, labels) | {"class_names": class_names}
        train, validation = load_training_videos(arguments.data, arguments.validation_data, **given)
        return TrainingVideos(train, validation, names_of(train) if labels else None)
    if arguments.exclude or arguments.data_root:
        raise ValueError("--exclude and --data_root are for lists and folders, --data is a stream")
    options = {"labels": labels, "class_names": class_names, "batch_size": batch_size}
    train = load_source(arguments.data, "train", **options)
    validation = None
    if arguments.validation_data is not None:
        options["class_names"] = train.class_names
        validation = _open_validation(arguments, options)
    return TrainingVideos(train, validation, train.class_names)


def count_training_videos(arguments: VideoArguments, *, labels: bool) -> tuple[int, int]:
    """Numbers of training videos and of their classes (0 without labels). Raises ValueError for a stream."""
    if is_stream(arguments, arguments.data):
        raise ValueError(f"--recipe auto counts the videos of a list or folder; {arguments.data} is a stream")
    videos = open_training_videos(arguments, labels=labels, batch_size=1)
    return len(videos.train), len(videos.class_names or ())


def balanced_class_weights(videos: TrainingVideos) -> list[float]:
    """Weight of each class: videos / (classes * its videos), 0 for a class without any; their mean over videos is 1.

    Raises ValueError for a stream, whose labels are only known when it was read.
    """
    if not isinstance(videos.train, datasets.Dataset):
        raise ValueError("--balance_classes counts the labels of a list or folder, --data is a stream")
    counts = Counter(videos.train["label"])
    present = len(videos.train) / len(counts)
    return [present / counts[label] if counts[label] else 0.0 for label in range(len(videos.class_names))]


def make_dataset(
    videos: Videos, clips: Callable, *, seed: int, training: VideoArguments | None = None
) -> VideoDataset | VideoStream:
    """The data set that makes these clips of the videos: with `training`, as its flags say; else in order and whole,
    and a video that does not decode is an error."""
    options = {"seed": seed}
    if training is not None:
        options |= {"on_bad_video": training.on_bad_video, "max_bad_share": training.max_bad_share}
    if isinstance(videos, datasets.Dataset):
        return VideoDataset(videos, clips, **options)
    if training is None:
        return VideoStream(videos, clips, shuffle=False, **options)
    return VideoStream(
        videos, clips, window=training.shuffle_window, samples_per_epoch=training.samples_per_epoch, **options
    )


def check_training_videos(arguments: VideoArguments, *, labels: bool) -> Report:
    """What is wrong, or looks wrong, with the videos of all splits (`checking.check`); for `--validate`.

    Raises:
        ValueError: as `load_videos`; a stream, which only reading it can tell.
    """
    if is_stream(arguments, arguments.data):
        raise ValueError(f"--validate is for lists and folders; {arguments.data} is a stream")
    settings = _list_settings(arguments, labels) | {"class_names": _given_class_names(arguments) if labels else None}
    splits = dict(load_videos(arguments.data, **settings))
    if arguments.validation_data is not None:
        _, splits["validation"] = load_training_videos(arguments.data, arguments.validation_data, **settings)
    return check(splits)


def is_stream(arguments: VideoArguments, source: str) -> bool:
    """Whether `source` is read in the order of its shards. Raises ValueError where `--streaming` can not be."""
    if source.startswith(HUB_PREFIX):
        return arguments.streaming
    shards = are_shards(source)
    if arguments.streaming and not shards:
        raise ValueError(f"--streaming is for {HUB_PREFIX}owner/name and tar shards, found {source}")
    return shards


def _given_class_names(arguments: VideoArguments) -> list[str] | None:
    file = getattr(arguments, "class_names", None)
    return read_class_names(file) if file else None


def _list_settings(arguments: VideoArguments, labels: bool) -> dict:
    return {"labels": labels, "root": arguments.data_root, "exclude": arguments.exclude}


def _refuse_flags_of_streams(arguments: VideoArguments) -> None:
    given = [name for name in ("samples_per_epoch", "shuffle_window") if getattr(arguments, name) is not None]
    if given:
        flags = " and ".join(f"--{name}" for name in given)
        raise ValueError(f"{flags}: for streams (tar shards, or the Hub with --streaming), --data is {arguments.data}")


def _open_validation(arguments: VideoArguments, options: dict) -> Videos:
    source = arguments.validation_data
    if source.startswith(HUB_PREFIX) or are_shards(source):
        return load_source(source, "validation", **options)
    splits = load_videos(source, labels=options["labels"], class_names=options["class_names"])
    return splits["validation"] if "validation" in splits else next(iter(splits.values()))


__all__ = [
    "TrainingVideos",
    "balanced_class_weights",
    "check_training_videos",
    "count_training_videos",
    "is_stream",
    "make_dataset",
    "open_training_videos",
]
