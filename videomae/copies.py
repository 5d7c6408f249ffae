# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The prepared copies of a few videos: those that `videomae prepare` has made, or made on the spot."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from .children import available_cores, map_in_children
from .preparation import copy_name
from .transcoding import Copy, Encoding, Task, transcode


def existing_copies(paths: Sequence[str], source: str | os.PathLike, prepared: str | os.PathLike) -> dict[str, str]:
    """{path: path of its copy} of the videos of `source` that `videomae prepare source prepared` has copied.

    Raises ValueError where not one of them has a copy.
    """
    root = source if os.path.isdir(source) else os.path.dirname(source)
    copies = {path: os.path.join(prepared, copy_name(path, str(root))) for path in paths}
    found = {path: copy for path, copy in copies.items() if os.path.isfile(copy)}
    if not found:
        raise ValueError(
            f"{prepared}: wanted copies of {source}, as `videomae prepare` makes them; there is none of the "
            f"{len(paths)} videos that are measured (of {paths[0]}: {copies[paths[0]]})"
        )
    return found


def temporary_copies(paths: Sequence[str], folder: str | os.PathLike, *, seconds: float) -> dict[str, str]:
    """{path: path of its copy in `folder`} of the videos of which copies were made within that time."""
    tasks = {Task(path, str(Path(folder) / f"{number}.mp4"), Encoding()): path for number, path in enumerate(paths)}
    copies, deadline = {}, time.monotonic() + seconds
    made = map_in_children(transcode, tasks, num_children=available_cores(), time_limit=seconds)
    for task, result in made:
        if isinstance(result, Copy):
            copies[task.source] = task.destination
        if time.monotonic() > deadline:
            made.close()
            break
    return copies


__all__ = ["existing_copies", "temporary_copies"]
