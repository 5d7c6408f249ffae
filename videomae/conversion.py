# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Official VideoMAE and VideoMAE V2 checkpoints (`.pth`) to our folders and back: one rename table, used both ways."""

import argparse
import os
import pickle
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from .configuration_videomae import VideoMAEConfig
from .image_processing_videomae import VideoMAEVideoProcessor
from .modeling_videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEPreTrainedModel

# (official, ours), as prefixes of parameter names.
_ENCODER = [
    ("patch_embed.proj.", "videomae.embeddings.patch_embeddings.projection."),
    ("blocks.", "videomae.encoder.layer."),
    ("norm.", "videomae.layernorm."),
]
_PRETRAINING = [(f"encoder.{official}", ours) for official, ours in _ENCODER] + [
    ("decoder.blocks.", "decoder.decoder_layers."),
    ("decoder.norm.", "decoder.norm."),
    ("decoder.head.", "decoder.head."),
    ("encoder_to_decoder.", "encoder_to_decoder."),
    ("mask_token", "mask_token"),
]
_CLASSIFICATION = [*_ENCODER, ("fc_norm.", "fc_norm."), ("head.", "classifier.")]

# (official, ours), inside a block.
_BLOCK = [
    ("norm1.", "layernorm_before."),
    ("attn.q_bias", "attention.attention.query.bias"),
    ("attn.v_bias", "attention.attention.value.bias"),
    ("attn.qkv.weight", "attention.attention.qkv.weight"),  # split into three, see _split_qkv
    ("attn.proj.", "attention.output.dense."),
    ("norm2.", "layernorm_after."),
    ("mlp.fc1.", "intermediate.dense."),
    ("mlp.fc2.", "output.dense."),
]
_INDEX = re.compile(r"\d+\.")
_QKV = ".attention.attention.qkv.weight"

# Heads can not be read off a tensor. These are the published widths; other widths must be told.
_HEADS = {384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16}
_DECODER_HEADS = {192: 3, 384: 6, 512: 8, 640: 8}


def convert_checkpoint(
    source: str | os.PathLike,
    destination: str | os.PathLike,
    *,
    num_attention_heads: int | None = None,
    decoder_num_attention_heads: int | None = None,
    image_size: int | tuple[int, int] = 224,
    num_frames: int = 16,
    id2label: Mapping[int, str] | Sequence[str] | None = None,
    frame_stride: int = 4,
    sampling: str = "dense",
) -> Path:
    """Turn an official checkpoint into a folder that `from_pretrained` loads.

    Sizes are read off the tensors. What is not in them are the options: the heads of unusual widths, the clip
    (`num_frames` × `image_size`), the names of the classes, and how a video is sampled: `"dense"` with `frame_stride`
    (Kinetics, UCF101, HMDB51), or `"uniform"` (Something-Something).

    Args:
        source: `.pth` with the weights under `model`, `module` (DeepSpeed) or at the top, or `.safetensors`.
        destination: folder to create. It appears only when it is complete.

    Raises:
        FileNotFoundError: there is no `source`.
        FileExistsError: `destination` exists and is not empty.
        ValueError: not a VideoMAE checkpoint, or options that do not fit its tensors.
    """
    source, destination = Path(source), Path(destination)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise FileExistsError(f"{destination} exists and is not an empty folder: choose another destination.")
    model = from_official(
        read_state_dict(source),
        name=str(source),
        num_attention_heads=num_attention_heads,
        decoder_num_attention_heads=decoder_num_attention_heads,
        image_size=image_size,
        num_frames=num_frames,
        id2label=id2label,
    )
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}-") as temporary:
        folder = Path(temporary) / destination.name
        model.save_pretrained(folder)
        processor = VideoMAEVideoProcessor.for_model(model.config, frame_stride=frame_stride, sampling=sampling)
        processor.save_pretrained(folder)
        os.replace(folder, destination)
    return destination


def read_state_dict(source: str | os.PathLike) -> dict[str, torch.Tensor]:
    """The weights of an official checkpoint, name -> tensor. No code of the file is run: `weights_only` loading, with
    `argparse.Namespace` (the authors store their arguments) as the one class allowed.

    Raises:
        FileNotFoundError: there is no `source`.
        ValueError: it is not such a file, or holds no weights.
    """
    source = Path(source)
    if not source.is_file():
        raise FileNotFoundError(f"{source}: no such file.")
    try:
        if source.suffix == ".safetensors":
            loaded = load_file(source)
        else:
            with torch.serialization.safe_globals([argparse.Namespace]):
                loaded = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, EOFError, KeyError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{source} can not be read as a checkpoint of tensors: {reason}") from error
    if isinstance(loaded, dict):
        loaded = next((loaded[key] for key in ("model", "module") if isinstance(loaded.get(key), dict)), loaded)
    if not isinstance(loaded, dict) or not any(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise ValueError(f"{source} holds no weights: wanted tensors by name, under 'model', 'module' or at the top.")
    return {_plain(name): value for name, value in loaded.items()}


def _plain(name):
    # torch.compile and DistributedDataParallel wrap the model and with it every name.
    while name.startswith(("_orig_mod.", "module.", "backbone.")):
        name = name.partition(".")[2]
    return name


def from_official(
    state_dict: Mapping[str, torch.Tensor],
    *,
    name: str = "the state dict",
    num_attention_heads: int | None = None,
    decoder_num_attention_heads: int | None = None,
    image_size: int | tuple[int, int] = 224,
    num_frames: int = 16,
    id2label: Mapping[int, str] | Sequence[str] | None = None,
) -> VideoMAEPreTrainedModel:
    """The model that official weights describe: for pre-training if they have a decoder, else for classification.

    Raises:
        ValueError: unknown or missing weights, or options that do not fit; `name` is the file in the message.
    """
    pretraining = any(key.startswith(("encoder.", "decoder.")) for key in state_dict)
    table = _PRETRAINING if pretraining else _CLASSIFICATION
    renamed = {_rename(key, table, name): value for key, value in state_dict.items()}
    weights = _split_qkv(renamed)
    fields = _sizes(weights, name) | {"image_size": image_size, "num_frames": num_frames}
    fields["num_attention_heads"] = num_attention_heads or _known_heads(
        _HEADS, fields["hidden_size"], "num_attention_heads", name
    )
    if pretraining:
        fields["decoder_num_attention_heads"] = decoder_num_attention_heads or _known_heads(
            _DECODER_HEADS, fields["decoder_hidden_size"], "decoder_num_attention_heads", name
        )
    else:
        fields |= _labels(weights, id2label, name)
    config = VideoMAEConfig(**fields)
    model = (VideoMAEForPreTraining if pretraining else VideoMAEForVideoClassification)(config)
    return _filled(model, weights, name)


def to_official(model: VideoMAEPreTrainedModel) -> dict[str, torch.Tensor]:
    """The model's weights under the official names, ready to be saved as `{"model": …}`."""
    pretraining = isinstance(model, VideoMAEForPreTraining)
    table = [(ours, official) for official, ours in (_PRETRAINING if pretraining else _CLASSIFICATION)]
    block = [(ours, official) for official, ours in _BLOCK]
    prefix = "" if hasattr(model, "videomae") else "videomae."
    weights = {f"{prefix}{key}": value for key, value in model.state_dict().items()}
    return {_rename(key, table, "the model", block): value for key, value in _join_qkv(weights).items()}


def _rename(key, table, source, block=_BLOCK):
    for old, new in table:
        if key.startswith(old):
            rest = key.removeprefix(old)
            if not (index := _INDEX.match(rest)):
                return new + rest
            for old_part, new_part in block:
                if rest.startswith(old_part, index.end()):
                    return new + index[0] + new_part + rest[index.end() + len(old_part) :]
    raise ValueError(f"{source}: {key!r} is not a weight of VideoMAE. Is it a checkpoint of another model?")


def _split_qkv(weights):
    """One official (3D, D) matrix becomes query, key and value (D, D)."""
    split = {}
    for key, value in weights.items():
        if key.endswith(_QKV):
            parts = zip(("query", "key", "value"), value.chunk(3), strict=True)
            split |= {key.replace(".qkv.", f".{part}."): matrix.clone() for part, matrix in parts}
        else:
            split[key] = value
    return split


def _join_qkv(weights):
    joined = {}
    for key, value in weights.items():
        if key.endswith(".attention.attention.query.weight"):
            parts = [weights[key.replace(".query.", f".{part}.")] for part in ("query", "key", "value")]
            joined[key.replace(".query.", ".qkv.")] = torch.cat(parts)
        elif not key.endswith((".attention.attention.key.weight", ".attention.attention.value.weight")):
            joined[key] = value
    return joined


def _sizes(weights, source):
    """Every number of the architecture that the tensors tell."""
    try:
        width, channels, tubelet, *patch = weights["videomae.embeddings.patch_embeddings.projection.weight"].shape
        fields = {
            "hidden_size": width,
            "num_channels": channels,
            "tubelet_size": tubelet,
            "patch_size": patch[0] if patch[0] == patch[1] else patch,
            "num_hidden_layers": _depth(weights, "videomae.encoder.layer."),
            "intermediate_size": len(weights["videomae.encoder.layer.0.intermediate.dense.weight"]),
            "qkv_bias": "videomae.encoder.layer.0.attention.attention.query.bias" in weights,
            "use_mean_pooling": "videomae.layernorm.weight" not in weights,
        }
        if "encoder_to_decoder.weight" in weights:
            fields |= {
                "decoder_hidden_size": len(weights["encoder_to_decoder.weight"]),
                "decoder_num_hidden_layers": _depth(weights, "decoder.decoder_layers."),
                "decoder_intermediate_size": len(weights["decoder.decoder_layers.0.intermediate.dense.weight"]),
            }
    except KeyError as missing:
        raise ValueError(f"{source} has no {missing.args[0]} (by our name): is it a VideoMAE checkpoint?") from missing
    return fields


def _depth(weights, prefix):
    return 1 + max(int(key.removeprefix(prefix).partition(".")[0]) for key in weights if key.startswith(prefix))


def _known_heads(known, width, option, source):
    if width not in known:
        raise ValueError(
            f"{source} is {width} wide, which is no published size: pass {option}, it can not be read off the weights."
        )
    return known[width]


def _labels(weights, id2label, source):
    if "classifier.weight" not in weights:
        raise ValueError(
            f"{source} has neither a decoder nor a head: wanted a pre-trained or a fine-tuned checkpoint."
        )
    count = len(weights["classifier.weight"])
    if id2label is None:
        return {"num_labels": count}
    names = dict(id2label) if isinstance(id2label, Mapping) else dict(enumerate(id2label))
    if sorted(names) != list(range(count)):
        raise ValueError(f"{source} has {count} classes, id2label names {len(names)}: wanted one name for each index.")
    return {"id2label": names, "label2id": {label: index for index, label in names.items()}}


def _filled(model, weights, source):
    expected = {key: value.shape for key, value in model.state_dict().items()}
    wrong = [f"missing: {key}" for key in expected if key not in weights]
    wrong += [f"unexpected: {key}" for key in weights if key not in expected]
    wrong += [
        f"{key} is {tuple(weights[key].shape)}, wanted {tuple(shape)}"
        for key, shape in expected.items()
        if key in weights and weights[key].shape != shape
    ]
    if wrong:
        listed = "\n- ".join(wrong[:10] + ([f"… and {len(wrong) - 10} more"] if len(wrong) > 10 else []))
        raise ValueError(f"{source} does not make a whole {type(model).__name__}:\n- {listed}")
    model = model.to(next(iter(weights.values())).dtype)
    model.load_state_dict(weights)
    return model.eval()


__all__ = ["convert_checkpoint", "from_official", "read_state_dict", "to_official"]
