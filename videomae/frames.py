# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""One way to read frames, whatever they lie in: `open_video` opens video files, folders of pictures and arrays.

What it returns has the interface of `videomae.video.VideoReader`: `path`, `info`, `num_frames`, `read(indices)`,
`stream(indices)`, `seconds(indices)`, `close()`, and it is a context manager. Everything that is wrong with a source
is a `VideoDecodeError` that names it.

Shapes: frames are (n, C, H, W), a view of channels-last memory: uint8, or float32 in the source's own units.
"""

import contextlib
import math
import os
import re
import warnings
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch.utils.data
from PIL import ExifTags, Image, ImageOps

from .children import available_cores
from .torchcodec_reader import TorchcodecReader, is_torchcodec_chosen
from .video import VideoDecodeError, VideoInfo, VideoReader

Source = str | Path | bytes | BinaryIO | Mapping

ARRAY_EXTENSIONS = (".npy", ".npz")
PICTURE_EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# Threads of a decoder wait for each other, above all on small frames; workers do not, and get the other cores.
# python -m timeit -s "from videomae.frames import open_video" \
#     "open_video('clip.mp4', num_threads=2).read(range(0, 64, 4))"
MOST_DECODER_THREADS = 2

# Compressed arrays unpack to up to a thousand times their size: a small file must not fill the memory.
MOST_UNPACKED_BYTES = 2**30


def open_video(
    source: Source,
    *,
    num_threads: int | None = None,
    min_frames: int = 2,
    video_reader: Callable[..., VideoReader | TorchcodecReader] | None = None,
):
    """Open a video, whatever it lies in; see `VideoReader` for what is returned.

    Args:
        source: path of a video file, of a folder of pictures (`FrameFolder`) or of a .npy or .npz file
            (`ArrayFrames`); the bytes or the file object of a video or an array; or {"path": …, "bytes": …} as
            `datasets` gives for a column `Video(decode=False)`, where the path names the bytes in errors and is read
            when they are None.
        num_threads: threads of a video decoder; `decoder_threads()` by default.
        min_frames: a source of fewer frames is refused.
        video_reader: what opens a source that is no folder and no array. Default: `VideoReader`, or `TorchcodecReader`
            where the environment variable VIDEOMAE_DECODER asks for it.

    Raises:
        VideoDecodeError: see the readers.
        ValueError: VIDEOMAE_DECODER names no decoder; see `videomae.torchcodec_reader`.
    """
    if isinstance(source, Mapping):
        source = _named(source)
    if isinstance(source, (str, Path)) and os.path.isdir(source):
        return FrameFolder(source, min_frames=min_frames)
    if _is_array(source):
        return ArrayFrames(source, min_frames=min_frames)
    video_reader = video_reader or (TorchcodecReader if is_torchcodec_chosen() else VideoReader)
    return video_reader(source, num_threads=num_threads or decoder_threads(), min_frames=min_frames)


def decoder_threads() -> int:
    """Threads for one decoder: this process's cores, shared among the node's processes and their loading workers.

    At least 1, at most `MOST_DECODER_THREADS`. The processes of a node are counted by LOCAL_WORLD_SIZE, as torchrun
    sets it.
    """
    worker = torch.utils.data.get_worker_info()
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    sharers = processes * (worker.num_workers if worker else 1)
    return max(1, min(available_cores() // sharers, MOST_DECODER_THREADS))


def _named(row: Mapping) -> str | BinaryIO:
    """What to read of {"path", "bytes"}: bytes travel as a file object with the name that errors shall give."""
    path, data = row.get("path"), row.get("bytes")
    if data is None:
        if path is None:
            raise VideoDecodeError("<no path>", 'neither "path" nor "bytes" is given')
        return path
    file = BytesIO(data)
    file.name = path or f"<{len(data)} bytes>"
    return file


def _is_array(source: str | Path | bytes | BinaryIO) -> bool:
    """By name where there is one, else by how .npy and .npz (zip) files begin: no video begins so."""
    if isinstance(source, bytes):
        return source.startswith((b"\x93NUMPY", b"PK"))
    return _path_of(source).lower().endswith(ARRAY_EXTENSIONS)


def _path_of(source: str | Path | bytes | BinaryIO) -> str:
    if isinstance(source, bytes):
        return f"<{len(source)} bytes>"
    return str(source if isinstance(source, (str, Path)) else getattr(source, "name", "<file object>"))


class StoredFrames(ABC):
    """Frames that lie ready one by one: what `VideoReader` offers, without a video to decode.

    A subclass sets `info`, `_shape` (H, W, C) and `_dtype`, and gives single frames.
    """

    info: VideoInfo
    _shape: tuple[int, int, int]
    _dtype: np.dtype

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027, not every subclass holds a file
        """Let go of the file, where one is held."""

    @property
    def path(self) -> str:
        return self.info.path

    @property
    def num_frames(self) -> int:
        return self.info.num_frames

    def read(self, indices: Sequence[int]) -> torch.Tensor:
        """The frames with these numbers, in any order, repeats allowed: `(len(indices), C, H, W)`."""
        rows: dict[int, list[int]] = {}
        for row, number in enumerate(indices):
            if not 0 <= number < self.num_frames:
                raise ValueError(f"{self.path}: frame {number} asked for, it has frames 0 to {self.num_frames - 1}")
            rows.setdefault(int(number), []).append(row)
        frames = np.empty((len(indices), *self._shape), self._dtype)
        for number in sorted(rows):
            frames[rows[number]] = self._frame(number)
        return torch.from_numpy(frames).permute(0, 3, 1, 2)

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, torch.Tensor]]:
        """As `VideoReader.stream`: (number, frame (C, H, W)) one by one."""
        for number in indices:
            yield number, self.read([number])[0]

    def seconds(self, indices: Sequence[int]) -> None:
        """As `VideoReader.seconds`: neither pictures nor arrays say when they are shown."""
        return None

    @abstractmethod
    def _frame(self, number: int) -> np.ndarray:
        """One frame, `(H, W, C)`."""

    def _describe(self, path: str, num_frames: int, kind: str, min_frames: int) -> None:
        if num_frames < min_frames:
            raise VideoDecodeError(path, f"{num_frames} frames, wanted a video of at least {min_frames}")
        height, width, _ = self._shape
        self.info = VideoInfo(
            path=path,
            num_frames=num_frames,
            fps=None,  # neither pictures nor arrays say how long a frame lasts
            height=height,
            width=width,
            codec=kind,
            duration=None,
            rotation=0,
        )


# ---- folders of pictures ----


class FrameFolder(StoredFrames):
    """The pictures of a folder as the frames of a video, in the order of the numbers in their names.

    Frame i is the i-th picture: `img_9.jpg` comes before `img_10.jpg`, zeros in front or not, and a number that is
    left out leaves no gap. All pictures must have names that differ in numbers alone, and one kind (jpg, png, bmp,
    webp or tif); a second series beside the first (optical flow, masks, a cover) is an error. Other files, hidden
    ones and folders are passed over. Links are followed.

    | picture                                   | frames                                  |
    |-------------------------------------------|-----------------------------------------|
    | grey, 1 or 8 bits                         | uint8, 1 channel, 0 to 255              |
    | RGB, CMYK, YCbCr, palette                 | uint8, 3 channels, RGB                  |
    | RGBA, palette with transparency           | uint8, 4 channels, RGBA                 |
    | grey, 16 or 32 bits or floating point     | float32, 1 channel, in its own units    |
    | grey with alpha, colour of 16 bits, other | an error                                |

    Pictures are turned upright as their EXIF data say. Only those that are read are decoded.

    Raises:
        VideoDecodeError: no pictures, or of names that give no order; and while reading, naming the picture: it is
            damaged, of more pixels than `PIL.Image.MAX_IMAGE_PIXELS`, of several pages, or of another size or type
            than the first. A JPEG decoder does not notice every damage.
    """

    def __init__(self, folder: str | Path, *, min_frames: int = 2):
        self._pictures = _ordered_pictures(Path(folder))
        with _opened(self._pictures[0]) as picture:
            self._shape, self._dtype = _layout(picture)
        self.has_alpha = self._shape[-1] == 4  # a picture's fourth channel is how opaque it is
        kind = self._pictures[0].suffix.lower().lstrip(".")
        self._describe(str(folder), len(self._pictures), kind, min_frames)

    def _frame(self, number: int) -> np.ndarray:
        with _opened(self._pictures[number]) as picture:
            found, wanted = _layout(picture), (self._shape, self._dtype)
            if found != wanted:
                found, wanted = (f"{shape} {dtype}" for shape, dtype in (found, wanted))
                raise ValueError(f"{found} (height, width, channels), the first picture is {wanted}")
            return _upright_pixels(picture)


def _ordered_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder by the numbers in their names, which must be all that they differ in."""
    try:
        files = os.listdir(folder)
    except OSError as error:
        raise VideoDecodeError(str(folder), f"the folder can not be listed ({error.strerror})") from error
    names = [name for name in files if name.lower().endswith(PICTURE_EXTENSIONS) and not name.startswith(".")]
    if not names:
        raise VideoDecodeError(str(folder), f"a folder without pictures ({' '.join(PICTURE_EXTENSIONS)})")
    names.sort(key=lambda name: (_numbers(name), name))
    for earlier, later in zip(names, names[1:], strict=False):
        if _pattern(earlier) != _pattern(later):
            reason = f"has {earlier} and {later}: wanted one series of pictures, whose names differ in numbers alone"
            raise VideoDecodeError(str(folder), reason)
        if _numbers(earlier) == _numbers(later):
            raise VideoDecodeError(str(folder), f"{earlier} and {later} have the same number")
    return [folder / name for name in names]


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall("[0-9]+", name)]


def _pattern(name: str) -> str:
    return re.sub("[0-9]+", "0", name)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture of which only the header is read, until its pixels are used. Any failure names it."""
    try:
        if not path.is_file():
            raise ValueError("no file, or a link to none")
        with warnings.catch_warnings():
            for category in (UserWarning, Image.DecompressionBombWarning):  # of damage that Pillow passes over
                warnings.simplefilter("error", category)
            # Pillow goes by the content, and also knows formats for which it runs other programs (EPS).
            with Image.open(path, formats=("BMP", "JPEG", "PNG", "TIFF", "WEBP")) as picture:
                yield picture
    except Exception as error:  # on damaged files Pillow raises nearly everything there is
        raise VideoDecodeError(str(path), str(error) or type(error).__name__) from error


# Pillow's mode -> the mode to convert to, channels and type of the frames.
_BYTES, _FLOATS = np.dtype(np.uint8), np.dtype(np.float32)
_MODES = {
    "1": ("L", 1, _BYTES),
    "L": ("L", 1, _BYTES),
    "P": ("RGB", 3, _BYTES),
    "RGB": ("RGB", 3, _BYTES),
    "CMYK": ("RGB", 3, _BYTES),
    "YCbCr": ("RGB", 3, _BYTES),
    "RGBA": ("RGBA", 4, _BYTES),
    "I;16": ("I;16", 1, _FLOATS),
    "I;16B": ("I;16B", 1, _FLOATS),
    "I": ("I", 1, _FLOATS),
    "F": ("F", 1, _FLOATS),
}


def _conversion(picture: Image.Image) -> tuple[str, int, np.dtype]:
    """The row of `_MODES` that holds for this picture."""
    # Pillow would leave 8 of the 16 bits of a colour picture; only how its data are packed tells.
    is_deep_colour = picture.mode.startswith("RGB") and ";16" in str(picture.tile)
    if picture.mode not in _MODES or is_deep_colour:
        found = f"{picture.mode} with 16 bits a channel" if is_deep_colour else picture.mode
        raise ValueError(f"is {found}, wanted grey, RGB or RGBA of 8 bits, or grey of 16 or 32 (or a .npy file)")
    return _MODES["RGBA" if picture.mode == "P" and "transparency" in picture.info else picture.mode]


def _layout(picture: Image.Image) -> tuple[tuple[int, int, int], np.dtype]:
    """((H, W, C), type) of the frame that a picture gives, from its header."""
    if getattr(picture, "is_animated", False) and picture.format != "MPO":  # a photograph and its preview
        raise ValueError("several pictures in one file, wanted one in each")
    _, channels, dtype = _conversion(picture)
    width, height = picture.size
    is_on_its_side = picture.getexif().get(ExifTags.Base.Orientation, 1) > 4
    return ((width, height, channels) if is_on_its_side else (height, width, channels)), dtype


def _upright_pixels(picture: Image.Image) -> np.ndarray:
    """The pixels of a picture as displayed, `(H, W, C)`."""
    mode, channels, dtype = _conversion(picture)
    ImageOps.exif_transpose(picture, in_place=True)
    pixels = np.asarray(picture.convert(mode), dtype)
    return pixels.reshape(*pixels.shape[:2], channels)


# ---- arrays ----


class ArrayFrames(StoredFrames):
    """The frames of an array in a .npy or .npz file.

    The array is `(T, H, W)`, of one channel, `(T, C, H, W)` or `(T, H, W, C)`. The channels are the axis that fits at
    least twice into both the height and the width. Where that is neither, or where the first axis looks like the
    channels (1, 3 or 4 long, and no other channels or more than 4), the order is not clear: an error. uint8 stays as
    it is; other integers and floating point become float32 in the file's own units. An .npz holds one array, or one
    named "video" or "frames" beside others.

    A .npy file on disk is mapped, so that only the wanted frames are read; anything else is unpacked when it is
    opened.

    Raises:
        VideoDecodeError: no such file, damaged or cut short, an array of another shape or type (Python objects are
            never unpickled), to be unpacked into more than `MOST_UNPACKED_BYTES`; while reading, values that are not
            finite.
    """

    def __init__(self, source: str | Path | bytes | BinaryIO, *, min_frames: int = 2):
        path = _path_of(source)
        try:
            self._array = _load_array(source)
        except Exception as error:  # damaged headers and archives raise a dozen different ones
            raise VideoDecodeError(path, str(error) or type(error).__name__) from error
        self._dtype = _BYTES if self._array.dtype == _BYTES else _FLOATS
        self._channel_axis = _channel_axis(self._array.shape)
        self._shape = self._channels_last(self._array[0]).shape
        self._describe(path, len(self._array), f"array of {self._array.dtype}", min_frames)

    def close(self) -> None:
        self._array = None  # a mapped file is closed with its last view, and `read` copies

    def _frame(self, number: int) -> np.ndarray:
        with np.errstate(over="ignore"):  # what float32 can not hold becomes infinite, and is told below
            frame = self._array[number].astype(self._dtype)
        if not np.isfinite(frame).all():
            raise VideoDecodeError(self.path, f"frame {number} has values that are not finite")
        return self._channels_last(frame)

    def _channels_last(self, frame: np.ndarray) -> np.ndarray:
        return frame[..., None] if self._channel_axis is None else np.moveaxis(frame, self._channel_axis - 1, -1)


def _channel_axis(shape: tuple[int, ...]) -> int | None:
    """Which axis of a clip's array holds the channels; None for (T, H, W). See `ArrayFrames` for the rule."""
    fits = {
        None: len(shape) == 3 and min(shape[1:]) > 4,  # else it is one picture
        1: len(shape) == 4 and 2 * shape[1] <= min(shape[2:]),
        3: len(shape) == 4 and 2 * shape[3] <= min(shape[1:3]),
    }
    for axis in (each for each, is_possible in fits.items() if is_possible):
        looks_like_channels_first = shape[0] in (1, 3, 4) and (axis is None or shape[axis] > 4)
        if not looks_like_channels_first:
            return axis
    raise ValueError(
        f"the order of the axes is not clear from the shape {shape}: wanted (T, H, W), (T, C, H, W) or (T, H, W, C) "
        "with frames of at least twice as many rows and columns as channels"
    )


def _load_array(source: str | Path | bytes | BinaryIO) -> np.ndarray:
    if isinstance(source, (str, Path)) and str(source).lower().endswith(".npy"):
        return _map_array(source)
    file = BytesIO(source) if isinstance(source, bytes) else source
    if isinstance(file, (str, Path)) or _is_zip(file):
        with zipfile.ZipFile(file) as archive, archive.open(_member(archive)) as stream:
            return _unpack_array(stream)
    return _unpack_array(file)


def _is_zip(file: BinaryIO) -> bool:
    file.seek(0)
    head = file.read(2)
    file.seek(0)
    return head == b"PK"


def _member(archive: zipfile.ZipFile) -> str:
    """Name of the array in an .npz that is the video."""
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    chosen = names if len(names) == 1 else [name for name in names if name in ("video.npy", "frames.npy")]
    if len(chosen) != 1:
        found = ", ".join(name.removesuffix(".npy") for name in names[:10]) or "none"
        raise ValueError(f'arrays in it: {found}; wanted one, or one of them named "video" or "frames"')
    return chosen[0]


def _array_header(stream: BinaryIO) -> tuple[tuple[int, ...], str, np.dtype, int]:
    """(shape, order "C" or "F", type, bytes of data) of the .npy that begins here, if it is a clip's."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"an array of format {version}, wanted (1, 0) or (2, 0)")
    shape, is_fortran, dtype = read(stream)
    if dtype.kind not in "uif":
        raise ValueError(f"values of type {dtype}, wanted integers or floating point")
    if not shape or min(shape) < 1:
        raise ValueError(f"the array is of shape {shape}, wanted no empty axis")
    _channel_axis(shape)  # raises where it is not clear
    return shape, "F" if is_fortran else "C", dtype, math.prod(shape) * dtype.itemsize


def _map_array(path: str | Path) -> np.ndarray:
    with open(path, "rb") as file:
        shape, order, dtype, size = _array_header(file)
        offset = file.tell()
    _check_size(os.path.getsize(path) - offset, size)
    return np.memmap(path, dtype, mode="r", offset=offset, shape=shape, order=order)


def _unpack_array(stream: BinaryIO) -> np.ndarray:
    shape, order, dtype, size = _array_header(stream)
    if size > MOST_UNPACKED_BYTES:
        raise ValueError(f"an array of {size} bytes, wanted at most {MOST_UNPACKED_BYTES} (a .npy file may be larger)")
    data = stream.read(size + 1)
    _check_size(len(data), size)
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _check_size(found: int, wanted: int) -> None:
    if found != wanted:
        how_many = "more than" if found > wanted else "only"
        raise ValueError(f"{how_many} {min(found, wanted)} bytes of data, its header says {wanted}")
