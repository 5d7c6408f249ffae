# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Numbers of metrics: by hand, and against scikit-learn where that is installed."""

import math

import pytest
import torch

from videomae.metric_modules import Accuracy, ConfusionMatrix, MeanAveragePrecision, Regression
from videomae.metrics import (
    accuracy_metrics,
    average_precision,
    class_accuracies,
    confusion_matrix,
    expected_calibration_error,
    known_problem_type,
    mean_absolute_error,
    mean_average_precision,
    mean_class_accuracy,
    metrics_of,
    multi_label_metrics,
    r2_score,
    regression_metrics,
    top_k_accuracy,
)

SIX_CLASSES = torch.tensor([[6, 5, 4, 3, 2, 1], [1, 6, 5, 4, 3, 2], [1, 2, 3, 4, 5, 6], [6, 1, 2, 3, 4, 5.0]]) / 21


@pytest.fixture
def drawn():
    """Probabilities (200, 7) and labels of which one class has none."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(200, 7, generator=generator).softmax(-1)
    return scores, torch.randint(6, (200,), generator=generator)


@pytest.fixture
def sklearn_metrics():
    return pytest.importorskip("sklearn.metrics")


# ---- one class a video ----


def test_accuracies_against_a_count_by_hand():
    metrics = accuracy_metrics(SIX_CLASSES, [0, 0, 5, 1])
    # right: videos 0 and 2; among the best five: also none of 1 (class 0 is last) and 3 (class 1 is last)
    assert metrics["top1"] == pytest.approx(50)
    assert metrics["top5"] == pytest.approx(50)
    assert metrics["mean_class_accuracy"] == pytest.approx(100 * (0.5 + 1 + 0) / 3)
    assert metrics["num_videos"] == 4
    assert accuracy_metrics(SIX_CLASSES, [1, 2, 4, 5])["top5"] == pytest.approx(100)


def test_with_fewer_classes_than_k_all_are_among_the_best():
    assert top_k_accuracy(torch.tensor([[0.2, 0.5, 0.3]]), torch.tensor([0]), 5) == 1


def test_of_equal_scores_the_lower_class_is_the_better_one():
    scores = torch.tensor([[0.25, 0.25, 0.25, 0.25]] * 2)
    assert top_k_accuracy(scores, torch.tensor([0, 1]), 1) == 0.5
    assert confusion_matrix(scores, torch.tensor([0, 1]))[:, 0].tolist() == [1, 1, 0, 0]


def test_accuracies_are_those_of_scikit_learn(drawn, sklearn_metrics):
    scores, labels = drawn
    predicted = scores.argmax(1)
    for k in (1, 3, 5):
        expected = sklearn_metrics.top_k_accuracy_score(labels, scores, k=k, labels=range(7))
        assert top_k_accuracy(scores, labels, k) == pytest.approx(expected)
    matrix = sklearn_metrics.confusion_matrix(labels, predicted, labels=range(7))
    assert confusion_matrix(scores, labels).tolist() == matrix.tolist()
    kept = predicted < 6  # scikit-learn warns of predictions of a class without videos
    expected = sklearn_metrics.balanced_accuracy_score(labels[kept], predicted[kept])
    assert mean_class_accuracy(scores[kept], labels[kept]) == pytest.approx(expected)


def test_a_class_without_videos_has_no_accuracy_and_does_not_count():
    confusion = torch.tensor([[3, 1, 0], [0, 0, 0], [1, 1, 2]])
    shares = class_accuracies(confusion).tolist()
    assert shares[0] == 0.75 and math.isnan(shares[1]) and shares[2] == 0.5
    scores = torch.eye(3)[[0, 0, 2]]
    assert mean_class_accuracy(scores, torch.tensor([0, 2, 2])) == 0.75


def test_the_calibration_error_by_hand():
    # bins of a quarter: (0.5, 0.75] holds 0.6 right and 0.7 wrong, (0.75, 1] holds 0.9 right
    scores = torch.tensor([[0.6, 0.4], [0.7, 0.3], [0.1, 0.9]], dtype=torch.double)
    labels = torch.tensor([0, 1, 1])
    expected = 2 / 3 * abs(1 / 2 - 0.65) + 1 / 3 * abs(1 - 0.9)
    assert expected_calibration_error(scores, labels, num_bins=4) == pytest.approx(expected)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below_it():
    scores = torch.tensor([[0.5, 0.5], [0.6, 0.4]], dtype=torch.double)
    # alone in their bins: 0.5 wrong, 0.6 right. In one bin the gaps would cancel to 0.1 / 2
    assert expected_calibration_error(scores, torch.tensor([1, 0]), num_bins=4) == pytest.approx((0.5 + 0.4) / 2)


def test_scores_that_are_as_often_right_as_they_say_are_calibrated():
    scores = torch.tensor([[0.75, 0.25]] * 4)
    assert expected_calibration_error(scores, torch.tensor([0, 0, 0, 1])) == pytest.approx(0, abs=1e-7)
    assert expected_calibration_error(scores, torch.tensor([1, 1, 1, 1])) == pytest.approx(0.75)


# ---- several classes a video ----


def test_average_precision_by_hand():
    # found at ranks 1, 3 and 4 of 5: (1 / 1 + 2 / 3 + 3 / 4) / 3
    scores = torch.tensor([0.9, 0.1, 0.7, 0.8, 0.6])
    assert average_precision(scores, torch.tensor([1, 0, 1, 0, 1])) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_equal_scores_are_one_threshold():
    assert average_precision(torch.full((4,), 0.5), torch.tensor([1, 0, 0, 0])) == 0.25


def test_mean_average_precision_leaves_out_classes_without_videos(sklearn_metrics):
    generator = torch.Generator().manual_seed(1)
    scores = torch.rand(50, 5, generator=generator).mul(20).round() / 20  # with ties
    labels = (torch.rand(50, 5, generator=generator) < 0.3).float()
    labels[:, 3] = 0
    kept = [0, 1, 2, 4]
    expected = sklearn_metrics.average_precision_score(labels[:, kept], scores[:, kept], average="macro")
    assert mean_average_precision(scores, labels) == pytest.approx(expected)
    metrics = multi_label_metrics(scores, labels)
    assert metrics == {"mAP": pytest.approx(100 * expected), "num_classes": 4, "num_videos": 50}


def test_videos_without_any_class_have_no_mean_average_precision():
    scores, labels = torch.rand(4, 3), torch.zeros(4, 3)
    assert multi_label_metrics(scores, labels) == {"num_classes": 0, "num_videos": 4}


# ---- numbers ----


def test_errors_of_numbers_by_hand():
    scores, labels = torch.tensor([[1.0], [3.0], [8.0]]), [2.0, 4.0, 6.0]
    assert mean_absolute_error(scores, torch.tensor(labels)) == pytest.approx(4 / 3)
    assert regression_metrics(scores, labels) == {
        "mae": pytest.approx(4 / 3),
        "r2": pytest.approx(1 - 6 / 8),
        "num_videos": 3,
    }


def test_several_outputs_count_alike(sklearn_metrics):
    generator = torch.Generator().manual_seed(2)
    labels = torch.randn(30, 3, generator=generator) * torch.tensor([1.0, 10.0, 0.1])
    scores = labels + torch.randn(30, 3, generator=generator)
    assert r2_score(scores, labels) == pytest.approx(sklearn_metrics.r2_score(labels, scores))
    assert mean_absolute_error(scores, labels) == pytest.approx(sklearn_metrics.mean_absolute_error(labels, scores))


def test_of_equal_labels_nothing_is_explained():
    assert r2_score(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 1.0])) == 0
    assert r2_score(torch.tensor([[1.0], [1.0]]), torch.tensor([1.0, 1.0])) == 1


# ---- by problem type ----


def test_the_problem_type_says_which_metrics():
    scores = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    assert metrics_of(scores, [0, 1], None) == accuracy_metrics(scores, [0, 1])
    assert metrics_of(scores, [0, 1], "single_label_classification")["top1"] == 100
    assert metrics_of(scores, [[1, 0], [1, 1]], "multi_label_classification")["mAP"] == 100
    assert metrics_of(scores, [[0.9, 0.1], [0.2, 0.8]], "regression")["r2"] == pytest.approx(1)
    assert set(metrics_of(scores[:, :1], [0.5, 0.5], None)) == {"mae", "r2", "num_videos"}


def test_problem_types_and_numbers_of_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="problem_type is 'ranking', wanted single_label_classification or"):
        known_problem_type("ranking", 3)
    with pytest.raises(ValueError, match="scores are of 2 videos, labels of 3"):
        metrics_of(torch.rand(2, 4), [0, 1, 2], None)


# ---- as metrics of `evaluate` ----


def test_metrics_of_evaluate_add_up_over_batches(drawn, tmp_path):
    scores, labels = drawn
    metric, matrix = Accuracy(cache_dir=str(tmp_path)), ConfusionMatrix(cache_dir=str(tmp_path))
    for start in range(0, 200, 70):
        part = slice(start, start + 70)
        for each in (metric, matrix):
            each.add_batch(predictions=scores[part].tolist(), references=labels[part].tolist())
    assert metric.compute() == pytest.approx(accuracy_metrics(scores, labels))
    assert matrix.compute() == {"confusion_matrix": confusion_matrix(scores, labels).tolist()}


def test_several_labels_and_numbers_have_metrics_of_evaluate_too(tmp_path):
    scores, labels = torch.tensor([[0.9, 0.1, 0.4], [0.2, 0.8, 0.6]]), [[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]
    found = MeanAveragePrecision(cache_dir=str(tmp_path)).compute(predictions=scores.tolist(), references=labels)
    assert found == pytest.approx(multi_label_metrics(scores, labels)) and found["num_classes"] == 3
    found = Regression(cache_dir=str(tmp_path)).compute(predictions=[[1.0], [3.0]], references=[[1.5], [2.0]])
    assert found == pytest.approx({"mae": 0.75, "r2": -9, "num_videos": 2})
