# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Plots of numbers: the curves of a training, a confusion matrix, the accuracy of each class, features in the plane.

Every function takes plain arrays and writes one png. Colours are those of viridis and cividis, which the colour-blind
and a grey printer tell apart; where a plot needs more it has line styles, markers or numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text

from .files import replacing

DPI = 120
COLOURS = "viridis"
LONGEST_NAME = 22  # characters of a class name; the end of a longer one is cut off


# ---- curves ---------------------------------------------------------------------------------------------------------


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
    figure = Figure(figsize=(6, 2.5 * len(panels) + 1), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axis, (y_label, curves) in zip(axes, panels.items(), strict=True):
        _plot(axis, curves)
        axis.set_ylabel(y_label)
    axes[0].set_title(title, fontsize=11, weight="bold")
    axes[-1].set_xlabel(x_label)
    return _save_figure(figure, path)


def save_training_curves(log: Sequence[Mapping[str, float]], path: str | Path) -> Path:
    """A png of what a training logged: its losses in one panel, below it one for each other metric of validation.

    Args:
        log: `log_history` of a trainer's state: dicts with "step", "loss" and "eval_…".

    Returns `path`.
    """

    def points(name):
        return [(line["step"], line[name]) for line in log if name in line]

    panels = {"loss": {"training": points("loss"), "validation": points("eval_loss")}}
    panels["loss"] = {name: curve for name, curve in panels["loss"].items() if curve}
    found = dict.fromkeys(name for line in log for name in line if name.startswith("eval_"))
    unshown = ("_loss", "_runtime", "_per_second", "_time")
    metrics = [name for name in found if not name.endswith(unshown) and isinstance(points(name)[0][1], (int, float))]
    panels |= {name.replace("eval_", "validation ", 1): {"validation": points(name)} for name in metrics}
    return save_panels(panels, path, x_label="step", title="training")


def _plot(axis, curves):
    styles = ("-", "--", "-.", ":")
    colours = matplotlib.colormaps[COLOURS](np.linspace(0.05, 0.8, max(len(curves), 2)))  # yellow is faint on white
    for number, (name, points) in enumerate(curves.items()):
        x, y = np.asarray(points, dtype=float).reshape(-1, 2).T
        style, marker = styles[number % len(styles)], "" if len(x) > 1 else "o"
        axis.plot(x, y, style, label=name, color=colours[number], linewidth=1.5, marker=marker)
    axis.grid(alpha=0.3)
    if len(curves) > 1:
        axis.legend()


# ---- classes --------------------------------------------------------------------------------------------------------

MOST_NUMBERED = 20  # classes of a confusion matrix whose cells hold their numbers
MOST_NAMED = 60  # classes whose names have room along an axis
CONFUSIONS_LISTED = 25  # beside a matrix that has no room for names


def save_confusion_matrix(
    path: str | Path,
    matrix: np.ndarray,
    class_names: Sequence[str],
    *,
    log_scale: bool = False,
    title: str = "confusion matrix",
) -> Path:
    """A png of which classes are taken for which. Returns `path`.

    Colours are shares of the videos of a class, so that a row sums to 100 % however many videos it has; the number of
    videos stands beside the name. Up to 20 classes keep their order and have the counts in their cells. More are put
    in an order in which those that are taken for each other lie side by side (`similar_first`), and above 60 the names
    give way to a list of the most frequent confusions.

    Args:
        matrix: counts (K, K), true class by predicted class.
        log_scale: for the colours, which shows rare confusions too.

    Raises:
        ValueError: another shape than (K, K) for K names.
    """
    matrix, names = np.asarray(matrix, dtype=float), list(class_names)
    if matrix.shape != (len(names), len(names)):
        raise ValueError(f"a confusion matrix is {matrix.shape}, wanted {(len(names),) * 2} for {len(names)} classes")
    if len(names) > MOST_NUMBERED:
        order = similar_first(matrix)
        matrix, names = matrix[np.ix_(order, order)], [names[number] for number in order]
    counts = matrix.sum(axis=1)
    shares = np.divide(100 * matrix, counts[:, None], out=np.full_like(matrix, np.nan), where=counts[:, None] > 0)
    side = float(np.clip(0.32 * len(names), 3.2, 8.5))  # inches
    is_listed = len(names) > MOST_NAMED
    figure = Figure(figsize=(side + (4.6 if is_listed else 2.6), side + 1.2), dpi=DPI, layout="constrained")
    axis, *beside = figure.subplots(1, 2, width_ratios=(side, 3.0)) if is_listed else [figure.subplots()]
    image = axis.imshow(shares, cmap=_colours_on_grey(), norm=_share_scale(shares, log_scale), interpolation="nearest")
    figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02, format="{x:g}", label="% of the videos of a class")
    accuracy = 100 * np.trace(matrix) / max(matrix.sum(), 1)
    heading = f"{title}: {accuracy:.1f} % of {int(matrix.sum())} videos are right"
    figure.suptitle(heading, fontsize=11, weight="bold")
    axis.set(xlabel="predicted class", ylabel="true class (number of videos)")
    if is_listed:
        axis.set(xticks=[], yticks=[])
        axis.set(xlabel=f"predicted class, {len(names)} of them in the order of the rows", ylabel="true class")
        _list_confusions(beside[0], matrix, names)
    else:
        _name_classes(axis, names, counts)
    if len(names) <= MOST_NUMBERED:
        _number_cells(axis, matrix, image)
    return _save_figure(figure, path)


def similar_first(matrix: np.ndarray) -> np.ndarray:
    """An order (K,) of classes in which those that are taken for each other, in counts (K, K), lie side by side.

    They are sorted by the Fiedler vector, that of the second smallest eigenvalue of the Laplacian of the graph whose
    edges are the confusions in both directions (Atkins, Boman and Hendrickson 1998).
    """
    matrix = np.asarray(matrix, dtype=float)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    edges = shares + shares.T
    np.fill_diagonal(edges, 0)
    edges += 1e-6  # one connected graph, also of classes that nothing is taken for
    laplacian = np.diag(edges.sum(axis=1)) - edges
    _, vectors = np.linalg.eigh(laplacian)
    return np.argsort(vectors[:, 1], kind="stable")


def _colours_on_grey():
    # Grey: classes without videos; on a logarithmic scale, also what never happens.
    return matplotlib.colormaps[COLOURS].with_extremes(bad="lightgrey")


def _share_scale(shares, log_scale):
    if not log_scale:
        return Normalize(0, 100)
    return LogNorm(min(np.min(shares[shares > 0], initial=100), 10), 100)


def _name_classes(axis, names, counts):
    short = [_cut(name) for name in names]
    size = 9 if len(names) <= MOST_NUMBERED else 6
    places = range(len(names))
    axis.set_xticks(places, short, rotation=45 if len(names) <= MOST_NUMBERED else 90, ha="right", fontsize=size)
    counted = [f"{name} ({count:.0f})" for name, count in zip(short, counts, strict=True)]
    axis.set_yticks(places, counted, fontsize=size)
    if len(names) > MOST_NUMBERED:
        for label in axis.get_xticklabels():
            label.set_ha("center")


def _number_cells(axis, matrix, image):
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            red, green, blue, _ = image.cmap(image.norm(image.get_array()[row, column]))
            ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
            axis.text(column, row, f"{count:.0f}", ha="center", va="center", color=ink, fontsize=8)


def _list_confusions(axis, matrix, names):
    axis.set_axis_off()
    wrong = matrix * (1 - np.eye(len(matrix)))
    rows = ["most frequent confusions", ""]
    for cell in np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS_LISTED]:
        true, predicted = np.unravel_index(cell, wrong.shape)
        if wrong[true, predicted]:
            count, total = wrong[true, predicted], matrix[true].sum()
            rows.append(f"{count:.0f} of {total:.0f}  {_cut(names[true])} → {_cut(names[predicted])}")
    axis.text(0, 1, "\n".join(rows), va="top", fontsize=7, linespacing=1.5, transform=axis.transAxes)


def save_class_bars(
    path: str | Path,
    accuracies: Sequence[float],
    counts: Sequence[int],
    class_names: Sequence[str],
    *,
    title: str = "accuracy of each class",
) -> Path:
    """A png of a bar for each class, the best above, with the number of its videos. Returns `path`.

    Of more than 60 classes the best 30 and the worst 30 are drawn. Classes without videos are left out, and counted
    below.

    Args:
        accuracies: (K,) in percent; of a class without videos anything.
        counts: (K,) videos.

    Raises:
        ValueError: not one accuracy and one count for each name.
    """
    if not len(accuracies) == len(counts) == len(class_names):
        found = f"{len(accuracies)} accuracies and {len(counts)} counts"
        raise ValueError(f"{found} for {len(class_names)} classes, wanted one of each for each")
    bars = [bar for bar in zip(accuracies, counts, class_names, strict=True) if bar[1] > 0]
    bars.sort(key=lambda bar: -bar[0])
    mean = float(np.mean([accuracy for accuracy, *_ in bars])) if bars else float("nan")
    absent, skipped = len(class_names) - len(bars), max(0, len(bars) - MOST_NAMED)
    places = np.arange(len(bars) - skipped, dtype=float)
    if skipped:
        bars = bars[: MOST_NAMED // 2] + bars[-MOST_NAMED // 2 :]
        places[MOST_NAMED // 2 :] += 2  # room for a word
    figure = Figure(figsize=(6.5, 0.19 * (len(bars) + 2) + 1.2), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    values = np.array([accuracy for accuracy, *_ in bars])
    axis.barh(places, values, height=0.75, color=matplotlib.colormaps[COLOURS](0.35))
    for place, value in zip(places, values, strict=True):
        paper = {"facecolor": "white", "pad": 0.6, "linewidth": 0}  # over the line of the mean
        axis.text(value + 1, place, f"{value:.0f}", va="center", fontsize=7, bbox=paper)
    if skipped:
        axis.text(2, MOST_NAMED / 2 + 0.5, f"… {skipped} more classes …", va="center", fontsize=8, style="italic")
    axis.axvline(mean, color="black", linestyle="--", linewidth=1)
    axis.set_yticks(places, [f"{_cut(name)} ({count})" for _, count, name in bars], fontsize=7.5)
    axis.set(xlim=(0, 107), ylim=(len(places) + (1.6 if skipped else -0.4), -0.6))
    axis.set_xticks(range(0, 101, 20))
    without = f"\n{absent} without videos not drawn" if absent else ""
    axis.set_xlabel(f"% of the videos of a class that are right; dashed: mean, {mean:.1f} %{without}", fontsize=9)
    axis.set_ylabel("class (number of videos)", fontsize=9)
    axis.set_title(title, fontsize=11, weight="bold")
    axis.spines[["top", "right"]].set_visible(False)
    return _save_figure(figure, path)


def _cut(name):
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


# ---- features -------------------------------------------------------------------------------------------------------

MARKERS = "osD^vPX<>phd"
UNLABELLED = -1


def save_embedding(
    path: str | Path,
    points: np.ndarray,
    labels: Sequence[int],
    class_names: Sequence[str],
    title: str,
    *,
    axis_labels: tuple[str, str] = ("", ""),
) -> Path:
    """A png of features in the plane, one point a video. Returns `path`.

    Up to 12 classes have a colour, a marker and a line in the legend. More have a colour and their name above most of
    their points. Videos of class -1, which have none, are small and grey.

    Args:
        points: (V, 2), as `projections.pca` and `projections.tsne` give them.
        labels: (V,) class numbers.

    Raises:
        ValueError: not one label for each point, or points that are not (V, 2).
    """
    points, labels = np.asarray(points, dtype=float), np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != points.shape[:1]:
        raise ValueError(f"points are {points.shape} and labels {labels.shape}, wanted (V, 2) and (V,)")
    figure = Figure(figsize=(7.0, 5.2), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    present = [number for number in np.unique(labels) if number != UNLABELLED]
    colours = matplotlib.colormaps[COLOURS](np.linspace(0, 0.92, max(len(present), 1)))
    size = float(np.clip(14000 / max(len(points), 1), 8, 50))  # square points
    axis.scatter(*points[labels == UNLABELLED].T, s=size / 3, color="lightgrey", linewidths=0)
    is_listed = len(present) <= len(MARKERS)
    for number, (label, colour) in enumerate(zip(present, colours, strict=True)):
        own = points[labels == label]
        marker = MARKERS[number] if is_listed else "o"
        name = _cut(class_names[label])
        axis.scatter(*own.T, s=size, color=[colour], marker=marker, label=name, alpha=0.85, edgecolors="white", lw=0.3)
        if not is_listed:
            box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.7, "linewidth": 0}
            above = (0, 2 + size**0.5 / 2)  # points
            top = (np.median(own[:, 0]), np.quantile(own[:, 1], 0.9))
            axis.annotate(name, top, above, textcoords="offset points", fontsize=6, ha="center", bbox=box)
    if is_listed and present:
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axis.set(xticks=[], yticks=[], xlabel=axis_labels[0], ylabel=axis_labels[1])
    axis.set_title(title, fontsize=11, weight="bold")
    return _save_figure(figure, path)


def _save_figure(figure, path):
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a `$` in the name of a class begins no formula
    with replacing(path) as temporary:
        figure.savefig(temporary)
    return Path(path)


__all__ = [
    "save_class_bars",
    "save_confusion_matrix",
    "save_curves",
    "save_embedding",
    "save_panels",
    "save_training_curves",
    "similar_first",
]
