# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Videos that can not be used: whether one ends the run or is left out, and which ones were.

Each process counts what it and its workers find; the processes of a run tell each other whenever a line of the log or
a checkpoint is due (`training.BadVideosCallback`). Between two of those each may leave out up to the whole share.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

import torch

from .video import ShortVideoError, VideoDecodeError

logger = logging.getLogger(__name__)

SKIPPING = "--on_bad_video skip (on_bad_video='skip')"  # for messages: the flag, and what it is in Python
SPARE_SLOTS = 4096  # for what several workers or processes find before they know of each other


class UnreadableVideoError(ValueError):
    """A video that was needed can not be used."""

    def __init__(self, message: str):
        # A DataLoader's worker hands over the text of its traceback instead of the message, which is the end of it.
        super().__init__(message.rsplit(f"{type(self).__name__}: ", 1)[-1].strip())


class BadVideos:
    """The numbers of the videos of a data set that were left out, shared by a process and its workers.

    Args:
        total: videos of the data set.
        name: says what to call the video with a number.
        on_bad_video: "error" raises `UnreadableVideoError`; "skip" counts and warns.
        max_bad_share: share of `total` that may be skipped before that is an error, too: 0, or at least one video.

    Raises ValueError for another `on_bad_video`.
    """

    def __init__(self, total: int, name: Callable[[int], str], *, on_bad_video: str, max_bad_share: float):
        if on_bad_video not in ("error", "skip"):
            raise ValueError(f"on_bad_video is {on_bad_video!r}, wanted 'error' or 'skip'")
        self.total = total
        self.most = max(1, int(max_bad_share * total)) if max_bad_share else 0
        self._name = name
        self._skips = on_bad_video == "skip"
        self._damaged = _SharedNumbers(self.most + SPARE_SLOTS)
        self._short = _SharedNumbers(self.most + SPARE_SLOTS)

    def __len__(self) -> int:
        return len(self._damaged) + len(self._short)

    def __contains__(self, number: int) -> bool:
        return number in self._damaged or number in self._short

    @property
    def names(self) -> list[str]:
        return sorted(video["name"] for video in self.state())

    def note(self, number: int, error: VideoDecodeError) -> None:
        """Count a video and warn, or raise `UnreadableVideoError`."""
        if not self._skips:
            raise UnreadableVideoError(f"{error} (in training, {SKIPPING} goes on without it)") from error
        (self._short if isinstance(error.__cause__, ShortVideoError) else self._damaged).add(number)
        self.check(f"; last: {error}")
        logger.warning("left out, the next video stands in (%d bad of %d so far): %s", len(self), self.total, error)

    def check(self, last: str = "") -> None:
        """Raise `UnreadableVideoError` where there are too many."""
        if len(self) > self.most:
            what = "do not decode"
            if short := len(self._short):
                what = f"can not be used ({short} are shorter than a clip, {len(self._damaged)} do not decode)"
            raise UnreadableVideoError(
                f"{len(self)} of {self.total} videos {what}, {self.most} may be skipped{last}\n"
                "--max_bad_share (max_bad_share=) lets more be skipped; `videomae scan` finds all bad files of a "
                "folder or list at once, and --exclude leaves them out"
            )

    def state(self) -> list[dict]:
        """For JSON: {"name", "number", "short"} of each."""
        return [
            {"name": self._name(number), "number": number, "short": short}
            for short, numbers in enumerate((self._damaged, self._short))
            for number in numbers
        ]

    def update(self, state: Iterable[dict]) -> None:
        """Add those that another process found, or a run that this one goes on with; not what the data lacks now."""
        for video in state:
            number = video["number"]
            if number not in self and self._is_named(number, video["name"]):
                (self._short if video["short"] else self._damaged).add(number)

    def _is_named(self, number: int, name: str) -> bool:
        try:
            return self._name(number) == name
        except IndexError:
            return False


class _SharedNumbers:
    """A small set of numbers that a process and its workers share."""

    EMPTY = -1

    def __init__(self, capacity: int):
        self._slots = torch.full((capacity,), self.EMPTY, dtype=torch.int64).share_memory_()

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(set(self._slots[self._slots != self.EMPTY].tolist())))

    def __len__(self) -> int:
        return len(set(self._slots[self._slots != self.EMPTY].tolist()))  # two workers may add the same one at once

    def __contains__(self, number: int) -> bool:
        return any(self._slots[slot] == number for slot in self._slots_of(number))

    def add(self, number: int) -> None:
        for slot in self._slots_of(number):
            if self._slots[slot] in (self.EMPTY, number):
                self._slots[slot] = number
                return

    def _slots_of(self, number: int) -> Iterator[int]:
        """Slots that may hold the number: from its own one to the first that is empty."""
        for k in range(len(self._slots)):
            slot = (number + k) % len(self._slots)
            yield slot
            if self._slots[slot] == self.EMPTY:
                return


__all__ = ["BadVideos", "UnreadableVideoError"]
