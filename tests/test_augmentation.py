# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Crops and flips: the stated distributions, one draw for all frames, and nothing but the generator decides."""

from collections import Counter

import pytest
import torch

from videomae import augmentation
from videomae.augmentation import (
    horizontal_flip,
    multi_scale_crop,
    multi_scale_sizes,
    random_crop_box,
    random_resized_crop,
    thirteen_positions,
)

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


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


def test_a_flip_mirrors_the_columns_of_all_frames():
    clip = position_clip()
    flipped = horizontal_flip(clip, generator=generator(), probability=1.0)
    assert torch.equal(flipped, clip[..., torch.arange(63, -1, -1)])
    assert torch.equal(horizontal_flip(clip, generator=generator(), probability=0.0), clip)


def test_half_of_the_clips_are_flipped():
    clip, g = position_clip(1, 2, 3), generator()
    flips = sum(not torch.equal(horizontal_flip(clip, generator=g), clip) for _ in range(1000))
    assert 420 < flips < 580
