# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The VideoMAE network: a vision transformer over space-time patches, its pre-training decoder and its classifier.

Papers: VideoMAE (arXiv 2203.12602), VideoMAE V2 with a masked decoder (arXiv 2303.16727).

Shapes, everywhere in this file:

    B   clips of a batch                          N   patches of a clip, in (t, h, w) order
    T   frames of a clip                          Nv  patches that the encoder sees (visible)
    C   channels of a frame                       Nd  patches that the decoder reconstructs (decoded)
    D   width of the transformer                  P   values of a patch: tubelet · patch height · patch width · C

Parameter names are those of transformers' VideoMAE, so that checkpoints travel both ways.
"""

import copy
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Unpack

import torch
from safetensors import SafetensorError
from torch import nn
from torch.nn import functional as F
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput, ImageClassifierOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from transformers.utils import ModelOutput, TransformersKwargs, logging
from transformers.utils.generic import can_return_tuple
from transformers.utils.output_capturing import capture_outputs

from .configuration_videomae import IMAGENET_MEAN, IMAGENET_STD, VideoMAEConfig
from .masking import positions_from_mask, visible_from_mask

logger = logging.get_logger(__name__)

# Files store the attention biases as q_bias and v_bias (the official layout, transformers <= 4 and >= 5.18). Our
# classes get that renaming only by asking for it; without it every bias would load as fresh, with just a report.
STORED_NAMES = (("q_bias", "query.bias"), ("v_bias", "value.bias"))
register_checkpoint_conversion_mapping(
    "videomae",
    [WeightRenaming(rf"attention\.attention\.{stored}", f"attention.attention.{own}") for stored, own in STORED_NAMES],
    overwrite=True,
)


def stored_name(name: str) -> str:
    """The name in files of a parameter or tensor of a state dict."""
    for stored, own in STORED_NAMES:
        if name.endswith(f"attention.attention.{own}"):
            return name.removesuffix(own) + stored
    return name


@dataclass
class VideoMAEForPreTrainingOutput(ModelOutput):
    """What pre-training returns.

    loss: scalar, mean squared error over the hidden, decoded patches.
    logits: (B, Nd, P), the reconstruction of each decoded patch, pixel-major with the channel fastest.
    hidden_states, attentions: the encoder's, when asked for.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None


# --- Positions -------------------------------------------------------------------------------------------------------


def sinusoid_table(num_positions: int, width: int) -> torch.Tensor:
    """The official position table (num_positions, width), float32: one sinusoid over the flattened patch index.

    angle(n, j) = n / 10000^(2⌊j/2⌋ / width), sine for even j and cosine for odd (Vaswani et al. 2017, §3.5).
    """
    position = torch.arange(num_positions, dtype=torch.float64, device="cpu")[:, None]
    channel = torch.arange(width, device="cpu")
    angle = position / 10000 ** (2 * (channel // 2) / width)
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()


def position_table(config: VideoMAEConfig, width: int) -> torch.Tensor:
    """(N, width) for the network's grid: the official table, or `config.position_grid`'s interpolated to it."""
    if config.position_grid is None:
        return sinusoid_table(config.num_patches, width)
    source = sinusoid_table(math.prod(config.position_grid), width).view(*config.position_grid, width)
    table = F.interpolate(source.permute(3, 0, 1, 2)[None], size=config.grid, mode="trilinear", align_corners=False)
    return table[0].flatten(1).T.contiguous()


class VideoMAEPositions(nn.Module):
    """Fixed position embeddings. The table is computed, never stored in a checkpoint."""

    def __init__(self, config: VideoMAEConfig, width: int):
        super().__init__()
        self.config, self.width = config, width
        self.register_buffer("table", position_table(config, width), persistent=False)

    def reset(self):
        # from_pretrained leaves non-persistent buffers uninitialised.
        init.copy_(self.table, position_table(self.config, self.width))

    def forward(self, positions: torch.Tensor | None = None) -> torch.Tensor:
        """(B, n) positions -> (B, n, D); None -> (1, N, D)."""
        return self.table[None] if positions is None else self.table[positions]


# --- Pixels and patches ---------------------------------------------------------------------------------------------


def cut_patches(
    pixel_values: torch.Tensor, config: VideoMAEConfig, positions: torch.Tensor | None = None
) -> torch.Tensor:
    """(B, T, C, H, W) -> (B, n, tubelet, C, patch height, patch width), only the patches at `positions` (B, n)."""
    (t, h, w), (patch_height, patch_width) = config.grid, config.patch_shape
    blocks = pixel_values.view(
        pixel_values.shape[0], t, config.tubelet_size, config.num_channels, h, patch_height, w, patch_width
    )
    if positions is None:
        return blocks.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(1, 3)
    clip = torch.arange(pixel_values.shape[0], device=positions.device)[:, None]
    return blocks[clip, positions // (h * w), :, :, positions // w % h, :, positions % w]


def _per_channel(values, device):
    """Statistics as (C, 1, 1), or the scalar itself. Filled on the device: a copy from the host would synchronise."""
    if isinstance(values, (int, float)):
        return values
    return torch.cat([torch.full((1, 1, 1), value, device=device) for value in values])


def normalized(patches: torch.Tensor, config: VideoMAEConfig) -> torch.Tensor:
    """uint8 patches (…, C, h, w) -> float32 with `config.image_mean/std` applied. Float patches already are.

    To the last bit as transformers' processors do it, which scale the statistics and not the pixels.
    """
    if patches.dtype != torch.uint8:
        return patches
    mean, std = (_per_channel(values, patches.device) for values in (config.image_mean, config.image_std))
    return (patches.float() - 255 * mean) / (255 * std)


def intensities(patches: torch.Tensor, config: VideoMAEConfig) -> torch.Tensor:
    """uint8 or normalised patches (…, C, h, w) -> float32 in [0, 1], the scale of the pixel targets."""
    if patches.dtype == torch.uint8:
        return patches.float() / 255
    mean, std = (_per_channel(values, patches.device) for values in (config.image_mean, config.image_std))
    return patches.float() * std + mean


def reconstruction_targets(
    pixel_values: torch.Tensor, config: VideoMAEConfig, positions: torch.Tensor
) -> torch.Tensor:
    """What the decoder should say: (B, n, P), float32, pixel-major with the channel fastest.

    With `norm_pix_loss` each channel of a patch loses its mean and is divided by its deviation (unbiased, + 1e-6).
    """
    patches = intensities(cut_patches(pixel_values, config, positions), config)
    patches = patches.movedim(3, -1).flatten(2, 4)  # (B, n, pixels of the patch, C)
    if config.norm_pix_loss:
        std, mean = torch.std_mean(patches, dim=2, keepdim=True)
        patches = (patches - mean) / (std + 1e-6)
    return patches.flatten(2)


class TubeletProjection(nn.Conv3d):
    """A convolution in name, initialisation and shape of its weight; applied to patches that are already cut."""

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """(B, n, C · tubelet · height · width) -> (B, n, D)."""
        return F.linear(patches.to(self.weight.dtype), self.weight.flatten(1), self.bias)


class VideoMAEPatchEmbeddings(nn.Module):
    """Patches to tokens. Those that are not asked for are never multiplied with anything."""

    def __init__(self, config: VideoMAEConfig):
        super().__init__()
        self.config = config
        kernel = (config.tubelet_size, *config.patch_shape)
        self.projection = TubeletProjection(config.num_channels, config.hidden_size, kernel_size=kernel, stride=kernel)

    def forward(self, pixel_values: torch.Tensor, positions: torch.Tensor | None = None) -> torch.Tensor:
        """(B, T, C, H, W), uint8 or normalised -> (B, n, D)."""
        patches = normalized(cut_patches(pixel_values, self.config, positions), self.config)
        return self.projection(patches.transpose(2, 3).flatten(2))


class VideoMAEEmbeddings(nn.Module):
    """Patch embeddings plus positions."""

    def __init__(self, config: VideoMAEConfig):
        super().__init__()
        self.patch_embeddings = VideoMAEPatchEmbeddings(config)
        self.position_embeddings = VideoMAEPositions(config, config.hidden_size)

    def forward(self, pixel_values: torch.Tensor, positions: torch.Tensor | None = None) -> torch.Tensor:
        """(B, T, C, H, W) -> (B, n, D)."""
        embeddings = self.patch_embeddings(pixel_values, positions)
        return embeddings + self.position_embeddings(positions).to(embeddings.dtype)


# --- The transformer ------------------------------------------------------------------------------------------------


def eager_attention_forward(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """Plain attention, (B, heads, n, d) each; the only one that returns its weights (B, heads, n, n)."""
    weights = (query @ key.transpose(-2, -1) * scaling).softmax(dim=-1)
    weights = F.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


class VideoMAESelfAttention(nn.Module):
    """Multi-head attention. Keys have no bias: softmax would not see it."""

    def __init__(self, config: VideoMAEConfig, width: int, num_heads: int):
        super().__init__()
        self.config = config
        self.head_dim = width // num_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.query = nn.Linear(width, width, bias=config.qkv_bias)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=config.qkv_bias)
        for projection in (self.query, self.key, self.value):
            # Officially one fused (3D, D) matrix, whose xavier bound is √½ of that of three (D, D) ones.
            projection.xavier_gain = 0.5**0.5
        self.register_load_state_dict_pre_hook(_accept_stored_names)

    def forward(self, hidden_states: torch.Tensor, output_attentions: bool = False):
        """(B, n, D) -> (B, n, D) and the weights (B, heads, n, n), which are None unless attention is eager."""
        heads = (*hidden_states.shape[:-1], -1, self.head_dim)
        query, key, value = (
            projection(hidden_states).view(heads).transpose(1, 2) for projection in (self.query, self.key, self.value)
        )
        # sdpa and flash-attention never form the weights, so asking for them means eager.
        implementation = "eager" if output_attentions else self.config._attn_implementation
        attention = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, eager_attention_forward)
        dropout = self.config.attention_probs_dropout_prob if self.training else 0.0
        context, weights = attention(
            self, query, key, value, None, dropout=dropout, scaling=self.scaling, is_causal=False
        )
        return context.flatten(-2), weights


def _accept_stored_names(module, state_dict, prefix, *_):
    """Rename a file's attention biases to ours in `load_state_dict` too: transformers' Trainer resumes through it, and
    would keep whatever biases the model has, under no more than a warning."""
    for stored, own in STORED_NAMES:
        if prefix + stored in state_dict:
            state_dict[prefix + own] = state_dict.pop(prefix + stored)


class VideoMAEOutput(nn.Module):
    """The projection back into the residual stream."""

    def __init__(self, config: VideoMAEConfig, width_in: int, width_out: int):
        super().__init__()
        self.dense = nn.Linear(width_in, width_out)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.dense(hidden_states))


class VideoMAEAttention(nn.Module):
    """Self-attention and its projection."""

    def __init__(self, config: VideoMAEConfig, width: int, num_heads: int):
        super().__init__()
        self.attention = VideoMAESelfAttention(config, width, num_heads)
        self.output = VideoMAEOutput(config, width, width)

    def forward(self, hidden_states: torch.Tensor, output_attentions: bool = False) -> torch.Tensor:
        context, _ = self.attention(hidden_states, output_attentions)
        return self.output(context)


class VideoMAEIntermediate(nn.Module):
    """The first half of the MLP."""

    def __init__(self, config: VideoMAEConfig, width: int, mlp_width: int):
        super().__init__()
        self.dense = nn.Linear(width, mlp_width)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.activation(self.dense(hidden_states))


class VideoMAEDropPath(nn.Module):
    """Stochastic depth (arXiv 1603.09382): drops a residual branch per clip and scales the kept ones up."""

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        if self.rate == 0 or not self.training:
            return hidden_states
        keep = 1 - self.rate
        shape = (hidden_states.shape[0],) + (1,) * (hidden_states.ndim - 1)
        return hidden_states * hidden_states.new_empty(shape).bernoulli_(keep).div_(keep)

    def extra_repr(self):
        return f"rate={self.rate:g}"


class VideoMAELayer(GradientCheckpointingLayer):
    """A pre-norm transformer block."""

    def __init__(self, config: VideoMAEConfig, width: int, num_heads: int, mlp_width: int, drop_path_rate: float):
        super().__init__()
        self.layernorm_before = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.attention = VideoMAEAttention(config, width, num_heads)
        self.layernorm_after = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.intermediate = VideoMAEIntermediate(config, width, mlp_width)
        self.output = VideoMAEOutput(config, mlp_width, width)
        self.drop_path = VideoMAEDropPath(drop_path_rate)

    def forward(self, hidden_states: torch.Tensor, output_attentions: bool = False) -> torch.Tensor:
        """(B, n, D) -> (B, n, D)."""
        attended = self.attention(self.layernorm_before(hidden_states), output_attentions)
        hidden_states = hidden_states + self.drop_path(attended)
        transformed = self.output(self.intermediate(self.layernorm_after(hidden_states)))
        return hidden_states + self.drop_path(transformed)


def _layers(config, width, num_heads, mlp_width, depth):
    # Stochastic depth grows linearly from 0 in the first block to the full rate in the last.
    rates = [config.drop_path_rate * i / max(depth - 1, 1) for i in range(depth)]
    return nn.ModuleList(VideoMAELayer(config, width, num_heads, mlp_width, rate) for rate in rates)


class VideoMAEEncoder(nn.Module):
    """The blocks that see the visible patches."""

    def __init__(self, config: VideoMAEConfig):
        super().__init__()
        self.layer = _layers(
            config,
            config.hidden_size,
            config.num_attention_heads,
            config.intermediate_size,
            config.num_hidden_layers,
        )

    def forward(self, hidden_states: torch.Tensor, output_attentions: bool = False) -> torch.Tensor:
        """(B, n, D) -> (B, n, D)."""
        for layer in self.layer:
            hidden_states = layer(hidden_states, output_attentions)
        return hidden_states


class VideoMAEDecoder(nn.Module):
    """The light blocks that turn visible tokens and mask tokens into pixels."""

    def __init__(self, config: VideoMAEConfig):
        super().__init__()
        self.decoder_layers = _layers(
            config,
            config.decoder_hidden_size,
            config.decoder_num_attention_heads,
            config.decoder_intermediate_size,
            config.decoder_num_hidden_layers,
        )
        self.norm = nn.LayerNorm(config.decoder_hidden_size, eps=config.layer_norm_eps)
        self.head = nn.Linear(config.decoder_hidden_size, config.patch_dim)

    def forward(self, hidden_states: torch.Tensor, num_decoded: int) -> torch.Tensor:
        """(B, n, Dd) -> (B, num_decoded, P): the reconstruction of the last `num_decoded` tokens."""
        for layer in self.decoder_layers:
            hidden_states = layer(hidden_states)
        return self.head(self.norm(hidden_states[:, -num_decoded:]))


# --- The models -----------------------------------------------------------------------------------------------------

# Parts that only one kind of checkpoint has. They may be fresh or left out as a whole, never in pieces.
_HEADS = {
    "classifier": ("fc_norm.", "classifier."),
    "decoder": ("decoder.", "encoder_to_decoder.", "mask_token", "videomae.layernorm.", "layernorm."),
}


class CheckpointError(ValueError, RuntimeError):
    """Weights that do not fit the model. (A RuntimeError too, as transformers raises for other shapes.)"""


class VideoMAEPreTrainedModel(PreTrainedModel):
    """Initialisation, loading and saving, shared by all VideoMAE models."""

    config_class = VideoMAEConfig
    base_model_prefix = "videomae"
    main_input_name = "pixel_values"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # our losses are means; the Trainer must still divide by its accumulation steps
    _no_split_modules = ["VideoMAEEmbeddings", "VideoMAELayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    # What `output_hidden_states` and `output_attentions` collect, by hooks that the base model sets when asked.
    _can_record_outputs = {"hidden_states": VideoMAELayer, "attentions": VideoMAESelfAttention}
    _keys_to_ignore_on_load_unexpected = [r"\.key\.bias$"]  # transformers 5.17 wrote it; softmax cannot see it

    # How linear layers start: "xavier" (pre-training) or "trunc_normal" (classification).
    linear_init = "xavier"

    def __init__(self, config: VideoMAEConfig, *args, **kwargs):
        config.validate_architecture()  # fields may have been set one by one since the configuration was made
        if config.hidden_act not in ACT2FN:
            raise ValueError(f"hidden_act is {config.hidden_act!r}, wanted one of {', '.join(ACT2FN)}.")
        super().__init__(config, *args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        """The official initialisation. transformers calls it for every module that owns parameters or buffers."""
        if isinstance(module, nn.Linear):
            self._init_linear(module)
        elif isinstance(module, nn.Conv3d):
            _init_like_torch(module)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, VideoMAEPositions):
            module.reset()

    def _init_linear(self, module):
        if self.linear_init == "xavier":
            init.xavier_uniform_(module.weight, gain=getattr(module, "xavier_gain", 1.0))
        else:
            init.trunc_normal_(module.weight, std=self.config.initializer_range)
        if module.bias is not None:
            init.zeros_(module.bias)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path,
        *args,
        interpolate_positions: bool | None = None,
        adapt_channels: str | None = None,
        **kwargs,
    ):
        """As in transformers, but strict, and to other clip shapes.

        Args:
            interpolate_positions: for `num_frames`/`image_size` other than the checkpoint's: True interpolates the
                checkpoint's position table over (t, h, w); False computes the official table of the new shape, which
                numbers the patches anew. None keeps what the checkpoint says (the official table if it says nothing).
            adapt_channels: for `num_channels` other than the checkpoint's: how its weights become those of the new
                channels, "average" or "repeat", see `channels_adapted`; also `image_mean` and `image_std` where they
                are not given.

        Raises:
            CheckpointError: weights are missing, left over or of another shape. A wholly fresh classifier or decoder
                only warns. Callers who pass `output_loading_info`, `state_dict` or `ignore_mismatched_sizes` get
                transformers' behaviour.
        """
        if adapt_channels is not None:
            kwargs["interpolate_positions"] = interpolate_positions
            return cls._from_other_channels(pretrained_model_name_or_path, adapt_channels, *args, **kwargs)
        overrides = cls._overrides(pretrained_model_name_or_path, kwargs)
        if interpolate_positions is not None:
            stored = _stored_config(pretrained_model_name_or_path, kwargs)
            overrides["position_grid"] = list(stored.position_grid or stored.grid) if interpolate_positions else None
        if isinstance(kwargs.get("config"), VideoMAEConfig):
            kwargs["config"] = _changed(kwargs["config"], **overrides)
        else:
            kwargs.update(overrides)
        lenient = kwargs.get("state_dict") is not None or any(
            kwargs.get(name) for name in ("output_loading_info", "ignore_mismatched_sizes")
        )
        if not lenient and "num_channels" in kwargs:
            _check_channels(pretrained_model_name_or_path, kwargs)
        if lenient:
            return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        # transformers reports and goes on; _check_loaded raises, and says everything at once.
        kwargs |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
        try:
            with _without_load_report():
                model, info = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        except SafetensorError as error:
            raise CheckpointError(
                f"{pretrained_model_name_or_path}: the file of weights is damaged ({error})."
            ) from error
        model._check_loaded(pretrained_model_name_or_path, info)
        return model

    @classmethod
    def _from_other_channels(cls, source, rule, *args, **kwargs):
        """The checkpoint with its own channels first, and then with those asked for."""
        stored, wanted = _stored_config(source, kwargs), {}
        if isinstance(kwargs.get("config"), VideoMAEConfig):
            wanted = {name: getattr(kwargs["config"], name) for name in _CHANNEL_FIELDS}
            own = {name: getattr(stored, name) for name in _CHANNEL_FIELDS}
            kwargs["config"] = _changed(kwargs["config"], **own)
        wanted |= {name: kwargs.pop(name) for name in _CHANNEL_FIELDS if name in kwargs}
        loaded = cls.from_pretrained(source, *args, **kwargs)
        adapt_channels(loaded[0] if isinstance(loaded, tuple) else loaded, rule, **wanted)
        return loaded

    @classmethod
    def _overrides(cls, source, kwargs) -> dict:
        """Fields of the stored configuration that this class replaces."""
        return {}

    def _check_loaded(self, source, info):
        missing, unexpected = set(info["missing_keys"]), set(info["unexpected_keys"])
        for head, prefixes in _HEADS.items():
            own = {name for name, _ in self.named_parameters() if name.startswith(prefixes)}
            required = {name for name in own if "layernorm." not in name}
            if not required:  # a model without this head: the checkpoint's is left out
                unexpected = {name for name in unexpected if not name.startswith(prefixes)}
            elif required <= missing:
                logger.warning(f"{source} has no {head}: it starts fresh: {_some(sorted(own & missing))}.")
                missing -= own
        reshaped = {f"{name} is {list(stored)}, wanted {list(own)}" for name, stored, own in info["mismatched_keys"]}
        if missing or unexpected or reshaped:
            raise CheckpointError(
                f"{source} does not fit {type(self).__name__}.\n"
                f"missing weights ({len(missing)}): {_some(sorted(missing))}\n"
                f"unexpected weights ({len(unexpected)}): {_some(sorted(unexpected))}\n"
                f"weights of another shape ({len(reshaped)}): {_some(sorted(reshaped))}\n"
                "Is it a VideoMAE checkpoint in transformers' layout? Official .pth files go through "
                "`videomae convert`; weights for other channels need `adapt_channels=`; `output_loading_info=True` "
                "loads what fits and reports the rest."
            )

    def save_pretrained(self, *args, **kwargs):
        """As in transformers; warns of what transformers' own VideoMAE will compute differently from this folder."""
        for difference in plain_transformers_differences(self.config):
            logger.warning_once(
                f"transformers' own VideoMAE will not give equal outputs from this folder: {difference}"
            )
        return super().save_pretrained(*args, **kwargs)


def _init_like_torch(module):
    """PyTorch's default for linear and convolutional layers, which the official code keeps for these two."""
    init.kaiming_uniform_(module.weight, a=5**0.5)
    if module.bias is not None:
        bound = module.weight[0].numel() ** -0.5
        init.uniform_(module.bias, -bound, bound)


def _stored_config(source, kwargs) -> VideoMAEConfig:
    """The configuration as it lies in the checkpoint, without the caller's overrides."""
    hub_options = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder")
    return VideoMAEConfig.from_pretrained(source, **{name: kwargs[name] for name in hub_options if name in kwargs})


def _changed(config: VideoMAEConfig, **fields) -> VideoMAEConfig:
    """A copy of `config` with other values; the caller's object stays as it is."""
    config = copy.deepcopy(config)
    for name, value in fields.items():
        setattr(config, name, value)
    return config


# --- Other channels than the checkpoint's ---------------------------------------------------------------------------

_CHANNEL_FIELDS = ("num_channels", "image_mean", "image_std")


def channels_adapted(weights: torch.Tensor, num_channels: int, rule: str, *, dim: int) -> torch.Tensor:
    """Weights (or statistics) with the channels on axis `dim`, for `num_channels` of them.

    As many channels as before stay as they are. `"average"`: each new one is the mean of the old ones. `"repeat"`: the
    old ones in turn (RGBRGB…), but a single new one is their mean.

    Raises:
        ValueError: another rule.
    """
    if rule not in ("average", "repeat"):
        raise ValueError(f"adapt_channels is {rule!r}, wanted 'average' or 'repeat'.")
    if num_channels == weights.shape[dim]:
        return weights
    if rule == "average" or num_channels == 1:
        weights = weights.mean(dim, keepdim=True)
    return weights.index_select(dim, torch.arange(num_channels, device=weights.device) % weights.shape[dim])


@torch.no_grad()
def adapt_channels(
    model: "VideoMAEPreTrainedModel", rule: str, *, num_channels: int | None = None, image_mean=None, image_std=None
):
    """Make `model` one for `num_channels`, in place, by the rule of `channels_adapted`.

    The patch embedding is scaled by old / new number of channels: with "average", and with "repeat" to a multiple, a
    clip that is the same in all channels, once normalised, gives the activations that it gave before. One channel
    from RGB weights is their sum. The decoder predicts channel by channel: no scale. `image_mean` and `image_std`
    follow the rule where they are not given. None for `num_channels`: as many as before.
    """
    config, old = model.config, model.config.num_channels
    config.num_channels = old if num_channels is None else num_channels
    config.image_mean = _adapted_statistics(config.image_mean, config, rule) if image_mean is None else image_mean
    config.image_std = _adapted_statistics(config.image_std, config, rule) if image_std is None else image_std
    config.validate_architecture()
    projection = model.base_model.embeddings.patch_embeddings.projection
    weight = channels_adapted(projection.weight, config.num_channels, rule, dim=1)
    projection.weight = nn.Parameter(weight * (old / config.num_channels))
    projection.in_channels = config.num_channels
    if isinstance(model, VideoMAEForPreTraining):
        _adapt_pixel_head(model.decoder.head, old, config, rule)
    logger.info(f"weights for {old} channels made weights for {config.num_channels} by the rule {rule!r}")


def _adapt_pixel_head(head, old, config, rule):
    for name in ("weight", "bias"):
        pixels = getattr(head, name).unflatten(0, (-1, old))  # the channel is the fastest of a patch's values
        adapted = channels_adapted(pixels, config.num_channels, rule, dim=1)
        setattr(head, name, nn.Parameter(adapted.flatten(0, 1)))
    head.out_features = config.patch_dim


def _adapted_statistics(values, config, rule):
    if isinstance(values, (int, float)):  # one for all channels
        return values
    return channels_adapted(torch.tensor(values, dtype=torch.float64), config.num_channels, rule, dim=0).tolist()


def _check_channels(source, kwargs):
    """Raise CheckpointError if the checkpoint has other channels than asked for and nobody said how to adapt them."""
    stored = _stored_config(source, kwargs).num_channels
    if kwargs["num_channels"] != stored:
        raise CheckpointError(
            f"{source} has weights for {stored} channels, num_channels is {kwargs['num_channels']}: "
            "adapt_channels='average' or 'repeat' makes weights for the new ones of them."
        )


@contextmanager
def _without_load_report():
    """transformers' table of missing weights says at length what `_check_loaded` says or raises."""

    def is_other(record):
        return "LOAD REPORT" not in record.getMessage()

    # A filter and not a level: at other levels transformers checks, and reports on, tensor parallelism.
    transformers_logger = logging.get_logger("transformers.modeling_utils")
    transformers_logger.addFilter(is_other)
    try:
        yield
    finally:
        transformers_logger.removeFilter(is_other)


def _some(names, most=10):
    listed = ", ".join(names[:most]) or "none"
    return listed if len(names) <= most else f"{listed}, … and {len(names) - most} more"


def plain_transformers_differences(config: VideoMAEConfig) -> list[str]:
    """What transformers' own VideoMAE cannot express of `config`, one sentence each."""
    differences = []
    if config.layer_norm_eps != 1e-5:
        differences.append(
            f"layer_norm_eps is {config.layer_norm_eps:g} in every norm, there it is 1e-5 in the decoder's and the "
            "classifier's (about 1e-5 on the logits)."
        )
    if config.position_grid is not None and list(config.position_grid) != list(config.grid):
        differences.append(f"positions are interpolated from the grid {list(config.position_grid)}.")
    if not config.norm_pix_loss and not _has_imagenet_statistics(config):
        differences.append("the loss on raw pixels undoes a normalisation with ImageNet's statistics there.")
    if not isinstance(config.patch_size, int):
        differences.append(f"patch_size is {list(config.patch_size)}, there it must be one number.")
    return differences


def _has_imagenet_statistics(config):
    statistics = (config.image_mean, config.image_std)
    return not any(isinstance(values, (int, float)) for values in statistics) and (
        [list(values) for values in statistics] == [list(IMAGENET_MEAN), list(IMAGENET_STD)]
    )


def check_pixel_values(pixel_values: torch.Tensor, config: VideoMAEConfig):
    """Raise ValueError unless `pixel_values` is (B, T, C, H, W) as the network was built for."""
    wanted = (config.num_frames, config.num_channels, *config.frame_size)
    if pixel_values.ndim != 5 or tuple(pixel_values.shape[1:]) != wanted:
        raise ValueError(
            f"pixel_values is {tuple(pixel_values.shape)}, wanted (B, T, C, H, W) = {('B', *wanted)}. "
            "For clips of another shape load the model with `num_frames=` or `image_size=`."
        )
    if not (pixel_values.is_floating_point() or pixel_values.dtype == torch.uint8):
        raise ValueError(f"pixel_values is {pixel_values.dtype}, wanted uint8, or floats that are normalised already.")


class VideoMAEModel(VideoMAEPreTrainedModel):
    """The encoder: a clip, or the visible patches of one, to tokens."""

    def __init__(self, config: VideoMAEConfig, linear_init: str = "xavier"):
        super().__init__(config)
        self.linear_init = linear_init
        self.embeddings = VideoMAEEmbeddings(config)
        self.encoder = VideoMAEEncoder(config)
        # With mean pooling the norm comes after the mean, in the classifier (`fc_norm`).
        norm = None if config.use_mean_pooling else nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layernorm = norm
        self.post_init()

    def get_input_embeddings(self):
        return self.embeddings.patch_embeddings

    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        pixel_values: torch.Tensor,
        bool_masked_pos: torch.Tensor | None = None,
        visible_positions: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutput:
        """
        Args:
            pixel_values: (B, T, C, H, W), normalised floats, or uint8, which is normalised here.
            bool_masked_pos: (B, N), True where the encoder does not look.
            visible_positions: (B, Nv), ascending int64; the same said by positions, without a check or a
                synchronisation. Neither: all patches are seen.
            output_attentions: return the weights of every block, (B, heads, n, n). Switches to eager attention.
            output_hidden_states: return the embeddings and the output of every block, (B, n, D).

        Returns:
            `last_hidden_state` (B, n, D): with mean pooling the last block's output, else normed.
        """
        check_pixel_values(pixel_values, self.config)
        if bool_masked_pos is not None:
            if visible_positions is not None:
                raise ValueError("bool_masked_pos and visible_positions say the same: pass one of them.")
            visible_positions = visible_from_mask(bool_masked_pos, num_patches=self.config.num_patches)
        embeddings = self.embeddings(pixel_values, visible_positions)
        tokens = self.encoder(embeddings, kwargs.get("output_attentions", self.config.output_attentions))
        return BaseModelOutput(tokens if self.layernorm is None else self.layernorm(tokens))


class VideoMAEForPreTraining(VideoMAEPreTrainedModel):
    """VideoMAE's masked autoencoder: encode the visible patches, decode the hidden ones, compare pixels."""

    def __init__(self, config: VideoMAEConfig):
        # The autoencoder always norms the encoder's tokens; which pooling a classifier will use is not its business.
        super().__init__(_changed(config, use_mean_pooling=False))
        config = self.config
        self.videomae = VideoMAEModel(config)
        self.encoder_to_decoder = nn.Linear(config.hidden_size, config.decoder_hidden_size, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.decoder_hidden_size))
        self.position_embeddings = VideoMAEPositions(config, config.decoder_hidden_size)
        self.decoder = VideoMAEDecoder(config)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        if module is self.encoder_to_decoder:
            _init_like_torch(module)
        elif module is self:
            std = self.config.initializer_range
            init.trunc_normal_(self.mask_token, std=std, a=-std, b=std)  # cut at ±1 σ, as published
        else:
            super()._init_weights(module)

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.Tensor,
        bool_masked_pos: torch.Tensor | None = None,
        bool_decoded_pos: torch.Tensor | None = None,
        visible_positions: torch.Tensor | None = None,
        decoded_positions: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> VideoMAEForPreTrainingOutput:
        """
        The mask comes in exactly one of two forms: flags, which are checked, or positions, which are not and which
        cost no synchronisation with the host.

        Args:
            pixel_values: (B, T, C, H, W), normalised with `config.image_mean/std`, or uint8.
            bool_masked_pos: (B, N), True where the encoder does not look; the same count in every row.
            bool_decoded_pos: (B, N), True where the decoder gets a mask token (VideoMAE V2). Default:
                `bool_masked_pos`.
            visible_positions: (B, Nv), int64, ascending: the patches that the encoder sees.
            decoded_positions: (B, Nd), int64, ascending: the patches that the decoder reconstructs.
            output_attentions, output_hidden_states: return those of the encoder.

        Returns:
            `loss` over the patches that are decoded and not visible; `logits` (B, Nd, P), in ascending positions.

        Raises:
            ValueError: wrong shapes, an impossible mask, or not exactly one form of it.
        """
        visible, decoded = self._resolve_positions(
            bool_masked_pos, bool_decoded_pos, visible_positions, decoded_positions
        )
        encoded = self.videomae(
            pixel_values,
            visible_positions=visible,
            return_dict=True,
            **kwargs,
        )
        logits = self.decode(encoded.last_hidden_state, visible, decoded)
        loss = self.reconstruction_loss(logits, pixel_values, visible, decoded)
        return VideoMAEForPreTrainingOutput(
            loss=loss, logits=logits, hidden_states=encoded.hidden_states, attentions=encoded.attentions
        )

    def _resolve_positions(self, masked, decoded_mask, visible, decoded):
        by_positions = visible is not None and decoded is not None
        if by_positions == (masked is not None) or (decoded_mask is not None and masked is None):
            raise ValueError(
                "pass the mask in exactly one form: bool_masked_pos (and optionally bool_decoded_pos), "
                "or both visible_positions and decoded_positions."
            )
        if by_positions:
            return visible, decoded
        return positions_from_mask(masked, decoded_mask, num_patches=self.config.num_patches)

    def decode(self, encoded: torch.Tensor, visible: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        """Encoded tokens (B, Nv, D) -> pixels of the decoded patches (B, Nd, P). Visible tokens come first."""
        tokens = self.encoder_to_decoder(encoded)
        tokens = tokens + self.position_embeddings(visible).to(tokens.dtype)
        queries = (self.mask_token + self.position_embeddings(decoded)).to(tokens.dtype)
        return self.decoder(torch.cat([tokens, queries], dim=1), decoded.shape[1])

    def reconstruction_loss(
        self, logits: torch.Tensor, pixel_values: torch.Tensor, visible: torch.Tensor, decoded: torch.Tensor
    ) -> torch.Tensor:
        """Mean squared error in float32 over the decoded patches that the encoder did not see (V2 §3.2)."""
        with torch.no_grad():
            targets = reconstruction_targets(pixel_values, self.config, decoded)
            hidden = logits.new_ones(logits.shape[0], self.config.num_patches, dtype=torch.float32)
            hidden = hidden.scatter(1, visible, 0.0).gather(1, decoded)
        error = (logits.float() - targets).square().mean(dim=-1)
        return (error * hidden).sum() / hidden.sum()


def classification_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    problem_type: str | None = None,
    *,
    label_smoothing: float = 0.0,
    class_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """The loss that fits the labels, a scalar in float32.

    Args:
        logits: (B, K).
        labels: (B,) class indices, or (B, K) probabilities (mixup): cross-entropy. With `problem_type`
            "multi_label_classification": (B, K) of 0 and 1, binary cross-entropy. With "regression", or when K is 1:
            (B,) or (B, K) numbers, mean squared error.
        label_smoothing, class_weights (K,): for cross-entropy; binary cross-entropy takes the weights too.

    Raises:
        ValueError: labels whose shape or type does not fit `problem_type`.
    """
    logits = logits.float()
    if problem_type is None:
        problem_type = "regression" if logits.shape[-1] == 1 else "single_label_classification"
    if problem_type not in ("regression", "single_label_classification", "multi_label_classification"):
        raise ValueError(f"problem_type is {problem_type!r}, wanted regression or single/multi_label_classification.")
    if problem_type != "single_label_classification" or labels.is_floating_point():
        if labels.numel() != logits.numel() or len(labels) != len(logits):
            raise ValueError(
                f"{problem_type}: labels are {labels.dtype} of shape {tuple(labels.shape)}, wanted "
                f"{tuple(logits.shape)}; class indices are int64 of shape {tuple(logits.shape[:1])}."
            )
        labels = labels.to(logits.dtype).view_as(logits)
    elif labels.numel() != len(logits):
        raise ValueError(f"class indices are of shape {tuple(labels.shape)}, wanted {tuple(logits.shape[:1])}.")
    else:
        labels = labels.view(-1)
    if problem_type == "regression":
        return F.mse_loss(logits, labels)
    if problem_type == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(logits, labels, weight=class_weights)
    return F.cross_entropy(logits, labels, weight=class_weights, label_smoothing=label_smoothing)


class VideoMAEForVideoClassification(VideoMAEPreTrainedModel):
    """The encoder with a linear classifier on the mean of all tokens."""

    linear_init = "trunc_normal"

    def __init__(self, config: VideoMAEConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.videomae = VideoMAEModel(config, self.linear_init)
        self.fc_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps) if config.use_mean_pooling else None
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if module is self.classifier:
            # Nearly zero, so that fine-tuning starts from the encoder and not from the noise of its head.
            init.trunc_normal_(module.weight, std=self.config.initializer_range * self.config.classifier_init_scale)

    @classmethod
    def _overrides(cls, source, kwargs) -> dict:
        # The authors fine-tune a pre-trained encoder with mean pooling. The `use_mean_pooling: false` of its
        # configuration only says that the autoencoder norms its tokens.
        config = kwargs.get("config") or _stored_config(source, kwargs)
        architectures = getattr(config, "architectures", None) or (cls.__name__,)
        return (
            {"use_mean_pooling": True}
            if cls.__name__ not in architectures and "use_mean_pooling" not in kwargs
            else {}
        )

    @can_return_tuple
    def forward(
        self,
        pixel_values: torch.Tensor,
        labels: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> ImageClassifierOutput:
        """
        Args:
            pixel_values: (B, T, C, H, W), normalised floats, or uint8, which is normalised here.
            labels: see `classification_loss`; `config.problem_type` says which kind.
            output_attentions, output_hidden_states: return those of the encoder.

        Returns:
            `logits` (B, K), `loss` when `labels` are given, `hidden_states` and `attentions` when asked for.
        """
        encoded = self.videomae(pixel_values, return_dict=True, **kwargs)
        logits = self.classifier(self.dropout(self.pool(encoded.last_hidden_state)))
        loss = None if labels is None else classification_loss(logits, labels, self.config.problem_type)
        return ImageClassifierOutput(
            loss=loss, logits=logits, hidden_states=encoded.hidden_states, attentions=encoded.attentions
        )

    def pool(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens of the encoder (B, N, D) -> the clip's feature (B, D)."""
        return tokens[:, 0] if self.fc_norm is None else self.fc_norm(tokens.mean(dim=1))


__all__ = [
    "CheckpointError",
    "VideoMAEForPreTraining",
    "VideoMAEForPreTrainingOutput",
    "VideoMAEForVideoClassification",
    "VideoMAEModel",
    "VideoMAEPreTrainedModel",
    "classification_loss",
]
