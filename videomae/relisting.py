# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Lists of originals become lists of their copies, line by line.

The copy of a folder of frames is a video file: in an official list (`lists`) `folder start total` becomes `path 0 -1`,
and `folder total label` becomes `path label`.
"""

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .folders import FEWEST_PICTURES
from .lists import LIST_EXTENSIONS, listed_paths, read_text


class RewrittenList(NamedTuple):
    text: str
    kept: int  # videos
    left_out: int


def rewrite_list(file: Path, copies: Mapping[str, str], originals: Iterable[str], folder: str) -> RewrittenList | None:
    """A list with paths of copies instead of originals, all else as it is but for the numbers of frames of folders.

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
    sources = {found.line: found._replace(path=os.path.abspath(found.path)) for found in listed}
    if not set(originals) & {found.path for found in sources.values()}:
        return None
    lines, kept = [], 0
    text = read_text(file)
    for number, line in enumerate(text.split("\n") if as_json else text.splitlines(), 1):
        if number not in sources:
            lines.append(line)
            continue
        found = sources[number]
        if found.path in copies:
            new = os.path.relpath(copies[found.path], folder).replace(os.sep, "/")
            line = _replace_path(line, found.written, new, as_json=as_json)
            is_folder = found.frames is not None and found.frames >= 0
            lines.append(_of_a_file(line, new) if is_folder else line)
            kept += 1
    return RewrittenList("\n".join(lines).rstrip("\n") + "\n", kept, len(sources) - kept)


def _replace_path(line: str, old: str, new: str, *, as_json: bool) -> str:
    """The line with another path; between the separators of its columns, or else as a cell of csv."""
    if as_json:
        row = json.loads(line)
        return json.dumps({key: new if value == old else value for key, value in row.items()}, ensure_ascii=False)
    changed, count = re.subn(
        rf"(^|[\s,;\"]){re.escape(old)}(?=$|[\s,;\"])", lambda found: found[1] + new, line, count=1
    )
    if count:
        return changed
    cells = [new if cell.strip() == old else cell for cell in next(csv.reader([line]))]
    return ",".join('"' + cell.replace('"', '""') + '"' if re.search('[",]', cell) else cell for cell in cells)


def _of_a_file(line: str, path: str) -> str:
    """`path start total` -> `path 0 -1`; `path total label` -> `path label`."""
    head, path, tail = line.partition(path)
    after_path, separator, number, rest = re.fullmatch(r'("?)([\s,;]+)(\d+)([\s,;]+.+)', tail.rstrip()).groups()
    if int(number) >= FEWEST_PICTURES:
        return head + path + after_path + rest
    return f"{head}{path}{after_path}{separator}0{separator}-1"


__all__ = ["rewrite_list"]
