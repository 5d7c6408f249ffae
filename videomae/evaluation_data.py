# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The labelled videos that a classifier is measured on: of a table (`listing`) or of tar shards (`shards`)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets

from .listing import find_split, load_videos
from .shards import TarShards, are_shards, find_shard_splits
from .targets import SINGLE, with_targets

PREFERRED_SPLITS = ("test", "validation")


@dataclass
class EvaluationVideos:
    """What to open of each video (`frames.open_video`), and its target, such as the number of its class."""

    videos: Sequence[Any]
    labels: Sequence
    split: str

    def __len__(self) -> int:
        return len(self.videos)


class ShardVideos(Sequence):
    """The videos of tar shards, each read when it is asked for; a damaged one is a `VideoDecodeError`."""

    def __init__(self, shards: TarShards):
        self._shards = shards

    def __len__(self) -> int:
        return self._shards.num_samples

    def __getitem__(self, number: int) -> dict[str, Any]:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self._shards.row(number)["video"]


def open_evaluation_videos(
    source: str | os.PathLike,
    class_names: Sequence[str],
    *,
    problem_type: str = SINGLE,
    split: str | None = None,
    root: str | os.PathLike | None = None,
    exclude: str | os.PathLike | None = None,
) -> EvaluationVideos:
    """The videos of one split of a source, in its order.

    Args:
        source: as `listing.load_videos` takes it, or tar shards (`shards.find_shards`).
        class_names: the model's. Labels of the data become their positions; integers already are.
        problem_type: the model's: how labels are meant (`targets`).
        split: default: test, else validation, else the first there is.
        root: what the paths of a list are relative to.
        exclude: videos to leave out, as `listing.load_videos` takes them.

    Raises:
        ValueError: videos without labels, no such split, `root`, `exclude` or another problem type than one class a
            video for tar shards; and as `load_videos`, `with_targets`, `find_shard_splits` and `TarShards`.
    """
    in_shards = are_shards(source)
    for name, value in (("root", root), ("exclude", exclude)):
        if in_shards and value is not None:
            raise ValueError(f"{source}: tar shards have no use for {name}={str(value)!r}")
    of_classes = problem_type == SINGLE
    if in_shards and not of_classes:
        raise ValueError(f"{source}: tar shards have one class a video, the model is of {problem_type}")
    if in_shards:
        splits = find_shard_splits(source)
    elif of_classes:
        splits = load_videos(source, class_names=class_names, root=root, exclude=exclude)
    else:
        splits = load_videos(source, problem_type=problem_type, root=root, exclude=exclude)
    wanted = split or next(name for name in (*PREFERRED_SPLITS, *splits) if name in splits)
    found = find_split(str(source), splits, wanted)
    if in_shards:
        return videos_of(TarShards(splits[found], class_names=class_names), found)
    return videos_of(with_targets(splits[found], class_names, problem_type), found)


def videos_of(table: datasets.Dataset | TarShards, split: str) -> EvaluationVideos:
    """The videos of an open table, whose labels are targets, or of open shards."""
    if isinstance(table, TarShards):
        return EvaluationVideos(ShardVideos(table), table.labels.tolist(), split)
    return EvaluationVideos(table["video"], table["label"], split)


__all__ = ["PREFERRED_SPLITS", "EvaluationVideos", "ShardVideos", "open_evaluation_videos", "videos_of"]
