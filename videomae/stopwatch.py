# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Where the time of a pipeline goes, measured on the pipeline itself: its own functions are wrapped while it runs."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

OTHER = "other"  # the time in none of the watched functions


class Watched(NamedTuple):
    """A function whose time belongs to a stage: the attribute `name` of a module, a class or an object."""

    stage: str
    owner: Any
    name: str


class Stopwatch:
    """Seconds of wall-clock time by stage, of one thread.

    A watched function that another one calls stops the outer one's clock, so that the stages add up to the whole.
    """

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._stages = [OTHER]  # the innermost last
        self._since = 0.0

    @contextlib.contextmanager
    def watching(self, functions: Iterable[Watched]) -> Iterator[None]:
        """Measure the block. The watched functions are wrapped meanwhile, for the whole process."""
        originals = [(owner, name, vars(owner)[name]) for _, owner, name in functions]
        for stage, owner, name in functions:
            setattr(owner, name, self._timed(stage, vars(owner)[name]))
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._stop_clock()
            for owner, name, original in originals:
                setattr(owner, name, original)

    def _timed(self, stage: str, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            self._stop_clock()
            self._stages.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self._stop_clock()
                self._stages.pop()

        return wrapper

    def _stop_clock(self) -> None:
        """Credit the time since the last call to the innermost stage."""
        now = time.perf_counter()
        stage = self._stages[-1]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


__all__ = ["OTHER", "Stopwatch", "Watched"]
