# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A video at an http or https address, fetched into a temporary file, within bounds of size and time.

No other scheme is an address here: `file:`, `ftp:` or `concat:` would reach what a list has no business with.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from huggingface_hub.utils import httpx

from .video import VideoDecodeError

SCHEMES = ("http://", "https://")
MOST_BYTES = 4 * 2**30
TIME_LIMIT = 600.0  # seconds for a whole file
SILENCE_LIMIT = 30.0  # seconds without a byte after which a server is gone


def is_address(source) -> bool:
    return isinstance(source, str) and source.lower().startswith(SCHEMES)


@contextmanager
def downloaded(address: str, *, most_bytes: int = MOST_BYTES, time_limit: float = TIME_LIMIT) -> Iterator[BinaryIO]:
    """The file at an address, open for reading and named after it; it vanishes with the block.

    Redirections are followed, to http and https alone.

    Raises:
        VideoDecodeError: it can not be fetched, is larger than `most_bytes` or takes longer than `time_limit` seconds.
    """
    with tempfile.TemporaryFile() as file:
        try:
            _fetch(address, file, most_bytes, time.monotonic() + time_limit)
        except httpx.HTTPError as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise VideoDecodeError(address, f"could not be fetched ({reason})") from error
        except TimeoutError as error:
            raise VideoDecodeError(address, f"not fetched after {time_limit:g} s (the time limit)") from error
        file.seek(0)
        file.raw.name = address  # for the messages of whoever reads it
        yield file


def _fetch(address: str, file: BinaryIO, most_bytes: int, deadline: float) -> None:
    with httpx.stream("GET", address, follow_redirects=True, timeout=SILENCE_LIMIT) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            if time.monotonic() > deadline:
                raise TimeoutError
            file.write(chunk)
            if file.tell() > most_bytes:
                raise VideoDecodeError(address, f"more than {most_bytes} bytes (the limit)")


__all__ = ["MOST_BYTES", "TIME_LIMIT", "downloaded", "is_address"]
