# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Masks hide a fixed count, in the stated pattern, as the generator says."""

import warnings

import pytest
import torch
from safetensors.torch import load_file

from videomae.masking import (
    drawn_running_cell_mask,
    frame_mask,
    positions_from_mask,
    random_mask,
    running_cell_mask,
    tube_mask,
)

GRID = (3, 4, 5)
MASKS = [tube_mask, random_mask, frame_mask]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("mask", "ratio", "hidden"),
    [
        (tube_mask, 0.9, 8 * 176),  # int(0.9 * 196) in each of 8 time steps: 160 of 1568 patches stay visible
        (tube_mask, 0.75, 8 * 147),
        (tube_mask, 0.95, 8 * 186),
        (random_mask, 0.9, 1411),  # int(0.9 * 1568)
        (frame_mask, 0.9, 7 * 196),  # int(0.9 * 8) time steps
    ],
)
def test_the_paper_s_grid_gives_the_official_counts(mask, ratio, hidden):
    assert int(mask((8, 14, 14), ratio, generator=generator()).sum()) == hidden


@pytest.mark.parametrize("mask", MASKS)
def test_masks_are_flat_booleans_and_rows_of_a_batch_hide_equal_counts(mask):
    one, many = mask(GRID, 0.7, generator=generator()), mask(GRID, 0.7, generator=generator(), batch=6)
    assert one.shape == (60,) and many.shape == (6, 60)
    assert one.dtype == many.dtype == torch.bool
    assert set(many.sum(dim=1).tolist()) == {int(one.sum())}


@pytest.mark.parametrize("mask", MASKS)
def test_rows_of_a_batch_are_independent(mask):
    rows = mask((7, 4, 5), 0.5, generator=generator(), batch=20)
    assert len({tuple(row.tolist()) for row in rows}) > 10


@pytest.mark.parametrize("mask", MASKS)
def test_the_generator_alone_decides(mask):
    torch.manual_seed(1)
    first = mask((7, 4, 5), 0.5, generator=generator(3))
    torch.manual_seed(2)
    assert torch.equal(first, mask((7, 4, 5), 0.5, generator=generator(3)))
    assert not torch.equal(first, mask((7, 4, 5), 0.5, generator=generator(4)))


def test_a_tube_is_the_same_in_every_time_step():
    steps = tube_mask(GRID, 0.6, generator=generator(), batch=2).view(2, 3, 20)
    assert steps.sum(dim=2).eq(12).all()
    assert steps.eq(steps[:, :1]).all()
    assert not torch.equal(steps[0], steps[1])


def test_a_random_mask_differs_between_time_steps():
    steps = random_mask(GRID, 0.6, generator=generator()).view(3, 20)
    assert not torch.equal(steps[0], steps[1])


def test_a_frame_mask_hides_whole_time_steps():
    steps = frame_mask((7, 4, 5), 0.6, generator=generator()).view(7, 20)
    assert steps.any(dim=1).eq(steps.all(dim=1)).all()
    assert int(steps.all(dim=1).sum()) == 4


@pytest.mark.parametrize("mask", MASKS)
def test_every_patch_is_hidden_equally_often(mask):
    grid, ratio, draws = (5, 2, 5), 0.6, 4000  # 6 of 10 patches of a frame, 30 of 50 patches, 3 of 5 time steps
    share = mask(grid, ratio, generator=generator(), batch=draws).float().mean(dim=0)
    standard_error = (ratio * (1 - ratio) / draws) ** 0.5
    assert (share - ratio).abs().max() < 5 * standard_error


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("ratio", [0, 1, -0.2, 1.5, float("nan")])
def test_a_ratio_outside_0_to_1_raises_with_the_number(mask, ratio):
    with pytest.raises(ValueError, match=f"between 0 and 1.*{ratio}"):
        mask(GRID, ratio)


@pytest.mark.parametrize(
    ("mask", "numbers"), [(tube_mask, "0 of the 20"), (random_mask, "0 of the 60"), (frame_mask, "0 of the 3")]
)
def test_a_mask_that_would_hide_nothing_raises_with_the_numbers(mask, numbers):
    with pytest.raises(ValueError, match=numbers):
        mask(GRID, 0.01)


def test_running_cells_are_the_official_ones(golden):
    not_decoded = load_file(golden / "v2_running_cell_4x4.safetensors")["decoder_masks"]
    for phase in range(4):
        assert torch.equal(running_cell_mask((8, 4, 4), 0.5, phase=phase).view(8, 16), ~not_decoded[phase])


def test_running_cells_start_with_the_published_pattern():
    # V2 at phase 0 leaves out the places 1001, 0011, 0110, 1100 of the cell, then again.
    cells = running_cell_mask((5, 4, 6), phase=0).view(5, 4, 6)[:, :2, :2].reshape(5, 4)
    assert (~cells).int().tolist() == [[1, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize(("ratio", "decoded"), [(0.25, 3), (0.5, 2), (0.75, 1)])
def test_running_cells_decode_the_same_share_of_every_frame_and_of_every_place(ratio, decoded):
    mask = running_cell_mask((8, 4, 6), ratio, phase=2).view(8, 4, 6)
    assert mask.sum(dim=(1, 2)).eq(6 * decoded).all()
    assert mask.sum(dim=0).eq(2 * decoded).all()


def test_the_four_phases_are_drawn_equally_often():
    g = generator()
    draws = [tuple(drawn_running_cell_mask((4, 2, 2), generator=g).tolist()) for _ in range(800)]
    for phase in range(4):
        assert abs(draws.count(tuple(running_cell_mask((4, 2, 2), phase=phase).tolist())) - 200) < 60


@pytest.mark.parametrize(
    ("grid", "ratio", "phase", "message"),
    [
        ((2, 3, 4), 0.5, 0, "even.*3x4"),
        ((2, 4, 5), 0.5, 0, "even.*4x5"),
        ((2, 4, 4), 0.5, 4, "0 to 3, not 4"),
        ((2, 4, 4), 0.5, -1, "0 to 3, not -1"),
        ((2, 4, 4), 0.2, 0, "0.2 hides 0 of the 4"),
        ((2, 4, 4), 1.0, 0, "between 0 and 1.*1.0"),
    ],
)
def test_an_impossible_running_cell_raises_with_the_numbers(grid, ratio, phase, message):
    with pytest.raises(ValueError, match=message):
        running_cell_mask(grid, ratio, phase=phase)


# --- positions ---


def flags(*rows):
    return torch.tensor(rows, dtype=torch.bool)


@pytest.mark.parametrize(
    ("masked", "decoded", "message"),
    [
        (flags([1, 1, 0, 1], [1, 0, 0, 1]), None, r"leaves \[1, 2\] visible patches.*wanted equal counts"),
        (flags([1, 1, 1, 1]), None, "leaves no visible patch of 4"),
        (flags([0, 0, 0, 0]), None, "hides no patch"),
        (flags([1, 1, 1, 0]), flags([0, 0, 0, 0]), "marks no decoded patch of 4"),
        (flags([1, 1, 1, 0]), flags([0, 0, 0, 1]), "no patch is both hidden and decoded"),
        (flags([1, 1, 1, 0]), flags([1, 0, 1]), r"bool_decoded_pos is \(1, 3\)"),
        (torch.ones(4, dtype=torch.bool), None, r"bool_masked_pos is \(4,\), wanted \(B, N\)"),
    ],
)
def test_impossible_masks_raise_with_their_numbers(masked, decoded, message):
    with pytest.raises(ValueError, match=message):
        positions_from_mask(masked, decoded)


def test_a_mask_that_hides_less_than_half_warns():
    with pytest.warns(UserWarning, match="hides 11 of 24 patches.*inverted"):
        positions_from_mask(random_mask((2, 3, 4), 11 / 24 + 1e-9, batch=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        positions_from_mask(random_mask((2, 3, 4), 0.5, batch=2))
