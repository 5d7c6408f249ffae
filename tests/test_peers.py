# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The peers of the benchmark load the clip that this package's loader loads: same frames, same crop, same mask."""

from functools import partial

import numpy as np
import pytest
import torch

from videomae.clips import PretrainingClips, sample_generator
from videomae.data import make_processor
from videomae.masking import tube_mask
from videomae.peers import OfficialSteps, PeerCollator, PeerDataset, TransformersSteps
from videomae.video import VideoReader, read_frames


@pytest.fixture
def processor(tiny_config):
    return make_processor(tiny_config(), frame_stride=3)  # 4 frames of 24x32 (HxW), spanning 10


@pytest.fixture
def mask(tiny_config):
    return partial(tube_mask, tiny_config().grid, 0.5)


def pixels(clip, processor):
    """Floats that a peer normalised, back in 0 .. 255."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (processor.image_mean, processor.image_std))
    return 255 * (clip * std + mean)


def own_clip(path, processor, mask, index):
    with VideoReader(path) as video:
        return PretrainingClips(processor, mask=mask)(video, {}, partial(sample_generator, 0, 0, index))


@pytest.fixture
def striped(tmp_path):
    """40 frames of 48x80 (HxW): brightness tells the frame, diagonal stripes tell the place of the crop."""
    import av

    path = tmp_path / "striped.mp4"
    rows, columns = np.mgrid[:48, :80]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuv420p"
        for number in range(40):
            grey = 30 + 4 * number + 30 * np.sin((rows + 2 * columns) / 12)
            frame = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return str(path)


def test_the_official_steps_give_our_frames_our_crop_and_our_mask(striped, processor, mask):
    pytest.importorskip("decord")
    dataset = PeerDataset([striped] * 6, OfficialSteps(processor, mask))
    for index in range(6):
        theirs, ours = dataset[index], own_clip(striped, processor, mask, index)
        assert theirs["pixel_values"].shape == (3, 4, 24, 32)
        assert theirs["pixel_values"].dtype == torch.float32
        difference = pixels(theirs["pixel_values"].transpose(0, 1), processor) - ours["pixel_values"].float()
        assert difference.abs().max() < 3  # two bilinear resizes round apart; a frame is 4 away, a row or column 5
        assert torch.equal(theirs["bool_masked_pos"], ours["bool_masked_pos"])


def test_decord_and_pyav_decode_the_same_frames(clips, processor, mask):
    pytest.importorskip("decord")
    path = str(clips / "kinetics_arm_wrestling.mp4")
    peer = OfficialSteps(processor, mask)
    frames = peer.decode(peer.open(path), [7, 3, 120])
    difference = read_frames(path, [7, 3, 120]).permute(0, 2, 3, 1).int() - torch.from_numpy(frames).int()
    assert difference.abs().float().mean() < 1  # two conversions from YUV


def test_transformers_reads_our_frames_and_cuts_out_the_centre(striped, processor, mask):
    dataset = PeerDataset([striped] * 4, TransformersSteps(processor, mask))
    for index in range(4):
        theirs, ours = dataset[index], own_clip(striped, processor, mask, index)
        assert theirs["pixel_values"].shape == (4, 3, 24, 32)
        with VideoReader(striped) as video:
            numbers = processor.pretraining_indices(video, sample_generator(0, 0, index))
            wanted = processor.resize_and_crop(video.read(numbers))
        assert (pixels(theirs["pixel_values"], processor) - wanted.float()).abs().max() < 3
        assert theirs["bool_masked_pos"].sum() == ours["bool_masked_pos"].sum()


def test_transformers_gives_frames_again_that_a_short_clip_wants_twice(tiny_clip, processor, mask, frame_numbers):
    path = str(tiny_clip(num_frames=6))
    frames = TransformersSteps(processor, mask).load(path, torch.Generator().manual_seed(0))
    assert frame_numbers(frames) == [0, 3, 3, 3]


def test_items_make_a_batch(striped, processor, mask):
    dataset = PeerDataset([striped] * 2, TransformersSteps(processor, mask))
    assert len(dataset) == 2
    batch = PeerCollator()([dataset[0], dataset[1]])
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == {
        "pixel_values": (2, 4, 3, 24, 32),
        "bool_masked_pos": (2, 24),
    }


def test_every_stage_names_a_method(processor, mask):
    for peer in (OfficialSteps, TransformersSteps):
        assert all(callable(vars(peer)[method]) for method in peer.STAGES)
    watched = TransformersSteps(processor, mask).watched()
    assert [function.stage for function in watched] == ["decode", "augment", "collate", "collate"]
    assert all(function.name in vars(function.owner) for function in watched)
