# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What a classifier learns and is measured against: the labels of a table as numbers, by problem type.

| problem type | labels | targets of a video |
|---|---|---|
| single_label_classification | one class a video | its number |
| multi_label_classification | lists of classes, in a text list `a|b`; or a row of booleans | K numbers of 0 and 1 |
| regression | a number, or a row of them | that |
"""

from collections.abc import Sequence

import datasets

from .labels import UNLABELLED, class_numbers, find_class_names, is_number, label_complaint, label_text
from .tables import COMPLAINTS_SHOWN, Complaint, Table, some, summary

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"
BETWEEN_CLASSES = "|"
TARGETS = datasets.List(datasets.Value("float32"))


def read_as(table: Table, problem_type: str) -> None:
    """Let the texts of a table become what the problem type takes: lists of classes, or numbers; in place.

    Adds to the table's complaints. Raises ValueError for labels of another kind.
    """
    if table.labels is None:
        return
    if table.feature is None and problem_type == MULTI:
        table.labels = [
            [part.strip() for part in text.split(BETWEEN_CLASSES)] if text else "" for text in table.labels
        ]
        table.feature = datasets.List(datasets.Value("string"))
    elif table.feature is None and problem_type == REGRESSION:
        for row, (name, text) in enumerate(zip(table.names, table.labels, strict=True)):
            if text and not is_number(text):
                table.complain(f"{name}: label {text!r}: wanted a number (problem_type regression)", row, "label")
        table.labels = [float(text) if is_number(text) else text for text in table.labels]
        table.feature = datasets.Value("float32")
    elif table.feature is not None and not _may_be(table.feature, problem_type):
        raise ValueError(f"problem_type is {problem_type}, but the labels are {table.feature}")


def problem_type_of(videos: datasets.Dataset) -> str:
    """What the column "label" of a table implies. Raises ValueError for videos without labels, and for other types."""
    label = videos.features.get("label")
    if label is None:
        raise ValueError(UNLABELLED)
    if isinstance(label, datasets.ClassLabel):
        return SINGLE
    found = next((kind for kind in (MULTI, REGRESSION) if _may_be(label, kind)), None)
    if found is None:
        raise ValueError(f"the labels are {label}; wanted a class, a list of classes, a number or a row of numbers")
    return REGRESSION if _is_float(_inner(label)) else found


def _may_be(feature, problem_type: str) -> bool:
    several, inner = isinstance(feature, datasets.List), _inner(feature)
    if problem_type == REGRESSION:
        return _is_float(inner) or several and _is_integer(inner)
    return problem_type == MULTI and several


def _inner(feature):
    return feature.feature if isinstance(feature, datasets.List) else feature


def _is_float(feature) -> bool:
    return getattr(feature, "dtype", "").startswith(("float", "double"))


def _is_integer(feature) -> bool:
    return not isinstance(feature, datasets.ClassLabel) and getattr(feature, "dtype", "").startswith(("int", "uint"))


# ---- names of the outputs ----


def output_names(videos: datasets.Dataset, problem_type: str, given: Sequence[str] | None = None) -> list[str]:
    """The names of a classifier's K outputs for labels as of `load_videos`.

    They are `given`, or the classes of the labels, sorted (of integers "0" to the largest); a number is called
    "value", those of a row "0", "1" …

    Raises ValueError: no labels; `given` names for another number of numbers; integers of which some class has no
    video.
    """
    label = videos.features.get("label")
    if label is None:
        raise ValueError(UNLABELLED)
    if problem_type == SINGLE:
        return label.names
    if problem_type == MULTI and not _is_hot(label):
        return list(given) if given is not None else _class_names(videos)
    names = list(map(str, range(len(videos[0]["label"])))) if isinstance(label, datasets.List) else ["value"]
    if given is not None and len(given) != len(names):
        raise ValueError(f"{len(given)} class names are given, the labels are {len(names)} numbers a video")
    return names if given is None else list(given)


def _class_names(videos: datasets.Dataset) -> list[str]:
    label = _inner(videos.features["label"])
    if isinstance(label, datasets.ClassLabel):
        return label.names
    names, wrong = find_class_names({label_text(each) for labels in videos["label"] for each in labels})
    if wrong:
        raise ValueError(wrong)
    return names


def _is_hot(feature) -> bool:
    return _is_float(_inner(feature)) or getattr(_inner(feature), "dtype", "") == "bool"


# ---- labels to targets ----


def with_targets(videos: datasets.Dataset, names: Sequence[str], problem_type: str) -> datasets.Dataset:
    """The table with targets as its column "label": see the top of this file.

    Args:
        videos: as of `load_videos`.
        names: of the classifier's outputs, in their order.

    Raises ValueError: no labels; some that are no class, or twice in a video; rows of another length than `names`.
    """
    if "label" not in videos.features:
        raise ValueError(UNLABELLED)
    if problem_type == SINGLE or not isinstance(videos.features["label"], datasets.List):
        return videos
    label, rows = videos.features["label"], videos["label"][:]
    if problem_type == REGRESSION or _is_hot(label):
        wrong = _row_complaints(rows, len(names), hot=problem_type == MULTI)
        targets = [list(map(float, row)) for row in rows]
    else:
        if isinstance(_inner(label), datasets.ClassLabel):
            rows = [[_inner(label).names[number] for number in row] for row in rows]
        targets, wrong = _hot_rows([list(map(label_text, row)) for row in rows], names)
    if wrong:
        paths = video_names(videos)
        raise ValueError(summary("labels", [Complaint(row, f"{paths[row]}: {text}") for row, text in wrong.items()]))
    return videos.remove_columns("label").add_column("label", targets, feature=TARGETS)


def _row_complaints(rows: list[list[float]], length: int, *, hot: bool) -> dict[int, str]:
    wrong = {}
    for number, row in enumerate(rows):
        if len(row) != length:
            wrong[number] = f"{len(row)} numbers, wanted {length}, one for each output"
        elif hot and not set(row) <= {0, 1}:
            wrong[number] = f"{row[:COMPLAINTS_SHOWN]}: wanted 0 and 1, one for each class"
    return wrong


def _hot_rows(rows: list[list[str]], names: Sequence[str]) -> tuple[list[list[float]], dict[int, str]]:
    numbers = class_numbers({label for row in rows for label in row}, names)
    hot, wrong = [], {}
    for number, row in enumerate(rows):
        found = [numbers.get(label) for label in row]
        if None in found:
            wrong[number] = label_complaint(row[found.index(None)], names)
        elif len(set(found)) < len(found):
            wrong[number] = f"labels {some(row)}: a class twice (rows of 0 and 1 are of booleans or floats)"
        present = set(found)
        hot.append([float(number in present) for number in range(len(names))])
    return hot, wrong


def video_names(videos: datasets.Dataset) -> list[str]:
    """What to call the videos by."""
    if isinstance(videos.features["video"], datasets.Value):
        return videos["video"][:]
    paths = videos.select_columns("video").flatten()["video.path"][:]
    return [path or f"row {number}" for number, path in enumerate(paths)]


__all__ = [
    "MULTI",
    "REGRESSION",
    "SINGLE",
    "output_names",
    "problem_type_of",
    "read_as",
    "video_names",
    "with_targets",
]
