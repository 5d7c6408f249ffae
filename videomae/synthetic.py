# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A labelled set of small videos in which the class is a motion, as real mp4 files.

One disc or square moves on a smooth background: it goes left, right, up or down, circles clockwise or
counter-clockwise, grows or shrinks. Colours, shape, size, place and speed are drawn at random and say nothing about
the class. A motion and its opposite are the same frames in reverse order, so a frame whose time is not known does not
tell them apart.

    videos = MotionSet(unlabelled=4000, train=5, validation=5, test=50)
    for path in write_motion_set("motions", videos):
        ...

leaves motions/unlabelled/00000.mp4 … and motions/labelled/{train,validation,test}/{left,right,…}/00000.mp4 …, and
`load_videos` reads both folders. A video depends on (seed, part, number) alone.

All lengths are shares of the frame's side, and all speeds are per video, so that any size and any number of frames
shows the same scenes.
"""

import json
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import torch

from .files import replacing, write_json

MOTIONS = ("left", "right", "up", "down", "clockwise", "counter-clockwise", "growing", "shrinking")

# Ranges of the uniform draws. 10 frames of 32 pixels: an object 9 to 14 pixels wide goes 1.6 to 2.6 pixels a frame.
RADIUS = (0.14, 0.22)
PATH = (0.45, 0.73)  # length of the way left, right, up or down
ANGLE = (3.3, 5.3)  # radians of the circle that are passed
GROWTH = (2.6, 3.0)  # largest radius / smallest
ORBIT_RADIUS = 0.22
MIDDLE = (0.25, 0.75)  # where the middle of a way may lie, so that the object never leaves the frame entirely
ORBIT_MIDDLE = (0.375, 0.625)
DARK = (0.0, 0.4)  # intensities of the background
BRIGHT = (0.5, 1.0)  # and of the object, one of whose channels is full

SETTINGS = "motions.json"
FRAMES_PER_SECOND = 8
# Nearly lossless: on frames this small the codec's blocks would otherwise be as visible as the object.
ENCODER = {"crf": "10", "preset": "veryfast", "g": "8", "bf": "0"}


# ---- one video ----


def draw_video(motion: str, *, size: int, num_frames: int, generator: torch.Generator) -> torch.Tensor:
    """Frames of one video, uint8 (num_frames, 3, size, size).

    Raises ValueError for an unknown motion.
    """
    if motion not in MOTIONS:
        raise ValueError(f"motion is {motion!r}, wanted one of {', '.join(MOTIONS)}")
    background = _gradient(size, generator)
    x, y, radius = _trajectory(motion, num_frames, generator)
    square = torch.rand((), generator=generator) < 0.5
    colour = _uniform(BRIGHT, generator, 3)
    colour[torch.randint(3, (), generator=generator)] = 1.0
    coverage = _coverage(x, y, radius, square=bool(square), size=size)[:, None]
    frames = background * (1 - coverage) + colour[:, None, None] * coverage
    return (frames * 255).round().to(torch.uint8)


def _trajectory(motion: str, num_frames: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Centre x, y and radius at every frame, float (num_frames,) each."""
    time = torch.linspace(-0.5, 0.5, num_frames)
    sign = {"right": 1, "left": -1, "down": 1, "up": -1, "clockwise": 1, "counter-clockwise": -1}.get(motion, 0)
    turns = motion.endswith("clockwise")
    x, y = _uniform(ORBIT_MIDDLE if turns else MIDDLE, generator, 2)
    radius = _uniform(RADIUS, generator)
    x, y, radius = x + 0 * time, y + 0 * time, radius + 0 * time
    if turns:
        angle = _uniform((0, 2 * math.pi), generator) + sign * _uniform(ANGLE, generator) * time
        return x + ORBIT_RADIUS * angle.cos(), y + ORBIT_RADIUS * angle.sin(), radius  # rows go down: clockwise
    if sign:
        way = sign * _uniform(PATH, generator) * time
        return (x + way, y, radius) if motion in ("left", "right") else (x, y + way, radius)
    growth = _uniform(GROWTH, generator) ** time
    return x, y, radius * growth if motion == "growing" else radius / growth


def _coverage(x, y, radius, *, square: bool, size: int) -> torch.Tensor:
    """Share of each pixel that the object covers, (num_frames, size, size); antialiased over one pixel."""
    pixels = (torch.arange(size) + 0.5) / size
    dx = (pixels - x[:, None])[:, None, :]
    dy = (pixels - y[:, None])[:, :, None]
    if square:
        distance = torch.maximum(dx.abs(), dy.abs()) * (2 / math.sqrt(math.pi))  # the area of a disc of that radius
    else:
        distance = (dx**2 + dy**2).sqrt()
    return ((radius[:, None, None] - distance) * size + 0.5).clamp(0, 1)


def _gradient(size: int, generator: torch.Generator) -> torch.Tensor:
    """Background (3, size, size): from one dark colour to another, in any direction."""
    start, end = _uniform(DARK, generator, 2, 3, 1, 1)
    angle = _uniform((0, 2 * math.pi), generator)
    pixels = (torch.arange(size) + 0.5) / size - 0.5
    ramp = (pixels * angle.cos() + pixels[:, None] * angle.sin()) / math.sqrt(2) + 0.5
    return start + (end - start) * ramp


def _uniform(limits: tuple[float, float], generator: torch.Generator, *shape: int) -> torch.Tensor:
    low, high = limits
    return low + (high - low) * torch.rand(shape, generator=generator)


def write_video(path: str | os.PathLike, frames: torch.Tensor, *, fps: int = FRAMES_PER_SECOND) -> None:
    """An H.264 mp4 of uint8 frames (T, 3, H, W), written whole or not at all.

    Raises ValueError for odd sides, which 4:2:0 video can not have.
    """
    height, width = frames.shape[-2:]
    if height % 2 or width % 2:
        raise ValueError(f"{path}: frames are {height}x{width}, wanted even sides")
    with replacing(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=ENCODER)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.thread_count = 1
        for image in frames.permute(0, 2, 3, 1).contiguous().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


# ---- the set ----


@dataclass(frozen=True)
class MotionSet:
    """How many videos of which shape: `train`, `validation` and `test` count per motion, `unlabelled` altogether."""

    unlabelled: int
    train: int
    validation: int
    test: int
    size: int = 32  # pixels
    num_frames: int = 10
    seed: int = 0

    def __len__(self) -> int:
        return self.unlabelled + len(MOTIONS) * (self.train + self.validation + self.test)


def write_motion_set(folder: str | os.PathLike, videos: MotionSet) -> Iterator[Path]:
    """Write the set, one path a step; what an interrupted call has already written is kept.

    Several processes may write the same set into the same folder.

    Raises:
        ValueError: the folder holds a set of other settings.
    """
    folder = Path(folder)
    _claim(folder, asdict(videos))
    for part, motion, number in _rows(videos):
        path = folder / part / ("" if part == "unlabelled" else motion) / f"{number:05d}.mp4"
        if not path.exists():
            generator = _generator(videos.seed, part, motion, number)
            frames = draw_video(motion, size=videos.size, num_frames=videos.num_frames, generator=generator)
            write_video(path, frames)
        yield path


def _rows(videos: MotionSet) -> Iterator[tuple[str, str, int]]:
    """(part, motion, number) of every video."""
    for number in range(videos.unlabelled):
        yield "unlabelled", MOTIONS[number % len(MOTIONS)], number
    for split in ("train", "validation", "test"):
        for motion in MOTIONS:
            for number in range(getattr(videos, split)):
                yield f"labelled/{split}", motion, number


def _generator(seed: int, part: str, motion: str, number: int) -> torch.Generator:
    words = (seed, zlib.crc32(f"{part}/{motion}".encode()), number)
    (mixed,) = np.random.SeedSequence(words).generate_state(1)
    return torch.Generator().manual_seed(int(mixed))


def _claim(folder: Path, settings: dict) -> None:
    """Note the settings in the folder, or compare them with those that are noted there."""
    note = folder / SETTINGS
    if not note.exists():
        write_json(note, settings)
    elif (noted := json.loads(note.read_text(encoding="utf-8"))) != settings:
        raise ValueError(f"{folder} holds videos of other settings, {noted}, wanted {settings}: choose another folder")


__all__ = ["MOTIONS", "MotionSet", "draw_video", "write_motion_set", "write_video"]
