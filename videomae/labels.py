# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""From the labels of videos to numbers of classes, by the same rules for lists, tables, tar shards and streams.

- A label is a text: the name of a class, or an integer. What JSON or a column holds becomes one by `label_text`.
- Integers are positions in the class names, unless one of those is an integer, too: then they are names. "07" is 7.
- Without class names they are the sorted labels; of labels that are all integers, "0" to the largest.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from .tables import COMPLAINTS_SHOWN, some

UNLABELLED = (
    "the videos have no labels: wanted class folders (class/video.mp4) and no videos beside them, a list with a label "
    "on each line, or a .cls, .json or .txt beside each video of a tar shard"
)


def label_text(value: Any) -> str:
    """The text that a csv would have: "" for None, JSON for what is no text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def are_integers(labels: Iterable[str]) -> bool:
    """Whether all labels are ("" is none): then they may be positions."""
    return all(_is_integer(label) for label in labels if label)


def are_measured(labels: Iterable[str]) -> bool:
    """Whether all are numbers and not all of them integers: then they are values, and no classes."""
    labels = list(labels)
    return all(map(is_number, labels)) and not are_integers(labels)


def _is_integer(label: str) -> bool:
    return re.fullmatch(r"-?\d{1,9}", label) is not None


def is_number(label: str) -> bool:
    """Whether a label is one, with or without a fraction."""
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", label) is not None


def find_class_names(labels: Iterable[str], *, integers: bool = True) -> tuple[list[str], str | None]:
    """The class names that labels imply ("" is none), and what is wrong with them.

    `integers`: whether labels may be integers, and not only names that look like them, as those of folders.
    """
    found = set(labels) - {""}
    if not (integers and are_integers(found)):
        return sorted(found), None
    numbers = {int(label) for label in found if int(label) >= 0}
    largest = max(numbers, default=-1)
    if len(numbers) == largest + 1:
        return list(map(str, range(largest + 1))), None
    first = range(min(largest, len(numbers) + COMPLAINTS_SHOWN + 1))  # one more than are shown
    absent = [str(number) for number in first if number not in numbers]
    count = largest + 1 - len(numbers)
    below = "1 class below it has" if count == 1 else f"{count} classes below it have"
    complaint = (
        f"the largest label is {largest}, but {below} no video: {some(absent)}; if {'it' if count == 1 else 'they'} "
        f"exist{'s' if count == 1 else ''}, give the class names (--class_names FILE, in Python class_names=)"
    )
    return [str(number) for number in sorted(numbers)], complaint


def class_numbers(labels: Collection[str], class_names: Sequence[str], *, integers: bool = True) -> dict[str, int]:
    """{label: number of its class}, of those labels that are one; `integers` as in `find_class_names`."""
    by_name = {name: number for number, name in enumerate(class_names)}
    by_integer = {}
    if integers and are_integers(labels):
        named = {int(name): number for name, number in by_name.items() if _is_integer(name)}
        by_integer = named or {number: number for number in range(len(class_names))}
    numbers = {}
    for label in labels:
        number = by_name.get(label)
        if number is None and _is_integer(label):
            number = by_integer.get(int(label))
        if number is not None:
            numbers[label] = number
    return numbers


def label_complaint(label: str, class_names: Sequence[str], *, integers: bool = True) -> str:
    """What is wrong with a label that is no class."""
    if not label:
        return "label '' is missing"
    shown = some(class_names)
    if not (integers and _is_integer(label)):
        return f"label {label!r} is unknown; the classes are {shown}"
    if not any(map(_is_integer, class_names)):
        shown = f"0 to {len(class_names) - 1}"
    return f"label {label!r} is out of range; the classes are {shown}"


__all__ = [
    "UNLABELLED",
    "are_integers",
    "are_measured",
    "class_numbers",
    "find_class_names",
    "is_number",
    "label_complaint",
    "label_text",
]
