# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Which entries of a folder tree are videos, and which folders are classes. No file is opened.

A video is
- a file with an extension of `VIDEO_EXTENSIONS` or `ARRAY_EXTENSIONS`;
- a folder that holds at least two pictures (`PICTURE_EXTENSIONS`), no video and no folder: its frames.

Whatever begins with a dot is not there. Links to folders are followed. Other files are passed over, which is logged
unless they are of a kind that lies beside videos (`BESIDE_VIDEOS`).
"""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

from .frames import ARRAY_EXTENSIONS, PICTURE_EXTENSIONS
from .tables import Table, some
from .video import VIDEO_EXTENSIONS

VIDEO_FILES = VIDEO_EXTENSIONS | frozenset(ARRAY_EXTENSIONS)
FEWEST_PICTURES = 2  # one picture is a thumbnail
BESIDE_VIDEOS = frozenset(  # subtitles, lists, notes, settings, sound
    ".ass .csv .db .htm .html .ini .json .jsonl .log .m4a .md .mp3 .pdf .py .rst .sh .srt .tsv .txt .vtt .wav "
    ".xls .xlsx .xml .yaml .yml".split()
)

logger = logging.getLogger(__name__)


def is_video_name(name: str) -> bool:
    return _extension(name) in VIDEO_FILES and not name.startswith(".")


def is_picture_name(name: str) -> bool:
    return _extension(name) in PICTURE_EXTENSIONS and not name.startswith(".")


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
    return _find_videos(folder, [])


def _find_videos(folder: str, passed_over: list[str]) -> list[str]:
    own, below = _scan(folder, passed_over)
    return own + [path for videos in below.values() for path in videos]


def _scan(folder: str, passed_over: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The video files of the folder, or the folder if it is one of frames; and the videos in each of its folders.

    Adds to `passed_over` the paths of files that may have been meant as videos.
    """
    entries = visible_entries(folder)
    folders = [entry for entry in entries if entry.is_dir()]
    files = [entry for entry in entries if not entry.is_dir()]
    own = [entry.path for entry in files if is_video_name(entry.name)]
    others = [entry for entry in files if not is_video_name(entry.name)]
    if not own and not folders and _count_pictures([entry.name for entry in others]) >= FEWEST_PICTURES:
        own = [folder]
        others = [entry for entry in others if not is_picture_name(entry.name)]
    passed_over += [entry.path for entry in others if _extension(entry.name) not in BESIDE_VIDEOS]
    for entry in folders:
        if entry.is_symlink():
            _check_no_circle(entry)
    return own, {entry.name: _find_videos(entry.path, passed_over) for entry in folders}


def _extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _check_no_circle(link: os.DirEntry) -> None:
    target = os.path.realpath(link.path)
    if os.path.commonpath([target, os.path.realpath(os.path.dirname(link.path))]) == target:
        raise ValueError(f"{link.path}: a link to {target}, a folder that it lies in: it has no end; remove it")


def read_folder(folder: str, labels: bool) -> Table:
    """The videos of a folder. Where it holds folders and no video of its own, those are the classes.

    A folder of frames is a video of the folder that it lies in. Logs which files are passed over.
    """
    passed_over: list[str] = []
    own, below = _scan(folder, passed_over)
    if passed_over:
        _warn_of_files(folder, passed_over)
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


def _warn_of_files(folder: str, paths: Sequence[str]) -> None:
    kinds = Counter(_extension(path) or "without an extension" for path in paths)
    logger.warning(
        "%s: passed over, as their names are not those of videos: %s (such as %s); if they are videos, list them",
        folder,
        some([f"{count} {kind}" for kind, count in kinds.most_common()]),
        paths[0],
    )
