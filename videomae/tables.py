# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What a source of videos was found to hold: videos, labels, and what is wrong with them. Names that sources share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import datasets

SPLIT_NAMES = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
PATH_COLUMNS = ("path", "video", "video_path", "file", "file_name", "filename")
LABEL_COLUMNS = ("label", "class", "class_name", "category", "labels")
SPLIT_COLUMN = "split"
COMPLAINTS_SHOWN = 5


class Complaint(NamedTuple):
    """What is wrong with a row; `row` is None where it is no single one.

    `kind` is "file" where it is the video, "label" where it is the label, "line" where the row could not be read, and
    otherwise "list".
    """

    row: int | None
    text: str
    kind: str = "list"


@dataclass
class Table:
    """The videos of one split, as found.

    `names` are paths or, where the source holds the videos themselves (`videos`, a table with the column "video" that
    has bytes), what to call them by. `labels` are texts ("" where one is missing) that name one class each; with
    `feature` they are something else, of that type, and stay as they are; None: there are none.
    """

    names: list[str]
    labels: list[Any] | None = None
    listed: bool = True  # in a list integers may stand for classes; the name of a folder is a name
    class_names: list[str] | None = None  # where the source itself numbers its classes
    feature: Any = None
    videos: datasets.Dataset | None = None
    complaints: list[Complaint] = field(default_factory=list)
    hint: str | None = None  # what may be behind the complaints
    _unread: set[int] = field(default_factory=set, init=False)

    def complain(self, text: str, row: int | None = None, kind: str = "list", *, unread: bool = False) -> None:
        """With `unread` nobody can tell what the row was to say, and later complaints about it are left out."""
        if row is None or row not in self._unread:
            self.complaints.append(Complaint(row, text, "line" if unread else kind))
        if unread:
            self._unread.add(row)


class Columns(NamedTuple):
    """Which of the columns hold what; None where there is none, or it is not wanted."""

    path: int
    label: int | None
    split: int | None


def find_columns(source: str, names: Sequence[str], labels: bool, path: int | None = None) -> Columns:
    """The columns of path (unless known), label and split among those of these names. Raises ValueError, see there."""
    lower = [name.lower() for name in names]
    if path is None:
        path = _first(lower, PATH_COLUMNS)
    split = _first(lower, (SPLIT_COLUMN,))
    label = _first(lower, LABEL_COLUMNS) if labels else None
    unknown = set(range(len(names))) - {path, split}
    if path is None or (labels and label is None and unknown):
        lacking = "path" if path is None else "label"
        hint = "" if path is None else "; without labels (labels=False) it can be read"
        raise ValueError(
            f"{source}: none of the columns {', '.join(names)} is known as the {lacking}; {known_columns()}{hint}"
        )
    return Columns(path, label, split)


def _first(names: list[str], wanted: Sequence[str]) -> int | None:
    return next((column for column, name in enumerate(names) if name in wanted), None)


def known_columns() -> str:
    return f"a path column is called {', '.join(PATH_COLUMNS)}; a label column {', '.join(LABEL_COLUMNS)}"


def summary(source: str, complaints: Sequence[Complaint], hints: Sequence[str] = ()) -> str:
    """How many complaints there are, and the first few; below them what may be behind them."""
    shown = "\n- ".join(complaint.text for complaint in complaints[:COMPLAINTS_SHOWN])
    more = f"\n… and {len(complaints) - COMPLAINTS_SHOWN} more" if len(complaints) > COMPLAINTS_SHOWN else ""
    head = f"{source}: {len(complaints)} problem{'s' if len(complaints) > 1 else ''}\n- {shown}{more}"
    return "\n".join([head, *hints])


def some(names: Sequence[str]) -> str:
    """The first few of the names."""
    return ", ".join(names[:COMPLAINTS_SHOWN]) + (" …" if len(names) > COMPLAINTS_SHOWN else "")
