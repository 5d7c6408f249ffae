# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A checkpoint as it is used: the model with its processor, and the labels of a video."""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from .evaluation import VideoViews, video_score
from .image_processing_videomae import VideoMAEVideoProcessor
from .metrics import known_problem_type
from .modeling_videomae import (
    VideoMAEForPreTraining,
    VideoMAEForVideoClassification,
    VideoMAEModel,
    VideoMAEPreTrainedModel,
)
from .video import VideoDecodeError

MULTI_LABEL_THRESHOLD = 0.5  # a label is on where it is more likely than not


def load_checkpoint(
    source: str | os.PathLike,
    model_class: type[VideoMAEPreTrainedModel] = VideoMAEForVideoClassification,
    *,
    device: str | torch.device | None = None,
    **overrides,
) -> tuple[VideoMAEPreTrainedModel, VideoMAEVideoProcessor]:
    """The model of a folder or Hub repository, on `device` (a GPU where there is one), and its processor.

    The processor's statistics count: they are what the checkpoint was trained with, also where an old `config.json`
    says nothing about them.

    Args:
        model_class: what the checkpoint must be; `VideoMAEPreTrainedModel`: whichever VideoMAE it is.
        overrides: for `from_pretrained`, such as `num_frames`, which the processor then follows.

    Raises:
        ValueError: not a whole checkpoint of this class (a classifier without its head is not one), or no such device.
        OSError: no such folder or repository, or no processor in it.
    """
    source = os.fspath(source)
    if _is_local(source) and not os.path.isdir(source):
        raise FileNotFoundError(f"{source}: no such folder.")
    device = _checked_device(device)
    architectures = model_class.config_class.from_pretrained(source).architectures or [model_class.__name__]
    model_class = _find_class(architectures) if model_class is VideoMAEPreTrainedModel else model_class
    if model_class.__name__ not in architectures:
        raise ValueError(
            f"{source} holds a {architectures[0]}, wanted a {model_class.__name__}: {WHERE_FROM[model_class.__name__]}"
        )
    processor = VideoMAEVideoProcessor.from_pretrained(source)
    model = model_class.from_pretrained(source, **overrides)
    model.config.image_mean, model.config.image_std = processor.image_mean, processor.image_std
    return model.to(device).eval(), processor.adapted_to(model.config)


# How one comes by a checkpoint of each kind.
WHERE_FROM = {
    "VideoMAEForVideoClassification": "`videomae finetune` makes one of a pre-training",
    "VideoMAEForPreTraining": "`videomae pretrain` makes one; a classifier has no decoder",
    "VideoMAEModel": "save the encoder of another model",
}


def _find_class(architectures: Sequence[str]) -> type[VideoMAEPreTrainedModel]:
    """The class of ours that is among these names; a classifier, which the caller then asks for, where none is."""
    return next(
        (each for each in (VideoMAEForPreTraining, VideoMAEModel) if each.__name__ in architectures),
        VideoMAEForVideoClassification,
    )


def _is_local(source: str) -> bool:
    """Whether a name means a folder, also one that is not there; `organisation/name` means the Hub."""
    path = Path(source)
    if len(path.parts) == 1 or path.is_absolute() or source.startswith((".", "~")) or len(path.parts) > 2:
        return True
    return len(path.parts) == 2 and path.parent.is_dir()


def _checked_device(device) -> torch.device:
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # unknown name; no driver; torch without CUDA
        raise ValueError(f"device {device!r} can not be used here: {str(error).splitlines()[0]}") from error
    return torch.device(device)


def video_labels(
    score: torch.Tensor, config, *, top_k: int = 5, threshold: float | None = None
) -> list[dict[str, float | str]]:
    """What the score (K,) of a video says, as transformers' pipeline writes it: `[{"score": …, "label": …}, …]`.

    Args:
        top_k: of one class out of many, and of labels that go together: the best so many, best first. Regression: all
            numbers, in the order of the model's outputs.
        threshold: labels below it are left out. Default: 0.5 where labels go together (multi-label), else none.

    Raises:
        ValueError: a threshold for regression, which has no labels to leave out.
    """
    problem_type = known_problem_type(config.problem_type, len(score))
    if problem_type == "regression":
        if threshold is not None:
            raise ValueError(f"a threshold of {threshold} is given, but the model predicts numbers (regression)")
        return [{"score": value, "label": config.id2label[index]} for index, value in enumerate(score.tolist())]
    if threshold is None:
        threshold = MULTI_LABEL_THRESHOLD if problem_type == "multi_label_classification" else -math.inf
    values, indices = score.topk(min(top_k, len(score)))
    return [
        {"score": value, "label": config.id2label[index]}
        for value, index in zip(values.tolist(), indices.tolist(), strict=True)
        if value >= threshold
    ]


def predict(
    model: VideoMAEForVideoClassification,
    processor: VideoMAEVideoProcessor,
    video,
    *,
    num_segments: int = 1,
    num_crops: int = 1,
    top_k: int = 5,
    threshold: float | None = None,
) -> list[dict[str, float | str]]:
    """The labels of one video with their scores, best first (`video_labels`).

    Args:
        video: path, URL, bytes, file object or all frames (frames, C, H, W).
        num_segments, num_crops: views whose scores are averaged; one is the middle of the video, its centre.

    Raises:
        VideoDecodeError: the video can not be read.
        ValueError: as `video_labels`.
    """
    views = processor.views(video, num_segments, num_crops)
    return video_labels(video_score(model, views), model.config, top_k=top_k, threshold=threshold)


def predict_videos(
    model: VideoMAEForVideoClassification,
    processor: VideoMAEVideoProcessor,
    videos: Sequence,
    *,
    num_segments: int = 1,
    num_crops: int = 1,
    top_k: int = 5,
    threshold: float | None = None,
    num_workers: int = 0,
) -> Iterator[list[dict[str, float | str]] | VideoDecodeError]:
    """What `predict` gives for each video, in their order; for one that can not be read, why.

    Args:
        num_workers: processes that decode while the model computes; 0 decodes here.

    Raises:
        ValueError: at once, for views that the processor does not have; and as `video_labels`.
    """
    views = VideoViews(processor, videos, num_segments, num_crops)
    return (
        part
        if isinstance(part, VideoDecodeError)
        else video_labels(video_score(model, part), model.config, top_k=top_k, threshold=threshold)
        for part in DataLoader(views, batch_size=None, num_workers=num_workers)
    )


__all__ = ["MULTI_LABEL_THRESHOLD", "load_checkpoint", "predict", "predict_videos", "video_labels"]
