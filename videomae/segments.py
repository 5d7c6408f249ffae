# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""From scores over time to segments, stretches in which a label holds, and their files (csv, json, srt).

A window speaks for the time around its middle, up to half way to the middles of its neighbours; the first one also
for what is before, the last one for what comes after.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path

import torch

from .files import replacing


@dataclass(frozen=True)
class Segment:
    start: float  # seconds
    end: float
    label: str
    score: float  # mean over its windows


@dataclass
class _Open:
    start: float
    total: float = 0.0
    windows: int = 0


class SegmentFinder:
    """Collects the segments of each label: maximal runs of windows in which its score is at least `threshold`.

    Args:
        labels: of the K scores.
    """

    def __init__(self, labels: Sequence[str], threshold: float):
        self.segments: list[Segment] = []  # in the order in which they end
        self._labels, self._threshold = labels, threshold
        self._open: dict[int, _Open] = {}
        self._middle = self._end = 0.0  # of the window before

    def add(self, start: float, end: float, score: torch.Tensor, continues: bool) -> None:
        """The next window: when it begins and ends (seconds), its score (K,), whether there is no gap before it."""
        if not continues:
            self.finish()
        middle = (start + end) / 2
        boundary = (self._middle + middle) / 2 if continues else start
        holding = set((score >= self._threshold).nonzero().flatten().tolist())
        self._close(self._open.keys() - holding, boundary)
        for index in holding:
            segment = self._open.setdefault(index, _Open(boundary))
            segment.total += float(score[index])
            segment.windows += 1
        self._middle, self._end = middle, end

    def finish(self) -> list[Segment]:
        """Nothing comes after the last window, or there is a gap. All segments so far."""
        self._close(set(self._open), self._end)
        return self.segments

    def _close(self, indices: Iterable[int], end: float) -> None:
        for index in sorted(indices):
            run = self._open.pop(index)
            self.segments.append(Segment(run.start, end, self._labels[index], run.total / run.windows))


def write_segments(path: str | os.PathLike, segments: Iterable[Segment]) -> None:
    """A whole file, in the format of its name: .csv (with a header), .json (a list of objects) or .srt (subtitles).

    Segments are sorted by start. Raises ValueError for another name.
    """
    write = segment_writer(path)
    in_order = sorted(segments, key=lambda segment: (segment.start, segment.end, segment.label))
    with replacing(path) as temporary:
        temporary.write_text(write(in_order), encoding="utf-8")


def segment_writer(path: str | os.PathLike) -> Callable[[Sequence[Segment]], str]:
    """What makes the text of such a file. Raises ValueError for a name that says no format."""
    extension = Path(path).suffix.lower()
    if extension not in _WRITERS:
        raise ValueError(f"{path}: segments are written to {', '.join(_WRITERS)}, found {extension or 'no extension'}")
    return _WRITERS[extension]


def _csv(segments: Sequence[Segment]) -> str:
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([field.name for field in fields(Segment)])
    rows.writerows([f"{s.start:.3f}", f"{s.end:.3f}", s.label, f"{s.score:.6f}"] for s in segments)
    return text.getvalue()


def _json(segments: Sequence[Segment]) -> str:
    return json.dumps([asdict(segment) for segment in segments], indent=2, ensure_ascii=False) + "\n"


def _srt(segments: Sequence[Segment]) -> str:
    return "\n".join(
        f"{number}\n{_srt_time(s.start)} --> {_srt_time(s.end)}\n{s.label} {100 * s.score:.0f} %\n"
        for number, s in enumerate(segments, start=1)
    )


def _srt_time(seconds: float) -> str:
    return clock_time(seconds).replace(".", ",")


def clock_time(seconds: float) -> str:
    """`3723.5` -> `"01:02:03.500"`."""
    milliseconds = round(1000 * seconds)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


_WRITERS = {".csv": _csv, ".json": _json, ".srt": _srt}

__all__ = ["Segment", "SegmentFinder", "clock_time", "segment_writer", "write_segments"]
