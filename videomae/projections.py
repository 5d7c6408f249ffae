# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Features of videos in the plane, to look at: PCA and t-SNE.

PCA keeps distances as far as a plane can and says how far that is. t-SNE keeps neighbours; its distances between
groups, and the sizes of groups, mean nothing.
"""

import numpy as np


def pca(features: np.ndarray, num_components: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """The coordinates (V, n) of features (V, D) along their directions of largest variance, and the share (n,) of the
    whole variance that each direction has.

    The sign of a direction is such that its largest weight is positive.

    Raises:
        ValueError: features that are not (V, D), or have fewer directions than asked for.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or min(len(features) - 1, features.shape[-1]) < num_components:
        raise ValueError(
            f"features are {features.shape}, wanted (V, D) with more than {num_components} videos and at least "
            f"{num_components} numbers each"
        )
    centred = features - features.mean(axis=0)
    scores, deviations, directions = np.linalg.svd(centred, full_matrices=False)
    largest = np.abs(directions).argmax(axis=1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1, 1)
    variances = deviations**2
    shares = variances / max(variances.sum(), np.finfo(float).tiny)
    return (scores * deviations * signs)[:, :num_components], shares[:num_components]


def tsne(features: np.ndarray, *, perplexity: float = 30.0, seed: int = 0) -> np.ndarray:
    """The t-SNE (van der Maaten and Hinton 2008) of features (V, D): float (V, 2), from a start by PCA.

    Args:
        perplexity: about how many neighbours a video has; less where there are few videos, at most (V - 1) / 3.

    Raises:
        ValueError: scikit-learn is not installed; features that are not (V, D), or of fewer than 7 videos.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise ValueError("t-SNE needs scikit-learn: pip install 'videomae[plots]'; PCA needs nothing") from error
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or len(features) < 7:
        raise ValueError(f"features are {features.shape}, wanted (V, D) of at least 7 videos for a t-SNE")
    perplexity = min(perplexity, (len(features) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features).astype(np.float64)


__all__ = ["pca", "tsne"]
