# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import threading
import time

import numpy as np
import pytest

from videomae.frame_streams import StreamFrame
from videomae.live import LiveQueue, in_real_time


class Faucet:
    """A source that gives an item when it is told to."""

    def __init__(self):
        self._permits, self.given = threading.Semaphore(0), 0

    def let(self, count):
        wanted = self.given + count
        for _ in range(count):
            self._permits.release()
        while self.given < wanted:
            time.sleep(0.001)
        time.sleep(0.02)  # the queue takes the last one

    def __iter__(self):
        number = 0
        while True:
            self._permits.acquire()
            self.given += 1
            yield number
            number += 1


@pytest.fixture
def stop():
    event = threading.Event()
    yield event
    event.set()


def test_who_keeps_up_gets_everything(stop):
    queue = LiveQueue(range(5), capacity=5, stop=stop)
    assert list(queue) == [0, 1, 2, 3, 4] and queue.dropped == 0


def test_who_is_slow_misses_the_oldest(stop):
    faucet = Faucet()
    queue = LiveQueue(faucet, capacity=3, stop=stop)
    items = iter(queue)
    faucet.let(1)
    assert next(items) == 0
    faucet.let(7)
    assert [next(items) for _ in range(3)] == [5, 6, 7]
    assert queue.dropped == 4
    faucet.let(2)
    assert [next(items) for _ in range(2)] == [8, 9]
    assert queue.dropped == 4


def test_an_error_of_the_source_comes_after_the_items_before_it(stop):
    def broken():
        yield 1
        yield 2
        raise ValueError("the cable")

    items = iter(LiveQueue(broken(), capacity=9, stop=stop))
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="the cable"):
        next(items)


def test_stop_ends_the_wait_for_a_source_that_says_nothing(stop):
    queue = LiveQueue(Faucet(), capacity=2, stop=stop)
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    assert list(queue) == []
    assert time.monotonic() - began < 5


def test_the_thread_is_joined_unless_its_source_says_nothing(stop):
    faucet = Faucet()
    queue = LiveQueue(faucet, capacity=2, stop=stop)
    stop.set()
    assert not queue.join(0.05)
    faucet.let(1)
    assert queue.join(5)


def test_capacity_is_checked(stop):
    with pytest.raises(ValueError, match="capacity is 0"):
        LiveQueue([], capacity=0, stop=stop)


def test_frames_of_a_file_come_at_their_times():
    frames = [StreamFrame(number, number * 0.05, np.zeros((2, 2, 3), np.uint8)) for number in range(5)]
    came = []
    for frame in in_real_time(iter(frames)):
        came.append((frame.time, time.monotonic()))
    began = came[0][1]
    assert all(moment - began >= due - 0.001 for due, moment in came)
