# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Windows over time: which frames each looks at, when it begins and ends, and its clip; a video is decoded once.

Frames that several windows share are decoded and resized once. A frame is let go when no later window needs it, so
that memory depends on the window and not on the video.

Shapes: R windows (or test segments) of T frames; clips are (T, C, H, W).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from .image_processing_videomae import VideoMAEVideoProcessor
from .video import ShortVideoError, VideoDecodeError, VideoReader, view_frame_indices


def sliding_windows(
    total_frames: int, *, num_frames: int, window: int, stride: int, short_video: str = "repeat"
) -> np.ndarray:
    """Frame numbers of each window, int64 (R, num_frames).

    Window r begins at frame `r · stride`, spans `window` frames and looks at every `window / num_frames`-th of them.
    All windows that lie in the video are there; up to `stride - 1` frames at its end are in none. A video shorter than
    a window has one, from its first frame on, in which `short_video` says what is missing (`view_frame_indices`).

    Raises:
        ValueError: a window that is no multiple of `num_frames`, a stride below 1.
        ShortVideoError: the video is too short and `short_video` is "error".
    """
    check_window(num_frames=num_frames, window=window, stride=stride)
    step = window // num_frames
    if total_frames < window:
        sizes = {"num_frames": num_frames, "frame_stride": step, "segment": 0, "num_segments": 2}
        return np.array(
            [view_frame_indices(total_frames, **sizes, protocol="dense", short_video=short_video)], dtype=np.int64
        )
    starts = np.arange(0, total_frames - window + 1, stride)
    return starts[:, None] + step * np.arange(num_frames)


def check_window(*, num_frames: int, window: int, stride: int) -> None:
    """Raises ValueError, see `sliding_windows`."""
    if window < num_frames or window % num_frames:
        lower = window - window % num_frames
        near = " or ".join(str(each) for each in (lower, lower + num_frames) if each >= num_frames)
        raise ValueError(
            f"a window of {window} frames, wanted a multiple of the {num_frames} that the model looks at: {near}"
        )
    if stride < 1:
        raise ValueError(f"a stride of {stride} frames from one window to the next, wanted at least 1")


@dataclass(frozen=True)
class Span:
    """Which frames are looked at together, and when.

    frames: int64 (R, T), numbers of the frames.
    seconds: float64 (R, 2), when the first one is shown, and when what is spanned is over: the time of the frame that
        follows it, or at the end of the video that of the last frame and 1 / fps. After the video's first frame; None
        where nothing tells, as of pictures in a folder.
    """

    frames: np.ndarray
    seconds: np.ndarray | None

    def __len__(self) -> int:
        return len(self.frames)


def window_spans(video: VideoReader, processor: VideoMAEVideoProcessor, *, window: int, stride: int) -> Span:
    """The windows of an open video. Raises VideoDecodeError where it is too short for `processor.short_video`, and
    ValueError as `sliding_windows`."""
    try:
        frames = sliding_windows(
            video.num_frames,
            num_frames=processor.num_frames,
            window=window,
            stride=stride,
            short_video=processor.short_video,
        )
    except ShortVideoError as error:
        raise VideoDecodeError(video.path, str(error)) from error
    return Span(frames, _seconds(video, frames[:, 0], frames[:, 0] + window))


def view_spans(video: VideoReader, processor: VideoMAEVideoProcessor, *, num_segments: int) -> Span:
    """The segments of the test views of an open video (`VideoMAEVideoProcessor.view_indices`)."""
    frames = np.array([processor.view_indices(video, segment, num_segments) for segment in range(num_segments)])
    return Span(frames, _seconds(video, frames.min(axis=1), frames.max(axis=1) + 1))


def _seconds(video: VideoReader, starts: np.ndarray, ends: np.ndarray) -> np.ndarray | None:
    """(R, 2) of frames `starts` to `ends`, which are the first ones after."""
    begin = video.seconds(starts.tolist())
    if begin is None or not video.info.fps:
        return None
    last = video.num_frames - 1
    end = np.array(video.seconds(np.minimum(ends, last).tolist()))
    return np.stack([begin, end + (ends > last) / video.info.fps], axis=1)


def window_clips(video: VideoReader, processor: VideoMAEVideoProcessor, frames: np.ndarray) -> Iterator[torch.Tensor]:
    """The clip of each window: uint8 (T, C, height, width), of frames that are not uint8 normalised floats.

    Equal to `processor.resize_and_crop` of the frames read for each window alone.

    Args:
        frames: (R, T), windows in their order: none begins before the one ahead of it.

    Raises:
        VideoDecodeError: a frame of the windows so far can not be read.
    """
    held: dict[int, torch.Tensor] = {}
    decoded = video.stream(np.unique(frames).tolist())
    firsts = [*frames.min(axis=1).tolist(), video.num_frames]
    for window, (_, following) in zip(frames.tolist(), pairwise(firsts), strict=True):
        while max(window) not in held:
            number, frame = next(decoded)
            held[number] = frame if frame.is_floating_point() else _fitted(frame[None], video, processor)[0]
        clip = torch.stack([held[number] for number in window])
        if clip.is_floating_point():  # their units are checked, and bars beside them filled, by the clip
            clip = processor.normalized_if_float(_fitted(clip, video, processor))
        yield clip
        for number in [number for number in held if number < following]:
            del held[number]


def _fitted(frames: torch.Tensor, video: VideoReader, processor: VideoMAEVideoProcessor) -> torch.Tensor:
    return processor.resize_and_crop(processor.fitted(frames, video))


__all__ = ["Span", "check_window", "sliding_windows", "view_spans", "window_clips", "window_spans"]
