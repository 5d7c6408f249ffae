# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The labelled videos that a classifier is measured on: of a table (`listing`) or of tar shards (`shards`)."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import datasets

from .label_maps import match_labels
from .listing import FoundVideos, find_split, read_videos
from .shards import TarShards, are_shards, find_shard_splits
from .tables import summary
from .targets import SINGLE, video_names, with_targets

PREFERRED_SPLITS = ("test", "validation")


@dataclass
class EvaluationVideos:
    """What to open of each video (`frames.open_video`), its target, such as the number of its class, and its name."""

    videos: Sequence[Any]
    labels: Sequence
    split: str
    names: Sequence[str]
    missing: Mapping[int, str] = field(default_factory=dict)  # {number of a video that is not there: what is wrong}
    label_map: Mapping[str, str] = field(default_factory=dict)  # {label: class}, where these are not the same

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
    label_map: Mapping[str, str] | None = None,
) -> EvaluationVideos:
    """The videos of one split of a source, in its order; those of a list that are not there are `missing`.

    Args:
        source: as `listing.load_videos` takes it, or tar shards (`shards.find_shards`).
        class_names: the model's. Labels of the data become their positions (`label_maps`); integers already are.
        problem_type: the model's: how labels are meant (`targets`).
        split: default: test, else validation, else the first there is.
        root: what the paths of a list are relative to.
        exclude: videos to leave out, as `listing.load_videos` takes them.
        label_map: {label: class}, for one class a video, where names do not tell.

    Raises:
        ValueError: videos without labels, labels that are no class, no such split, all videos of it missing; `root`,
            `exclude` or another problem type than one class a video for tar shards; and as `load_videos`,
            `with_targets`, `find_shard_splits` and `TarShards`.
    """
    used: dict[str, str] = {}

    def rename(labels: Collection[str]) -> dict[str, str]:
        found = match_labels(labels, class_names, label_map)
        used.update({label: name for label, name in sorted(found.items()) if label != name})
        return found

    if are_shards(source):
        for name, value in (("root", root), ("exclude", exclude)):
            if value is not None:
                raise ValueError(f"{source}: tar shards have no use for {name}={str(value)!r}")
        if problem_type != SINGLE:
            raise ValueError(f"{source}: tar shards have one class a video, the model is of {problem_type}")
        splits = find_shard_splits(source)
        found = _find_split(source, splits, split)
        videos = videos_of(TarShards(splits[found], class_names=class_names, rename=rename), found)
    else:
        classes = {"class_names": class_names, "rename": rename} if problem_type == SINGLE else {}
        kind = None if problem_type == SINGLE else problem_type
        listed = read_videos(source, problem_type=kind, root=root, exclude=exclude, **classes)
        found = _find_split(source, listed.splits, split)
        missing = _missing(str(source), listed, found)
        videos = videos_of(with_targets(listed.splits[found], class_names, problem_type), found)
        videos.missing = missing
    videos.label_map = used
    return videos


def _find_split(source: str | os.PathLike, splits: Collection[str], split: str | None) -> str:
    wanted = split or next(name for name in (*PREFERRED_SPLITS, *splits) if name in splits)
    return find_split(str(source), splits, wanted)


def _missing(source: str, listed: FoundVideos, split: str) -> dict[int, str]:
    """{row: what is wrong with its file}. Raises ValueError for all else that is wrong, and if all are missing."""
    missing = {wrong.row: wrong.text for wrong in listed.complaints[split] if wrong.kind == "file"}
    others = [wrong for part in listed.complaints.values() for wrong in part if wrong.kind != "file"]
    if not others and len(missing) == len(listed.splits[split]):
        others = listed.complaints[split]
    if others:
        raise ValueError(summary(source, others, listed.hints))
    return missing


def videos_of(table: datasets.Dataset | TarShards, split: str) -> EvaluationVideos:
    """The videos of an open table, whose labels are targets, or of open shards."""
    if isinstance(table, TarShards):
        names = [table.name(number) for number in range(table.num_samples)]
        return EvaluationVideos(ShardVideos(table), table.labels.tolist(), split, names)
    return EvaluationVideos(table["video"], table["label"], split, video_names(table))


def of_their_classes(videos: EvaluationVideos, class_names: Sequence[str]) -> tuple[list[str], EvaluationVideos]:
    """The classes that occur among the videos, in their order, and the videos with numbers in these.

    For one class a video.
    """
    present = sorted({label for label in videos.labels if label >= 0})
    numbers = {label: number for number, label in enumerate(present)}
    labels = [numbers.get(label, -1) for label in videos.labels]
    return [class_names[label] for label in present], replace(videos, labels=labels)


__all__ = [
    "PREFERRED_SPLITS",
    "EvaluationVideos",
    "ShardVideos",
    "of_their_classes",
    "open_evaluation_videos",
    "videos_of",
]
