# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Features of many videos: worker processes decode, the network computes, and each video becomes a file.

A video whose file is there, complete and made in the same way, is left as it is: an interrupted call goes on. Several
processes (torchrun) share the videos out; each writes the files of its own.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from . import __version__
from .feature_files import read_metadata, write_metadata, writing
from .features import FeatureSettings, Rows, feature_shape, norm_name
from .image_processing_videomae import VideoMAEVideoProcessor, opened
from .modeling_videomae import VideoMAEPreTrainedModel
from .video import VideoDecodeError, VideoInfo
from .windows import Span

# ---- decoding ----


@dataclass(frozen=True)
class Opened:
    """A video of which the batches come next."""

    info: VideoInfo
    span: Span


class Finished:
    """A video of which all batches have come."""


class ClipBatches(IterableDataset):
    """What comes of each video: (its number, `Opened`, a batch of clips …, `Finished` or the ValueError that ends it).

    Workers share the videos out, so that those of several ones come in turns.
    """

    def __init__(self, processor: VideoMAEVideoProcessor, videos: Sequence, settings: FeatureSettings):
        self.processor = processor
        self.videos = videos
        self.settings = settings

    def __iter__(self) -> Iterator[tuple[int, Opened | torch.Tensor | Finished | ValueError]]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in range(first, len(self.videos), step):
            try:
                yield from ((number, part) for part in self._parts(self.videos[number]))
            except ValueError as error:
                yield number, error  # a worker would send only the text of its traceback

    def _parts(self, video) -> Iterator[Opened | torch.Tensor | Finished]:
        with opened(video) as reader:
            span = self.settings.span(reader, self.processor)
            yield Opened(reader.info, span)
            yield from self.settings.clips(reader, self.processor, span)
        yield Finished()


def feature_parts(
    model: VideoMAEPreTrainedModel,
    processor: VideoMAEVideoProcessor,
    videos: Sequence,
    settings: FeatureSettings,
    *,
    num_workers: int = 0,
) -> Iterator[tuple[int, Opened | np.ndarray | Finished | VideoDecodeError]]:
    """(number of a video, what comes of it): `Opened`, rows of features (k, …) …, and at last `Finished` or why not.

    Args:
        settings: `completed`.
        num_workers: processes that decode, each another video; 0 decodes here.

    Raises:
        ValueError: a video that can be read, but does not fit the model.
    """
    makers: dict[int, Rows] = {}
    batches = ClipBatches(processor, videos, settings)
    workers = min(num_workers, len(videos))
    for number, part in DataLoader(batches, batch_size=None, num_workers=workers, collate_fn=_as_it_is):
        if isinstance(part, torch.Tensor):
            part = makers[number].add(part)
        elif isinstance(part, Opened):
            makers[number] = Rows(model, settings)
        else:
            makers.pop(number, None)
            if isinstance(part, ValueError) and not isinstance(part, VideoDecodeError):
                raise part
        yield number, part


def _as_it_is(part):
    return part


# ---- what made them ----


def weights_fingerprint(model: VideoMAEPreTrainedModel) -> str:
    """A hash of the weights that features depend on: the encoder's and, of a classifier, its norm's."""
    parts = {"encoder": model.base_model, "fc_norm": getattr(model, "fc_norm", None)}
    digest = hashlib.sha256()
    for part, module in parts.items():
        for name, weight in sorted(module.state_dict().items()) if module is not None else ():
            digest.update(f"{part}.{name} {weight.dtype} {tuple(weight.shape)}".encode())
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def describe_source(
    model: VideoMAEPreTrainedModel, processor: VideoMAEVideoProcessor, settings: FeatureSettings, *, name: str
) -> dict:
    """What features depend on besides the video, for their metadata."""
    return {
        "model": name,
        "revision": getattr(model.config, "_commit_hash", None),
        "weights": weights_fingerprint(model),
        "architecture": type(model).__name__,
        "processor": processor.to_dict(),
        "settings": asdict(settings) | {"norm": norm_name(model, settings.layer, settings.pool)},
    }


# What must agree for a file to be kept; the same weights may have another name.
IDENTIFYING = ("weights", "architecture", "processor", "settings")


def describe_video(video: str) -> dict:
    """Which file it is, and whether it is still the same; addresses and folders have no size and date."""
    stat = os.stat(video) if os.path.isfile(video) else None
    return {
        "path": video,
        "bytes": stat and stat.st_size,
        "modified": stat and stat.st_mtime,
    }


def _rows_metadata(settings: FeatureSettings, opened: Opened, shape: tuple[int, ...]) -> dict:
    span, info = opened.span, opened.info
    seconds = None if span.seconds is None else span.seconds.tolist()
    if settings.slides:
        frames = {"first_frames": span.frames[:, 0].tolist(), "frame_step": settings.window // span.frames.shape[1]}
    else:
        frames = {"frames": span.frames.tolist()}
    return {
        "num_frames": info.num_frames,
        "fps": info.fps,
        "shape": list(shape),
        "dtype": settings.dtype,
        **frames,
        "seconds": seconds,
    }


# ---- files ----


@dataclass(frozen=True)
class Written:
    """What became of a video: its file of features, or the error that left none."""

    video: str
    path: Path
    shape: tuple[int, ...] | None = None
    kept: bool = False  # it was there already
    error: VideoDecodeError | None = None


def sort_out(outputs: Mapping[str, Path], source: dict, *, overwrite: bool = False) -> tuple[list[str], list[str]]:
    """Videos whose features are to be made, and those whose features are there.

    Args:
        outputs: {video: its file of features}.
        source: as from `describe_source`.
        overwrite: make anew those that were made otherwise.

    Raises:
        ValueError: without `overwrite`, files that are there were made otherwise. One message for all of them.
    """
    to_make, kept, complaints = [], [], []
    for video, path in outputs.items():
        metadata = read_metadata(path)
        differing = [] if metadata is None else _differences(metadata, source, video)
        if metadata is not None and not differing:
            kept.append(video)
            continue
        to_make.append(video)
        if differing:
            complaints.append(f"{path} ({', '.join(differing)})")
    if complaints and not overwrite:
        more = f" and {len(complaints) - 3} more" if len(complaints) > 3 else ""
        raise ValueError(
            f"these features were made otherwise: {'; '.join(complaints[:3])}{more}. Choose another --output_dir, or "
            "--overwrite makes them anew"
        )
    return to_make, kept


def _differences(metadata: dict, source: dict, video: str) -> list[str]:
    """Names of what differs between features that are there and those that are wanted."""
    differing = [name for name in IDENTIFYING if metadata.get(name) != _as_json(source[name])]
    found, wanted = metadata.get("video", {}), describe_video(video)
    # a file may be reached by another path, from another folder
    facts = ("path",) if wanted["bytes"] is None else ("bytes", "modified")
    return differing + ["video"] * any(found.get(fact) != wanted[fact] for fact in facts)


def _as_json(value):
    """As it comes back from a JSON file: lists for tuples, texts for keys."""
    if isinstance(value, dict):
        return {str(key): _as_json(each) for key, each in value.items()}
    return [_as_json(each) for each in value] if isinstance(value, (list, tuple)) else value


def write_features(
    model: VideoMAEPreTrainedModel,
    processor: VideoMAEVideoProcessor,
    outputs: Mapping[str, Path],
    settings: FeatureSettings,
    source: dict,
    *,
    on_bad_video: str = "error",
    num_workers: int = 0,
) -> Iterator[Written]:
    """Make the features of each video, and tell of each when it is done. As little is held as a few batches.

    Args:
        outputs: {video: its file of features}, which is replaced.
        settings: `completed`.
        source: as from `describe_source`.
        on_bad_video: "error" raises; "skip" tells of a video that can not be read, and goes on.

    Raises:
        VideoDecodeError, ValueError: as `feature_parts`.
    """
    videos = list(outputs)
    files: dict[int, _FeatureFile] = {}
    try:
        for number, part in feature_parts(model, processor, videos, settings, num_workers=num_workers):
            video = videos[number]
            if isinstance(part, Opened):
                files[number] = _FeatureFile(outputs[video], part, settings, feature_shape(model, settings.pool))
            elif isinstance(part, np.ndarray):
                files[number].append(part)
            elif isinstance(part, Finished):
                file = files.pop(number)
                file.finish({"videomae": __version__, "video": describe_video(video), **source})
                yield Written(video, file.path, file.shape)
            elif on_bad_video == "error":
                raise part
            else:
                if number in files:
                    files.pop(number).discard()
                yield Written(video, outputs[video], error=part)
    finally:  # after an error, no part of a file is left
        for file in files.values():
            file.discard()


class _FeatureFile:
    """A file of features that is being written."""

    def __init__(self, path: Path, opened: Opened, settings: FeatureSettings, row_shape: tuple[int, ...]):
        self.path = path
        self.shape = (len(opened.span) if settings.slides else 1, *row_shape)
        self._metadata = _rows_metadata(settings, opened, self.shape)
        seconds = opened.span.seconds
        if seconds is not None and not settings.slides:
            seconds = np.array([[seconds[:, 0].min(), seconds[:, 1].max()]])
        self._stack = ExitStack()
        self.append = self._stack.enter_context(writing(path, self.shape, settings.dtype, seconds))

    def finish(self, metadata: dict) -> None:
        self._stack.close()
        write_metadata(self.path, metadata | self._metadata)

    def discard(self) -> None:
        """Leave nothing."""
        error = VideoDecodeError(str(self.path), "not finished")
        self._stack.__exit__(type(error), error, None)


__all__ = [
    "ClipBatches",
    "Finished",
    "Opened",
    "Written",
    "describe_source",
    "feature_parts",
    "sort_out",
    "weights_fingerprint",
    "write_features",
]
