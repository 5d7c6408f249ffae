# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Copy a data set so that reading is fast: small intra-only videos in the same folders, and lists that name them.

What goes where in the destination:
- a video (a file, or a folder of frames: RGB pictures of 8 bits) keeps its path relative to the source folder (or to
  the list's folder), with the extension .mp4. One that a list names elsewhere, by an absolute path or through "..",
  goes to outside/ under its whole path: nothing is written outside the destination;
- lists (csv, tsv, txt, jsonl; those of which an entry is one of the videos) stay what they are line by line, with the
  new paths; videos without a copy are left out of them;
- other small text files (`TEXT_EXTENSIONS`), as class names, are copied; a scan of the originals is not;
- bad.csv has the videos without a copy (path of the original, reason), if there are any: those that can not be read,
  and those that no mp4 can hold, which are arrays (.npy, .npz) and folders of grey, RGBA or 16-bit pictures;
- .prepare/ keeps the settings and a line for each finished video, by which another call goes on.
"""

import csv
import json
import os
import shutil
import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from .children import map_in_children
from .files import replacing, write_json
from .frames import open_video
from .listing import find_paths
from .lists import LIST_EXTENSIONS
from .relisting import rewrite_list
from .scanning import COLUMNS as SCAN_COLUMNS
from .scanning import NowAndThen, count_reasons, stamp
from .transcoding import Copy, Encoding, Task, transcode
from .video import VIDEO_EXTENSIONS, VideoReader

TEXT_EXTENSIONS = (*LIST_EXTENSIONS, ".json", ".md", ".yaml", ".yml")
LARGEST_TEXT = 2**20  # bytes; lists may have any size
NOTES = ".prepare"
OUTSIDE = "outside"
BAD = "bad.csv"
CLIP = {"num_frames": 16, "frame_stride": 4}  # what the speed of reading is measured with


@dataclass(frozen=True)
class PreparedVideo:
    """What became of an original; without a copy `reason` says why."""

    path: str  # of the copy, relative to the destination
    source: str
    source_bytes: int | None = None
    source_modified: int | None = None  # nanoseconds since 1970
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    psnr: float | None = None  # dB, of the worst frame compared
    reason: str = ""


_PARSERS = {"path": str, "source": str, "reason": str, "psnr": float}


def copy_name(path: str, root: str) -> str:
    """Where the copy of a video goes, relative to the destination; see the top of this file."""
    path, root = os.path.abspath(path), os.path.join(os.path.abspath(root), "")
    if path.startswith(root):
        name = path[len(root) :]
    else:
        drive, tail = os.path.splitdrive(path)
        name = os.path.join(OUTSIDE, drive.strip(":\\/"), tail.strip("\\/"))
    stem, extension = os.path.splitext(name)
    return (stem if extension.lower() in VIDEO_EXTENSIONS else name) + ".mp4"


class Preparation:
    """A data set on its way to `destination`.

    Args:
        source: folder or list of videos, as `videomae.listing.load_videos` takes them.
        destination: a folder: a new one, an empty one, or one that an earlier call worked on.
        encoding: what copies are made.
        again: videos of which an earlier call has a result, and that have not changed since, are left alone; "bad"
            tries those again that gave no copy, "all" every one, and allows another `encoding`.

    Raises:
        ValueError: a source without videos, or with the videos themselves in tables (parquet); a destination that is
            in the source, holds originals, holds something else, or copies of another encoding; two originals with the
            same name but for the extension.
    """

    def __init__(
        self,
        source: str | os.PathLike,
        destination: str | os.PathLike,
        encoding: Encoding,
        *,
        again: str | None = None,
    ):
        if again not in (None, "bad", "all"):
            raise ValueError(f"again must be None, 'bad' or 'all', got {again!r}")
        self.source, self.destination = Path(source).expanduser(), Path(destination).expanduser()
        self.encoding = encoding
        self._root = self.source if self.source.is_dir() else self.source.parent
        splits = find_paths(self.source)
        paths = dict.fromkeys(os.path.abspath(path) for part in splits.values() for path in part)
        self._names = {path: copy_name(path, str(self._root)) for path in paths}
        self._check_destination()
        self._check_names()
        known, self.strays = self._read_notes(again)
        self.results = {path: known[path] for path in paths if self._still_holds(path, known.get(path), again)}
        self.todo = [path for path in paths if path not in self.results]

    def __len__(self) -> int:
        return len(self._names)

    # -- before --

    def _check_destination(self) -> None:
        source, destination = self.source.resolve(), self.destination.resolve()
        if source == destination or source in destination.parents:
            raise ValueError(f"{self.destination}: is in the source {self.source}; choose a folder outside of it")
        inside = os.path.join(destination, "")
        if own := [path for path in self._names if os.path.realpath(path).startswith(inside)]:
            raise ValueError(f"{self.destination}: holds originals, as {own[0]}; choose a folder without any")
        entries = {entry.name for entry in self.destination.iterdir()} if self.destination.is_dir() else set()
        if entries - {NOTES} and not self._settings.exists():
            raise ValueError(f"{self.destination}: holds something else; choose a new folder, or an empty one")

    def _check_names(self) -> None:
        sources: dict[str, list[str]] = {}
        for path, name in self._names.items():
            sources.setdefault(name, []).append(path)
        same = [" and ".join(paths) for paths in sources.values() if len(paths) > 1]
        if same:
            shown = "\n- ".join(same[:5]) + (f"\n… and {len(same) - 5} more" if len(same) > 5 else "")
            raise ValueError(f"their copies would have the same name, rename one of each:\n- {shown}")

    @property
    def _settings(self) -> Path:
        return self.destination / NOTES / "encoding.json"

    @property
    def _notes(self) -> Path:
        return self.destination / NOTES / "videos.csv"

    def _read_notes(self, again: str | None) -> tuple[dict[str, PreparedVideo], list[PreparedVideo]]:
        """{path of the original: result} of earlier calls; and the copies of which the source no longer has one."""
        if not self._settings.exists():
            return {}, []
        noted, wanted = json.loads(self._settings.read_text(encoding="utf-8")), asdict(self.encoding)
        if noted != wanted and again != "all":
            differ = ", ".join(
                f"{name} {noted.get(name)}, wanted {value}"
                for name, value in wanted.items()
                if noted.get(name) != value
            )
            raise ValueError(
                f"{self.destination}: holds copies with {differ}: choose another folder, or make all of them again "
                "(--again all)"
            )
        by_name = {row.path: row for row in _read_rows(self._notes)} if self._notes.exists() else {}
        known = {path: by_name.pop(name) for path, name in self._names.items() if name in by_name}
        return known, [row for row in by_name.values() if (self.destination / row.path).exists()]

    def _still_holds(self, path: str, known: PreparedVideo | None, again: str | None) -> bool:
        if known is None or again == "all" or (again == "bad" and known.reason):
            return False
        if None in (known.source_bytes, known.source_modified):
            return False
        if stamp(path) != (known.source_bytes, known.source_modified):
            return False
        return bool(known.reason) or stamp(str(self.destination / known.path))[0] == known.bytes

    # -- the videos --

    def run(self, *, num_workers: int, time_limit: float) -> Iterator[PreparedVideo]:
        """Make the copies of `todo` in child processes, and yield what became of each.

        A copy is written in .prepare/, verified, and moved to its place. However the iteration ends, what is done is
        noted.

        Args:
            num_workers: processes at a time.
            time_limit: seconds for one video.

        Raises:
            OSError: the destination can not be written, or another process works on it.
        """
        with self._claimed() as temporaries:
            save = NowAndThen(self._save)
            stamps = {}  # of before the work: what changes meanwhile is to be copied again

            def tasks() -> Iterator[Task]:
                for number, path in enumerate(self.todo):
                    stamps[path] = stamp(path)
                    yield Task(path, str(temporaries / f"{number}.mp4"), self.encoding)

            work = map_in_children(transcode, tasks(), num_children=num_workers, time_limit=time_limit)
            try:
                for task, result in work:
                    self.results[task.source] = self._settle(task, result, *stamps.pop(task.source))
                    save()
                    yield self.results[task.source]
            finally:
                work.close()
                self._save()

    def _settle(self, task: Task, result, size: int | None, modified: int | None) -> PreparedVideo:
        """Move a good copy to its place."""
        name = self._names[task.source]
        place = self.destination / name
        found = PreparedVideo(name, task.source, size, modified)
        if isinstance(result, Copy):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(task.destination, place)
            return replace(found, **asdict(result))
        place.unlink(missing_ok=True)  # of what the original was in an earlier call
        Path(task.destination).unlink(missing_ok=True)
        return replace(found, reason=result.reason)

    def _save(self) -> None:
        _write_rows(
            self._notes, [*self.results.values(), *self.strays], [field.name for field in fields(PreparedVideo)]
        )

    @contextmanager
    def _claimed(self) -> Iterator[Path]:
        """A folder for temporary files, in a destination that no other process works on."""
        folder = self.destination / NOTES
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "w") as lock:
            _lock(lock, self.destination)
            write_json(self._settings, asdict(self.encoding))
            temporaries = folder / "unfinished"
            temporaries.mkdir(exist_ok=True)
            try:
                yield temporaries
            finally:
                shutil.rmtree(temporaries, ignore_errors=True)

    # -- after --

    def write_lists(self) -> dict[str, dict[str, int]]:
        """Write the lists with the new paths, other text files as they are, and bad.csv.

        Returns {path of a list, relative to the destination: {"videos": kept, "left_out": without a copy}}.
        """
        copies = {path: str(self.destination / row.path) for path, row in self.results.items() if not row.reason}
        counts = {}
        for file in self._text_files():
            name = file.relative_to(self._root)
            place = self.destination / name
            new = rewrite_list(file, copies, self._names, str(place.parent))
            if new is not None:
                with replacing(place) as temporary:
                    temporary.write_text(new.text, encoding="utf-8")
                counts[name.as_posix()] = {"videos": new.kept, "left_out": new.left_out}
            elif file.stat().st_size <= LARGEST_TEXT:
                with replacing(place) as temporary:
                    shutil.copyfile(file, temporary)
        self._write_bad()
        return counts

    def _text_files(self) -> list[Path]:
        if self.source.is_file():
            return [self.source]
        found = []
        for folder, folders, names in os.walk(self.source):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [
                Path(folder, name)
                for name in sorted(names)
                if not name.startswith(".") and os.path.splitext(name)[1].lower() in TEXT_EXTENSIONS
            ]
        return [file for file in found if file != self.source / BAD and not _is_scan(file)]

    def _write_bad(self) -> None:
        bad = [{"path": row.source, "reason": row.reason} for row in self.results.values() if row.reason]
        file = self.destination / BAD
        if bad:
            _write_rows(file, bad, ["path", "reason"])
        else:
            file.unlink(missing_ok=True)

    def summary(self) -> dict:
        """Totals, ready for JSON.

        `videos`, `copies`, `bad` (`count_reasons`), `bytes_before` and `bytes_after` of those with a copy, `strays`
        (copies of earlier calls that the source no longer has an original of; they stay) and the `worst_psnr` (dB) of
        the frames compared.
        """
        copies = [row for row in self.results.values() if not row.reason]
        return {
            "videos": len(self),
            "copies": len(copies),
            "bad": count_reasons(row.reason for row in self.results.values() if row.reason),
            "bytes_before": sum(row.source_bytes for row in copies),
            "bytes_after": sum(row.bytes for row in copies),
            "strays": len(self.strays),
            "worst_psnr": min((row.psnr for row in copies), default=None),
        }

    def measure_reading(self, *, num_videos: int = 5, repeats: int = 3) -> dict[str, float]:
        """Milliseconds to open a video and read a clip (`CLIP`), one thread.

        `ms_before` from originals, `ms_after` from their copies: medians over a few videos spread over the set, of the
        fastest of `repeats`, taken in turn. Empty without copies.
        """
        copies = [row for row in self.results.values() if not row.reason]
        before, after = [], []
        for row in copies[:: max(len(copies) // num_videos, 1)][:num_videos]:
            copy = str(self.destination / row.path)
            times = [(_clip_time(row.source, row.frames), _clip_time(copy, row.frames)) for _ in range(repeats)]
            before.append(min(first for first, _ in times))
            after.append(min(second for _, second in times))
        if not copies:
            return {}
        return {"ms_before": 1000 * statistics.median(before), "ms_after": 1000 * statistics.median(after)}


def totals_text(totals: dict, destination: Path) -> str:
    """`summary`, the counts of `write_lists` as "lists" and `measure_reading`, together in one, for a reader."""
    lacking = totals["videos"] - totals["copies"]
    lines = [f"{totals['copies']:,} of {totals['videos']:,} videos have a copy in {destination}"]
    if totals["copies"]:
        before, after = totals["bytes_before"], totals["bytes_after"]
        lines += [
            f"space: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB after ({after / before:.2f} x); "
            f"worst frame compared {totals['worst_psnr']:.1f} dB",
            f"reading {CLIP['num_frames']} frames at stride {CLIP['frame_stride']}: {totals['ms_before']:.1f} ms "
            f"before, {totals['ms_after']:.1f} ms after ({totals['ms_before'] / totals['ms_after']:.1f} x faster)",
        ]
    for name, counts in totals["lists"].items():
        left_out = f", {counts['left_out']:,} left out" if counts["left_out"] else ""
        lines.append(f"list {name}: {counts['videos']:,} videos{left_out}")
    lines += [f"bad: {count:,} like: {reason}" for reason, count in totals["bad"].items()]
    if totals["strays"]:
        lines.append(f"{totals['strays']:,} copies of earlier calls have no original any more, and are still there")
    if lacking:
        lines.append(f"{lacking:,} videos have no copy: {destination / BAD} says why")
    return "\n".join(lines)


def _clip_time(path: str, num_frames: int) -> float:
    """Seconds to open a video and read a clip from its middle; a short video repeats its last frame."""
    start = max(num_frames - CLIP["num_frames"] * CLIP["frame_stride"], 0) // 2
    indices = [min(start + i * CLIP["frame_stride"], num_frames - 1) for i in range(CLIP["num_frames"])]
    begin = time.perf_counter()
    with open_video(path, num_threads=1, video_reader=VideoReader) as reader:
        reader.read(indices)
    return time.perf_counter() - begin


def _is_scan(file: Path) -> bool:
    """The csv of `videomae scan`, or the totals beside it: they are about the originals."""
    table = file.with_suffix(".csv")
    if file.suffix.lower() not in (".csv", ".json") or not table.is_file():
        return False
    with open(table, "rb") as lines:
        return lines.readline().rstrip() == ",".join(SCAN_COLUMNS).encode()


def _lock(file, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two processes at work on one folder are not noticed
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(f"{folder}: another process is preparing it") from None


def _read_rows(file: Path) -> list[PreparedVideo]:
    with open(file, encoding="utf-8", errors="surrogateescape", newline="") as lines:
        return [
            PreparedVideo(**{name: _PARSERS.get(name, int)(text) for name, text in row.items() if text != ""})
            for row in csv.DictReader(lines)
        ]


def _write_rows(file: Path, rows: Iterable[PreparedVideo | dict], columns: list[str]) -> None:
    rows = [row if isinstance(row, dict) else asdict(row) for row in rows]
    with (
        replacing(file) as temporary,
        open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as lines,
    ):
        writer = csv.DictWriter(lines, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["path"]))


__all__ = ["Preparation", "PreparedVideo", "copy_name", "totals_text"]
