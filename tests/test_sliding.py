# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import gc
import weakref
from types import SimpleNamespace

import pytest
import torch

from videomae.sliding import stream_windows


def stream(*numbers):
    """Frames of these numbers, 4 a second, whose pixels are their numbers."""
    for number in numbers:
        yield SimpleNamespace(number=number, time=number / 4, pixels=torch.full((3, 1, 2), number))


def windows(numbers, length, stride, choose=lambda total: list(range(total))):
    return list(stream_windows(stream(*numbers), length=length, stride=stride, fps=4, choose=choose))


def seen(numbers, length, stride):
    return [window.frames[:, 0, 0, 0].tolist() for window in windows(numbers, length, stride)]


def test_windows_begin_every_stride_and_one_ends_the_stream():
    assert seen(range(8), 4, 2) == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    assert seen(range(9), 4, 2) == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [5, 6, 7, 8]]
    assert seen(range(9), 2, 3) == [[0, 1], [3, 4], [6, 7], [7, 8]]  # frames between two windows are passed over


def test_a_short_stream_is_one_window_and_an_empty_one_none():
    assert seen(range(3), 4, 2) == [[0, 1, 2]]
    assert seen([], 4, 2) == []


def test_no_window_spans_a_gap_and_too_few_frames_after_one_are_none():
    assert seen([0, 1, 2, 5, 6, 7, 8, 9], 3, 2) == [[0, 1, 2], [5, 6, 7], [7, 8, 9]]
    assert seen([0, 1, 5, 6, 7], 3, 2) == [[5, 6, 7]]
    assert seen([0, 1, 2, 3, 6, 7], 3, 3) == [[0, 1, 2]]
    found = windows([0, 1, 2, 3, 7, 8, 9], 3, 1)
    assert [(window.first, window.continues) for window in found] == [(0, False), (1, True), (7, False)]


def test_a_window_knows_its_times_and_its_last_frame():
    _, window = windows(range(5), 3, 2)
    assert (window.start, window.end, window.last.number) == (0.5, 1.25, 4)


def test_choose_gets_the_number_of_frames_and_may_take_one_twice():
    found = windows(range(3), 4, 2, choose=lambda total: [0, total - 1, total - 1])
    assert found[0].frames.shape == (3, 3, 1, 2)
    assert found[0].frames[:, 0, 0, 0].tolist() == [0, 2, 2]


def test_frames_are_let_go_of():
    alive = weakref.WeakSet()

    class Frame:
        def __init__(self, number):
            self.number, self.time, self.pixels = number, number / 4, torch.zeros(1, 1, 1)
            alive.add(self)

    most = 0
    frames = map(Frame, range(50))
    for _ in stream_windows(frames, length=6, stride=2, fps=4, choose=lambda total: [0]):
        gc.collect()
        most = max(most, len(alive))
    assert 6 <= most <= 8


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (3, 0)])
def test_lengths_are_checked_before_a_frame_is_asked_for(length, stride):
    with pytest.raises(ValueError, match="wanted at least 1"):
        stream_windows(None, length=length, stride=stride, fps=4, choose=None)
