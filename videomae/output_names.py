# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What to call the files that are made of videos: names that stay in their folder, and that no two videos share.

A video of a folder keeps its place in it (`class/clip.mp4` gives `class/clip`), and so does one of a list that lies
beside the list; any other is called by its own name. Characters that a shell, an address or another system would
take for something else become "_". Where two names would be the same, both get a piece of a hash of their paths.
"""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from .downloads import is_address
from .folders import VIDEO_FILES
from .lists import LIST_EXTENSIONS
from .named_videos import find_named_videos

MOST_BYTES = 200  # of a part of a name; file systems take 255, and endings are to come
HASH_LENGTH = 8


def find_output_names(words: Iterable[str]) -> dict[str, str]:
    """{video: the name of its output, without an ending, with "/" between its parts} for `find_named_videos`' videos.

    A video that is named twice is there once. Raises ValueError as `find_named_videos`.
    """
    words = list(words)
    find_named_videos(words)  # all that is wrong with any of them, at once
    names: dict[str, str] = {}
    for word in words:
        for video in find_named_videos([word]):
            names.setdefault(video, safe_name(_within(video, word)))
    alike = Counter(map(_folded, names.values()))
    return {video: f"{name}-{_hash(video)}" if alike[_folded(name)] > 1 else name for video, name in names.items()}


def safe_name(name: str) -> str:
    """A relative path of which no part leaves its folder, is hidden, or is taken for something else by a shell."""
    parts = [_safe_part(part) for part in name.replace(os.sep, "/").split("/")]
    return "/".join(part for part in parts if part) or "video"


def _safe_part(part: str) -> str:
    part = unicodedata.normalize("NFC", part)
    part = re.sub(r"[^\w.+-]+", "_", part).lstrip(".-")  # no hidden files, no options, no way up
    return part.encode()[:MOST_BYTES].decode(errors="ignore")


def _within(video: str, word: str) -> str:
    """What the name is made of: the path of the video from the folder or list that was named, or its own name."""
    if is_address(video):
        return _without_ending(unquote(urlsplit(video).path).rpartition("/")[2])
    is_list = os.path.splitext(word)[1].lower() in LIST_EXTENSIONS
    root = os.path.dirname(word) if is_list else word
    relative = os.path.relpath(video, root or ".")
    if relative == "." or relative.split(os.sep)[0] == os.pardir or not (is_list or os.path.isdir(word)):
        relative = os.path.basename(os.path.normpath(video))
    return _without_ending(relative)


def _without_ending(path: str) -> str:
    stem, ending = os.path.splitext(path)
    return stem if ending.lower() in VIDEO_FILES else path


def _folded(name: str) -> str:
    """Names that are the same on a file system that does not tell cases apart."""
    return unicodedata.normalize("NFC", name).casefold()


def _hash(video: str) -> str:
    return hashlib.sha256(video.encode(errors="surrogateescape")).hexdigest()[:HASH_LENGTH]


__all__ = ["find_output_names", "safe_name"]
