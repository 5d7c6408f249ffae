# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What an autoencoder makes of a masked clip, as frames that can be drawn, and how close it is.

    reconstruction = reconstruct(model, clip, mask)
    save_strip(reconstruction.rows(), "clip.png")

A network with `norm_pix_loss` predicts patches without their mean and deviation, so a picture needs both from
somewhere. `honest` estimates them from the visible patches alone, and so does its PSNR. `with_hidden_statistics` takes
those of the hidden patches themselves, as the usual picture does; it looks right even for an untrained network, so it
is drawn only where asked for, and says so. A network that predicts raw pixels needs neither, and has only the first.

Frames of 8 bits are drawn as they are. Frames in other units (normalised floats) are drawn from the smallest (black)
to the largest (white) value that a channel has in the clip. Of more than three channels the first three are drawn, as
red, green and blue; of two the first, in grey. Captions say so.

Shapes: T frames of C channels, H × W pixels; N patches of P values.
"""

from dataclasses import dataclass

import torch

from .configuration_videomae import VideoMAEConfig
from .evaluating import evaluating
from .masking import positions_from_mask
from .modeling_videomae import VideoMAEForPreTraining, cut_patches, intensities
from .pictures import PictureRow, displayed

MASKED_GREY = 128


@dataclass(frozen=True)
class Reconstruction:
    """Versions of a clip as they are drawn, uint8 (T, C, H, W), and how far the honest one is from the original."""

    original: torch.Tensor
    masked: torch.Tensor
    honest: torch.Tensor
    with_hidden_statistics: torch.Tensor | None  # None: the network predicts raw pixels
    psnr: float  # dB over the hidden pixels; the peak is 255, for frames of other units the range of each channel
    baseline_psnr: float  # dB when every hidden patch is filled with the estimated mean: what the network must beat
    hidden_share: float  # of all patches
    predicted_share: float = 1.0  # of the hidden patches; the others stay grey and do not count (VideoMAE V2)
    is_rescaled: bool = False  # the frames are of other units: each channel is drawn from its smallest to its largest

    def rows(self, *, true_statistics: bool = False) -> list[PictureRow]:
        """The versions to draw. `true_statistics` adds the flattering one, where there is one."""
        drawn = [
            original_row(self.original, is_rescaled=self.is_rescaled),
            PictureRow("masked", displayed(self.masked), f"{100 * self.hidden_share:.0f} % hidden"),
            PictureRow("reconstructed", displayed(self.honest), self._quality()),
        ]
        if true_statistics and self.with_hidden_statistics is not None:
            note = "with the true mean and contrast of each hidden patch, which the network does not know"
            drawn.append(PictureRow("flattered", displayed(self.with_hidden_statistics), note))
        return drawn

    def _quality(self) -> str:
        note = f"PSNR {self.psnr:.1f} dB (hidden patches filled with the mean: {self.baseline_psnr:.1f} dB)"
        if self.predicted_share < 1:
            note += f"; {100 * self.predicted_share:.0f} % of the hidden patches are predicted"
        return note


def original_row(drawn: torch.Tensor, *, is_rescaled: bool) -> PictureRow:
    """The row of a clip as it is: `drawable` frames (T, C, H, W) and, in a note, which channels they show in which
    range, where those are not 8 bits of RGB or grey."""
    channels = drawn.shape[1]
    notes = []
    if channels not in (1, 3):
        notes.append(f"channels 0, 1, 2 of {channels}" if channels > 3 else f"channel 0 of {channels}")
    if is_rescaled:
        notes.append("each from its smallest to its largest value")
    return PictureRow("original", displayed(drawn), "; ".join(notes))


def drawable(clip: torch.Tensor, config: VideoMAEConfig) -> torch.Tensor:
    """uint8 (T, C, H, W) of a clip, uint8 or normalised; other units are drawn as the top of this file says."""
    low, span = _drawn_range(clip, config)
    return _to_bytes((intensities(clip, config) - low[:, None, None]) / span[:, None, None])


@torch.inference_mode()
def reconstruct(
    model: VideoMAEForPreTraining,
    clip: torch.Tensor,
    bool_masked_pos: torch.Tensor,
    bool_decoded_pos: torch.Tensor | None = None,
) -> Reconstruction:
    """Hide the patches of `bool_masked_pos` (N,) of a clip (T, C, H, W), uint8 or normalised, and let the network fill
    them in: all of them, or those of `bool_decoded_pos` (N,), VideoMAE V2's mask of the decoder.

    Raises:
        ValueError: a clip that does not fit the network, or an impossible mask.
    """
    config = model.config
    clip = clip.cpu().contiguous()
    decoded_mask = None if bool_decoded_pos is None else bool_decoded_pos[None]
    visible, decoded = positions_from_mask(bool_masked_pos[None], decoded_mask, num_patches=config.num_patches)
    with evaluating(model):
        logits = model(
            pixel_values=clip[None].to(model.device),
            visible_positions=visible.to(model.device),
            decoded_positions=decoded.to(model.device),
        ).logits
    is_hidden = bool_masked_pos[decoded[0]].bool()  # V2's decoder predicts some visible patches too
    predicted_at = decoded[:, is_hidden]
    low, span = _drawn_range(clip, config)
    drawn = (intensities(clip, config) - low[:, None, None]) / span[:, None, None]
    seen = _patches(drawn, config, visible)
    truth = _patches(drawn, config, predicted_at)
    predicted = logits[0].float().cpu()[is_hidden].view(truth.shape)
    mean, std = _interpolated_statistics(seen, visible[0], predicted_at[0], config.grid)
    honest = predicted * std + mean if config.norm_pix_loss else (predicted - low) / span
    flattered = predicted * truth.std(dim=1, keepdim=True) + truth.mean(dim=1, keepdim=True)
    hidden = bool_masked_pos.nonzero()[:, 0]
    grey = torch.full((len(hidden), *truth.shape[1:]), MASKED_GREY / 255)
    masked = _filled(drawn, config, hidden, grey)
    return Reconstruction(
        original=_to_bytes(drawn),
        masked=_to_bytes(masked),
        honest=_to_bytes(_filled(masked, config, predicted_at[0], honest)),
        with_hidden_statistics=(
            _to_bytes(_filled(masked, config, predicted_at[0], flattered)) if config.norm_pix_loss else None
        ),
        psnr=_psnr(honest, truth),
        baseline_psnr=_psnr(mean.expand_as(truth), truth),
        hidden_share=len(hidden) / config.num_patches,
        predicted_share=predicted_at.shape[1] / len(hidden),
        is_rescaled=clip.is_floating_point(),
    )


def _drawn_range(clip, config):
    """The intensity (C,) of each channel that is drawn black, and the distance (C,) to the one that is drawn white."""
    if not clip.is_floating_point():
        return torch.zeros(clip.shape[1]), torch.ones(clip.shape[1])
    values = intensities(clip, config).movedim(1, 0).flatten(1)
    low, high = values.amin(dim=1), values.amax(dim=1)
    return low, torch.where(high > low, high - low, 1)


def _patches(drawn, config, positions):
    """(n, pixels of a patch, C), values in [0, 1], pixel-major as the network predicts."""
    return cut_patches(drawn[None], config, positions)[0].movedim(2, -1).flatten(1, 3)


def _interpolated_statistics(seen, visible, hidden, grid):
    """Mean and deviation (n hidden, 1, C) of hidden patches, guessed from the visible ones: a mean weighted by the
    inverse square of the distance on the (t, h, w) grid (Shepard 1968)."""
    distance = torch.cdist(_coordinates(hidden, grid), _coordinates(visible, grid))
    weights = distance**-2  # a hidden patch is never a visible one
    weights = weights / weights.sum(dim=1, keepdim=True)
    return tuple((weights @ statistic)[:, None] for statistic in (seen.mean(dim=1), seen.std(dim=1)))


def _coordinates(positions, grid):
    _, height, width = grid
    return torch.stack([positions // (height * width), positions // width % height, positions % width], dim=1).float()


def _filled(drawn, config, positions, patches):
    """The clip (T, C, H, W) with `patches` (n, pixels, C), both in [0, 1], put at `positions` (n,)."""
    (t, h, w), (patch_height, patch_width) = config.grid, config.patch_shape
    filled = drawn.clone()
    blocks = filled.view(t, config.tubelet_size, config.num_channels, h, patch_height, w, patch_width)
    pixels = patches.unflatten(1, (config.tubelet_size, patch_height, patch_width)).movedim(-1, 2)
    blocks[positions // (h * w), :, :, positions // w % h, :, positions % w] = pixels
    return filled


def _to_bytes(drawn):
    return (drawn.clamp(0, 1) * 255).round().to(torch.uint8)


def _psnr(predicted, truth):
    error = (predicted.clamp(0, 1) - truth).square().mean()
    return (-10 * error.clamp_min(1e-10).log10()).item()


__all__ = ["Reconstruction", "drawable", "original_row", "reconstruct"]
