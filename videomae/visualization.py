# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Pictures: what an autoencoder makes of a masked clip, and the curves of a training.

A network with `norm_pix_loss` predicts patches without their mean and deviation, so a picture needs both from
somewhere. Two reconstructions are drawn. `honest` estimates them from the visible patches alone.
`with_hidden_statistics` takes those of the hidden patches themselves, as the usual picture does; it looks right even
for an untrained network. A network that predicts raw pixels needs neither, and only the first is drawn.

Frames of 8 bits are drawn as they are. Frames in other units (normalised floats) are drawn from the smallest (black)
to the largest (white) value that a channel has in the clip. Of more than three channels the first three are drawn, as
red, green and blue; of two the first, in grey. Captions say so.

Shapes: T frames of C channels, H × W pixels; N patches of P values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from .files import replacing
from .masking import positions_from_mask
from .modeling_videomae import VideoMAEForPreTraining, cut_patches, intensities

# Field of Reconstruction -> its caption.
PANELS = {
    "original": "original",
    "masked": "masked",
    "honest": "reconstructed",
    "with_hidden_statistics": "reconstructed with true patch statistics",
}
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
    is_rescaled: bool = False  # the frames are of other units: each channel is drawn from its smallest to its largest


@torch.inference_mode()
def reconstruct(model: VideoMAEForPreTraining, clip: torch.Tensor, bool_masked_pos: torch.Tensor) -> Reconstruction:
    """Hide the patches of `bool_masked_pos` (N,) of a clip (T, C, H, W), uint8 or normalised, and let the network fill
    them in.

    The model is put into evaluation mode.

    Raises:
        ValueError: a clip that does not fit the network, or an impossible mask.
    """
    config = model.eval().config
    clip = clip.cpu().contiguous()
    visible, hidden = positions_from_mask(bool_masked_pos[None], num_patches=config.num_patches)
    logits = model(
        pixel_values=clip[None].to(model.device),
        visible_positions=visible.to(model.device),
        decoded_positions=hidden.to(model.device),
    ).logits
    low, span = _drawn_range(clip, config)
    drawn = (intensities(clip, config) - low[:, None, None]) / span[:, None, None]
    seen = _patches(drawn, config, visible)
    truth = _patches(drawn, config, hidden)
    predicted = logits[0].float().cpu().view(truth.shape)
    mean, std = _interpolated_statistics(seen, visible[0], hidden[0], config.grid)
    honest = predicted * std + mean if config.norm_pix_loss else (predicted - low) / span
    flattered = predicted * truth.std(dim=1, keepdim=True) + truth.mean(dim=1, keepdim=True)
    return Reconstruction(
        original=_to_bytes(drawn),
        masked=_filled(drawn, config, hidden[0], torch.full_like(truth, MASKED_GREY / 255)),
        honest=_filled(drawn, config, hidden[0], honest),
        with_hidden_statistics=_filled(drawn, config, hidden[0], flattered) if config.norm_pix_loss else None,
        psnr=_psnr(honest, truth),
        baseline_psnr=_psnr(mean.expand_as(truth), truth),
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
    """uint8: the clip (T, C, H, W) with `patches` (n, pixels, C), both in [0, 1], put at `positions` (n,)."""
    (t, h, w), (patch_height, patch_width) = config.grid, config.patch_shape
    filled = drawn.clone()
    blocks = filled.view(t, config.tubelet_size, config.num_channels, h, patch_height, w, patch_width)
    pixels = patches.unflatten(1, (config.tubelet_size, patch_height, patch_width)).movedim(-1, 2)
    blocks[positions // (h * w), :, :, positions // w % h, :, positions % w] = pixels
    return _to_bytes(filled)


def _to_bytes(drawn):
    return (drawn.clamp(0, 1) * 255).round().to(torch.uint8)


def _psnr(predicted, truth):
    error = (predicted.clamp(0, 1) - truth).square().mean()
    return (-10 * error.clamp_min(1e-10).log10()).item()


# --- files ----------------------------------------------------------------------------------------------------------


def save_strip(reconstruction: Reconstruction, path: str | Path, *, num_columns: int = 8, title: str = "") -> Path:
    """A png: a row for each version of the clip, a column for each of `num_columns` frames. Returns `path`."""
    length, _, height, width = reconstruction.original.shape
    frames = torch.linspace(0, length - 1, min(num_columns, length)).round().int().tolist()
    cell = 1.3  # inches
    panels = _panels(reconstruction)
    size = (cell * len(frames), len(panels) * (cell * height / width + 0.25) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    for row, name in zip(figure.subfigures(len(panels), 1), panels, strict=True):
        row.suptitle(_caption(reconstruction, name), fontsize=9, x=0.01, ha="left")
        for axis, frame in zip(row.subplots(1, len(frames), squeeze=False)[0], frames, strict=True):
            axis.imshow(_displayed(getattr(reconstruction, name)[frame]), interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            if name == "original":
                axis.set_xlabel(f"frame {frame}", fontsize=7, labelpad=1)
    figure.suptitle(title, fontsize=10)
    return _save_figure(figure, path)


def save_gif(reconstruction: Reconstruction, path: str | Path, *, fps: float = 8, panel_width: int = 224) -> Path:
    """An animated gif: the versions of the clip side by side under their captions. Returns `path`."""
    length, _, height, width = reconstruction.original.shape
    scale = max(1, round(panel_width / width))
    panel = (width * scale, height * scale)
    margin, band = 4, 30
    panels = _panels(reconstruction)
    frames = []
    for number in range(length):
        canvas = Image.new("RGB", (len(panels) * (panel[0] + margin) + margin, panel[1] + band + margin), "white")
        draw = ImageDraw.Draw(canvas)
        for column, name in enumerate(panels):
            left = margin + column * (panel[0] + margin)
            frame = Image.fromarray(_displayed(getattr(reconstruction, name)[number]))
            canvas.paste(frame.resize(panel, Image.Resampling.NEAREST), (left, band))
            label = PANELS[name].replace(" with ", "\nwith ")
            if name == "original" and (note := _channel_note(reconstruction)):
                label += f"\n{note}"
            draw.multiline_text((left, 2), label, fill="black", font_size=11, spacing=1)
        frames.append(canvas)
    with replacing(path) as temporary:
        frames[0].save(temporary, save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0)
    return Path(path)


def save_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    path: str | Path,
    *,
    x_label: str,
    y_label: str,
    title: str = "",
) -> Path:
    """A png of curves, name -> points (x, y); line styles tell them apart without colour. Returns `path`."""
    return save_panels({y_label: curves}, path, x_label=x_label, title=title)


def save_panels(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    path: str | Path,
    *,
    x_label: str,
    title: str = "",
) -> Path:
    """A png of curves as in `save_curves` in panels below each other, label of the y axis -> curves; all have the same
    x axis. Returns `path`."""
    figure = Figure(figsize=(6, 2.5 * len(panels) + 1), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axis, (y_label, curves) in zip(axes, panels.items(), strict=True):
        _plot(axis, curves)
        axis.set_ylabel(y_label)
    axes[0].set_title(title)
    axes[-1].set_xlabel(x_label)
    return _save_figure(figure, path)


def _plot(axis, curves):
    styles = ("-", "--", "-.", ":")
    for number, (name, points) in enumerate(curves.items()):
        x, y = np.asarray(points, dtype=float).reshape(-1, 2).T
        axis.plot(x, y, styles[number % len(styles)], label=name, linewidth=1.5, marker="" if len(x) > 1 else "o")
    axis.grid(alpha=0.3)
    if len(curves) > 1:
        axis.legend()


def _panels(reconstruction):
    return [name for name in PANELS if getattr(reconstruction, name) is not None]


def _caption(reconstruction, name):
    notes = [_channel_note(reconstruction), "each from its smallest to its largest value"]
    notes = [note for note in notes[: 1 + reconstruction.is_rescaled] if note]
    numbers = {
        "original": f" ({'; '.join(notes)})" if notes else "",
        "honest": f" (PSNR {reconstruction.psnr:.1f} dB; hidden patches filled with the mean: "
        f"{reconstruction.baseline_psnr:.1f} dB)",
        "with_hidden_statistics": " (not known to the network)",
    }
    return PANELS[name] + numbers.get(name, "")


def _channel_note(reconstruction):
    """Which of the channels are drawn, where they are not those of RGB or grey."""
    channels = reconstruction.original.shape[1]
    if channels in (1, 3):
        return ""
    return f"channels 0, 1, 2 of {channels}" if channels > 3 else f"channel 0 of {channels}"


def _displayed(frame):
    """(C, H, W) uint8 -> (H, W, 3): the first three channels, or of fewer the first, in grey."""
    frame = frame[:3] if len(frame) >= 3 else frame[:1].expand(3, -1, -1)
    return frame.permute(1, 2, 0).numpy()


def _save_figure(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return Path(path)


__all__ = ["Reconstruction", "reconstruct", "save_curves", "save_gif", "save_panels", "save_strip"]
