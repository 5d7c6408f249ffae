# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A video at an http or https address, fetched into a temporary file, within bounds of size and time.

No other scheme is an address here: `file:`, `ftp:` or `concat:` would reach what a list has no business with.
"""

import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import BinaryIO

from huggingface_hub.utils import httpx

from .video import VideoDecodeError

SCHEMES = ("http://", "https://")
MOST_BYTES = 4 * 2**30
TIME_LIMIT = 600.0  # seconds for a whole file
SILENCE_LIMIT = 30.0  # seconds without a byte after which a server is gone


def is_address(source) -> bool:
    return isinstance(source, str) and source.lower().startswith(SCHEMES)


def scheme_of(source: str) -> str | None:
    """`"rtmp"` of `rtmp://host/live`; None where a name begins with no scheme."""
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://", source)
    return found and found[1].lower()


@contextmanager
def downloaded(address: str, *, most_bytes: int = MOST_BYTES, time_limit: float = TIME_LIMIT) -> Iterator[BinaryIO]:
    """The file at an address, open for reading and named after it; it vanishes with the block.

    Redirections are followed, to http and https alone.

    Raises:
        VideoDecodeError: it is no address, can not be fetched or stored, is larger than `most_bytes`, or all of that
            takes longer than `time_limit` seconds.
    """
    with _fetched(address, most_bytes, time_limit) as file:
        file.raw.name = address  # for the messages of whoever reads it
        yield file


def _fetched(address: str, most_bytes: int, time_limit: float) -> BinaryIO:
    try:
        with ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile())
            _in_time(partial(_fetch, address, file, most_bytes), time_limit)
            file.seek(0)
            opened.pop_all()
            return file
    except TimeoutError as error:
        raise VideoDecodeError(address, f"not fetched after {time_limit:g} s (the time limit)") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VideoDecodeError(address, f"could not be fetched ({reason})") from error


def _in_time(work: Callable[[], None], time_limit: float) -> None:
    """Does `work` in a thread, as no setting of httpx bounds names, redirections and headers together.

    Raises TimeoutError when it is not done in time; the thread then ends by itself, at its next write to the file.
    """
    raised = []

    def run():
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True, name="download")
    thread.start()
    thread.join(time_limit)
    if thread.is_alive():
        raise TimeoutError
    if raised:
        raise raised[0]


def _fetch(address: str, file: BinaryIO, most_bytes: int) -> None:
    plain = {"Accept-Encoding": "identity"}  # a video is compressed already
    with httpx.stream("GET", address, headers=plain, follow_redirects=True, timeout=SILENCE_LIMIT) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            file.write(chunk)
            if file.tell() > most_bytes:
                raise VideoDecodeError(address, f"more than {most_bytes} bytes (the limit)")


__all__ = ["MOST_BYTES", "TIME_LIMIT", "downloaded", "is_address", "scheme_of"]
