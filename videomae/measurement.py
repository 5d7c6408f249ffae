# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""All videos of a split, on any number of processes: their scores, and the metrics of these.

Scores are rounded to `results.DECIMALS` before anything is made of them, so that the metrics of an evaluation that
was interrupted, and those of its file, are the same to the last bit.
"""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from .evaluation import VIEWS_PER_FORWARD, VideoViews, view_scores
from .evaluation_data import EvaluationVideos
from .files import replacing, write_json
from .metrics import class_accuracies, confusion_matrix, known_problem_type, metrics_of
from .results import DECIMALS, ResultsFile, Row, Scores
from .video import VideoDecodeError

SHOWN = {
    "top1": "top-1 {:.2f} %",
    "top5": "top-5 {:.2f} %",
    "mean_class_accuracy": "mean class accuracy {:.2f} %",
    "calibration_error": "calibration error {:.2f} %",
    "mAP": "mAP {:.2f} %",
    "mae": "mean absolute error {:.4g}",
    "r2": "R² {:.3f}",
}
LIKELY = 0.5  # of several classes a video, those with at least this probability are predicted


@dataclass
class Measurement:
    """What was found: `metrics` for metrics.json, and of one class a video the `confusion` (K, K)."""

    metrics: dict
    confusion: Tensor | None = None

    @property
    def unreadable(self) -> list[dict[str, str]]:
        """The rows of the list without a score: "path" of the video, and "error", why."""
        return self.metrics["missing"] + self.metrics["undecodable"]


@dataclass
class _Found:
    scores: dict[int, Scores] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)


# ---- which views of the views ----


def smaller_views(num_segments: int, num_crops: int, sampling: str) -> dict[str, list[int]]:
    """{"1x1": numbers of its views among the segment-major views of `num_segments` x `num_crops`, …}, itself last.

    Those whose places in time and space are all among the larger one's, such as 1x1, 2x1, 3x3 and 5x3 of 5x3: they
    need no frame more.
    """
    apart = 0 if sampling == "uniform" else 1
    segments = {count: _places(count, num_segments, apart) for count in range(1, num_segments + 1)}
    crops = {count: _places(count, num_crops, 1) for count in range(1, num_crops + 1)}
    return {
        f"{s}x{c}": [segment * num_crops + crop for segment in of_segments for crop in of_crops]
        for s, of_segments in segments.items()
        for c, of_crops in crops.items()
        if of_segments and of_crops
    }


def _places(count: int, largest: int, apart: int) -> list[int]:
    """Which of `largest` segments (or crops) `count` of them are; none where they are others.

    Number i of n lies at i / (n - apart) of the room that there is, a single one in the middle.
    """

    def places(n):
        return [Fraction(i, n - apart) for i in range(n)] if n > 1 else [Fraction(1, 2)]

    found = places(largest)
    wanted = places(count)
    return [found.index(place) for place in wanted] if set(wanted) <= set(found) else []


# ---- scores ----


def measure(
    model,
    processor,
    videos: EvaluationVideos,
    *,
    num_segments: int = 1,
    num_crops: int = 1,
    per_views: bool = False,
    num_workers: int = 0,
    views_per_forward: int = VIEWS_PER_FORWARD,
    results: str | None = None,
) -> Measurement:
    """The metrics (`metrics.metrics_of`) of all videos that can be read. Shows how far it is.

    On several processes each of them scores every P-th video, and all return the metrics of all videos.

    Args:
        model: a `VideoMAEForVideoClassification`.
        processor: its `VideoMAEVideoProcessor`, which knows size, frames and sampling.
        num_segments, num_crops: views of each video. One segment is its middle, one crop its centre.
        per_views: also the metrics of `smaller_views`, from the same views of each video, as "per_views".
        num_workers: processes that decode; 0 decodes here.
        views_per_forward: views that go through the network together; fewer need less memory.
        results: file of the scores (`results.ResultsFile`); one that is there is continued.

    Raises:
        ValueError: views that the processor does not have; a results file of another evaluation; no video that can be
            read.
    """
    loader = VideoViews(processor, videos.videos, num_segments, num_crops)
    kept = smaller_views(num_segments, num_crops, processor.sampling)
    views = f"{num_segments}x{num_crops}"
    kept = kept if per_views else {views: kept[views]}
    split = split_fingerprint(videos)
    file = None
    if results is not None:
        settings = {"model": model_fingerprint(model, processor), "videos": split, "views": views, "rows": list(kept)}
        file = ResultsFile(results, settings, views)
    state = PartialState()
    done = _Found(file.read() if file else {}, dict(videos.missing))
    state.wait_for_everyone()  # all have read before one writes
    left = [n for n in range(len(videos)) if n not in done.scores and n not in done.errors]
    share = left[state.process_index :: state.num_processes]
    if file:
        file.start(state.process_index)
    loaded = DataLoader(Subset(loader, share), batch_size=None, num_workers=num_workers)
    shown = tqdm(loaded, total=len(share), desc=f"{views} views", unit="video", disable=not state.is_main_process)
    found = _score(model, zip(share, shown, strict=True), kept, views_per_forward, file)
    for part in gather_object([found]):
        done.scores |= part.scores
        done.errors |= part.errors
    if file and state.is_main_process:
        file.finish(_rows(videos, model.config, done, views))
    return _summed_up(model.config, videos, done, views, list(kept), processor.sampling, split)


def _score(
    model,
    opened: Iterable[tuple[int, Tensor | VideoDecodeError]],
    kept: dict[str, list[int]],
    views_per_forward: int,
    file: ResultsFile | None,
) -> _Found:
    found = _Found()
    for number, video in opened:
        if isinstance(video, VideoDecodeError):
            found.errors[number] = video.reason
            continue
        scores = view_scores(model, video, views_per_forward).double()
        found.scores[number] = {
            views: scores[rows].mean(dim=0).round(decimals=DECIMALS).tolist() for views, rows in kept.items()
        }
        if file:
            file.add(number, found.scores[number])
    return found


def _summed_up(config, videos, found: _Found, views: str, kept: list[str], sampling: str, split: str) -> Measurement:
    numbers = sorted(found.scores)
    if not numbers:
        first = next(iter(found.errors.items()), None)
        reason = "" if first is None else f"; the first, {videos.names[first[0]]}: {first[1]}"
        raise ValueError(f"none of the {len(videos)} videos of {videos.split} can be read{reason}")
    labels = torch.tensor([videos.labels[number] for number in numbers])
    sets = {}
    for name in kept:
        scores = torch.tensor([found.scores[number][name] for number in numbers], dtype=torch.double)
        sets[name] = metrics_of(scores, labels, config.problem_type)
        if name == views:
            main = scores
    metrics = sets[views] | {
        "split": videos.split,
        "views": views,
        "sampling": sampling,
        "num_listed": len(videos),
        "missing": _without_score(videos, videos.missing),
        "undecodable": _without_score(videos, {n: why for n, why in found.errors.items() if n not in videos.missing}),
        "split_fingerprint": split,
        "label_map": videos.label_map,
    }
    if len(kept) > 1:
        metrics["per_views"] = sets
    if known_problem_type(config.problem_type, config.num_labels) != "single_label_classification":
        return Measurement(metrics)
    return Measurement(metrics | {"num_classes": config.num_labels}, confusion_matrix(main, labels))


def _without_score(videos: EvaluationVideos, errors: Mapping[int, str]) -> list[dict[str, str]]:
    """One entry a row of the list: a video that is listed twice is two."""
    return [{"path": videos.names[number], "error": errors[number]} for number in sorted(errors)]


def _rows(videos: EvaluationVideos, config, found: _Found, views: str) -> list[Row]:
    rows = []
    for number, name in enumerate(videos.names):
        scores = found.scores.get(number, {})
        prediction = _named(scores[views], config, of_scores=True) if scores else ""
        label = _named(videos.labels[number], config, of_scores=False)
        rows.append(Row(name, label, prediction, scores, found.errors.get(number, "")))
    return rows


def _named(values, config, *, of_scores: bool) -> str:
    """A label, or what scores predict, as text: the class, the classes `a|b`, or the number."""
    kind = known_problem_type(config.problem_type, config.num_labels)
    if kind == "regression":
        values = values if isinstance(values, list) else [values]
        return "|".join(f"{value:g}" for value in values)
    if kind == "multi_label_classification":
        return "|".join(config.id2label[number] for number, value in enumerate(values) if value >= LIKELY)
    number = max(range(len(values)), key=values.__getitem__) if of_scores else values
    return config.id2label[number] if number >= 0 else ""  # of a video that can not be read there may be none


# ---- what is measured ----


def split_fingerprint(videos: EvaluationVideos) -> str:
    """Tells splits apart: 16 hexadecimal digits of the names, labels and order of their videos."""
    shared = os.path.commonprefix(list(videos.names)).rfind("/") + 1  # the same set in another folder is the same set
    rows = [[name[shared:], label] for name, label in zip(videos.names, videos.labels, strict=True)]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def model_fingerprint(model, processor) -> str:
    """Tells models apart: 16 hexadecimal digits of the weights, the names of the classes and the preprocessing."""
    found = hashlib.sha256(json.dumps([model.config.id2label, processor.to_dict()], default=str).encode())
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return found.hexdigest()[:16]


# ---- written down ----


def write_measurement(folder: str | os.PathLike, found: Measurement, class_names: Sequence[str]) -> None:
    """metrics.json and, of one class a video, confusion_matrix.csv and .png, and class_accuracy.png.

    The matrix has a row for each class, and how it was taken. For one process.
    """
    write_json(Path(folder) / "metrics.json", found.metrics)
    if found.confusion is None:
        return
    with (
        replacing(Path(folder) / "confusion_matrix.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["class", *class_names])
        writer.writerows([name, *row] for name, row in zip(class_names, found.confusion.tolist(), strict=True))
    _draw(Path(folder), found.confusion, class_names)


def _draw(folder: Path, confusion: Tensor, class_names: Sequence[str]) -> None:
    from .plots import save_class_bars, save_confusion_matrix  # matplotlib, which measuring alone does not need

    save_confusion_matrix(folder / "confusion_matrix.png", confusion, class_names)
    accuracies = 100 * class_accuracies(confusion)
    save_class_bars(folder / "class_accuracy.png", accuracies.tolist(), confusion.sum(dim=1).tolist(), class_names)


def describe(metrics: dict) -> str:
    """What `measure` found, in one line, and a line for each of the smaller views."""
    lines = [
        f"{metrics['num_videos']} videos of {metrics['split']}, {metrics['views']} views each: {_shown_set(metrics)}"
    ]
    lines += [f"  {views:>5}  {_shown_set(found)}" for views, found in metrics.get("per_views", {}).items()]
    return "\n".join(lines)


def _shown_set(metrics: dict) -> str:
    shown = [text.format(metrics[name]) for name, text in SHOWN.items() if name in metrics]
    return ", ".join(shown) or "no mAP, none of the videos has a class"


def describe_videos(metrics: dict) -> str:
    """How many videos were listed and have no score, how many classes, and which labels mean one of another name."""
    line = (
        f"{metrics['num_listed']} videos listed, {len(metrics['missing'])} missing, "
        f"{len(metrics['undecodable'])} undecodable; {metrics['sampling']} sampling; split "
        f"{metrics['split_fingerprint']}"
    )
    if "num_classes" in metrics:
        line += f"; {metrics['num_classes']} classes compared"
    renamed = [f"{label} -> {name}" for label, name in metrics["label_map"].items()]
    return f"{line}\nlabels matched: {', '.join(renamed)}" if renamed else line


__all__ = [
    "Measurement",
    "describe",
    "describe_videos",
    "measure",
    "model_fingerprint",
    "smaller_views",
    "split_fingerprint",
    "write_measurement",
]
