# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What becomes of an open video: the clips that pre-training and classification look at.

`PretrainingClips`, `TrainingClips` and `ValidationClips` are called with an open video, its row of the table and
`draw`, which gives the randomness of each repeat, and return an item: a dict that a model's `forward` takes once it is
in a batch. With `repeats` > 1 a video is decoded once and gives several clips of the same frames, each with its own
crop and mask (repeated augmentation, Hoffer et al. 2020): the item is then the list of them.

Shapes: T frames of C channels, H x W pixels; N patches.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .augmentation import (
    horizontal_flip,
    horizontal_flip_with_label,
    multi_scale_crop,
    near_whole_crop,
    random_erasing,
    random_resized_crop,
)
from .directions import directional_classes, mirrored_classes
from .image_processing_videomae import VideoMAEVideoProcessor
from .rand_augment import RandAugment
from .video import VideoReader

logger = logging.getLogger(__name__)

Item = dict[str, Tensor] | list[dict[str, Tensor]]  # a clip, or the repeats of one
Draw = Callable[[int], torch.Generator]  # repeat -> its randomness


def sample_generator(seed: int, epoch: int, index: int, repeat: int = 0) -> torch.Generator:
    """The randomness of one clip: frames, crop, flip, mask. Nothing else goes into it."""
    # SeedSequence mixes the four numbers; torch's CPU generator uses 32 bits of a seed.
    (mixed,) = np.random.SeedSequence((seed, epoch, index, repeat)).generate_state(1)
    return torch.Generator().manual_seed(int(mixed))


class _Clips(ABC):
    """One decode, `repeats` clips: a subclass says which frames (`indices`) and what one clip of them is (`item`)."""

    def __init__(self, processor: VideoMAEVideoProcessor, repeats: int):
        if repeats < 1:
            raise ValueError(f"repeats is {repeats}, wanted at least 1")
        self.processor = processor
        self.repeats = repeats

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a clip."""
        return self.processor.crop_size.height, self.processor.crop_size.width

    def __call__(self, video: VideoReader, row: dict[str, Any], draw: Draw) -> Item:
        generator = draw(0)
        frames = self.processor.fitted(video.read(self.indices(video, generator)), video)
        items = [self.item(frames, row, generator)]
        items += [self.item(frames, row, draw(repeat)) for repeat in range(1, self.repeats)]
        return items[0] if self.repeats == 1 else items

    @abstractmethod
    def indices(self, video: VideoReader, generator: torch.Generator) -> list[int]:
        """Which frames of the video the clips are made of."""

    @abstractmethod
    def item(self, frames: Tensor, row: dict[str, Any], generator: torch.Generator) -> dict[str, Tensor]:
        """One clip of these frames (T, C, H, W), as read."""


class PretrainingClips(_Clips):
    """Clips and their masks, as VideoMAE pre-trains: dense frames, multi-scale crop, no flip.

    An item is {"pixel_values": uint8 (T, C, H, W), "bool_masked_pos": (N,)[, "bool_decoded_pos": (N,)]}.

    Args:
        processor: says how many frames of which size are sampled how.
        mask: called with `generator=`, gives the bool (N,) that hides patches from the encoder.
        decoder_mask: the same for the patches that the decoder predicts (VideoMAE V2).
        crop: called with a clip, `size=` and `generator=`, gives the clip of that size. Default: `multi_scale_crop`,
            or for a processor whose framing is "whole" `near_whole_crop`.
        repeats: clips of one decode, each with its own crop and masks (VideoMAE V2 has 4).
    """

    def __init__(
        self,
        processor: VideoMAEVideoProcessor,
        *,
        mask: Callable[..., Tensor],
        decoder_mask: Callable[..., Tensor] | None = None,
        crop: Callable[..., Tensor] | None = None,
        repeats: int = 1,
    ):
        super().__init__(processor, repeats)
        self.mask = mask
        self.decoder_mask = decoder_mask
        self.crop = crop or (near_whole_crop if processor.framing == "whole" else multi_scale_crop)

    def indices(self, video: VideoReader, generator: torch.Generator) -> list[int]:
        return self.processor.pretraining_indices(video, generator)

    def item(self, frames: Tensor, row: dict[str, Any], generator: torch.Generator) -> dict[str, Tensor]:
        clip = self.crop(frames, size=self.size, generator=generator)
        item = {
            "pixel_values": self.processor.normalized_if_float(clip),
            "bool_masked_pos": self.mask(generator=generator),
        }
        if self.decoder_mask is not None:
            item["bool_decoded_pos"] = self.decoder_mask(generator=generator)
        return item


def _may_be_mirrored(class_names: Sequence[str]) -> bool:
    directions = directional_classes(class_names)
    if directions:
        logger.warning(
            "clips are not mirrored: that would change the class %r (--horizontal_flip true (flip=True) does it "
            "all the same)",
            directions[0],
        )
    return not directions


def _target(label: int | float | list[float]) -> Tensor:
    """int64 () of a class, float32 () of a number, (K,) of several (`targets`)."""
    return torch.tensor(label, dtype=torch.int64 if isinstance(label, int) else torch.float32)


class TrainingClips(_Clips):
    """Clips to fine-tune on. The order is the official one: RandAugment, crop, flip, erasing.

    An item is {"pixel_values": uint8 (T, C, H, W), "labels": int64 () or, of numbers, float32 () or (K,)}.

    Args:
        processor: says how many frames of which size are sampled how.
        class_names: of the labels, in their order.
        augment: called with a clip and `generator=` before the crop, such as `RandAugment`; None: nothing.
        crop: as in `PretrainingClips`, but by default `random_resized_crop`.
        flip: whether half of the clips are mirrored. "swap": they are, and with them the label "left" becomes "right"
            (`mirrored_classes`). Default: unless a class is a direction (`directional_classes`), which is logged.
        erasing: probability of `random_erasing` (VideoMAE: 0.25).
        repeats: clips of one decode (VideoMAE fine-tunes with 2).
    """

    def __init__(
        self,
        processor: VideoMAEVideoProcessor,
        class_names: Sequence[str],
        *,
        augment: Callable[..., Tensor] | None = None,
        crop: Callable[..., Tensor] | None = None,
        flip: bool | Literal["swap"] | None = None,
        erasing: float = 0.0,
        repeats: int = 1,
    ):
        super().__init__(processor, repeats)
        if flip not in (None, True, False, "swap"):
            raise ValueError(f"flip is {flip!r}, wanted True, False, 'swap' or None")
        channels = len(processor.image_mean)
        if isinstance(augment, RandAugment) and channels not in (1, 3):
            raise ValueError(f"RandAugment is for 1 or 3 channels, the model takes {channels}: leave it out")
        self.augment = augment
        self.crop = crop or (near_whole_crop if processor.framing == "whole" else random_resized_crop)
        self.flip = _may_be_mirrored(class_names) if flip is None else bool(flip)
        self.mirrored = mirrored_classes(class_names) if flip == "swap" else None
        self.erasing = erasing

    def indices(self, video: VideoReader, generator: torch.Generator) -> list[int]:
        return self.processor.training_indices(video, generator)

    def item(self, frames: Tensor, row: dict[str, Any], generator: torch.Generator) -> dict[str, Tensor]:
        clip, label = frames, row["label"]
        if self.augment is not None:
            clip = self.augment(clip, generator=generator)
        clip = self.crop(clip, size=self.size, generator=generator)
        if self.mirrored is not None:
            clip, label = horizontal_flip_with_label(clip, label, mirrored=self.mirrored, generator=generator)
        elif self.flip:
            clip = horizontal_flip(clip, generator=generator)
        if self.erasing:
            statistics = {"mean": self.processor.image_mean, "std": self.processor.image_std}
            clip = random_erasing(clip, generator=generator, probability=self.erasing, **statistics)
        return {"pixel_values": self.processor.normalized_if_float(clip), "labels": _target(label)}


class ValidationClips:
    """The middle clip of a video, cut from the centre: the single test view, 1x1 of `videomae evaluate`.

    Items as of `TrainingClips`. The papers' code validates otherwise: on a random clip (V1), on a centred one of the
    stretched stride (V2).
    """

    def __init__(self, processor: VideoMAEVideoProcessor):
        self.processor = processor

    def __call__(self, video: VideoReader, row: dict[str, Any], draw: Draw) -> Item:
        (clip,) = self.processor.views(video, num_segments=1, num_crops=1)
        return {"pixel_values": clip, "labels": _target(row["label"])}
