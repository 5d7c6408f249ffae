# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What a network costs: multiply-adds of a forward pass, and the hours of a recipe that follow from them.

Counted are matrix products; norms, activations, the optimiser and the data are not. `hours_of` has the formula.
"""

import math

from .configuration_videomae import VideoMAEConfig
from .recipes import Recipe, size_of

H200_FLOPS = 989e12  # a second, bfloat16 without sparsity: NVIDIA's data sheet
UTILISATION = 0.4  # of them: an assumption


def blocks_macs(tokens: int, width: int, mlp_width: int, depth: int) -> int:
    """Multiply-adds of transformer blocks: q, k, v and output, the MLP, and both products of attention."""
    return depth * tokens * (4 * width**2 + 2 * width * mlp_width + 2 * tokens * width)


def classification_macs(config: VideoMAEConfig) -> int:
    """Multiply-adds of a classifier's forward pass on one clip, without its last layer."""
    embedding = config.num_patches * config.patch_dim * config.hidden_size
    return embedding + blocks_macs(
        config.num_patches, config.hidden_size, config.intermediate_size, config.num_hidden_layers
    )


def pretraining_macs(config: VideoMAEConfig, *, mask_ratio: float, decoder_mask_ratio: float = 0.0) -> int:
    """Multiply-adds of pre-training's forward pass on one clip: the encoder sees what no tube hides."""
    frames, height, width = config.grid
    visible = frames * (height * width - int(mask_ratio * height * width))
    decoded = config.num_patches - visible
    if decoder_mask_ratio:
        decoded = round(config.num_patches * (1 - decoder_mask_ratio))
    embedding = visible * config.patch_dim * config.hidden_size
    encoder = blocks_macs(visible, config.hidden_size, config.intermediate_size, config.num_hidden_layers)
    decoder = blocks_macs(
        visible + decoded,
        config.decoder_hidden_size,
        config.decoder_intermediate_size,
        config.decoder_num_hidden_layers,
    )
    between = config.decoder_hidden_size * (visible * config.hidden_size + decoded * config.patch_dim)
    return embedding + encoder + between + decoder


def recipe_config(recipe: Recipe) -> VideoMAEConfig:
    """The network that a recipe trains."""
    names = ("num_frames", "image_size", "drop_path_rate", "classifier_dropout", "norm_pix_loss")
    fields = {name: recipe.flags[name] for name in names if name in recipe.flags}
    if "image_size" in fields:
        (fields["image_size"],) = fields["image_size"]
    if recipe.video_set.classes:
        fields["num_labels"] = recipe.video_set.classes
    return VideoMAEConfig.preset(size_of(recipe), decoder=recipe.flags.get("decoder"), **fields)


def hours_of(recipe: Recipe, *, flops: float = H200_FLOPS, utilisation: float = UTILISATION) -> float:
    """Computed, not measured: hours of a recipe's training on one GPU that reaches `utilisation` of its `flops`.

    hours = 2 x multiply-adds x passes x clips / (flops x utilisation) / 3600, where a training step costs 3 forward
    passes, or 4 where activations are computed again, and clips = videos x epochs x repeats. nan for a recipe without
    a data set.
    """
    if not recipe.video_set.videos:
        return math.nan
    config, flags = recipe_config(recipe), recipe.flags
    if recipe.program == "pretrain":
        macs = pretraining_macs(config, mask_ratio=flags["mask_ratio"], decoder_mask_ratio=flags["decoder_mask_ratio"])
    else:
        macs = classification_macs(config)
    passes = 4 if flags["activation_checkpointing"] else 3
    clips = recipe.video_set.videos * flags["num_train_epochs"] * flags["repeats"]
    return 2 * macs * passes * clips / (flops * utilisation) / 3600


__all__ = [
    "H200_FLOPS",
    "UTILISATION",
    "blocks_macs",
    "classification_macs",
    "hours_of",
    "pretraining_macs",
    "recipe_config",
]
