# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Lists of videos in a file: csv, tsv, txt and jsonl, with or without a header; the official lists among them.

Columns of text are separated by tabs, commas, semicolons or spaces.

Official lists have no header and one space between columns:
- `path label`, as VideoMAE and VideoMAE V2 fine-tune. A path without an extension may lack ".mp4";
- `path start total`, as V2 pre-trains: a video file with `0 -1`, or a folder of `total` pictures from number `start`
  (0 or 1) on;
- `folder total label`, as V2 fine-tunes on folders of frames.
A folder of frames is read as a whole: `total` must be the number of its pictures. No video has fewer than two frames,
so a second column of 0 and 1 alone is a start, and one without them a total.
"""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import datasets

from .folders import FEWEST_PICTURES, VIDEO_FILES, count_pictures, is_video_name
from .labels import label_text
from .tables import LABEL_COLUMNS, PATH_COLUMNS, SPLIT_NAMES, Columns, Table, find_columns, known_columns

LIST_EXTENSIONS = (".csv", ".jsonl", ".tsv", ".txt")
MISSING = "no such file"
SEPARATORS = "\t,;"
_VIDEO = rf"(?:{'|'.join(map(re.escape, sorted(VIDEO_FILES)))})"
_VIDEO_AND_REST = re.compile(rf"(.*{_VIDEO})(?:\s+(.*))?", re.IGNORECASE)
_VIDEO_AND_SEPARATOR = re.compile(rf".*?{_VIDEO}(?: *([{SEPARATORS}]).*)?\s*", re.IGNORECASE)


class _Row(NamedTuple):
    """A line of a list; `frames` is None where the list does not say, and negative for a video file.

    `unread` says why the line can not be read; then the rest counts for nothing.
    """

    line: int
    path: str
    label: Any = ""
    split: str | None = None
    frames: int | None = None
    unread: str | None = None


def read_list(file: str | os.PathLike, labels: bool, root: str | os.PathLike | None = None) -> dict[str, Table]:
    """{split: videos} of a list; without a column of splits all are "train".

    Args:
        file: the list.
        labels: False leaves labels out.
        root: what paths are relative to. Default: the list's folder.

    Raises ValueError for columns that are not clear and a file that is not UTF-8. What is wrong with single lines is
    in the tables' complaints.
    """
    file = Path(file)
    base = str(file.parent if root is None else root)
    rows = list(_json_rows(file, labels) if file.suffix.lower() == ".jsonl" else _text_rows(file, labels, base))
    if not rows:
        empty = Table([])
        empty.complain(f"{file}: the list is empty")
        return {"train": empty}
    by_split: dict[str, list[_Row]] = {}
    for row in rows:
        by_split.setdefault(_split_of(row), []).append(row)
    order = [split for split in dict.fromkeys(SPLIT_NAMES.values()) if split in by_split]
    return {split: _to_table(file, base, by_split[split], labels) for split in order}


class ListedPath(NamedTuple):
    line: int  # from 1
    written: str
    path: str  # from the list's folder on
    frames: int | None  # as the official lists say it; negative: of a video file


def listed_paths(file: str | os.PathLike) -> list[ListedPath]:
    """The path of each video of a list.

    Raises ValueError for columns that are not clear and a file that is not UTF-8.
    """
    file = Path(file)
    base = str(file.parent)
    rows = _json_rows(file, False) if file.suffix.lower() == ".jsonl" else _text_rows(file, False, base)
    return [ListedPath(row.line, row.path, resolve(base, row.path), row.frames) for row in rows]


def _split_of(row: _Row) -> str:
    return "train" if row.split is None else SPLIT_NAMES.get(row.split.lower(), "train")


def _to_table(file: Path, base: str, rows: list[_Row], labels: bool) -> Table:
    table = Table([resolve(base, row.path) for row in rows])
    missing = 0
    for number, (row, path) in enumerate(zip(rows, table.names, strict=True)):
        place = f"{file}, line {row.line}"
        if row.unread or not row.path:
            table.complain(f"{place}: {row.unread or 'no path'}", number, unread=True)
            continue
        wrong = path_complaints(path, row.frames)
        missing += not os.path.isabs(row.path) and any(text.startswith(MISSING) for text in wrong)
        for text in wrong:
            table.complain(f"{place}: {text}", number, "file")
        if row.split is not None and row.split.lower() not in SPLIT_NAMES:
            table.complain(f"{place}: split {row.split!r} is none of {', '.join(SPLIT_NAMES)}", number)
    if 2 * missing > len(rows):
        table.hint = (
            f"the paths in {file} were looked for in {os.path.abspath(base)}; "
            "--data_root FOLDER (in Python root=) names another folder"
        )
    found = [row.label for row in rows]
    if labels and any(label != "" for label in found):
        table.labels = found
        if any(isinstance(label, list) for label in found):
            table.feature = _feature_of_lists(file, rows, table)
    return table


def _feature_of_lists(file: Path, rows: list[_Row], table: Table) -> datasets.List:
    """Several labels a video: all lists, of integers or of texts."""
    of_integers = all(type(label) is int for labels in table.labels if isinstance(labels, list) for label in labels)
    kind = int if of_integers else str  # and not bool, which isinstance takes for an int
    for number, row in enumerate(rows):
        if not (isinstance(row.label, list) and all(type(label) is kind for label in row.label)):
            text = f"label {row.label!r}: wanted a list, as on other lines, of integers or of texts alone"
            table.complain(f"{file}, line {row.line}: {text}", number, "label")
    return datasets.List(datasets.Value("int64" if of_integers else "string"))


# ---- paths ----


def resolve(base: str, path: str) -> str:
    """The path from `base` on; with ".mp4" where the name has no extension and only that file exists."""
    path = os.path.join(base, path)
    if "." not in os.path.basename(path) and not os.path.exists(path) and os.path.isfile(f"{path}.mp4"):
        return f"{path}.mp4"
    return path


def path_complaints(path: str, frames: int | None = None) -> list[str]:
    """What keeps a path from being a video (of so many frames, as in `_Row`)."""
    if os.path.isdir(path):
        found = count_pictures(path)
        if found < FEWEST_PICTURES:
            return [f"a folder, wanted a video or a folder of frames (pictures): {path}"]
        if frames not in (None, found):
            return [
                f"a folder of {found} pictures, the list says {frames} (a part goes in a folder of its own): {path}"
            ]
    elif not os.path.isfile(path):
        return [f"{MISSING}: {path}"]
    elif frames is not None and frames >= 0:
        return [f"a file, the list says a folder of {frames} pictures (a video file has `0 -1`): {path}"]
    return []


# ---- one JSON object a line ----


def _json_rows(file: Path, labels: bool) -> Iterator[_Row]:
    lines = [(number, line) for number, line in enumerate(read_text(file).split("\n"), 1) if line.strip()]
    objects = [(number, _parse_object(line)) for number, line in lines]
    names = list(dict.fromkeys(name for _, found in objects if isinstance(found, dict) for name in found))
    if not names and not any(isinstance(found, str) for _, found in objects):
        return
    columns = find_columns(str(file), names, labels) if names else Columns(0, None, None)
    of_path, of_label, of_split = (names[column] if column is not None and names else None for column in columns)
    for number, found in objects:
        if isinstance(found, str):
            yield _Row(number, "", unread=found)
        else:
            split = None if of_split is None else str(found.get(of_split, ""))
            path = found.get(of_path)
            yield _Row(number, path if isinstance(path, str) else "", _json_label(found.get(of_label)), split)


def _parse_object(line: str) -> dict | str:
    """The object, or what is wrong with the line."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return f"not JSON ({error.msg} at column {error.colno})"
    return found if isinstance(found, dict) else f"wanted a JSON object, found {line.strip()[:40]}"


def _json_label(label: Any) -> Any:
    """Lists stay; of a single label the text, as in a csv."""
    return label if isinstance(label, list) else label_text(label)


# ---- columns of text ----


def _text_rows(file: Path, labels: bool, base: str) -> Iterator[_Row]:
    lines = [(number, line) for number, line in enumerate(read_text(file).splitlines(), 1) if line.strip()]
    split_line = _line_splitter([line for _, line in lines])
    rows = [(number, split_line(line)) for number, line in lines]
    cells_of_rows = [_cells(row) for _, row in rows]
    header = _find_header(cells_of_rows)
    frames = None
    if header:
        columns = find_columns(str(file), header, labels)
        rows, cells_of_rows = rows[1:], cells_of_rows[1:]
    else:
        columns, frames = _columns_without_header(file, cells_of_rows, labels, base)
    fewest = 1 + max(column for column in columns if column is not None)
    for (number, row), cells in zip(rows, cells_of_rows, strict=True):
        fits = not header or (len(cells) <= len(header) and len(row) >= fewest)
        yield _Row(
            number,
            _cell(cells, columns.path),
            _cell(cells, columns.label),
            None if columns.split is None else _cell(cells, columns.split),
            None if frames is None else int(cells[frames]),
            None if fits else f"{len(row)} column{'s'[: len(row) - 1]}, the header has {len(header)}",
        )


def read_text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 text (byte {error.start}: {error.reason}); save it as UTF-8") from error


def _cells(row: list[str]) -> list[str]:
    """Without the spaces around them and the empty ones at the end."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _cell(cells: list[str], column: int | None) -> str:
    return cells[column] if column is not None and column < len(cells) else ""


def _line_splitter(lines: list[str]) -> Callable[[str], list[str]]:
    separator = _find_separator(lines)
    if separator:
        return lambda line: _split_at(separator, line)
    names = lines[0].lower().split() if lines else []
    if set(names) & set(PATH_COLUMNS) and all(len(line.split()) == len(names) for line in lines):
        return str.split
    if lines and all(map(_split_around_number, lines)):
        return _split_around_number
    if lines and all(";" in line and not _VIDEO_AND_REST.fullmatch(line.strip()) for line in lines):
        return lambda line: _split_at(";", line)
    return _split_at_space


def _find_separator(lines: list[str]) -> str | None:
    """The one of the header, or the one that follows the videos' extensions, or a tab or comma of all lines."""
    for separator in SEPARATORS:
        if lines and separator in lines[0] and _find_header([_cells(_split_at(separator, lines[0]))]):
            return separator
    matches = [_VIDEO_AND_SEPARATOR.fullmatch(line.strip()) for line in lines]
    if all(matches) and len(found := {match[1] for match in matches} - {None}) == 1:
        return found.pop()
    return next((separator for separator in "\t," if lines and all(separator in line for line in lines)), None)


def _split_at(separator: str, line: str) -> list[str]:
    return line.split("\t") if separator == "\t" else next(csv.reader([line], delimiter=separator))


def _split_at_space(line: str) -> list[str]:
    """`path label`, where either may contain spaces: the path ends with a video's extension, or at the last space."""
    match = _VIDEO_AND_REST.fullmatch(line.strip())
    return [cell for cell in match.groups() if cell] if match else line.strip().rsplit(None, 1)


def _split_around_number(line: str) -> list[str] | None:
    """`path number rest`, as in VideoMAE V2's lists; None where no number stands between two others."""
    match = _VIDEO_AND_REST.fullmatch(line.strip()) or re.fullmatch(r"(\S+)\s+(.*)", line.strip())
    rest = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s+(.+)", (match and match[2]) or "")
    return [match[1], *rest.groups()] if rest else None


def _find_header(rows: list[list[str]]) -> list[str]:
    """The names of the columns; empty where the first line is a video's."""
    names = rows[0] if rows else []
    known = {*PATH_COLUMNS, *LABEL_COLUMNS} & {name.lower() for name in names}
    return names if known and not any(is_video_name(os.path.basename(name)) for name in names) else []


def _columns_without_header(file: Path, rows: list[list[str]], labels: bool, base: str) -> tuple[Columns, int | None]:
    """The columns, and that of the number of frames."""
    widest = max(rows, key=len, default=[])
    of_label = 1 if labels else None
    if len(widest) <= 2:
        return Columns(0, of_label, None), None
    if all(len(row) == 3 and re.fullmatch(r"\d+", row[1]) for row in rows):
        seconds = {int(row[1]) for row in rows}
        integers = all(re.fullmatch(r"-?\d+", row[2]) for row in rows)
        folders = any(os.path.isdir(os.path.join(base, row[0])) for row in rows)
        if seconds <= {0, 1} and integers and (folders or any(row[2] == "-1" for row in rows)):
            return Columns(0, None, None), 2
        if folders and min(seconds) >= FEWEST_PICTURES:
            return Columns(0, 2 if labels else None, None), 1
    if labels:
        raise ValueError(
            f"{file}: {len(widest)} columns without a header ({' | '.join(widest)}): wanted a path and a label "
            "(a label with spaces or commas: in quotes, after a comma); or `path start total` with a start of 0 or 1, "
            "or `folder total label`, of whole folders of frames, as VideoMAE V2 has them; or a first line that names "
            f"the columns; {known_columns()}"
        )
    return Columns(0, None, None), None
