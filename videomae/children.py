# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Work on many files in child processes that a time limit, a crash or a hunger for memory may end one by one.

A limit kept by Python can not stop a decoder that hangs inside C, and nothing can catch its crash. So a file is worked
on in a child; a child that dies or is too slow costs that file alone, and another takes its place.
"""

import contextlib
import math
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# What a child may take beyond its own libraries: two dozen frames of 8K video in 10 bits are 3 GB.
MEMORY_LIMIT = 4 * 2**30  # bytes

ORPHANS_GRACE = 2  # seconds beyond the time limit after which a child ends itself: its parent was killed

_NO_MORE = object()


@dataclass(frozen=True)
class ChildFailure:
    """The child did not come back from an item: `reason` says what became of it."""

    reason: str


def available_cores() -> int:
    """CPU cores that this process may use."""
    # The affinity mask is what a batch system or `taskset` grants; systems without one have all their cores.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_children(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    num_children: int,
    time_limit: float,
    memory_limit: int = MEMORY_LIMIT,
) -> Iterator[tuple[Item, Result | ChildFailure]]:
    """`(item, function(item))` as they are done, in any order; each child works on item after item.

    Args:
        function: a function of a module, which the children import. What it raises is raised here and ends the work:
            what is wrong with a single item belongs into its result.
        num_children: processes at a time.
        time_limit: seconds for an item; the start of a child does not count.
        memory_limit: bytes that a child may map beyond what its libraries have (on Linux; elsewhere there is none).
            Python then raises MemoryError; C code gets no memory, or ends the child.

    Ending the iteration early, by Ctrl-C for one, ends all children at once.

    Raises:
        ValueError: a number of children or a limit that is not positive.
        ChildProcessError: a child does not start.
    """
    _check_positive(num_children=num_children, time_limit=time_limit, memory_limit=memory_limit)
    return _map_in_children(iter(items), num_children, lambda: _Child(function, time_limit, memory_limit))


def _map_in_children(items: Iterator, num_children: int, start: Callable[[], "_Child"]) -> Iterator[tuple]:
    idle: list[_Child] = []
    busy: list[_Child] = []
    try:
        while True:
            while len(busy) < num_children and (item := next(items, _NO_MORE)) is not _NO_MORE:
                child = idle.pop() if idle else start()
                busy.append(child)
                child.give(item)
            if not busy:
                return
            for child in _wait_for_any(busy):
                result = child.take()
                busy.remove(child)
                if child.is_alive:
                    idle.append(child)
                yield child.item, result
    finally:
        for child in idle + busy:
            child.end()


def _wait_for_any(busy: list["_Child"]) -> list["_Child"]:
    """Children that answered, died or ran out of time."""
    earliest = min(child.deadline for child in busy)
    multiprocessing.connection.wait(
        [child.connection for child in busy], None if earliest == math.inf else max(earliest - time.monotonic(), 0)
    )
    return [child for child in busy if child.is_ready()]


class _Child:
    """A process and the connection to it, as the parent sees them."""

    def __init__(self, function: Callable, time_limit: float, memory_limit: int):
        context = _context(function)
        self.connection, theirs = context.Pipe()
        arguments = (theirs, function, time_limit, memory_limit)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()  # the child holds the only other end: when it dies, reading gives EOFError
        self._time_limit = time_limit
        self._has_started = False
        self.is_alive = True

    def give(self, item) -> None:
        self.item = item
        self.deadline = time.monotonic() + self._time_limit if self._has_started else math.inf
        with contextlib.suppress(ConnectionError):  # it died between two items: take() tells
            self.connection.send(item)

    def is_ready(self) -> bool:
        if self._has_started or not self.connection.poll():
            return self.connection.poll() or time.monotonic() >= self.deadline
        try:
            self.connection.recv()  # the word that it has started
        except (EOFError, ConnectionError) as error:
            self.end()
            raise ChildProcessError(
                f"a child process does not start (exit code {self._process.exitcode}); "
                'does the program keep its work under `if __name__ == "__main__":`?'
            ) from error
        self._has_started = True
        self.deadline = time.monotonic() + self._time_limit
        return False

    def take(self) -> Any:
        """The result of the item; ends a child that has none. Raises what the function raised."""
        if not self.connection.poll():
            self.end()
            return self._timed_out()
        try:
            succeeded, result = self.connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            self.end()
            return self._cause_of_death()
        if not succeeded:
            raise result
        return result

    def _timed_out(self) -> ChildFailure:
        return ChildFailure(f"not done after {self._time_limit:g} s (the time limit)")

    def _cause_of_death(self) -> ChildFailure:
        code = self._process.exitcode
        if code is None or code >= 0:
            return ChildFailure(f"its process ended (exit code {code})")
        name = signal.Signals(-code).name
        if name == "SIGALRM":  # this process was too busy to end it
            return self._timed_out()
        hint = ", most likely for want of memory" if name == "SIGKILL" else ""
        return ChildFailure(f"its process was ended by {name}{hint}")

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()
        self.is_alive = False


def _context(function: Callable) -> multiprocessing.context.BaseContext:
    """Children are forked from a server that has imported the function's module once, where the system can fork."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    return context


def _serve(connection, function: Callable, time_limit: float, memory_limit: int) -> None:
    """What the child does: item in, result out, until the parent is gone."""
    # Ctrl-C reaches every process of a terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory(memory_limit)
    connection.send("started")
    while True:
        try:
            item = connection.recv()
        except (EOFError, ConnectionError):
            return
        _set_alarm(time_limit + ORPHANS_GRACE)
        answer = _call(function, item)
        _set_alarm(0)
        try:
            connection.send(answer)
        except ConnectionError:
            return


def _call(function: Callable, item: Any) -> tuple[bool, Any]:
    try:
        return True, function(item)
    except Exception as error:
        error.add_note(f"In a child process, working on {item!r}:\n{traceback.format_exc()}")
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # an exception that can not travel
            return False, RuntimeError(traceback.format_exc())
        return False, error


def _limit_memory(limit: int) -> None:
    if sys.platform != "linux":
        return
    import resource

    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = mapped + limit if most == resource.RLIM_INFINITY else min(mapped + limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, most))


def _set_alarm(seconds: float) -> None:
    """The system ends the child then, should the parent no longer be there to do so; 0: it does not."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _check_positive(**settings: float) -> None:
    complaints = [f"{name} must be positive, got {value}" for name, value in settings.items() if not value > 0]
    if complaints:
        raise ValueError("; ".join(complaints))


__all__ = ["MEMORY_LIMIT", "ChildFailure", "available_cores", "map_in_children"]
