# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What the encoder makes of a video, for retrieval, clustering, temporal detection or a classifier of one's own.

    model, processor = load_checkpoint("runs/pretrain", VideoMAEPreTrainedModel)
    extract(model, processor, "clip.mp4").features                           # (1, D), the middle of the video
    extract(model, processor, "match.mp4", settings=FeatureSettings(window=64, stride=16)).features    # (R, D)

Nothing is masked, and only the blocks that are needed run. Which norm applies:

| layer                              | checkpoint                       | tokens      | tubelets, mean                |
|------------------------------------|----------------------------------|-------------|-------------------------------|
| the last                           | pre-training                     | `layernorm` | the mean of normed tokens     |
| the last                           | classifier with mean pooling     | none        | `fc_norm` of the mean         |
| the last                           | classifier without               | `layernorm` | the mean of normed tokens     |
| another, or the embeddings (0)     | any                              | none        | the mean of tokens            |

So tokens are the model's own `last_hidden_state` or `hidden_states[layer]`, and the mean of a classifier with mean
pooling is what its linear layer gets.

Shapes: B clips, R rows of a video, (t, h, w) the grid of tokens, D the width of the encoder.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .evaluation import VIEWS_PER_FORWARD
from .image_processing_videomae import VideoMAEVideoProcessor, opened
from .modeling_videomae import VideoMAEPreTrainedModel, check_pixel_values
from .video import VideoReader
from .windows import Span, check_window, sliding_windows, view_spans, window_clips, window_spans

POOLS = ("mean", "tubelets", "tokens")
DTYPES = ("float32", "float16")


# ---- of clips ----


def layer_number(model: VideoMAEPreTrainedModel, layer: int | None) -> int:
    """0, the embeddings, to the number of blocks; None is the last, and -1, -2 … count from it as in a list.

    Raises ValueError for a layer that the model does not have.
    """
    last = model.config.num_hidden_layers
    number = last if layer is None else layer + last + 1 if layer < 0 else layer
    if not 0 <= number <= last:
        raise ValueError(f"layer {layer}, wanted 0 (the embeddings) to {last} (the last block), or -{last + 1} to -1")
    return number


def norm_name(model: VideoMAEPreTrainedModel, layer: int | None = None, pool: str = "mean") -> str | None:
    """Which norm `clip_features` applies: "layernorm", to each token; "fc_norm", to their means; None."""
    _check_pool(pool)
    if layer_number(model, layer) < model.config.num_hidden_layers:
        return None
    if model.base_model.layernorm is not None:
        return "layernorm"
    has_fc_norm = getattr(model, "fc_norm", None) is not None
    return "fc_norm" if has_fc_norm and pool != "tokens" else None


def feature_shape(model: VideoMAEPreTrainedModel, pool: str = "mean") -> tuple[int, ...]:
    """Shape of the features of a clip: (D,) of "mean", (t, D) of "tubelets", (t, h, w, D) of "tokens"."""
    _check_pool(pool)
    kept = {"mean": 0, "tubelets": 1, "tokens": 3}[pool]
    return (*model.config.grid[:kept], model.config.hidden_size)


@torch.no_grad()
def clip_features(
    model: VideoMAEPreTrainedModel, pixel_values: Tensor, *, layer: int | None = None, pool: str = "mean"
) -> Tensor:
    """Features of clips (B, T, C, H, W), uint8 or normalised: float32 (B, *`feature_shape`). Nothing is masked.

    Args:
        layer: after which block, see `layer_number`; the blocks after it do not run. Default: the last.
        pool: "mean" of all tokens of a clip; "tubelets": of those of each time step; "tokens": none.

    The norms are those in the table at the top of this file. The model is put into evaluation mode.

    Raises:
        ValueError: no such layer or pool; clips of another shape than the model takes.
    """
    check_pixel_values(pixel_values, model.config)
    norm = norm_name(model, layer, pool)
    model.eval()
    encoder = model.base_model
    tokens = encoder.embeddings(pixel_values)
    for block in encoder.encoder.layer[: layer_number(model, layer)]:
        tokens = block(tokens)
    if norm == "layernorm":
        tokens = encoder.layernorm(tokens)
    features = tokens.unflatten(1, model.config.grid)
    if pool == "mean":
        features = tokens.mean(dim=1)
    elif pool == "tubelets":
        features = features.flatten(2, 3).mean(dim=2)
    return (model.fc_norm(features) if norm == "fc_norm" else features).float()


def _check_pool(pool: str) -> None:
    if pool not in POOLS:
        raise ValueError(f"pool is {pool!r}, wanted one of {', '.join(POOLS)}")


# ---- of videos ----


@dataclass(frozen=True)
class FeatureSettings:
    """What is looked at in a video, and what is taken of it.

    layer, pool: as of `clip_features`.
    window, stride: frames of a sliding window and from one to the next (`sliding_windows`), a row of features each.
        Of one alone, the other is: the window of the processor's own frame stride; windows that follow each other.
        Both None: the whole video is one row, by test views.
    num_segments, num_crops: the test views, whose features are averaged; 1 x 1 is the middle of the video.
    dtype: "float32", or "float16": what the network computes in (autocast: norms and softmax do not), and what the
        features are rounded to.
    batch_size: clips that go through the network together. A row does not depend on the others: a batch that the
        windows of a video do not fill is filled up.
    """

    layer: int | None = None
    pool: str = "mean"
    window: int | None = None
    stride: int | None = None
    num_segments: int = 1
    num_crops: int = 1
    dtype: str = "float32"
    batch_size: int = VIEWS_PER_FORWARD

    @property
    def slides(self) -> bool:
        return self.window is not None or self.stride is not None

    def completed(self, model: VideoMAEPreTrainedModel, processor: VideoMAEVideoProcessor) -> "FeatureSettings":
        """With the layer's number, and with window and stride if either is there.

        Raises:
            ValueError: what does not fit this model or processor, or each other.
        """
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}, wanted at least 1")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}, wanted one of {', '.join(DTYPES)}")
        _check_pool(self.pool)
        processor.check_views(self.num_segments, self.num_crops)
        window, stride = self.window, self.stride
        if self.slides:
            if (self.num_segments, self.num_crops) != (1, 1):
                views = f"{self.num_segments}x{self.num_crops}"
                raise ValueError(f"views {views} and a sliding window: wanted one of them, a row has a single view")
            window = processor.num_frames * processor.frame_stride if window is None else window
            stride = window if stride is None else stride
            check_window(num_frames=processor.num_frames, window=window, stride=stride)
        return replace(self, layer=layer_number(model, self.layer), window=window, stride=stride)

    def span(self, video: VideoReader, processor: VideoMAEVideoProcessor) -> Span:
        """Which frames of an open video are looked at; of `completed` settings."""
        if self.slides:
            return window_spans(video, processor, window=self.window, stride=self.stride)
        return view_spans(video, processor, num_segments=self.num_segments)

    def clips(self, video: VideoReader, processor: VideoMAEVideoProcessor, span: Span) -> Iterator[Tensor]:
        """Batches of the clips of an open video, (at most `batch_size`, T, C, H, W), each frame decoded once."""
        if not self.slides:
            yield from processor.views(video, self.num_segments, self.num_crops).split(self.batch_size)
            return
        batch = []
        for clip in window_clips(video, processor, span.frames):
            batch.append(clip)
            if len(batch) == self.batch_size:
                yield torch.stack(batch)
                batch = []
        if batch:
            yield torch.stack(batch)


class VideoFeatures(NamedTuple):
    """Features of a video: (R, …) with a row for each window, or one for the whole video by views.

    `span` says which frames were looked at: a row of it for each window, or for each segment of the views.
    """

    features: np.ndarray
    span: Span


def extract(
    model: VideoMAEPreTrainedModel,
    processor: VideoMAEVideoProcessor,
    video,
    *,
    settings: FeatureSettings | None = None,
    **changes,
) -> VideoFeatures:
    """The features of one video.

    Args:
        model: any of ours; `inference.load_checkpoint(source, VideoMAEPreTrainedModel)` gives it with its processor.
        video: path, URL, bytes, file object or an open reader (`frames.open_video`).
        settings: default: those of `FeatureSettings`.
        changes: fields of `FeatureSettings`, in the place of `settings`.

    Raises:
        ValueError: settings that do not fit the model, the processor, or each other.
        VideoDecodeError: the video can not be read, or is too short for the processor's `short_video`.
    """
    if settings is not None and changes:
        raise ValueError(f"settings and {', '.join(changes)} are given, wanted one of them")
    settings = (settings or FeatureSettings(**changes)).completed(model, processor)
    with opened(video) as reader:
        span, rows = settings.span(reader, processor), Rows(model, settings)
        features = [rows.add(batch) for batch in settings.clips(reader, processor, span)]
    return VideoFeatures(np.concatenate(features), span)


class Rows:
    """Turns the batches of one video (`FeatureSettings.clips`) into its rows, of the settings' dtype."""

    def __init__(self, model: VideoMAEPreTrainedModel, settings: FeatureSettings):
        self.model = model
        self.settings = settings
        self._views = 0  # so far
        self._sum = 0.0  # of their features, float64

    def add(self, batch: Tensor) -> np.ndarray:
        """The rows (k, …) that are now complete: a row of each window; of views none before the last, and then one."""
        if self.settings.slides:
            return self._features(_filled_up(batch, self.settings.batch_size))[: len(batch)].numpy()
        features = self._features(batch)
        self._views += len(batch)
        self._sum = self._sum + features.double().sum(dim=0, keepdim=True)
        is_last = self._views == self.settings.num_segments * self.settings.num_crops
        return (self._sum / self._views).to(features.dtype)[: int(is_last)].numpy()

    def _features(self, batch: Tensor) -> Tensor:
        settings, device = self.settings, self.model.device
        dtype = getattr(torch, settings.dtype)
        with torch.autocast(device.type, dtype=torch.float16, enabled=dtype == torch.float16):
            features = clip_features(self.model, batch.to(device), layer=settings.layer, pool=settings.pool)
        return features.to("cpu", dtype)


def _filled_up(batch: Tensor, size: int) -> Tensor:
    """The batch with its last clip repeated: kernels for another number of clips round differently."""
    return torch.cat([batch, batch[-1:].expand(size - len(batch), *batch.shape[1:])])


__all__ = [
    "DTYPES",
    "POOLS",
    "FeatureSettings",
    "Rows",
    "VideoFeatures",
    "clip_features",
    "extract",
    "feature_shape",
    "layer_number",
    "norm_name",
    "sliding_windows",
]
