# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Where a network looks: maps over the (t, h, w) grid of the patches of a clip, and those maps on its frames.

    rollout = attention_rollout(model, clip)              # any VideoMAE
    evidence = grad_cam(classifier, clip, class_index=3)  # a classifier: for this class
    save_strip([rollout_row(frames, rollout), grad_cam_row(frames, evidence, "waving", 0.9)], "clip.png")

Attention rollout (Abnar and Zuidema 2020, arXiv 2005.00928) follows the attention of all blocks from the network's
answer back to the patches. It knows no class: it says what could have mattered. Grad-CAM (Selvaraju et al. 2017,
arXiv 1610.02391) says what speaks for one class. Neither proves that the network would answer otherwise without the
patches that it marks.

Shapes: T frames of C channels, H × W pixels; N patches on the grid (t, h, w); D width of the network.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import matplotlib
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .evaluating import evaluating
from .modeling_videomae import (
    VideoMAEEncoder,
    VideoMAEForVideoClassification,
    VideoMAEPreTrainedModel,
    check_pixel_values,
)
from .pictures import ColourBar, PictureRow

COLOURS = "viridis"  # brighter is more, also in grey and for the colour-blind
OPACITY = 0.8  # of the colours; the frame shows through them
SHADING = 0.25  # by how much black of the frame darkens the colours
LUMA = (0.299, 0.587, 0.114)  # red, green, blue -> grey (ITU-R BT.601)


# ---- maps -----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def rollout_matrix(model: VideoMAEPreTrainedModel, clip: Tensor) -> Tensor:
    """How much of each patch (column) is in each token after the last block (row): float32 (N, N), rows sum to 1.

    R = Â_L … Â_2 Â_1 with Â_l = ½ A_l + ½ I (equation 1 of the paper), where A_l is the mean over the heads of the
    attention of block l, and I stands for the residual connection. The product grows block by block while the network
    runs, so that one block's attention is held at a time. Attention is computed as plain matrices for this one pass,
    whatever implementation the model is set to, since the fast ones never form them.

    Args:
        clip: (T, C, H, W), uint8 or normalised. No patch is hidden.

    Raises:
        ValueError: a clip that does not fit the network.
    """
    encoder = model.base_model.encoder
    product = torch.eye(model.config.num_patches, device=model.device)

    def multiply(attention: Tensor) -> None:
        nonlocal product
        product = 0.5 * (attention.float().mean(dim=0) @ product + product)

    with evaluating(model), _attention_handed_to(multiply, encoder):
        model.base_model(clip[None].to(model.device))
    return product


@contextmanager
def _attention_handed_to(receive: Callable[[Tensor], None], encoder: VideoMAEEncoder) -> Iterator[None]:
    """Every block of the encoder forms its attention (heads, N, N) of the first clip and hands it on."""

    def ask_for_attention(module, inputs):
        hidden_states, *_ = inputs
        return hidden_states, True

    def hand_on(module, inputs, outputs):
        _, attention = outputs
        receive(attention[0])

    hooks = []
    for block in encoder.layer:
        hooks.append(block.attention.attention.register_forward_pre_hook(ask_for_attention))
        hooks.append(block.attention.attention.register_forward_hook(hand_on))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def attention_rollout(model: VideoMAEPreTrainedModel, clip: Tensor) -> Tensor:
    """How much of each patch is in what the network makes of a clip (T, C, H, W): float32 (t, h, w), sum 1.

    The mean of the rows of `rollout_matrix`, as a classifier takes the mean of the tokens; of one that takes the first
    token (`use_mean_pooling=False`) its row. A map of attention that is the same everywhere is 1/N everywhere.

    Raises:
        ValueError: a clip that does not fit the network.
    """
    matrix = rollout_matrix(model, clip)
    takes_first = isinstance(model, VideoMAEForVideoClassification) and model.fc_norm is None
    answer = matrix[0] if takes_first else matrix.mean(dim=0)
    return answer.view(model.config.grid).cpu()


def grad_cam(model: VideoMAEForVideoClassification, clip: Tensor, class_index: int) -> Tensor:
    """What speaks for a class in a clip (T, C, H, W): float32 (t, h, w), 0 or more, in units of the logit.

    For the tokens z (N, D) that the last block reads, and the logit y of the class:

        map_n = ReLU(Σ_d α_d z_nd),    α_d = 1/N Σ_n ∂y/∂z_nd

    which are equations 2 and 1 of the paper with tokens for the places of a feature map. The tokens before the last
    block and not those after it: after it each one has the same gradient (or, where the classifier takes the first
    token, all others none). No gradient is left in the parameters.

    Raises:
        ValueError: a clip that does not fit the network; no such class.
    """
    config, base = model.config, model.videomae
    if not 0 <= class_index < config.num_labels:
        raise ValueError(f"class {class_index} does not exist: the classifier has {config.num_labels}, from 0 on")
    pixel_values = clip[None].to(model.device)
    check_pixel_values(pixel_values, config)
    *first_blocks, last_block = base.encoder.layer
    with evaluating(model):
        with torch.no_grad():
            tokens = base.embeddings(pixel_values)
            for block in first_blocks:
                tokens = block(tokens)
        with torch.enable_grad():
            encoded = last_block(tokens.requires_grad_())
            encoded = encoded if base.layernorm is None else base.layernorm(encoded)
            logit = model.classifier(model.pool(encoded))[0, class_index]
            (gradient,) = torch.autograd.grad(logit, tokens)
    weights = gradient[0].float().mean(dim=0)
    evidence = (tokens.detach()[0].float() @ weights).relu()
    return evidence.view(config.grid).cpu()


# ---- maps on frames -------------------------------------------------------------------------------------------------


def overlaid(frames: np.ndarray, weights: Tensor, *, low: float = 0.0) -> np.ndarray:
    """Frames uint8 (T, H, W, 3) in grey under the colours of a map (t, h, w): `low` is dark, its largest value bright.

    A patch keeps its colour for the frames of its tubelet; from patch to patch of a frame it changes smoothly.
    """
    length, height, width, _ = frames.shape
    span = (weights.max() - low).clamp_min(torch.finfo(weights.dtype).tiny)
    relative = ((weights - low) / span).clamp(0, 1)
    smooth = F.interpolate(relative[:, None], size=(height, width), mode="bilinear", align_corners=False)[:, 0]
    values = smooth.repeat_interleave(length // len(weights), dim=0).numpy()
    colours = matplotlib.colormaps[COLOURS](values)[..., :3]
    grey = (frames / 255 @ np.array(LUMA))[..., None]
    shaded = colours * (1 - SHADING * (1 - grey))
    return ((grey * (1 - OPACITY) + shaded * OPACITY) * 255).round().astype(np.uint8)


def rollout_row(frames: np.ndarray, rollout: Tensor) -> PictureRow:
    """An attention rollout (t, h, w) on frames uint8 (T, H, W, 3), from its smallest to its largest value.

    The two are given as multiples of the share that every patch would have if all were alike: a map whose colours
    differ while its numbers hardly do says little.
    """
    low, high = (value.item() * rollout.numel() for value in rollout.aminmax())
    bar = ColourBar(COLOURS, f"{low:.2f}", f"{high:.2f}")
    note = "share of each patch in the answer; 1 is an even share"
    return PictureRow("attention rollout", overlaid(frames, rollout, low=rollout.min().item()), note, bar)


def grad_cam_row(frames: np.ndarray, evidence: Tensor, label: str, score: float) -> PictureRow:
    """The `grad_cam` (t, h, w) of a class on frames uint8 (T, H, W, 3), from 0 to its largest value."""
    is_found = bool(evidence.any())
    note = f"what speaks for it; its score is {score:.2f}" if is_found else "nothing speaks for it"
    bar = ColourBar(COLOURS, "nothing", "most")
    return PictureRow(f"Grad-CAM of {label!r}", overlaid(frames, evidence), note, bar if is_found else None)


__all__ = [
    "COLOURS",
    "attention_rollout",
    "grad_cam",
    "grad_cam_row",
    "overlaid",
    "rollout_matrix",
    "rollout_row",
]
