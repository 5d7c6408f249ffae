# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Ctrl-C as a wish: what has begun is finished, what was found is written. A second Ctrl-C interrupts at once."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# `timeout -s INT` and shells signal a process and its group: one wish comes twice.
SAME_WISH = 0.5  # seconds


@contextmanager
def stopping_on_ctrl_c() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets during the block. Only a main thread hears it; in others it is never set."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(signum, frame):
        nonlocal noted
        if noted is None:
            noted = time.monotonic()
            stop.set()
        elif time.monotonic() - noted > SAME_WISH:
            raise KeyboardInterrupt

    noted = None
    before = signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


__all__ = ["stopping_on_ctrl_c"]
