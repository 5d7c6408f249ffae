# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""RandAugment: Pillow's pixels, the recipe's levels, the stated distributions, one draw for all frames."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops, ImageEnhance, ImageOps

from videomae import rand_augment
from videomae.rand_augment import OPERATIONS, RandAugment, apply_operation

MOVES = ("Rotate", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel")
VALUES = tuple(name for name in OPERATIONS if name not in MOVES)
# 7.3 and 9.1 are levels that the draw gives; 0, 5 and 9.9 are the ends and a level whose arguments are round numbers.
MAGNITUDES = (0.0, 1.0, 5.0, 7.3, 9.1, 9.9)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise_clip(frames: int = 3, channels: int = 3, height: int = 37, width: int = 52) -> torch.Tensor:
    """Noise whose channels and frames have different ranges, as decoded: channels innermost in memory."""
    clip = torch.randint(0, 256, (frames, height, width, channels), dtype=torch.uint8, generator=generator())
    for frame in range(frames):
        clip[frame] //= frame + 1
    clip[..., 0] = clip[..., 0] // 2 + 60
    return clip.permute(0, 3, 1, 2)


def smooth_clip() -> torch.Tensor:
    coarse = torch.rand(2, 3, 4, 5, generator=generator())
    fine = torch.nn.functional.interpolate(coarse, (40, 61), mode="bilinear").mul(180).add(40).to(torch.uint8)
    return fine.contiguous(memory_format=torch.channels_last)


def move(picture: Image.Image, *matrix: float) -> Image.Image:
    grey = (128,) * len(picture.getbands())
    return picture.transform(
        picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BICUBIC, fillcolor=grey
    )


def solarize_add(picture: Image.Image, addition: int) -> Image.Image:
    return picture.point(
        [value + addition if value < 128 else value for value in range(256)] * len(picture.getbands())
    )


def by_pillow(picture: Image.Image, name: str, magnitude: float, sign: int) -> Image.Image:
    """The operation as the recipe describes it, in Pillow's own words."""
    share, factor = magnitude / 10, 1 + sign * 0.9 * magnitude / 10
    width, height = picture.size
    grey = (128,) * len(picture.getbands())
    return {
        "AutoContrast": lambda: ImageOps.autocontrast(picture),
        "Equalize": lambda: ImageOps.equalize(picture),
        "Invert": lambda: ImageChops.invert(picture),
        "Rotate": lambda: picture.rotate(sign * 30 * share, resample=Image.Resampling.BICUBIC, fillcolor=grey),
        "PosterizeIncreasing": lambda: ImageOps.posterize(picture, 4 - int(4 * share)),
        "SolarizeIncreasing": lambda: ImageOps.solarize(picture, 256 - int(256 * share)),
        "SolarizeAdd": lambda: solarize_add(picture, int(110 * share)),
        "ColorIncreasing": lambda: ImageEnhance.Color(picture).enhance(factor),
        "ContrastIncreasing": lambda: ImageEnhance.Contrast(picture).enhance(factor),
        "BrightnessIncreasing": lambda: ImageEnhance.Brightness(picture).enhance(factor),
        "SharpnessIncreasing": lambda: ImageEnhance.Sharpness(picture).enhance(factor),
        "ShearX": lambda: move(picture, 1, sign * 0.3 * share, 0, 0, 1, 0),
        "ShearY": lambda: move(picture, 1, 0, 0, sign * 0.3 * share, 1, 0),
        "TranslateXRel": lambda: move(picture, 1, 0, sign * 0.45 * share * width, 0, 1, 0),
        "TranslateYRel": lambda: move(picture, 1, 0, 0, 0, 1, sign * 0.45 * share * height),
    }[name]()


def differences(clip: torch.Tensor, name: str, magnitude: float, sign: int) -> torch.Tensor:
    ours = apply_operation(clip, name, magnitude=magnitude, sign=sign)
    pictures = [Image.fromarray(frame.squeeze(-1).numpy()) for frame in clip.permute(0, 2, 3, 1)]
    theirs = np.stack([np.asarray(by_pillow(picture, name, magnitude, sign)) for picture in pictures])
    theirs = torch.from_numpy(theirs).view(len(clip), *clip.shape[-2:], -1).permute(0, 3, 1, 2)
    return (ours.int() - theirs.int()).abs()


CLIPS = {
    "noise": noise_clip(),
    "smooth": smooth_clip(),
    "one channel": noise_clip(channels=1),
    "flat": torch.full((2, 3, 20, 31), 77, dtype=torch.uint8),
    "two by five": noise_clip(height=2, width=5),
}


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
@pytest.mark.parametrize("name", VALUES)
def test_what_changes_values_gives_pillows_pixels(name, clip):
    for magnitude in MAGNITUDES:
        for sign in (1, -1):
            assert not differences(clip, name, magnitude, sign).any(), (magnitude, sign)


@pytest.mark.parametrize("clip", CLIPS.values(), ids=CLIPS)
@pytest.mark.parametrize("name", MOVES)
def test_what_moves_pixels_gives_pillows_to_within_one(name, clip):
    # Pillow cuts a float64 sum where ours is float32: a sum next to a whole number may fall on its other side.
    for magnitude in MAGNITUDES:
        for sign in (1, -1):
            different = differences(clip, name, magnitude, sign)
            assert different.max() <= 1, (magnitude, sign)
            assert different.sum() <= max(1, 0.02 * clip.numel()), (magnitude, sign)


@pytest.mark.parametrize("name", MOVES)
def test_a_move_of_nothing_changes_nothing(name):
    assert torch.equal(apply_operation(noise_clip(), name, magnitude=0.0, sign=1), noise_clip())


@pytest.mark.parametrize("name", MOVES)
def test_what_a_move_uncovers_is_grey(name):
    moved = apply_operation(torch.full((2, 3, 30, 41), 9, dtype=torch.uint8), name, magnitude=10.0, sign=1)
    assert set(moved.unique().tolist()) == {9, 128}


def test_frames_that_do_not_fit_the_memory_limit_together_are_moved_alike(monkeypatch):
    together = apply_operation(noise_clip(), "Rotate", magnitude=7.0, sign=1)
    monkeypatch.setattr(rand_augment, "MOVED_AT_ONCE", 2 * noise_clip()[0].numel())
    assert torch.equal(apply_operation(noise_clip(), "Rotate", magnitude=7.0, sign=1), together)


def test_posterizing_and_solarizing_by_ten_leaves_black_and_the_negative():
    # Pillow refuses 0 bits today; the versions that the official recipe ran with gave black.
    clip = noise_clip()
    assert not apply_operation(clip, "PosterizeIncreasing", magnitude=10.0, sign=1).any()
    assert torch.equal(apply_operation(clip, "SolarizeIncreasing", magnitude=10.0, sign=1), 255 - clip)


LEVELS = {  # arguments at the magnitudes 0, 3.5 and 7, worked out by hand from the recipe
    "Rotate": (0, 10.5, 21),
    "PosterizeIncreasing": (4, 3, 2),
    "SolarizeIncreasing": (256, 167, 77),
    "SolarizeAdd": (0, 38, 77),
    "ColorIncreasing": (1, 1.315, 1.63),
    "ContrastIncreasing": (1, 1.315, 1.63),
    "BrightnessIncreasing": (1, 1.315, 1.63),
    "SharpnessIncreasing": (1, 1.315, 1.63),
    "ShearX": (0, 0.105, 0.21),
    "ShearY": (0, 0.105, 0.21),
    "TranslateXRel": (0, 0.1575, 0.315),
    "TranslateYRel": (0, 0.1575, 0.315),
}


def test_levels_are_the_recipes():
    levels = {name: level for name, (_, level) in OPERATIONS.items() if level is not None}
    found = {name: [level(magnitude / 10, 1) for magnitude in (0.0, 3.5, 7.0)] for name, level in levels.items()}
    assert found == {name: pytest.approx(wanted) for name, wanted in LEVELS.items()}


def test_a_sign_turns_a_move_round_and_an_enhancement_into_its_opposite():
    signed = {name for name, (_, level) in OPERATIONS.items() if level is not None and level(0.7, 1) != level(0.7, -1)}
    assert signed == {*MOVES, *(name for name in LEVELS if LEVELS[name][2] == 1.63)}
    assert OPERATIONS["Rotate"][1](0.7, -1) == pytest.approx(-21)
    assert OPERATIONS["ColorIncreasing"][1](0.7, -1) == pytest.approx(0.37)


def test_there_are_fifteen_operations():
    assert len(OPERATIONS) == 15


@pytest.fixture(scope="module")
def drawn() -> list[list[tuple[str, float, int]]]:
    augment, g = RandAugment(), generator()
    return [augment.draw(g) for _ in range(20_000)]


def test_each_of_four_operations_is_applied_to_half_of_the_clips(drawn):
    counts = Counter(map(len, drawn))
    for applied, share in enumerate((1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)):  # binomial
        five_sigma = 5 * (len(drawn) * share * (1 - share)) ** 0.5
        assert abs(counts[applied] - len(drawn) * share) < five_sigma


def test_operations_are_drawn_equally_often_and_with_replacement(drawn):
    counts = Counter(name for operations in drawn for name, _, _ in operations)
    expected = len(drawn) * 2 / 15
    assert set(counts) == set(OPERATIONS)
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())
    pairs = [operations for operations in drawn if len(operations) == 2]
    twice = sum(first[0] == second[0] for first, second in pairs)
    assert abs(twice - len(pairs) / 15) < 5 * (len(pairs) / 15) ** 0.5


def test_magnitudes_are_normal_and_signs_fair(drawn):
    magnitudes = torch.tensor([magnitude for operations in drawn for _, magnitude, _ in operations])
    signs = torch.tensor([sign for operations in drawn for _, _, sign in operations])
    count = len(magnitudes)
    assert abs(magnitudes.mean() - 7) < 5 * 0.5 / count**0.5
    assert abs(magnitudes.std() - 0.5) < 5 * 0.5 / (2 * count) ** 0.5
    assert abs((abs(magnitudes - 7) < 0.5).float().mean() - 0.6827) < 5 * (0.6827 * 0.3173 / count) ** 0.5
    assert set(signs.tolist()) == {1, -1} and abs(signs.float().mean()) < 5 / count**0.5


@pytest.mark.parametrize("end", [0.0, 10.0])
def test_magnitudes_are_clipped_to_0_and_10(end):
    augment, g = RandAugment(num_ops=4000, magnitude=end), generator()
    magnitudes = torch.tensor([magnitude for _, magnitude, _ in augment.draw(g)])
    assert magnitudes.min() >= 0 and magnitudes.max() <= 10
    at_the_end = (magnitudes == end).float().mean()
    assert abs(at_the_end - 0.5) < 5 * 0.5 / len(magnitudes) ** 0.5


def test_all_frames_get_the_same_operations():
    still = noise_clip(frames=1).expand(4, -1, -1, -1)
    for seed in range(10):
        out = RandAugment()(still, generator=generator(seed))
        assert out.eq(out[:1]).all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_sees_one_frame_at_a_time(name):
    alone = [apply_operation(frame[None], name, magnitude=7.0, sign=1) for frame in noise_clip()]
    assert torch.equal(apply_operation(noise_clip(), name, magnitude=7.0, sign=1), torch.cat(alone))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPERATIONS)
def test_shape_dtype_memory_order_and_input_are_kept(name, channels):
    decoded = noise_clip(channels=channels)
    planar = decoded.contiguous()
    before = decoded.clone()
    out = apply_operation(decoded, name, magnitude=7.0, sign=-1)
    out_of_planar = apply_operation(planar, name, magnitude=7.0, sign=-1)
    assert out.shape == decoded.shape and out.dtype == torch.uint8
    assert out.is_contiguous(memory_format=torch.channels_last) and out_of_planar.is_contiguous()
    assert torch.equal(out, out_of_planar)
    assert torch.equal(decoded, before) and torch.equal(planar, before)


def test_leading_dimensions_share_the_draw():
    clip = noise_clip()
    for seed in range(5):
        out = RandAugment()(torch.stack([clip, clip])[None], generator=generator(seed))
        assert out.shape == (1, 2, 3, 3, 37, 52)
        assert torch.equal(out[0, 1], RandAugment()(clip, generator=generator(seed)))


def test_the_generator_alone_decides():
    clips = []
    for seed in (*range(10), *range(10)):
        torch.manual_seed(len(clips))
        np.random.seed(len(clips))
        clips.append(RandAugment()(noise_clip(), generator=generator(seed)))
    assert all(map(torch.equal, clips[:10], clips[10:]))
    assert len({tuple(clip.flatten().tolist()) for clip in clips}) > 7


def test_a_clip_gets_what_was_drawn_for_it_in_that_order():
    wanted = noise_clip()
    for name, magnitude, sign in RandAugment().draw(generator(3)):
        wanted = apply_operation(wanted, name, magnitude=magnitude, sign=sign)
    assert torch.equal(RandAugment()(noise_clip(), generator=generator(3)), wanted)
    assert not torch.equal(wanted, noise_clip())


def test_the_official_policy_is_the_default():
    assert vars(RandAugment.from_policy("rand-m7-n4-mstd0.5-inc1")) == vars(RandAugment())
    assert vars(RandAugment.from_policy("rand-m9.5-n2-mstd1-inc1")) == vars(RandAugment(2, 9.5, 1.0))


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "rand",
        "rand-m7-n4-mstd0.5",
        "rand-m7-n4-mstd0.5-inc0",
        "augmix-m7-n4-mstd0.5-inc1",
        "rand-m-n4-mstd0.5-inc1",
    ],
)
def test_other_policies_are_refused_with_what_is_wanted(policy):
    with pytest.raises(ValueError, match=f"policy '{policy}': wanted .*rand-m7-n4-mstd0.5-inc1"):
        RandAugment.from_policy(policy)


def test_settings_out_of_range_are_named_all_at_once():
    with pytest.raises(ValueError, match="num_ops is 0, .*magnitude is 11, .*magnitude_std is -1"):
        RandAugment(num_ops=0, magnitude=11, magnitude_std=-1)
    with pytest.raises(ValueError, match="magnitude is 12.0"):
        RandAugment.from_policy("rand-m12-n4-mstd0.5-inc1")


@pytest.mark.parametrize(
    "clip",
    [noise_clip().float(), noise_clip(channels=4), noise_clip(channels=2), noise_clip()[0]],
    ids=["float", "four channels", "two channels", "one frame"],
)
def test_other_clips_are_refused(clip):
    with pytest.raises(ValueError, match="wanted uint8 .*C = 1 or 3"):
        RandAugment()(clip, generator=generator())
