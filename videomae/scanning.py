# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Decode every video of a set once, and note in a csv what each of them is and which can not be used.

Video files are always decoded by PyAV (`VideoReader`), whatever VIDEOMAE_DECODER says: it alone reports every damage.

The csv has a header and one line a video, in the order of their paths:

    path           relative to the csv's folder where the video lies in it, absolute otherwise: a csv beside the videos
                   moves with them
    frames         that decode, front to back; empty for a video that is not ok, as are the next ones
    header_frames  that the file's header promises; 0 where it promises none
    fps, width, height, codec, duration, rotation    as in `videomae.video.VideoInfo`
    bytes          of the file (of all files in a folder of frames); empty for one that is missing
    modified       its time of modification, in nanoseconds since 1970
    ok             True or False: can it be used?
    reason         why not; of a video that is ok: a remark

Names that are no UTF-8 are in it byte for byte. Beside the csv, `summary` has the totals in JSON.
"""

import csv
import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .children import ChildFailure, map_in_children
from .files import replacing
from .frames import open_video
from .video import VideoDecodeError, VideoReader

SAVING_SHARE = 0.05  # of the time goes at most into saving what was found so far
SHORTEST_PAUSE = 10  # seconds between two savings


@dataclass(frozen=True)
class ScannedVideo:
    """One line of the csv; `path` is as it was given, or absolute."""

    path: str
    frames: int | None = None
    header_frames: int | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    codec: str | None = None
    duration: float | None = None
    rotation: int | None = None
    bytes: int | None = None
    modified: int | None = None
    ok: bool = False
    reason: str = ""


COLUMNS = tuple(field.name for field in fields(ScannedVideo))
_PARSERS = {"fps": float, "duration": float, "codec": str, "reason": str, "path": str, "ok": "True".__eq__}


def scan_video(path: str) -> ScannedVideo:
    """Decode all frames of a video (a file, a folder of frames, or an array). What is wrong with it is in the result.

    Two frames are the fewest that a video has.
    """
    size, modified = stamp(path)
    found = ScannedVideo(path, bytes=size, modified=modified)
    try:
        with open_video(path, num_threads=1, video_reader=VideoReader) as reader:
            counted = _decode_all(reader)
            header_frames = reader.header_frames if isinstance(reader, VideoReader) else counted
            info = asdict(reader.info)
    except VideoDecodeError as error:
        return _bad(found, error.reason)
    except MemoryError:
        return _bad(found, "needs more memory than a child process is given")
    except Exception as error:  # one file of thousands: whatever it makes a library do, the others are scanned
        return _bad(found, f"{type(error).__name__}: {error}")
    if counted != info["num_frames"]:
        return _bad(found, f"damaged: {info['num_frames']} frames are listed, {counted} decode")
    kept = {name: info[name] for name in ("fps", "width", "height", "codec", "duration", "rotation")}
    remark = f"the header promises {header_frames} frames" if header_frames not in (0, counted) else ""
    return ScannedVideo(path, counted, header_frames, **kept, bytes=size, modified=modified, ok=True, reason=remark)


def _decode_all(reader) -> int:
    """The number of frames, all of which decode and are of one size."""
    if not isinstance(reader, VideoReader):
        for number in range(reader.num_frames):
            reader.read([number])
        return reader.num_frames
    count, size = 0, None
    for number, frame in reader.decode():
        count, size = number + 1, size or (frame.height, frame.width)
        if (frame.height, frame.width) != size:
            found = (frame.height, frame.width)
            raise VideoDecodeError(reader.path, f"frame {number} is {found} (height, width), the first was {size}")
    return count


def _bad(found: ScannedVideo, reason: str) -> ScannedVideo:
    return ScannedVideo(found.path, bytes=found.bytes, modified=found.modified, reason=reason)


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """How often each kind is there, by the first reason of it; most frequent first.

    Reasons that differ in numbers or in what is in parentheses are of one kind.
    """
    first: dict[str, str] = {}
    counts = Counter()
    for reason in reasons:
        reason = reason.split("\n")[0]
        kind = re.sub(r"\d+(\.\d+)?", "N", reason.split(" (")[0])
        counts[first.setdefault(kind, reason)] += 1
    return dict(counts.most_common())


def stamp(path: str) -> tuple[int | None, int | None]:
    """Bytes and time of modification (ns) of a file, or of the files in a folder of frames; None for a missing one."""
    try:
        if not os.path.isdir(path):
            found = os.stat(path)
            return found.st_size, found.st_mtime_ns
        stats = [entry.stat() for entry in os.scandir(path) if entry.is_file()]
        return sum(one.st_size for one in stats), max((one.st_mtime_ns for one in stats), default=0)
    except OSError:
        return None, None


# ---- all of them ----


def scan_videos(
    paths: Iterable[str],
    output: str | os.PathLike,
    *,
    num_workers: int,
    time_limit: float,
    again: str | None = None,
) -> Iterator[ScannedVideo]:
    """Scan videos in child processes, and keep the csv up to date; yields them as they are done.

    Those that the csv at `output` already has with the same path, size and time of modification come first, as they
    are there. The csv is written whole, under a temporary name first: now and then, and when the iteration ends,
    however it does.

    Args:
        paths: of videos; each is scanned once. They need not exist.
        output: the csv.
        num_workers: processes at a time.
        time_limit: seconds for one video.
        again: "bad" scans those again that were not ok, "all" every one.

    Raises:
        ValueError: the file at `output` is no such csv, or an unknown `again`.
        OSError: the csv can not be written.
    """
    if again not in (None, "bad", "all"):
        raise ValueError(f"again must be None, 'bad' or 'all', got {again!r}")
    output = Path(output)
    wanted = {os.path.abspath(path): path for path in paths}
    known = {} if not output.exists() else {row.path: row for row in read_scan(output)}
    done = {path: known[path] for path in wanted if path in known and _still_holds(known[path], again)}
    write_scan(output, done.values())  # a folder that can not be written to shows before hours of work, not after
    yield from done.values()
    todo = [path for path in wanted if path not in done]
    save = NowAndThen(lambda: write_scan(output, done.values()))
    try:
        for path, result in map_in_children(scan_video, todo, num_children=num_workers, time_limit=time_limit):
            if isinstance(result, ChildFailure):
                size, modified = stamp(path)
                result = ScannedVideo(path, bytes=size, modified=modified, reason=result.reason)
            done[path] = result
            save()
            yield result
    finally:
        write_scan(output, done.values())


class NowAndThen:
    """Calls a function when it was last called some time ago, so that it takes a small share of the time."""

    def __init__(self, function: Callable[[], object]):
        self._function = function
        self._last, self._pause = time.monotonic(), SHORTEST_PAUSE

    def __call__(self) -> None:
        start = time.monotonic()
        if start - self._last > self._pause:
            self._function()
            self._last = time.monotonic()
            self._pause = max(SHORTEST_PAUSE, (self._last - start) / SAVING_SHARE)


def _still_holds(known: ScannedVideo, again: str | None) -> bool:
    if again == "all" or (again == "bad" and not known.ok):
        return False
    return known.bytes is not None and stamp(known.path) == (known.bytes, known.modified)


def write_scan(output: str | os.PathLike, rows: Iterable[ScannedVideo]) -> None:
    folder = os.path.abspath(Path(output).parent)
    with (
        replacing(output) as temporary,
        open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in sorted(rows, key=lambda row: row.path):
            writer.writerow({**asdict(row), "path": _movable(os.path.abspath(row.path), folder)})


def read_scan(file: str | os.PathLike) -> list[ScannedVideo]:
    """The lines of a csv that `scan_videos` wrote, with absolute paths. Raises ValueError for any other file."""
    folder = os.path.abspath(Path(file).parent)
    with open(file, encoding="utf-8", errors="surrogateescape", newline="") as lines:
        reader = csv.DictReader(lines)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{file}: there, and not the csv of a scan: choose another name, or remove it")
        return [_parse_row(row, folder) for row in reader]


def _parse_row(row: Mapping[str, str], folder: str) -> ScannedVideo:
    values = {name: _PARSERS.get(name, int)(text) for name, text in row.items() if text != ""}
    return ScannedVideo(**{**values, "path": os.path.normpath(os.path.join(folder, row["path"]))})


def _movable(path: str, folder: str) -> str:
    inside = path.startswith(os.path.join(folder, ""))
    return os.path.relpath(path, folder) if inside else path


# ---- what that comes to ----


def fingerprint(rows: Iterable[ScannedVideo], root: str | os.PathLike) -> str:
    """SHA-256 (hex) of a set of videos: equal where names, sizes and numbers of frames are.

    It is taken over one line a video, sorted as bytes: the path relative to `root` with "/" between folders, a zero
    byte, the size of the file in bytes, a zero byte, the number of frames, a line feed; a size or number that is not
    known is 0.
    """
    lines = []
    for row in rows:
        path = os.path.relpath(row.path, os.path.abspath(root)).replace(os.sep, "/")
        lines.append(os.fsencode(path) + f"\0{row.bytes or 0}\0{row.frames or 0}\n".encode())
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def summary(rows: Sequence[ScannedVideo], splits: Mapping[str, Sequence[str]], root: str | os.PathLike) -> dict:
    """Totals of a scan, ready for JSON.

    Args:
        rows: what `scan_videos` gave.
        splits: paths of the videos of each split.
        root: what the paths in the fingerprints are relative to.

    Returns:
        `videos`, `ok`, `bad` ({reason without its numbers: count}), `hours` and `bytes` of those that are ok, `sizes`
        ({"WIDTHxHEIGHT": count}), `codecs`, `header_disagrees` (videos that are ok, with another number of frames than
        their header has), and for each of `splits` its `videos`, `ok` and `fingerprint`.
    """
    rows = sorted(rows, key=lambda row: row.path)
    ok = [row for row in rows if row.ok]
    by_path = {os.path.abspath(row.path): row for row in rows}
    parts = {}
    for split, paths in splits.items():
        part = [by_path[path] for path in dict.fromkeys(map(os.path.abspath, paths))]
        parts[split] = {
            "videos": len(part),
            "ok": sum(row.ok for row in part),
            "fingerprint": fingerprint(part, root),
        }
    return {
        "videos": len(rows),
        "ok": len(ok),
        "bad": count_reasons(row.reason for row in rows if not row.ok),
        "hours": sum(row.duration or 0 for row in ok) / 3600,
        "bytes": sum(row.bytes or 0 for row in ok),
        "sizes": dict(Counter(f"{row.width}x{row.height}" for row in ok).most_common()),
        "codecs": dict(Counter(row.codec for row in ok).most_common()),
        "header_disagrees": sum(bool(row.reason) for row in ok),
        "splits": parts,
    }


def summary_text(totals: dict, *, kinds_shown: int = 5) -> str:
    """`summary` for a reader."""

    def counts(found: dict) -> str:
        shown = ", ".join(f"{count:,} {name}" for name, count in list(found.items())[:kinds_shown])
        return shown + (f" and {len(found) - kinds_shown:,} other kinds" if len(found) > kinds_shown else "")

    lines = [
        f"{totals['videos']:,} videos: {totals['ok']:,} ok, {totals['videos'] - totals['ok']:,} bad",
        f"ok: {totals['hours']:.2f} hours, {totals['bytes'] / 1e9:.3f} GB",
    ]
    if totals["ok"]:
        lines += [f"sizes: {counts(totals['sizes'])}", f"codecs: {counts(totals['codecs'])}"]
    if totals["header_disagrees"]:
        lines.append(f"{totals['header_disagrees']:,} have another number of frames than their header promises")
    lines += [f"bad: {count:,} like: {reason}" for reason, count in totals["bad"].items()]
    lines += [
        f"{split}: {part['ok']:,} of {part['videos']:,} ok, fingerprint {part['fingerprint']}"
        for split, part in totals["splits"].items()
    ]
    return "\n".join(lines)


__all__ = [
    "ScannedVideo",
    "count_reasons",
    "fingerprint",
    "read_scan",
    "scan_video",
    "scan_videos",
    "summary",
    "summary_text",
]
