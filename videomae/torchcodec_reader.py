# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
r"""torchcodec as the decoder of videos, where it is installed, asked for, and gives the frames that PyAV gives.

The environment variable VIDEOMAE_DECODER says what decodes: `pyav`, `torchcodec`, or `auto`, the default, which is
PyAV, for two reasons. torchcodec shows what FFmpeg paints over damaged parts without a word; `VideoReader` refuses
them. And it was no faster where we tried it (torchcodec 0.17, one thread, CPU time of opening a file and reading 16
frames at stride 4, best of 5): 45 ms against 31 with PyAV for a 340x256 H.264 file, 293 against 255 for a 1920x1080
one, 16 against 10 for the prepared copy of the first, with

    VIDEOMAE_DECODER=torchcodec python -m timeit -p -n 3 -s "from videomae.frames import open_video" \
        "open_video('clip.mp4', num_threads=1).read(range(0, 64, 4))"
"""

import contextlib
import functools
import importlib.util
import logging
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import torch

from .video import PACKET_IS_FRAME, VideoInfo, VideoReader

logger = logging.getLogger(__name__)

DECODERS = ("auto", "pyav", "torchcodec")

_FAILURES = (IndexError, RuntimeError, ValueError)  # what torchcodec raises


def is_torchcodec_chosen() -> bool:
    """Whether VIDEOMAE_DECODER asks for torchcodec.

    Raises:
        ValueError: it names no decoder.
    """
    chosen = os.environ.get("VIDEOMAE_DECODER") or "auto"
    if chosen not in DECODERS:
        raise ValueError(f"the environment variable VIDEOMAE_DECODER is {chosen!r}, wanted {', '.join(DECODERS)}")
    return chosen == "torchcodec"


class TorchcodecReader:
    """A `VideoReader` whose frames torchcodec decodes, where it can be trusted to.

    What the video is, and how many frames it has, PyAV says. PyAV also decodes where torchcodec can not be used in
    this process (`torchcodec_problem`), which is logged once, and videos that it reads differently or not at all: not
    in mp4 or Matroska (of H.264 in AVI it gave the wrong frames), of a codec outside `PACKET_IS_FRAME` (of MPEG-4,
    too), those of which it counts other frames or shows another first one, and those in which it fails.

    Raises:
        VideoDecodeError: as `VideoReader`, but damage inside of frames may pass.
    """

    def __init__(self, source: str | Path | bytes | BinaryIO, *, num_threads: int = 1, min_frames: int = 2):
        self._reader = VideoReader(source, num_threads=num_threads, min_frames=min_frames)
        try:
            self._decoder = self._trusted_decoder(source, num_threads) if _is_usable() else None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "TorchcodecReader":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self._decoder = None

    @property
    def path(self) -> str:
        return self._reader.path

    @property
    def info(self) -> VideoInfo:
        return self._reader.info

    @property
    def num_frames(self) -> int:
        return self._reader.num_frames

    def read(self, indices: Sequence[int]) -> torch.Tensor:
        """The frames with these numbers, in any order, repeats allowed: uint8 `(len(indices), 3, H, W)`."""
        numbers = [int(number) for number in indices]
        exist = bool(numbers) and 0 <= min(numbers) and max(numbers) < self.num_frames
        if self._decoder is not None and exist:
            # It can not decode from every place that it seeks to. Where that is damage, PyAV says so.
            with contextlib.suppress(*_FAILURES):
                return self._decoder.get_frames_at(numbers).data
        return self._reader.read(numbers)

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, torch.Tensor]]:
        """As `VideoReader.stream`; torchcodec goes on from one frame to the next without seeking."""
        for number in indices:
            yield number, self.read([number])[0]

    def seconds(self, indices: Sequence[int]) -> list[float] | None:
        return self._reader.seconds(indices)

    def _trusted_decoder(self, source, num_threads):
        """torchcodec's decoder, if it reads this video as PyAV does."""
        if self.info.codec not in PACKET_IS_FRAME or not _is_mp4_or_matroska(source):
            return None
        first = self._reader.read([0])
        if hasattr(source, "seek"):
            source.seek(0)
        try:
            decoder = _decoder(source, num_threads)
            agrees = len(decoder) == self.num_frames and torch.equal(decoder.get_frames_at([0]).data, first)
        except _FAILURES:
            return None
        return decoder if agrees else None


def _is_mp4_or_matroska(source: str | Path | bytes | BinaryIO) -> bool:
    """By the first bytes: the type of the first box (ISO 14496-12, 4.3), or the EBML magic number (RFC 8794, 11.2)."""
    if isinstance(source, bytes):
        head = source[:8]
    else:
        with open(source, "rb") if isinstance(source, (str, Path)) else contextlib.nullcontext(source) as file:
            file.seek(0)
            head = file.read(8)
    return head[4:] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3"


def _decoder(source, num_threads: int):
    from torchcodec.decoders import VideoDecoder

    # The approximate mode computes frame numbers from the frame rate: wrong on a variable one.
    return VideoDecoder(source, seek_mode="exact", num_ffmpeg_threads=num_threads)


@functools.cache
def _is_usable() -> bool:
    problem = torchcodec_problem()
    if problem:
        logger.warning("VIDEOMAE_DECODER asks for torchcodec, but %s: PyAV decodes", problem)
    return problem is None


def torchcodec_problem() -> str | None:
    """Why torchcodec can not be used here, or None: it is installed and gives every frame of a test video as PyAV."""
    if importlib.util.find_spec("torchcodec") is None:
        return "it is not installed"
    try:
        video = _test_video()
        found = _decoder(video, 1).get_frames_at(range(_TEST_FRAMES)).data
    except Exception as error:  # missing libraries of FFmpeg, another torch: whatever it raises is the reason
        return f"it does not work ({_first_line(error)})"
    with VideoReader(video) as reader:
        return None if torch.equal(found, reader.read(range(_TEST_FRAMES))) else "it gives other frames"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_TEST_FRAMES = 24


def _test_video() -> bytes:
    """A small mp4 with B-frames, three key frames, a late start and frames of two durations."""
    file = BytesIO()
    ramp = np.arange(48 * 64 * 3).reshape(48, 64, 3)
    with av.open(file, "w", format="mp4") as container:
        parameters = {"x264-params": "keyint=8:scenecut=0:bframes=3:b-adapt=0"}
        stream = container.add_stream("libx264", rate=30, options=parameters)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for number in range(_TEST_FRAMES):
            frame = av.VideoFrame.from_ndarray((ramp // 8 + 9 * number).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = 5 + number + number // 3, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()
