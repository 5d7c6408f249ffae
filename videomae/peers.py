# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""How others load a pre-training clip, for `videomae benchmark data`: the same frames and masks, other libraries.

`OfficialSteps` are the steps of the official program in our own words: decord, then Pillow frame by frame, then
floats. `TransformersSteps` is what a user of transformers alone writes. Both are called with the path of a video and
the clip's randomness, draw in the order in which `clips.PretrainingClips` draws, and return a dict of which
`PeerCollator` makes a batch.

Shapes: T frames of h x w pixels in the file, H x W in the clip, 3 channels; N patches.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
import torch.utils.data
from PIL import Image
from torch import Tensor

from .augmentation import multi_scale_sizes, thirteen_positions
from .clips import sample_generator
from .image_processing_videomae import VideoMAEVideoProcessor
from .stopwatch import Watched
from .video import pretraining_frame_indices


class Peer(ABC):
    """Another way from a file to a clip and its mask. `STAGES` says to which stage the time of a method belongs."""

    name: str
    description: str
    STAGES: dict[str, str]

    def __init__(self, processor: VideoMAEVideoProcessor, mask: Callable[..., Tensor]):
        self.processor = processor
        self.mask = mask

    @abstractmethod
    def __call__(self, path: str, generator: torch.Generator) -> dict[str, Tensor]:
        """The clip of a video."""

    def watched(self) -> list[Watched]:
        methods = [Watched(stage, type(self), method) for method, stage in self.STAGES.items()]
        return [*methods, Watched("collate", self, "mask"), Watched("collate", PeerCollator, "__call__")]

    def _indices(self, total_frames: int, generator: torch.Generator) -> list[int]:
        return pretraining_frame_indices(
            total_frames,
            num_frames=self.processor.num_frames,
            frame_stride=self.processor.frame_stride,
            generator=generator,
        )


class OfficialSteps(Peer):
    """decord with one thread, Pillow's crop and bilinear resize of each frame, floats normalised on the CPU.

    A clip is {"pixel_values": float32 (3, T, H, W), "bool_masked_pos": bool (N,)}. One clip a decode.
    Raises ImportError where decord is not installed.
    """

    name = "official"
    description = "decord.get_batch (one thread), Pillow multi-scale crop and resize, float32 normalised"
    STAGES = {"open": "open", "decode": "decode", "crop": "augment", "normalize": "normalize"}

    def __init__(self, processor: VideoMAEVideoProcessor, mask: Callable[..., Tensor]):
        import decord  # noqa: F401, to fail here and not in a worker

        super().__init__(processor, mask)

    def __call__(self, path: str, generator: torch.Generator) -> dict[str, Tensor]:
        reader = self.open(path)
        frames = self.decode(reader, self._indices(len(reader), generator))
        clip = self.normalize(self.crop(frames, generator))
        return {"pixel_values": clip, "bool_masked_pos": self.mask(generator=generator)}

    def open(self, path: str):
        import decord

        return decord.VideoReader(path, num_threads=1)

    def decode(self, reader, indices: list[int]) -> np.ndarray:
        """(T, h, w, 3) uint8, RGB."""
        return reader.get_batch(indices).asnumpy()

    def crop(self, frames: np.ndarray, generator: torch.Generator) -> list[Image.Image]:
        """The multi-scale crop of `augmentation.multi_scale_crop`, one frame after the other."""
        size = self.processor.crop_size.height, self.processor.crop_size.width
        pictures = [Image.fromarray(frame).convert("RGB") for frame in frames]
        frame_width, frame_height = pictures[0].size
        height, width = _drawn(multi_scale_sizes(frame_height, frame_width, size=size), generator)
        top, left = _drawn(thirteen_positions(frame_height - height, frame_width - width), generator)
        box = (left, top, left + width, top + height)
        return [picture.crop(box).resize(size[::-1], Image.Resampling.BILINEAR) for picture in pictures]

    def normalize(self, pictures: list[Image.Image]) -> Tensor:
        """(3, T, H, W) float32, the transposed view of (T, 3, H, W)."""
        mean, std = self.processor.image_mean, self.processor.image_std
        stacked = np.concatenate([np.asarray(picture) for picture in pictures], axis=2)
        clip = torch.from_numpy(stacked).permute(2, 0, 1).contiguous().float().div_(255)
        clip = clip.view(len(pictures), 3, *clip.shape[1:])
        clip.sub_(torch.tensor(mean)[:, None, None]).div_(torch.tensor(std)[:, None, None])
        return clip.transpose(0, 1)


def _drawn(choices: list[tuple[int, int]], generator: torch.Generator) -> tuple[int, int]:
    return choices[int(torch.randint(len(choices), (), generator=generator))]


class TransformersSteps(Peer):
    """transformers' `load_video` and its own VideoMAE video processor.

    A clip is {"pixel_values": float32 (T, 3, H, W), "bool_masked_pos": bool (N,)}: short side resized and the centre
    cut out, as the processor has no random crop. The reading backend is PyAV, the one that works with nothing but
    transformers' own requirements for video. Of its public VideoMAE processors this is the fastest on what
    `load_video` returns: 10 ms for 16 frames of 340x256, VideoMAEImageProcessor 37, VideoMAEImageProcessorPil 71 (one
    core, transformers 5.23).
    Raises ImportError where transformers has no such processor.
    """

    name = "transformers"
    description = "transformers' load_video (PyAV) and VideoMAEVideoProcessor: resize, centre crop, float32 normalised"
    STAGES = {"load": "decode", "process": "augment"}

    def __init__(self, processor: VideoMAEVideoProcessor, mask: Callable[..., Tensor]):
        from transformers import VideoMAEVideoProcessor as StockProcessor

        super().__init__(processor, mask)
        self.stock_processor = StockProcessor(
            size={"shortest_edge": processor.size.shortest_edge},
            crop_size={"height": processor.crop_size.height, "width": processor.crop_size.width},
            image_mean=processor.image_mean,
            image_std=processor.image_std,
        )

    def __call__(self, path: str, generator: torch.Generator) -> dict[str, Tensor]:
        clip = self.process(self.load(path, generator))
        return {"pixel_values": clip, "bool_masked_pos": self.mask(generator=generator)}

    def load(self, path: str, generator: torch.Generator) -> np.ndarray:
        """(T, h, w, 3) uint8, RGB."""
        from transformers.video_utils import load_video

        def sample_indices(metadata, **kwargs):
            return self._indices(metadata.total_num_frames, generator)

        frames, metadata = load_video(path, sample_indices_fn=sample_indices, backend="pyav")
        indices = metadata.frames_indices
        distinct = sorted(set(indices))  # of a short video frames are wanted twice: it gives them once
        return frames if len(frames) == len(indices) else frames[[distinct.index(index) for index in indices]]

    def process(self, frames: np.ndarray) -> Tensor:
        return self.stock_processor(frames, return_tensors="pt")["pixel_values"][0]


class PeerDataset(torch.utils.data.Dataset):
    """The clips that a peer makes; clip i draws what `VideoDataset` with seed 0 draws for row i in epoch 0."""

    def __init__(self, paths: list[str], peer: Peer):
        self.paths = paths
        self.peer = peer

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.peer(self.paths[index], sample_generator(0, 0, index))


class PeerCollator:
    """torch's own `default_collate`: a batch as both programs make it."""

    def __call__(self, items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return torch.utils.data.default_collate(items)


PEERS = (OfficialSteps, TransformersSteps)

__all__ = ["PEERS", "OfficialSteps", "Peer", "PeerCollator", "PeerDataset", "TransformersSteps"]
