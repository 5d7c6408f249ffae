# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Whose time it is: functions are wrapped while they are watched, and the stages add up to the whole."""

import pytest

from videomae import stopwatch
from videomae.stopwatch import OTHER, Stopwatch, Watched


class Pipeline:
    def __init__(self, clock):
        self.clock = clock

    def outer(self):
        self.clock.now += 1
        self.inner()
        self.clock.now += 2
        return "done"

    def inner(self):
        self.clock.now += 10

    def fail(self):
        self.clock.now += 5
        raise KeyError("broken")


class Clock:
    """Seconds pass when the pipeline says so."""

    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    return clock


def test_an_inner_stage_stops_the_clock_of_the_outer_one(clock):
    watch, pipeline = Stopwatch(), Pipeline(clock)
    with watch.watching([Watched("read", Pipeline, "outer"), Watched("convert", Pipeline, "inner")]):
        clock.now += 20
        assert pipeline.outer() == "done"
        pipeline.inner()
    assert watch.seconds == {OTHER: 20, "read": 3, "convert": 20}


def test_functions_of_one_stage_add_up_and_so_do_measurements(clock):
    watch, pipeline = Stopwatch(), Pipeline(clock)
    functions = [Watched("read", Pipeline, "outer"), Watched("read", Pipeline, "inner")]
    for _ in range(2):
        with watch.watching(functions):
            pipeline.outer()
        clock.now += 1000  # in between nothing is measured
    assert watch.seconds["read"] == 26


def test_afterwards_the_functions_are_what_they_were_also_after_an_error(clock):
    originals = dict(vars(Pipeline))
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.watching([Watched("read", Pipeline, "fail")]):
        assert Pipeline.fail is not originals["fail"]
        Pipeline(clock).fail()
    assert Pipeline.fail is originals["fail"]
    assert watch.seconds["read"] == 5


def test_attributes_of_an_object_and_of_a_module_can_be_watched(clock):
    pipeline = Pipeline(clock)
    pipeline.draw = pipeline.inner
    watch = Stopwatch()
    with watch.watching([Watched("draw", pipeline, "draw")]):
        pipeline.draw()
    assert watch.seconds["draw"] == 10


def test_a_function_that_is_not_there_is_an_error():
    with pytest.raises(KeyError, match="nothing"), Stopwatch().watching([Watched("read", Pipeline, "nothing")]):
        pass
