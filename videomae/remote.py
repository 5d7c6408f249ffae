# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Videos that lie somewhere else: http://…, hf://…, zip://a.mp4::https://…, whatever `fsspec` opens."""

import time

import aiohttp
import fsspec

from .bad_videos import UnreadableVideoError
from .video import VideoDecodeError

WAITS = (1.0, 4.0)  # seconds before the second and the third try
CHUNK_BYTES = 1 << 22
# Large files take their time; a server that says nothing for so many seconds is gone.
TIMEOUT = {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)}}


class UnreachableVideoError(UnreadableVideoError):
    """A video could not be fetched; nothing is known about the video itself."""


def is_remote(path: str) -> bool:
    """Whether it is not a plain path, but one that names its file system."""
    return "://" in path


def fetch(path: str, most_bytes: int) -> bytes:
    """The whole file; tried three times.

    Raises:
        UnreachableVideoError: not there, no access, or no answer.
        VideoDecodeError: more than `most_bytes`.
    """
    for wait in (*WAITS, None):
        try:
            content = _read(path, most_bytes + 1)
            break
        except Exception as error:  # each file system has errors of its own
            if wait is None:
                raise UnreachableVideoError(
                    f"{path}: can not be fetched, which says nothing about the video itself "
                    f"({type(error).__name__}: {error}); see to the network and go on from the last checkpoint"
                ) from error
            time.sleep(wait)
    if len(content) > most_bytes:
        raise VideoDecodeError(path, f"more than {most_bytes} bytes")
    return content


def _read(path: str, most_bytes: int) -> bytes:
    options = {protocol: dict(TIMEOUT) for protocol in ("http", "https") if f"{protocol}://" in path}
    if options and "::" not in path:  # itself, and not an archive there
        options |= {"block_size": 0}  # one request: not every server gives parts of a file
    content = bytearray()
    with fsspec.open(path, "rb", **options) as file:
        while len(content) < most_bytes and (chunk := file.read(min(CHUNK_BYTES, most_bytes - len(content)))):
            content += chunk
    return bytes(content)


__all__ = ["UnreachableVideoError", "fetch", "is_remote"]
