# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Scores of windows, made steadier by those of the windows before; none is delayed."""

from collections import deque

import torch


class MeanSmoothing:
    """The mean over the last `windows` windows, of those there are since the last gap."""

    def __init__(self, windows: int):
        if windows < 1:
            raise ValueError(f"the mean is of {windows} windows, wanted at least 1")
        self._last: deque[torch.Tensor] = deque(maxlen=windows)

    def __call__(self, score: torch.Tensor, continues: bool) -> torch.Tensor:
        """The smoothed score (K,); `continues` is False for a window after a gap, which begins anew."""
        if not continues:
            self._last.clear()
        self._last.append(score)
        return torch.stack(list(self._last)).mean(dim=0)


class ExponentialSmoothing:
    """s = weight · score + (1 - weight) · s of the window before; the first window since a gap is itself."""

    def __init__(self, weight: float):
        if not 0 < weight <= 1:
            raise ValueError(f"the weight of the newest window is {weight:g}, wanted more than 0 and at most 1")
        self._weight, self._smoothed = weight, None

    def __call__(self, score: torch.Tensor, continues: bool) -> torch.Tensor:
        """As `MeanSmoothing`."""
        if continues and self._smoothed is not None:
            score = self._weight * score + (1 - self._weight) * self._smoothed
        self._smoothed = score
        return score


Smoothing = MeanSmoothing | ExponentialSmoothing


def parse_smoothing(text: str) -> Smoothing:
    """`"mean:5"` (windows) or `"exponential:0.3"` (weight of the newest). Raises ValueError."""
    kind, _, number = text.partition(":")
    try:
        if kind == "mean":
            return MeanSmoothing(int(number))
        if kind == "exponential":
            return ExponentialSmoothing(float(number))
    except ValueError as error:
        raise ValueError(f"smoothing is {text!r}: {error}") from error
    raise ValueError(f"smoothing is {text!r}, wanted mean:WINDOWS or exponential:WEIGHT, such as mean:5")


__all__ = ["ExponentialSmoothing", "MeanSmoothing", "Smoothing", "parse_smoothing"]
