# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""How much of the classes of labelled videos the features of a checkpoint tell, without training anything.

kNN and linear probe are those of `probes`: exact and in closed form, so that no other library is needed and the same
videos give the same numbers.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .extraction import Finished, feature_parts
from .features import FeatureSettings
from .image_processing_videomae import VideoMAEVideoProcessor
from .listing import class_names, load_videos
from .modeling_videomae import VideoMAEPreTrainedModel
from .plots import save_embedding
from .probes import chance_level, knn_classes, linear_probe_classes, percent_right, split_rows
from .projections import pca, tsne
from .targets import BETWEEN_CLASSES
from .video import VideoDecodeError

METHODS = {"knn": knn_classes, "linear_probe": linear_probe_classes}


@dataclass(frozen=True)
class LabelledTables:
    """Labelled videos to learn from and to test on: tables with the columns "video" and "label"."""

    train: datasets.Dataset
    test: datasets.Dataset
    names: list[str]  # of the classes
    tested_on: str  # "validation", "test", or "every third video of a class"


def labelled_tables(source: str | os.PathLike) -> LabelledTables:
    """The labelled videos of a folder or list.

    They are tested on its validation split, else its test split, else on every third video of each class.

    Raises:
        ValueError: no such source, no labels, one class, several classes a video (in text `a|b`), or a class with one
            video and no split to test on.
    """
    splits = load_videos(source)
    names = class_names(splits["train"]) if "train" in splits else []
    if several := [name for name in names if BETWEEN_CLASSES in name]:
        raise ValueError(
            f"{source}: the label {several[0]!r} means several classes a video ({BETWEEN_CLASSES!r} is between them); "
            "kNN and linear probe tell one class: give each video one"
        )
    if len(names) < 2:
        found = f"1 class ({names[0]})" if names else f"no split train, only {', '.join(splits)}"
        raise ValueError(f"{source}: {found}, wanted a training split of at least 2 classes")
    train = splits["train"]
    for tested_on in ("validation", "test"):
        if tested_on in splits:
            return LabelledTables(train, splits[tested_on], names, tested_on)
    try:
        rows, tested = split_rows(train["label"])
    except ValueError as error:
        raise ValueError(f"{source} has no val/ or test/, and {error}") from error
    return LabelledTables(train.select(rows), train.select(tested), names, "every third video of a class")


@dataclass(frozen=True)
class LabelledFeatures:
    """One vector of each video that can be read: those to learn from, then those to test on."""

    vectors: Tensor  # (V, D)
    labels: Tensor  # (V,) class numbers
    num_train: int
    left_out: list[str]  # videos that can not be read


def labelled_features(
    model: VideoMAEPreTrainedModel,
    processor: VideoMAEVideoProcessor,
    tables: LabelledTables,
    settings: FeatureSettings,
    *,
    on_bad_video: str = "error",
    num_workers: int = 0,
) -> LabelledFeatures:
    """The features of all videos of the tables.

    Args:
        settings: with pool "mean" and without a sliding window: one vector a video.
        on_bad_video: "error" raises; "skip" leaves videos that can not be read out of both parts.

    Raises:
        ValueError: settings that give several vectors; nothing left of a part.
        VideoDecodeError: a video can not be read.
    """
    settings = settings.completed(model, processor)
    if settings.slides or settings.pool != "mean":
        raise ValueError("kNN and linear probe take one vector a video: wanted pool 'mean' and no sliding window")
    videos, labels = [*tables.train["video"], *tables.test["video"]], [*tables.train["label"], *tables.test["label"]]
    features, left_out = _features(model, processor, videos, settings, on_bad_video, num_workers)
    num_train = sum(row < len(tables.train) for row in features)
    if num_train in (0, len(features)):
        raise ValueError(f"none of the {len(tables.test if num_train else tables.train)} videos can be read")
    vectors, labels = torch.stack(list(features.values())), torch.tensor([labels[row] for row in features])
    return LabelledFeatures(vectors, labels, num_train, left_out)


def judge(features: LabelledFeatures, tables: LabelledTables, methods: Sequence[str] = tuple(METHODS)) -> dict:
    """Percent of the test videos whose class is told by some of `METHODS`, for JSON:

        {"knn": {"accuracy": …, "per_class": {name: …}}, "linear_probe": …, "chance": …, "train_videos": …,
         "test_videos": …, "tested_on": …, "left_out": [video, …]}

    "chance" is to say the most frequent class of the training videos; a class without test videos is not among
    "per_class".
    """
    known_features, asked_features = features.vectors.tensor_split([features.num_train])
    known_labels, asked_labels = features.labels.tensor_split([features.num_train])
    found = {}
    for method in methods:
        told = METHODS[method](known_features, known_labels, asked_features)
        per_class = {
            tables.names[label]: percent_right(told[asked_labels == label], asked_labels[asked_labels == label])
            for label in asked_labels.unique().tolist()
        }
        found[method] = {"accuracy": percent_right(told, asked_labels), "per_class": per_class}
    return found | {
        "chance": chance_level(known_labels, asked_labels),
        "train_videos": len(known_labels),
        "test_videos": len(asked_labels),
        "tested_on": tables.tested_on,
        "left_out": features.left_out,
    }


def _features(model, processor, videos, settings, on_bad_video, num_workers) -> tuple[dict[int, Tensor], list[str]]:
    """{row: its features (D,)} in the order of the rows, and the names of those that can not be read."""
    features: dict[int, np.ndarray] = {}
    left_out: list[str] = []
    with tqdm(total=len(videos), unit="video") as progress:
        for row, part in feature_parts(model, processor, videos, settings, num_workers=num_workers):
            if isinstance(part, VideoDecodeError) and on_bad_video == "error":
                raise part
            if isinstance(part, np.ndarray) and len(part):
                features[row] = part[0]
            elif isinstance(part, VideoDecodeError):
                left_out.append(part.path)
            progress.update(isinstance(part, (Finished, VideoDecodeError)))
    return {row: torch.from_numpy(features[row]) for row in sorted(features)}, sorted(left_out)


def draw(features: LabelledFeatures, tables: LabelledTables, projection: str, path: str | os.PathLike) -> Path:
    """A png of the videos in the plane, by "pca" or "tsne". Returns `path`.

    Raises ValueError: too few videos (`projections`); for t-SNE, no scikit-learn.
    """
    if projection == "pca":
        points, shares = pca(features.vectors.numpy())
        title, axis_labels = "PCA of the features", tuple(f"{100 * share:.0f} % of the variance" for share in shares)
    else:
        points, title, axis_labels = tsne(features.vectors.numpy()), "t-SNE of the features", ("", "")
    return save_embedding(path, points, features.labels.numpy(), tables.names, title, axis_labels=axis_labels)


def describe(found: dict) -> str:
    """What `judge` found, for people."""
    lines = [
        f"{found['train_videos']} videos to learn from, {found['test_videos']} to test on ({found['tested_on']}); "
        f"chance {found['chance']:.1f} %"
    ]
    titles = {"knn": "kNN", "linear_probe": "linear probe"}
    for method in (method for method in titles if method in found):
        lines.append(f"{titles[method]}: {found[method]['accuracy']:.1f} % right")
        lines += [f"  {name}: {percent:.1f} %" for name, percent in found[method]["per_class"].items()]
    return "\n".join(lines)


__all__ = [
    "METHODS",
    "LabelledFeatures",
    "LabelledTables",
    "describe",
    "draw",
    "judge",
    "labelled_features",
    "labelled_tables",
]
