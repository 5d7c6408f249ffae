# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""From the views of a video to the score of the video.

The official protocol (V1 §4): a video is looked at in several views (segments in time × crops in space); softmax turns
the logits of each view into probabilities, and the probabilities are averaged. All views come from one decode.
"""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from .metrics import known_problem_type
from .video import VideoDecodeError

# Views that go through the network together. Fixed, so that a video's score does not depend on what surrounds it.
VIEWS_PER_FORWARD = 4


class VideoViews(Dataset):
    """The test views of each video: (V, T, C, H, W), segment-major; or why it can not be read.

    Raises ValueError for views that the processor does not have (`VideoMAEVideoProcessor.check_views`).
    """

    def __init__(self, processor, videos: Sequence, num_segments: int, num_crops: int):
        processor.check_views(num_segments, num_crops)
        self.processor, self.videos = processor, videos
        self.num_segments, self.num_crops = num_segments, num_crops

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index) -> torch.Tensor | VideoDecodeError:
        try:
            return self.processor.views(self.videos[index], self.num_segments, self.num_crops)
        except VideoDecodeError as error:
            return error  # a worker would send only the text of its traceback


def probabilities(logits: torch.Tensor, problem_type: str | None) -> torch.Tensor:
    """Logits (…, K) to scores, in float32: softmax, sigmoid for multi-label, the numbers themselves for regression.

    None: `metrics.known_problem_type`. Raises ValueError for an unknown problem type.
    """
    kind, logits = known_problem_type(problem_type, logits.shape[-1]), logits.float()
    if kind == "regression":
        return logits
    return logits.sigmoid() if kind == "multi_label_classification" else logits.softmax(dim=-1)


@torch.inference_mode()
def view_scores(model, views: torch.Tensor, views_per_forward: int = VIEWS_PER_FORWARD) -> torch.Tensor:
    """The score of each view, (V, K) on the CPU, from views (V, T, C, H, W), uint8 or normalised.

    The model is put into evaluation mode.
    """
    model.eval()
    scores = [
        probabilities(model(pixel_values=part.to(model.device)).logits, model.config.problem_type)
        for part in views.split(views_per_forward)
    ]
    return torch.cat(scores).cpu()


def video_score(model, views: torch.Tensor) -> torch.Tensor:
    """The score of a video, (K,) on the CPU: the mean of `view_scores`."""
    return view_scores(model, views).mean(dim=0)


def score_videos(
    model, processor, videos: Sequence, *, num_segments: int = 1, num_crops: int = 1, num_workers: int = 0
) -> Iterator[torch.Tensor]:
    """The score (K,) of each video, in order. One segment is the middle of the video, one crop its centre.

    Args:
        model: a `VideoMAEForVideoClassification`.
        processor: its `VideoMAEVideoProcessor`, which knows size, frames and sampling.
        videos: files, or whatever the processor reads. One that raises VideoDecodeError itself can not be read.
        num_workers: processes that decode; 0 decodes here.

    Raises:
        ValueError: at once, for views that the processor does not have.
        VideoDecodeError: a video can not be read. None is skipped: accuracy over other videos is another number.
    """
    return _scores(model, VideoViews(processor, videos, num_segments, num_crops), num_workers)


def _scores(model, views: VideoViews, num_workers: int) -> Iterator[torch.Tensor]:
    for video in DataLoader(views, batch_size=None, num_workers=num_workers):
        if isinstance(video, VideoDecodeError):
            raise video
        yield video_score(model, video)


def parse_views(text: str) -> tuple[int, int]:
    """`"5x3"` -> (5 segments, 3 crops). Raises ValueError."""
    segments, separator, crops = text.partition("x")
    if not (separator and segments.isdecimal() and crops.isdecimal() and int(segments) and int(crops)):
        raise ValueError(f"views are {text!r}, wanted SEGMENTSxCROPS, both at least 1, such as 1x1 or 5x3.")
    return int(segments), int(crops)


__all__ = [
    "VIEWS_PER_FORWARD",
    "VideoViews",
    "parse_views",
    "probabilities",
    "score_videos",
    "video_score",
    "view_scores",
]
