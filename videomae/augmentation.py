# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Clip to clip, on tensors of shape (..., T, C, H, W): uint8, or floats in units of their own.

One draw from the generator serves all frames of a clip. A decoded clip is channels-last in memory under its
(T, C, H, W) shape; keep it so: torchvision crops and resizes 16 frames of 340x256 to 224x224 in 1.0 ms as decoded and
in 4.0 ms once they are contiguous in (T, C, H, W) (one core).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

MULTI_SCALES = (1.0, 0.875, 0.75, 0.66)
SNAP = 3  # pixels: a candidate size closer than this to the output size becomes the output size
RANDOM_CROP_TRIES = 10
ERASING_TRIES = 100
MOST_STRETCH = 4 / 3  # of one side against the other: as far as the crops of pre-training and fine-tuning go
BAR = 128  # of uint8: the grey of what a whole frame leaves of the picture, as RandAugment's


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


def near_whole_crop(
    clip: Tensor, *, size: tuple[int, int], generator: torch.Generator, least_side: float = 0.8
) -> Tensor:
    """A training crop that keeps what happens in the picture: at least `least_side` of either side of the frame.

    For small data of one's own, where `random_resized_crop`, which may leave 8 % of the frame, cuts the person out.
    Each side is uniform in `least_side` .. 1 of the frame's, the place uniform; the window then becomes a picture as
    `whole_frame`, its counterpart for evaluation, makes one of the frame. Returns uint8 (..., T, C, *size).
    """
    frame_height, frame_width = clip.shape[-2:]
    height = round(frame_height * _draw_uniform(least_side, 1.0, generator))
    width = round(frame_width * _draw_uniform(least_side, 1.0, generator))
    top = _draw_integer(frame_height - height + 1, generator)
    left = _draw_integer(frame_width - width + 1, generator)
    return whole_frame(clip[..., top : top + height, left : left + width], size=size)


def whole_frame(clip: Tensor, *, size: tuple[int, int]) -> Tensor:
    """The whole frame in a picture of `size`: one side stretched by up to 4/3, what is then still free is grey bars.

    Frames of 4:3 fill a square, those of 16:9 three quarters of it. Bilinear, antialiased. The bars of a clip that is
    not uint8 have the mean of each of its channels. `size` is (height, width); returns (..., T, C, *size).
    """
    height, width = fitted_size(*clip.shape[-2:], size=size)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    picture = F.resize(clip, [height, width], antialias=True)
    fill = clip.mean(dim=(-4, -2, -1)).tolist() if clip.is_floating_point() else BAR
    return F.pad(picture, [left, top, size[1] - width - left, size[0] - height - top], fill=fill)


def fitted_size(frame_height: int, frame_width: int, *, size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) of the frame in the picture that `whole_frame` makes; at least one is `size`'s."""
    down, across = size[0] / frame_height, size[1] / frame_width
    most = min(down, across) * MOST_STRETCH
    return max(1, round(frame_height * min(down, most))), max(1, round(frame_width * min(across, most)))


def horizontal_flip(clip: Tensor, *, generator: torch.Generator, probability: float = 0.5) -> Tensor:
    """Mirror the whole clip left to right with the given probability. Returns uint8 (..., T, C, H, W)."""
    return F.horizontal_flip(clip) if _draw_uniform(0.0, 1.0, generator) < probability else clip


def horizontal_flip_with_label(
    clip: Tensor, label: int, *, mirrored: Sequence[int], generator: torch.Generator, probability: float = 0.5
) -> tuple[Tensor, int]:
    """`horizontal_flip` with the same draw, and the label of what is then to be seen.

    `mirrored` has the class that each class becomes, as from `directions.mirrored_classes`.
    """
    if _draw_uniform(0.0, 1.0, generator) < probability:
        return F.horizontal_flip(clip), mirrored[label]
    return clip, label


def random_erasing(
    clip: Tensor,
    *,
    generator: torch.Generator,
    mean: Sequence[float],
    std: Sequence[float],
    probability: float = 0.25,
    area: tuple[float, float] = (0.02, 1 / 3),
    ratio: tuple[float, float] = (0.3, 1 / 0.3),
) -> Tensor:
    """Fill one box, the same in all frames, with noise that differs from frame to frame (Zhong et al., 2020).

    `area` bounds the box's share of the frame (uniform), `ratio` bounds height / width (log-uniform). The noise is
    N(0, 1) once the clip is normalised with the `mean` and `std` of its channels (of values in 0 .. 1), so here it is
    255 (mean + std N(0, 1)), rounded. A uint8 ends at 0 and 255: with ImageNet's statistics 3.2 % of the values are
    cut there, and once normalised the noise has mean 0.007 and standard deviation 0.971. A clip that is not uint8 is
    in the units of `mean` and `std`: there nothing is scaled, rounded or cut.
    Returns (..., T, C, H, W), a new tensor where a box is filled. Raises ValueError: not one mean and one
    deviation a channel.
    """
    channels = clip.shape[-3]
    if len(mean) != channels or len(std) != channels:
        raise ValueError(
            f"random_erasing: {len(mean)} means and {len(std)} deviations for {channels} channels, wanted one of each"
        )
    if _draw_uniform(0.0, 1.0, generator) >= probability:
        return clip
    box = erasing_box(*clip.shape[-2:], generator=generator, area=area, ratio=ratio)
    if box is None:
        return clip
    top, left, height, width = box
    # Drawn in the memory order of a decoded clip, so that neither the noise nor the clip changes places.
    noise = torch.randn(*clip.shape[:-3], height, width, channels, generator=generator)
    noise.mul_(torch.tensor(std)).add_(torch.tensor(mean))
    if not clip.is_floating_point():
        noise.mul_(255).round_().clamp_(0, 255)
    erased = clip.clone()
    erased[..., top : top + height, left : left + width] = noise.movedim(-1, -3)
    return erased


def erasing_box(
    frame_height: int,
    frame_width: int,
    *,
    generator: torch.Generator,
    area: tuple[float, float],
    ratio: tuple[float, float],
) -> tuple[int, int, int, int] | None:
    """The (top, left, height, width) that `random_erasing` fills; None after a hundred draws that do not fit."""
    for _ in range(ERASING_TRIES):
        pixels = frame_height * frame_width * _draw_uniform(*area, generator)
        aspect = math.exp(_draw_uniform(math.log(ratio[0]), math.log(ratio[1]), generator))
        height, width = round(math.sqrt(pixels * aspect)), round(math.sqrt(pixels / aspect))
        if 0 < height < frame_height and 0 < width < frame_width:
            top = _draw_integer(frame_height - height + 1, generator)
            left = _draw_integer(frame_width - width + 1, generator)
            return top, left, height, width
    return None


def _draw_integer(end: int, generator: torch.Generator) -> int:
    """Uniform in 0 .. end - 1."""
    return int(torch.randint(end, (), generator=generator))


def _draw_uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))
