# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Mixup (Zhang et al., 2018) and CutMix (Yun et al., 2019) of a batch of clips, and the soft labels they need.

As VideoMAE fine-tunes: one of the two and one share for the whole batch; clip i is mixed with clip B - 1 - i, in all
frames alike. B clips of T frames of C channels, H x W pixels; K classes.
"""

import math

import numpy as np
import torch
from torch import Tensor


def batch_generator(seed: int, step: int, forward: int, process: int) -> torch.Generator:
    """The randomness of one batch: that of an optimiser step's forward pass in one process."""
    (mixed,) = np.random.SeedSequence((seed, step, forward, process), spawn_key=(1,)).generate_state(1)
    return torch.Generator().manual_seed(int(mixed))


class Mixing:
    """Mixes a batch and gives its soft labels.

    A clip keeps the share `lam` of itself and gets 1 - lam of its partner: with mixup of every value, with CutMix of
    the pixels, in a box of the same aspect as the frame. In a batch of odd size the middle clip is its own partner
    and stays what it was, and so does a batch of one.

    Args:
        num_labels: K.
        mixup_alpha, cutmix_alpha: lam is drawn from Beta(alpha, alpha); 0 leaves that way of mixing out.
        probability: of mixing a batch at all.
        switch_probability: of CutMix instead of mixup, where there are both.
        label_smoothing: s; the right class of a clip has 1 - s + s / K, every other s / K.

    Raises ValueError: fewer than two classes, a negative alpha, a probability or smoothing outside 0 .. 1.
    """

    def __init__(
        self,
        num_labels: int,
        mixup_alpha: float = 0.8,
        cutmix_alpha: float = 1.0,
        probability: float = 1.0,
        switch_probability: float = 0.5,
        label_smoothing: float = 0.1,
    ):
        shares = {
            "probability": probability,
            "switch_probability": switch_probability,
            "label_smoothing": label_smoothing,
        }
        alphas = {"mixup_alpha": mixup_alpha, "cutmix_alpha": cutmix_alpha}
        wrong = [f"{name} is {value}, wanted 0 to 1" for name, value in shares.items() if not 0 <= value <= 1]
        wrong += [f"{name} is {value}, wanted 0 or more" for name, value in alphas.items() if not value >= 0]
        if num_labels < 2:
            wrong.append(f"num_labels is {num_labels}, wanted 2 or more")
        if wrong:
            raise ValueError("Mixing: " + "; ".join(wrong))
        self.num_labels = num_labels
        self.mixup_alpha = mixup_alpha
        self.cutmix_alpha = cutmix_alpha
        self.probability = probability
        self.switch_probability = switch_probability
        self.label_smoothing = label_smoothing

    def __call__(self, pixel_values: Tensor, labels: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, T, C, H, W), uint8 or float, and int64 (B,) or soft (B, K) labels -> both mixed, labels float32 (B, K).

        On any device; `generator` is a CPU one, of which a few numbers are drawn. uint8 is rounded after mixup.
        Raises ValueError: other shapes.
        """
        batch = len(pixel_values)
        if pixel_values.ndim != 5 or tuple(labels.shape) not in ((batch,), (batch, self.num_labels)):
            raise ValueError(
                f"Mixing: clips {tuple(pixel_values.shape)} and labels {tuple(labels.shape)}, "
                f"wanted (B, T, C, H, W) and (B,) or (B, {self.num_labels})"
            )
        method, lam = self.draw(generator)
        if method == "cutmix":
            box = cutmix_box(*pixel_values.shape[-2:], lam=lam, generator=generator)
            pixel_values, lam = cutmix(pixel_values, box)
        elif method == "mixup":
            pixel_values = mixup(pixel_values, lam)
        soft = self.soft_labels(labels)
        return pixel_values, soft.mul(lam).add_(soft.flip(0), alpha=1 - lam)

    def draw(self, generator: torch.Generator) -> tuple[str | None, float]:
        """What is done to the next batch: "mixup", "cutmix" or None, and lam."""
        mix, switch = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        if mix >= self.probability or not (self.mixup_alpha or self.cutmix_alpha):
            return None, 1.0
        cut = bool(self.cutmix_alpha) and (not self.mixup_alpha or switch < self.switch_probability)
        alpha = self.cutmix_alpha if cut else self.mixup_alpha
        return "cutmix" if cut else "mixup", _draw_beta(alpha, generator)

    def soft_labels(self, labels: Tensor) -> Tensor:
        """int64 (B,) or soft (B, K) labels, smoothed; float32 (B, K)."""
        if labels.ndim == 1:
            labels = torch.nn.functional.one_hot(labels, self.num_labels)
        return labels.float() * (1 - self.label_smoothing) + self.label_smoothing / self.num_labels


def mixup(pixel_values: Tensor, lam: float) -> Tensor:
    """lam of each clip and 1 - lam of its partner, in the same dtype and memory order."""
    mixed = torch.empty_like(pixel_values)
    # Clip by clip: a whole batch of uint8 would need eight times its memory.
    for clip, partner, to in zip(pixel_values, pixel_values.flip(0), mixed, strict=True):
        blend = clip.float().lerp(partner.float(), 1 - lam)
        to.copy_(blend if to.is_floating_point() else blend.round_())
    return mixed


def cutmix(pixel_values: Tensor, box: tuple[int, int, int, int]) -> tuple[Tensor, float]:
    """The partner's pixels in the (top, left, bottom, right) box of each clip, and the share outside of it."""
    top, left, bottom, right = box
    mixed = pixel_values.clone()
    mixed[..., top:bottom, left:right] = pixel_values[..., top:bottom, left:right].flip(0)
    height, width = pixel_values.shape[-2:]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def cutmix_box(height: int, width: int, *, lam: float, generator: torch.Generator) -> tuple[int, int, int, int]:
    """(top, left, bottom, right): the share 1 - lam of the frame, around a uniform centre, cut at the border."""
    box_height, box_width = int(height * math.sqrt(1 - lam)), int(width * math.sqrt(1 - lam))
    row = int(torch.randint(height, (), generator=generator))
    column = int(torch.randint(width, (), generator=generator))
    top, left = max(row - box_height // 2, 0), max(column - box_width // 2, 0)
    return top, left, min(row + box_height // 2, height), min(column + box_width // 2, width)


def _draw_beta(alpha: float, generator: torch.Generator) -> float:
    """From Beta(alpha, alpha); torch's own draw takes no generator."""
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))
