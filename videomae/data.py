# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""From tables of videos to batches: a data set that reads one video a row, and collators.

What becomes of a video is `clips`' business. An item depends on (seed, epoch, index, repeat) alone: it is the same on
any number of workers or processes and after a resume.

Shapes: B clips of T frames of C channels, H x W pixels, uint8; N patches.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import datasets
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from .bad_videos import BadVideos, UnreadableVideoError
from .clips import Item, sample_generator
from .configuration_videomae import VideoMAEConfig
from .frames import open_video
from .image_processing_videomae import VideoMAEVideoProcessor
from .masking import positions_from_mask
from .video import VideoDecodeError

# ---- processor ----


def make_processor(
    config: VideoMAEConfig,
    checkpoint: str | os.PathLike | None = None,
    **settings,
) -> VideoMAEVideoProcessor:
    """The processor that gives a model of `config` its clips, with the configuration's frame count and size.

    Everything else is the checkpoint's processor's (`VideoMAEVideoProcessor.adapted_to`), or without a checkpoint the
    paper's. `settings` are fields of the processor and replace both, unless they are None.

    `config` takes over the processor's statistics: a checkpoint's weights were trained with its own, also where an old
    config.json says nothing about them. Those of another number of channels do not fit: then `config` has its own.
    """
    settings = {name: value for name, value in settings.items() if value is not None}
    if checkpoint is None:
        processor = VideoMAEVideoProcessor.for_model(config, **settings)
    else:
        stored = VideoMAEVideoProcessor.from_pretrained(checkpoint)
        if np.size(stored.image_mean) not in (1, config.num_channels):
            settings = {"image_mean": config.image_mean, "image_std": config.image_std} | settings
        processor = stored.adapted_to(config, **settings)
    config.image_mean, config.image_std = processor.image_mean, processor.image_std
    return processor


# ---- one video a row ----


class VideoDataset(torch.utils.data.Dataset):
    """Reads one video a row and makes clips of it.

    Args:
        videos: table with a column "video", as from `listing.load_videos`.
        clips: makes the item of an open video: `PretrainingClips`, `TrainingClips` or `ValidationClips`.
        seed: with the epoch, the row and the repeat, all randomness.
        on_bad_video: "error" raises `UnreadableVideoError`; "skip" takes the next video instead and warns.
        max_bad_share: share of the videos that may be skipped before that is an error, too: 0, or at least one video.

    Attributes:
        bad: `BadVideos` that were left out so far.
    """

    def __init__(
        self,
        videos: datasets.Dataset,
        clips: Callable[..., Item],
        *,
        seed: int = 0,
        on_bad_video: str = "error",
        max_bad_share: float = 0.01,
    ):
        self.videos = videos
        self.clips = clips
        self.seed = seed
        self.on_bad_video = on_bad_video
        # In shared memory, so that workers which already run learn of a new epoch and count bad videos together.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.bad = BadVideos(len(videos), self.name, on_bad_video=on_bad_video, max_bad_share=max_bad_share)

    def __len__(self) -> int:
        return len(self.videos)

    def set_epoch(self, epoch: int) -> None:
        """From the next item on, draw as in this epoch."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def name(self, row: int) -> str:
        """The path of a video; of one within the table that has none, its row."""
        video = self.videos[row]["video"]
        return (video["path"] or f"row {row}") if isinstance(video, Mapping) else video

    @property
    def bad_videos(self) -> list[str]:
        """Names of the videos that were left out so far, sorted."""
        return self.bad.names

    def __getitem__(self, index: int) -> Item:
        error = None
        for row in self._rows_from(index):
            try:
                return self._read(self.videos[row], index)
            except VideoDecodeError as found:
                self.bad.note(row, error := found)
        raise UnreadableVideoError(f"none of the {len(self)} videos can be used") from error

    def _rows_from(self, index: int) -> Iterator[int]:
        """The row itself, and then those that may stand in for it: the next ones that are not known to be bad."""
        for offset in range(len(self)):
            row = (index + offset) % len(self)
            if row not in self.bad:
                yield row

    def _read(self, row: dict[str, Any], index: int) -> Item:
        with open_video(row["video"]) as video:
            return self.clips(video, row, partial(sample_generator, self.seed, self.epoch, index))


# ---- batches ----


class PretrainingCollator:
    """Items of `PretrainingClips` -> {"pixel_values", "visible_positions" (B, Nv), "decoded_positions" (B, Nd)}.

    Checking masks and finding their positions here keeps both off the device's path. B counts the repeats.
    """

    def __call__(self, items: Sequence[Item]) -> dict[str, Tensor]:
        clips = _flat(items)
        decoded = _batch(clips, "bool_decoded_pos") if "bool_decoded_pos" in clips[0] else None
        visible_positions, decoded_positions = positions_from_mask(_batch(clips, "bool_masked_pos"), decoded)
        return {
            "pixel_values": _pixels(clips),
            "visible_positions": visible_positions,
            "decoded_positions": decoded_positions,
        }


class ClassificationCollator:
    """Items of `TrainingClips` or `ValidationClips` -> {"pixel_values" (B, T, C, H, W), "labels" (B,)}.

    B counts the repeats.
    """

    def __call__(self, items: Sequence[Item]) -> dict[str, Tensor]:
        clips = _flat(items)
        return {"pixel_values": _pixels(clips), "labels": _batch(clips, "labels")}


def _flat(items: Sequence[Item]) -> list[dict[str, Tensor]]:
    """The clips of all items; the repeats of a video follow each other."""
    return [clip for item in items for clip in (item if isinstance(item, list) else [item])]


def _pixels(clips: list[dict[str, Tensor]]) -> Tensor:
    """(B, T, C, H, W), channels-last in memory as decoded: a plain copy instead of a transposition.

    In a worker `default_collate` puts them straight into memory shared with the training process, which they would
    else be copied to once more.
    """
    types = {str(clip["pixel_values"].dtype).removeprefix("torch.") for clip in clips}
    if len(types) > 1:
        raise ValueError(
            f"clips of {' and '.join(sorted(types))} in one batch: wanted videos and pictures of 8 bits, or arrays of "
            "other values, but not both in a data set"
        )
    return default_collate([clip["pixel_values"].movedim(-3, -1) for clip in clips]).movedim(-1, -3)


def _batch(clips: list[dict[str, Tensor]], name: str) -> Tensor:
    return torch.stack([clip[name] for clip in clips])
