# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Which entries of a folder tree are videos, and which folders are classes. No file is opened.

A video is
- a file with an extension of `VIDEO_EXTENSIONS` or `ARRAY_EXTENSIONS`;
- a folder that holds at least two pictures (`PICTURE_EXTENSIONS`), no video and no folder: its frames.

Whatever begins with a dot is not there. Links to folders are followed.
"""

import os
from collections.abc import Sequence
from operator import attrgetter

from .frames import ARRAY_EXTENSIONS, PICTURE_EXTENSIONS
from .tables import Table
from .video import VIDEO_EXTENSIONS

VIDEO_FILES = VIDEO_EXTENSIONS | frozenset(ARRAY_EXTENSIONS)
FEWEST_PICTURES = 2  # one picture is a thumbnail


def is_video_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in VIDEO_FILES and not name.startswith(".")


def is_picture_name(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in PICTURE_EXTENSIONS and not name.startswith(".")


def count_pictures(folder: str) -> int:
    """Pictures of the folder itself."""
    return _count_pictures(os.listdir(folder))


def _count_pictures(names: Sequence[str]) -> int:
    return sum(map(is_picture_name, names))


def visible_entries(folder: str) -> list[os.DirEntry]:
    """Sorted by name."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=attrgetter("name"))


def find_videos(folder: str) -> list[str]:
    """Paths of the videos in a folder, at any depth: those of the folder itself first, sorted by name.

    A folder of frames is itself the only video in it. Each folder is listed once. Raises ValueError for a link to a
    folder that holds it.
    """
    own, below = _scan(folder)
    return own + [path for videos in below.values() for path in videos]


def _scan(folder: str) -> tuple[list[str], dict[str, list[str]]]:
    """The video files of the folder, or the folder if it is one of frames; and the videos in each of its folders."""
    entries = visible_entries(folder)
    folders = [entry for entry in entries if entry.is_dir()]
    own = [entry.path for entry in entries if is_video_name(entry.name) and not entry.is_dir()]
    if not own and not folders and _count_pictures([entry.name for entry in entries]) >= FEWEST_PICTURES:
        own = [folder]
    for entry in folders:
        if entry.is_symlink():
            _check_no_circle(entry)
    return own, {entry.name: find_videos(entry.path) for entry in folders}


def _check_no_circle(link: os.DirEntry) -> None:
    target = os.path.realpath(link.path)
    if os.path.commonpath([target, os.path.realpath(os.path.dirname(link.path))]) == target:
        raise ValueError(f"{link.path}: a link to {target}, a folder that it lies in: it has no end; remove it")


def read_folder(folder: str, labels: bool) -> Table:
    """The videos of a folder. Where it holds folders and no video of its own, those are the classes.

    A folder of frames is a video of the folder that it lies in.
    """
    own, below = _scan(folder)
    frame_folders = [name for name, videos in below.items() if videos == [os.path.join(folder, name)]]
    if own or frame_folders or not below or not labels:
        table = Table(own + [path for videos in below.values() for path in videos], listed=False)
    else:
        table = Table([], [], listed=False)
        for name, videos in below.items():
            if not videos:
                table.complain(f"{os.path.join(folder, name)}: a class folder without videos")
            table.names += videos
            table.labels += [name] * len(videos)
    if not table.names and not table.complaints:
        kinds = " ".join(sorted(VIDEO_FILES))
        table.complain(f"{folder}: no videos ({kinds}, or folders of pictures)")
    return table
