# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""An open video becomes a clip that depends on seed, epoch, index and repeat alone."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from videomae import clips
from videomae.clips import PretrainingClips, TrainingClips, ValidationClips, sample_generator
from videomae.data import make_processor
from videomae.frames import open_video
from videomae.masking import drawn_running_cell_mask, tube_mask
from videomae.rand_augment import RandAugment
from videomae.video import VideoDecodeError, VideoReader

ROW = {"label": 1}


@pytest.fixture
def processor(tiny_config):
    """`processor(**settings)`: 4 frames of 24x32, every third."""
    return lambda **settings: make_processor(tiny_config(), frame_stride=3).adapted_to(tiny_config(), **settings)


@pytest.fixture
def mask(tiny_config):
    return partial(tube_mask, tiny_config().grid, 0.75)


@pytest.fixture
def item(tiny_clip):
    """`item(clips, epoch=0, num_frames=33)`: what the clips make of a video whose frames tell their number."""
    paths = {}

    def make(clips, epoch=0, num_frames=33):
        path = paths.setdefault(num_frames, None) or tiny_clip(f"{num_frames}.mp4", num_frames=num_frames)
        paths[num_frames] = path
        with VideoReader(path) as video:
            return clips(video, ROW, partial(sample_generator, 0, epoch, 0))

    return make


def kinds(processor, mask, **options):
    return {
        "pretraining": PretrainingClips(processor, mask=mask, **options),
        "training": TrainingClips(processor, ["a", "b"], **options),
    }


@pytest.mark.parametrize("position", range(4))
def test_each_of_the_four_numbers_changes_the_generator(position):
    numbers = [1, 2, 3, 4]
    first = torch.rand(3, generator=sample_generator(*numbers))
    assert torch.equal(first, torch.rand(3, generator=sample_generator(*numbers)))
    numbers[position] += 1
    assert not torch.equal(first, torch.rand(3, generator=sample_generator(*numbers)))


def test_a_pre_training_item_is_a_uint8_clip_at_the_stride_with_a_mask(processor, mask, item, frame_numbers):
    for epoch in range(5):
        made = item(PretrainingClips(processor(), mask=mask), epoch)
        assert made["pixel_values"].shape == (4, 3, 24, 32) and made["pixel_values"].dtype == torch.uint8
        assert made["bool_masked_pos"].shape == (24,) and int(made["bool_masked_pos"].sum()) == 18
        numbers = frame_numbers(made["pixel_values"])
        assert {b - a for a, b in zip(numbers, numbers[1:], strict=False)} == {3}


def test_a_decoder_mask_comes_along_where_it_is_asked_for(processor, item):
    decoder_mask = partial(drawn_running_cell_mask, (2, 2, 4), 0.5)
    made = item(PretrainingClips(processor(), mask=partial(tube_mask, (2, 2, 4), 0.75), decoder_mask=decoder_mask))
    assert made["bool_decoded_pos"].sum() == 8


def test_a_validation_clip_is_the_middle_one_and_never_changes(processor, item, frame_numbers):
    made = item(ValidationClips(processor()), num_frames=30)
    assert made["pixel_values"].shape == (4, 3, 24, 32)
    assert made["labels"].dtype == torch.int64 and int(made["labels"]) == 1
    assert frame_numbers(made["pixel_values"]) == [9, 12, 15, 18]  # every third of 30 frames, views start at 0 .. 6
    assert torch.equal(
        made["pixel_values"], item(ValidationClips(processor()), epoch=1, num_frames=30)["pixel_values"]
    )


def test_training_clips_are_drawn_anew_in_every_epoch(processor, item, frame_numbers):
    drawn = TrainingClips(processor(), ["a", "b"])
    assert len({frame_numbers(item(drawn, epoch)["pixel_values"])[0] for epoch in range(12)}) > 5


def test_sampling_comes_from_the_processor(processor, item, frame_numbers):
    numbers = frame_numbers(item(ValidationClips(processor(sampling="uniform")), num_frames=30)["pixel_values"])
    assert numbers == [3, 11, 18, 26]
    for spacing, steps in (("linspace", {3, 4}), ("exact", {3})):
        numbers = frame_numbers(item(TrainingClips(processor(training_spacing=spacing), ["a"]))["pixel_values"])
        assert set(np.diff(numbers)) == steps


def test_a_video_shorter_than_a_clip_follows_the_processor_s_policy(processor, mask, item, frame_numbers):
    repeated, looped, refused = (processor(short_video=policy) for policy in ("repeat", "loop", "error"))
    make = {
        "pretraining": lambda processor: PretrainingClips(processor, mask=mask),
        "training": lambda processor: TrainingClips(processor, ["a"]),
        "validation": ValidationClips,
    }
    last = {"pretraining": [0, 3, 3, 3], "training": [0, 6, 6, 6], "validation": [0, 3, 6, 6]}
    again = {"pretraining": [0, 3, 6, 2], "training": [0, 4, 1, 4], "validation": [0, 3, 6, 0]}
    for kind, clips_of in make.items():
        assert frame_numbers(item(clips_of(repeated), num_frames=7)["pixel_values"]) == last[kind], kind
        assert frame_numbers(item(clips_of(looped), num_frames=7)["pixel_values"]) == again[kind], kind
        with pytest.raises(VideoDecodeError, match=r"7\.mp4: it has 7 frames and a clip spans 1\d"):
            item(clips_of(refused), num_frames=7)


def test_flips_can_be_switched_off(processor, item, monkeypatch):
    monkeypatch.setattr(clips, "horizontal_flip", lambda clip, generator: clip * 0)
    assert not item(TrainingClips(processor(), ["a"]))["pixel_values"].any()
    assert item(TrainingClips(processor(), ["a"], flip=False))["pixel_values"].any()
    assert item(ValidationClips(processor()))["pixel_values"].any()


@pytest.mark.parametrize("kind", ["pretraining", "training"])
def test_another_crop_takes_the_place_of_the_paper_s(processor, mask, item, kind):
    seen = []

    def crop(clip, *, size, generator):
        seen.append((tuple(clip.shape[-2:]), tuple(size), int(torch.randint(1000, (), generator=generator))))
        return clip[..., : size[0], : size[1]]

    drawn = kinds(processor(), mask, crop=crop)[kind]
    assert item(drawn)["pixel_values"].shape == (4, 3, 24, 32)
    item(drawn), item(drawn, epoch=1)
    assert seen[0] == seen[1] and seen[0][:2] == ((48, 64), (24, 32))
    assert seen[2][2] != seen[0][2]


def test_the_official_order_is_randaugment_crop_flip_erasing(processor, item, monkeypatch):
    order = []

    def step(name):
        return lambda clip, **options: order.append((name, tuple(clip.shape[-2:]), options)) or clip

    monkeypatch.setattr(clips, "horizontal_flip", step("flip"))
    monkeypatch.setattr(clips, "random_erasing", step("erasing"))
    drawn = TrainingClips(processor(), ["a", "b"], augment=step("augment"), crop=step("crop"), erasing=0.3)
    item(drawn)
    assert [(name, size) for name, size, _ in order] == [
        ("augment", (48, 64)),
        ("crop", (48, 64)),
        ("flip", (48, 64)),
        ("erasing", (48, 64)),
    ]
    assert len({id(options["generator"]) for *_, options in order}) == 1
    assert order[-1][2]["probability"] == 0.3
    assert list(order[-1][2]["mean"]) == list(processor().image_mean)


def test_the_flag_that_mirrors_directions_is_named(processor, caplog):
    assert not TrainingClips(processor(), ["jump", "go left"]).flip
    assert "the class 'go left' (--horizontal_flip true (flip=True) does it" in caplog.text


def test_mirrored_left_is_labelled_right_where_labels_are_swapped(processor, item, monkeypatch):
    labels = set()
    for epoch in range(20):
        labels.add(int(item(TrainingClips(processor(), ["go left", "go right"], flip="swap"), epoch)["labels"]))
    assert labels == {0, 1}  # the video is a "go right"
    with pytest.raises(ValueError, match="go left"):
        TrainingClips(processor(), ["go left", "jump"], flip="swap")


def test_a_processor_of_whole_frames_gives_the_crops_that_keep_them(processor, mask, item):
    whole = processor(framing="whole")
    for drawn in kinds(whole, mask).values():
        assert drawn.crop is clips.near_whole_crop
    bars = item(ValidationClips(processor(framing="whole", crop_size={"height": 24, "width": 24})))["pixel_values"]
    assert bars.shape == (4, 3, 24, 24)


def test_floats_are_normalised_with_statistics_in_their_own_units(processor, tiny_config, tmp_path):
    """As models expect floats; uint8 they normalise themselves."""
    array = np.random.default_rng(0).normal(300, 40, size=(9, 5, 24, 32)).astype(np.float32)
    np.save(tmp_path / "clip.npy", array)
    config = tiny_config(num_channels=5, image_mean=[300.0] * 5, image_std=[40.0] * 5)
    expected = (array[0:8:2] - 300) / 40
    processor = make_processor(config, frame_stride=2)
    with open_video(tmp_path / "clip.npy") as video:
        made = ValidationClips(processor)(video, ROW, partial(sample_generator, 0, 0, 0))
    np.testing.assert_allclose(made["pixel_values"], expected, atol=1e-5)
    np.testing.assert_allclose(processor.views(tmp_path / "clip.npy", 1, 1)[0], expected, atol=1e-5)
    np.testing.assert_allclose(processor(tmp_path / "clip.npy")["pixel_values"][0], expected, atol=1e-5)


# ---- repeats ----


@pytest.mark.parametrize("kind", ["pretraining", "training"])
def test_repeats_are_clips_of_the_same_frames_from_one_decode(processor, mask, item, kind, frame_numbers, monkeypatch):
    reads = []
    read = VideoReader.read
    monkeypatch.setattr(VideoReader, "read", lambda reader, indices: reads.append(indices) or read(reader, indices))
    made = item(kinds(processor(), mask, repeats=3)[kind])
    assert len(reads) == 1
    assert [frame_numbers(clip["pixel_values"]) for clip in made] == [reads[0]] * 3


def test_each_repeat_has_its_own_crop_and_mask_and_the_first_is_the_clip_without_repeats(processor, mask, item):
    crops = []

    def crop(clip, *, size, generator):
        crops.append(int(torch.randint(1_000_000, (), generator=generator)))
        return clip[..., : size[0], : size[1]]

    one = item(PretrainingClips(processor(), mask=mask, crop=crop))
    three = item(PretrainingClips(processor(), mask=mask, crop=crop, repeats=3))
    assert crops[0] == crops[1] and len(set(crops)) == 3
    assert torch.equal(three[0]["bool_masked_pos"], one["bool_masked_pos"])
    assert not torch.equal(three[0]["bool_masked_pos"], three[1]["bool_masked_pos"])


def test_no_repeat_at_all_is_an_error(processor, mask):
    with pytest.raises(ValueError, match="repeats is 0, wanted at least 1"):
        PretrainingClips(processor(), mask=mask, repeats=0)


# ---- channels and types ----


@pytest.fixture
def stored(tmp_path):
    """`stored(array, name) -> path`: frames (T, H, W[, C]) as pictures in a folder, or as an array for .npy."""

    def write(frames, name):
        path = tmp_path / name
        if name.endswith(".npy"):
            np.save(path, frames)
            return path
        path.mkdir()
        for number, frame in enumerate(frames):
            Image.fromarray(frame).save(path / f"{number}.png")
        return path

    return write


def looked_at(path, processor, mask):
    """What pre-training, training, validation, testing and prediction make of the frames 0, 3, 6 and 9 of 12."""

    def whole(clip, *, size, generator):
        return clip

    seen = {}
    for kind, made_of in {
        "pretraining": PretrainingClips(processor, mask=mask, crop=whole),
        "training": TrainingClips(processor, ["a"], crop=whole, flip=False),
        "validation": ValidationClips(processor),
    }.items():
        with open_video(path) as video:
            seen[kind] = made_of(video, ROW, partial(sample_generator, 0, 0, 0))["pixel_values"]
    seen["testing"] = processor.views(path, 1, 1)[0]
    seen["prediction"] = processor(path, return_tensors="pt")["pixel_values"][0]
    return seen


def test_grey_and_rgba_pictures_are_rgb_for_an_rgb_model_wherever_they_are_looked_at(processor, mask, stored):
    random = np.random.default_rng(0)
    grey = random.integers(0, 256, (12, 24, 32), dtype=np.uint8)
    rgba = random.integers(0, 256, (12, 24, 32, 4), dtype=np.uint8)
    for path, rgb in (
        (stored(grey, "grey"), np.repeat(grey[..., None], 3, axis=-1)),
        (stored(rgba, "rgba"), rgba[..., :3]),
    ):
        expected = torch.from_numpy(rgb[0:12:3].copy()).permute(0, 3, 1, 2)
        seen = looked_at(path, processor(training_spacing="exact"), mask)
        for kind in ("pretraining", "training", "validation", "testing"):
            assert torch.equal(seen[kind], expected), kind
        mean, std = (torch.tensor(values)[:, None, None] for values in (processor().image_mean, processor().image_std))
        torch.testing.assert_close(seen["prediction"], (expected / 255 - mean) / std)


def test_rgb_is_grey_for_a_model_of_one_channel(tiny_config, mask, stored):
    rgb = np.random.default_rng(0).integers(0, 256, (12, 24, 32, 3), dtype=np.uint8)
    one = make_processor(tiny_config(num_channels=1), frame_stride=3, training_spacing="exact")
    seen = looked_at(stored(rgb, "rgb"), one, mask)
    luma = rgb[0:12:3] @ np.array([0.299, 0.587, 0.114])
    for kind in ("pretraining", "training", "validation", "testing"):
        assert np.abs(seen[kind][:, 0].numpy() - luma).max() < 1.1  # torchvision rounds down


def test_channels_that_do_not_fit_name_the_video(processor, mask, stored):
    five = stored(np.zeros((12, 24, 32, 5), np.uint8), "five.npy")
    with open_video(five) as video, pytest.raises(VideoDecodeError, match=r"five\.npy: has 5 channels.* takes 3"):
        PretrainingClips(processor(), mask=mask)(video, ROW, partial(sample_generator, 0, 0, 0))
    four = stored(np.zeros((12, 24, 32, 4), np.uint8), "four.npy")  # no alpha: nothing says what the fourth is
    with pytest.raises(VideoDecodeError, match="has 4 channels"):
        processor().views(four, 1, 1)


def test_eight_bits_do_not_fit_statistics_in_other_units(tiny_config, stored):
    sixteen_bits = make_processor(tiny_config(image_mean=[3000.0] * 3, image_std=[900.0] * 3), frame_stride=3)
    path = stored(np.zeros((12, 24, 32, 3), np.uint8), "eight.npy")
    with pytest.raises(VideoDecodeError, match="has 8 bits, but image_mean"):
        sixteen_bits.views(path, 1, 1)


def test_floats_far_from_the_statistics_are_told_with_what_to_give(processor, mask, stored):
    path = stored(np.full((12, 24, 32, 3), 3000, np.uint16), "sixteen bits.npy")
    for look in (lambda: processor().views(path, 1, 1), lambda: processor()(path)):
        with pytest.raises(ValueError, match=r"bits\.npy: values from 3000 to 3000 are .*--image_mean, --image_std"):
            look()


def test_bars_and_noise_of_floats_are_in_their_units(tiny_config, mask, stored):
    frames = np.random.default_rng(0).normal(3000, 900, (12, 24, 96, 3)).astype(np.float32)
    path = stored(frames, "floats.npy")
    config = tiny_config(image_mean=[3000.0] * 3, image_std=[900.0] * 3)
    whole = make_processor(config, frame_stride=3, framing="whole")
    seen = looked_at(path, whole, mask)
    for kind in ("validation", "testing", "prediction"):
        assert seen[kind].abs().max() < 6 and seen[kind][:, :, 0].abs().max() < 0.1, kind  # bars of the mean
    torch.testing.assert_close(seen["prediction"], seen["testing"])
    erased = TrainingClips(whole, ["a"], erasing=1.0, flip=False)
    with open_video(path) as video:
        clip = erased(video, ROW, partial(sample_generator, 0, 0, 0))["pixel_values"]
    assert clip.abs().max() < 6


def test_settings_of_training_clips_that_can_not_be_are_told_at_once(processor, tiny_config):
    with pytest.raises(ValueError, match="flip is 'flase', wanted True, False, 'swap' or None"):
        TrainingClips(processor(), ["a"], flip="flase")
    four = make_processor(tiny_config(num_channels=4), frame_stride=3)
    with pytest.raises(ValueError, match="RandAugment is for 1 or 3 channels, the model takes 4"):
        TrainingClips(four, ["a"], augment=RandAugment())
