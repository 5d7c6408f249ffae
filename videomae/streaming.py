# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Videos read in the order of their shards: tar shards on a disk, and Hub data sets that are streamed.

    stream = VideoStream(TarShards("shards/train-{0000..0099}.tar"), clips)
    stream = VideoStream(StreamedRows(load_dataset("owner/name", split="train", streaming=True), batch_size=8), clips)
    VideoMAETrainer(model, args, train_dataset=stream, data_collator=PretrainingCollator()).train()

The order of an epoch is arithmetic: position n of epoch e is the same sample on any number of processes and workers
and after a resume. So a stream is asked for positions, as a data set is for rows: `EpochSampler` gives every process
its share of each step, all of them equally many, and a resumed run asks for the positions that are left; nothing
before them is decoded. Shards are in a random order, dealt to `lanes` that are read side by side; in each lane windows
of samples are shuffled.

          shards, shuffled    windows, each shuffled       batches take turns
lane 0:   3 | 0 | 6 …         [. . . .] [. . . .] …        batch 0, 2, 4 …
lane 1:   5 | 1 | 2 …         [. . . .] [. . . .] …        batch 1, 3, 5 …

A worker decodes the batches it is asked for and nothing else. Of a source without random access it has to read all
samples of the lanes that those are from: with a number of lanes that processes x workers divide, its own share.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Protocol

import datasets
import numpy as np
import torch
from torch import Tensor

from .clips import sample_generator
from .data import UnreadableVideoError
from .frames import open_video
from .shards import TarShards
from .stored import HUB_PREFIX
from .tables import COMPLAINTS_SHOWN, LABEL_COLUMNS, PATH_COLUMNS
from .video import VIDEO_EXTENSIONS, VideoDecodeError

logger = logging.getLogger(__name__)

SPARE_SLOTS = 4096  # two bad videos that two workers find at the same instant should not be after the same slot
MOST_LANES = 16
ROWS_OF_A_SHARD = 1 << 32  # more than there are: shard * this + row numbers a row

# ---- what a stream is made of ----

Load = Callable[[], dict[str, Any]]  # gives {"video", ["label"]} or raises VideoDecodeError


class Lane(Protocol):
    """The samples of some shards, one after the other; it begins again where it ends."""

    def window_at(self, position: int) -> tuple[int, Sequence[tuple[int, Load]]]:
        """The window that holds this position: the position of its first sample, and (number, how to load it) of all.

        The number of a sample says which it is, whatever the order. Cheapest at ascending positions.
        """


class Source(Protocol):
    """Shards of samples."""

    num_shards: int
    num_samples: int | None  # None: not known
    lanes: int  # which are read side by side
    batch_size: int  # samples that are taken from a lane before it is the next one's turn
    default_window: int  # samples
    class_names: list[str] | None
    problems: dict[int, str]  # what is known to be wrong with samples, by number

    def lane(self, shards: Sequence[int], window: int) -> Lane: ...

    def name(self, sample: int) -> str: ...


# ---- the stream ----


class VideoStream(torch.utils.data.Dataset):
    """Clips of the videos of shards, by position in the order of an epoch; ask for them with a sequential sampler.

    Args:
        source: `shards.TarShards` or `StreamedRows`.
        clips: makes the item of an open video: `PretrainingClips`, `TrainingClips` or `ValidationClips`.
        shuffle: whether shards and windows are. False: the order of the source in every epoch.
        window: samples that are shuffled with each other, over all lanes together; default: the source's.
        samples_per_epoch: default: as many as the source has.
        seed: with the epoch, the order; with the epoch, the number of a sample and the repeat, its clip.
        on_bad_video: "error" raises `UnreadableVideoError`, at once for what headers tell; "skip" takes the next video
            of the window that decodes and warns.
        max_bad_share: share of `samples_per_epoch` that may be skipped before that is an error, too: 0, or at least
            one video.

    Raises:
        ValueError: settings that make no stream; a source that does not know how many samples it has, without
            `samples_per_epoch`.
    """

    ordered = True  # samplers leave the order alone

    def __init__(
        self,
        source: Source,
        clips: Callable[..., dict[str, Tensor]],
        *,
        shuffle: bool = True,
        window: int | None = None,
        samples_per_epoch: int | None = None,
        seed: int = 0,
        on_bad_video: str = "error",
        max_bad_share: float = 0.01,
    ):
        self.source, self.clips, self.shuffle, self.seed, self.on_bad_video = (
            source,
            clips,
            shuffle,
            seed,
            on_bad_video,
        )
        self.window = source.default_window if window is None else window
        self.samples_per_epoch = source.num_samples if samples_per_epoch is None else samples_per_epoch
        self._check_settings()
        self.max_bad_videos = max(1, int(max_bad_share * len(self))) if max_bad_share else 0
        # In shared memory, so that workers which already run learn of a new epoch and count bad videos together.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._bad = _SharedNumbers(self.max_bad_videos + SPARE_SLOTS)
        self._lanes: dict[int, Lane] = {}
        self._lanes_of = None  # process and epoch

    def _check_settings(self) -> None:
        source, wrong = self.source, []
        if self.on_bad_video not in ("error", "skip"):
            wrong.append(f"on_bad_video is {self.on_bad_video!r}, wanted 'error' or 'skip'")
        if self.window < source.lanes:
            wrong.append(f"window is {self.window}, wanted at least one sample for each of the {source.lanes} lanes")
        if self.samples_per_epoch is None:
            wrong.append("samples_per_epoch is wanted: the source does not say how many samples it has")
        elif not 1 <= self.samples_per_epoch <= (source.num_samples or self.samples_per_epoch):
            most = f" and at most {source.num_samples}, which the source has" if source.num_samples else ""
            wrong.append(f"samples_per_epoch is {self.samples_per_epoch}, wanted at least 1{most}")
        if wrong:
            raise ValueError("this makes no stream:\n- " + "\n- ".join(wrong))
        if source.problems and self.on_bad_video == "error":
            known = [f"{source.name(number)}: {problem}" for number, problem in source.problems.items()]
            raise UnreadableVideoError(
                f"{len(known)} samples do not decode (in training, on_bad_video='skip' goes on without them)\n- "
                + "\n- ".join(known[:COMPLAINTS_SHOWN])
            )

    def __len__(self) -> int:
        return self.samples_per_epoch

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_lanes": {}, "_lanes_of": None}  # open files stay here

    def set_epoch(self, epoch: int) -> None:
        """From the next item on, order and draw as in this epoch."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    @property
    def class_names(self) -> list[str] | None:
        return self.source.class_names

    @property
    def bad_videos(self) -> list[str]:
        """Names of the videos that were replaced so far, by this process and its workers."""
        return sorted(map(self.source.name, self._bad))

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of an epoch of {len(self)} samples")
        samples = self._samples_from(position)
        draw = partial(sample_generator, self.seed, self.epoch, samples[0][0])
        for number, load in samples:
            if number in self._bad:
                continue
            try:
                row = load()
                with open_video(row["video"]) as video:
                    return self.clips(video, row, draw)
            except VideoDecodeError as error:
                self._note_bad(number, error)
        raise UnreadableVideoError(f"none of the {len(samples)} videos of a window decodes")

    def _samples_from(self, position: int) -> list[tuple[int, Load]]:
        """The sample of this position, and those that may stand in for it: the others of its window."""
        batch, i = divmod(position, self.source.batch_size)
        turn, lane = divmod(batch, self.source.lanes)
        position = turn * self.source.batch_size + i
        first, window = self._lane(lane).window_at(position)
        order = range(len(window))
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch, lane, first)).permutation(len(window)).tolist()
        return [window[order[(position - first + k) % len(window)]] for k in range(len(window))]

    def _lane(self, lane: int) -> Lane:
        if self._lanes_of != (os.getpid(), self.epoch):  # a forked worker does not share its parent's open files
            self._lanes, self._lanes_of = {}, (os.getpid(), self.epoch)
        if lane not in self._lanes:
            shards = range(self.source.num_shards)
            if self.shuffle:
                shards = np.random.default_rng((self.seed, self.epoch)).permutation(len(shards)).tolist()
            self._lanes[lane] = self.source.lane(shards[lane :: self.source.lanes], self.window // self.source.lanes)
        return self._lanes[lane]

    def _note_bad(self, number: int, error: VideoDecodeError) -> None:
        if self.on_bad_video == "error":
            raise UnreadableVideoError(f"{error} (in training, on_bad_video='skip' goes on without it)") from error
        self._bad.add(number)
        count = len(self._bad)
        if count > self.max_bad_videos:
            raise UnreadableVideoError(
                f"{count} of {len(self)} videos do not decode, {self.max_bad_videos} may be skipped; last: {error}"
            ) from error
        logger.warning("left out, the next video stands in (%d bad of %d so far): %s", count, len(self), error)


# ---- streamed data sets ----


def load_source(
    data: str | os.PathLike,
    split: str = "train",
    *,
    batch_size: int,
    labels: bool = True,
    class_names: Sequence[str] | None = None,
) -> Source:
    """The source that `data` names: tar shards (`shards.find_shards`), or "hf:owner/name[:configuration]", streamed.

    Args:
        split: of a data set of the Hub.
        batch_size, labels, class_names: as in `StreamedRows` and `TarShards`.

    Raises:
        ValueError: nothing there, and as those two.
    """
    if not str(data).startswith(HUB_PREFIX):
        return TarShards(data, labels=labels, class_names=class_names)
    name, _, configuration = str(data).removeprefix(HUB_PREFIX).partition(":")
    try:
        stream = datasets.load_dataset(name, configuration or None, split=split, streaming=True)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"{data}, {split}: cannot be streamed: {' '.join(str(error).split())}") from error
    return StreamedRows(stream, batch_size=batch_size, labels=labels, class_names=class_names)


class StreamedRows:
    """The rows of a data set that `datasets` streams, from the Hub or anywhere; a source for `VideoStream`.

    Rows can only be read one after the other: a resumed run reads, without decoding, what its lanes gave before.

    Args:
        stream: as from `load_dataset(…, streaming=True)`, neither shuffled nor split by node: `VideoStream` does both.
            It has a column of type `Video`, or one called as in `PATH_COLUMNS` or after a video format (mp4).
        batch_size: clips of one device in one forward pass. Batches take turns through the lanes.
        labels: False leaves labels, and what could be wrong with them, out.
        class_names: the classes in their order; default: those of a `ClassLabel` column.
        num_samples: default: what the data set's card says, if it does.
        lanes: default: a power of two, at most `MOST_LANES`, that deals the shards out evenly: each worker reads no
            more than its share where processes x workers divide it. The order depends on it. A lane whose shards
            hold fewer samples than others' begins again before the epoch ends.

    Raises:
        ValueError: columns that are not there or not clear, labels without class names, more lanes than shards.
    """

    default_window = 256  # samples, all of them in memory

    def __init__(
        self,
        stream: datasets.IterableDataset,
        *,
        batch_size: int,
        labels: bool = True,
        class_names: Sequence[str] | None = None,
        num_samples: int | None = None,
        lanes: int | None = None,
    ):
        self.problems: dict[int, str] = {}
        self.batch_size = batch_size
        self.num_shards = stream.num_shards
        self.lanes = _even_lanes(self.num_shards) if lanes is None else lanes
        if not 1 <= self.lanes <= self.num_shards:
            raise ValueError(f"lanes is {lanes}, wanted 1 to {self.num_shards}, the number of shards")
        self.num_samples = _known_samples(stream) if num_samples is None else num_samples
        if stream.features is None:
            raise ValueError("the stream's columns are not known: load it with features=")
        self._video = _video_column(stream.features)
        self._stream = _undecoded(stream, self._video)
        self._label = _label_column(stream.features) if labels else None
        self.class_names = None
        if self._label is not None:
            self.class_names = list(class_names or getattr(stream.features[self._label], "names", None) or [])
            if not self.class_names:
                raise ValueError(f"the column {self._label!r} does not name its classes: class_names is wanted")

    def name(self, sample: int) -> str:
        """Shard and row: names of files are known to those who read them only."""
        shard, row = divmod(sample, ROWS_OF_A_SHARD)
        return f"shard {shard} of {self.num_shards}, row {row}"

    def lane(self, shards: Sequence[int], window: int) -> "_RowLane":
        return _RowLane(lambda: self._samples(shards), window)

    def _samples(self, shards: Sequence[int]) -> Iterator[tuple[int, Load]]:
        for shard in shards:
            part = self._stream.shard(num_shards=self.num_shards, index=shard)
            # `iter` and not `__iter__`, which shares the shards out among the workers of a DataLoader
            for i, batch in enumerate(part.iter(batch_size=1)):
                number = shard * ROWS_OF_A_SHARD + i
                yield number, partial(self._row, number, {column: values[0] for column, values in batch.items()})

    def _row(self, number: int, columns: dict[str, Any]) -> dict[str, Any]:
        video = columns[self._video]
        if not video or (isinstance(video, dict) and not (video["bytes"] or video["path"])):
            raise VideoDecodeError(self.name(number), "no video in this row")
        if isinstance(video, dict) and not video["path"]:
            video = video | {"path": self.name(number)}
        return {"video": video} if self._label is None else {"video": video, "label": self._class_of(number, columns)}

    def _class_of(self, number: int, columns: dict[str, Any]) -> int:
        label = columns[self._label]
        if isinstance(label, int) and 0 <= label < len(self.class_names):
            return label
        if label not in self.class_names:
            raise ValueError(f"{self.name(number)}: label {label!r}, wanted one of {len(self.class_names)} classes")
        return self.class_names.index(label)


class _RowLane:
    def __init__(self, samples: Callable[[], Iterator[tuple[int, Load]]], window: int):
        self._samples, self._size = samples, window
        self._rewind()

    def _rewind(self) -> None:
        self._iterator, self._first, self._window = self._samples(), 0, []

    def window_at(self, position: int) -> tuple[int, list[tuple[int, Load]]]:
        if position < self._first:
            self._rewind()
        while position >= self._first + len(self._window):
            self._advance()
        return self._first, self._window

    def _advance(self) -> None:
        self._first += len(self._window)
        self._window = list(islice(self._iterator, self._size))
        if not self._window:
            self._iterator = self._samples()
            self._window = list(islice(self._iterator, self._size))
        if not self._window:
            raise ValueError("shards of the stream without a row: a lane of it is empty; lower the number of lanes")


def _even_lanes(num_shards: int) -> int:
    """The most lanes, of 16, 8, 4, 2 and 1, that get equally many shards or differ by no more than an eighth."""
    lanes = MOST_LANES
    while num_shards % lanes and num_shards < 8 * lanes:
        lanes //= 2
    return lanes


def _known_samples(stream: datasets.IterableDataset) -> int | None:
    split = (stream.info.splits or {}).get(str(stream.split))
    return split.num_examples or None if split is not None else None


def _video_column(features: datasets.Features) -> str:
    typed = [name for name, feature in features.items() if isinstance(feature, datasets.Video)]
    named = [name for name in features if name in PATH_COLUMNS or f".{name.rsplit('.', 1)[-1]}" in VIDEO_EXTENSIONS]
    found = typed or named
    if len(found) != 1:
        raise ValueError(f"the columns {', '.join(features)}: {len(found)} of them hold videos, wanted one")
    return found[0]


def _undecoded(stream: datasets.IterableDataset, column: str) -> datasets.IterableDataset:
    """Frames are read by `open_video`, and only those of a clip."""
    if not isinstance(stream.features[column], datasets.Video):
        return stream
    return stream.cast_column(column, datasets.Video(decode=False))


def _label_column(features: datasets.Features) -> str | None:
    typed = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    named = [name for name in features if name in (*LABEL_COLUMNS, "cls")]
    found = typed or named
    if len(found) > 1:
        raise ValueError(f"the columns {', '.join(found)} are all labels, wanted one: remove the others")
    return found[0] if found else None


# ---- shared by processes ----


class _SharedNumbers:
    """A small set of numbers that a process and its workers share."""

    EMPTY = -1

    def __init__(self, capacity: int):
        self._slots = torch.full((capacity,), self.EMPTY, dtype=torch.int64).share_memory_()

    def __iter__(self) -> Iterator[int]:
        return iter(self._slots[self._slots != self.EMPTY].tolist())

    def __len__(self) -> int:
        return int((self._slots != self.EMPTY).sum())

    def __contains__(self, number: int) -> bool:
        return any(self._slots[slot] == number for slot in self._slots_of(number))

    def add(self, number: int) -> None:
        for slot in self._slots_of(number):
            if self._slots[slot] in (self.EMPTY, number):
                self._slots[slot] = number
                return

    def _slots_of(self, number: int) -> Iterator[int]:
        """Slots that may hold the number: from its own one to the first that is empty."""
        for k in range(len(self._slots)):
            slot = (number + k) % len(self._slots)
            yield slot
            if self._slots[slot] == self.EMPTY:
                return
