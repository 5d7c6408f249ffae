# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Frames of a video or of a camera from front to back: each is decoded once, and none is kept.

`videomae.video` reads chosen frames of a file whose packets it has listed; here nothing is known of what is to come,
so that neither length nor end matters.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from .downloads import is_address, scheme_of
from .frames import decoder_threads
from .video import CONTAINERS, VideoDecodeError, orientation, turned

STANDARD_INPUT = "-"
CAMERA_SCHEMES = ("rtsp://", "rtsps://")
DEVICES = "/dev/"  # Video4Linux; elsewhere the FFmpeg of PyAV's wheels knows no cameras
# What FFmpeg may open for an address: never a file of this machine.
NETWORK_PROTOCOLS = "http,https,httpproxy,rtsp,rtsps,rtp,srtp,tcp,tls,udp"
NETWORK_CONTAINERS = f"{CONTAINERS},mpjpeg,rtp,rtsp,sdp"  # mpjpeg: pictures one after the other, as web cameras send
SET_BACK = 1.0  # seconds; less is disorder among neighbours
TIMEOUTS = (20.0, 30.0)  # seconds until a source must be open, and without data after which it is gone


class StreamFrame(NamedTuple):
    number: int  # from 0; one that is left out means that frames in between are missing
    time: float  # seconds since the first frame
    image: np.ndarray  # RGB as displayed, uint8 (H, W, 3)


class _Opening(NamedTuple):
    """How FFmpeg is to open a source."""

    source: str | BinaryIO
    containers: str
    protocols: str
    format: str | None = None


def is_live(source: str) -> bool:
    """Whether a source goes on whether or not anybody looks: a camera."""
    return source.startswith(DEVICES) or source.lower().startswith(CAMERA_SCHEMES)


class _Clock:
    """Seconds since the first frame, from the frames' own time stamps where they have any; never going back."""

    def __init__(self, fps: float, has_stamps: bool):
        self._step, self._has_stamps = 1 / fps, has_stamps
        self._first = self._last = None

    def read(self, frame: av.VideoFrame) -> tuple[float, bool]:
        """The time of the next frame, and whether the source's clock was set back, as by a camera that restarts."""
        if self._last is None:
            self._first, self._last = frame.time or 0.0, 0.0
            return 0.0, False
        expected = self._last + self._step
        time = frame.time - self._first if self._has_stamps and frame.time is not None else expected
        is_restart = self._last - time > SET_BACK
        if is_restart:
            self._first += time - expected
            time = expected
        self._last = max(time, self._last)
        return self._last, is_restart


class FrameStream:
    """The frames of a source, one after the other. A context manager; iterate once.

    Args:
        source: a path, an http(s) or rtsp(s) address, a Video4Linux device (`/dev/video0`), or `-` for standard input.
        tolerant: whether a damaged frame is passed over, as live sources need it, instead of an error. `damaged`
            counts them, and the next frame's number tells of the gap.

    Attributes:
        fps: frames per second, on average, as the source itself says.

    Raises:
        VideoDecodeError: not there, not a video, of an unknown frame rate; while iterating, a damaged frame or one of
            another size than the first, or a source that has been silent for `TIMEOUTS[1]` seconds.
    """

    def __init__(self, source: str | os.PathLike, *, tolerant: bool = False):
        self.path = os.fspath(source)
        self.damaged = 0
        self._tolerant = tolerant
        with self._errors():
            self._container = self._open()
        try:
            # cover pictures of audio files are video streams to FFmpeg
            cover = av.stream.Disposition.attached_pic
            streams = [stream for stream in self._container.streams.video if not stream.disposition & cover]
            if not streams:
                raise VideoDecodeError(self.path, "no video stream in it")
            self._stream = streams[0]
            rate = self._stream.average_rate or self._stream.guessed_rate
            if not rate:
                raise VideoDecodeError(self.path, "does not say how many frames a second it has")
        except BaseException:
            self.close()
            raise
        self.fps = float(rate)
        # A picture decoded by several threads at once comes at once, several pictures come later.
        self._stream.thread_type = "SLICE" if is_live(self.path) else "AUTO"
        self._stream.thread_count = decoder_threads()
        self._stream.codec_context.options = {"err_detect": "explode"}  # as in `video.VideoReader`
        self._reformatter, self._size = VideoReformatter(), None

    def __enter__(self) -> "FrameStream":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[StreamFrame]:
        # AVI has no times of presentation: a frame carries that of its packet, which comes in another order.
        clock = _Clock(self.fps, has_stamps=self._container.format.name != "avi")
        upright, number = None, -1
        with self._errors():
            for frame in self._decoded():
                number += 1
                if frame is None:
                    continue
                upright = upright or orientation(frame)  # the first frame tells for all
                time, is_restart = clock.read(frame)
                if is_restart and self._tolerant:
                    number += 1
                yield StreamFrame(number, time, self._to_image(frame, number, *upright))

    def _decoded(self) -> Iterator[av.VideoFrame | None]:
        """All frames; None in the place of one that is passed over."""
        # PyAV 18 leaks 200 bytes with every such generator that is neither exhausted nor closed.
        with contextlib.closing(self._container.demux(self._stream)) as packets:
            for packet in packets:
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    frames = [None]
                for frame in frames:
                    yield self._damaged() if frame is None or frame.is_corrupt else frame

    def _damaged(self) -> None:
        if not self._tolerant:
            raise VideoDecodeError(self.path, "a frame is damaged")
        self.damaged += 1

    def _to_image(self, frame: av.VideoFrame, number: int, rotation: int, mirrored: bool) -> np.ndarray:
        pixels = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        image = np.ascontiguousarray(turned(pixels, rotation, mirrored))
        size = image.shape[:2]
        self._size = self._size or size
        if size != self._size:
            raise VideoDecodeError(self.path, f"frame {number} is {size} (height, width), the first was {self._size}")
        return image

    def _open(self) -> av.container.InputContainer:
        opening = self._opening()
        options = {"format_whitelist": opening.containers, "protocol_whitelist": opening.protocols}
        return av.open(opening.source, format=opening.format, options=options, timeout=TIMEOUTS)

    def _opening(self) -> _Opening:
        if self.path == STANDARD_INPUT:
            return _Opening(sys.stdin.buffer, CONTAINERS, "")
        if is_address(self.path) or self.path.lower().startswith(CAMERA_SCHEMES):
            return _Opening(self.path, NETWORK_CONTAINERS, NETWORK_PROTOCOLS)
        if scheme := scheme_of(self.path):
            raise VideoDecodeError(self.path, f"an address of scheme {scheme}, wanted http, https, rtsp or rtsps")
        if self.path.startswith(DEVICES):
            return _Opening(self.path, "video4linux2,v4l2", "file", format="video4linux2,v4l2")
        return _Opening(f"file:{self.path}", CONTAINERS, "file")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoDecodeError(self.path, f"can not be read (FFmpeg: {reason})") from error


class LoopedStream:
    """The frames of a file again and again, numbers and times going on: a camera to try things with.

    Used as a `FrameStream`, and with its `fps`; `damaged` counts the damaged frames of all rounds.

    Raises VideoDecodeError as `FrameStream`, also for a file of which no frame can be decoded.
    """

    def __init__(self, path: str | os.PathLike, *, tolerant: bool = False):
        self._open = partial(FrameStream, path, tolerant=tolerant)
        self._stream, self._damaged_before = self._open(), 0
        self.fps = self._stream.fps

    def __enter__(self) -> "LoopedStream":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()

    @property
    def damaged(self) -> int:
        return self._damaged_before + self._stream.damaged

    def __iter__(self) -> Iterator[StreamFrame]:
        number, time = 0, 0.0
        while True:
            last = None
            for last in self._stream:
                yield StreamFrame(number + last.number, time + last.time, last.image)
            if last is None:
                raise VideoDecodeError(self._stream.path, "no frame of it can be decoded")
            number += last.number + 1
            time += last.time + 1 / self.fps
            self.close()
            before = self.damaged
            self._stream, self._damaged_before = self._open(), before


__all__ = ["STANDARD_INPUT", "FrameStream", "LoopedStream", "StreamFrame", "is_live"]
