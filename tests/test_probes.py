# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Spread, rank and class accuracy of features, against matrices whose answers are known."""

import math

import numpy as np
import pytest
import torch

from videomae import probes
from videomae.probes import (
    chance_level,
    effective_rank,
    knn_accuracy,
    linear_probe_accuracy,
    relative_deviation,
    split_rows,
)


def orthogonal(rows, columns, seed=0):
    """(rows, columns) with orthonormal columns."""
    random = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(rows, columns, generator=random, dtype=torch.float64))[0]


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_the_rank_of_equal_singular_values_is_their_number(rank):
    features = 7.0 * orthogonal(11, 5)[:, :rank] @ orthogonal(6, 5, seed=1)[:, :rank].T
    assert effective_rank(features) == pytest.approx(rank, rel=1e-6)


def test_unequal_singular_values_count_by_their_entropy():
    features = orthogonal(9, 2) @ torch.diag(torch.tensor([3.0, 1.0]).double()) @ orthogonal(4, 2, seed=1).T
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(features) == pytest.approx(math.exp(entropy), rel=1e-9)
    assert effective_rank(-40 * features.float()) == pytest.approx(math.exp(entropy), rel=1e-5)


def test_clips_with_one_feature_have_rank_1_and_no_deviation():
    features = torch.tensor([[3.0, -1.0, 0.5]]).expand(8, 3)
    assert effective_rank(features) == pytest.approx(1.0)
    assert relative_deviation(features) == 0.0


def test_features_that_are_not_finite_have_no_rank():
    assert math.isnan(effective_rank(torch.tensor([[1.0, math.nan], [2.0, 3.0]])))


def test_the_deviation_is_a_share_of_the_length():
    features = torch.tensor([[3.0, 4.0], [3.0, -4.0]])  # length 5, of which 4 differ
    assert relative_deviation(features) == pytest.approx(0.8)
    assert relative_deviation(1e-3 * features) == pytest.approx(0.8)
    assert relative_deviation(torch.cat([features, -features])) == pytest.approx(1.0)


def test_every_third_video_of_a_class_is_tested_on_and_of_two_the_second():
    labels = [4, 2, 4, 4, 2, 4, 4, 4]
    assert split_rows(labels) == ([0, 1, 2, 5, 6], [3, 4, 7])


def test_a_class_of_one_video_can_not_be_split():
    with pytest.raises(ValueError, match="class 5 has 1 video, wanted at least 2"):
        split_rows([1, 5, 1])


def test_chance_is_to_say_the_most_frequent_class():
    assert chance_level(torch.tensor([2, 0, 2]), torch.tensor([0, 1, 2, 0, 0])) == pytest.approx(20.0)


def blobs(per_class, *, seed, distance=4.0, classes=3, width=10):
    """Features of classes around their own centres, which have a lot in common; the width is their dimension."""
    random = torch.Generator().manual_seed(seed)
    centres = distance * orthogonal(width, classes).T + 100.0
    labels = torch.arange(classes).repeat(per_class)
    return centres[labels] + torch.randn(len(labels), width, generator=random, dtype=torch.float64), labels


@pytest.mark.parametrize("accuracy", [knn_accuracy, linear_probe_accuracy])
def test_separate_classes_are_told_apart(accuracy):
    assert accuracy(*blobs(15, seed=0, distance=8.0), *blobs(7, seed=1, distance=8.0)) == 100.0


@pytest.mark.parametrize("accuracy", [knn_accuracy, linear_probe_accuracy])
def test_features_without_classes_give_about_chance(accuracy):
    found = accuracy(*blobs(60, seed=0, distance=0.0), *blobs(100, seed=1, distance=0.0))
    assert found == pytest.approx(33.3, abs=8.2)  # three deviations of 300 draws


@pytest.mark.parametrize("accuracy", [knn_accuracy, linear_probe_accuracy])
def test_features_that_are_all_alike_give_chance(accuracy):
    labels, test_labels = torch.tensor([0, 1, 1, 1, 2]), torch.tensor([1, 0, 2, 1])
    assert accuracy(torch.ones(5, 6), labels, torch.ones(4, 6), test_labels) == 50.0


@pytest.mark.parametrize("accuracy", [knn_accuracy, linear_probe_accuracy])
def test_the_scale_of_single_features_does_not_count(accuracy):
    (known, labels), (asked, test_labels) = blobs(15, seed=0, distance=2.5), blobs(40, seed=1, distance=2.5)
    scale = 10.0 ** torch.arange(-5, 5)
    scaled = accuracy(known * scale, labels, asked * scale, test_labels)
    assert scaled == accuracy(known, labels, asked, test_labels) < 100


def test_a_near_neighbour_outvotes_three_far_ones():
    known = torch.tensor([[1.0, 0.0], [-0.1, 1.0], [-0.8, -0.5], [-0.1, -0.5]])  # almost standardised
    labels = torch.tensor([1, 0, 0, 0])
    assert knn_accuracy(known, labels, torch.tensor([[1.0, 0.1]]), torch.tensor([1])) == 100.0


def test_only_the_nearest_neighbours_vote(monkeypatch):
    known, labels = blobs(60, seed=0, distance=2.0, width=20)
    asked, test_labels = blobs(30, seed=2, distance=2.0, width=20)
    mean, deviation = known.mean(0), known.std(0, correction=0)
    known_unit, asked_unit = (((part - mean) / deviation).numpy() for part in (known, asked))
    known_unit /= np.linalg.norm(known_unit, axis=1, keepdims=True)
    asked_unit /= np.linalg.norm(asked_unit, axis=1, keepdims=True)
    right = 0
    for unit, label in zip(asked_unit, test_labels.tolist(), strict=True):
        cosine = known_unit @ unit
        votes = np.zeros(3)
        for row in np.argsort(-cosine)[:20]:
            votes[labels[row]] += np.exp(cosine[row] / 0.07)
        right += votes.argmax() == label
    assert knn_accuracy(known, labels, asked, test_labels) == pytest.approx(100 * right / 90)
    monkeypatch.setattr(probes, "NEIGHBOURS", 180)
    assert knn_accuracy(known, labels, asked, test_labels) != pytest.approx(100 * right / 90)


def ridge(known, targets, asked, strength):
    """Scores by the normal equations."""
    offset, mean = targets.mean(0), known.mean(0)
    known, asked = known - mean, asked - mean
    gram = known.T @ known + strength * np.eye(known.shape[1])
    return asked @ np.linalg.solve(gram, known.T @ (targets - offset)) + offset


@pytest.mark.parametrize(("per_class", "width"), [(2, 6), (4, 25), (12, 10), (40, 10)])
def test_the_linear_probe_is_the_ridge_that_predicts_left_out_videos_best(per_class, width):
    known, labels = blobs(per_class, seed=3, distance=1.2, width=width)
    asked, test_labels = blobs(50, seed=4, distance=1.2, width=width)
    mean, deviation = known.mean(0), known.std(0, correction=0)
    known, asked = ((known - mean) / deviation).numpy(), ((asked - mean) / deviation).numpy()
    targets = np.eye(3)[labels]
    errors = {}
    for strength in np.array([1e-3, 1e-2, 0.1, 1, 10, 100, 1000]) * len(known):
        error = 0
        for row in range(len(known)):
            others = np.arange(len(known)) != row
            error += ((ridge(known[others], targets[others], known[[row]], strength) - targets[row]) ** 2).sum()
        errors[strength] = error
    best = ridge(known, targets, asked, min(errors, key=errors.get)).argmax(1)
    expected = 100 * (best == test_labels.numpy()).mean()
    torch_known, torch_asked = torch.from_numpy(known), torch.from_numpy(asked)
    assert linear_probe_accuracy(torch_known, labels, torch_asked, test_labels) == pytest.approx(expected)
    worst = ridge(known, targets, asked, max(errors, key=errors.get)).argmax(1)
    assert (worst != best).any()
