# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Lists of videos: a folder, or a list in a file, becomes `datasets` tables with the columns "video" and "label".

Nothing here opens a video. "video" is a path; "label" (ClassLabel) is there where classes are known.
"""

import csv
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets

from .video import VIDEO_EXTENSIONS

SPLIT_NAMES = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
LIST_EXTENSIONS = (".csv", ".txt", ".tsv")
PATH_COLUMNS = ("path", "video", "video_path", "file", "file_name", "filename")
LABEL_COLUMNS = ("label", "class", "class_name", "category")
COMPLAINTS_SHOWN = 5
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")  # swipe_left, SwipeLeft, SWIPE-LEFT
_DIRECTION = re.compile(r"(?:left|right)(?:wards?|hand(?:ed)?)?|(?:counter|anti)?clockwise", re.IGNORECASE)
_VIDEO_AND_REST = re.compile(
    rf"(.*(?:{'|'.join(map(re.escape, sorted(VIDEO_EXTENSIONS)))}))(?:\s+(.*))?", re.IGNORECASE
)


@dataclass
class _Table:
    """Videos of one split, as found: `labels` are texts, or None where nothing names them; and what is wrong."""

    paths: list[str]
    labels: list[str] | None
    complaints: list[str]
    listed: bool  # in a list integers may stand for classes; the name of a folder is a name


def load_videos(
    source: str | os.PathLike,
    split: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    labels: bool = True,
) -> datasets.DatasetDict | datasets.Dataset:
    """The videos of a folder or list, as tables with the columns "video" (path) and, where known, "label".

    Args:
        source: one of
            - a folder of videos, nested at will. If it holds folders and no video of its own, those are the classes;
            - a csv, tsv or txt list with a path and a label a line, separated by commas, tabs or spaces; the label
              may be missing. More columns need a header (`PATH_COLUMNS`, `LABEL_COLUMNS`). Paths are relative to the
              list's folder;
            - a folder with train, val (valid, validation) and test: folders as above, or lists as above.
        split: "train", "validation" or "test"; None: all there are ("train" for a source without splits).
        class_names: the classes in their order, of which the source may have some. In a list whose labels are all
            integers and not all among these names, they are positions in `class_names`. Default: the sorted names of
            the train split, or, for a list whose labels are all integers, "0" to the largest.
        labels: False leaves the column "label" out, and with it all that could be wrong with labels.

    Returns:
        `DatasetDict`, or with `split` that `Dataset`.

    Raises:
        ValueError: no such source, split or video; splits or columns that are not clear; a list that is not UTF-8;
            files that are missing; labels that are unknown, negative or out of range; a class without videos. What is
            wrong with single videos and classes comes in one error: the first few and how many there are.
    """
    source = Path(source).expanduser()
    tables = {name: _read_table(part, labels) for name, part in _find_splits(source).items()}
    if class_names is None:
        class_names = _find_class_names(tables)
    elif not class_names:
        raise ValueError("class_names is empty")
    as_positions = _are_positions(tables, class_names)
    numbered = {name: _class_numbers(table, class_names, as_positions) for name, table in tables.items()}
    if complaints := [line for table in tables.values() for line in table.complaints]:
        raise ValueError(_summary(source, complaints))
    if split is not None and split not in tables:
        raise ValueError(f"{source}: no split {split!r}; there is {', '.join(tables)}")
    found = {name: _to_dataset(table.paths, numbered[name], class_names) for name, table in tables.items()}
    return datasets.DatasetDict(found) if split is None else found[split]


def load_training_videos(
    data: str | os.PathLike,
    validation_data: str | os.PathLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    labels: bool = True,
) -> tuple[datasets.Dataset, datasets.Dataset | None]:
    """The videos to train on and those to validate on, if there are any, with the same classes; see `load_videos`.

    Without `validation_data` the latter are the "validation" split of `data`.
    """
    splits = load_videos(data, class_names=class_names, labels=labels)
    if "train" not in splits:
        raise ValueError(f"{data}: no split 'train'; there is {', '.join(splits)}")
    train = splits["train"]
    if validation_data is None:
        return train, splits.get("validation")
    if "label" in train.column_names:
        class_names = train.features["label"].names
    splits = load_videos(validation_data, class_names=class_names, labels=labels)
    return train, splits["validation"] if "validation" in splits else next(iter(splits.values()))


def class_names(videos: datasets.Dataset) -> list[str]:
    """The classes of labelled videos, in the order of their numbers. Raises ValueError for videos without labels."""
    if "label" not in videos.column_names:
        raise ValueError(
            "the videos have no labels: wanted class folders (class/video.mp4) and no videos beside them, "
            "or a list with a label on each line"
        )
    return videos.features["label"].names


def directional_classes(class_names: Sequence[str]) -> list[str]:
    """Those whose names say left, right or clockwise, as words: mirrored, their videos show another class."""
    return [name for name in class_names if any(map(_DIRECTION.fullmatch, _WORD.findall(name)))]


def read_class_names(file: str | os.PathLike) -> list[str]:
    """The lines of a text file, one class each, in the order of their numbers.

    Raises ValueError: no line, an empty one between others, a class twice, or not UTF-8.
    """
    names = [line.strip() for line in _read_text(Path(file)).rstrip().splitlines()]
    repeated = sorted({name or "an empty line" for name in names if not name or names.count(name) > 1})
    if not names or repeated:
        found = f"found {_some(repeated)}" if repeated else "it is empty"
        raise ValueError(f"{file}: wanted one class a line, each of them once; {found}")
    return names


def _find_splits(source: Path) -> dict[str, Path]:
    """{"train" | "validation" | "test": folder or list}."""
    if not source.exists():
        raise ValueError(f"{source}: no such folder or list of videos")
    if source.is_file():
        if source.suffix.lower() not in LIST_EXTENSIONS:
            raise ValueError(f"{source}: wanted a folder, or a list ending in {', '.join(LIST_EXTENSIONS)}")
        return {"train": source}
    entries = [entry for entry in sorted(source.iterdir()) if not entry.name.startswith(".")]
    folders = [entry for entry in entries if entry.is_dir()]
    lists = [entry for entry in entries if entry.is_file() and entry.suffix.lower() in LIST_EXTENSIONS]
    for parts in (folders, lists):
        named = {split: [part for part in parts if _split_of(part) == split] for split in SPLIT_NAMES.values()}
        found = {split: same for split, same in named.items() if same}
        # A class may be called "test"; a folder of classes has others besides, and no "train".
        if "train" in found or (parts and all(map(_split_of, parts))):
            if parts is folders:
                _check_nothing_left_out(source, entries)
            return {split: _only(split, same) for split, same in found.items()}
    return {"train": source}


def _split_of(part: Path) -> str | None:
    return SPLIT_NAMES.get((part.name if part.is_dir() else part.stem).lower())


def _only(split: str, parts: list[Path]) -> Path:
    if len(parts) > 1:
        names = " and ".join(part.name for part in parts)
        raise ValueError(f"{parts[0].parent}: {names} are both the {split} split: join them or move one away")
    return parts[0]


def _check_nothing_left_out(source: Path, entries: list[Path]) -> None:
    """Folders that are not splits, and loose videos, beside the folders of the splits."""
    beside = [entry.name for entry in entries if not (entry.is_dir() and _split_of(entry)) and _holds_videos(entry)]
    if beside:
        splits = ", ".join(entry.name for entry in entries if entry.is_dir() and _split_of(entry))
        raise ValueError(
            f"{source}: {splits} would be taken for a split, and the videos of {_some(beside)} left out. "
            f"If all of them are classes, move them into {source / 'train'}; if not, move {_some(beside)} away"
        )


def _holds_videos(entry: Path) -> bool:
    return any(_walk(entry)) if entry.is_dir() else _is_video(entry.name)


def _read_table(part: Path, labels: bool) -> _Table:
    table = _read_folder(part, labels) if part.is_dir() else _read_list(part, labels)
    if not table.paths and not table.complaints:
        kinds = " ".join(sorted(VIDEO_EXTENSIONS))
        table.complaints.append(f"{part}: no videos ({kinds})" if part.is_dir() else f"{part}: the list is empty")
    return table


def _read_folder(folder: Path, labels: bool) -> _Table:
    own = [entry for entry in os.scandir(folder) if entry.is_file() and _is_video(entry.name)]
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    if own or not classes or not labels:
        return _Table(list(_walk(folder)), None, [], listed=False)
    table = _Table([], [], [], listed=False)
    for name in classes:
        paths = list(_walk(folder / name))
        if not paths:
            table.complaints.append(f"{folder / name}: a class folder without videos")
        table.paths += paths
        table.labels += [name] * len(paths)
    return table


def _walk(folder: Path) -> Iterator[str]:
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(root, name) for name in sorted(files) if _is_video(name))


def _is_video(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in VIDEO_EXTENSIONS and not name.startswith(".")


def _read_list(file: Path, labels: bool) -> _Table:
    lines = [(number, line) for number, line in enumerate(_read_text(file).splitlines(), 1) if line.strip()]
    split_line = _line_splitter([line for _, line in lines])
    rows = [(number, _cells(split_line(line))) for number, line in lines]
    path_column, label_column, header = _find_columns(file, [cells for _, cells in rows], labels)
    table = _Table([], [], [], listed=True)
    for number, cells in rows[1:] if header else rows:
        path = os.path.join(file.parent, cells[path_column]) if path_column < len(cells) else ""
        if not os.path.isfile(path):
            what = "a folder, wanted a video" if os.path.isdir(path) else "no such file"
            table.complaints.append(f"{file}, line {number}: {what}: {path}")
        if header and len(cells) > len(header):
            table.complaints.append(f"{file}, line {number}: {len(cells)} columns, the header has {len(header)}")
        table.paths.append(path)
        table.labels.append(cells[label_column] if label_column is not None and label_column < len(cells) else "")
    if not any(table.labels):
        table.labels = None
    return table


def _read_text(file: Path) -> str:
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


def _line_splitter(lines: list[str]) -> Callable[[str], list[str]]:
    if lines and all("\t" in line for line in lines):
        return lambda line: line.split("\t")
    if lines and all("," in line for line in lines):
        return lambda line: next(csv.reader([line]))
    names = lines[0].lower().split() if lines else []
    if set(names) & set(PATH_COLUMNS) and all(len(line.split()) == len(names) for line in lines):
        return str.split
    if lines and all(map(_split_around_number, lines)):
        return _split_around_number
    return _split_at_space


def _split_at_space(line: str) -> list[str]:
    """`path label`, where either may contain spaces: the path ends with a video's extension, or at the last space."""
    match = _VIDEO_AND_REST.fullmatch(line.strip())
    return [cell for cell in match.groups() if cell] if match else line.strip().rsplit(None, 1)


def _split_around_number(line: str) -> list[str] | None:
    """`path frames label`, as in VideoMAE V2's lists; None where no number stands between two others."""
    match = _VIDEO_AND_REST.fullmatch(line.strip()) or re.fullmatch(r"(\S+)\s+(.*)", line.strip())
    rest = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s+(.+)", (match and match[2]) or "")
    return [match[1], *rest.groups()] if rest else None


def _find_columns(file: Path, rows: list[list[str]], labels: bool) -> tuple[int, int | None, list[str]]:
    """Columns of path and label (None: there is none), and the header (empty: there is none)."""
    names = [cell.lower() for cell in rows[0]] if rows else []
    of_path = [column for column, name in enumerate(names) if name in PATH_COLUMNS]
    of_label = [column for column, name in enumerate(names) if name in LABEL_COLUMNS]
    known = f"a path column is called {', '.join(PATH_COLUMNS)}; a label column {', '.join(LABEL_COLUMNS)}"
    if any(_is_video(os.path.basename(name)) for name in names) or not (of_path or of_label):
        widest = max(rows, key=len, default=[])
        if labels and len(widest) > 2:
            raise ValueError(
                f"{file}: {len(widest)} columns without a header ({' | '.join(widest)}): wanted a path and a label "
                f"(a label with spaces or commas: in quotes, after a comma), or a first line that names them; {known}"
            )
        return 0, 1 if labels else None, []
    if not of_path or (labels and not of_label and len(names) > 1):
        lacking = "label" if of_path else "path"
        raise ValueError(f"{file}: none of the columns {', '.join(names)} is known as the {lacking}; {known}")
    return of_path[0], of_label[0] if of_label and labels else None, names


def _find_class_names(tables: dict[str, _Table]) -> list[str]:
    table = tables.get("train") or next(iter(tables.values()))
    labels = set(table.labels or [])
    if not (table.listed and all(map(_is_integer, labels))):
        return sorted(labels - {""})
    numbers = {int(label) for label in labels}
    absent = sorted(set(range(max(numbers, default=-1))) - numbers)
    if absent:
        shown = ", ".join(map(str, absent[:COMPLAINTS_SHOWN]))
        table.complaints.append(
            f"the largest label is {max(numbers)}, but {len(absent)} below it have no video ({shown} …); "
            "if these classes exist, give the class names"
        )
    return [str(number) for number in range(max(numbers, default=-1) + 1)]


def _is_integer(text: str) -> bool:
    return re.fullmatch(r"-?\d+", text) is not None


def _are_positions(tables: dict[str, _Table], class_names: Sequence[str]) -> bool:
    """Whether the labels of a source, all of them, stand for positions in `class_names` and not for names."""
    listed = [table for table in tables.values() if table.listed]
    labels = {label for table in listed for label in table.labels or [] if label}
    return all(map(_is_integer, labels)) and not labels <= set(class_names)


def _class_numbers(table: _Table, class_names: Sequence[str], as_positions: bool) -> list[int] | None:
    """The labels as positions in `class_names`; adds to the table's complaints."""
    if table.labels is None:
        return None
    numbers = {name: number for number, name in enumerate(class_names)}
    if as_positions:
        numbers = {label: int(label) for label in table.labels if label and int(label) in range(len(class_names))}
    found = []
    for path, label in zip(table.paths, table.labels, strict=True):
        if label in numbers:
            found.append(numbers[label])
        else:
            kind = "missing" if not label else "out of range" if as_positions else "unknown"
            classes = f"0 to {len(class_names) - 1}" if as_positions else _some(class_names)
            table.complaints.append(f"{path}: label {label!r} is {kind}; the classes are {classes}")
    return found


def _to_dataset(paths: list[str], labels: list[int] | None, class_names: Sequence[str]) -> datasets.Dataset:
    columns, features = {"video": paths}, {"video": datasets.Value("string")}
    if labels is not None:
        columns["label"], features["label"] = labels, datasets.ClassLabel(names=list(class_names))
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _summary(source: Path, complaints: list[str]) -> str:
    shown = "\n- ".join(complaints[:COMPLAINTS_SHOWN])
    more = f"\n… and {len(complaints) - COMPLAINTS_SHOWN} more" if len(complaints) > COMPLAINTS_SHOWN else ""
    return f"{source}: {len(complaints)} problem{'s' if len(complaints) > 1 else ''}\n- {shown}{more}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:COMPLAINTS_SHOWN]) + (" …" if len(names) > COMPLAINTS_SHOWN else "")
