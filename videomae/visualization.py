# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Pictures: what an autoencoder makes of a masked clip, and the curves of a training.

A network with `norm_pix_loss` predicts patches without their mean and deviation, so a picture needs both from
somewhere. Two reconstructions are drawn. `honest` estimates them from the visible patches alone.
`with_hidden_statistics` takes those of the hidden patches themselves, as the usual picture does; it looks right even
for an untrained network. A network that predicts raw pixels needs neither, and only the first is drawn.

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
from .modeling_videomae import VideoMAEForPreTraining, cut_patches

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
    """Versions of a clip, uint8 (T, C, H, W), and how far the honest one is from the original."""

    original: torch.Tensor
    masked: torch.Tensor
    honest: torch.Tensor
    with_hidden_statistics: torch.Tensor | None  # None: the network predicts raw pixels
    psnr: float  # dB over the hidden pixels, peak 255
    baseline_psnr: float  # dB when every hidden patch is filled with the estimated mean: what the network must beat


@torch.inference_mode()
def reconstruct(model: VideoMAEForPreTraining, clip: torch.Tensor, bool_masked_pos: torch.Tensor) -> Reconstruction:
    """Hide the patches of `bool_masked_pos` (N,) of a clip, uint8 (T, C, H, W), and let the network fill them in.

    The model is put into evaluation mode.

    Raises:
        ValueError: a clip that does not fit the network, or an impossible mask.
    """
    config = model.eval().config
    clip = clip.cpu()
    visible, hidden = positions_from_mask(bool_masked_pos[None], num_patches=config.num_patches)
    logits = model(
        pixel_values=clip[None].to(model.device),
        visible_positions=visible.to(model.device),
        decoded_positions=hidden.to(model.device),
    ).logits
    seen = _patches(clip, config, visible)
    truth = _patches(clip, config, hidden)
    predicted = logits[0].float().cpu().view(truth.shape)
    mean, std = _interpolated_statistics(seen, visible[0], hidden[0], config.grid)
    honest = predicted * std + mean if config.norm_pix_loss else predicted
    flattered = predicted * truth.std(dim=1, keepdim=True) + truth.mean(dim=1, keepdim=True)
    return Reconstruction(
        original=clip,
        masked=_filled(clip, config, hidden[0], torch.full_like(truth, MASKED_GREY / 255)),
        honest=_filled(clip, config, hidden[0], honest),
        with_hidden_statistics=_filled(clip, config, hidden[0], flattered) if config.norm_pix_loss else None,
        psnr=_psnr(honest, truth),
        baseline_psnr=_psnr(mean.expand_as(truth), truth),
    )


def _patches(clip, config, positions):
    """(n, pixels of a patch, C), intensities in [0, 1], pixel-major as the network predicts."""
    return cut_patches(clip[None], config, positions)[0].movedim(2, -1).flatten(1, 3).float() / 255


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


def _filled(clip, config, positions, patches):
    """The clip with `patches` (n, pixels, C) in [0, 1] put at `positions` (n,)."""
    (t, h, w), (patch_height, patch_width) = config.grid, config.patch_shape
    filled = clip.clone(memory_format=torch.contiguous_format)
    blocks = filled.view(t, config.tubelet_size, config.num_channels, h, patch_height, w, patch_width)
    pixels = (patches.clamp(0, 1) * 255).round().to(torch.uint8)
    pixels = pixels.unflatten(1, (config.tubelet_size, patch_height, patch_width)).movedim(-1, 2)
    blocks[positions // (h * w), :, :, positions // w % h, :, positions % w] = pixels
    return filled


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
            draw.multiline_text(
                (left, 2), PANELS[name].replace(" with ", "\nwith "), fill="black", font_size=11, spacing=1
            )
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
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axis = figure.subplots()
    styles = ("-", "--", "-.", ":")
    for number, (name, points) in enumerate(curves.items()):
        x, y = np.asarray(points, dtype=float).reshape(-1, 2).T
        axis.plot(x, y, styles[number % len(styles)], label=name, linewidth=1.5)
    axis.set(xlabel=x_label, ylabel=y_label, title=title)
    axis.grid(alpha=0.3)
    if len(curves) > 1:
        axis.legend()
    return _save_figure(figure, path)


def _panels(reconstruction):
    return [name for name in PANELS if getattr(reconstruction, name) is not None]


def _caption(reconstruction, name):
    numbers = {
        "honest": f" (PSNR {reconstruction.psnr:.1f} dB; hidden patches filled with the mean: "
        f"{reconstruction.baseline_psnr:.1f} dB)",
        "with_hidden_statistics": " (not known to the network)",
    }
    return PANELS[name] + numbers.get(name, "")


def _displayed(frame):
    """(C, H, W) uint8 -> (H, W, 3): RGB as it is; of other channel counts the first, in grey."""
    frame = frame if len(frame) == 3 else frame[:1].expand(3, -1, -1)
    return frame.permute(1, 2, 0).numpy()


def _save_figure(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return Path(path)


__all__ = ["Reconstruction", "reconstruct", "save_curves", "save_gif", "save_strip"]
