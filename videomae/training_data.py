# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What the flags of a training program say about its videos, made into data sets.

`--data` and `--validation_data` name tables (folders, lists, parquet, the Hub: `listing`), of which any row can be
read, or streams (tar shards, the Hub with `--streaming`: `streaming`), which come in the order of their shards.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import datasets

from .arguments import VideoArguments
from .checking import Report, check
from .data import VideoDataset
from .labels import UNLABELLED
from .listing import find_split, load_videos, read_class_names, read_videos, validation_split
from .shards import are_shards
from .stored import HUB_PREFIX
from .streaming import Source, VideoStream, find_splits, make_source
from .targets import SINGLE, output_names, problem_type_of, with_targets

logger = logging.getLogger(__name__)

Videos = datasets.Dataset | Source


@dataclass
class TrainingVideos:
    """The videos to train on and, where there are any, those to validate on and, where they are asked for, to test on;
    `class_names` (for regression: names of the numbers) where they are labelled. Labels are targets (`targets`)."""

    train: Videos
    validation: Videos | None
    class_names: list[str] | None
    test: Videos | None = None
    problem_type: str = SINGLE


def open_training_videos(
    arguments: VideoArguments, *, labels: bool, batch_size: int, test: bool = False
) -> TrainingVideos:
    """The videos that the flags name.

    Args:
        labels: whether they need them.
        batch_size: clips of one device in one forward pass, for streams.
        test: whether the test split of `--data` is looked for; a data set of the Hub that is streamed has none.

    Raises:
        ValueError: flags that do not fit the source; with `labels`, videos without; and what `load_videos`,
            `find_splits` and `make_source` raise.
    """
    _check_flags(arguments)
    data, validation_data = arguments.data, arguments.validation_data
    opened = partial(_open, arguments, labels=labels, batch_size=batch_size)
    others = ["validation"] if validation_data is None else []
    if test and not (is_stream(arguments, data) and data.startswith(HUB_PREFIX)):
        others.append("test")
    wanted = partial(_training_and, others)
    given = _given_class_names(arguments) if labels else None
    asked = arguments.problem_type if labels else None
    of_classes = asked in (None, SINGLE)
    found = opened(data, wanted, class_names=given if of_classes else None, problem_type=asked)
    kind = (asked or _problem_type_of(found["train"])) if labels else SINGLE
    names = _names_of(found["train"], kind, given) if labels else None
    if validation_data is not None:
        settings = {"class_names": names, "problem_type": asked} if kind == SINGLE else {"problem_type": kind}
        found |= opened(validation_data, _validation, **settings)
    if labels:
        found = {use: _with_targets(videos, names, kind) for use, videos in found.items()}
    validation = found.get("validation")
    if validation is not None and _is_endless(validation):
        message = f"{validation_data or data}: this stream does not say how many videos its validation split has"
        if validation_data is not None:
            raise ValueError(f"{message}: validate on a list, a folder or tar shards")
        logger.warning("%s: it is not used; --validation_data may name a list, a folder or tar shards", message)
        validation = None
    return TrainingVideos(found["train"], validation, names, found.get("test"), kind)


def count_training_videos(arguments: VideoArguments, *, labels: bool) -> tuple[int, int]:
    """Numbers of training videos and of their classes (0 without labels). Raises ValueError for a stream."""
    if is_stream(arguments, arguments.data):
        raise ValueError(f"--recipe auto counts the videos of a list or folder; {arguments.data} is a stream")
    videos = open_training_videos(arguments, labels=labels, batch_size=1)
    return len(videos.train), len(videos.class_names or ())


def balanced_class_weights(videos: TrainingVideos) -> list[float]:
    """Weight of each class: videos / (classes * its videos), 0 for a class without any; their mean over videos is 1.

    Raises ValueError for a stream, whose labels are only known when it was read, and where videos have not one class.
    """
    if videos.problem_type != SINGLE:
        raise ValueError(f"--balance_classes is for one class a video, the labels are of {videos.problem_type}")
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
        ValueError: a source that can not be read at all (`read_videos`); a stream, which only reading it can tell.
    """
    data, validation_data = arguments.data, arguments.validation_data
    for source in filter(None, (data, validation_data)):
        if is_stream(arguments, source):
            raise ValueError(f"--validate is for lists and folders; {source} is a stream")
    settings = _list_settings(arguments, labels)
    if labels:
        settings |= {"class_names": _given_class_names(arguments), "problem_type": arguments.problem_type}
    found = read_videos(data, **settings)
    splits, complaints, hints = dict(found.splits), found.complaints, found.hints
    if validation_data is not None:
        label = splits[find_split(data, splits, "train")].features.get("label")
        if isinstance(label, datasets.ClassLabel):
            settings["class_names"] = label.names
        others = read_videos(validation_data, **settings)
        split = validation_split(validation_data, others.splits)
        splits["validation"], complaints["validation"] = others.splits[split], others.complaints[split]
        hints = hints + others.hints
    return check(splits, complaints, hints)


def is_stream(arguments: VideoArguments, source: str) -> bool:
    """Whether `source` is read in the order of its shards."""
    return arguments.streaming if source.startswith(HUB_PREFIX) else are_shards(source)


def _given_class_names(arguments: VideoArguments) -> list[str] | None:
    file = getattr(arguments, "class_names", None)
    return read_class_names(file) if file else None


def _list_settings(arguments: VideoArguments, labels: bool) -> dict:
    return {"labels": labels, "root": arguments.data_root, "exclude": arguments.exclude}


def _check_flags(arguments: VideoArguments) -> None:
    """Raises ValueError for flags of streams without one to train on, and of tables without any."""
    data, validation_data = arguments.data, arguments.validation_data
    sources = list(filter(None, (data, validation_data)))
    if arguments.streaming and not any(source.startswith(HUB_PREFIX) or are_shards(source) for source in sources):
        raise ValueError(f"--streaming is for {HUB_PREFIX}owner/name and tar shards, found {' and '.join(sources)}")
    given = [name for name in ("samples_per_epoch", "shuffle_window") if getattr(arguments, name) is not None]
    if given and not is_stream(arguments, data):
        flags = " and ".join(f"--{name}" for name in given)
        raise ValueError(f"{flags}: for streams (tar shards, or the Hub with --streaming), --data is {data}")
    if (arguments.exclude or arguments.data_root) and all(is_stream(arguments, source) for source in sources):
        raise ValueError("--exclude and --data_root are for lists and folders, --data is a stream")


def _open(
    arguments: VideoArguments,
    source: str,
    wanted: Callable[[Collection[str], str], dict[str, str]],
    *,
    labels: bool,
    batch_size: int,
    class_names: list[str] | None = None,
    problem_type: str | None = None,
) -> dict[str, Videos]:
    """Those of its splits that are `wanted`, of a table or a stream, by their use; the first one says what the classes
    are."""
    if not is_stream(arguments, source):
        settings = _list_settings(arguments, labels) | {"class_names": class_names, "problem_type": problem_type}
        splits = load_videos(source, **settings)
        return {use: splits[split] for use, split in wanted(splits, source).items()}
    if problem_type not in (None, SINGLE):
        raise ValueError(f"--problem_type {problem_type} is for lists and folders; {source} is a stream")
    parts, found = find_splits(source), {}
    for use, split in wanted(parts, source).items():
        try:
            found[use] = make_source(parts[split], labels=labels, class_names=class_names, batch_size=batch_size)
        except ValueError as error:
            if use != "test":
                raise
            raise ValueError(f"{error}\n(--test_views none trains without it)") from error
        class_names = next(iter(found.values())).class_names
    return found


def _training_and(others: Sequence[str], splits: Collection[str], source: str) -> dict[str, str]:
    return {"train": find_split(source, splits, "train")} | {split: split for split in others if split in splits}


def _validation(splits: Collection[str], source: str) -> dict[str, str]:
    return {"validation": validation_split(source, splits)}


def _problem_type_of(videos: Videos) -> str:
    return problem_type_of(videos) if isinstance(videos, datasets.Dataset) else SINGLE


def _with_targets(videos: Videos, names: list[str], problem_type: str) -> Videos:
    """Raises ValueError for videos without labels."""
    if isinstance(videos, datasets.Dataset):
        return with_targets(videos, names, problem_type)
    _names_of(videos, problem_type, None)
    return videos


def _names_of(videos: Videos, problem_type: str, given: list[str] | None) -> list[str]:
    """The names of the outputs. Raises ValueError for videos without labels."""
    if isinstance(videos, datasets.Dataset):
        return output_names(videos, problem_type, given)
    if videos.class_names is None:
        raise ValueError(UNLABELLED)
    return videos.class_names


def _is_endless(videos: Videos) -> bool:
    return not isinstance(videos, datasets.Dataset) and videos.num_samples is None


__all__ = [
    "TrainingVideos",
    "balanced_class_weights",
    "check_training_videos",
    "count_training_videos",
    "is_stream",
    "make_dataset",
    "open_training_videos",
]
