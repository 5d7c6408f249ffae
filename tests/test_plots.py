# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from videomae.plots import (
    save_class_bars,
    save_confusion_matrix,
    save_curves,
    save_embedding,
    save_panels,
    save_training_curves,
    similar_first,
)


@pytest.fixture
def drawn(monkeypatch):
    """`drawn(save, *arguments) -> Figure`: what a function draws, which goes into no file."""

    def call(save, *arguments, **options):
        figures = []
        with monkeypatch.context() as patched:
            patched.setattr(Figure, "savefig", lambda figure, path, **kwargs: figures.append(figure))
            save("never", *arguments, **options)
        (figure,) = figures
        return figure

    return call


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def texts(axis):
    return [text.get_text() for text in axis.texts]


def names(count):
    return [f"class {number}" for number in range(count)]


def in_pairs(count, generator):
    """Counts (K, K) in which class k is taken for its partner, and only for it; partners are far from each other."""
    order = generator.permutation(count)
    matrix = 5 * np.eye(count)
    for first, second in order.reshape(-1, 2):
        matrix[first, second] = matrix[second, first] = 3
    return matrix, order.reshape(-1, 2)


# ---- curves ----


def test_curves_are_written_whole(tmp_path):
    curves = {"train": [(0, 1.0), (10, 0.5)], "validation": [(0, 1.1), (10, 0.7)], "nothing yet": []}
    with Image.open(save_curves(curves, tmp_path / "c.png", x_label="step", y_label="loss", title="t")) as picture:
        assert picture.format == "PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["c.png"]


def test_panels_are_drawn_below_each_other(tmp_path):
    panel = {"train": [(0, 1.0), (10, 0.5)], "one point": [(3, 0.5)]}
    heights = []
    for count in (1, 3):
        panels = {f"loss {number}": panel for number in range(count)}
        with Image.open(save_panels(panels, tmp_path / "p.png", x_label="step", title="t")) as picture:
            heights.append(picture.height)
    assert heights == [420, 1020]  # 3.5 and 8.5 inches


def test_a_training_has_panels_of_its_losses_and_of_each_metric(drawn):
    log = [{"step": 2, "loss": 1.5, "grad_norm": 3.0}, {"step": 4, "loss": 1.0}]
    log += [{"step": 4, "eval_loss": 1.2, "eval_top1": 60.0, "eval_runtime": 7.0, "eval_samples_per_second": 3.0}]
    log += [{"step": 4, "train_runtime": 9.0, "train_loss": 1.25}]
    losses, top1 = drawn(lambda path: save_training_curves(log, path)).axes
    assert (losses.get_ylabel(), top1.get_ylabel(), top1.get_xlabel()) == ("loss", "validation top1", "step")
    assert [line.get_xydata().tolist() for line in losses.lines] == [[[2, 1.5], [4, 1.0]], [[4, 1.2]]]
    assert [line.get_xydata().tolist() for line in top1.lines] == [[[4, 60.0]]]


# ---- confusion matrix ----


def test_a_confusion_matrix_shows_shares_of_each_class_and_counts(drawn):
    matrix = [[6, 2, 0], [0, 3, 1], [0, 0, 0]]
    figure = drawn(save_confusion_matrix, matrix, ["up", "down", "left"], title="of a test")
    axis = figure.axes[0]
    shares = axis.images[0].get_array()
    assert np.ma.getmaskarray(shares)[2].all() or np.isnan(shares[2]).all()  # a class without videos is no 0 %
    assert np.asarray(shares)[:2].tolist() == [[75, 25, 0], [0, 75, 25]]
    assert texts(axis) == ["6", "2", "3", "1"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["up (8)", "down (4)", "left (0)"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["up", "down", "left"]
    assert figure.get_suptitle() == "of a test: 75.0 % of 12 videos are right"


def test_numbers_in_cells_are_legible_on_dark_and_bright_ones(drawn):
    axis = drawn(save_confusion_matrix, [[9, 1], [0, 5]], ["up", "down"]).axes[0]
    assert [text.get_color() for text in axis.texts] == ["black", "white", "black"]


def test_many_classes_that_are_taken_for_each_other_lie_side_by_side(drawn):
    matrix, pairs = in_pairs(30, np.random.default_rng(0))
    axis = drawn(save_confusion_matrix, matrix, names(30)).axes[0]
    order = [int(label.get_text().split()[1]) for label in axis.get_yticklabels()]
    assert order == similar_first(matrix).tolist() and sorted(order) == list(range(30))
    assert all(abs(order.index(first) - order.index(second)) == 1 for first, second in pairs)
    assert [label.get_text() for label in axis.get_xticklabels()] == [f"class {number}" for number in order]
    assert texts(axis) == []


def test_names_give_way_to_a_list_of_confusions_where_they_have_no_room(drawn):
    matrix = 9 * np.eye(70)
    matrix[3, 8], matrix[8, 3] = 4, 2
    axis, listed, _ = drawn(save_confusion_matrix, matrix, names(70)).axes
    assert len(axis.get_yticks()) == 0
    rows = listed.texts[0].get_text().splitlines()
    assert rows == ["most frequent confusions", "", "4 of 13  class 3 → class 8", "2 of 11  class 8 → class 3"]


def test_long_names_are_cut(drawn):
    figure = drawn(save_confusion_matrix, np.eye(2), ["throwing something against something", "up"])
    assert figure.axes[0].get_xticklabels()[0].get_text() == "throwing something ag…"


def test_a_logarithmic_scale_shows_rare_confusions(drawn):
    matrix = 99 * np.eye(3)
    matrix[0, 1] = 1
    brightness = []
    for log_scale in (False, True):
        image = drawn(save_confusion_matrix, matrix, names(3), log_scale=log_scale).axes[0].images[0]
        colours = image.cmap(image.norm(image.get_array()))
        brightness.append(colours[1, 1, :3].sum() - colours[0, 1, :3].sum())
        assert image.norm(100) == 1
    assert image.norm(1.0) == 0  # the rarest is the darkest
    never = image.cmap(image.norm(image.get_array()))[2, 0]
    assert never[:3] == pytest.approx(matplotlib.colors.to_rgb("lightgrey"))


def test_a_matrix_that_does_not_fit_the_names_raises():
    with pytest.raises(ValueError, match=r"a confusion matrix is \(2, 2\), wanted \(3, 3\) for 3 classes"):
        save_confusion_matrix("c.png", np.eye(2), names(3))


# ---- bars of classes ----


def test_bars_are_sorted_and_classes_without_videos_are_counted(drawn):
    figure = drawn(save_class_bars, [50, 100, 0, 25], [4, 2, 0, 8], ["up", "down", "left", "right"], title="t")
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["down (2)", "up (4)", "right (8)"]
    assert [patch.get_width() for patch in axis.patches[:3]] == [100, 50, 25]
    assert texts(axis) == ["100", "50", "25"]
    assert "mean, 58.3 %" in axis.get_xlabel() and "1 without videos not drawn" in axis.get_xlabel()
    low, high = axis.get_ylim()
    assert low > high  # the best is above
    assert axis.get_title() == "t"


def test_of_many_classes_the_best_and_the_worst_are_drawn(drawn):
    axis = drawn(save_class_bars, np.arange(90), np.ones(90, dtype=int), names(90)).axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert labels == [f"class {number} (1)" for number in [*range(89, 59, -1), *range(29, -1, -1)]]
    assert "… 30 more classes …" in texts(axis)
    assert "mean, 44.5 %" in axis.get_xlabel()  # of all 90


def test_bars_that_do_not_fit_the_names_raise():
    with pytest.raises(ValueError, match="2 accuracies and 3 counts for 3 classes"):
        save_class_bars("b.png", [1, 2], [1, 2, 3], names(3))


# ---- features ----


def test_each_class_has_its_own_colour_and_marker_and_a_line_in_the_legend(drawn):
    points = np.array([[0, 0], [1, 0], [0, 1], [5, 5]])
    figure = drawn(save_embedding, points, [2, 0, 2, -1], names(3), "features", axis_labels=("one", "two"))
    axis = figure.axes[0]
    unlabelled, first, second = axis.collections
    assert unlabelled.get_offsets().tolist() == [[5, 5]]
    assert first.get_offsets().tolist() == [[1, 0]] and second.get_offsets().tolist() == [[0, 0], [0, 1]]
    assert not np.allclose(first.get_facecolor(), second.get_facecolor())
    assert len(first.get_paths()[0]) != len(second.get_paths()[0])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["class 0", "class 2"]
    assert (axis.get_title(), axis.get_xlabel(), axis.get_ylabel()) == ("features", "one", "two")


def test_many_classes_are_named_beside_their_points(drawn):
    points = np.random.default_rng(0).normal(size=(60, 2))
    axis = drawn(save_embedding, points, np.arange(60) % 20, names(20), "features").axes[0]
    assert axis.get_legend() is None and texts(axis) == names(20)


def test_points_without_labels_raise():
    with pytest.raises(ValueError, match=r"points are \(3, 2\) and labels \(2,\)"):
        save_embedding("e.png", np.zeros((3, 2)), [0, 1], names(2), "t")
    with pytest.raises(ValueError, match=r"points are \(3, 4\)"):
        save_embedding("e.png", np.zeros((3, 4)), [0, 1, 1], names(2), "t")


def test_dollars_in_names_are_no_formulas(tmp_path):
    def bad(count):
        return [f"{number} a$x^$" for number in range(count)]

    title = "cost_$5_a^$"
    for count in (3, 21, 61):
        save_confusion_matrix(tmp_path / "c.png", np.ones((count, count)), bad(count), title=title)
    save_class_bars(tmp_path / "b.png", [1, 2, 3], [1, 1, 1], bad(3), title=title)
    for count in (3, 13):
        points = np.random.default_rng(0).normal(size=(count, 2))
        save_embedding(tmp_path / "e.png", points, range(count), bad(count), title, axis_labels=(title, title))
    save_curves({name: [(0, 1)] for name in bad(2)}, tmp_path / "l.png", x_label=title, y_label=title, title=title)


def test_every_plot_is_a_png(tmp_path):
    paths = [
        save_confusion_matrix(tmp_path / "c.png", np.eye(3), names(3)),
        save_class_bars(tmp_path / "b.png", [1, 2, 3], [1, 1, 1], names(3)),
        save_embedding(tmp_path / "e.png", np.eye(2), [0, 1], names(3), "t"),
    ]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        with Image.open(path) as picture:
            assert picture.format == "PNG" and picture.width > 400
