# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Lists of originals become lists of their copies, line by line."""

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .lists import LIST_EXTENSIONS, listed_paths, read_text


class RewrittenList(NamedTuple):
    text: str
    kept: int  # videos
    left_out: int


def rewrite_list(file: Path, copies: Mapping[str, str], originals: Iterable[str], folder: str) -> RewrittenList | None:
    """A list with paths of copies instead of originals, all else as it is.

    Args:
        file: the list.
        copies: {absolute path of an original: path of its copy}; lines of other videos are left out.
        originals: all of them, with and without a copy.
        folder: where the new list will be, to which its paths are relative.

    Returns:
        None for a file that is no list of any of the originals.
    """
    if file.suffix.lower() not in LIST_EXTENSIONS:
        return None
    as_json = file.suffix.lower() == ".jsonl"
    try:
        listed = listed_paths(file)
    except ValueError:  # text that is no list
        return None
    sources = {line: (written, os.path.abspath(path)) for line, written, path in listed}
    if not set(originals) & {path for _, path in sources.values()}:
        return None
    lines, kept = [], 0
    text = read_text(file)
    for number, line in enumerate(text.split("\n") if as_json else text.splitlines(), 1):
        if number not in sources:
            lines.append(line)
            continue
        written, path = sources[number]
        if path in copies:
            new = os.path.relpath(copies[path], folder).replace(os.sep, "/")
            lines.append(_replace_path(line, written, new, as_json=as_json))
            kept += 1
    return RewrittenList("\n".join(lines).rstrip("\n") + "\n", kept, len(sources) - kept)


def _replace_path(line: str, old: str, new: str, *, as_json: bool) -> str:
    """The line with another path; between the separators of its columns, or else as a cell of csv."""
    if as_json:
        row = json.loads(line)
        return json.dumps({key: new if value == old else value for key, value in row.items()}, ensure_ascii=False)
    changed, count = re.subn(rf"(^|[\s,\"]){re.escape(old)}(?=$|[\s,\"])", lambda found: found[1] + new, line, count=1)
    if count:
        return changed
    cells = [new if cell.strip() == old else cell for cell in next(csv.reader([line]))]
    return ",".join('"' + cell.replace('"', '""') + '"' if re.search('[",]', cell) else cell for cell in cells)


__all__ = ["rewrite_list"]
