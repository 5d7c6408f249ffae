# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Lists of videos: whatever holds videos becomes `datasets` tables with the columns "video" and "label".

Nothing here opens a video. "video" is a path, or {"path", "bytes"} where the source holds the videos themselves;
"label" (ClassLabel) is there where classes are known.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import datasets

from . import stored
from .exclusion import rows_left
from .folders import find_videos, is_video_name, read_folder, visible_entries
from .labels import UNLABELLED, are_integers, are_measured, class_numbers, find_class_names, label_complaint
from .lists import LIST_EXTENSIONS, read_list, read_text
from .tables import LABEL_COLUMNS, PATH_COLUMNS, SPLIT_NAMES, Complaint, Table, some, summary
from .targets import read_as

METADATA = tuple(f"metadata{extension}" for extension in LIST_EXTENSIONS)  # lists beside the videos, as on the Hub

WRITTEN_HERE = re.compile(r"(.+\.)?scan\.csv|bad\.csv")  # by `videomae scan` and `videomae prepare`


def load_videos(
    source: str | os.PathLike | datasets.Dataset | datasets.DatasetDict,
    split: str | None = None,
    *,
    class_names: Sequence[str] | None = None,
    labels: bool = True,
    problem_type: str | None = None,
    root: str | os.PathLike | None = None,
    exclude: str | os.PathLike | Iterable[str | os.PathLike] | None = None,
) -> datasets.DatasetDict | datasets.Dataset:
    """The videos of a source, as tables with the columns "video" and, where known, "label".

    A video is a file, a folder of frames, or an array in .npy or .npz (`folders` has the rule).

    Args:
        source: one of
            - a folder of videos, nested at will. If it holds folders and no video of its own, those are the classes;
            - a csv, tsv, txt or jsonl list with a path and a label a line; in text separated by commas, semicolons,
              tabs or spaces; the label may be missing. More columns need a header (`tables.PATH_COLUMNS`,
              `LABEL_COLUMNS`), which may name "split" (train, val or test). The official lists are read, too (`lists`
              has their forms);
            - a folder with train, val (valid, validation) and test: folders as above, or lists as above;
            - a folder with a list called metadata.csv or metadata.jsonl: that list;
            - a `datasets.Dataset` or `DatasetDict`; a folder that its `save_to_disk` wrote; parquet, a file or a
              folder (columns as in `stored`);
            - "hf:owner/name" or "hf:owner/name:configuration", a data set of the Hub, which is downloaded.
        split: "train", "validation" (or "val", "valid") or "test"; None: all there are ("train" for a source without
            splits).
        class_names: the classes in their order, of which the source may have some; labels that are integers are
            positions in it, unless a class is called by an integer (`labels`). Default: those that a ClassLabel column
            of the train split has; the sorted names of the train split; or, for a list whose labels are all integers,
            "0" to the largest.
        labels: False leaves the column "label" out, and with it all that could be wrong with labels.
        problem_type: what the labels are meant as, where their look does not tell: "multi_label_classification" reads
            the text `a|b` as two classes, "regression" the text `5` as a number (`targets`).
        root: what paths are relative to. Default: the folder of the list or parquet file, or the current one.
        exclude: videos to leave out: a file (the csv of `videomae scan`, of which the videos that are not ok; or
            paths, one a line), or the paths. How many were found is logged. The numbers of classes stay.

    Returns:
        `DatasetDict`, or with `split` that `Dataset`. Labels that are no class a video stay as they are: lists of
        classes, or numbers (in a text list: where not all are integers, and no `class_names` are given).

    Raises:
        ValueError: no such source, split or video; splits or columns that are not clear; a list that is not UTF-8;
            files that are missing; labels that are unknown, negative or out of range; a class without videos; nothing
            left. What is wrong with single videos and classes comes in one error: the first few and how many there
            are.
    """
    found = read_videos(
        source, class_names=class_names, labels=labels, problem_type=problem_type, root=root, exclude=exclude
    )
    if wrong := [complaint for part in found.complaints.values() for complaint in part]:
        raise ValueError(summary(_name_of(source), wrong, found.hints))
    return found.splits if split is None else found.splits[find_split(_name_of(source), found.splits, split)]


class FoundVideos(NamedTuple):
    """What a source was found to hold; the row of a complaint is that of its split's table."""

    splits: datasets.DatasetDict
    complaints: dict[str, list[Complaint]]  # by split
    hints: list[str]  # what may be behind them


def read_videos(
    source: str | os.PathLike | datasets.Dataset | datasets.DatasetDict,
    *,
    class_names: Sequence[str] | None = None,
    labels: bool = True,
    problem_type: str | None = None,
    rename: Callable[[Collection[str]], Mapping[str, str]] | None = None,
    root: str | os.PathLike | None = None,
    exclude: str | os.PathLike | Iterable[str | os.PathLike] | None = None,
) -> FoundVideos:
    """What `load_videos` returns, and what is wrong with single videos and classes, which it raises.

    A label that is wrong is None. All other errors of `load_videos` are raised here, too. `rename` is asked for
    {label: class} of all labels that name one class each (`label_maps`); those that it leaves out stay.
    """
    if class_names is not None and not class_names:
        raise ValueError("class_names is empty")
    name = _name_of(source)
    tables = _read_source(source, labels, root)
    if problem_type is not None:
        for table in tables.values():
            read_as(table, problem_type)
    elif class_names is None:
        _read_numbers(tables)
    _check_one_kind(name, tables, class_names)
    if rename is not None:
        _rename(tables.values(), rename)
    if class_names is None:
        class_names = _find_class_names(tables)
    _number_classes(tables.values(), class_names)
    for table in tables.values():
        _check_names(table)
    kept = {split: sorted(rows) for split, rows in rows_left(name, tables, exclude, class_names).items()}
    found, complaints = datasets.DatasetDict(), {}
    for split, table in tables.items():
        places = {row: place for place, row in enumerate(kept[split])}
        complaints[split] = [
            complaint._replace(row=places.get(complaint.row))
            for complaint in table.complaints
            if complaint.row is None or complaint.row in places
        ]
        found[split] = _to_dataset(table, kept[split], class_names)
    return FoundVideos(found, complaints, [table.hint for table in tables.values() if table.hint])


def find_split(name: str, splits: Collection[str], split: str) -> str:
    """What a source of this name calls the split, which may be spelled as in `SPLIT_NAMES`.

    Raises ValueError where it is not there.
    """
    found = split if split in splits else SPLIT_NAMES.get(split.lower())
    if found not in splits:
        raise ValueError(f"{name}: no split {split!r}; there is {', '.join(splits)}")
    return found


def find_paths(source: str | os.PathLike) -> dict[str, list[str]]:
    """{split: paths of its videos}, as `load_videos` finds them, whether they exist or not.

    Raises ValueError: no such source, nothing in it, splits or columns that are not clear, a list that is not UTF-8;
    a source that holds the videos themselves.
    """
    tables = _read_source(source, False, None)
    if any(table.videos is not None for table in tables.values()):
        raise ValueError(f"{source}: holds the videos themselves; wanted a folder or list of video files")
    if complaints := [complaint for table in tables.values() if not table.names for complaint in table.complaints]:
        raise ValueError(summary(str(source), complaints))
    return {split: table.names for split, table in tables.items()}


def load_training_videos(
    data: str | os.PathLike | datasets.Dataset | datasets.DatasetDict,
    validation_data: str | os.PathLike | datasets.Dataset | datasets.DatasetDict | None = None,
    **kwargs,
) -> tuple[datasets.Dataset, datasets.Dataset | None]:
    """The videos to train on and those to validate on, if there are any, with the same classes.

    Without `validation_data` the latter are the "validation" split of `data`. The other arguments are those of
    `load_videos` and hold for both.
    """
    splits = load_videos(data, **kwargs)
    train = splits[find_split(_name_of(data), splits, "train")]
    if validation_data is None:
        return train, splits.get("validation")
    if isinstance(train.features.get("label"), datasets.ClassLabel):
        kwargs["class_names"] = train.features["label"].names
    splits = load_videos(validation_data, **kwargs)
    return train, splits[validation_split(_name_of(validation_data), splits)]


def validation_split(name: str, splits: Collection[str]) -> str:
    """The split of a source of this name that was given to validate on: "validation", or the only one.

    Raises ValueError where there are several others.
    """
    return next(iter(splits)) if len(splits) == 1 else find_split(name, splits, "validation")


def class_names(videos: datasets.Dataset) -> list[str]:
    """The classes of labelled videos, in the order of their numbers.

    Raises ValueError for videos without labels, and for labels that are not one class a video.
    """
    label = videos.features.get("label")
    if label is None:
        raise ValueError(UNLABELLED)
    if not isinstance(label, datasets.ClassLabel):
        kind = "several classes a video" if isinstance(label, datasets.List) else "no classes"
        raise ValueError(f"the labels are {kind} ({label}), wanted one class a video: its name, or an integer")
    return label.names


def read_class_names(file: str | os.PathLike) -> list[str]:
    """The lines of a text file, one class each, in the order of their numbers.

    Raises ValueError: no line, an empty one between others, a class twice, or not UTF-8.
    """
    names = [line.strip() for line in read_text(Path(file)).rstrip().splitlines()]
    repeated = sorted({name or "an empty line" for name in names if not name or names.count(name) > 1})
    if not names or repeated:
        found = f"found {some(repeated)}" if repeated else "it is empty"
        raise ValueError(f"{file}: wanted one class a line, each of them once; {found}")
    return names


# ---- sources ----


def _name_of(source: str | os.PathLike | datasets.Dataset | datasets.DatasetDict) -> str:
    return "the data set" if isinstance(source, datasets.Dataset | datasets.DatasetDict) else str(source)


def _read_source(source, labels: bool, root: str | os.PathLike | None) -> dict[str, Table]:
    if isinstance(source, datasets.IterableDataset | datasets.IterableDatasetDict):
        raise ValueError("the data set is a stream; wanted a Dataset: load_dataset(…) without streaming=True")
    if isinstance(source, datasets.Dataset | datasets.DatasetDict):
        return _read_stored(stored.by_split(source), "the data set", labels, root or "")
    if str(source).startswith(stored.HUB_PREFIX):
        return _read_stored(stored.load_from_hub(str(source)), str(source), labels, root or "")
    source = Path(source).expanduser()
    if not source.exists():
        raise ValueError(f"{source}: no such folder or list of videos")
    if stored.is_stored(source):
        folder = source if source.is_dir() else source.parent
        return _read_stored(stored.load_stored(source), str(source), labels, root or folder)
    if source.is_file():
        if source.suffix.lower() not in LIST_EXTENSIONS:
            kinds = ", ".join((*LIST_EXTENSIONS, ".parquet"))
            raise ValueError(f"{source}: wanted a folder, or a list ending in {kinds}")
        return read_list(source, labels, root)
    parts = _find_splits(source)
    if parts is None:
        return _read_part(source, labels, root)
    return {split: _only_split(split, part, _read_part(part, labels, root)) for split, part in parts.items()}


def _read_stored(found: dict[str, datasets.Dataset], name: str, labels: bool, base) -> dict[str, Table]:
    return {
        split: stored.read_stored(table, name if len(found) == 1 else f"{name}, {split}", labels, str(base))
        for split, table in found.items()
    }


def _read_part(part: Path, labels: bool, root: str | os.PathLike | None) -> dict[str, Table]:
    """A list, a folder with a list of its own, or a folder of videos."""
    lists = [part] if part.is_file() else [part / name for name in METADATA if (part / name).is_file()]
    if len(lists) > 1:
        raise ValueError(f"{part}: {some([file.name for file in lists])} both list its videos: remove one")
    if lists:
        return read_list(lists[0], labels, root)
    if root is not None:
        raise ValueError(
            f"{part}: a folder has no use for --data_root {root} (root=); it is what the paths of a list start from"
        )
    return {"train": read_folder(str(part), labels)}


def _only_split(split: str, part: Path, tables: dict[str, Table]) -> Table:
    """The table of a part that is a split by its name; where a list has a column of splits, they must agree."""
    if list(tables) not in (["train"], [split]):
        raise ValueError(f"{part}: is the {split} split by its name, and its column split says {', '.join(tables)}")
    return next(iter(tables.values()))


def _find_splits(source: Path) -> dict[str, Path] | None:
    """{"train" | "validation" | "test": folder or list}; None for a folder that is not divided."""
    entries = visible_entries(str(source))
    folders = [Path(entry.path) for entry in entries if entry.is_dir()]
    lists = [
        Path(entry.path)
        for entry in entries
        if os.path.splitext(entry.name)[1].lower() in LIST_EXTENSIONS
        and not WRITTEN_HERE.fullmatch(entry.name)
        and entry.is_file()
    ]
    for parts in (folders, lists):
        named = {split: [part for part in parts if _split_of(part) == split] for split in SPLIT_NAMES.values()}
        found = {split: same for split, same in named.items() if same}
        # A class may be called "test"; a folder of classes has others besides, and no "train".
        if "train" in found or (parts and all(map(_split_of, parts))):
            if parts is folders:
                _check_nothing_left_out(source, entries)
            return {split: _only(split, same) for split, same in found.items()}
    return None


def _split_of(part: Path | os.DirEntry) -> str | None:
    return SPLIT_NAMES.get((part.name if part.is_dir() else os.path.splitext(part.name)[0]).lower())


def _only(split: str, parts: list[Path]) -> Path:
    if len(parts) > 1:
        names = " and ".join(part.name for part in parts)
        raise ValueError(f"{parts[0].parent}: {names} are both the {split} split: join them or move one away")
    return parts[0]


def _check_nothing_left_out(source: Path, entries: list[os.DirEntry]) -> None:
    """Folders that are not splits, and loose videos, beside the folders of the splits."""
    beside = [entry.name for entry in entries if not (entry.is_dir() and _split_of(entry)) and _holds_videos(entry)]
    if beside:
        splits = ", ".join(entry.name for entry in entries if entry.is_dir() and _split_of(entry))
        raise ValueError(
            f"{source}: {splits} would be taken for a split, and the videos of {some(beside)} left out. "
            f"If all of them are classes, move them into {source / 'train'}; if not, move {some(beside)} away"
        )


def _holds_videos(entry: os.DirEntry) -> bool:
    return bool(find_videos(entry.path)) if entry.is_dir() else is_video_name(entry.name)


# ---- labels ----


def _read_numbers(tables: dict[str, Table]) -> None:
    """Texts that are all numbers, and not all integers, are measured values and no names."""
    listed = [table for table in tables.values() if table.listed and table.labels and table.feature is None]
    if are_measured({label for table in listed for label in table.labels if label}):
        for table in listed:
            table.labels = [float(label) if label else label for label in table.labels]
            table.feature = datasets.Value("float32")


def _rename(tables: Iterable[Table], rename: Callable[[Collection[str]], Mapping[str, str]]) -> None:
    named = [table for table in tables if table.labels is not None and table.feature is None]
    found = rename({label for table in named for label in table.labels})
    for table in named:
        table.labels = [found.get(label, label) for label in table.labels]


def _check_one_kind(name: str, tables: dict[str, Table], class_names: Sequence[str] | None) -> None:
    kinds = {split: table.feature for split, table in tables.items() if table.labels}
    if len({str(kind) for kind in kinds.values()}) > 1:
        found = "; ".join(f"{split}: {kind or 'one class a video'}" for split, kind in kinds.items())
        raise ValueError(f"{name}: the labels of the splits differ in kind ({found})")
    others = [kind for kind in kinds.values() if kind is not None]
    if others and class_names is not None:
        raise ValueError(f"{name}: class_names are given, but the labels are not one class a video ({others[0]})")


def _find_class_names(tables: dict[str, Table]) -> list[str]:
    table = tables.get("train") or next(iter(tables.values()))
    if table.feature is not None:
        return []
    if table.class_names is not None:
        return table.class_names
    names, wrong = find_class_names(table.labels or [], integers=table.listed)
    if wrong:
        table.complain(wrong)
    return names


def _number_classes(tables: Iterable[Table], class_names: Sequence[str]) -> None:
    """Texts become positions in `class_names`; adds to the tables' complaints."""
    tables = [table for table in tables if table.labels is not None]
    listed = {label for table in tables if table.listed and table.feature is None for label in table.labels}
    integers = are_integers(listed)
    for table in tables:
        if table.feature is not None:
            for row, (name, label) in enumerate(zip(table.names, table.labels, strict=True)):
                if label == "":
                    table.complain(f"{name}: label is missing", row, "label")
            continue
        found = listed if table.listed else set(table.labels)
        numbers = class_numbers(found, class_names, integers=table.listed)
        for row, (name, label) in enumerate(zip(table.names, table.labels, strict=True)):
            if label not in numbers:
                text = label_complaint(label, class_names, integers=table.listed and integers)
                table.complain(f"{name}: {text}", row, "label")
        table.labels = [numbers.get(label) for label in table.labels]


# ---- what comes out ----


def _check_names(table: Table) -> None:
    """`datasets` holds text; a path may be any bytes, of which Python makes lone surrogates."""
    for row, name in enumerate(table.names):
        if not name.isascii() and re.search("[\ud800-\udfff]", name):
            table.complain(f"{ascii(name)}: the name is not UTF-8; rename the video", row, "file")


def _to_dataset(table: Table, kept: list[int], class_names: Sequence[str]) -> datasets.Dataset:
    labels = table.labels
    if labels is not None:
        wrong = {complaint.row for complaint in table.complaints if complaint.kind in ("label", "line")}
        labels = [None if row in wrong else label for row, label in enumerate(labels)]
    feature = table.feature or datasets.ClassLabel(names=list(class_names))
    if table.videos is not None:
        videos = table.videos
        if labels is not None:
            videos = videos.add_column("label", labels, feature=feature)
        return videos if len(kept) == len(videos) else videos.select(kept)
    names = [table.names[row].encode(errors="backslashreplace").decode() for row in kept]  # `_check_names` told why
    columns = {"video": names}
    features = {"video": datasets.Value("string")}
    if labels is not None:
        columns["label"] = [labels[row] for row in kept]
        features["label"] = feature
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


__all__ = [
    "LABEL_COLUMNS",
    "PATH_COLUMNS",
    "class_names",
    "find_paths",
    "find_split",
    "load_training_videos",
    "load_videos",
    "read_class_names",
    "read_videos",
    "validation_split",
]
