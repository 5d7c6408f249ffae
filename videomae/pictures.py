# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Versions of a clip beside each other, under their captions: a strip (png), an animation (gif), a film (mp4).

    rows = [PictureRow("original", frames), PictureRow("masked", masked, note="90 % hidden")]
    save_strip(rows, "clip.png", title="clip.mp4")

A strip has a row for each version and a column for a frame; an animation and a film show the versions side by side.
Pixels are enlarged by whole factors, never smoothed: what looks like a pixel is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import matplotlib
import numpy as np
import torch
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from .files import replacing

DPI = 120
ENCODER = {"crf": "16", "preset": "medium"}  # no visible blocks around the patches


@dataclass(frozen=True)
class ColourBar:
    """What the colours of a row stand for: the name of a matplotlib map, and the words at its two ends."""

    colours: str
    low: str
    high: str


@dataclass(frozen=True)
class PictureRow:
    """One version of a clip: frames uint8 (T, H, W, 3), a short caption, and what else is to be said in a note."""

    caption: str
    frames: np.ndarray
    note: str = ""
    colour_bar: ColourBar | None = None


def displayed(clip: torch.Tensor) -> np.ndarray:
    """uint8 (T, C, H, W) -> (T, H, W, 3): the first three channels, or of fewer the first, in grey."""
    clip = clip[:, :3] if clip.shape[1] >= 3 else clip[:, :1].expand(-1, 3, -1, -1)
    return clip.permute(0, 2, 3, 1).contiguous().numpy()


# ---- strips ---------------------------------------------------------------------------------------------------------

MARGIN, GAP = 0.1, 0.06  # inches; of the picture, and between frames
CAPTION, FRAME_NUMBER, TITLE = 0.27, 0.17, 0.33  # inches high


def save_strip(rows: Sequence[PictureRow], path: str | Path, *, num_columns: int = 8, title: str = "") -> Path:
    """A png: a row for each version of the clip, a column for each of `num_columns` frames. Returns `path`."""
    length, height, width, _ = rows[0].frames.shape
    chosen = np.linspace(0, length - 1, min(num_columns, length)).round().astype(int)
    cell = max(1.3, 7.0 / len(chosen))  # inches wide; few frames are drawn larger, so that captions have room
    tall = cell * height / width
    size = (
        2 * MARGIN + len(chosen) * cell + (len(chosen) - 1) * GAP,
        2 * MARGIN + len(rows) * (CAPTION + tall) + FRAME_NUMBER + (TITLE if title else 0),
    )
    figure = Figure(figsize=size, dpi=DPI)
    top = size[1] - MARGIN
    if title:
        _write(figure, 0.5, (top - TITLE / 3) / size[1], title, fontsize=11, ha="center", weight="bold")
        top -= TITLE
    for number, row in enumerate(rows):
        _draw_caption(figure, row, top - 0.6 * CAPTION)
        top -= CAPTION + tall
        for column, frame in enumerate(chosen):
            box = (MARGIN + column * (cell + GAP), top, cell, tall)
            axis = figure.add_axes([box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1]])
            axis.imshow(row.frames[frame], interpolation="nearest", aspect="auto")
            axis.set(xticks=[], yticks=[])
            if number == 0:
                axis.set_xlabel(f"frame {frame}", fontsize=7.5, labelpad=2)
        top -= FRAME_NUMBER if number == 0 else 0
    with replacing(path) as temporary:
        figure.savefig(temporary)
    return Path(path)


def _draw_caption(figure, row, y):
    """Caption and note at the left, the colour bar at the right, all `y` inches above the bottom."""
    width, height = figure.get_size_inches()
    caption = _write(figure, MARGIN / width, y / height, row.caption, fontsize=9.5, weight="bold")
    if row.note:
        end = caption.get_window_extent().x1 / figure.dpi
        _write(figure, (end + 0.1) / width, y / height, row.note, fontsize=8.5)
    if row.colour_bar is not None:
        bar, long = row.colour_bar, 1.0
        high = _write(figure, 1 - MARGIN / width, y / height, bar.high, fontsize=8, ha="right")
        right = high.get_window_extent().x0 / figure.dpi - 0.06
        axis = figure.add_axes([(right - long) / width, (y - 0.05) / height, long / width, 0.1 / height])
        axis.imshow(np.linspace(0, 1, 256)[None], cmap=bar.colours, aspect="auto")
        axis.set_axis_off()
        _write(figure, (right - long - 0.06) / width, y / height, bar.low, fontsize=8, ha="right")


def _write(figure, x, y, text, **style):
    """`text` around the height `y`, as it is: a `$` of a file or a class begins no formula."""
    return figure.text(x, y, text, va="center", parse_math=False, **style)


# ---- animations and films -------------------------------------------------------------------------------------------

BORDER = 6  # pixels around each panel
LINE = 16  # pixels from one line of text to the next
FONT_SIZE = 12


def save_gif(
    rows: Sequence[PictureRow], path: str | Path, *, fps: float = 8, panel_width: int = 224, title: str = ""
) -> Path:
    """An animated gif: the versions of the clip side by side, each about `panel_width` pixels wide. Returns `path`."""
    frames = _canvases(rows, panel_width, title)
    with replacing(path) as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0)
    return Path(path)


def save_mp4(
    rows: Sequence[PictureRow], path: str | Path, *, fps: float = 8, panel_width: int = 224, title: str = ""
) -> Path:
    """An H.264 mp4 of what `save_gif` shows, once, in full colour. Returns `path`."""
    frames = _canvases(rows, panel_width, title)
    with replacing(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
    return Path(path)


def save_pictures(
    rows: Sequence[PictureRow], stem: str | Path, formats: Sequence[str], *, fps: float = 8, title: str = ""
) -> list[Path]:
    """`stem`.png, .gif or .mp4, each of the `formats`; returns the paths.

    Raises:
        ValueError: another format, or a frame rate that is not above 0.
    """
    if not fps > 0:
        raise ValueError(f"{fps} frames a second can not be shown, wanted more than 0")
    writers = {"png": save_strip, "gif": partial(save_gif, fps=fps), "mp4": partial(save_mp4, fps=fps)}
    if unknown := sorted(set(formats) - set(writers)):
        raise ValueError(f"no pictures as {', '.join(unknown)}, wanted some of {', '.join(writers)}")
    return [writers[name](rows, f"{stem}.{name}", title=title) for name in dict.fromkeys(formats)]


def _canvases(rows: Sequence[PictureRow], panel_width: int, title: str) -> list[Image.Image]:
    """One picture for each frame; sides are even, as 4:2:0 video wants them."""
    length, height, width, _ = rows[0].frames.shape
    scale = max(1, round(panel_width / width))
    wide, tall = width * scale, height * scale
    bold, plain = text_font(FONT_SIZE, "bold"), text_font(FONT_SIZE)
    captions = [[(line, bold) for line in text_lines(row.caption, bold, wide)] for row in rows]
    for lines, row in zip(captions, rows, strict=True):
        lines += [(line, plain) for line in text_lines(row.note, plain, wide)]
    above = BORDER + (LINE + BORDER if title else 0)
    band = above + LINE * max(map(len, captions)) + BORDER // 2
    size = (BORDER + len(rows) * (wide + BORDER), band + tall + BORDER)
    background = Image.new("RGB", tuple(side + side % 2 for side in size), "white")
    draw = ImageDraw.Draw(background)
    draw.text((size[0] / 2, BORDER), title, fill="black", font=bold, anchor="ma")
    for column, lines in enumerate(captions):
        for number, (line, font) in enumerate(lines):
            draw.text((BORDER + column * (wide + BORDER), above + LINE * number), line, fill="black", font=font)
    canvases = []
    for number in range(length):
        canvas = background.copy()
        for column, row in enumerate(rows):
            panel = Image.fromarray(row.frames[number]).resize((wide, tall), Image.Resampling.NEAREST)
            canvas.paste(panel, (BORDER + column * (wide + BORDER), band))
        canvases.append(canvas)
    return canvases


def text_font(size: int, weight: str = "normal") -> ImageFont.FreeTypeFont:
    """The strip's font, of `size` pixels, for what PIL draws."""
    family = matplotlib.rcParamsDefault["font.sans-serif"][0]
    properties = font_manager.FontProperties(family=family, weight=weight)
    return ImageFont.truetype(font_manager.findfont(properties, rebuild_if_missing=False), size)


def text_lines(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The text in lines of at most `width` pixels, a longer word alone."""
    lines = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


__all__ = [
    "ColourBar",
    "PictureRow",
    "displayed",
    "save_gif",
    "save_mp4",
    "save_pictures",
    "save_strip",
    "text_font",
    "text_lines",
]
