# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Frames to `pixel_values`: short side to `size`, crop, normalise; and the views that a test looks at.

Shapes: B videos, T frames, C channels, H rows, W columns; clips are `(T, C, H, W)`, uint8 until they are normalised.
One resize serves everything here (bilinear on uint8, antialiased unless the checkpoint says otherwise), so that
training, testing and prediction see the same pixels.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    ChannelDimension,
    PILImageResampling,
    SizeDict,
)
from transformers.models.videomae.image_processing_videomae import VideoMAEImageProcessor as StockImageProcessor
from transformers.processing_utils import Unpack, VideosKwargs
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata, default_sample_indices_fn, make_batched_metadata

from .augmentation import whole_frame
from .downloads import downloaded, is_address
from .frames import open_video
from .video import (
    PROTOCOLS,
    SHORT_VIDEO,
    SPACINGS,
    ShortVideoError,
    VideoDecodeError,
    VideoReader,
    pretraining_frame_indices,
    training_frame_indices,
    view_frame_indices,
)

logger = logging.getLogger(__name__)

FRAMINGS = ("crop", "whole")
FAR_OFF = 20  # standard deviations; on average, values of the statistics' own data are less than one


def view_crop(height: int, width: int, *, size: int | tuple[int, int], crop: int, num_crops: int) -> tuple[int, int]:
    """Top and left of crop `crop` out of `num_crops` of a frame whose short side already equals `size`.

    The crops are spread evenly along the longer side, from edge to edge; a single one is the centre. `size` may be
    (height, width) for a window that is not square, and smaller than the short side: the window is then centred
    across.
    """
    window_height, window_width = (size, size) if isinstance(size, int) else size
    spare_height, spare_width = height - window_height, width - window_width
    if min(spare_height, spare_width) < 0:
        raise ValueError(f"a window of {window_height}x{window_width} does not fit a frame of {height}x{width} (HxW)")
    if not 0 <= crop < num_crops:
        raise ValueError(f"crop must be in 0 .. num_crops - 1 = {num_crops - 1}, got {crop}")
    top, left = spare_height // 2, spare_width // 2
    if num_crops == 1:
        return top, left
    if spare_height >= spare_width:
        return crop * spare_height // (num_crops - 1), left
    return top, crop * spare_width // (num_crops - 1)


class VideoMAEVideoProcessorKwargs(VideosKwargs, total=False):
    """What the processor takes, in its file and per call, beyond transformers' own video settings.

    frame_stride (`int`): distance between the frames of a clip, `"dense"` sampling only.
    sampling (`str`): `"dense"` (Kinetics, UCF101, HMDB51) or `"uniform"` (Something-Something).
    training_spacing (`str`): of dense frames in fine-tuning, `"linspace"` (official) or `"exact"`.
    short_video (`str`): what fills a clip that spans more frames than there are, `"repeat"` (official), `"loop"` or
        `"error"`.
    framing (`str`): `"crop"` (official: short side to `size`, then the centre) or `"whole"`: the whole frame, a little
        stretched, with grey bars where that is not enough (`augmentation.whole_frame`), for small data of one's own.
    antialias (`bool`): whether a frame that becomes smaller is filtered before; the authors' code does not do that.

    `video.training_frame_indices` describes sampling, spacing and short videos.
    """

    frame_stride: int | None
    sampling: str | None
    training_spacing: str | None
    short_video: str | None
    framing: str | None
    antialias: bool | None


class VideoMAEVideoProcessor(BaseVideoProcessor):
    """Videos to `pixel_values` for VideoMAE.

    A checkpoint's own settings come with it; the defaults are those of the paper: 16 frames, stride 4, short side and
    crop 224, ImageNet statistics. Files of transformers' VideoMAE (`preprocessor_config.json` too) load; what they
    lack stays at its default.
    """

    resample = PILImageResampling.BILINEAR
    image_mean = IMAGENET_DEFAULT_MEAN
    image_std = IMAGENET_DEFAULT_STD
    size = {"shortest_edge": 224}
    default_to_square = False
    crop_size = {"height": 224, "width": 224}
    do_resize = True
    do_center_crop = True
    do_rescale = True
    do_normalize = True
    do_convert_rgb = True
    do_sample_frames = False
    num_frames = 16
    frame_stride = 4
    sampling = "dense"
    training_spacing = "linspace"
    short_video = "repeat"
    framing = "crop"
    antialias = True
    valid_kwargs = VideoMAEVideoProcessorKwargs
    model_input_names = ["pixel_values"]

    def __init__(self, **kwargs: Unpack[VideoMAEVideoProcessorKwargs]):
        super().__init__(**kwargs)
        choices = {
            "sampling": PROTOCOLS,
            "training_spacing": SPACINGS,
            "short_video": SHORT_VIDEO,
            "framing": FRAMINGS,
        }
        wrong = [
            f"{name} is {getattr(self, name)!r}, wanted {' or '.join(map(repr, known))}"
            for name, known in choices.items()
            if getattr(self, name) not in known
        ]
        if wrong:
            raise ValueError("VideoMAEVideoProcessor: " + "; ".join(wrong))

    @classmethod
    def for_model(cls, config, **settings) -> "VideoMAEVideoProcessor":
        """The processor of a network: frame size, frame count and statistics of its `VideoMAEConfig`.

        `settings` are the processor's own fields that a network does not know, such as `frame_stride` and `sampling`.
        """
        height, width = config.frame_size
        fields = {
            "size": {"shortest_edge": min(height, width)},
            "crop_size": {"height": height, "width": width},
            "image_mean": _per_channel(config.image_mean, config.num_channels),
            "image_std": _per_channel(config.image_std, config.num_channels),
            "num_frames": config.num_frames,
        }
        return cls(**(fields | settings))

    def adapted_to(self, config, **settings) -> "VideoMAEVideoProcessor":
        """This processor for a network that may take another clip: its frame count and size, all else as it was.

        The short side keeps its proportion to the crop. `settings` replace single fields.
        """
        height, width = config.frame_size
        fields = {"num_frames": config.num_frames}
        for name in ("image_mean", "image_std"):
            fields[name] = _per_channel(getattr(self, name), config.num_channels)
        if (self.crop_size.height, self.crop_size.width) != (height, width):
            proportion = min(height, width) / min(self.crop_size.height, self.crop_size.width)
            fields["crop_size"] = {"height": height, "width": width}
            if self.size.shortest_edge:
                fields["size"] = {"shortest_edge": round(self.size.shortest_edge * proportion)}
        return type(self)(**(self.to_dict() | fields | settings))

    def save_pretrained(self, save_directory, push_to_hub: bool = False, **kwargs):
        """As in transformers; also writes `preprocessor_config.json`, for versions that know image processors only."""
        frames = VideoMAEImageProcessor(
            **{
                name: value
                for name, value in self.to_dict().items()
                if name in VideoMAEImageProcessor.valid_kwargs.__annotations__
            }
        )
        frames.save_pretrained(save_directory)
        if self.framing == "whole":
            logger.warning_once("plain transformers does not know framing 'whole': there, the centre is cut out")
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def preprocess(self, videos, **kwargs: Unpack[VideoMAEVideoProcessorKwargs]) -> BatchFeature:
        """`pixel_values` float `(B, T, C, H, W)` (a list of clips without `return_tensors`).

        Args:
            videos: one video or a list of videos. A path, URL, bytes or binary file object is read and sampled as the
                checkpoint says: the middle view of `num_frames` frames (with `fps=`: that many frames per second of
                the whole video). Arrays or tensors `(T, C, H, W)` or `(T, H, W, C)` and lists of PIL images or arrays
                are taken frame by frame as they are, or sampled likewise with `do_sample_frames=True`.

        Raises:
            VideoDecodeError: a file that can not be read, or a URL that can not be fetched.
            ValueError: arrays whose channel axis is not clear (pass `input_data_format`), or shorter than what is to
                be sampled.
        """
        batch = _batch(videos, to_rgb=kwargs.get("do_convert_rgb", self.do_convert_rgb))
        files = sum(map(_is_file, batch))
        if files not in (0, len(batch)):
            raise ValueError(f"{files} of {len(batch)} videos are files and the others frames: pass them separately")
        if files:
            kwargs["do_sample_frames"] = True
        return super().preprocess(batch, **kwargs)

    def sample_frames(
        self,
        metadata: VideoMetadata,
        num_frames: int | None = None,
        fps: float | None = None,
        frame_stride: int | None = None,
        sampling: str | None = None,
        short_video: str | None = None,
        **kwargs,
    ) -> list[int]:
        """Frame numbers of the middle view; with `fps`, of `fps` frames per second of the whole video."""
        if fps is not None:
            return default_sample_indices_fn(metadata, fps=fps).tolist()
        return view_frame_indices(
            metadata.total_num_frames,
            num_frames=num_frames or self.num_frames,
            frame_stride=frame_stride or self.frame_stride,
            segment=0,
            num_segments=1,
            protocol=sampling or self.sampling,
            short_video=short_video or self.short_video,
        )

    def pretraining_indices(self, video: VideoReader, generator: torch.Generator) -> list[int]:
        """Frame numbers of a pre-training clip (`video.pretraining_frame_indices`) of an open video."""
        return self._indices(pretraining_frame_indices, video, generator=generator)

    def training_indices(self, video: VideoReader, generator: torch.Generator) -> list[int]:
        """Frame numbers of a fine-tuning clip (`video.training_frame_indices`) of an open video."""
        return self._indices(
            training_frame_indices,
            video,
            protocol=self.sampling,
            spacing=self.training_spacing,
            generator=generator,
        )

    def view_indices(self, video: VideoReader, segment: int = 0, num_segments: int = 1) -> list[int]:
        """Frame numbers of a test view (`video.view_frame_indices`) of an open video."""
        return self._indices(
            view_frame_indices, video, protocol=self.sampling, segment=segment, num_segments=num_segments
        )

    def _indices(self, choose: Callable[..., list[int]], video: VideoReader, **settings) -> list[int]:
        fields = {name: getattr(self, name) for name in ("num_frames", "frame_stride", "short_video")}
        try:
            return choose(video.num_frames, **fields, **settings)
        except ShortVideoError as error:
            raise VideoDecodeError(video.path, str(error)) from error

    def fetch_videos(self, video_url_or_urls, sample_indices_fn=None):
        """Read and sample a file: `(uint8 (T, 3, H, W), VideoMetadata)`; for a list, a list of each."""
        if isinstance(video_url_or_urls, list):
            fetched = [self.fetch_videos(source, sample_indices_fn) for source in video_url_or_urls]
            return [list(column) for column in zip(*fetched, strict=True)]
        with opened(video_url_or_urls) as reader:
            info = reader.info
            metadata = VideoMetadata(
                total_num_frames=info.num_frames,
                fps=info.fps,
                width=info.width,
                height=info.height,
                duration=info.duration,
                video_backend="pyav",
            )
            try:
                metadata.frames_indices = (sample_indices_fn or self.sample_frames)(metadata=metadata)
            except ShortVideoError as error:
                raise VideoDecodeError(info.path, str(error)) from error
            return self.fitted(reader.read(metadata.frames_indices), reader), metadata

    def resize_and_crop(self, clip: torch.Tensor) -> torch.Tensor:
        """The centre of a clip at the checkpoint's size: uint8 `(T, C, H, W)` to uint8 `(T, C, height, width)`."""
        if self.framing == "whole":
            return whole_frame(clip, size=(self.crop_size.height, self.crop_size.width))
        clip = self._resize_clip(clip)
        return self.center_crop(clip, self.crop_size) if self.do_center_crop else clip

    def fitted(self, frames: torch.Tensor, video: VideoReader) -> torch.Tensor:
        """Frames `(T, C, H, W)` of an open video with the channels that the statistics are of.

        Grey becomes RGB with three equal channels, RGBA pictures lose their alpha, and RGB becomes grey as in BT.601.

        Raises:
            VideoDecodeError: other channels; uint8 where the statistics are in other units than 0 .. 1.
            ValueError: floats that are nowhere near the statistics.
        """
        found, wanted = frames.shape[1], len(_listed(self.image_mean))
        if frames.dtype == torch.uint8 and max(map(abs, _listed(self.image_mean))) > 1:
            reason = f"has 8 bits, but image_mean {_listed(self.image_mean)} is not of values in 0 .. 1"
            raise VideoDecodeError(video.path, reason)
        if found == wanted or wanted == 1 and isinstance(self.image_mean, (int, float)):
            self._check_units(frames, video)
            return frames
        if (found, wanted) == (1, 3):
            return frames.expand(-1, 3, -1, -1)
        if (found, wanted) == (4, 3) and getattr(video, "has_alpha", False):
            return frames[:, :3]
        if (found, wanted) == (3, 1):
            return F.rgb_to_grayscale(frames)
        raise VideoDecodeError(video.path, f"has {found} channels, the model takes {wanted}")

    def _check_units(self, frames: torch.Tensor, video: VideoReader) -> None:
        if not frames.is_floating_point():
            return
        first = frames[:1]  # tells the units; all frames would be normalised twice
        if (size := self.normalized_if_float(first).abs().mean()) > FAR_OFF:
            raise ValueError(
                f"{video.path}: values from {first.min():g} to {first.max():g} are {size:.0f} standard deviations "
                f"off on average: give the mean and deviation of each channel as image_mean and image_std "
                f"(--image_mean, --image_std), found {_listed(self.image_mean)} and {_listed(self.image_std)}"
            )

    def normalized_if_float(self, clip: torch.Tensor) -> torch.Tensor:
        """`(…, C, H, W)`: uint8 as it is, which models normalise on their device, and floats normalised.

        Frames that are not uint8 are in the units of their file (`frames`), and so are then `image_mean` and
        `image_std`.
        """
        if not clip.is_floating_point():
            return clip
        mean, std = (torch.tensor(_listed(each))[:, None, None] for each in (self.image_mean, self.image_std))
        return (clip - mean) / std

    def check_views(self, num_segments: int, num_crops: int) -> None:
        """Raises ValueError for views that no video has: fewer than one, or several crops of a whole frame."""
        if min(num_segments, num_crops) < 1:
            raise ValueError(f"views are {num_segments}x{num_crops} (segments x crops), wanted at least 1 of both")
        if self.framing == "whole" and num_crops > 1:
            raise ValueError(
                f"{num_crops} crops asked for, but this checkpoint looks at the whole frame: wanted 1 "
                f"({num_segments}x1 views)"
            )

    def views(self, video, num_segments: int, num_crops: int) -> torch.Tensor:
        """All test views of a video from one decode: uint8 `(num_segments * num_crops, T, C, height, width)`.

        Of frames that are not uint8: float, normalised (`normalized_if_float`).

        Args:
            video: an open `VideoReader`, a path, URL, bytes or file object, or all frames, uint8 `(frames, C, H, W)`.
            num_segments, num_crops: the paper tests with 5 x 3 on Kinetics-400 and 2 x 3 on Something-Something. The
                views are in segment-major order; one segment is the middle, one crop the centre.

        Raises:
            VideoDecodeError: the video can not be read.
            ValueError: as `check_views`.
        """
        self.check_views(num_segments, num_crops)
        with opened(video) as frames:
            segments = [self.view_indices(frames, segment, num_segments) for segment in range(num_segments)]
            needed = sorted(set().union(*segments))
            images = frames.read(needed)
            images = images if isinstance(video, torch.Tensor) else self.fitted(images, frames)
        # Several crops share one resize; a single one is what `resize_and_crop` makes.
        images = self._resize_clip(images) if num_crops > 1 else self.resize_and_crop(images)
        images = self.normalized_if_float(images)
        row = {number: row for row, number in enumerate(needed)}
        crops = self._crops(images, num_crops)
        return torch.stack([crop[[row[number] for number in segment]] for segment in segments for crop in crops])

    def _crops(self, frames: torch.Tensor, num_crops: int) -> list[torch.Tensor]:
        if num_crops == 1:
            return [frames]
        height, width = self.crop_size.height, self.crop_size.width
        corners = [
            view_crop(*frames.shape[-2:], size=(height, width), crop=crop, num_crops=num_crops)
            for crop in range(num_crops)
        ]
        return [frames[..., top : top + height, left : left + width] for top, left in corners]

    def _resize_clip(self, clip: torch.Tensor) -> torch.Tensor:
        if not self.do_resize:
            return clip
        size = _covering(self.size, self.crop_size, clip) if self.do_center_crop else self.size
        return self.resize(clip, size=size, resample=self.resample, antialias=self.antialias)

    # -- the steps of BaseVideoProcessor.preprocess --

    def _decode_and_sample_videos(self, videos, video_metadata, do_sample_frames=None, sample_indices_fn=None):
        if _is_file(videos[0]):
            clips, metadata = self.fetch_videos(videos, sample_indices_fn)
            # Floats of a file are in the units of `image_mean`: the rescaling to come is undone beforehand.
            return [clip / self.rescale_factor if clip.is_floating_point() else clip for clip in clips], metadata
        known = video_metadata or [VideoMetadata(total_num_frames=len(video)) for video in videos]
        video_metadata = make_batched_metadata(videos, known)
        if not do_sample_frames:
            return videos, video_metadata
        sampled = []
        for video, metadata in zip(videos, video_metadata, strict=True):
            metadata.frames_indices = sample_indices_fn(metadata=metadata)
            if len(metadata.frames_indices) > len(video):
                raise ValueError(
                    f"{len(metadata.frames_indices)} frames are to be sampled from a video of {len(video)} frames"
                )
            sampled.append(video[metadata.frames_indices])
        return sampled, video_metadata

    def _prepare_input_videos(self, videos, do_convert_rgb=None, input_data_format=None, device=None):
        """Tensors `(T, C, H, W)`. Memory stays as it is: resizing is faster on channels-last frames, as decoders give
        them."""
        statistics = 1 if isinstance(self.image_mean, (int, float)) else len(self.image_mean)
        clips = []
        for video in videos:
            clip = torch.from_numpy(video) if isinstance(video, np.ndarray) else video
            if _channel_axis(clip, input_data_format, {1, 3, statistics}) == 3:
                clip = clip.permute(0, 3, 1, 2)
            if do_convert_rgb and clip.shape[1] == 1 and statistics == 3:
                clip = clip.expand(-1, 3, -1, -1)
            clips.append(clip if device is None else clip.to(device))
        return clips

    def _preprocess(
        self,
        videos: list[torch.Tensor],
        do_resize: bool,
        size: SizeDict,
        resample: PILImageResampling,
        do_center_crop: bool,
        crop_size: SizeDict,
        do_rescale: bool,
        rescale_factor: float,
        do_normalize: bool,
        image_mean: float | list[float],
        image_std: float | list[float],
        framing: str = "crop",
        antialias: bool = True,
        return_tensors: str | None = None,
        **kwargs,
    ) -> BatchFeature:
        clips = []
        for clip in videos:
            if framing == "whole":
                clip = whole_frame(clip, size=(crop_size.height, crop_size.width))
                do_resize = do_center_crop = False
            if do_resize:
                covering = _covering(size, crop_size, clip) if do_center_crop else size
                clip = self.resize(clip, size=covering, resample=resample, antialias=antialias)
            if do_center_crop:
                clip = self.center_crop(clip, crop_size)
            clip = clip.contiguous()  # from here on the layout that models expect
            clips.append(
                self.rescale_and_normalize(clip, do_rescale, rescale_factor, do_normalize, image_mean, image_std)
            )
        return BatchFeature(data={"pixel_values": clips}, tensor_type=return_tensors)


class VideoMAEImageProcessor(StockImageProcessor):
    """transformers' VideoMAE image processor (lists of frames in, `preprocessor_config.json` as its file) with the
    ImageNet statistics that VideoMAE was trained with as default, where transformers has 0.5. New code uses
    `VideoMAEVideoProcessor`.
    """

    image_mean = IMAGENET_DEFAULT_MEAN
    image_std = IMAGENET_DEFAULT_STD


def _per_channel(values, num_channels: int) -> list[float]:
    return [values] * num_channels if isinstance(values, (int, float)) else list(values)


def _listed(values) -> list[float]:
    return _per_channel(values, 1)


def _covering(size: SizeDict, crop_size: SizeDict, clip: torch.Tensor) -> SizeDict:
    """`size`, or for a window that is not square the shortest edge at which the clip covers it.

    A window of 224x320 cut from a portrait video would otherwise be filled up with black.
    """
    if not size.shortest_edge or crop_size.height == crop_size.width:
        return size
    height, width = clip.shape[-2:]
    needed = math.ceil(max(crop_size.height / height, crop_size.width / width) * min(height, width))
    return SizeDict(shortest_edge=max(size.shortest_edge, needed))


def _is_file(video) -> bool:
    return isinstance(video, (str, Path, bytes, Mapping)) or hasattr(video, "seek")


@contextmanager
def opened(source) -> Iterator[VideoReader]:
    """A reader of a video: a path, URL, bytes, file object or frames. One that is open already stays so.

    Raises VideoDecodeError where it can not be fetched or opened.
    """
    if isinstance(source, torch.Tensor):
        yield _Frames(source)
    elif not _is_file(source):
        yield source
    else:
        with downloaded(source) if is_address(source) else nullcontext(source) as file, open_video(file) as reader:
            yield reader


@dataclass
class _Frames:
    """Frames in memory, uint8 (num_frames, C, H, W), with what `VideoMAEVideoProcessor.views` uses of a reader."""

    frames: torch.Tensor
    path = "<frames>"

    @property
    def num_frames(self) -> int:
        return len(self.frames)

    def read(self, indices: list[int]) -> torch.Tensor:
        return self.frames[indices]


def _batch(videos, to_rgb: bool) -> list:
    """The videos one by one, each a file or a 4-D array or tensor."""
    if _is_frame(videos):
        videos = [videos]
    if _is_file(videos):
        return [videos]
    if isinstance(videos, (np.ndarray, torch.Tensor)):
        return [videos] if videos.ndim == 4 else list(videos)
    if not isinstance(videos, (list, tuple)) or not len(videos):
        raise ValueError(f"expected a video or a list of videos (files, arrays, lists of frames), got {videos!r}")
    if _is_frame(videos[0]):
        return [_stack([_frame(frame, to_rgb) for frame in videos])]
    return [clip for video in videos for clip in _batch(video, to_rgb)]


def _is_frame(video) -> bool:
    return isinstance(video, Image.Image) or (isinstance(video, (np.ndarray, torch.Tensor)) and video.ndim == 3)


def _frame(frame, to_rgb: bool):
    """An image's mode tells what its channels are; an array's channels are taken as they are."""
    if isinstance(frame, Image.Image):
        return np.asarray(frame.convert("RGB") if to_rgb else frame)
    return frame


def _stack(frames: list):
    return torch.stack(frames) if isinstance(frames[0], torch.Tensor) else np.stack(frames)


def _channel_axis(clip: torch.Tensor, data_format: str | None, channels: set[int]) -> int:
    """1 or 3. Without `data_format`, the axis as long as there can be channels; axis 1, our layout, if both are."""
    if data_format is not None:
        return 1 if ChannelDimension(data_format) == ChannelDimension.FIRST else 3
    for axis in (1, 3):
        if clip.shape[axis] in channels:
            return axis
    raise ValueError(
        f"which axis of frames {tuple(clip.shape)} holds the channels is not clear (neither axis 1 nor 3 has "
        f'{" or ".join(map(str, sorted(channels)))}): pass input_data_format="channels_first" or "channels_last"'
    )
