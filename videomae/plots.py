# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Plots of numbers: the curves of a training, a confusion matrix, the accuracy of each class, features in the plane.

Every function takes plain arrays and writes one png. Colours are those of viridis and cividis, which the colour-blind
and a grey printer tell apart; where a plot needs more it has line styles, markers or numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .files import replacing

DPI = 120


def save_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    path: str | Path,
    *,
    x_label: str,
    y_label: str,
    title: str = "",
) -> Path:
    """A png of curves, name -> points (x, y); line styles tell them apart without colour. Returns `path`."""
    return save_panels({y_label: curves}, path, x_label=x_label, title=title)


def save_panels(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    path: str | Path,
    *,
    x_label: str,
    title: str = "",
) -> Path:
    """A png of curves as in `save_curves` in panels below each other, label of the y axis -> curves; all have the same
    x axis. Returns `path`."""
    figure = Figure(figsize=(6, 2.5 * len(panels) + 1), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axis, (y_label, curves) in zip(axes, panels.items(), strict=True):
        _plot(axis, curves)
        axis.set_ylabel(y_label)
    axes[0].set_title(title)
    axes[-1].set_xlabel(x_label)
    return _save_figure(figure, path)


def _plot(axis, curves):
    styles = ("-", "--", "-.", ":")
    for number, (name, points) in enumerate(curves.items()):
        x, y = np.asarray(points, dtype=float).reshape(-1, 2).T
        axis.plot(x, y, styles[number % len(styles)], label=name, linewidth=1.5, marker="" if len(x) > 1 else "o")
    axis.grid(alpha=0.3)
    if len(curves) > 1:
        axis.legend()


def _save_figure(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI)
    return Path(path)


__all__ = ["save_curves", "save_panels"]
