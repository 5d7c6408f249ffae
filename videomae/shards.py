# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Tar shards in the WebDataset layout: which videos they hold, where and of which class, from their headers alone.

A sample is a run of members with the same name up to the first dot: `0017.mp4` with, where classes are known,
`0017.cls` (a number or a name), `0017.json` (with one of `JSON_LABELS`) or `0017.txt` (a name). Nothing is ever
written: links, devices and folders in a shard are passed over, a video is read as bytes from its place in the file.
"""

import glob
import json
import os
import re
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, product
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow

from .folders import VIDEO_FILES, find_videos, visible_entries
from .labels import are_integers, are_measured, class_numbers, find_class_names, label_complaint, label_text
from .lists import LIST_EXTENSIONS
from .stored import is_stored
from .tables import COMPLAINTS_SHOWN, LABEL_COLUMNS, SPLIT_NAMES, some
from .video import VideoDecodeError

LABEL_EXTENSIONS = ("cls", "json", "txt")  # the first that a sample has
JSON_LABELS = (*LABEL_COLUMNS, "cls")
MOST_LABEL_BYTES = 1 << 16
MOST_HEADER_BYTES = 1 << 20  # long names and pax records; a header that claims more is hostile or damaged
MOST_VIDEO_BYTES = 1 << 30
_SPLIT_NAME = re.compile(rf"({'|'.join(sorted(SPLIT_NAMES, key=len, reverse=True))})(?![a-z])")  # train-0000.tar

# ---- files ----


def are_shards(source: str | os.PathLike) -> bool:
    """Whether `source` names tar shards: a pattern that ends in .tar, or a folder that holds them and nothing else.

    They lie in the folder itself or in train/, val/ and test/. Raises ValueError for a folder that also holds videos,
    a list of videos or a stored table.
    """
    if str(source).endswith(".tar"):
        return True
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return False
    tars = [file for part in (folder, *_split_folders(folder).values()) for file in _tars(part)]
    if tars and (others := _other_videos(folder)):
        shown = [os.path.relpath(file, folder) for file in tars]
        raise ValueError(
            f"{source}: holds tar files ({some(shown)}) and {others}: move the ones that are not meant away, or name "
            f"the others themselves: the tar files ('{folder / '*.tar'}'), the list, or the folder of the videos"
        )
    return bool(tars)


def _other_videos(folder: Path) -> str | None:
    if videos := find_videos(str(folder)):
        return f"videos ({some([os.path.relpath(video, folder) for video in videos])})"
    stems = {"metadata", *SPLIT_NAMES}
    files = [entry for entry in visible_entries(str(folder)) if entry.is_file()]
    names = [entry.name for entry in files]
    lists = [name for name in names if Path(name).suffix.lower() in LIST_EXTENSIONS and Path(name).stem in stems]
    if lists:
        return f"lists of videos ({some(lists)})"
    return "a stored table" if is_stored(folder) else None


def find_shards(source: str | os.PathLike) -> list[str]:
    """The tar files of a folder or of a pattern, sorted: `shards/train-{0000..0003}.tar`, `shards/{a,b}-*.tar`.

    Raises ValueError: nothing there, a file that braces name is missing, or more than one split (`find_shard_splits`).
    """
    splits = find_shard_splits(source)
    if len(splits) > 1:
        raise ValueError(f"{source}: has shards of {', '.join(splits)}, wanted those of one split")
    (shards,) = splits.values()
    return shards


def find_shard_splits(source: str | os.PathLike) -> dict[str, list[str]]:
    """{split: tar files, sorted} of a folder or of a pattern (`find_shards`).

    Splits are the folders train, val (valid, validation) and test, or the beginnings of the files' names
    (train-0000.tar); files of one split alone, whatever it is called, are "train".

    Raises ValueError: nothing there, a file that braces name is missing, or files that belong to no split beside
    others that do.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        return _split_by_name(source, _expand_pattern(source))
    splits = {split: files for split, part in _split_folders(folder).items() if (files := _tars(part))}
    own = _tars(folder)
    if splits and own:
        raise ValueError(
            f"{source}: tar shards in {', '.join(splits)} and beside them ({some(list(map(os.path.basename, own)))}): "
            "move those away"
        )
    if not splits and not own:
        raise ValueError(f"{source}: no such tar shards: {folder / '*.tar'}")
    return splits or _split_by_name(source, own)


def _tars(folder: Path) -> list[str]:
    return sorted(map(str, folder.glob("[!.]*.tar")))


def _split_folders(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for entry in visible_entries(str(folder)):
        split = SPLIT_NAMES.get(entry.name.lower()) if entry.is_dir() else None
        if split in found and _tars(Path(entry.path)):
            raise ValueError(f"{folder}: {found[split].name} and {entry.name} are both the {split} split: join them")
        if split is not None:
            found[split] = Path(entry.path)
    return found


def _split_by_name(source: str | os.PathLike, files: list[str]) -> dict[str, list[str]]:
    found: dict[str | None, list[str]] = {}
    for file in files:
        match = _SPLIT_NAME.match(os.path.basename(file).lower())
        found.setdefault(match and SPLIT_NAMES[match[1]], []).append(file)
    if len(found) == 1 or set(found) == {None, "train"}:
        return {"train": files}
    if None in found:
        names = some(list(map(os.path.basename, found[None])))
        raise ValueError(
            f"{source}: {names} belong to no split, beside shards of {', '.join(filter(None, found))}: "
            "name the shards that are meant, or begin the names of all with train, val or test"
        )
    return {split: found[split] for split in dict.fromkeys(SPLIT_NAMES.values()) if split in found}


def _expand_pattern(pattern: str | os.PathLike) -> list[str]:
    found = {part: glob.glob(part) for part in _expand_braces(os.path.expanduser(str(pattern)))}
    if missing := [part for part, files in found.items() if not files]:
        raise ValueError(f"{pattern}: no such tar shards: {some(missing)}")
    return sorted({file for files in found.values() for file in files})


def _expand_braces(pattern: str) -> list[str]:
    """{a,b} and {000..017}, as in a shell."""
    parts = re.split(r"\{([^{}]+)\}", pattern)
    return [
        "".join(choice) for choice in product(*(_choices(part) if i % 2 else [part] for i, part in enumerate(parts)))
    ]


def _choices(inside: str) -> list[str]:
    bounds = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if bounds is None:
        return inside.split(",")
    return [f"{number:0{len(bounds[1])}}" for number in range(int(bounds[1]), int(bounds[2]) + 1)]


# ---- one shard ----


class _Sample(NamedTuple):
    """A video of a shard: where its bytes are, its label as a text; or what is wrong with it."""

    name: str
    offset: int = 0
    size: int = 0
    label: str | None = None
    problem: str | None = None


class _DamagedShard(Exception):
    pass


class _HeaderFile:
    """A file of which headers are read: `tarfile` would read as much as a header claims."""

    def __init__(self, file: BinaryIO):
        self.tell, self.seek = file.tell, file.seek
        self._read = file.read

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MOST_HEADER_BYTES:
            raise _DamagedShard(f"a header claims {size} bytes")
        return self._read(size)


def _read_samples(shard: str, *, labels: bool, max_video_bytes: int) -> Iterator[_Sample]:
    """The samples of a shard in their order, and last, if the shard is damaged, one that says so."""
    name = None
    with open(shard, "rb") as file:
        members, damage = _read_headers(file)
        for key, group in groupby(members, key=lambda member: _key(member.name)):
            if key is not None:
                name = key
                yield _to_sample(file, key, list(group), labels, max_video_bytes)
    if damage:
        place = "at its beginning" if name is None else f"after {name}"
        yield _Sample(f"<{place}>", problem=f"the shard is damaged or cut short {place}: {damage}")


def _key(member: str) -> str | None:
    """The name up to the first dot of its last part; None for what starts with a dot."""
    match = re.fullmatch(r"((?:.*/)?[^./][^./]*)\.[^/]+", member, re.DOTALL)
    return match and match[1]


def _read_headers(file: BinaryIO) -> tuple[list[tarfile.TarInfo], str | None]:
    """The members that are files, and what ends the shard before its end mark, if something does."""
    members = []
    try:
        for member in _members(file):
            members.append(member)
    except _DamagedShard as damage:
        return members, str(damage)
    return members, None


def _members(file: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Raises `_DamagedShard` where `tarfile` is silent about a shard that ends early, too."""
    length = os.fstat(file.fileno()).st_size
    try:
        with tarfile.open(fileobj=_HeaderFile(file), mode="r:") as tar:
            while (member := tar.next()) is not None:
                if member.size < 0:
                    raise _DamagedShard(f"{member.name} claims {member.size} bytes")
                is_file = member.isreg() and not member.issparse()
                if is_file:
                    yield member
                if member.offset_data + member.size > length:
                    if is_file:
                        return  # `_to_sample` names it
                    raise _DamagedShard(f"{member.name} is cut short")
            end = tar.offset
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise _DamagedShard(str(error)) from error
    if os.pread(file.fileno(), tarfile.BLOCKSIZE, end) != bytes(tarfile.BLOCKSIZE):
        raise _DamagedShard(f"neither a header nor the end mark at byte {end} of {length}")


def _to_sample(
    file: BinaryIO, key: str, members: list[tarfile.TarInfo], labels: bool, max_video_bytes: int
) -> _Sample:
    length = os.fstat(file.fileno()).st_size
    for member in members:
        if member.offset_data + member.size > length:
            rest = max(length - member.offset_data, 0)
            problem = f"{member.name} claims {member.size} bytes, {rest} follow in the shard"
            return _Sample(key, problem=problem)
    by_extension = {member.name[len(key) + 1 :].lower(): member for member in members}
    videos = [member for extension, member in by_extension.items() if _is_video(extension)]
    if len(videos) != 1:
        extensions = ", ".join(f".{extension}" for extension in by_extension)
        return _Sample(key, problem=f"{len(videos)} videos among the members {extensions}, wanted one")
    (video,) = videos
    if video.size > max_video_bytes:
        problem = f"{video.name} has {video.size} bytes, wanted at most {max_video_bytes} (max_video_bytes)"
        return _Sample(key, problem=problem)
    label = _read_label(file, by_extension) if labels else None
    return _Sample(video.name, video.offset_data, video.size, label)


def _is_video(extension: str) -> bool:
    return "." + extension.rsplit(".", 1)[-1] in VIDEO_FILES


def _read_label(file: BinaryIO, by_extension: dict[str, tarfile.TarInfo]) -> str | None:
    """The label as a text; "" for one that cannot be read, None where there is none."""
    extension = next((extension for extension in LABEL_EXTENSIONS if extension in by_extension), None)
    if extension is None:
        return None
    member = by_extension[extension]
    if member.size > MOST_LABEL_BYTES:
        return ""
    text = os.pread(file.fileno(), member.size, member.offset_data).decode("utf-8", errors="replace").strip()
    return text if extension != "json" else _label_in_json(text)


def _label_in_json(text: str) -> str | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    found = [content[name] for name in JSON_LABELS if name in content] if isinstance(content, dict) else [content]
    if not found:
        return None
    return "" if isinstance(found[0], dict | list) else label_text(found[0])


# ---- all of them ----


class TarShards:
    """The videos of tar shards, by number; a source for `streaming.VideoStream`.

    Headers are read once, here; from then on any video can be read by itself.

    Args:
        source: folder, pattern (`find_shards`) or list of files.
        labels: False leaves labels, and what could be wrong with them, out.
        class_names: the classes in their order. Labels that are integers are positions in it, unless a class is
            called by an integer (`labels`). Default: the sorted names of the shards, or "0" to the largest integer.
        rename: as in `listing.read_videos`.
        max_video_bytes: what one video may take in memory; longer ones count as videos that do not decode.

    Attributes:
        class_names: list of str, or None without labels.
        problems: {number of a sample: what is wrong with it}; the other samples have bytes to decode.

    Raises:
        ValueError: no such shards, none with a sample, or labels that are missing, unknown or out of range.
    """

    lanes = batch_size = 1  # any order will do where every video is read by itself
    default_window = 1024  # samples; nothing of them is in memory

    def __init__(
        self,
        source: str | os.PathLike | Sequence[str],
        *,
        labels: bool = True,
        class_names: Sequence[str] | None = None,
        rename: Callable[[Collection[str]], Mapping[str, str]] | None = None,
        max_video_bytes: int = MOST_VIDEO_BYTES,
    ):
        self.shards = find_shards(source) if isinstance(source, (str, os.PathLike)) else list(map(str, source))
        read = partial(_read_samples, labels=labels, max_video_bytes=max_video_bytes)
        samples = [list(read(shard)) for shard in self.shards]
        # arrays and not lists of objects: those would be copied into every worker, page by page
        self._first = np.cumsum([0] + [len(part) for part in samples])
        samples = [sample for part in samples for sample in part]
        if not samples:
            raise ValueError(f"{source}: {len(self.shards)} tar shards without a video")
        self._names = pyarrow.array([sample.name.encode(errors="backslashreplace").decode() for sample in samples])
        self._offsets = np.array([sample.offset for sample in samples])
        self._sizes = np.array([sample.size for sample in samples])
        self.problems = {i: sample.problem for i, sample in enumerate(samples) if sample.problem}
        texts = {i: sample.label for i, sample in enumerate(samples) if not sample.problem}
        if rename is not None:
            renamed = rename({text for text in texts.values() if text})
            texts = {i: renamed.get(text, text) for i, text in texts.items()}
        self._labels, self.class_names = self._number_labels(texts, class_names)

    @property
    def num_shards(self) -> int:
        return len(self.shards)

    @property
    def num_samples(self) -> int:
        return len(self._offsets)

    @property
    def labels(self) -> np.ndarray | None:
        """The class number of each sample, int64 (num_samples,), -1 for those in `problems`; None without labels."""
        return self._labels

    def name(self, sample: int) -> str:
        """Shard and member."""
        return f"{self._shard_of(sample)}/{self._names[sample].as_py()}"

    def row(self, sample: int) -> dict[str, Any]:
        """{"video": {"path", "bytes"}[, "label"]}. Raises `VideoDecodeError` for a sample in `problems`."""
        name = self.name(sample)
        if sample in self.problems:
            raise VideoDecodeError(name, self.problems[sample])
        with open(self._shard_of(sample), "rb") as file:
            file.seek(self._offsets[sample])
            content = file.read(self._sizes[sample])
        if len(content) < self._sizes[sample]:
            raise VideoDecodeError(name, "the shard became shorter since its headers were read")
        row = {"video": {"path": name, "bytes": content}}
        return row if self._labels is None else row | {"label": int(self._labels[sample])}

    def lane(self, shards: Sequence[int], window: int) -> "_TarLane":
        """The samples of these shards, one shard after the other, in windows."""
        return _TarLane(self, np.concatenate([np.arange(*self._first[shard : shard + 2]) for shard in shards]), window)

    def _shard_of(self, sample: int) -> str:
        return self.shards[int(np.searchsorted(self._first, sample, side="right")) - 1]

    def _number_labels(
        self, texts: dict[int, str | None], names: Sequence[str] | None
    ) -> tuple[np.ndarray | None, list[str] | None]:
        """Class numbers of all samples (-1: of those in `problems`) and class names, from the labels' texts."""
        found = {text for text in texts.values() if text is not None}
        if not found and names is None:
            return None, None
        if names is None:
            names = self._find_class_names(found)
        numbers = class_numbers(found, names)
        complaint = partial(label_complaint, class_names=names, integers=are_integers(found))
        wrong = [f"{self.name(i)}: {complaint(text or '')}" for i, text in texts.items() if text not in numbers]
        if wrong:
            shown = "\n- ".join(wrong[:COMPLAINTS_SHOWN])
            raise ValueError(f"{len(wrong)} videos have no label among the {len(names)} classes\n- {shown}")
        return np.array([numbers.get(texts.get(i), -1) for i in range(self.num_samples)]), list(names)

    def _find_class_names(self, labels: set[str]) -> list[str]:
        if are_measured(labels - {""}):
            raise ValueError(f"{self.shards[0]} …: the labels are numbers ({some(sorted(labels))}), wanted classes")
        names, wrong = find_class_names(labels)
        if wrong:
            raise ValueError(f"{self.shards[0]} …: {wrong}")
        return names


class _TarLane:
    def __init__(self, shards: TarShards, samples: np.ndarray, window: int):
        self._shards, self._samples, self._size = shards, samples, window
        self._first, self._window = -1, []  # the one that was asked for last

    def window_at(self, position: int) -> tuple[int, list]:
        """As `streaming.Lane` says."""
        first = position - position % self._size
        if first != self._first:
            numbers = self._samples[first : first + self._size].tolist()
            self._first, self._window = first, [(number, partial(self._shards.row, number)) for number in numbers]
        return first, self._window
