# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A source that does not wait, read by a thread of its own; what nobody takes in time is dropped."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from .frame_streams import StreamFrame

Item = TypeVar("Item")

LOOK_UP = 0.1  # seconds between two looks at `stop` while nothing comes


class LiveQueue(Generic[Item]):
    """The items of a source as they come, read ahead by a thread; iterate once.

    At most `capacity` of them wait. When one more comes, the oldest that waits is dropped: who is too slow misses
    items, and gets those there are no more than `capacity` late.

    Args:
        source: read in the thread. What it raises is raised to whoever iterates, after the items before.
        stop: ends the iteration once it is set, also while nothing comes.

    Attributes:
        dropped: how many were.
    """

    def __init__(self, source: Iterable[Item], *, capacity: int, stop: threading.Event):
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, wanted at least 1")
        self.dropped = 0
        self._capacity, self._stop = capacity, stop
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._has_ended, self._error = False, None
        # A camera that says nothing more must not keep the program from ending.
        self._reader = threading.Thread(target=self._read, args=(source,), daemon=True, name="live source")
        self._reader.start()

    def __iter__(self) -> Iterator[Item]:
        while not self._stop.is_set():
            with self._changed:
                if not self._waiting and not self._has_ended:
                    self._changed.wait(LOOK_UP)
                    continue
                if not self._waiting:
                    break
                item = self._waiting.popleft()
            yield item
        if self._error is not None:
            raise self._error

    def join(self, seconds: float) -> bool:
        """Waits so long for the thread, once `stop` is set, and says whether it has let go of the source."""
        self._reader.join(seconds)
        return not self._reader.is_alive()

    def _read(self, source: Iterable[Item]) -> None:
        error = None
        try:
            for item in source:
                self._add(item)
                if self._stop.is_set():
                    break
        except Exception as raised:
            error = raised
        with self._changed:
            self._has_ended, self._error = True, error
            self._changed.notify()

    def _add(self, item: Item) -> None:
        with self._changed:
            if len(self._waiting) == self._capacity:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(item)
            self._changed.notify()


def in_real_time(frames: Iterable[StreamFrame]) -> Iterator[StreamFrame]:
    """Frames of a file when a camera would give them: each at its time after the first."""
    began = None
    for frame in frames:
        began = time.monotonic() - frame.time if began is None else began
        time.sleep(max(began + frame.time - time.monotonic(), 0))
        yield frame


__all__ = ["LiveQueue", "in_real_time"]
