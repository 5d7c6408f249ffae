# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""One video becomes a smaller one of which any frame is decoded alone.

Frame i of the copy is frame i of the original as `videomae.video.VideoReader` shows it, rotation applied, or as
`videomae.frames.FrameFolder` does: a folder of RGB pictures of 8 bits becomes a video, too. Other pictures and arrays
have no copy: a video can not hold them. The copy is
an mp4 of H.264 key frames (4:2:0, 8 bits, BT.601, no audio) coded for fast decoding, its index in front. Time stamps
keep their distances and begin at 0.

How many bytes and which quality `crf` means: `videomae prepare SRC DST --crf N --min_psnr 20` of three videos (a 10 s
Kinetics clip of 340x256, one of 32 frames, and a 1920x1080 clip of 2.6 s made 456x256). DST/.prepare/videos.csv has
the PSNR of RGB against the resized original, of the worst of `FRAMES_COMPARED` frames, and the sizes of both files.

    crf    Kinetics          short             1920x1080
    14     37.0 dB  4.29 x   38.1 dB  2.47 x   41.0 dB  0.97 x
    17     35.1 dB  3.30 x   36.1 dB  1.90 x   39.1 dB  0.72 x
    20     33.2 dB  2.56 x   34.1 dB  1.46 x   37.3 dB  0.56 x     the default
    23     31.5 dB  1.98 x   32.1 dB  1.09 x   35.4 dB  0.43 x
    26     29.8 dB  1.54 x   30.3 dB  0.82 x   33.7 dB  0.33 x

How long reading a clip takes from either, prepare prints at its end.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from .frames import ARRAY_EXTENSIONS, FrameFolder, open_video
from .video import VideoDecodeError, VideoReader

# tune=fastdecode: CAVLC instead of CABAC and no deblocking, the two costs of decoding H.264
X264 = {"preset": "veryfast", "tune": "fastdecode", "g": "1", "bf": "0"}
BT601 = {"colorspace": Colorspace.ITU601, "color_range": ColorRange.MPEG}
FRAMES_COMPARED = 8  # of each video, evenly spread
NO_PLACE = frozenset(  # what the system says of a destination
    getattr(errno, name, None) for name in "EACCES EDQUOT EFBIG EIO ENOENT ENOSPC EPERM EROFS".split()
)
EQUAL = 100.0  # dB: given as the PSNR of equal pictures, which is infinite


@dataclass(frozen=True)
class Encoding:
    """What copies are made. Raises ValueError for what can not be one."""

    short_side: int = 256  # pixels at most, even; smaller videos stay as they are
    crf: int = 20  # x264's constant rate factor: 0 is lossless, 51 the worst
    min_psnr: float = 25.0  # dB, in each of the frames compared, against what went into the encoder
    folder_fps: float = 25.0  # frames per second of the copy of a folder of frames, which has no times of its own

    def __post_init__(self):
        complaints = []
        if self.short_side < 16 or self.short_side % 2:
            complaints.append(f"short_side must be even and at least 16, got {self.short_side}")
        if not 0 <= self.crf <= 51:
            complaints.append(f"crf must be in 0 .. 51, got {self.crf}")
        if not 0 < self.folder_fps <= 1000:
            complaints.append(f"folder_fps must be more than 0 and at most 1000, got {self.folder_fps}")
        if complaints:
            raise ValueError("; ".join(complaints))


@dataclass(frozen=True)
class Copy:
    """A finished copy: its numbers, and the worst PSNR (dB) of the frames compared."""

    frames: int
    width: int
    height: int
    bytes: int
    psnr: float


@dataclass(frozen=True)
class Refusal:
    """Why there is no copy."""

    reason: str


def copy_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width of the copy: even, of the same aspect, and not larger."""
    scale = short_side / min(height, width)
    return tuple(max(2, min(round(side * scale / 2) * 2, side // 2 * 2)) for side in (height, width))


class Task(NamedTuple):
    source: str
    destination: str
    encoding: Encoding


def transcode(task: Task) -> Copy | Refusal:
    """Write the copy of a video and decode it again.

    A source that can not be read, and a copy that differs in its number of frames or by too much in one of them, give
    a `Refusal`; what is then at `destination` is of no use.

    Raises:
        OSError: `destination` can not be written: no space, no permission …
    """
    source, destination, encoding = task
    try:
        with _open(source) as reader:
            compared = _encode(reader, destination, encoding)
            num_frames = reader.num_frames
        return _verify(destination, num_frames, compared, encoding.min_psnr)
    except VideoDecodeError as error:
        picture = "" if error.path == source else f"{os.path.basename(error.path)}: "
        return Refusal(picture + error.reason)
    except MemoryError:
        return Refusal("needs more memory than a child process is given")
    except OSError as error:
        if error.errno in NO_PLACE:
            raise OSError(error.errno, os.strerror(error.errno), destination) from error
        return Refusal(f"{type(error).__name__}: {error}")
    except Exception as error:  # one file of thousands: whatever it makes a library do, the others are copied
        return Refusal(f"{type(error).__name__}: {error}")


def _open(source: str) -> VideoReader | FrameFolder:
    """Raises VideoDecodeError for what can not be read, and for what is no video's: arrays, pictures but RGB."""
    if source.lower().endswith(ARRAY_EXTENSIONS):
        raise VideoDecodeError(source, "an array: only videos and folders of RGB pictures are prepared")
    reader = open_video(source, num_threads=1, video_reader=VideoReader)
    if isinstance(reader, FrameFolder):
        first = reader.read([0])
        if first.dtype != torch.uint8 or first.shape[1] != 3:
            kind = f"{first.shape[1]} x {str(first.dtype).removeprefix('torch.')}"
            raise VideoDecodeError(source, f"pictures of {kind} a pixel: only those of RGB, 3 x uint8, are prepared")
    return reader


def _encode(reader: VideoReader | FrameFolder, destination: str, encoding: Encoding) -> dict[int, np.ndarray]:
    """Write the copy; RGB (H, W, 3) of the frames to compare, by number, as 4:2:0 can hold them."""
    height, width = copy_size(reader.info.height, reader.info.width, encoding.short_side)
    numbers = set(np.linspace(0, reader.num_frames - 1, FRAMES_COMPARED, dtype=int).tolist())
    compared, reformatter = {}, VideoReformatter()
    with av.open(destination, "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", options={**X264, "crf": str(encoding.crf)})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.thread_count = 1
        stream.codec_context.colorspace = BT601["colorspace"]
        stream.codec_context.color_range = BT601["color_range"]
        for number, (time, image) in enumerate(_frames(reader, encoding.folder_fps)):
            if number == 0:
                stream.codec_context.time_base = stream.time_base = time.base
            frame = _shrink(image, height, width, reformatter)
            if number in numbers:
                compared[number] = _to_rgb(frame, reformatter)
            frame.pts, frame.time_base = time.stamp, time.base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return compared


@dataclass(frozen=True)
class _Time:
    stamp: int  # from 0 on, rising
    base: Fraction  # seconds


def _frames(reader: VideoReader | FrameFolder, folder_fps: float) -> Iterator[tuple[_Time, np.ndarray]]:
    """Time and RGB (H, W, 3) of all frames, front to back."""
    return _frames_of_folder(reader, folder_fps) if isinstance(reader, FrameFolder) else _frames_of_video(reader)


def _frames_of_folder(folder: FrameFolder, fps: float) -> Iterator[tuple[_Time, np.ndarray]]:
    base = 1 / Fraction(fps).limit_denominator(1001)  # 29.97 is 30000/1001
    for number in range(folder.num_frames):
        yield _Time(number, base), folder.read([number])[0].permute(1, 2, 0).numpy()


def _frames_of_video(reader: VideoReader) -> Iterator[tuple[_Time, np.ndarray]]:
    first, last = None, -1
    for number, frame in reader.decode():
        base = frame.time_base or 1 / Fraction(reader.info.fps or 25).limit_denominator(1000)
        if frame.pts is None:
            stamp = last + max(round(1 / (reader.info.fps or 25) / base), 1)
        else:
            first = frame.pts if first is None else first
            stamp = frame.pts - first
        last = max(stamp, last + 1)  # an mp4 has no two frames at one time
        yield _Time(last, base), reader.to_image(frame, number)


def _shrink(image: np.ndarray, height: int, width: int, reformatter: VideoReformatter) -> av.VideoFrame:
    """4:2:0 in BT.601. An odd row or column too many is cut off where nothing else is to be resized."""
    if image.shape[0] - height <= 1 and image.shape[1] - width <= 1:
        image = image[:height, :width]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return reformatter.reformat(
        frame,
        width=width,
        height=height,
        format="yuv420p",
        dst_colorspace=BT601["colorspace"],
        dst_color_range=BT601["color_range"],
        interpolation=Interpolation.BICUBIC,
        threads=1,
    )


def _to_rgb(frame: av.VideoFrame, reformatter: VideoReformatter) -> np.ndarray:
    return reformatter.reformat(
        frame,
        format="rgb24",
        src_colorspace=BT601["colorspace"],
        src_color_range=BT601["color_range"],
        threads=1,
    ).to_ndarray()


def _verify(path: str, num_frames: int, compared: dict[int, np.ndarray], min_psnr: float) -> Copy | Refusal:
    """Decode the copy front to back and compare frames with what went into the encoder."""
    worst, counted = EQUAL, 0
    with VideoReader(path) as reader:
        for number, (_, image) in enumerate(_frames_of_video(reader)):
            counted += 1
            if number in compared:
                worst = min(worst, psnr(image, compared[number]))
        info = reader.info
    if not num_frames == counted == info.num_frames:
        return Refusal(f"{num_frames} frames went into the copy, it lists {info.num_frames} and {counted} decode")
    if worst < min_psnr:
        return Refusal(
            f"a frame of the copy has {worst:.1f} dB, wanted min_psnr = {min_psnr:g}: choose a lower crf or min_psnr"
        )
    return Copy(counted, info.width, info.height, os.path.getsize(path), worst)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal to noise ratio of 8-bit pixels, in dB; `EQUAL` where there is no noise."""
    error = np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else EQUAL


__all__ = ["Copy", "Encoding", "Refusal", "Task", "copy_size", "psnr", "transcode"]
