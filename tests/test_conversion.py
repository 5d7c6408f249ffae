# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import argparse
import os

import pytest
import torch
from safetensors.torch import save_file

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEModel, VideoMAEVideoProcessor
from videomae.conversion import convert_checkpoint, from_official, read_state_dict, to_official

# The tiny twins have widths that were never published, so their heads must be told.
HEADS = {"num_attention_heads": 3, "decoder_num_attention_heads": 5, "image_size": [24, 32], "num_frames": 4}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def randomized(model):
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model.eval()


@pytest.fixture(params=["pretraining", "classification", "token pooling", "no bias"])
def model(request, tiny_config):
    if request.param == "pretraining":
        return randomized(VideoMAEForPreTraining(tiny_config()))
    overrides = {"token pooling": {"use_mean_pooling": False}, "no bias": {"qkv_bias": False}}.get(request.param, {})
    return randomized(VideoMAEForVideoClassification(tiny_config(**overrides)))


def same_weights(first, second):
    first, second = first.state_dict(), second.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_to_the_official_names_and_back_is_bit_equal(model):
    same_weights(from_official(to_official(model), **HEADS), model)


def test_the_official_names(tiny_config):
    names = set(to_official(VideoMAEForPreTraining(tiny_config())))
    assert {
        "mask_token",
        "encoder.patch_embed.proj.weight",
        "encoder.blocks.1.attn.qkv.weight",
        "encoder.blocks.0.attn.q_bias",
        "encoder.norm.weight",
        "encoder_to_decoder.weight",
        "decoder.blocks.0.mlp.fc2.bias",
        "decoder.head.weight",
    } <= names
    names = set(to_official(VideoMAEForVideoClassification(tiny_config())))
    assert {"patch_embed.proj.bias", "blocks.0.norm1.weight", "fc_norm.weight", "head.bias"} <= names
    encoder = to_official(VideoMAEModel(tiny_config()))
    assert "blocks.0.norm1.weight" in encoder and "head.bias" not in encoder


def test_query_key_and_value_are_the_thirds_of_qkv(tiny_config):
    model = VideoMAEForVideoClassification(tiny_config())
    qkv = to_official(model)["blocks.1.attn.qkv.weight"]
    attention = model.videomae.encoder.layer[1].attention.attention
    assert qkv.shape == (36, 12)
    assert torch.equal(qkv[:12], attention.query.weight)
    assert torch.equal(qkv[12:24], attention.key.weight)
    assert torch.equal(qkv[24:], attention.value.weight)


@pytest.mark.parametrize(
    ("top", "prefix"), [("model", ""), ("module", ""), (None, ""), ("model", "_orig_mod."), ("module", "module.")]
)
def test_every_wrapping_of_the_weights_is_opened(model, tmp_path, top, prefix):
    weights = {f"{prefix}{name}": value for name, value in to_official(model).items()}
    arguments = argparse.Namespace(model="vit", lr=1e-3)
    torch.save(weights if top is None else {top: weights, "args": arguments, "epoch": 799}, tmp_path / "in.pth")
    folder = convert_checkpoint(tmp_path / "in.pth", tmp_path / "out", **HEADS)
    same_weights(type(model).from_pretrained(folder), model)


def test_safetensors_are_read_too(model, tmp_path):
    save_file(to_official(model), tmp_path / "in.safetensors")
    same_weights(
        type(model).from_pretrained(convert_checkpoint(tmp_path / "in.safetensors", tmp_path / "out", **HEADS)), model
    )


def test_the_sizes_are_read_off_the_tensors(tiny_config, tmp_path):
    config = tiny_config(patch_size=[6, 8], num_channels=1)
    torch.save({"model": to_official(VideoMAEForPreTraining(config))}, tmp_path / "in.pth")
    loaded = VideoMAEForPreTraining.from_pretrained(
        convert_checkpoint(tmp_path / "in.pth", tmp_path / "out", **HEADS)
    ).config
    for field in (
        "patch_size num_channels tubelet_size hidden_size num_hidden_layers intermediate_size decoder_hidden_size "
        "decoder_num_hidden_layers decoder_intermediate_size qkv_bias"
    ).split():
        assert getattr(loaded, field) == getattr(config, field), field


def test_published_widths_need_no_options(tmp_path):
    from videomae import VideoMAEConfig

    config = VideoMAEConfig.preset("small", num_hidden_layers=1, decoder_num_hidden_layers=1)
    model = VideoMAEForPreTraining(config)
    loaded = from_official(to_official(model)).config
    assert (loaded.num_attention_heads, loaded.decoder_num_attention_heads) == (6, 3)


def test_the_folder_holds_a_processor_for_the_same_clip(model, tmp_path):
    torch.save({"model": to_official(model)}, tmp_path / "in.pth")
    processor = VideoMAEVideoProcessor.from_pretrained(
        convert_checkpoint(tmp_path / "in.pth", tmp_path / "out", **HEADS)
    )
    assert (processor.crop_size.height, processor.crop_size.width, processor.num_frames) == (24, 32, 4)


def test_labels_are_stored_when_given(tiny_config, tmp_path):
    torch.save({"model": to_official(VideoMAEForVideoClassification(tiny_config()))}, tmp_path / "in.pth")
    names = [f"class {i}" for i in range(7)]
    folder = convert_checkpoint(tmp_path / "in.pth", tmp_path / "out", id2label=names, **HEADS)
    assert VideoMAEForVideoClassification.from_pretrained(folder).config.id2label == dict(enumerate(names))
    with pytest.raises(ValueError, match="has 7 classes, id2label names 6"):
        convert_checkpoint(tmp_path / "in.pth", tmp_path / "again", id2label=names[1:], **HEADS)


# --- what must not load ---------------------------------------------------------------------------------------------


def test_an_unpublished_width_asks_for_its_heads(tiny_config):
    with pytest.raises(ValueError, match="is 12 wide.*pass num_attention_heads"):
        from_official(to_official(VideoMAEForVideoClassification(tiny_config())))
    with pytest.raises(ValueError, match="is 10 wide.*pass decoder_num_attention_heads"):
        from_official(to_official(VideoMAEForPreTraining(tiny_config())), num_attention_heads=3)


def test_a_missing_weight_is_named(model):
    weights = to_official(model)
    weights.pop(next(name for name in weights if name.endswith("blocks.1.mlp.fc1.bias")))
    with pytest.raises(ValueError, match=r"missing: videomae\.encoder\.layer\.1\.intermediate\.dense\.bias"):
        from_official(weights, **HEADS)


def test_a_weight_of_another_model_is_named(model):
    with pytest.raises(ValueError, match="'cls_token' is not a weight of VideoMAE"):
        from_official(to_official(model) | {"cls_token": torch.zeros(1)}, **HEADS)


class Malicious:
    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    bomb = Malicious()
    bomb.path = str(tmp_path / "ran")
    torch.save({"model": {"head.weight": torch.zeros(1)}, "args": bomb}, tmp_path / "in.pth")
    with pytest.raises(ValueError, match=r"in\.pth can not be read as a checkpoint"):
        read_state_dict(tmp_path / "in.pth")
    assert not (tmp_path / "ran").exists()


def test_files_that_are_no_checkpoint_raise_with_their_name(tmp_path):
    (tmp_path / "text.pth").write_text("not a checkpoint")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    torch.save({"epoch": 3}, tmp_path / "numbers.pth")
    for name, message in (
        ("text.pth", "can not be read"),
        ("empty.safetensors", "can not be read"),
        ("numbers.pth", "holds no weights"),
    ):
        with pytest.raises(ValueError, match=f"{name} {message}"):
            read_state_dict(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="missing.pth: no such file"):
        read_state_dict(tmp_path / "missing.pth")


def test_a_failed_conversion_leaves_nothing_and_a_full_folder_is_kept(model, tmp_path, monkeypatch):
    torch.save({"model": to_official(model)}, tmp_path / "in.pth")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="full exists and is not an empty folder"):
        convert_checkpoint(tmp_path / "in.pth", tmp_path / "full", **HEADS)
    assert os.listdir(tmp_path / "full") == ["notes.txt"]

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(VideoMAEVideoProcessor, "save_pretrained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        convert_checkpoint(tmp_path / "in.pth", tmp_path / "out", **HEADS)
    assert sorted(os.listdir(tmp_path)) == ["full", "in.pth"]
