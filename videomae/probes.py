# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What is in the features of a frozen encoder: how they spread over clips, and how well they tell classes apart.

Everything is computed in closed form, in float64 on the CPU: no training, no randomness.

Shapes: n clips of D features; K classes.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

NEIGHBOURS = 20  # DINO (Caron et al. 2021, appendix F.1) found 20 to do best
TEMPERATURE = 0.07  # of the same
RIDGES = tuple(10.0**power for power in range(-3, 4))  # strengths that are tried, for features of variance 1
HELD_OUT = 3  # every so many-th video of a class is one to test on


# ---- spread ----


def relative_deviation(features: Tensor) -> float:
    """How much the features (n, D) differ from clip to clip, as a share of their length.

    √(Σ_j var_j / mean_i ‖z_i‖²), variances over the clips (not the unbiased ones). 0: all clips have the same
    features; 1: they have no common part at all. A collapse shows as in SimSiam (Chen & He 2021, section 4.1), which
    watches the deviation of normalised features fall to 0.
    """
    features = features.double().cpu()
    spread = features.var(dim=0, correction=0).sum() / features.square().sum(dim=1).mean()
    return spread.sqrt().item()


def effective_rank(features: Tensor) -> float:
    """RankMe (Garrido et al. 2023, equation 1) of features (n, D): 1, all clips alike, to min(n, D).

    exp(-Σ_k p_k log p_k), where p_k are the singular values divided by their sum; the features are not centred. NaN
    for features that are not finite.
    """
    if not features.isfinite().all():
        return math.nan
    singular = torch.linalg.svdvals(features.double().cpu())
    shares = singular / singular.sum()
    return torch.special.entr(shares).sum().exp().item()


# ---- classes ----


def split_rows(labels: Sequence[int]) -> tuple[list[int], list[int]]:
    """Rows to learn from and rows to test on: of each class, in its order, every `HELD_OUT`-th video is tested on, and
    of a class of two the second.

    Raises ValueError for a class with a single video.
    """
    labels = np.asarray(labels)
    tested = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise ValueError(f"class {label} has 1 video, wanted at least 2: one to learn from, one to test on")
        tested += rows[min(HELD_OUT, len(rows)) - 1 :: HELD_OUT].tolist()
    return sorted(set(range(len(labels))) - set(tested)), sorted(tested)


def chance_level(labels: Tensor, test_labels: Tensor) -> float:
    """Percent of the test videos (m,) that are of the class that is most frequent among those to learn from (n,)."""
    return 100 * (test_labels == labels.bincount().argmax()).double().mean().item()


def knn_classes(features: Tensor, labels: Tensor, test_features: Tensor) -> Tensor:
    """The class (m,) of each test video that its nearest neighbours tell, as DINO does it.

    The `NEIGHBOURS` features of highest cosine vote for their class with weight exp(cosine / `TEMPERATURE`). Both sets
    are standardised by the first one's statistics before: what all features have in common would make all cosines 1.

    Args:
        features, labels: (n, D) and int64 (n,), to learn from.
        test_features: (m, D).
    """
    known, asked = (F.normalize(part) for part in _standardized(features, test_features))
    cosine, nearest = (asked @ known.T).topk(min(NEIGHBOURS, len(known)))
    votes = torch.zeros(len(asked), int(labels.max()) + 1, dtype=cosine.dtype)
    votes.scatter_add_(1, labels[nearest], (cosine / TEMPERATURE).exp())
    return votes.argmax(dim=1)


def knn_accuracy(features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor) -> float:
    """Percent of the test videos, of labels (m,), for which `knn_classes` is right."""
    return percent_right(knn_classes(features, labels, test_features), test_labels)


def linear_probe_classes(features: Tensor, labels: Tensor, test_features: Tensor) -> Tensor:
    """The class (m,) of each test video that a linear classifier tells: ridge regression on one-hot labels.

    Its strength is the one of `RIDGES` with the smallest squared error when each video is left out in turn, which has
    a closed form (Hastie et al., The Elements of Statistical Learning, equation 7.64). Arguments as of `knn_classes`.
    """
    known, asked = _standardized(features, test_features)
    targets = F.one_hot(labels).to(known.dtype)
    offset = targets.mean(dim=0)
    left, singular, right = torch.linalg.svd(known, full_matrices=False)
    rotated = left.T @ (targets - offset)

    def error(ridge: float) -> float:
        shrunk = singular**2 / (singular**2 + ridge * len(known))
        residual = targets - offset - left @ (shrunk[:, None] * rotated)
        leverage = (left**2 * shrunk).sum(dim=1) + 1 / len(known)  # 1 / n: of the offset
        return (residual / (1 - leverage)[:, None]).square().mean().item()

    ridge = min(RIDGES, key=error)
    weight = right.T @ ((singular / (singular**2 + ridge * len(known)))[:, None] * rotated)
    return (asked @ weight + offset).argmax(dim=1)


def linear_probe_accuracy(features: Tensor, labels: Tensor, test_features: Tensor, test_labels: Tensor) -> float:
    """Percent of the test videos, of labels (m,), for which `linear_probe_classes` is right."""
    return percent_right(linear_probe_classes(features, labels, test_features), test_labels)


def percent_right(found: Tensor, labels: Tensor) -> float:
    """Percent of the classes found (m,) that are the labels (m,)."""
    return 100 * (found == labels).double().mean().item()


def _standardized(features: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Both without the first one's mean and, per feature, divided by its deviation; a constant feature becomes 0."""
    features, others = features.double().cpu(), others.double().cpu()
    deviation, mean = torch.std_mean(features, dim=0, correction=0)
    scale = torch.where(deviation > 1e-6 * features.abs().amax(dim=0), 1 / deviation, 0)  # 1e-6: rounding of float32
    return (features - mean) * scale, (others - mean) * scale


__all__ = [
    "chance_level",
    "effective_rank",
    "knn_accuracy",
    "knn_classes",
    "linear_probe_accuracy",
    "linear_probe_classes",
    "percent_right",
    "relative_deviation",
    "split_rows",
]
