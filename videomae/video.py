# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Which frames of a video make a clip, and how exactly those are read.

The first half is integer arithmetic on frame numbers: what pre-training, fine-tuning and testing look at. The second
half reads frames by number with PyAV. Frame `i` is the i-th frame that decoding the whole file from its beginning
gives, whatever headers, frame rates or time stamps say.

Shapes: T frames, C = 3 channels (RGB), H rows, W columns; clips are `(T, C, H, W)` uint8.
"""

import bisect
import contextlib
import functools
import gc
import itertools
import math
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter

VIDEO_EXTENSIONS = frozenset(
    ".3gp .avi .flv .gif .m4v .mkv .mov .mp4 .mpeg .mpg .mts .m2ts .ogv .ts .webm .wmv".split()
)

# Codecs of which one packet is one frame, so that time stamps can be listed without decoding. The others hide frames
# in packets or spread them over several (VP8's invisible references, MPEG-4's packed B-frames): those files are
# decoded instead.
PACKET_IS_FRAME = frozenset({"h264", "hevc", "av1", "vp9", "mjpeg"})

# Codecs whose decoder can leave out pictures that no other refers to (most B-frames): of a Kinetics clip two fifths.
SKIPS_UNREFERENCED = frozenset({"h264", "hevc"})

# Jumping to a key frame refills the decoder's reordering queue: a shorter gap is decoded through at no higher cost.
SHORTEST_JUMP = 8  # frames


PROTOCOLS = ("dense", "uniform")
SPACINGS = ("linspace", "exact")
SHORT_VIDEO = ("repeat", "loop", "error")


# ---- which frames ----


class ShortVideoError(ValueError):
    """A video has fewer frames than a clip spans, and the policy is to say so."""


def pretraining_frame_indices(
    total_frames: int,
    *,
    num_frames: int,
    frame_stride: int,
    generator: torch.Generator,
    short_video: str = "repeat",
) -> list[int]:
    """Frames of one pre-training clip: every `frame_stride`-th from a random start (VideoMAE, section 4.1).

    Args:
        short_video: what fills a clip that spans more frames than there are. `"repeat"`, as in the official code: it
            starts at 0 and repeats the last frame that the stride reaches; there an advance needs one frame more than
            it would have to: 61 frames at stride 4 end with 56, 56 although frame 60 exists. `"loop"`: the video
            begins again. `"error"`: `ShortVideoError`.
    """
    _check_sampling(total_frames, num_frames, frame_stride)
    start = _random_below(max(total_frames - num_frames * frame_stride, 0) + 1, generator)
    if _is_short(total_frames, (num_frames - 1) * frame_stride + 1, short_video):
        return [i * frame_stride % total_frames for i in range(num_frames)]
    indices, position = [], start
    for _ in range(num_frames):
        indices.append(position)
        if position + 1 + frame_stride < total_frames or short_video != "repeat":
            position += frame_stride
    return indices


def training_frame_indices(
    total_frames: int,
    *,
    num_frames: int,
    frame_stride: int,
    protocol: str,
    generator: torch.Generator,
    spacing: str = "linspace",
    short_video: str = "repeat",
) -> list[int]:
    """Frames of one fine-tuning clip.

    Args:
        protocol: `"dense"` (Kinetics, UCF101, HMDB51) looks at a window of the video, see `spacing`. `"uniform"`
            (Something-Something): one random frame of each of `num_frames` equal segments, whatever the stride.
        spacing: of dense frames. `"linspace"`, as in the official code: `num_frames` points spread evenly over a
            random window of `num_frames * frame_stride` frames, both ends included, so that the true step is a little
            longer than the stride (64/15 = 4.27 for 16 frames at stride 4). `"exact"`: every `frame_stride`-th frame,
            as in pre-training.
        short_video: what fills a clip that spans more frames than there are. `"repeat"`, as in the official code: a
            dense clip is sampled over the whole video and ends with its last frame repeated, a uniform one gives the
            first frame only. `"loop"`: the video begins again. `"error"`: `ShortVideoError`.
    """
    _check_sampling(total_frames, num_frames, frame_stride)
    _check_choice("sampling protocol", protocol, PROTOCOLS)
    _check_choice("spacing", spacing, SPACINGS)
    if protocol == "uniform":
        length = total_frames // num_frames
        if _is_short(total_frames, num_frames, short_video):
            return [i % total_frames for i in range(num_frames)]
        if length == 0:
            return [0] * num_frames
        return [segment * length + _random_below(length, generator) for segment in range(num_frames)]
    if spacing == "exact":
        return pretraining_frame_indices(
            total_frames,
            num_frames=num_frames,
            frame_stride=frame_stride,
            generator=generator,
            short_video=short_video,
        )
    window, points = num_frames * frame_stride, max(num_frames - 1, 1)
    offsets = [min(i * window // points, window - 1) for i in range(num_frames)]
    if _is_short(total_frames, window, short_video):
        return [offset % total_frames for offset in offsets]
    if total_frames > window:
        start = _random_below(total_frames - window, generator)
        return [start + offset for offset in offsets]
    distinct = total_frames // frame_stride
    points = max(distinct - 1, 1)
    spread = [min(i * total_frames // points, total_frames - 1) for i in range(distinct)]
    return spread + [total_frames - 1] * (num_frames - distinct)


def view_frame_indices(
    total_frames: int,
    *,
    num_frames: int,
    frame_stride: int,
    segment: int,
    num_segments: int,
    protocol: str,
    short_video: str = "repeat",
) -> list[int]:
    """Frames of test view `segment` out of `num_segments`; a single segment is the middle of the video.

    `"dense"`: of every `frame_stride`-th frame, `num_frames` consecutive ones; the views start at equal distances from
    the first possible start to the last; a video too short for that repeats its last sampled frame (official), begins
    again (`short_video` `"loop"`) or is a `ShortVideoError` (`"error"`). `"uniform"`: the video is cut into
    `num_frames` equal parts, and view `s` of `S` takes the frame at `s / S` of each (a single one takes the middle);
    with fewer frames than parts some come twice, which only `"error"` refuses.
    """
    _check_sampling(total_frames, num_frames, frame_stride)
    _check_choice("sampling protocol", protocol, PROTOCOLS)
    if not 0 <= segment < num_segments:
        raise ValueError(f"segment must be in 0 .. num_segments - 1 = {num_segments - 1}, got {segment}")
    if num_segments == 1:
        segment, num_segments = 1, 2 if protocol == "uniform" else 3
    if protocol == "uniform":
        _is_short(total_frames, num_frames, short_video)
        return [total_frames * (segment + num_segments * i) // (num_frames * num_segments) for i in range(num_frames)]
    sampled = -(-total_frames // frame_stride)
    if _is_short(total_frames, (num_frames - 1) * frame_stride + 1, short_video):
        return [i % sampled * frame_stride for i in range(num_frames)]
    start = segment * max(sampled - num_frames, 0) // (num_segments - 1)
    return [min(start + i, sampled - 1) * frame_stride for i in range(num_frames)]


def _check_sampling(total_frames: int, num_frames: int, frame_stride: int) -> None:
    for name, value in (("total_frames", total_frames), ("num_frames", num_frames), ("frame_stride", frame_stride)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")


def _is_short(total_frames: int, wanted: int, short_video: str) -> bool:
    """Whether a video has fewer frames than a clip spans, and is to be looped; see `short_video` above."""
    _check_choice("short_video", short_video, SHORT_VIDEO)
    if short_video == "error" and total_frames < wanted:
        raise ShortVideoError(
            f"it has {total_frames} frames and a clip spans {wanted}; --short_video repeat or loop (short_video=) "
            "fills it up"
        )
    return short_video == "loop" and total_frames < wanted


def _random_below(bound: int, generator: torch.Generator) -> int:
    return int(torch.randint(bound, (), generator=generator))


# ---- reading them ----


# FFmpeg's names of the container formats that are read. It goes by the content of a file whatever its name, and would
# follow play lists (concat, hls, dash) from an innocent "video.mp4" to other files and addresses.
CONTAINERS = "asf,avi,flv,gif,h264,hevc,m4v,matroska,mov,mpeg,mpegts,mpegvideo,ogg"

# Titles in an unknown encoding are no reason to refuse a video. PyAV 19 has no such option and reads them.
_OPEN_OPTIONS = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}


class VideoDecodeError(ValueError):
    """A video that can not be read, or not completely. `path` names it, `reason` says what is wrong."""

    def __init__(self, path: str, reason: str):
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class VideoInfo:
    """What a video is. Sizes are as displayed, after rotation."""

    path: str
    num_frames: int  # exactly as many as can be read
    fps: float | None  # average frames per second; None where neither time stamps nor the header tell
    height: int
    width: int
    codec: str
    duration: float | None  # seconds, num_frames / fps
    rotation: int  # degrees counter-clockwise by which stored frames are turned for display: 0, 90, 180 or 270


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a file, listed without decoding: time stamps (stream time base) in presentation order."""

    timestamps: list[int]
    keys: list[int]  # time stamps from which decoding can start, ascending; one may lie before the first shown frame
    # Whether time stamps are known to be those of presentation. AVI has none: a frame carries that of its packet, and
    # only the order of all decoded frames tells.
    ordered: bool = True
    intra_only: bool = False  # every frame is a key frame: none refers to another

    def number_of(self, timestamp: int | None) -> int | None:
        if timestamp is None:
            return None
        number = bisect.bisect_left(self.timestamps, timestamp)
        return number if number < len(self.timestamps) and self.timestamps[number] == timestamp else None

    def start_for(self, number: int) -> tuple[int, int]:
        """Where to start decoding for frame `number`: time stamp of the key frame, number of the first frame shown."""
        key = self.keys[bisect.bisect_right(self.keys, self.timestamps[number]) - 1]
        return key, bisect.bisect_left(self.timestamps, key)


class _Packet(NamedTuple):
    """What listing needs to know of a packet: the data, which are the whole file, do not stay in memory."""

    timestamp: int | None  # stream time base
    is_key: bool
    is_shown: bool  # not if before the start of an edit list: those are decoded and dropped


class _IndexMismatch(Exception):
    """Decoding from a key frame gave another frame than the index promised, or a damaged one."""


class VideoReader:
    """Reads frames of one video by number.

    Args:
        source: path, bytes or binary file object (which stays open and must be able to seek).
        num_threads: decoder threads; 1 inside data-loader workers.
        min_frames: a video of fewer frames is refused; by default a still picture is no video.

    The time stamps of all packets are listed first, without decoding; `read` then seeks to the key frame before each
    wanted frame and decodes from there what the wanted frames need: of an intra-only file (`videomae prepare`) nothing
    else. Every decoded frame is checked against the list. Where a codec or a file does
    not allow that, the file is decoded from its beginning: slower, and always right.

    Raises:
        VideoDecodeError: missing, empty, not a video, no video stream, too short, cut short or damaged. A file of
            which only a part is there is an error even when the wanted frames lie in that part, if its header tells; a
            frame that does not decode is never replaced by another, nor patched by FFmpeg. What does not matter to the
            wanted frames is not decoded, so damage there goes unseen. What no decoder can tell:
            changed bytes that are valid code of another picture. Of random damages that change a picture these are a
            tenth to a third in H.264, HEVC, MPEG and Motion JPEG, and most in VP8, VP9 and GIF; only check sums of the
            files tell those.
    """

    info: VideoInfo

    def __init__(self, source: str | Path | bytes | BinaryIO, *, num_threads: int = 1, min_frames: int = 2):
        self.path = _describe(source)
        self._source = BytesIO(source) if isinstance(source, bytes) else source
        self._num_threads = num_threads
        self._container = self._stream = self._reformatter = None
        if num_threads > 1:
            _collect_before_forks()
        try:
            with self._decode_errors():
                self._open()
                self._index = self._list_frames()
                self.info = self._describe_video()
            if self.num_frames < min_frames:
                raise VideoDecodeError(self.path, f"{self.num_frames} frame, wanted a video of at least {min_frames}")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            # What decoder and converter hold, their threads among it, goes with the last reference to them.
            self._container = self._stream = self._reformatter = None

    @property
    def num_frames(self) -> int:
        return self.info.num_frames

    @property
    def header_frames(self) -> int:
        """How many frames the header claims; 0 where it says nothing."""
        return self._stream.frames

    def decode(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """All frames with their numbers, front to back, for `to_image`; a damaged one raises `VideoDecodeError`."""
        with self._decode_errors():
            yield from self._frames_from_beginning()

    def read(self, indices: Sequence[int]) -> torch.Tensor:
        """The frames with these numbers, in any order, repeats allowed: uint8 `(len(indices), 3, H, W)`.

        The tensor is a view of channels-last memory, as decoded: later resizing is faster on it.
        """
        rows: dict[int, list[int]] = {}
        for row, number in enumerate(indices):
            if not 0 <= number < self.num_frames:
                raise ValueError(f"{self.path}: frame {number} asked for, it has frames 0 to {self.num_frames - 1}")
            rows.setdefault(int(number), []).append(row)
        frames = np.empty((len(indices), self.info.height, self.info.width, 3), dtype=np.uint8)
        with self._decode_errors():
            for number, image in self._images(sorted(rows)):
                frames[rows[number]] = image
        return torch.from_numpy(frames).permute(0, 3, 1, 2)

    def stream(self, indices: Sequence[int]) -> Iterator[tuple[int, torch.Tensor]]:
        """The frames with these numbers, ascending and none twice: (number, what `read` gives of it, (3, H, W)).

        They come one by one from one pass of the decoder: as little memory as one frame takes, however many there are.
        """
        following = 0
        with self._decode_errors():
            for number, image in self._images(list(indices)):
                if number < following:
                    continue  # the file turned out to need decoding from its beginning
                following = number + 1
                yield number, torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)

    def seconds(self, indices: Sequence[int]) -> list[float] | None:
        """When these frames are shown, in seconds after the first one; None where nothing in the file tells."""
        if self._timestamps is not None:
            first, base = self._timestamps[0], self._stream.time_base
            return [float((self._timestamps[number] - first) * base) for number in indices]
        return None if self.info.fps is None else [number / self.info.fps for number in indices]

    def to_image(self, frame: av.VideoFrame, number: int) -> np.ndarray:
        """RGB pixels as displayed, `(H, W, 3)`."""
        # Left to itself swscale starts threads for every frame, which costs small ones more than their conversion.
        pixels = self._reformatter.reformat(frame, format="rgb24", threads=self._num_threads).to_ndarray()
        image = turned(pixels, self.info.rotation, self._mirrored)
        size, expected = image.shape[:2], (self.info.height, self.info.width)
        if size != expected:
            raise VideoDecodeError(self.path, f"frame {number} is {size} (height, width), the first was {expected}")
        return image

    def _images(self, numbers: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        if self._index is not None:
            try:
                yield from self._images_by_seeking(numbers)
                return
            except (_IndexMismatch, av.InvalidDataError):  # FFmpeg may have gone where decoding can not start
                self._forget_index()
        yield from self._pick(numbers, self._frames_from_beginning())

    def _images_by_seeking(self, numbers: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        while numbers:
            window = self._index_window(numbers)
            yield from ((number, self.to_image(frame, number)) for number, frame in self._frames_by_index(window))
            numbers = numbers[len(window) :]

    def _index_window(self, numbers: list[int]) -> list[int]:
        """The leading numbers that one pass of the decoder should give: up to the first gap that a jump shortens."""
        for i in range(1, len(numbers)):
            _, first = self._index.start_for(numbers[i])
            if first - numbers[i - 1] > SHORTEST_JUMP:
                return numbers[:i]
        return numbers

    def _pick(self, numbers: list[int], frames: Iterator) -> Iterator[tuple[int, np.ndarray]]:
        """Convert the frames whose numbers are wanted (ascending); stop decoding after the last."""
        wanted = iter(numbers)
        number = next(wanted, None)
        if number is None:
            return
        for current, frame in frames:
            if current != number:
                continue
            yield number, self.to_image(frame, number)
            number = next(wanted, None)
            if number is None:
                return
        raise VideoDecodeError(self.path, f"frame {number} does not decode")

    # -- the file --

    def _open(self) -> None:
        self.close()
        if isinstance(self._source, (str, Path)):
            _check_file(self.path)
            self._container = self._open_container(f"file:{self._source}", protocols="file")
        else:
            self._source.seek(0)
            self._container = self._open_container(self._source, protocols="")
        # cover pictures of audio files are video streams to FFmpeg
        streams = [s for s in self._container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            raise VideoDecodeError(self.path, "no video stream in it")
        self._stream = streams[0]
        self._reformatter = VideoReformatter()
        if self._stream.codec_context is None:
            raise VideoDecodeError(self.path, "of an unknown codec, or damaged")
        self._codec = self._stream.codec_context.codec.canonical_name
        self._stream.thread_type = "AUTO"
        self._stream.thread_count = self._num_threads
        # FFmpeg paints over damaged parts of a picture from its neighbours: most damage shall be an error instead. It
        # marks as corrupt what this misses: pictures of which parts never came.
        self._stream.codec_context.options = {"err_detect": "explode"}

    def _open_container(self, source: str | BinaryIO, *, protocols: str) -> av.container.InputContainer:
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": protocols}
        try:
            return av.open(source, options=options, **_OPEN_OPTIONS)
        except av.ArgumentError as error:
            raise VideoDecodeError(self.path, f"not a video in one of the formats {CONTAINERS}") from error

    @contextlib.contextmanager
    def _decode_errors(self) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:
            reason = f"damaged, cut short or not a video (FFmpeg: {error.strerror or error})"
            raise VideoDecodeError(self.path, reason) from error

    def _list_frames(self) -> FrameIndex | None:
        """The index of all frames without decoding, or None where neither header nor packets tell."""
        return self._index_of_header() or self._index_of_packets()

    def _index_of_header(self) -> FrameIndex | None:
        """From an mp4's sample table, if every frame is a key frame: what `videomae prepare` writes.

        Nothing but the wanted frames is then read from the disk. The table has no presentation times, but without
        frames that refer to others those are the decoding times.
        """
        if not self._container.format.name.startswith("mov") or self._stream.codec_context.has_b_frames:
            return None
        entries = list(self._stream.index_entries)
        # fewer entries than frames: a fragmented file, whose table grows while it is read
        if not entries or len(entries) != self._stream.frames:
            return None
        if not all(entry.is_keyframe and not entry.is_discard for entry in entries):
            return None
        if max(entry.pos + entry.size for entry in entries) > self._container.size:
            raise VideoDecodeError(self.path, "its data ends early")
        timestamps = [entry.timestamp for entry in entries]
        if not _is_ascending(timestamps):
            return None
        return FrameIndex(timestamps, timestamps, intra_only=True)

    def _index_of_packets(self) -> FrameIndex | None:
        packets = list(self._packets())
        if self._codec not in PACKET_IS_FRAME:
            return None
        timestamps = {packet.timestamp for packet in packets}
        if not packets or None in timestamps or len(timestamps) < len(packets) or not packets[0].is_key:
            return None
        shown = sorted(packet.timestamp for packet in packets if packet.is_shown)
        keys = _entry_points(packets, self._codec)
        # frames shown before the first key frame need one that is missing: some decoders drop them, others do not
        if not (shown and keys and shown[0] >= keys[0]):
            return None
        stored = [packet.timestamp for packet in packets]
        return FrameIndex(
            shown,
            keys,
            ordered=stored != sorted(stored) or not self._stream.codec_context.has_b_frames,
            intra_only=all(packet.is_key for packet in packets),
        )

    def _packets(self) -> Iterator[_Packet]:
        for packet in self._demux():
            if packet.is_corrupt:
                raise VideoDecodeError(self.path, "its data ends early")
            if packet.size:
                yield _Packet(packet.pts, packet.is_keyframe, not packet.is_discard)

    def _demux(self) -> Iterator[av.Packet]:
        """The packets from where the container is; the last one is empty."""
        # PyAV 18 leaks 200 bytes with every such generator that is neither exhausted nor closed.
        with contextlib.closing(self._container.demux(self._stream)) as packets:
            yield from packets

    def _describe_video(self) -> VideoInfo:
        if self._index is None:
            timestamps, first = self._list_decoded()
            num_frames = len(timestamps)
            self._timestamps = timestamps if _is_ascending(timestamps) else None
        else:
            self._timestamps = self._index.timestamps
            num_frames, first = len(self._timestamps), self._first_frame()
        if first is None:
            raise VideoDecodeError(self.path, "no frame in it decodes")
        fps = self._frame_rate([] if self._index is None else self._timestamps)
        rotation, self._mirrored = orientation(first)
        height, width = (first.width, first.height) if rotation % 180 else (first.height, first.width)
        return VideoInfo(
            path=self.path,
            num_frames=num_frames,
            fps=fps,
            height=height,
            width=width,
            codec=self._codec,
            duration=num_frames / fps if fps else None,
            rotation=rotation,
        )

    def _frame_rate(self, timestamps: list[int]) -> float | None:
        if len(timestamps) > 1:
            return float((len(timestamps) - 1) / ((timestamps[-1] - timestamps[0]) * self._stream.time_base))
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else None

    def _first_frame(self) -> av.VideoFrame | None:
        try:
            return next(frame for _, frame in self._frames_by_index([0]))
        except (_IndexMismatch, av.InvalidDataError):
            return next((frame for _, frame in self._frames_from_beginning()), None)

    def _list_decoded(self) -> tuple[list[int | None], av.VideoFrame | None]:
        """The time stamp of every frame, by decoding them all, and the first frame."""
        timestamps, first = [], None
        for _, frame in self._frames_from_beginning():
            timestamps.append(frame.pts)
            first = first or frame
        return timestamps, first

    def _forget_index(self) -> None:
        """From now on decode from the beginning, if that gives as many frames as the packets promised."""
        decoded, _ = self._list_decoded()
        self._index = None
        if len(decoded) != self.num_frames:
            raise VideoDecodeError(self.path, f"damaged: {self.num_frames} frames are listed, {len(decoded)} decode")

    def _frames_from_beginning(self) -> Iterator[tuple[int, av.VideoFrame]]:
        self._open()
        packets = self._demux()
        if self._codec == "hevc":
            # a recording may start between key frames: the other decoders drop what they can not decode there
            packets = itertools.dropwhile(lambda packet: not packet.is_keyframe, packets)
        for number, frame in enumerate(frame for packet in packets for frame in packet.decode()):
            if frame.is_corrupt:
                raise VideoDecodeError(self.path, f"frame {number} is damaged")
            yield number, frame

    def _frames_by_index(self, numbers: list[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode from the key frame before the first of these numbers (ascending), and no more than they need."""
        index, remaining = self._index, list(reversed(numbers))
        key, following = index.start_for(numbers[0])
        first = index.timestamps[following]
        frames = self._decode_for(key, {index.timestamps[number] for number in numbers})
        for frame in frames if index.ordered else self._decode_from(key):
            if frame.pts is not None and frame.pts < first:
                continue  # FFmpeg went to an earlier key frame, or the picture leads the key frame
            number = index.number_of(frame.pts)
            if frame.is_corrupt or number is None or number < following or not (index.ordered or number == following):
                raise _IndexMismatch
            following = number + 1
            if number == remaining[-1]:
                yield remaining.pop(), frame
                if not remaining:
                    return
        raise _IndexMismatch

    def _decode_from(self, key: int) -> Iterator[av.VideoFrame]:
        """All frames from the key frame with time stamp `key` on."""
        self._container.seek(key, stream=self._stream)
        for packet in self._demux():
            yield from packet.decode()

    def _decode_for(self, key: int, wanted: set[int]) -> Iterator[av.VideoFrame]:
        """Frames from the key frame with time stamp `key` on, all wanted ones (time stamps) among them.

        Others are decoded only where a wanted one may refer to them.
        """
        context = self._stream.codec_context
        can_skip = self._codec in SKIPS_UNREFERENCED
        self._container.seek(key, stream=self._stream)
        for packet in self._demux():
            if not packet.size:  # the end of the file
                break
            is_wanted = packet.pts in wanted
            if self._index.intra_only and not is_wanted:
                continue
            if can_skip:
                context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
            yield from packet.decode()
            wanted.discard(packet.pts)
            if not wanted:
                break
        # The decoder holds frames back to sort them; no packet after the last wanted one has to push them out.
        yield from self._stream.decode(None)


def probe(source: str | Path | bytes | BinaryIO) -> VideoInfo:
    """What a video is; see `VideoReader` for what is raised."""
    with VideoReader(source, min_frames=1) as reader:
        return reader.info


def read_frames(
    source: str | Path | bytes | BinaryIO, indices: Sequence[int], *, num_threads: int = 1
) -> torch.Tensor:
    """Frames of a video by number: uint8 `(len(indices), 3, H, W)`; see `VideoReader`."""
    with VideoReader(source, num_threads=num_threads, min_frames=1) as reader:
        return reader.read(indices)


def _entry_points(packets: list[_Packet], codec: str) -> list[int]:
    """Time stamps of the key frames from which decoding can start, ascending.

    H.264 frames that are shown before a key frame and stored after it (an open group of pictures) refer to frames
    before it. Its decoder takes them for damage, where HEVC's drops them: no decoding starts there.
    """
    keys, earliest = [], math.inf  # the earliest frame of those stored later
    for packet in reversed(packets):
        if packet.is_key and (codec != "h264" or packet.timestamp < earliest):
            keys.append(packet.timestamp)
        earliest = min(earliest, packet.timestamp)
    return sorted(keys)


def orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """How stored pixels become displayed ones: degrees counter-clockwise, and whether to mirror left to right before.

    FFmpeg's display matrix (libavutil/display.h) is nine integers a b u c d v x y w; a stored point (x, y) is shown at
    (ax + cy, bx + dy). Angles between quarter turns go to the nearest.
    """
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return 0, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side_data))
    mirrored = a * d < b * c
    if mirrored:  # what remains after the mirror turns (x, y) into (-ax + cy, -bx + dy)
        a, b = -a, -b
    return round(math.degrees(math.atan2(-b, a)) / 90) % 4 * 90, mirrored


def turned(pixels: np.ndarray, rotation: int, mirrored: bool) -> np.ndarray:
    """Stored pixels (H, W, C) as displayed, see `orientation`: a view."""
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, k=rotation // 90)


@functools.cache
def _collect_before_forks() -> None:
    """From now on, free unreachable decoders before a fork.

    A forked process (a data-loader worker) has the decoder but not its threads: freeing it there would never end.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=gc.collect)


def _is_ascending(timestamps: Sequence[int | None]) -> bool:
    return None not in timestamps and all(later > earlier for earlier, later in itertools.pairwise(timestamps))


def _describe(source: str | Path | bytes | BinaryIO) -> str:
    if isinstance(source, (str, Path)):
        return str(source)
    if isinstance(source, bytes):
        return f"<{len(source)} bytes>"
    return str(getattr(source, "name", "<file object>"))


def _check_file(path: str) -> None:
    """Plain words for what FFmpeg would report as "Invalid data"."""
    if os.path.isdir(path):
        raise VideoDecodeError(path, "is a folder, not a video")
    if not os.path.exists(path):
        raise VideoDecodeError(path, "no such file")
    if os.path.getsize(path) == 0:
        raise VideoDecodeError(path, "the file is empty")
