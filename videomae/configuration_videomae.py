# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""`VideoMAEConfig`: every number of the architecture, and what follows from them (grid, patch counts), once."""

import math

from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedConfig

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Encoders of VideoMAE (small to huge) and VideoMAE V2 (giant).
_ENCODERS = {
    "small": {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1536},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    "huge": {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "intermediate_size": 5120},
    "giant": {
        "hidden_size": 1408,
        "num_hidden_layers": 40,
        "num_attention_heads": 16,
        "intermediate_size": 6144,
        "patch_size": 14,
    },
}

# (width, heads, depth, MLP width). The two papers differ in depth for large and huge, and in width for huge.
_DECODERS = {
    "v1": {
        "small": (192, 3, 4, 768),
        "base": (384, 6, 4, 1536),
        "large": (512, 8, 12, 2048),
        "huge": (640, 8, 12, 2560),
    },
    "v2": {
        "small": (192, 3, 4, 768),
        "base": (384, 6, 4, 1536),
        "large": (512, 8, 4, 2048),
        "huge": (512, 8, 4, 2048),
        "giant": (512, 8, 4, 2234),  # int(512 * 48 / 11): the decoder takes over the encoder's MLP ratio
    },
}


def _pair(size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


@strict
class VideoMAEConfig(PreTrainedConfig):
    r"""
    Architecture of a VideoMAE network. Field names and files are those of transformers' own VideoMAE, so the
    `config.json` of every `MCG-NJU/videomae-*` checkpoint loads here; fields that transformers lacks are marked (+).

    Args:
        image_size (`int` or `(height, width)`): pixels of a frame.
        patch_size (`int` or `(height, width)`): pixels of a patch.
        num_channels (`int`): channels of a frame.
        num_frames (`int`): frames of a clip.
        tubelet_size (`int`): frames of a patch.
        hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, hidden_act: the encoder.
        hidden_dropout_prob, attention_probs_dropout_prob (`float`): dropout inside the blocks.
        drop_path_rate (`float`): (+) stochastic depth of the last block; it grows linearly from 0 at the first.
        initializer_range (`float`): standard deviation of the truncated normal initialisation.
        layer_norm_eps (`float`): eps of **every** layer norm. transformers uses 1e-5 in the decoder's and the
            classifier's norm whatever this says; the official code uses 1e-6 everywhere.
        qkv_bias (`bool`): whether queries and values have a bias (keys never have one). transformers 5 calls it
            `qv_bias`; both names are understood.
        use_mean_pooling (`bool`): the classifier averages all tokens and norms the mean (`fc_norm`). Otherwise it
            norms all tokens and takes the first, which is an ordinary patch: VideoMAE has no class token.
        classifier_dropout (`float`): (+) dropout before the classifier.
        classifier_init_scale (`float`): (+) factor on the initial classifier (official `init_scale`).
        decoder_hidden_size, decoder_num_hidden_layers, decoder_num_attention_heads, decoder_intermediate_size: the
            decoder of pre-training.
        norm_pix_loss (`bool`): whether the target of a patch has its mean and deviation removed, per channel.
        image_mean, image_std (`float` or one per channel): (+) the statistics that `pixel_values` were normalised
            with, for intensities in [0, 1]. uint8 input is normalised with them inside the model.
        position_grid (`(t, h, w)`, *optional*): (+) grid of the checkpoint whose position table is interpolated to
            this network's grid. `None`: the official table of this grid, which for a longer clip is simply longer.

    Raises:
        ValueError: numbers that do not fit together; every complaint is in the one message.
    """

    model_type = "videomae"
    attribute_map = {"qv_bias": "qkv_bias"}

    image_size: int | list[int] | tuple[int, int] = 224
    patch_size: int | list[int] | tuple[int, int] = 16
    num_channels: int = 3
    num_frames: int = 16
    tubelet_size: int = 2
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.0
    attention_probs_dropout_prob: float | int = 0.0
    drop_path_rate: float | int = 0.0
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-6
    qkv_bias: bool = True
    use_mean_pooling: bool = True
    classifier_dropout: float | int = 0.0
    classifier_init_scale: float | int = 0.001
    decoder_hidden_size: int = 384
    decoder_num_hidden_layers: int = 4
    decoder_num_attention_heads: int = 6
    decoder_intermediate_size: int = 1536
    norm_pix_loss: bool = True
    image_mean: float | int | list[float] | tuple[float, ...] | None = None
    image_std: float | int | list[float] | tuple[float, ...] | None = None
    position_grid: list[int] | tuple[int, int, int] | None = None

    def __post_init__(self, **kwargs):
        # ImageNet's statistics are RGB's; for other channels 0.5 ± 0.5 maps [0, 1] to [-1, 1].
        if self.image_mean is None:
            self.image_mean = list(IMAGENET_MEAN) if self.num_channels == 3 else 0.5
        if self.image_std is None:
            self.image_std = list(IMAGENET_STD) if self.num_channels == 3 else 0.5
        super().__post_init__(**kwargs)
        self.validate_architecture()

    @classmethod
    def preset(cls, name: str, *, decoder: str | None = None, **overrides) -> "VideoMAEConfig":
        """The published network `name` (small, base, large, huge, giant) with the decoder of `"v1"` or `"v2"`.

        `decoder=None` is VideoMAE V1's, or V2's for giant, which V1 does not have. `overrides` replace single fields.

        Raises:
            ValueError: unknown name, or a decoder that the paper does not have for it.
        """
        decoder = decoder or ("v2" if name == "giant" else "v1")
        if name not in _DECODERS.get(decoder, {}):
            known = "; ".join(f"{version}: {', '.join(sizes)}" for version, sizes in _DECODERS.items())
            raise ValueError(f"preset {name!r} with decoder {decoder!r} does not exist. There are {known}.")
        width, heads, depth, mlp_width = _DECODERS[decoder][name]
        fields = _ENCODERS[name] | {
            "decoder_hidden_size": width,
            "decoder_num_attention_heads": heads,
            "decoder_num_hidden_layers": depth,
            "decoder_intermediate_size": mlp_width,
        }
        return cls(**(fields | overrides))

    @classmethod
    def from_dict(cls, config_dict: dict, **kwargs):
        """As in transformers, but overrides are validated and the configuration of another model raises."""
        model_type = config_dict.get("model_type", cls.model_type)
        if model_type != cls.model_type:
            raise ValueError(f"the checkpoint holds a {model_type!r} model, wanted {cls.model_type!r}.")
        try:
            loaded = super().from_dict(config_dict, **kwargs)
        except StrictDataclassError as error:  # a field of the wrong type
            raise ValueError(f"the configuration can not be read: {error}") from error
        (loaded[0] if isinstance(loaded, tuple) else loaded).validate_architecture()
        return loaded

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of a frame in pixels."""
        return _pair(self.image_size)

    @property
    def patch_shape(self) -> tuple[int, int]:
        """(height, width) of a patch in pixels."""
        return _pair(self.patch_size)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Patches along (time, height, width); tokens are numbered in this order."""
        (height, width), (patch_height, patch_width) = self.frame_size, self.patch_shape
        return self.num_frames // self.tubelet_size, height // patch_height, width // patch_width

    @property
    def num_patches(self) -> int:
        """Tokens of a clip."""
        return math.prod(self.grid)

    @property
    def patch_dim(self) -> int:
        """Values of a patch: tubelet · height · width · channels."""
        return self.tubelet_size * math.prod(self.patch_shape) * self.num_channels

    def validate_architecture(self):
        """Raise one ValueError with everything that does not fit."""
        complaints = [*self._size_complaints(), *self._rate_complaints(), *self._statistics_complaints()]
        if complaints:
            raise ValueError("VideoMAEConfig does not fit together:\n- " + "\n- ".join(complaints))

    def _size_complaints(self):
        pairs = {name: getattr(self, name) for name in ("image_size", "patch_size")}
        wrong = [
            f"{name} is {list(value)}, wanted one number, or (height, width)"
            for name, value in pairs.items()
            if not isinstance(value, int) and len(value) != 2
        ]
        if wrong:
            return wrong
        sizes = {
            name: getattr(self, name)
            for name in (
                "num_channels num_frames tubelet_size hidden_size num_attention_heads intermediate_size "
                "decoder_hidden_size decoder_num_attention_heads decoder_intermediate_size"
            ).split()
        }
        sizes["image_size"], sizes["patch_size"] = min(self.frame_size), min(self.patch_shape)
        wrong = [f"{name} is {value}, wanted at least 1" for name, value in sizes.items() if value < 1]
        for name in ("num_hidden_layers", "decoder_num_hidden_layers"):
            if getattr(self, name) < 0:
                wrong.append(f"{name} is {getattr(self, name)}, wanted at least 0")
        if wrong:
            return wrong  # the divisions below would only repeat it
        for prefix in ("", "decoder_"):
            width, heads = sizes[f"{prefix}hidden_size"], sizes[f"{prefix}num_attention_heads"]
            if width % heads:
                wrong.append(f"{prefix}hidden_size {width} is not a multiple of {prefix}num_attention_heads {heads}")
        for side, pixels, patch in zip(("height", "width"), self.frame_size, self.patch_shape, strict=True):
            if pixels % patch:
                wrong.append(f"image_size: the {side} {pixels} is not a multiple of the patch's {patch} (patch_size)")
        if self.num_frames % self.tubelet_size:
            wrong.append(f"num_frames {self.num_frames} is not a multiple of tubelet_size {self.tubelet_size}")
        grid = self.position_grid
        if grid is not None and (len(grid) != 3 or min(grid) < 1):
            wrong.append(f"position_grid is {list(grid)}, wanted three counts (t, h, w) of at least 1")
        return wrong

    def _rate_complaints(self):
        names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "drop_path_rate", "classifier_dropout")
        wrong = [f"{n} is {getattr(self, n)}, wanted 0 <= rate < 1" for n in names if not 0 <= getattr(self, n) < 1]
        for name in ("initializer_range", "classifier_init_scale"):
            if getattr(self, name) < 0:
                wrong.append(f"{name} is {getattr(self, name)}, wanted at least 0")
        if self.layer_norm_eps <= 0:
            wrong.append(f"layer_norm_eps is {self.layer_norm_eps}, wanted more than 0")
        return wrong

    def _statistics_complaints(self):
        wrong = []
        for name in ("image_mean", "image_std"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) and len(value) != self.num_channels:
                wrong.append(f"{name} has {len(value)} values, wanted one, or {self.num_channels} (num_channels)")
        smallest = self.image_std if isinstance(self.image_std, (int, float)) else min(self.image_std, default=1)
        if smallest <= 0:
            wrong.append(f"image_std is {self.image_std}, wanted more than 0")
        return wrong


__all__ = ["VideoMAEConfig"]
