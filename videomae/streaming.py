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

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import datasets
import numpy as np
import torch

from .bad_videos import SKIPPING, BadVideos, UnreadableVideoError
from .clips import Item, sample_generator
from .frames import open_video
from .shards import TarShards, find_shard_splits
from .stored import HUB_PREFIX
from .streamed_rows import StreamedRows
from .tables import COMPLAINTS_SHOWN, SPLIT_NAMES
from .video import VideoDecodeError

# ---- what a stream is made of ----

Part = list[str] | datasets.IterableDataset  # tar files, or rows
Load = Callable[[], dict[str, Any]]  # gives {"video", ["label"]} or raises VideoDecodeError


class Lane(Protocol):
    """The samples of some shards, one after the other; where their number is not known it begins again at its end."""

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
        source: `shards.TarShards` or `streamed_rows.StreamedRows`.
        clips: makes the item of an open video: `PretrainingClips`, `TrainingClips` or `ValidationClips`.
        shuffle: whether shards and windows are. False: the order of the source in every epoch, each sample once: as
            one lane, all of which every worker reads.
        window: samples that are shuffled with each other, over all lanes together; default: the source's.
        samples_per_epoch: default: as many as the source has.
        seed: with the epoch, the order; with the epoch, the number of a sample and the repeat, its clip.
        on_bad_video: "error" raises `UnreadableVideoError`, at once for what headers tell; "skip" takes the next video
            of the window instead and warns.
        max_bad_share: share of `samples_per_epoch` that may be skipped before that is an error, too: 0, or at least
            one video.

    Attributes:
        bad: `BadVideos` that were left out so far.

    Raises:
        ValueError: settings that make no stream; a source that does not know how many samples it has, without
            `samples_per_epoch`.
    """

    ordered = True  # samplers leave the order alone

    def __init__(
        self,
        source: Source,
        clips: Callable[..., Item],
        *,
        shuffle: bool = True,
        window: int | None = None,
        samples_per_epoch: int | None = None,
        seed: int = 0,
        on_bad_video: str = "error",
        max_bad_share: float = 0.01,
    ):
        self.source = source
        self.clips = clips
        self.shuffle = shuffle
        self.seed = seed
        self.on_bad_video = on_bad_video
        self.lanes = source.lanes if shuffle else 1
        self.window = source.default_window if window is None else window
        self.samples_per_epoch = source.num_samples if samples_per_epoch is None else samples_per_epoch
        self._check_settings()
        # In shared memory, so that workers which already run learn of a new epoch and count bad videos together.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.bad = BadVideos(len(self), source.name, on_bad_video=on_bad_video, max_bad_share=max_bad_share)
        self._lanes: dict[int, Lane] = {}
        self._lanes_of = None  # process and epoch

    def _check_settings(self) -> None:
        source, wrong = self.source, []
        if self.on_bad_video not in ("error", "skip"):
            wrong.append(f"on_bad_video is {self.on_bad_video!r}, wanted 'error' or 'skip'")
        if self.window < self.lanes:
            wrong.append(
                f"window (--shuffle_window) is {self.window}, wanted at least one sample for each of the {self.lanes} "
                "lanes"
            )
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
                f"{len(known)} samples do not decode (in training, {SKIPPING} goes on without them)\n- "
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

    def name(self, position: int) -> str:
        """What to call the sample at a position of this epoch."""
        number, _ = next(self._samples_from(position))
        return self.source.name(number)

    @property
    def class_names(self) -> list[str] | None:
        return self.source.class_names

    @property
    def bad_videos(self) -> list[str]:
        """Names of the videos that were left out so far, sorted."""
        return self.bad.names

    def __getitem__(self, position: int) -> Item:
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of an epoch of {len(self)} samples")
        draw = error = None
        for number, load in self._samples_from(position):
            draw = draw or partial(sample_generator, self.seed, self.epoch, number)  # a stand-in is drawn alike
            if number in self.bad:
                continue
            try:
                row = load()
                with open_video(row["video"]) as video:
                    return self.clips(video, row, draw)
            except VideoDecodeError as found:
                self.bad.note(number, error := found)
        raise UnreadableVideoError("none of the videos of a window can be used") from error

    def _samples_from(self, position: int) -> Iterator[tuple[int, Load]]:
        """The sample of this position, and those that may stand in for it: the others of its window."""
        batch, i = divmod(position, self.source.batch_size)
        turn, lane = divmod(batch, self.lanes)
        position = turn * self.source.batch_size + i
        first, window = self._lane(lane).window_at(position)
        order = np.arange(len(window))
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch, lane, first)).permutation(order)
        return (window[i] for i in np.roll(order, first - position))

    def _lane(self, lane: int) -> Lane:
        if self._lanes_of != (os.getpid(), self.epoch):  # a forked worker does not share its parent's open files
            self._lanes, self._lanes_of = {}, (os.getpid(), self.epoch)
        if lane not in self._lanes:
            shards = range(self.source.num_shards)
            if self.shuffle:
                shards = np.random.default_rng((self.seed, self.epoch)).permutation(len(shards)).tolist()
            self._lanes[lane] = self.source.lane(shards[lane :: self.lanes], self.window // self.lanes)
        return self._lanes[lane]


# ---- sources ----


def find_splits(data: str | os.PathLike) -> dict[str, Part]:
    """{split: what `make_source` makes a source of}: of tar shards (`shards.find_shard_splits`), or of a data set of
    the Hub, "hf:owner/name[:configuration]", which is streamed; its splits are called as in `tables.SPLIT_NAMES`.

    Raises ValueError: nothing there, or a split that is there twice.
    """
    if not str(data).startswith(HUB_PREFIX):
        return find_shard_splits(data)
    name, _, configuration = str(data).removeprefix(HUB_PREFIX).partition(":")
    try:
        found = datasets.load_dataset(name, configuration or None, streaming=True)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"{data}: cannot be streamed: {' '.join(str(error).split())}") from error
    splits = {SPLIT_NAMES.get(split.lower(), split): stream for split, stream in found.items()}
    if len(splits) < len(found):
        raise ValueError(f"{data}: two of the splits {', '.join(found)} are the same one")
    return splits


def make_source(
    part: Part, *, batch_size: int, labels: bool = True, class_names: Sequence[str] | None = None
) -> Source:
    """The source of one split. The arguments and what is raised are as in `StreamedRows` and `TarShards`."""
    if isinstance(part, list):
        return TarShards(part, labels=labels, class_names=class_names)
    return StreamedRows(part, batch_size=batch_size, labels=labels, class_names=class_names)


def load_source(data: str | os.PathLike, split: str = "train", **options: Any) -> Source:
    """The source of one split of what `data` names (`find_splits`); `options` are those of `make_source`.

    Raises ValueError: no such split, and as those two.
    """
    splits = find_splits(data)
    if split not in splits:
        raise ValueError(f"{data}: no split {split!r}; there is {', '.join(splits)}")
    return make_source(splits[split], **options)
