# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Clip to clip, on uint8 tensors of shape (..., T, C, H, W).

One draw from the generator serves all frames of a clip. A decoded clip is channels-last in memory under its
(T, C, H, W) shape; keep it so: torchvision crops and resizes 16 frames of 340x256 to 224x224 in 1.0 ms as decoded and
in 4.0 ms once they are contiguous in (T, C, H, W) (one core).
"""

import math

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

MULTI_SCALES = (1.0, 0.875, 0.75, 0.66)
SNAP = 3  # pixels: a candidate size closer than this to the output size becomes the output size
RANDOM_CROP_TRIES = 10


def multi_scale_crop(clip: Tensor, *, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """The pre-training crop of VideoMAE: one of four scales a side, one of thirteen positions, resized to `size`.

    The sides are int(s * min(H, W)) for s in 1, .875, .75, .66; the two may differ by one scale, which makes ten
    pairs. The positions are the corners, the middles of the edges, the centre and the four quarter points.
    Bilinear, antialiased. `size` is (height, width); returns uint8 (..., T, C, *size).
    """
    pairs = multi_scale_sizes(*clip.shape[-2:], size=size)
    height, width = pairs[_draw_integer(len(pairs), generator)]
    positions = thirteen_positions(clip.shape[-2] - height, clip.shape[-1] - width)
    top, left = positions[_draw_integer(len(positions), generator)]
    return F.resized_crop(clip, top, left, height, width, list(size), antialias=True)


def multi_scale_sizes(frame_height: int, frame_width: int, *, size: tuple[int, int]) -> list[tuple[int, int]]:
    """The (height, width) pairs that `multi_scale_crop` chooses from."""
    short_side = min(frame_height, frame_width)
    candidates = [int(short_side * scale) for scale in MULTI_SCALES]
    # Snapping must not make a crop larger than the frame, where the official code pads with black.
    heights = [size[0] if abs(side - size[0]) < SNAP and size[0] <= frame_height else side for side in candidates]
    widths = [size[1] if abs(side - size[1]) < SNAP and size[1] <= frame_width else side for side in candidates]
    return [(height, width) for i, height in enumerate(heights) for j, width in enumerate(widths) if abs(i - j) <= 1]


def thirteen_positions(free_height: int, free_width: int) -> list[tuple[int, int]]:
    """The (top, left) corners that `multi_scale_crop` chooses from; `free` is the frame's side minus the crop's."""
    down, right = free_height // 4, free_width // 4
    nine = [(row, column) for row in (0, 2, 4) for column in (0, 2, 4)]
    four = [(row, column) for row in (1, 3) for column in (1, 3)]
    return [(row * down, column * right) for row, column in nine + four]


def random_resized_crop(
    clip: Tensor,
    *,
    size: tuple[int, int],
    generator: torch.Generator,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Tensor:
    """The fine-tuning crop of VideoMAE: a random area and aspect ratio, resized to `size`.

    `scale` bounds the share of the frame's area, `ratio` bounds width / height (log-uniform). After ten draws that do
    not fit, the largest central crop within `ratio` is taken. Bilinear and antialiased (the official code is not
    antialiased; the two agree wherever a crop is enlarged). `size` is (height, width); returns uint8
    (..., T, C, *size).
    """
    top, left, height, width = random_crop_box(*clip.shape[-2:], generator=generator, scale=scale, ratio=ratio)
    return F.resized_crop(clip, top, left, height, width, list(size), antialias=True)


def random_crop_box(
    frame_height: int,
    frame_width: int,
    *,
    generator: torch.Generator,
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> tuple[int, int, int, int]:
    """The (top, left, height, width) that `random_resized_crop` takes."""
    for _ in range(RANDOM_CROP_TRIES):
        area = frame_height * frame_width * _draw_uniform(*scale, generator)
        aspect = math.exp(_draw_uniform(math.log(ratio[0]), math.log(ratio[1]), generator))
        height, width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < height <= frame_height and 0 < width <= frame_width:
            top = _draw_integer(frame_height - height + 1, generator)
            left = _draw_integer(frame_width - width + 1, generator)
            return top, left, height, width
    aspect = min(max(frame_width / frame_height, ratio[0]), ratio[1])
    height = min(frame_height, round(frame_width / aspect))
    width = min(frame_width, round(frame_height * aspect))
    return (frame_height - height) // 2, (frame_width - width) // 2, height, width


def horizontal_flip(clip: Tensor, *, generator: torch.Generator, probability: float = 0.5) -> Tensor:
    """Mirror the whole clip left to right with the given probability. Returns uint8 (..., T, C, H, W)."""
    return F.horizontal_flip(clip) if _draw_uniform(0.0, 1.0, generator) < probability else clip


def _draw_integer(end: int, generator: torch.Generator) -> int:
    """Uniform in 0 .. end - 1."""
    return int(torch.randint(end, (), generator=generator))


def _draw_uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))
