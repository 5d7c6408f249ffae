# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Windows that slide over a stream of frames while it comes; neighbours share the frames that they have in common.

`windows` says the same of files, of which the number of frames is known and any frame can be read.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch


class TimedFrame(Protocol):
    number: int
    time: float  # seconds
    pixels: torch.Tensor  # (C, H, W)


@dataclass(frozen=True)
class Window:
    first: int  # number of its first frame
    start: float  # seconds: time of its first frame
    end: float  # seconds: when its last frame ends
    continues: bool  # no frame is missing since the window before
    frames: torch.Tensor  # those chosen: (T, C, H, W)
    last: TimedFrame


def stream_windows(
    frames: Iterable[TimedFrame], *, length: int, stride: int, fps: float, choose: Callable[[int], list[int]]
) -> Iterator[Window]:
    """Windows of `length` consecutive frames, one every `stride` frames from the first, and one that ends the stream.

    A frame whose number does not follow the one before (some were dropped) begins a new row of windows: none spans
    the gap. A stream of fewer than `length` frames is one window, and a row of fewer than that after a gap is none.
    No more than `length` frames are held.

    Args:
        fps: frames per second, which tells how long a frame is shown.
        choose: the positions, of a window of so many frames, that are looked at.

    Raises:
        ValueError: a length or stride below 1, at once; what `choose` raises.
    """
    for name, value in (("length", length), ("stride", stride)):
        if value < 1:
            raise ValueError(f"{name} of a window is {value} frames, wanted at least 1")
    return _stream_windows(frames, length, stride, 1 / fps, choose)


def _stream_windows(frames, length: int, stride: int, duration: float, choose) -> Iterator[Window]:
    held: deque[TimedFrame] = deque(maxlen=length)
    is_first_row, in_row = True, 0
    for frame in frames:
        if held and frame.number != held[-1].number + 1:
            is_first_row, in_row = False, 0
        held.append(frame)
        in_row += 1
        if in_row >= length and (in_row - length) % stride == 0:
            yield _window(held, choose, duration, continues=in_row > length)
    is_seen = in_row >= length and (in_row - length) % stride == 0
    if held and not is_seen and (in_row > length or is_first_row):
        yield _window(held, choose, duration, continues=in_row > length)


def _window(held: deque, choose, duration: float, *, continues: bool) -> Window:
    chosen = choose(len(held))
    return Window(
        first=held[0].number,
        start=held[0].time,
        end=held[-1].time + duration,
        continues=continues,
        frames=torch.stack([held[position].pixels for position in chosen]),
        last=held[-1],
    )


__all__ = ["TimedFrame", "Window", "stream_windows"]
