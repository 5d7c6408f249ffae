# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import csv
import json

import pytest
import torch

from videomae.segments import Segment, SegmentFinder, clock_time, write_segments


def found(rows, threshold=0.5):
    """Segments of windows (start, end, score of "a", score of "b", continues)."""
    finder = SegmentFinder(["a", "b"], threshold)
    for start, end, a, b, continues in rows:
        finder.add(start, end, torch.tensor([a, b]), continues)
    return finder.finish()


def test_a_segment_goes_half_way_to_the_neighbours_and_to_both_ends_of_the_video():
    rows = [(0, 4, 0.75, 0.25, False), (2, 6, 0.75, 0.25, True), (4, 8, 0.25, 0.75, True), (6, 10, 0.25, 0.75, True)]
    assert found(rows) == [Segment(0, 5, "a", 0.75), Segment(5, 10, "b", 0.75)]


def test_the_score_is_the_mean_of_the_windows_and_the_threshold_belongs_to_it():
    rows = [(0, 2, 0.5, 0, False), (2, 4, 1.0, 0, True), (4, 6, 0.25, 0, True)]
    assert found(rows) == [Segment(0, 4, "a", 0.75)]
    assert found(rows, threshold=0.75) == [Segment(2, 4, "a", 1.0)]


def test_labels_that_go_together_have_segments_of_their_own():
    rows = [(0, 2, 1.0, 0.0, False), (2, 4, 1.0, 0.5, True), (4, 6, 0.0, 0.5, True)]
    assert found(rows) == [Segment(0, 4, "a", 1.0), Segment(2, 6, "b", 0.5)]


def test_no_segment_spans_a_gap():
    rows = [(0, 2, 1.0, 0, False), (5, 7, 1.0, 0, False)]
    assert found(rows) == [Segment(0, 2, "a", 1.0), Segment(5, 7, "a", 1.0)]


def test_a_video_without_windows_has_no_segments():
    assert found([]) == []


SEGMENTS = [Segment(61.5, 3723.25, "b, or c", 0.875), Segment(0.0, 61.5, "a", 1 / 3)]


def test_files_are_sorted_by_start(tmp_path):
    for name in ("out.csv", "out.json", "out.srt"):
        write_segments(tmp_path / name, SEGMENTS)
    with open(tmp_path / "out.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["start", "end", "label", "score"],
            ["0.000", "61.500", "a", "0.333333"],
            ["61.500", "3723.250", "b, or c", "0.875000"],
        ]
    assert [row["label"] for row in json.loads((tmp_path / "out.json").read_text())] == ["a", "b, or c"]
    assert (tmp_path / "out.srt").read_text() == (
        "1\n00:00:00,000 --> 00:01:01,500\na 33 %\n\n2\n00:01:01,500 --> 01:02:03,250\nb, or c 88 %\n"
    )


def test_another_name_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"out.txt: segments are written to .csv, .json, .srt, found .txt"):
        write_segments(tmp_path / "out.txt", SEGMENTS)
    assert not list(tmp_path.iterdir())


def test_times_are_rounded_to_milliseconds():
    assert clock_time(59.9996) == "00:01:00.000"
    assert clock_time(360_000) == "100:00:00.000"
