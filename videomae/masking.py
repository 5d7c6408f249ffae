# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Which patches the encoder does not see, and which the decoder predicts.

A clip is a grid of `(t, h, w)` patches; a mask is a bool tensor over its N = t·h·w patches in that order.

- `tube_mask`: one spatial pattern for all time steps (VideoMAE, section 3.3).
- `random_mask`: any patch, whatever the others are (MAE-ST).
- `frame_mask`: whole time steps.
- `running_cell_mask`: the part of the patches that VideoMAE V2's decoder predicts (V2, section 3.2).

`positions_from_mask` checks a mask and turns it into the positions that a network gathers.

Masks of one kind and ratio always hide the same number of patches, so that a batch stays rectangular. Counts are
`int(ratio * n)`, rounded down as in the official code: a ratio of 0.9 hides 176 of the 196 patches of a 14x14 frame.
"""

import warnings

import torch
from torch import Tensor

Grid = tuple[int, int, int]

CELL_SIDE = 2  # patches; V2's cell is 2x2


def tube_mask(
    grid: Grid, ratio: float, *, generator: torch.Generator | None = None, batch: int | None = None
) -> Tensor:
    """Hide the same `int(ratio * h * w)` patches in each of the t time steps.

    Returns bool (N,), or (batch, N) with independent rows; True = hidden from the encoder.
    Raises ValueError where the ratio hides no patch of a frame, or every one.
    """
    time, height, width = grid
    frame = _random_rows(height * width, ratio, f"patches of a frame of grid {grid}", generator, batch)
    return frame.tile(time)


def random_mask(
    grid: Grid, ratio: float, *, generator: torch.Generator | None = None, batch: int | None = None
) -> Tensor:
    """Hide `int(ratio * t * h * w)` patches anywhere in space and time.

    Returns bool (N,), or (batch, N) with independent rows; True = hidden from the encoder.
    Raises ValueError where the ratio hides no patch, or every one.
    """
    time, height, width = grid
    return _random_rows(time * height * width, ratio, f"patches of grid {grid}", generator, batch)


def frame_mask(
    grid: Grid, ratio: float, *, generator: torch.Generator | None = None, batch: int | None = None
) -> Tensor:
    """Hide all patches of `int(ratio * t)` time steps.

    Returns bool (N,), or (batch, N) with independent rows; True = hidden from the encoder.
    Raises ValueError where the ratio hides no time step, or every one.
    """
    time, height, width = grid
    steps = _random_rows(time, ratio, f"time steps of grid {grid}", generator, batch)
    return steps.repeat_interleave(height * width, dim=-1)


# What the encoder does not see, by name.
ENCODER_MASKS = {"tube": tube_mask, "random": random_mask, "frame": frame_mask}


def running_cell_mask(grid: Grid, ratio: float = 0.5, *, phase: int) -> Tensor:
    """The patches that VideoMAE V2's decoder predicts: a 2x2 cell, tiled over the frame, changing with time.

    Numbering the places of a cell in reading order, time step s leaves out `int(4 * ratio)` of them, from place
    -(phase + 1 + s) mod 4 on. `ratio` is thus V2's `decoder_mask_ratio`, the share that is *not* predicted; a clip
    draws its `phase` from 0 to 3.

    Returns bool (N,); **True = decoded**. (V2's own code stores the opposite.)
    Raises ValueError for odd h or w, for a phase outside 0 to 3, and where the ratio leaves out no place or every one.
    """
    time, height, width = grid
    places = CELL_SIDE**2
    if height % CELL_SIDE or width % CELL_SIDE:
        raise ValueError(
            f"a running-cell mask needs even numbers of patches, but the grid is {height}x{width} in space"
        )
    if phase not in range(places):
        raise ValueError(f"the phase of a running-cell mask is 0 to {places - 1}, not {phase}")
    left_out = _hidden_count(places, ratio, "patches of a cell")
    place = torch.arange(places).view(CELL_SIDE, CELL_SIDE).repeat(height // CELL_SIDE, width // CELL_SIDE)
    step = torch.arange(time).view(-1, 1, 1) + phase + 1
    return ((place + step) % places >= left_out).flatten()


def drawn_running_cell_mask(grid: Grid, ratio: float = 0.5, *, generator: torch.Generator | None = None) -> Tensor:
    """`running_cell_mask` with a phase drawn uniformly, as VideoMAE V2 does for each clip. Returns bool (N,)."""
    phase = int(torch.randint(CELL_SIDE**2, (), generator=generator))
    return running_cell_mask(grid, ratio, phase=phase)


@torch.compiler.disable
def positions_from_mask(
    bool_masked_pos: Tensor, bool_decoded_pos: Tensor | None = None, *, num_patches: int | None = None
) -> tuple[Tensor, Tensor]:
    """Turn boolean masks into position tensors, once, with every check that a mask can fail.

    Args:
        bool_masked_pos: (B, N), True where the encoder does not look.
        bool_decoded_pos: (B, N), True where the decoder reconstructs (VideoMAE V2). Default: `bool_masked_pos`.
        num_patches: N of the network, checked when given.

    Returns:
        visible (B, Nv) and decoded (B, Nd) positions, int64, ascending.

    Raises:
        ValueError: shape other than (B, N), rows with unequal counts, nothing visible, nothing hidden, nothing
            decoded, or nothing that is both hidden and decoded.
    """
    masked = _checked_mask("bool_masked_pos", bool_masked_pos, num_patches)
    decoded = masked if bool_decoded_pos is None else _checked_mask("bool_decoded_pos", bool_decoded_pos, num_patches)
    if decoded.shape != masked.shape:
        raise ValueError(f"bool_decoded_pos is {tuple(decoded.shape)}, bool_masked_pos is {tuple(masked.shape)}.")
    visible = visible_from_mask(masked)
    hidden_count = masked.shape[1] - visible.shape[1]
    if hidden_count == 0:
        raise ValueError("bool_masked_pos hides no patch: there is nothing to learn from.")
    if 2 * hidden_count < masked.shape[1]:
        warnings.warn(
            f"bool_masked_pos hides {hidden_count} of {masked.shape[1]} patches; VideoMAE hides 75 to 95 %. "
            "True means hidden: is the mask inverted?",
            stacklevel=3,
        )
    decoded_positions = _positions("bool_decoded_pos marks", decoded, "decoded")
    if not (masked & decoded).any(dim=1).all():
        raise ValueError("in some row no patch is both hidden and decoded: the loss would have nothing to compare.")
    return visible, decoded_positions


@torch.compiler.disable
def visible_from_mask(bool_masked_pos: Tensor, *, num_patches: int | None = None) -> Tensor:
    """The positions (B, Nv), int64, ascending, that a mask (B, N) leaves visible; True = hidden.

    Raises ValueError for a shape other than (B, N), rows with unequal counts, or nothing visible.
    """
    masked = _checked_mask("bool_masked_pos", bool_masked_pos, num_patches)
    return _positions("bool_masked_pos leaves", ~masked, "visible")


def _random_rows(length: int, ratio: float, what: str, generator: torch.Generator | None, batch: int | None) -> Tensor:
    """Bool (length,) or (batch, length) with `int(ratio * length)` True in every row, at places drawn uniformly."""
    hidden = _hidden_count(length, ratio, what)
    shape = (length,) if batch is None else (batch, length)
    # The ranks of random keys are a random permutation; the ranks below `hidden` are a uniform subset of that size.
    return torch.rand(shape, generator=generator).argsort(dim=-1) < hidden


def _hidden_count(length: int, ratio: float, what: str) -> int:
    if not 0 < ratio < 1:
        raise ValueError(f"a mask ratio lies between 0 and 1, exclusive, but it is {ratio}")
    hidden = int(ratio * length)
    if not 0 < hidden < length:
        raise ValueError(
            f"a mask ratio of {ratio} hides {hidden} of the {length} {what}; it must hide at least one and leave one"
        )
    return hidden


def _checked_mask(name, mask, num_patches):
    if mask.ndim != 2 or (num_patches is not None and mask.shape[1] != num_patches):
        wanted = "(B, N)" if num_patches is None else f"(B, {num_patches})"
        raise ValueError(f"{name} is {tuple(mask.shape)}, wanted {wanted}: one flag per patch, in (t, h, w) order.")
    return mask.bool()


def _positions(what, flags, kind):
    counts = flags.sum(dim=1)
    if (counts != counts[0]).any():
        raise ValueError(f"{what} {counts.tolist()} {kind} patches in the rows of the batch, wanted equal counts.")
    if counts[0] == 0:
        raise ValueError(f"{what} no {kind} patch of {flags.shape[1]}.")
    return flags.nonzero()[:, 1].view(len(flags), -1)
