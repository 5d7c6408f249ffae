# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Crops, flips, erasing: the stated distributions, one draw for all frames, and nothing but the generator decides."""

import math
from collections import Counter

import pytest
import torch

from videomae import augmentation
from videomae.augmentation import (
    erasing_box,
    fitted_size,
    horizontal_flip,
    horizontal_flip_with_label,
    multi_scale_crop,
    multi_scale_sizes,
    near_whole_crop,
    random_crop_box,
    random_erasing,
    random_resized_crop,
    thirteen_positions,
    whole_frame,
)

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def position_clip(frames: int = 3, height: int = 48, width: int = 64) -> torch.Tensor:
    """uint8 (T, 2, H, W) whose first channel is the row and whose second is the column."""
    rows = torch.arange(height, dtype=torch.uint8).view(1, height, 1).expand(frames, height, width)
    columns = torch.arange(width, dtype=torch.uint8).view(1, 1, width).expand(frames, height, width)
    return torch.stack([rows, columns], dim=1)


CROPS = [
    lambda clip, g: multi_scale_crop(clip, size=(20, 28), generator=g),
    lambda clip, g: random_resized_crop(clip, size=(20, 28), generator=g),
    lambda clip, g: near_whole_crop(clip, size=(20, 28), generator=g),
]


@pytest.mark.parametrize("crop", CROPS)
def test_a_crop_has_the_asked_size_and_stays_uint8(crop):
    out = crop(position_clip(), generator())
    assert out.shape == (3, 2, 20, 28) and out.dtype == torch.uint8


@pytest.mark.parametrize("crop", CROPS)
def test_all_frames_get_the_same_crop(crop):
    out = crop(position_clip(), generator())
    assert out.eq(out[:1]).all()


@pytest.mark.parametrize("crop", CROPS)
def test_leading_dimensions_share_the_draw(crop):
    clip = position_clip()
    out = crop(torch.stack([clip, clip])[None], generator())
    assert torch.equal(out[0, 1], crop(clip, generator()))


@pytest.mark.parametrize("crop", CROPS)
def test_the_generator_alone_decides(crop):
    torch.manual_seed(1)
    first = crop(position_clip(), generator(5))
    torch.manual_seed(2)
    assert torch.equal(first, crop(position_clip(), generator(5)))
    assert len({tuple(crop(position_clip(), generator(seed)).flatten().tolist()) for seed in range(10)}) > 5


@pytest.mark.parametrize("crop", CROPS)
def test_memory_order_changes_no_pixel_and_is_kept(crop):
    decoded = torch.randint(0, 256, (3, 48, 64, 3), dtype=torch.uint8, generator=generator()).permute(0, 3, 1, 2)
    out = crop(decoded, generator(1))
    assert out.stride(1) == 1  # channels are still innermost
    assert torch.equal(out, crop(decoded.contiguous(), generator(1)))


@pytest.mark.parametrize(
    ("frame", "sides"),
    [((320, 427), (320, 280, 240, 211)), ((340, 256), (256, 224, 192, 168)), ((240, 320), (240, 210, 180, 158))],
)
def test_multi_scale_sides_are_the_published_ones_in_ten_pairs(frame, sides):
    pairs = multi_scale_sizes(*frame, size=(224, 224))
    assert len(pairs) == 10
    assert sorted({height for height, _ in pairs}, reverse=True) == list(sides)
    assert (sides[0], sides[1]) in pairs and (sides[1], sides[0]) in pairs and (sides[0], sides[2]) not in pairs


def test_a_side_next_to_the_output_size_snaps_to_it():
    heights = {height for height, _ in multi_scale_sizes(300, 400, size=(224, 200))}
    widths = {width for _, width in multi_scale_sizes(300, 400, size=(224, 200))}
    assert heights == {300, 262, 224, 198}  # 225 is next to 224
    assert widths == {300, 262, 225, 200}  # 198 is next to 200
    assert {height for height, _ in multi_scale_sizes(222, 400, size=(224, 224))} == {222, 194, 166, 146}


def test_thirteen_positions_are_distinct_and_reach_the_corners():
    positions = thirteen_positions(41, 80)
    assert len(set(positions)) == 13
    assert {(0, 0), (0, 80), (40, 0), (40, 80), (20, 40), (10, 20), (30, 60), (0, 40)} <= set(positions)


def test_multi_scale_crop_draws_sizes_and_positions_uniformly(monkeypatch):
    boxes = Counter()
    monkeypatch.setattr(augmentation.F, "resized_crop", lambda clip, *box, antialias: boxes.update([box[:4]]))
    clip, g, draws = position_clip(1, 200, 304), generator(), 13_000
    for _ in range(draws):
        multi_scale_crop(clip, size=(112, 112), generator=g)
    sizes, offsets = Counter(), Counter()
    for (top, left, height, width), count in boxes.items():
        place = thirteen_positions(200 - height, 304 - width)
        sizes[height, width] += count
        if len(set(place)) == 13:
            offsets[place.index((top, left))] += count
    assert len(sizes) == 10 and all(abs(count - draws / 10) < 200 for count in sizes.values())  # five sigma: 171
    expected = sum(offsets.values()) / 13
    assert len(offsets) == 13 and all(abs(count - expected) < 5 * expected**0.5 for count in offsets.values())


def test_random_crop_boxes_have_the_stated_area_and_aspect():
    g = generator()
    boxes = [random_crop_box(400, 400, generator=g, scale=(0.1, 0.5), ratio=RATIO) for _ in range(4000)]
    area = torch.tensor([height * width / 400**2 for _, _, height, width in boxes])
    aspect = torch.tensor([width / height for _, _, height, width in boxes]).log()
    assert area.min() > 0.098 and area.max() < 0.503 and abs(area.mean() - 0.3) < 0.01  # uniform
    assert abs(aspect.mean()) < 0.015 and abs(aspect.std() - 2 * torch.log(torch.tensor(4 / 3)) / 12**0.5) < 0.01
    assert all(0 <= top <= 400 - height and 0 <= left <= 400 - width for top, left, height, width in boxes)
    tops = torch.tensor([top / (400 - height) for top, _, height, _ in boxes])
    assert abs(tops.mean() - 0.5) < 0.03


def test_a_frame_that_no_draw_fits_gives_its_largest_central_crop():
    assert random_crop_box(30, 400, generator=generator(), scale=(0.9, 1.0), ratio=RATIO) == (0, 180, 30, 40)
    assert random_crop_box(400, 30, generator=generator(), scale=(0.9, 1.0), ratio=RATIO) == (180, 0, 40, 30)


def test_a_crop_shows_the_part_of_the_frame_that_its_box_names():
    box = random_crop_box(48, 64, generator=generator(3), scale=SCALE, ratio=RATIO)
    out = random_resized_crop(position_clip(), size=(box[2], box[3]), generator=generator(3))
    top, left = out[0, :, 0, 0].tolist()
    bottom, right = out[0, :, -1, -1].tolist()
    assert (top, left, bottom - top + 1, right - left + 1) == box


@pytest.mark.parametrize(
    ("frame", "size", "fitted"),
    [
        ((240, 320), (224, 224), (224, 224)),  # 4:3 fills a square
        ((320, 240), (224, 224), (224, 224)),
        ((225, 400), (224, 224), (168, 224)),  # 16:9: three quarters of it
        ((400, 225), (224, 224), (224, 168)),
        ((225, 400), (126, 224), (126, 224)),  # a picture of the frame's own shape: all of it, not stretched
        ((100, 900), (224, 224), (33, 224)),
        ((100, 900), (112, 224), (33, 224)),
        ((1, 900), (32, 64), (1, 64)),
    ],
)
def test_a_whole_frame_is_stretched_by_a_third_at_most(frame, size, fitted):
    assert fitted_size(*frame, size=size) == fitted


def test_a_whole_frame_shows_all_of_it_in_the_middle_and_grey_bars():
    clip = position_clip(height=36, width=96)  # 8:3: half of a square picture once stretched
    out = whole_frame(clip, size=(40, 40))
    assert out.shape == (3, 2, 40, 40)
    assert out[..., :10, :].eq(128).all() and out[..., 30:, :].eq(128).all()
    picture = out[0, :, 10:30]
    assert picture[0, 0].max() <= 1 and picture[0, -1].min() >= 34  # the first and the last row of the frame
    assert picture[1, :, 0].max() <= 1 and picture[1, :, -1].min() >= 94
    assert out.eq(out[:1]).all()


def test_a_tall_whole_frame_has_its_bars_at_the_sides():
    out = whole_frame(position_clip(height=60, width=20).clamp(max=100), size=(30, 30))
    assert out[..., :8].eq(128).all() and out[..., 21:].eq(128).all() and out[..., 8:21].le(100).all()


def test_a_whole_frame_keeps_the_memory_order():
    decoded = position_clip().contiguous(memory_format=torch.channels_last)
    assert whole_frame(decoded, size=(32, 32)).is_contiguous(memory_format=torch.channels_last)


def test_a_near_whole_crop_keeps_four_fifths_of_each_side_and_its_place_is_uniform(monkeypatch):
    windows = []
    monkeypatch.setattr(augmentation, "whole_frame", lambda clip, size: windows.append(clip[0, :, [0, -1], [0, -1]]))
    clip, g, draws = position_clip(1, 200, 250), generator(), 4000
    for _ in range(draws):
        near_whole_crop(clip, size=(16, 16), generator=g)
    (top, bottom), (left, right) = torch.stack(windows).float().permute(1, 2, 0)
    height, width = bottom - top + 1, right - left + 1
    for side, whole in ((height, 200), (width, 250)):
        assert side.min() >= 0.8 * whole and side.max() <= whole
        # Uniform: standard deviation 0.2 / sqrt(12) = 0.058 of the side.
        assert abs(side.mean() / whole - 0.9) < 5 * 0.058 / draws**0.5 + 0.001
    place = (top / (200 - height).clamp(min=1))[height < 190]
    assert abs(place.mean() - 0.5) < 5 * 0.3 / len(place) ** 0.5
    assert abs(torch.corrcoef(torch.stack([height, width]))[0, 1]) < 5 / draws**0.5  # two draws


def test_a_flip_mirrors_the_columns_of_all_frames():
    clip = position_clip()
    flipped = horizontal_flip(clip, generator=generator(), probability=1.0)
    assert torch.equal(flipped, clip[..., torch.arange(63, -1, -1)])
    assert torch.equal(horizontal_flip(clip, generator=generator(), probability=0.0), clip)


def test_half_of_the_clips_are_flipped():
    clip, g = position_clip(1, 2, 3), generator()
    flips = sum(not torch.equal(horizontal_flip(clip, generator=g), clip) for _ in range(1000))
    assert 420 < flips < 580


def test_flips_with_and_without_a_label_make_the_same_draw_and_the_label_follows():
    clip, mirrored, labels = position_clip(2, 3, 5), [1, 0, 2], Counter()
    for seed in range(40):
        flipped, label = horizontal_flip_with_label(clip, 0, mirrored=mirrored, generator=generator(seed))
        assert torch.equal(flipped, horizontal_flip(clip, generator=generator(seed)))
        assert label == (0 if torch.equal(flipped, clip) else 1)
        labels[label] += 1
    assert set(labels) == {0, 1}
    always = horizontal_flip_with_label(clip, 2, mirrored=mirrored, generator=generator(), probability=1.0)
    assert always[1] == 2 and not torch.equal(always[0], clip)


def decoded_noise(frames: int = 4, height: int = 40, width: int = 56) -> torch.Tensor:
    clip = torch.randint(0, 256, (frames, height, width, 3), dtype=torch.uint8, generator=generator(9))
    return clip.permute(0, 3, 1, 2)


def test_erasing_fills_one_box_for_all_frames_with_noise_of_each_frames_own():
    clip = decoded_noise()
    before = clip.clone()
    erased = random_erasing(clip, generator=generator(1), probability=1.0, **IMAGENET)
    assert torch.equal(clip, before)
    assert erased.dtype == torch.uint8 and erased.stride() == clip.stride()
    changed = (erased != clip).any(dim=1)  # (T, H, W)
    rows, columns = changed.any(0).any(1).nonzero().flatten(), changed.any(0).any(0).nonzero().flatten()
    box = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    assert changed[box].float().mean() > 0.99 and changed.sum() == changed[box].sum()
    noise = erased[:, :, box[1], box[2]].flatten(1).float()
    assert torch.corrcoef(noise).sub(torch.eye(4)).abs().max() < 5 / noise.shape[1] ** 0.5


def test_a_quarter_of_the_clips_are_erased():
    clip, g, draws = decoded_noise(1, 4, 6), generator(), 20_000
    erased = sum(random_erasing(clip, generator=g, **IMAGENET) is not clip for _ in range(draws))
    assert abs(erased / draws - 0.25) < 5 * (0.25 * 0.75 / draws) ** 0.5


def test_erasing_boxes_have_the_stated_area_aspect_and_place():
    g, draws = generator(), 4000
    boxes = [erasing_box(1000, 1000, generator=g, area=(0.02, 0.25), ratio=(0.3, 1 / 0.3)) for _ in range(draws)]
    top, left, height, width = torch.tensor(boxes, dtype=torch.float64).T
    for found, low, high in (
        (height * width / 1e6, 0.02, 0.25),
        ((height / width).log(), math.log(0.3), -math.log(0.3)),
        (top / (1000 - height), 0, 1),
        (left / (1000 - width), 0, 1),
    ):
        place = (found - low) / (high - low)  # uniform in 0 .. 1, but for rounding to pixels
        assert place.min() > -0.005 and place.max() < 1.005
        assert abs(place.mean() - 0.5) < 5 * 12**-0.5 / draws**0.5
        assert abs(place.std() - 12**-0.5) < 5 * (1 / 180 / draws) ** 0.5 / (2 * 12**-0.5)  # of the variance: 1/180


def test_default_erasing_boxes_are_between_2_and_33_percent(monkeypatch):
    shares, draw = [], erasing_box

    def record(height, width, **settings):
        box = draw(height, width, **settings)
        shares.append((box[2] * box[3] / (height * width), box[2] / box[3]))
        return box

    monkeypatch.setattr(augmentation, "erasing_box", record)
    clip, g = torch.zeros(1, 3, 300, 300, dtype=torch.uint8), generator()
    for _ in range(300):
        random_erasing(clip, generator=g, probability=1.0, **IMAGENET)
    area, aspect = torch.tensor(shares).T
    assert 0.0195 < area.min() < 0.04 and 0.31 < area.max() < 0.335
    assert 0.29 < aspect.min() < 0.35 and 2.8 < aspect.max() < 3.4


def test_erasing_noise_is_standard_normal_after_normalising():
    clip = torch.zeros(8, 2, 200, 200, dtype=torch.uint8)
    mean, std = (0.5, 0.4), (0.1, 0.05)  # nothing reaches 0 or 255
    erased = random_erasing(clip, generator=generator(), probability=1.0, mean=mean, std=std)
    for channel in range(2):
        values = erased[:, channel].float()
        noise = (values[values > 0] / 255 - mean[channel]) / std[channel]
        assert abs(noise.mean()) < 5 / len(noise) ** 0.5
        assert abs(noise.std() - 1) < 5 / (2 * len(noise)) ** 0.5 + 0.001  # rounding adds 1/12 of a variance of 163


def test_what_the_ends_of_uint8_do_to_the_noise_is_what_the_docstring_says():
    clip = torch.zeros(16, 3, 224, 224, dtype=torch.uint8)
    erased = random_erasing(
        clip, generator=generator(2), probability=1.0, area=(0.9, 0.9), ratio=(1.0, 1.0), **IMAGENET
    )
    mean, std = (torch.tensor(IMAGENET[name]).view(3, 1, 1) for name in ("mean", "std"))
    noise = ((erased / 255 - mean) / std)[:, :, 20:-20, 20:-20]  # 1.6 million values: five sigma are 0.004 and 0.003
    assert noise.mean() == pytest.approx(0.0067, abs=0.004) and noise.std() == pytest.approx(0.971, abs=0.003)
    # Values of 0 and 255 are those that were cut and those that were rounded there: half a step is 0.01 deviations.
    ends = ((erased == 0) | (erased == 255))[:, :, 20:-20, 20:-20].float().mean()
    assert ends == pytest.approx(0.032, abs=0.003)


def test_a_frame_that_no_box_fits_stays():
    clip = torch.zeros(2, 3, 1, 1, dtype=torch.uint8)
    assert erasing_box(1, 1, generator=generator(), area=(0.02, 1 / 3), ratio=(0.3, 3.3)) is None
    assert random_erasing(clip, generator=generator(), probability=1.0, **IMAGENET) is clip


def test_erasing_is_decided_by_the_generator_alone():
    first = random_erasing(decoded_noise(), generator=generator(4), probability=1.0, **IMAGENET)
    torch.manual_seed(1)
    assert torch.equal(first, random_erasing(decoded_noise(), generator=generator(4), probability=1.0, **IMAGENET))
    assert not torch.equal(first, random_erasing(decoded_noise(), generator=generator(5), probability=1.0, **IMAGENET))


def test_repeated_clips_share_the_erased_box_but_not_the_noise():
    clip = decoded_noise()
    erased = random_erasing(torch.stack([clip, clip]), generator=generator(1), probability=1.0, **IMAGENET)
    alone = random_erasing(clip, generator=generator(1), probability=1.0, **IMAGENET)
    assert torch.equal((erased[1] != clip).any(1).any(0), (alone != clip).any(1).any(0))
    assert not torch.equal(erased[0], erased[1])


def test_erasing_wants_statistics_of_every_channel():
    with pytest.raises(ValueError, match="3 means and 3 deviations for 2 channels"):
        random_erasing(position_clip(), generator=generator(), **IMAGENET)
