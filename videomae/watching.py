# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What a classifier says while a video runs: the score of every window, as soon as its last frame is there."""

import math
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from .evaluation import video_score
from .frame_streams import FrameStream, LoopedStream, StreamFrame, is_live
from .image_processing_videomae import VideoMAEVideoProcessor
from .live import LiveQueue, in_real_time
from .modeling_videomae import VideoMAEForVideoClassification
from .sliding import stream_windows
from .smoothing import Smoothing
from .video import ShortVideoError, VideoDecodeError, view_frame_indices
from .windows import check_window

LATENCIES_KEPT = 10_000  # windows: the newest ones are what the summary is of

PATIENCE = 2.0  # seconds that a live source has to give its next frame when the watching ends


class ReadyFrame(NamedTuple):
    """A frame of the size that the model takes."""

    number: int
    time: float  # seconds since the first frame
    pixels: torch.Tensor  # uint8 (C, H, W)
    image: np.ndarray | None  # RGB as displayed, uint8 (height, width, 3), where it is wanted
    came: float  # seconds of `time.monotonic`


@dataclass(frozen=True)
class WindowScore:
    start: float  # seconds: when its first frame begins
    end: float  # seconds: when its last frame ends
    continues: bool  # no frame is missing since the window before
    score: torch.Tensor  # (K,), smoothed
    latency: float  # seconds from its last frame to the score


class _Named(NamedTuple):
    """What the processor asks of a video whose frames it is given: the name for its errors."""

    path: str


class WatchedVideo:
    """A file, address or camera (`FrameStream`), opened to be watched. A context manager.

    Args:
        window: length of a window, see `parse_duration`; a multiple of the frames of a clip, which are evenly spread
            over it. Default: of the clips of the training.
        stride: from the beginning of a window to that of the next. Default: half a window.
        live: drop frames rather than wait (`LiveQueue`), pass over damaged ones, give a file's frames in real time.
            Cameras are always live.
        loop: begin a file again at its end.
        keep_images: hand on each frame as displayed, too. Live, a window's length of them is held.
        stop: ends the frames once it is set.

    Attributes:
        fps, length, stride: frames a second, and of a window and from one to the next.

    Raises:
        ValueError: a duration that is none; `loop` for what is no file; no window for uniform sampling.
        VideoDecodeError: as `FrameStream`, also while iterating.
    """

    def __init__(
        self,
        source: str,
        processor: VideoMAEVideoProcessor,
        *,
        window: str | None = None,
        stride: str | None = None,
        live: bool = False,
        loop: bool = False,
        keep_images: bool = False,
        stop: threading.Event | None = None,
    ):
        is_file = os.path.isfile(source)
        if loop and not is_file:
            raise ValueError(f"{source}: only a file can begin again (loop)")
        self._source, self._processor = source, processor
        self._is_live, self._is_file = live or is_live(source), is_file
        self._keep_images, self._stop = keep_images, stop or threading.Event()
        self._queue = None
        self._stream = (LoopedStream if loop else FrameStream)(source, tolerant=self._is_live)
        try:
            self.fps = self._stream.fps
            if window is None:
                self.length = training_length(processor)
            else:
                self.length = parse_duration(window, self.fps, multiple_of=processor.num_frames)
            self.stride = self.length // 2 if stride is None else parse_duration(stride, self.fps)
            check_window(num_frames=processor.num_frames, window=self.length, stride=self.stride)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> "WatchedVideo":
        return self

    def __exit__(self, *exception) -> None:
        self._stop.set()
        # A thread that waits for a camera that says nothing still holds it; it ends with the program.
        if self._queue is None or self._queue.join(PATIENCE):
            self._stream.close()

    @property
    def dropped(self) -> int:
        """Frames that nobody took in time."""
        return self._queue.dropped if self._queue else 0

    @property
    def damaged(self) -> int:
        """Frames of a live source that could not be decoded."""
        return self._stream.damaged

    def __iter__(self) -> Iterator[ReadyFrame]:
        frames = in_real_time(self._stream) if self._is_live and self._is_file else self._stream
        ready = map(self._ready, frames)
        if self._is_live:
            ready = self._queue = LiveQueue(ready, capacity=self.length, stop=self._stop)
        for frame in ready:
            if self._stop.is_set():
                return
            yield frame

    def _ready(self, frame: StreamFrame) -> ReadyFrame:
        """The frame as the processor makes it of a clip: resized and cropped."""
        clip = torch.from_numpy(frame.image).permute(2, 0, 1)[None]
        clip = self._processor.resize_and_crop(self._processor.fitted(clip, _Named(self._source)))
        image = frame.image if self._keep_images else None
        return ReadyFrame(frame.number, frame.time, clip[0], image, time.monotonic())

    def positions(self, total: int) -> list[int]:
        """Which frames of a window the model looks at; `total` is less than `length` if there are no more.

        Raises VideoDecodeError for that if the processor's `short_video` is "error".
        """
        try:
            return view_frame_indices(
                total,
                num_frames=self._processor.num_frames,
                frame_stride=self.length // self._processor.num_frames,
                segment=0,
                num_segments=2,
                protocol="dense",
                short_video=self._processor.short_video,
            )
        except ShortVideoError as error:
            raise VideoDecodeError(self._source, str(error)) from error


def training_length(processor: VideoMAEVideoProcessor) -> int:
    """Frames that the clips of the training span: `num_frames * frame_stride`, at the video's own rate.

    Raises ValueError for uniform sampling, in which a clip is a whole video, however long.
    """
    if processor.sampling != "dense":
        raise ValueError(
            f"the model was trained on whole videos (sampling is {processor.sampling!r}), which says nothing of the "
            "length of a window: give one as long as those were (--window)"
        )
    return processor.num_frames * processor.frame_stride


def parse_duration(text: str, fps: float, *, multiple_of: int = 1) -> int:
    """`"64"` (frames) or `"2.5s"` (seconds, at `fps` frames a second) -> frames.

    Seconds are rounded to a multiple of `multiple_of` frames, of which there is at least one. Raises ValueError.
    """
    try:
        if text.endswith("s"):
            seconds = float(text.removesuffix("s"))
            frames = max(round(seconds * fps / multiple_of), 1) * multiple_of if 0 < seconds < math.inf else 0
        else:
            frames = int(text)
    except ValueError:
        frames = 0
    if frames < 1:
        raise ValueError(f"a duration is {text!r}, wanted frames, such as 64, or seconds, such as 2.5s")
    return frames


def watch(
    model: VideoMAEForVideoClassification,
    video: WatchedVideo,
    *,
    frames: Iterable[ReadyFrame] | None = None,
    smoothing: Smoothing | None = None,
) -> Iterator[WindowScore]:
    """The score of each window, as soon as its last frame is there (`sliding_windows`).

    Unsmoothed, the score of a window as long as the clips of the training is what `predict` gives for a file of just
    its frames.

    Args:
        frames: those of the video, where somebody else looks at them on their way.

    Raises:
        VideoDecodeError: as `FrameStream`; the whole video is shorter than a clip and `short_video` is "error".
    """
    for window in stream_windows(
        video if frames is None else frames,
        length=video.length,
        stride=video.stride,
        fps=video.fps,
        choose=video.positions,
    ):
        score = video_score(model, window.frames[None])
        if smoothing is not None:
            score = smoothing(score, window.continues)
        yield WindowScore(window.start, window.end, window.continues, score, time.monotonic() - window.last.came)


class Latencies:
    """How long the newest windows took, in bounded memory."""

    def __init__(self):
        self.windows = 0
        self._newest: deque[float] = deque(maxlen=LATENCIES_KEPT)

    def add(self, seconds: float) -> None:
        self.windows += 1
        self._newest.append(seconds)

    def __str__(self) -> str:
        if not self.windows:
            return "no windows"
        milliseconds = 1000 * np.array(self._newest)
        return (
            f"{self.windows} windows, latency {milliseconds.mean():.1f} ms in the mean, "
            f"95 % within {np.percentile(milliseconds, 95):.1f} ms"
        )


__all__ = ["Latencies", "ReadyFrame", "WatchedVideo", "WindowScore", "parse_duration", "training_length", "watch"]
