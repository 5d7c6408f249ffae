# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import sys

import numpy as np
import pytest

from videomae.projections import pca, tsne


def test_pca_gives_the_directions_of_largest_variance():
    generator = np.random.default_rng(0)
    directions, _ = np.linalg.qr(generator.normal(size=(6, 3)))
    hidden = generator.normal(size=(50, 3)) * [9, 3, 1]
    points, shares = pca(hidden @ directions.T + 7, num_components=2)
    values, vectors = np.linalg.eigh(np.cov((hidden @ directions.T).T))
    assert shares == pytest.approx(values[::-1][:2] / values.sum())
    assert points.var(axis=0, ddof=1) == pytest.approx(values[::-1][:2])
    assert points.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    for component in (0, 1):
        weights = vectors[:, -1 - component]
        weights = weights * np.sign(weights[np.abs(weights).argmax()])
        centred = hidden @ directions.T - (hidden @ directions.T).mean(axis=0)
        assert points[:, component] == pytest.approx(centred @ weights)


def test_pca_of_a_mirrored_direction_is_the_same_picture():
    features = np.random.default_rng(1).normal(size=(9, 4))
    assert pca(features)[0] == pytest.approx(pca(features[:, ::-1])[0])


@pytest.mark.parametrize("shape", [(2, 5), (5, 1), (5,)])
def test_pca_of_too_little_raises(shape):
    with pytest.raises(ValueError, match="wanted .V, D. with more than 2 videos and at least 2 numbers each"):
        pca(np.zeros(shape))


def test_tsne_keeps_neighbours():
    pytest.importorskip("sklearn")
    labels = np.arange(40) % 4
    generator = np.random.default_rng(0)
    features = 20 * generator.normal(size=(4, 8))[labels] + generator.normal(size=(40, 8))
    points = tsne(features, seed=3)
    assert points.shape == (40, 2) and (points == tsne(features, seed=3)).all()
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(40)
    assert (labels[distances.argmin(axis=1)] == labels).all()


def test_tsne_of_too_few_videos_raises():
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match=r"features are \(6, 3\), wanted .V, D. of at least 7 videos"):
        tsne(np.zeros((6, 3)))


def test_tsne_without_scikit_learn_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ValueError, match=r"pip install 'videomae\[plots\]'"):
        tsne(np.zeros((9, 3)))
