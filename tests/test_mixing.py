# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Mixup and CutMix: the stated distributions, and labels that say what the pixels show."""

from collections import Counter

import pytest
import torch

from videomae.mixing import Mixing, cutmix, cutmix_box, mixup

MIXUP_ONLY, CUTMIX_ONLY = {"cutmix_alpha": 0.0}, {"mixup_alpha": 0.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered_clips(batch: int = 4, dtype: torch.dtype = torch.float32, step: int = 1) -> torch.Tensor:
    """(B, T, C, H, W) = (batch, 2, 3, 20, 30), channels innermost in memory; every value of clip i is i * step."""
    clips = torch.arange(batch).mul(step).to(dtype).view(-1, 1, 1, 1, 1).expand(batch, 2, 20, 30, 3)
    return clips.contiguous().permute(0, 1, 4, 2, 3)


@pytest.mark.parametrize("only", [MIXUP_ONLY, CUTMIX_ONLY], ids=["mixup", "cutmix"])
def test_labels_say_how_much_of_which_clip_is_to_be_seen(only):
    mixing, clips = Mixing(4, label_smoothing=0.0, **only), numbered_clips()
    for seed in range(20):
        mixed, labels = mixing(clips, torch.arange(4), generator=generator(seed))
        assert labels.shape == (4, 4) and labels.dtype == torch.float32
        assert torch.allclose(labels.sum(1), torch.ones(4))
        for index in range(4):
            own, partner = labels[index, index], labels[index, 3 - index]
            assert torch.allclose(own + partner, torch.tensor(1.0))
            shown = mixed[index].flatten(1)  # all frames alike
            assert torch.allclose(shown.mean(1), own * index + partner * (3 - index), atol=1e-5)


def test_mixup_blends_each_value_with_the_flipped_batchs():
    clips = torch.rand(3, 2, 3, 4, 5, generator=generator())
    mixed = mixup(clips, 0.7)
    assert torch.allclose(mixed[0], 0.7 * clips[0] + 0.3 * clips[2])
    assert torch.allclose(mixed[2], 0.7 * clips[2] + 0.3 * clips[0])


def test_mixup_of_uint8_is_rounded():
    clips = numbered_clips(2, torch.uint8, step=255)
    assert mixup(clips, 0.7).flatten(1)[:, 0].tolist() == [76, 178]  # 76.5 to even, 178.5 to even
    assert mixup(clips, 0.604)[0].unique().tolist() == [101]  # 100.98


def test_cutmix_takes_the_partners_pixels_in_the_box_of_every_frame():
    clips = torch.rand(4, 2, 3, 20, 30, generator=generator())
    mixed, share = cutmix(clips, (3, 5, 13, 20))
    inside = torch.zeros(20, 30, dtype=torch.bool)
    inside[3:13, 5:20] = True
    assert torch.equal(mixed[..., inside], clips.flip(0)[..., inside])
    assert torch.equal(mixed[..., ~inside], clips[..., ~inside])
    assert share == 1 - 150 / 600


def test_the_share_of_a_box_that_the_border_cuts_is_its_true_one():
    mixing = Mixing(2, label_smoothing=0.0, **CUTMIX_ONLY)
    shares = []
    for seed in range(200):
        mixed, labels = mixing(numbered_clips(2), torch.arange(2), generator=generator(seed))
        assert labels[0, 1] == pytest.approx(float(mixed[0].mean()), abs=1e-6)
        _, lam = mixing.draw(generator(seed))
        shares.append((float(labels[0, 0]), lam))
    corrected, drawn = torch.tensor(shares).T
    assert (corrected > drawn + 0.05).any()  # smaller boxes than drawn, never larger
    assert (corrected >= drawn - 1e-6).all()


def test_cutmix_boxes_have_a_uniform_centre_and_the_frames_shape():
    g, draws = generator(), 8000
    boxes = [cutmix_box(40, 60, lam=0.99, generator=g) for _ in range(draws)]  # 4 x 6
    inner = [box for box in boxes if box[0] > 0 and box[1] > 0 and box[2] < 40 and box[3] < 60]
    assert {(bottom - top, right - left) for top, left, bottom, right in inner} == {(4, 6)}
    for centres, side in (
        ([min(box[2], 40) - 2 for box in boxes if box[2] < 40], 40),
        ([box[3] - 3 for box in boxes if box[3] < 60], 60),
    ):
        counts, expected = Counter(centres), draws / side
        assert set(counts) == set(range(max(counts) + 1)) and max(counts) >= side - 4
        assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())


@pytest.mark.parametrize(("lam", "sides"), [(1.0, (0, 0)), (0.75, (20, 30)), (0.9, (12, 18))])
def test_cutmix_boxes_have_the_drawn_share(lam, sides):
    boxes = [cutmix_box(40, 60, lam=lam, generator=generator(seed)) for seed in range(100)]
    largest = max(((bottom - top), (right - left)) for top, left, bottom, right in boxes)
    assert largest == sides  # int(40 sqrt(.1)) = 12, int(60 sqrt(.1)) = 18


def test_half_of_the_batches_are_cut_and_lam_has_its_beta_distribution():
    mixing, g, draws = Mixing(5), generator(), 6000
    drawn = [mixing.draw(g) for _ in range(draws)]
    cut = sum(method == "cutmix" for method, _ in drawn)
    assert abs(cut / draws - 0.5) < 5 * 0.5 / draws**0.5
    assert {method for method, _ in drawn} == {"mixup", "cutmix"}
    for method, alpha in (("mixup", 0.8), ("cutmix", 1.0)):
        lam = torch.tensor([lam for drawn_method, lam in drawn if drawn_method == method], dtype=torch.float64)
        variance = 1 / (4 * (2 * alpha + 1))
        kurtosis = 3 - 6 / (2 * alpha + 3)
        assert abs(lam.mean() - 0.5) < 5 * (variance / len(lam)) ** 0.5
        assert abs((lam - 0.5).square().mean() - variance) < 5 * variance * ((kurtosis - 1) / len(lam)) ** 0.5


@pytest.mark.parametrize(
    ("settings", "methods"),
    [
        (MIXUP_ONLY, {"mixup"}),
        (CUTMIX_ONLY, {"cutmix"}),
        ({**MIXUP_ONLY, **CUTMIX_ONLY}, {None}),
        ({"probability": 0.0}, {None}),
    ],
)
def test_what_is_switched_off_is_not_drawn(settings, methods):
    mixing, g = Mixing(5, **settings), generator()
    assert {mixing.draw(g)[0] for _ in range(50)} == methods


def test_probability_and_switch_are_kept():
    mixing, g, draws = Mixing(5, probability=0.3, switch_probability=0.2), generator(), 5000
    counts = Counter(mixing.draw(g)[0] for _ in range(draws))
    for method, share in ((None, 0.7), ("mixup", 0.24), ("cutmix", 0.06)):
        assert abs(counts[method] / draws - share) < 5 * (share * (1 - share) / draws) ** 0.5


def test_an_unmixed_batch_has_smoothed_labels():
    clips = numbered_clips(2)
    mixed, labels = Mixing(5, probability=0.0)(clips, torch.tensor([3, 0]), generator=generator())
    assert torch.equal(mixed, clips)
    assert torch.allclose(labels, torch.tensor([[0.02, 0.02, 0.02, 0.92, 0.02], [0.92, 0.02, 0.02, 0.02, 0.02]]))


def test_mixed_labels_blend_the_smoothed_ones():
    mixing = Mixing(5, **MIXUP_ONLY)
    _, lam = mixing.draw(generator(3))
    _, labels = mixing(numbered_clips(2), torch.tensor([3, 0]), generator=generator(3))
    wanted = torch.tensor([1 - lam, 0, 0, lam, 0]) * 0.9 + 0.02
    assert torch.allclose(labels[0], wanted)


@pytest.mark.parametrize("only", [MIXUP_ONLY, CUTMIX_ONLY], ids=["mixup", "cutmix"])
def test_the_middle_clip_of_an_odd_batch_stays(only):
    clips = numbered_clips(5, torch.uint8, step=50)
    for batch in (clips, clips[:1]):
        middle = len(batch) // 2
        mixed, labels = Mixing(5, label_smoothing=0.0, **only)(batch, torch.arange(len(batch)), generator=generator())
        assert torch.equal(mixed[middle], batch[middle])
        assert torch.allclose(labels[middle], torch.eye(5)[middle])


@pytest.mark.parametrize("only", [MIXUP_ONLY, CUTMIX_ONLY], ids=["mixup", "cutmix"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
def test_dtype_memory_order_and_input_are_kept(dtype, only):
    clips = numbered_clips(4, dtype, step=40)
    before = clips.clone()
    mixed, labels = Mixing(4, **only)(clips, torch.arange(4), generator=generator(1))
    assert mixed.dtype == dtype and mixed.stride() == clips.stride() and mixed.shape == clips.shape
    assert labels.dtype == torch.float32
    assert torch.equal(clips, before) and not torch.equal(mixed, before)
    planar, _ = Mixing(4, **only)(clips.contiguous(), torch.arange(4), generator=generator(1))
    assert planar.is_contiguous() and torch.equal(planar, mixed)


def test_soft_labels_are_mixed_like_hard_ones():
    hard = torch.tensor([3, 0, 1, 1])
    soft = torch.nn.functional.one_hot(hard, 5).double()
    mixing, clips = Mixing(5), numbered_clips()
    assert torch.equal(mixing(clips, hard, generator=generator())[1], mixing(clips, soft, generator=generator())[1])


def test_the_generator_alone_decides():
    clips, mixing = numbered_clips(), Mixing(4)
    torch.manual_seed(1)
    first = mixing(clips, torch.arange(4), generator=generator(5))
    torch.manual_seed(2)
    again = mixing(clips, torch.arange(4), generator=generator(5))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert len({float(mixing(clips, torch.arange(4), generator=generator(seed))[1][0, 0]) for seed in range(10)}) == 10


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_gpu_gives_the_same(dtype):
    for seed in range(4):
        clips = numbered_clips(4, dtype, step=40)
        mixed, labels = Mixing(4)(clips, torch.arange(4), generator=generator(seed))
        on_gpu = Mixing(4)(clips.cuda(), torch.arange(4).cuda(), generator=generator(seed))
        assert on_gpu[0].is_cuda and on_gpu[1].is_cuda
        assert torch.allclose(on_gpu[0].cpu(), mixed) and torch.allclose(on_gpu[1].cpu(), labels)


@pytest.mark.parametrize(
    ("clips", "labels"),
    [((4, 3, 20, 30), (4,)), ((4, 2, 3, 20, 30), (3,)), ((4, 2, 3, 20, 30), (4, 6)), ((4, 2, 3, 20, 30), (4, 5, 1))],
)
def test_other_shapes_are_refused(clips, labels):
    with pytest.raises(ValueError, match=r"wanted \(B, T, C, H, W\) and \(B,\) or \(B, 5\)"):
        Mixing(5)(torch.zeros(clips), torch.zeros(labels, dtype=torch.int64), generator=generator())


def test_settings_out_of_range_are_named_all_at_once():
    with pytest.raises(ValueError) as raised:
        Mixing(1, mixup_alpha=-1, cutmix_alpha=-2, probability=2, switch_probability=-0.5, label_smoothing=1.5)
    names = ("num_labels", "mixup_alpha", "cutmix_alpha", "probability", "switch_probability", "label_smoothing")
    assert all(f"{name} is " in str(raised.value) for name in names)
