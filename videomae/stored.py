# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Videos in tables of `datasets`: in memory, saved to disk, in parquet files, or on the Hub. None is decoded here.

The videos are in the column of type `Video`, or in one of `PATH_COLUMNS` that holds paths, bytes, or both
({"path", "bytes"}).
"""

from pathlib import Path

import datasets
import pyarrow.compute

from .labels import label_text
from .lists import path_complaints, resolve
from .tables import SPLIT_COLUMN, SPLIT_NAMES, Table, find_columns, some

HUB_PREFIX = "hf:"
_PATHS_OR_BYTES = ("string", "large_string", "binary", "large_binary")
VIDEO = datasets.Video(decode=False)  # a row is {"path": str or None, "bytes": bytes or None}


def is_stored(source: Path) -> bool:
    """Whether a file or folder holds tables: written by `save_to_disk`, or parquet, there or in a folder as the Hub's.

    Those are called "data" or like a split; a tree of class folders is not searched.
    """
    if source.is_file():
        return source.suffix.lower() == ".parquet"
    if any((source / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return True
    folders = (source / name for name in ("", "data", *SPLIT_NAMES))
    return any(any(folder.glob("*.parquet")) for folder in folders)


def load_stored(source: Path) -> dict[str, datasets.Dataset]:
    """{split: table} of a source that `is_stored`."""
    if source.is_file():
        return by_split(datasets.load_dataset("parquet", data_files={"train": str(source)}))
    if (source / "dataset_dict.json").is_file() or (source / "state.json").is_file():
        return by_split(datasets.load_from_disk(str(source)))
    return by_split(datasets.load_dataset(str(source)))


def load_from_hub(source: str) -> dict[str, datasets.Dataset]:
    """{split: table} of "hf:owner/name" or "hf:owner/name:configuration", downloaded into the cache of `datasets`.

    Raises ValueError where it is not to be had: not there, no access, or offline and not in the cache.
    """
    name, _, configuration = source.removeprefix(HUB_PREFIX).partition(":")
    try:
        found = datasets.load_dataset(name, configuration or None)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        offline = " (HF_HUB_OFFLINE is set: only what was downloaded before can be read)"
        raise ValueError(
            f"{source}: no such data set can be loaded{offline if datasets.config.HF_HUB_OFFLINE else ''}: "
            f"{' '.join(str(error).split())}"
        ) from error
    return by_split(found)


def by_split(found: datasets.Dataset | datasets.DatasetDict) -> dict[str, datasets.Dataset]:
    """{split: table}: the parts of a `DatasetDict`, or of one table what its column "split" says, if it has that.

    Splits are called as in `SPLIT_NAMES`; others of a `DatasetDict` keep their names. Raises ValueError for a split
    that is there twice, and for other names in the column.
    """
    if isinstance(found, datasets.Dataset):
        found = datasets.DatasetDict(train=found)
    if len(found) == 1:
        ((name, table),) = found.items()
        column = next((column for column in table.column_names if column.lower() == SPLIT_COLUMN), None)
        return {SPLIT_NAMES.get(name.lower(), name): table} if column is None else _divide(table, column)
    tables = {SPLIT_NAMES.get(name.lower(), name): table for name, table in found.items()}
    if len(tables) < len(found):
        raise ValueError(f"two of the splits {', '.join(found)} are the same one: join them or leave one out")
    return tables


def _divide(table: datasets.Dataset, column: str) -> dict[str, datasets.Dataset]:
    rows: dict[str | None, list[int]] = {}
    unknown = set()
    for number, name in enumerate(table[column]):
        split = SPLIT_NAMES.get(str(name).lower())
        unknown |= {str(name)} if split is None else set()
        rows.setdefault(split, []).append(number)
    if unknown:
        raise ValueError(f"column {column}: {some(sorted(unknown))}; a split is one of {', '.join(SPLIT_NAMES)}")
    return {split: table.select(rows[split]) for split in dict.fromkeys(SPLIT_NAMES.values()) if split in rows}


def read_stored(found: datasets.Dataset, source: str, labels: bool, base: str) -> Table:
    """The videos of one split; paths are relative to `base`. Raises ValueError for columns that are not clear."""
    found = found.with_format(None)
    names = list(found.features)
    video = _video_column(found, source)
    label = find_columns(source, names, labels, path=names.index(video)).label
    videos = found.select_columns([video])
    if video != "video":
        videos = videos.rename_column(video, "video")
    table = _read_videos(videos.cast_column("video", VIDEO), source, base)
    if label is not None:
        _read_labels(table, found, names[label])
    if not table.names:
        table.complain(f"{source}: no videos")
    return table


def _video_column(found: datasets.Dataset, source: str) -> str:
    typed = [name for name, feature in found.features.items() if isinstance(feature, datasets.Video)]
    if len(typed) > 1:
        raise ValueError(f"{source}: the columns {', '.join(typed)} all hold videos: remove all but one")
    names = list(found.features)
    name = typed[0] if typed else names[find_columns(source, names, labels=False).path]
    feature = found.features[name]
    is_pair = isinstance(feature, dict) and set(feature) == {"path", "bytes"}
    if not (typed or is_pair or getattr(feature, "dtype", None) in _PATHS_OR_BYTES):
        raise ValueError(f"{source}: the column {name} is {feature}, wanted Video, paths, bytes or both")
    return name


def _read_videos(videos: datasets.Dataset, source: str, base: str) -> Table:
    """Paths where none of the videos has bytes; otherwise they stay in their table."""
    paths = videos.flatten()["video.path"][:]
    rows = [f"{source}, row {number}" for number in range(len(paths))]
    # The whole column, whatever was selected of it: asking for the rows' bytes would read all of them.
    content = pyarrow.compute.struct_field(videos.data.column("video"), "bytes")
    if content.null_count < len(content):
        return Table([path or row for path, row in zip(paths, rows, strict=True)], videos=videos)
    table = Table([resolve(base, path) if path else row for path, row in zip(paths, rows, strict=True)])
    for number, (path, row) in enumerate(zip(paths, rows, strict=True)):
        for text in path_complaints(table.names[number]) if path else ["no video"]:
            table.complain(f"{row}: {text}", number, "file")
    return table


def _read_labels(table: Table, found: datasets.Dataset, column: str) -> None:
    feature, labels = found.features[column], found[column][:]
    if isinstance(feature, datasets.ClassLabel):
        table.class_names, table.listed = feature.names, False
        names = {None: "", -1: ""} | dict(enumerate(feature.names))
        table.labels = [names.get(number, str(number)) for number in labels]
    elif getattr(feature, "dtype", "").startswith(("int", "uint", "string", "large_string", "bool")):
        table.labels = list(map(label_text, labels))
    else:
        table.feature = feature
        table.labels = ["" if label is None else label for label in labels]
