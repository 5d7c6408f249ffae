# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A copy of a video with a caption burnt into its pictures, written while the frames pass by."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .files import replacing
from .frame_streams import StreamFrame
from .pictures import text_font, text_lines

# A clock of which a frame takes a whole number of ticks at 24, 25, 30, 50 and 60 frames a second, and at 29.97.
TIME_BASE = Fraction(1, 90_000)  # seconds
X264 = {"preset": "veryfast", "crf": "20"}
LINES_OF_TEXT = 18  # that the shorter side of a picture would hold
SMALLEST_TEXT = 8  # pixels


class AnnotatedVideo:
    """An mp4 (H.264, no sound) of the frames that are written to it, with their own times.

    Set `caption` whenever it changes; it is burnt into the lower left corner of the frames to come. Where a side is
    odd, the last row or column is left out: 4:2:0 video has none.
    """

    def __init__(self, container: av.container.OutputContainer, fps: float):
        self.caption = ""
        self._container = container
        self._fps = Fraction(fps).limit_denominator(1001)
        self._stream = None
        self._last = -1
        self._strips: dict[str, np.ndarray] = {}  # the newest caption alone

    def passing(self, frames: Iterable[StreamFrame]) -> Iterator[StreamFrame]:
        """The same frames, each written before it is handed on."""
        for frame in frames:
            self.write(frame)
            yield frame

    def write(self, frame: StreamFrame) -> None:
        height, width = (side // 2 * 2 for side in frame.image.shape[:2])
        image = frame.image[:height, :width].copy()
        if self.caption:
            strip = self._strip(height, width)
            image[height - strip.shape[0] :, : strip.shape[1]] = strip
        self._stream = self._stream or self._add_stream(height, width)
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        self._last = max(round(frame.time / TIME_BASE), self._last + 1)  # an mp4 has no two frames at one time
        picture.pts, picture.time_base = self._last, TIME_BASE
        self._container.mux(self._stream.encode(picture))

    def finish(self) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode())

    def _add_stream(self, height: int, width: int) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=self._fps, options=X264)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.codec_context.time_base = stream.time_base = TIME_BASE
        return stream

    def _strip(self, height: int, width: int) -> np.ndarray:
        """The caption, white on black, RGB uint8 (h, w, 3), at most as large as the picture."""
        if self.caption not in self._strips:
            font, text = _fitting(self.caption, max(min(height, width) // LINES_OF_TEXT, SMALLEST_TEXT), width)
            strip = Image.new("RGB", (width, height))
            draw, margin = ImageDraw.Draw(strip), font.size // 3
            left, top, right, bottom = draw.multiline_textbbox((0, 0), text, font=font)
            draw.multiline_text((margin - left, margin - top), text, font=font, fill="white")
            size = (min(int(right - left) + 2 * margin, width), min(int(bottom - top) + 2 * margin, height))
            self._strips = {self.caption: np.asarray(strip.crop((0, 0, *size)))}
        return self._strips[self.caption]


def _fitting(caption: str, size: int, width: int) -> tuple[ImageFont.FreeTypeFont, str]:
    """The font, of at most `size` pixels, and the lines in which a caption is no wider than `width` pixels.

    Lines break between words, and letters shrink for a word that is too wide; below `SMALLEST_TEXT` it is cut.
    """
    for smaller in range(size, SMALLEST_TEXT - 1, -1):
        font = text_font(smaller)
        lines = text_lines(caption, font, width - 2 * (smaller // 3))
        if max(map(font.getlength, lines)) <= width - 2 * (smaller // 3):
            break
    return font, "\n".join(lines)


@contextmanager
def annotated_video(path: str | os.PathLike, fps: float) -> Iterator[AnnotatedVideo]:
    """An `AnnotatedVideo` at `path`, which is there, whole, when the block ends well, and not otherwise.

    Raises ValueError, as the block ends, for a video of no frames.
    """
    with replacing(path) as temporary:
        with av.open(str(temporary), "w", format="mp4") as container:
            video = AnnotatedVideo(container, fps)
            yield video
            video.finish()
            if video._stream is None:
                raise ValueError(f"{path}: no frame came")


__all__ = ["AnnotatedVideo", "annotated_video"]
