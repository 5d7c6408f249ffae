# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""From tables of videos to batches: data sets that read one clip a row, and collators.

`PretrainingDataset` and `ClassificationDataset` turn a row into what a model's `forward` takes. The clip of a row
depends on (seed, epoch, index, repeat) alone: it is the same on any number of workers or processes and after a resume.

Shapes: B clips of T frames of C channels, H x W pixels, uint8; N patches.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence

import datasets
import numpy as np
import torch
from torch import Tensor

from .augmentation import horizontal_flip, multi_scale_crop, random_resized_crop
from .configuration_videomae import VideoMAEConfig
from .image_processing_videomae import VideoMAEVideoProcessor
from .listing import class_names, directional_classes
from .masking import positions_from_mask
from .video import (
    VideoDecodeError,
    VideoReader,
    pretraining_frame_indices,
    training_frame_indices,
    view_frame_indices,
)

logger = logging.getLogger(__name__)

# ---- processor ----


def make_processor(
    config: VideoMAEConfig,
    checkpoint: str | os.PathLike | None = None,
    *,
    frame_stride: int | None = None,
    sampling: str | None = None,
) -> VideoMAEVideoProcessor:
    """The processor that gives a model of `config` its clips, with the configuration's frame count and size.

    Everything else is the checkpoint's processor's (`VideoMAEVideoProcessor.adapted_to`), or without a checkpoint the
    paper's; `frame_stride` and `sampling` replace both. `config` takes over the checkpoint's statistics: its weights
    were trained with them, also where an old config.json says nothing about them.
    """
    settings = {name: value for name, value in (("frame_stride", frame_stride), ("sampling", sampling)) if value}
    if checkpoint is None:
        return VideoMAEVideoProcessor.for_model(config, **settings)
    stored = VideoMAEVideoProcessor.from_pretrained(checkpoint)
    config.image_mean, config.image_std = stored.image_mean, stored.image_std
    return stored.adapted_to(config, **settings)


# ---- one clip a row ----


def sample_generator(seed: int, epoch: int, index: int, repeat: int = 0) -> torch.Generator:
    """The randomness of one clip: frames, crop, flip, mask. Nothing else goes into it."""
    # SeedSequence mixes the four numbers; torch's CPU generator uses 32 bits of a seed.
    (mixed,) = np.random.SeedSequence((seed, epoch, index, repeat)).generate_state(1)
    return torch.Generator().manual_seed(int(mixed))


class UnreadableVideoError(ValueError):
    """A video that was needed does not decode."""

    def __init__(self, message: str):
        # A DataLoader's worker hands over the text of its traceback instead of the message, which is the end of it.
        super().__init__(message.rsplit(f"{type(self).__name__}: ", 1)[-1].strip())


class _VideoDataset(torch.utils.data.Dataset):
    """Reads one clip a row; a subclass says which frames and what becomes of them (`read_item`)."""

    def __init__(self, videos: datasets.Dataset, *, seed: int, on_bad_video: str, max_bad_share: float):
        if on_bad_video not in ("error", "skip"):
            raise ValueError(f"on_bad_video is {on_bad_video!r}, wanted 'error' or 'skip'")
        self.videos = videos
        self.seed = seed
        self.on_bad_video = on_bad_video
        self.max_bad_videos = max(1, int(max_bad_share * len(videos))) if max_bad_share else 0
        # In shared memory, so that workers which already run learn of a new epoch and count bad videos together.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self._bad = torch.zeros(len(videos), dtype=torch.bool).share_memory_()

    def __len__(self) -> int:
        return len(self.videos)

    def set_epoch(self, epoch: int) -> None:
        """From the next item on, draw as in this epoch."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    @property
    def bad_videos(self) -> list[str]:
        """Paths of the videos that were replaced so far, by this process and its workers."""
        return [self.videos[int(index)]["video"] for index in self._bad.nonzero()]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        for row in self._rows_from(index):
            try:
                return self._read(row, sample_generator(self.seed, self.epoch, index))
            except VideoDecodeError as error:
                self._note_bad(row, error)
        raise UnreadableVideoError(f"none of the {len(self)} videos decodes")

    def _rows_from(self, index: int) -> Iterator[int]:
        """The row itself, and then those that may stand in for it: the next ones that are not known to be bad."""
        for offset in range(len(self)):
            row = (index + offset) % len(self)
            if not self._bad[row]:
                yield row

    def _read(self, row: int, generator: torch.Generator) -> dict[str, Tensor]:
        with VideoReader(self.videos[row]["video"]) as reader:
            return self.read_item(row, reader, generator)

    def _note_bad(self, row: int, error: VideoDecodeError) -> None:
        if self.on_bad_video == "error":
            raise UnreadableVideoError(f"{error} (in training, on_bad_video='skip' goes on without it)") from error
        self._bad[row] = True
        count = int(self._bad.sum())
        if count > self.max_bad_videos:
            raise UnreadableVideoError(
                f"{count} of {len(self)} videos do not decode, {self.max_bad_videos} may be skipped; last: {error}"
            ) from error
        logger.warning("left out, the next video stands in (%d bad of %d so far): %s", count, len(self), error)

    def read_item(self, row: int, reader: VideoReader, generator: torch.Generator) -> dict[str, Tensor]:
        raise NotImplementedError


class PretrainingDataset(_VideoDataset):
    """One clip and its masks a video, as VideoMAE pre-trains: dense frames, multi-scale crop, no flip.

    An item is {"pixel_values": uint8 (T, C, H, W), "bool_masked_pos": (N,)[, "bool_decoded_pos": (N,)]}.

    Args:
        videos: table with a column "video", as from `load_videos`.
        size: (height, width) of the clip.
        num_frames, frame_stride: frames of a clip, and from one to the next.
        mask: called with `generator=`, gives the bool (N,) that hides patches from the encoder.
        decoder_mask: the same for the patches that the decoder predicts (VideoMAE V2).
        crop: called with a clip, `size=` and `generator=`, gives the clip of that size.
        seed: with the epoch and the row, all randomness.
        on_bad_video: "error" raises `UnreadableVideoError`; "skip" takes the next video that decodes and warns.
        max_bad_share: share of the videos that may be skipped before that is an error, too: 0, or at least one video.
    """

    def __init__(
        self,
        videos: datasets.Dataset,
        *,
        size: tuple[int, int],
        num_frames: int,
        frame_stride: int,
        mask: Callable[..., Tensor],
        decoder_mask: Callable[..., Tensor] | None = None,
        crop: Callable[..., Tensor] = multi_scale_crop,
        seed: int = 0,
        on_bad_video: str = "error",
        max_bad_share: float = 0.01,
    ):
        super().__init__(videos, seed=seed, on_bad_video=on_bad_video, max_bad_share=max_bad_share)
        self.size = size
        self.num_frames = num_frames
        self.frame_stride = frame_stride
        self.mask = mask
        self.decoder_mask = decoder_mask
        self.crop = crop

    def read_item(self, row: int, reader: VideoReader, generator: torch.Generator) -> dict[str, Tensor]:
        indices = pretraining_frame_indices(
            reader.num_frames, num_frames=self.num_frames, frame_stride=self.frame_stride, generator=generator
        )
        clip = self.crop(reader.read(indices), size=self.size, generator=generator)
        item = {"pixel_values": clip, "bool_masked_pos": self.mask(generator=generator)}
        if self.decoder_mask is not None:
            item["bool_decoded_pos"] = self.decoder_mask(generator=generator)
        return item


def _may_be_mirrored(class_names: Sequence[str]) -> bool:
    directions = directional_classes(class_names)
    if directions:
        logger.warning(
            "clips are not mirrored: that would change the class %r (flip=True, --horizontal_flip true, does it)",
            directions[0],
        )
    return not directions


class ClassificationDataset(_VideoDataset):
    """One clip and its label a video.

    An item is {"pixel_values": uint8 (T, C, H, W), "labels": int64 ()}. In training the frames, the crop and the flip
    are drawn (`training_frame_indices`, `random_resized_crop`); otherwise the clip is the middle one, cut from the
    centre.

    Args:
        videos: table with the columns "video" and "label", as from `load_videos`.
        processor: a `VideoMAEVideoProcessor`; says how many frames of which size are sampled how.
        train: whether to draw.
        crop: in training, as in `PretrainingDataset`.
        flip: in training, whether half of the clips are mirrored. Default: unless a class is a direction
            (`directional_classes`), which is logged.
        seed, on_bad_video, max_bad_share: as in `PretrainingDataset`; without `train` a bad video is always an error.
    """

    def __init__(
        self,
        videos: datasets.Dataset,
        processor: VideoMAEVideoProcessor,
        *,
        train: bool,
        crop: Callable[..., Tensor] = random_resized_crop,
        flip: bool | None = None,
        seed: int = 0,
        on_bad_video: str = "error",
        max_bad_share: float = 0.01,
    ):
        names = class_names(videos)
        policy = on_bad_video if train else "error"
        super().__init__(videos, seed=seed, on_bad_video=policy, max_bad_share=max_bad_share)
        self.processor = processor
        self.train = train
        self.crop = crop
        self.flip = train and (_may_be_mirrored(names) if flip is None else flip)

    def read_item(self, row: int, reader: VideoReader, generator: torch.Generator) -> dict[str, Tensor]:
        clip = self._drawn_clip(reader, generator) if self.train else self._middle_clip(reader)
        return {"pixel_values": clip, "labels": torch.tensor(self.videos[row]["label"])}

    def _drawn_clip(self, reader: VideoReader, generator: torch.Generator) -> Tensor:
        indices = training_frame_indices(reader.num_frames, **self._sampling(), generator=generator)
        size = self.processor.crop_size
        clip = self.crop(reader.read(indices), size=(size["height"], size["width"]), generator=generator)
        return horizontal_flip(clip, generator=generator) if self.flip else clip

    def _middle_clip(self, reader: VideoReader) -> Tensor:
        indices = view_frame_indices(reader.num_frames, **self._sampling(), segment=0, num_segments=1)
        return self.processor.resize_and_crop(reader.read(indices))

    def _sampling(self) -> dict:
        processor = self.processor
        return {
            "num_frames": processor.num_frames,
            "frame_stride": processor.frame_stride,
            "protocol": processor.sampling,
        }


# ---- batches ----


class PretrainingCollator:
    """Items of a `PretrainingDataset` -> {"pixel_values", "visible_positions" (B, Nv), "decoded_positions" (B, Nd)}.

    Checking masks and finding their positions here keeps both off the device's path.
    """

    def __call__(self, items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        masked = torch.stack([item["bool_masked_pos"] for item in items])
        decoded = torch.stack([item["bool_decoded_pos"] for item in items]) if "bool_decoded_pos" in items[0] else None
        visible_positions, decoded_positions = positions_from_mask(masked, decoded)
        return {
            "pixel_values": _stack_clips(items),
            "visible_positions": visible_positions,
            "decoded_positions": decoded_positions,
        }


class ClassificationCollator:
    """Items of a `ClassificationDataset` -> {"pixel_values" (B, T, C, H, W), "labels" (B,)}."""

    def __call__(self, items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {"pixel_values": _stack_clips(items), "labels": torch.stack([item["labels"] for item in items])}


def _stack_clips(items: list[dict[str, Tensor]]) -> Tensor:
    return torch.stack([item["pixel_values"] for item in items])
