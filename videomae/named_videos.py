# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The videos that the words of a command line mean.

| a word                                        | the videos                                             |
|-----------------------------------------------|--------------------------------------------------------|
| an address, http:// or https://               | what lies there                                        |
| a folder                                      | those in it, at any depth (`folders`); of pictures: it |
| a list (csv, tsv, txt, jsonl …)               | those it names (`listing`)                             |
| a pattern (*, ?, [...], ** for any depth)     | the files and folders it fits, each as above           |
| anything else                                 | a file                                                 |

A file that is not there is left to whoever opens it; a word that can mean no video at all is an error here.
"""

import glob
import os
from collections.abc import Iterable

from .downloads import is_address, scheme_of
from .folders import VIDEO_FILES, find_videos
from .listing import find_paths
from .lists import LIST_EXTENSIONS


def find_named_videos(words: Iterable[str]) -> list[str]:
    """Paths and addresses of the videos, in the order of the words; those of a pattern and of a folder by name.

    Raises:
        ValueError: a folder, list or pattern without videos; an address of another scheme; `-`, which is a stream; no
            words at all. One message for all of them.
    """
    videos, complaints = [], []
    for word in words:
        try:
            videos += _videos_of(word)
        except ValueError as error:
            complaints.append(str(error))
    if not videos and not complaints:
        complaints.append("no videos are named")
    if complaints:
        raise ValueError("; ".join(complaints))
    return videos


def _videos_of(word: str) -> list[str]:
    if word == "-":
        raise ValueError("-: a stream, which has no end to wait for: `videomae watch` reads it (--stdin reads names)")
    if is_address(word):
        return [word]
    if scheme := scheme_of(word):
        raise ValueError(f"{word}: an address of scheme {scheme}, wanted http or https")
    if os.path.isdir(word):
        if not (found := find_videos(word)):
            kinds = " ".join(sorted(VIDEO_FILES))
            raise ValueError(f"{word}: no videos in this folder ({kinds}, or folders of pictures)")
        return found
    if os.path.isfile(word) and os.path.splitext(word)[1].lower() in LIST_EXTENSIONS:
        return [path for paths in find_paths(word).values() for path in paths]
    if os.path.exists(word) or not glob.has_magic(word):
        return [word]
    if not (fitting := sorted(glob.glob(word, recursive=True))):
        raise ValueError(f"{word}: no file fits this pattern")
    return [video for path in fitting for video in _videos_of(path)]


__all__ = ["find_named_videos"]
