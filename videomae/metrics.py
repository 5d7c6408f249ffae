# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""How good the scores of videos are: one function a number, and the set of numbers that fits a problem type.

Shapes: N videos, K classes or outputs. Scores are what `evaluation.probabilities` makes of logits: (N, K)
probabilities, or the predicted numbers themselves for regression. Accuracies, precisions and calibration errors are
shares in the functions and percent in the sets.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

CALIBRATION_BINS = 15  # as in Guo et al. 2017
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")


def known_problem_type(problem_type: str | None, num_outputs: int) -> str:
    """One of `PROBLEM_TYPES`: where a configuration leaves it open, one output is regression, several are classes.

    Raises ValueError for any other.
    """
    if problem_type is None:
        return "regression" if num_outputs == 1 else "single_label_classification"
    if problem_type not in PROBLEM_TYPES:
        raise ValueError(f"problem_type is {problem_type!r}, wanted {' or '.join(PROBLEM_TYPES)}")
    return problem_type


# ---- one class a video: labels (N,) int64 ----


def top_k_accuracy(scores: Tensor, labels: Tensor, k: int) -> float:
    """Share of the videos whose class is among the k best; of equal scores the lower class counts as better."""
    ranked = scores.argsort(dim=1, descending=True, stable=True)
    return (ranked[:, :k] == labels[:, None]).any(dim=1).double().mean().item()


def confusion_matrix(scores: Tensor, labels: Tensor) -> Tensor:
    """How many videos of class i were taken for class j, int64 (K, K)."""
    num_classes = scores.shape[1]
    pairs = labels * num_classes + scores.argmax(dim=1)
    return pairs.bincount(minlength=num_classes**2).view(num_classes, num_classes)


def class_accuracies(confusion: Tensor) -> Tensor:
    """Share of each class's videos that are right, float64 (K,); NaN for a class without videos."""
    return confusion.diagonal() / confusion.sum(dim=1).double()


def mean_class_accuracy(scores: Tensor, labels: Tensor) -> float:
    """Mean of the accuracies of all classes that have videos."""
    return class_accuracies(confusion_matrix(scores, labels)).nanmean().item()


def expected_calibration_error(scores: Tensor, labels: Tensor, *, num_bins: int = CALIBRATION_BINS) -> float:
    """How far confidence and accuracy are apart (Guo et al. 2017, eq. 3, arXiv:1706.04599).

    The confidence of a video is the probability p of its best class. Bin m of M holds those with (m - 1) / M < p <=
    m / M, and the result is sum_m |B_m| / N * |accuracy(B_m) - mean confidence(B_m)|.
    """
    confidence, predicted = scores.double().max(dim=1)
    bins = (confidence * num_bins).ceil().long().clamp(1, num_bins) - 1
    gap = (predicted == labels).double() - confidence
    # |B_m| cancels: the sum of a bin's gaps is |B_m| times the difference of its means.
    return torch.zeros(num_bins, dtype=torch.double).index_add(0, bins, gap).abs().sum().item() / len(labels)


# ---- several classes a video: labels (N, K) of 0 and 1 ----


def average_precision(scores: Tensor, relevant: Tensor) -> float:
    """Of one class, (N,) and (N,) of 0 and 1: sum over thresholds n of (R_n - R_(n-1)) P_n; equal scores are one.

    NaN where no video is of the class.
    """
    order = scores.argsort(descending=True)
    scores, relevant = scores[order], relevant[order].double()
    is_last = torch.ones(len(scores), dtype=torch.bool)
    is_last[:-1] = scores[1:] != scores[:-1]
    found = relevant.cumsum(dim=0)[is_last]
    looked_at = torch.arange(1, len(scores) + 1)[is_last]
    recall = found / relevant.sum()
    return (recall.diff(prepend=recall.new_zeros(1)) * found / looked_at).sum().item()


def mean_average_precision(scores: Tensor, labels: Tensor) -> float:
    """Mean of `average_precision` over the classes that have videos; NaN where none has."""
    precisions = [average_precision(*pair) for pair in zip(scores.T, labels.T, strict=True)]
    return torch.tensor(precisions, dtype=torch.double).nanmean().item()


# ---- numbers: labels (N, K) or, of one output, (N,) ----


def mean_absolute_error(scores: Tensor, labels: Tensor) -> float:
    """Mean over videos and outputs, in the units of the labels."""
    return (scores.double() - labels.view_as(scores)).abs().mean().item()


def r2_score(scores: Tensor, labels: Tensor) -> float:
    """1 - (squared error) / (squared deviation from the mean), of each output, and the mean of these.

    Where all labels of an output are equal it is 1 if the predictions are too, and else 0, as in scikit-learn.
    """
    scores = scores.double().view(len(scores), -1)
    labels = labels.double().view_as(scores)
    error = (scores - labels).square().sum(dim=0)
    deviation = (labels - labels.mean(dim=0)).square().sum(dim=0)
    constant = (error == 0).double()
    return torch.where(deviation > 0, 1 - error / deviation, constant).mean().item()


# ---- the set for a problem type ----


def accuracy_metrics(scores: Tensor, labels: Sequence[int] | Tensor) -> dict[str, float | int]:
    """Top-1, top-5, mean class accuracy and expected calibration error in percent, and the number of videos."""
    labels = torch.as_tensor(labels)
    return {
        "top1": 100 * top_k_accuracy(scores, labels, 1),
        "top5": 100 * top_k_accuracy(scores, labels, 5),
        "mean_class_accuracy": 100 * mean_class_accuracy(scores, labels),
        "calibration_error": 100 * expected_calibration_error(scores, labels),
        "num_videos": len(labels),
    }


def multi_label_metrics(scores: Tensor, labels: Sequence[Sequence[float]] | Tensor) -> dict[str, float | int]:
    """Mean average precision in percent, of how many classes (those that have videos), and the number of videos.

    Where no class has videos there is no "mAP".
    """
    labels = torch.as_tensor(labels)
    num_classes = int(labels.any(dim=0).sum())
    precision = {"mAP": 100 * mean_average_precision(scores, labels)} if num_classes else {}
    return precision | {"num_classes": num_classes, "num_videos": len(labels)}


def regression_metrics(scores: Tensor, labels: Sequence[float] | Tensor) -> dict[str, float | int]:
    """Mean absolute error in the units of the labels, R² (1 is perfect, 0 the mean), and the number of videos."""
    labels = torch.as_tensor(labels)
    return {
        "mae": mean_absolute_error(scores, labels),
        "r2": r2_score(scores, labels),
        "num_videos": len(labels),
    }


def metrics_of(scores: Tensor, labels, problem_type: str | None) -> dict[str, float | int]:
    """The set that fits `problem_type` (None: `known_problem_type`), of scores (N, K).

    Raises ValueError for an unknown problem type, and for labels that are not as many as the scores.
    """
    labels = torch.as_tensor(labels)
    if len(labels) != len(scores):
        raise ValueError(f"scores are of {len(scores)} videos, labels of {len(labels)}: wanted as many of both")
    kind = known_problem_type(problem_type, scores.shape[1])
    if kind == "regression":
        return regression_metrics(scores, labels)
    return (
        multi_label_metrics(scores, labels)
        if kind == "multi_label_classification"
        else accuracy_metrics(scores, labels)
    )


__all__ = [
    "CALIBRATION_BINS",
    "PROBLEM_TYPES",
    "accuracy_metrics",
    "average_precision",
    "class_accuracies",
    "confusion_matrix",
    "expected_calibration_error",
    "known_problem_type",
    "mean_absolute_error",
    "mean_average_precision",
    "mean_class_accuracy",
    "metrics_of",
    "multi_label_metrics",
    "r2_score",
    "regression_metrics",
    "top_k_accuracy",
]
