# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Videos to leave out: which ones a file names, and which rows of a table that leaves."""

import csv
import functools
import io
import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from .tables import Table, some

logger = logging.getLogger(__name__)

_OK = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


Exclude = str | os.PathLike | Iterable[str | os.PathLike]


def rows_left(
    name: str, tables: Mapping[str, Table], exclude: Exclude | None, class_names: Sequence[str]
) -> dict[str, Collection[int]]:
    """{split: rows that stay}. Logs how many go, and which classes have no video any more.

    Raises ValueError where no video of a split stays, and as `read_excluded`.
    """
    rows = {split: range(len(table.names)) for split, table in tables.items()}
    if exclude is None:
        return rows
    excluded = read_excluded(exclude)
    found: set[str] = set()
    left = {}
    for split, table in tables.items():
        # Videos that lie in a table have no place of their own: they go by what they are called there.
        in_table = table.videos is not None
        wanted = dict.fromkeys(excluded.values()) if in_table else excluded
        keys = table.names if in_table else [real_path(path) for path in table.names]
        left[split] = {row for row, key in enumerate(keys) if key not in wanted}
        found |= {key if in_table else excluded[key] for key in keys if key in wanted}
        if table.names and not left[split]:
            raise ValueError(f"{name}: exclude leaves no video of the {split} split ({len(table.names)} named)")
        _warn_of_lost_classes(name, split, table, left[split], class_names)
    count = sum(len(rows[split]) - len(left[split]) for split in tables)
    logger.warning(
        "%s: %d of %d videos left out (%d paths to exclude, %d of them not there)",
        name,
        count,
        sum(map(len, rows.values())),
        len(excluded),
        len(set(excluded.values()) - found),
    )
    return left


def _warn_of_lost_classes(
    name: str, split: str, table: Table, left: Collection[int], class_names: Sequence[str]
) -> None:
    if table.labels is None or table.feature is not None:
        return
    lost = {*table.labels} - {table.labels[row] for row in left} - {None}
    if lost:
        names = some([class_names[number] for number in sorted(lost)])
        logger.warning("%s: %s loses all videos of %d classes: %s", name, split, len(lost), names)


def read_excluded(exclude: Exclude) -> dict[str, str]:
    """{real path: path as written} of the videos to leave out.

    Args:
        exclude: paths, or a file: a csv whose header names "path" and, as `videomae scan` writes it, "ok": then the
            videos that are not ok; or one path a line. Paths in a file are relative to its folder.

    Raises ValueError: no such file, or an "ok" that is neither true nor false.
    """
    if not isinstance(exclude, str | os.PathLike):
        return {real_path(path): os.fspath(path) for path in exclude}
    file = Path(exclude).expanduser()
    if not file.is_file():
        raise ValueError(f"exclude: {file}: no such file; wanted the csv of `videomae scan`, or paths, one a line")
    return {real_path(os.path.join(file.parent, path)): path for path in _read_paths(file)}


def _read_paths(file: Path) -> list[str]:
    # As `os` gives names that are no UTF-8: a scan of a folder may have some.
    text = file.read_text("utf-8-sig", errors="surrogateescape")
    lines = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip().lower() for name in next(lines, [])]
    if "path" not in header:
        return [line.strip() for line in text.split("\n") if line.strip()]
    rows = []
    for cells in lines:
        row = dict(zip(header, cells, strict=False))
        if cells and not {"path", "ok"} & {*header} <= {*row}:
            raise ValueError(
                f"exclude: {file}, line {lines.line_num}: {len(cells)} columns, wanted {' and '.join(header)} "
                f"({len(header)}): {','.join(cells)!r}"
            )
        rows += [row] if cells else []
    unclear = sorted({row.get("ok", "") for row in rows if row.get("ok", "").lower() not in _OK})
    if "ok" in header and unclear:
        raise ValueError(
            f"exclude: {file}: the column ok holds {some([repr(ok) for ok in unclear])}, wanted True or False"
        )
    return [row["path"] for row in rows if "ok" not in header or not _OK[row["ok"].lower()]]


def real_path(path: str | os.PathLike) -> str:
    """Absolute, links to folders resolved; a link that is itself the video stays one."""
    folder, name = os.path.split(os.fspath(path))
    return os.path.join(_real_folder(os.path.abspath(folder)), name)


@functools.lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
