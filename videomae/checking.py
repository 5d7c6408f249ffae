# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What is wrong, or looks wrong, with the videos of a run before it starts: `print(check(splits))`.

No video is decoded. Two files are taken for the same video when they have the same bytes; of those that share a size
first the two ends are compared, then, on a tie, the whole. A video that was encoded twice is not found.
"""

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import datasets
from pyarrow import compute

from .exclusion import real_path
from .folders import is_picture_name
from .tables import Complaint

FEW_VIDEOS = 5
END_BYTES = 64 * 1024
EXAMPLES_SHOWN = 5
READERS = 8  # threads that wait for the disk, or for the network behind it

# What stems have in common that were cut from one video: "id_start_end" (Kinetics' "-3B32lodo2M_000059_000069", in
# seconds) and "group_clip" (UCF101's "v_Archery_g07_c02").
_TIME_RANGE = re.compile(r"(.+?)_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)")
_GROUP = re.compile(r"(.+_g\d+)_c\d+")


@dataclass
class Finding:
    """`count` cases of one kind, of which `examples` shows a few."""

    level: str  # "error": the run would fail, or its numbers mislead; "warning": look at it
    kind: str
    message: str
    count: int
    examples: list[str]

    def __str__(self) -> str:
        shown = "".join(f"\n    {example}" for example in self.examples)
        more = f"\n    … and {self.count - len(self.examples)} more" if self.count > len(self.examples) else ""
        return f"{self.level}: {self.message}: {self.count}{shown}{more}"


@dataclass
class Report:
    """`videos`: how many in each split; `classes`: {split: {class: videos}}; printed, a few lines a finding."""

    videos: dict[str, int]
    classes: dict[str, dict[str, int]]
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "warning"]

    def to_dict(self) -> dict:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{split}: {count} videos{self._classes_of(split)}" for split, count in self.videos.items()]
        lines += [str(finding) for finding in [*self.errors, *self.warnings]]
        return "\n".join([*lines, f"errors: {len(self.errors)}, warnings: {len(self.warnings)}"])

    def _classes_of(self, split: str) -> str:
        counts = self.classes.get(split)
        if not counts:
            return ""
        least, most = min(counts, key=counts.get), max(counts, key=counts.get)
        return f" of {len(counts)} classes, from {counts[least]} ({least}) to {counts[most]} ({most})"


@dataclass
class _Video:
    """A row of a split. `table` is None where the video is a file or folder at `path`.

    `size` is the same for the same content (bytes; for a folder of pictures their number, and the bytes of the first),
    and None where there is nothing to read.
    """

    split: str
    row: int
    path: str | None
    label: object
    table: datasets.Dataset | None
    size: int | tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"{self.split}: {self.path or f'row {self.row}'}"

    @property
    def place(self) -> tuple[str, int]:
        return self.split, self.row

    @property
    def stem(self) -> str:
        return Path(self.path or "").stem


def check(
    splits: Mapping[str, datasets.Dataset | None],
    complaints: Mapping[str, Sequence[Complaint]] | None = None,
    hints: Sequence[str] = (),
    *,
    few_videos: int = FEW_VIDEOS,
) -> Report:
    """Checks what `load_videos` returns, or {"train": …, "validation": …}; a split that is None is not there.

    With what `read_videos` returns, its complaints are errors, too, and the lines, files and labels that they name are
    not told a second time.

    Errors: a file that is missing or empty; a label that is missing or out of range; a video twice with different
    labels; a video in two splits, by path or content. Warnings: a video twice in a split; clips of two splits that
    were cut from the same video, by their names; classes with fewer than `few_videos` videos to train on, without any
    to train or to validate on.

    Reads the sizes of all files, and 128 KiB of those that share one. `few_videos` counts a class's training videos.
    """
    splits = {split: videos for split, videos in splits.items() if videos is not None}
    told = {kind: _rows_told(complaints or {}, kind) for kind in ("file", "label", "line")}
    rows = [video for split, videos in splits.items() for video in _videos(split, videos)]
    rows = [video for video in rows if video.place not in told["line"]]
    classes = {split: counts for split, videos in splits.items() if (counts := _count_classes(videos))}
    same_path = _same_path(rows)
    twice = {id(video) for group in same_path for video in group[1:]}
    same_content = _same_content([video for video in rows if id(video) not in twice])
    twins = {id(video) for group in same_path + same_content for video in group}
    findings = [
        *_tell_complaints(complaints or {}),
        *_finding("warning", "hint", "what may be behind these errors", hints),
        *_check_files([video for video in rows if video.place not in told["file"]]),
        *_check_labels(splits, [video for video in rows if video.place not in told["label"]]),
        *_check_twins({"path": same_path, "content": same_content}),
        *_check_names([video for video in rows if id(video) not in twins]),
        *_check_balance(classes, few_videos),
    ]
    return Report({split: len(videos) for split, videos in splits.items()}, classes, findings)


def _videos(split: str, videos: datasets.Dataset) -> list[_Video]:
    labels = videos["label"][:] if "label" in videos.column_names else [None] * len(videos)
    if isinstance(videos.features["video"], datasets.Video):
        paths, sizes = videos.flatten()["video.path"][:], _stored_sizes(videos)
        tables = [None if size is None else videos for size in sizes]
    else:
        paths, sizes, tables = videos["video"][:], [None] * len(videos), [None] * len(videos)
    columns = zip(paths, labels, tables, sizes, strict=True)
    found = [_Video(split, row, *cells) for row, cells in enumerate(columns)]
    on_disk = [video for video in found if video.table is None]
    for video, size in zip(on_disk, _map(_size_on_disk, on_disk), strict=True):
        video.size = size
    return found


def _stored_sizes(videos: datasets.Dataset) -> list[int | None]:
    """Lengths of the videos' bytes. Arrow knows them: no byte is read, unless rows were selected."""
    sizes = []
    for batch in videos.select_columns("video").with_format("arrow").iter(batch_size=100):
        sizes += compute.binary_length(compute.struct_field(batch.column("video"), "bytes")).to_pylist()
    return sizes


def _finding(level: str, kind: str, message: str, examples: Sequence[object]) -> Iterator[Finding]:
    """One, or none where there are no examples."""
    if examples:
        shown = [str(example) for example in examples[:EXAMPLES_SHOWN]]
        yield Finding(level, kind, message, len(examples), shown)


# ---- single videos ----


def _tell_complaints(complaints: Mapping[str, Sequence[Complaint]]) -> Iterator[Finding]:
    messages = {
        "file": "paths that are no videos",
        "label": "labels that are no class",
        "line": "lines that can not be read",
        "list": "lists, classes or splits that are not right",
    }
    for kind, message in messages.items():
        texts = [
            f"{split}: {complaint.text}"
            for split, found in complaints.items()
            for complaint in found
            if complaint.kind == kind
        ]
        yield from _finding("error", f"listed {kind}", message, texts)


def _rows_told(complaints: Mapping[str, Sequence[Complaint]], kind: str) -> set[tuple[str, int | None]]:
    return {(split, wrong.row) for split, found in complaints.items() for wrong in found if wrong.kind == kind}


def _check_files(rows: list[_Video]) -> Iterator[Finding]:
    missing = [video for video in rows if video.size is None]
    empty = [video for video in rows if video.size == 0]
    yield from _finding("error", "missing", "videos that are not there, or may not be read", missing)
    yield from _finding("error", "empty", "empty videos", empty)


def _check_labels(splits: Mapping[str, datasets.Dataset], rows: list[_Video]) -> Iterator[Finding]:
    without = [split for split, videos in splits.items() if "label" not in videos.column_names]
    if len(without) < len(splits):
        yield from _finding(
            "error", "unlabelled split", "splits without labels, beside others that have them", without
        )
    classes = {
        split: len(videos.features["label"].names)
        for split, videos in splits.items()
        if isinstance(videos.features.get("label"), datasets.ClassLabel)
    }
    labelled = [video for video in rows if video.split not in without]
    missing = [video for video in labelled if video.label is None or (video.split in classes and video.label == -1)]
    outside = [
        f"{video}: label {video.label}, the classes are 0 to {classes[video.split] - 1}"
        for video in labelled
        if video.split in classes and video.label is not None and not -1 <= video.label < classes[video.split]
    ]
    yield from _finding("error", "unlabelled", "videos without a label", missing)
    yield from _finding("error", "label range", "labels out of range", outside)


# ---- the same video twice ----


def _check_twins(groups: Mapping[str, list[list[_Video]]]) -> Iterator[Finding]:
    for kind, same in groups.items():
        across = list(filter(_is_across_splits, same))
        within = [group for group in same if not _is_across_splits(group)]
        contrary = [group for group in same if len({str(video.label) for video in group} - {"None"}) > 1]
        yield from _finding("error", f"leak by {kind}", f"videos in two splits (same {kind})", _lines(across))
        yield from _finding("error", f"labels by {kind}", f"videos with two labels (same {kind})", _lines(contrary))
        yield from _finding(
            "warning", f"twice by {kind}", f"videos that are there twice (same {kind})", _lines(within)
        )


def _is_across_splits(group: list[_Video]) -> bool:
    return len({video.split for video in group}) > 1


def _lines(groups: list[list[_Video]]) -> list[str]:
    return [" = ".join(map(str, group[:3])) + (" = …" if len(group) > 3 else "") for group in groups]


def _groups(rows: Sequence[_Video], keys: Iterable[Hashable]) -> list[list[_Video]]:
    """Those that share a key; a key that is None is shared with nobody."""
    found = defaultdict(list)
    for video, key in zip(rows, keys, strict=True):
        if key is not None:
            found[key].append(video)
    return [group for group in found.values() if len(group) > 1]


def _same_path(rows: list[_Video]) -> list[list[_Video]]:
    return _groups(rows, (real_path(video.path) if video.table is None and video.path else None for video in rows))


def _same_content(rows: list[_Video]) -> list[list[_Video]]:
    """Groups with the same bytes: by size, then by the ends, then by all of it. Empty files are not compared."""
    groups = _groups(rows, (video.size or None for video in rows))
    for measure in (_ends, _whole):
        candidates = [video for group in groups for video in group]
        numbers = [number for number, group in enumerate(groups) for _ in group]
        groups = _groups(candidates, zip(numbers, _map(measure, candidates), strict=True))
    return groups


# ---- content ----


def _map(function: Callable, videos: Sequence[_Video]) -> list:
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(function, videos))


def _size_on_disk(video: _Video) -> int | tuple[int, int] | None:
    if not os.access(video.path or "", os.R_OK):
        return None
    if not os.path.isdir(video.path):
        return os.path.getsize(video.path)
    pictures = _pictures(video.path)
    return (len(pictures), os.path.getsize(pictures[0])) if pictures else 0


def _pictures(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if is_picture_name(name)]


def _ends(video: _Video) -> bytes:
    """Hash of the first and last `END_BYTES`, or of the first and last picture."""
    if video.table is not None:
        content = _stored_bytes(video)
        return _digest((content[:END_BYTES], content[-END_BYTES:]))
    if os.path.isdir(video.path):
        pictures = _pictures(video.path)
        return _digest(Path(picture).read_bytes() for picture in (pictures[0], pictures[-1]))
    with open(video.path, "rb") as file:
        start = file.read(END_BYTES)
        file.seek(max(0, video.size - END_BYTES))
        return _digest((start, file.read(END_BYTES)))


def _whole(video: _Video) -> bytes:
    if video.table is not None:
        return _digest((_stored_bytes(video),))
    if os.path.isdir(video.path):
        return _digest(Path(picture).read_bytes() for picture in _pictures(video.path))
    with open(video.path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def _stored_bytes(video: _Video) -> bytes:
    return video.table[video.row]["video"]["bytes"]


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b()
    for part in parts:
        digest.update(part)
    return digest.digest()


# ---- names, classes ----


def _check_names(rows: list[_Video]) -> Iterator[Finding]:
    """A name is that of one video where each split has it once, and it is no mere number."""
    count = Counter((video.split, video.stem) for video in rows)
    telling = [count[video.split, video.stem] == 1 and re.search(r"[^\W\d_]", video.stem) for video in rows]
    same = _groups(rows, (video.stem if tells else None for video, tells in zip(rows, telling, strict=True)))
    cut = [group for group in _groups(rows, map(_source_of, rows)) if _is_across_splits(group)]
    sources = [f"{_source_of(group[0])}: {line}" for group, line in zip(cut, _lines(cut), strict=True)]
    yield from _finding("warning", "leak by name", "names in two splits (the content differs)", _lines(same))
    yield from _finding("warning", "leak by source", "videos that gave clips to two splits, by their names", sources)


def _source_of(video: _Video) -> str | None:
    """What a clip was cut from, by its name."""
    if match := _TIME_RANGE.fullmatch(video.stem):
        return match[1] if float(match[2]) < float(match[3]) else None
    match = _GROUP.fullmatch(video.stem)
    return match and match[1]


def _count_classes(videos: datasets.Dataset) -> dict[str, int]:
    """{class: videos}, of all classes; empty where there are none."""
    label = videos.features.get("label")
    if not isinstance(label, datasets.ClassLabel):
        return {}
    count = Counter(videos["label"][:])
    return {name: count[number] for number, name in enumerate(label.names)}


def _check_balance(classes: Mapping[str, dict[str, int]], few_videos: int) -> Iterator[Finding]:
    train = classes.get("train", {})
    few = [f"{name}: {count}" for name, count in train.items() if 0 < count < few_videos]
    yield from _finding("warning", "few videos", f"classes with fewer than {few_videos} videos in train", few)
    for split, counts in classes.items():
        absent = [name for name, count in counts.items() if not count]
        yield from _finding("warning", "absent class", f"classes without a video in {split}", absent)


__all__ = ["Finding", "Report", "check"]
