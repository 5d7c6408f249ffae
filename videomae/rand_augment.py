# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""RandAugment as VideoMAE fine-tunes with it, `rand-m7-n4-mstd0.5-inc1`, one draw for all frames of a clip.

The fifteen "increasing" operations (Cubuk et al., 2020, in the variant whose effect grows with the magnitude) have
Pillow's arithmetic, which the official recipe uses: an operation that only looks up or blends values gives Pillow's
pixels, one that moves pixels gives them to within 1. Frames are uint8 (..., T, C, H, W) on the CPU.
"""

import math
import re
from collections.abc import Callable

import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import functional as F

MAX_MAGNITUDE = 10.0
PROBABILITY = 0.5  # that an operation which was drawn is applied
FILL = 128  # where a moved frame leaves nothing; 128 grey, as the official recipe
MOVED_AT_ONCE = 2**20  # values of frames that are moved together, as float32: 4 MB, 4 frames of 340x256
POLICY = re.compile(r"rand-m(?P<m>\d+(?:\.\d+)?)-n(?P<n>\d+)-mstd(?P<mstd>\d+(?:\.\d+)?)-inc1")


class RandAugment:
    """`num_ops` operations, drawn with replacement from `OPERATIONS`, each applied with probability 0.5.

    An operation has a magnitude from a normal distribution (`magnitude`, `magnitude_std`), clipped to 0 .. 10, and a
    sign. All frames get the same.

    Raises ValueError: `num_ops` below 1, `magnitude` outside 0 .. 10, a negative `magnitude_std`.
    """

    def __init__(self, num_ops: int = 4, magnitude: float = 7.0, magnitude_std: float = 0.5):
        wrong = [
            text
            for bad, text in (
                (num_ops < 1, f"num_ops is {num_ops}, wanted 1 or more"),
                (not 0 <= magnitude <= MAX_MAGNITUDE, f"magnitude is {magnitude}, wanted 0 to 10"),
                (magnitude_std < 0, f"magnitude_std is {magnitude_std}, wanted 0 or more"),
            )
            if bad
        ]
        if wrong:
            raise ValueError("RandAugment: " + "; ".join(wrong))
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.magnitude_std = magnitude_std

    @classmethod
    def from_policy(cls, policy: str) -> "RandAugment":
        """The RandAugment that timm's notation names: "rand-m7-n4-mstd0.5-inc1".

        m: magnitude, n: operations, mstd: standard deviation of the magnitude, inc1: the increasing operations, which
        are those that there are here. Raises ValueError for anything else.
        """
        match = POLICY.fullmatch(policy)
        if match is None:
            raise ValueError(
                f"RandAugment policy {policy!r}: wanted rand-m<magnitude>-n<operations>-mstd<deviation>-inc1, "
                "for example rand-m7-n4-mstd0.5-inc1"
            )
        return cls(num_ops=int(match["n"]), magnitude=float(match["m"]), magnitude_std=float(match["mstd"]))

    def __call__(self, clip: Tensor, *, generator: torch.Generator) -> Tensor:
        """uint8 (..., T, C, H, W) to the same shape and memory order; C is 1 or 3. Raises ValueError for others."""
        if clip.dtype != torch.uint8 or clip.ndim < 4 or clip.shape[-3] not in (1, 3):
            raise ValueError(
                f"RandAugment: the clip is {clip.dtype} {tuple(clip.shape)}, wanted uint8 (..., T, C, H, W) with "
                "C = 1 or 3 (Color and Contrast blend with the grey frame, which other channels do not have)"
            )
        frames = clip.flatten(0, -4)
        for name, magnitude, sign in self.draw(generator):
            frames = apply_operation(frames, name, magnitude=magnitude, sign=sign)
        return frames.unflatten(0, clip.shape[:-3])

    def draw(self, generator: torch.Generator) -> list[tuple[str, float, int]]:
        """What is done to the next clip: (operation, magnitude, sign), one after the other."""
        names = list(OPERATIONS)
        drawn = []
        for operation in torch.randint(len(names), (self.num_ops,), generator=generator).tolist():
            applied, positive = (torch.rand(2, generator=generator) < PROBABILITY).tolist()
            noise = float(torch.randn((), generator=generator))
            if applied:
                magnitude = min(max(self.magnitude + self.magnitude_std * noise, 0.0), MAX_MAGNITUDE)
                drawn.append((names[operation], magnitude, 1 if positive else -1))
        return drawn


def apply_operation(frames: Tensor, name: str, *, magnitude: float, sign: int) -> Tensor:
    """One of `OPERATIONS` on uint8 (N, C, H, W), C = 1 or 3, magnitude 0 .. 10, sign 1 or -1 (where it has one).

    Returns the same shape and memory order.
    """
    operation, level = OPERATIONS[name]
    moved = operation(frames) if level is None else operation(frames, level(magnitude / MAX_MAGNITUDE, sign))
    channels_last = frames.is_contiguous(memory_format=torch.channels_last)
    return moved.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


# ---- values ----


def auto_contrast(frames: Tensor) -> Tensor:
    """Stretch every channel of every frame to 0 .. 255."""
    return _by_pillow(frames, ImageOps.autocontrast)


def equalize(frames: Tensor) -> Tensor:
    """Make the histogram of every channel of every frame as flat as a table can."""
    return _by_pillow(frames, ImageOps.equalize)


def solarize(frames: Tensor, threshold: int) -> Tensor:
    """Invert the values from `threshold` (0 .. 256) on."""
    if threshold > 255:
        return frames
    # 255 - x is x ^ 255; -1 is 255 in uint8. Eight times as fast as torch.where.
    return (frames >= threshold).view(torch.uint8).neg_().bitwise_xor_(frames)


def solarize_add(frames: Tensor, addition: int) -> Tensor:
    """Add `addition` (0 .. 128) to the values below 128."""
    return (frames < 128).view(torch.uint8).mul_(addition).add_(frames)


def color(frames: Tensor, factor: float) -> Tensor:
    """Away from the grey frame (factor 0). One channel stays as it is."""
    return _by_pillow(frames, lambda frame: ImageEnhance.Color(frame).enhance(factor))


def contrast(frames: Tensor, factor: float) -> Tensor:
    """Away from the mean of the grey frame (factor 0)."""
    return _by_pillow(frames, lambda frame: ImageEnhance.Contrast(frame).enhance(factor))


def brightness(frames: Tensor, factor: float) -> Tensor:
    """Away from black (factor 0)."""
    return _by_pillow(frames, lambda frame: ImageEnhance.Brightness(frame).enhance(factor))


def _by_pillow(frames: Tensor, operation: Callable[[Image.Image], Image.Image]) -> Tensor:
    """Frame by frame; where Pillow is faster than any way to the same values in torch."""
    pictures = frames.permute(0, 2, 3, 1).contiguous()
    out = torch.empty_like(pictures)
    for picture, to in zip(pictures.squeeze(-1).numpy(), out.squeeze(-1).numpy(), strict=True):
        to[:] = operation(Image.fromarray(picture))
    return out.permute(0, 3, 1, 2)


def sharpness(frames: Tensor, factor: float) -> Tensor:
    """Away from the smoothed frame (factor 0): the mean of 3x3 pixels, the middle one five times. Borders stay."""
    # One frame at a time stays in the processor's cache: twice as fast.
    return torch.cat([_sharpened(frame, factor) for frame in frames.split(1)])


def _sharpened(frame: Tensor, factor: float) -> Tensor:
    out = frame.clone()
    if min(frame.shape[-2:]) < 3:
        return out
    values = frame.float()
    rows = values[..., :-2, :] + values[..., 1:-1, :] + values[..., 2:, :]
    smooth = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    inner = values[..., 1:-1, 1:-1]
    smooth.add_(inner, alpha=4).div_(13).add_(0.5).floor_()
    # Pillow's blend: two roundings to float32, then what is behind the point is cut.
    out[..., 1:-1, 1:-1] = (inner - smooth).mul_(factor).add_(smooth).clamp_(0, 255)
    return out


# ---- places ----


def rotate(frames: Tensor, degrees: float) -> Tensor:
    """Counterclockwise about the centre."""
    height, width = frames.shape[-2:]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, down = width / 2, height / 2
    first = (cosine, -sine, across - cosine * across + sine * down)
    return _affine(frames, first, (sine, cosine, down - sine * across - cosine * down))


def shear_x(frames: Tensor, slope: float) -> Tensor:
    return _affine(frames, (1, slope, 0), (0, 1, 0))


def shear_y(frames: Tensor, slope: float) -> Tensor:
    return _affine(frames, (1, 0, 0), (slope, 1, 0))


def translate_x(frames: Tensor, share: float) -> Tensor:
    return _affine(frames, (1, 0, share * frames.shape[-1]), (0, 1, 0))


def translate_y(frames: Tensor, share: float) -> Tensor:
    return _affine(frames, (1, 0, 0), (0, 1, share * frames.shape[-2]))


def _affine(frames: Tensor, first: tuple[float, float, float], second: tuple[float, float, float]) -> Tensor:
    """The pixel at (x, y) comes from (first . (x, y, 1), second . (x, y, 1)), bicubic; from outside it is `FILL`."""
    height, width = frames.shape[-2:]
    columns = torch.arange(width, dtype=torch.float64) + 0.5
    rows = torch.arange(height, dtype=torch.float64)[:, None] + 0.5
    x, y = (across * columns + down * rows + shift for across, down, shift in (first, second))
    sources, weights = _bicubic_taps(x, y)
    together = max(1, MOVED_AT_ONCE // frames[0].numel())
    return torch.cat([_weighted_sum(part, sources, weights) for part in frames.split(together)])


def _bicubic_taps(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """For (H, W) positions: int32 (H * W, 4 or 16) pixels, H * W standing for outside, and their float32 weights.

    A frame goes on beyond its border as at it, for positions that lie inside.
    """
    height, width = x.shape
    outside = (x < 0) | (x >= width) | (y < 0) | (y >= height)
    columns, column_weights = _cubic_taps(x, width)
    rows, row_weights = _cubic_taps(y, height)
    columns.masked_fill_(outside, 0)
    rows.mul_(width).masked_fill_(outside, height * width)
    sources = rows[:, None] + columns
    weights = row_weights[:, None] * column_weights
    return tuple(taps.view(-1, height * width).t().contiguous() for taps in (sources, weights))


def _cubic_taps(position: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The four pixels (4, H, W) around each position along one side, and the weights of the cubic with a = -1.

    That is Pillow's; torch's own kernel has a = -0.75. Where all positions are middles of pixels, these alone.
    """
    first = (position - 0.5).floor()
    d = (position - 0.5 - first).float()
    pixel = first.int()[None]
    if not d.any():
        return pixel.clamp(0, side - 1), torch.ones_like(d)[None]
    d2, d3 = d**2, d**3
    weights = torch.stack([2 * d2 - d - d3, 1 - 2 * d2 + d3, d + d2 - d3, d3 - d2])
    return (pixel + torch.arange(-1, 3, dtype=torch.int32).view(4, 1, 1)).clamp_(0, side - 1), weights


def _weighted_sum(frames: Tensor, sources: Tensor, weights: Tensor) -> Tensor:
    """Each pixel of (N, C, H, W) from 4 or 16. The values of a pixel in all frames are one row of the table."""
    count, channels, height, width = frames.shape
    table = torch.full((height * width + 1, channels * count), float(FILL))
    table[:-1].view(height, width, channels, count).copy_(frames.permute(2, 3, 1, 0))
    moved = torch.nn.functional.embedding_bag(sources, table, mode="sum", per_sample_weights=weights)
    # Pillow cuts what is behind the point; a sum in float32 can lie a little below a whole number.
    values = moved.add_(2**-10).clamp_(0, 255).to(torch.uint8)
    return values.view(height, width, channels, count).permute(3, 2, 0, 1)


# ---- magnitude (as a share of 10) and sign to the argument of each operation ----


def _signed(most: float) -> Callable[[float, int], float]:
    return lambda share, sign: sign * most * share


def _factor(share: float, sign: int) -> float:
    return 1 + sign * 0.9 * share


OPERATIONS = {
    "AutoContrast": (auto_contrast, None),
    "Equalize": (equalize, None),
    "Invert": (F.invert, None),
    "Rotate": (rotate, _signed(30.0)),
    "PosterizeIncreasing": (F.posterize, lambda share, sign: 4 - int(4 * share)),
    "SolarizeIncreasing": (solarize, lambda share, sign: 256 - int(256 * share)),
    "SolarizeAdd": (solarize_add, lambda share, sign: int(110 * share)),
    "ColorIncreasing": (color, _factor),
    "ContrastIncreasing": (contrast, _factor),
    "BrightnessIncreasing": (brightness, _factor),
    "SharpnessIncreasing": (sharpness, _factor),
    "ShearX": (shear_x, _signed(0.3)),
    "ShearY": (shear_y, _signed(0.3)),
    "TranslateXRel": (translate_x, _signed(0.45)),
    "TranslateYRel": (translate_y, _signed(0.45)),
}
