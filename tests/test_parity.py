# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Equality with the reference implementations: what the official code computed (golden files), and transformers' own
VideoMAE on random tiny twins (which needs no files)."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers.models.videomae import VideoMAEConfig as PlainConfig
from transformers.models.videomae import modeling_videomae as plain

import videomae.modeling_videomae as ours
from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification
from videomae.conversion import convert_checkpoint, to_official
from videomae.masking import positions_from_mask
from videomae.modeling_videomae import reconstruction_targets

HEADS = {"num_attention_heads": 3, "decoder_num_attention_heads": 3, "image_size": 64}


def check_gradients(model, golden):
    """Every `grad.<official name>` of the golden file, with our gradients under the official names."""
    expected = {name.removeprefix("grad."): value for name, value in golden.items() if name.startswith("grad.")}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.grad)
    gradients = to_official(model)
    assert expected
    for name, value in expected.items():
        torch.testing.assert_close(gradients[name], value, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")


# --- the official code ----------------------------------------------------------------------------------------------


@pytest.fixture
def official_pretraining(golden, tmp_path):
    folder = convert_checkpoint(golden / "official_pretrain.pth", tmp_path / "model", **HEADS)
    return VideoMAEForPreTraining.from_pretrained(folder), load_file(golden / "official_pretrain.safetensors")


def test_official_pre_training(official_pretraining):
    model, expected = official_pretraining
    masked = expected["bool_masked_pos"]
    visible, decoded = positions_from_mask(masked)
    encoded = model.videomae(expected["pixel_values"], visible_positions=visible).last_hidden_state
    torch.testing.assert_close(encoded, expected["encoder_output"], atol=1e-4, rtol=0)
    targets = reconstruction_targets(expected["pixel_values"], model.config, decoded)
    torch.testing.assert_close(targets, expected["labels"], atol=1e-4, rtol=0)
    output = model(expected["pixel_values"], masked)
    torch.testing.assert_close(output.logits, expected["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(output.loss, expected["loss"][0], atol=0, rtol=1e-5)
    output.loss.backward()
    check_gradients(model, expected)


def test_official_pre_training_from_uint8(official_pretraining):
    model, expected = official_pretraining
    output = model(expected["video_uint8"], expected["bool_masked_pos"])
    torch.testing.assert_close(output.logits, expected["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(output.loss, expected["loss"][0], atol=0, rtol=1e-5)


def test_official_pre_training_on_raw_pixels(official_pretraining):
    model, expected = official_pretraining
    model.config.norm_pix_loss = False
    loss = model(expected["pixel_values"], expected["bool_masked_pos"]).loss
    torch.testing.assert_close(loss, expected["loss_unnormalized_target"][0], atol=0, rtol=1e-5)


@pytest.mark.parametrize(("name", "num_frames"), [("official_finetune", 16), ("official_finetune_32frames", 32)])
def test_official_classification(golden, tmp_path, name, num_frames):
    expected = load_file(golden / f"{name}.safetensors")
    folder = convert_checkpoint(
        golden / f"{name}.pth", tmp_path / "model", num_attention_heads=3, image_size=64, num_frames=num_frames
    )
    model = VideoMAEForVideoClassification.from_pretrained(folder)
    pooled = model.pool(model.videomae(expected["pixel_values"]).last_hidden_state)
    torch.testing.assert_close(pooled, expected["pooled"], atol=1e-4, rtol=0)
    for pixels in ("pixel_values", "video_uint8"):
        output = model(expected[pixels], labels=expected["labels"])
        torch.testing.assert_close(output.logits, expected["logits"], atol=1e-4, rtol=0)
        torch.testing.assert_close(output.loss, expected["loss"][0], atol=0, rtol=1e-5)
    output.loss.backward()
    check_gradients(model, expected)


def test_a_16_frame_checkpoint_loads_with_32_frames_as_the_official_code_does(golden, tmp_path):
    """The official code builds the longer table; the weights of both golden classifiers differ, so logits are compared
    with a model that was converted for 32 frames."""
    options = {"num_attention_heads": 3, "image_size": 64}
    source = golden / "official_finetune_32frames.pth"
    short = convert_checkpoint(source, tmp_path / "short", num_frames=16, **options)
    model = VideoMAEForVideoClassification.from_pretrained(short, num_frames=32)
    expected = load_file(golden / "official_finetune_32frames.safetensors")
    torch.testing.assert_close(model(expected["pixel_values"]).logits, expected["logits"], atol=1e-4, rtol=0)


def test_v2_pre_training_with_a_decoder_mask(golden, tmp_path):
    expected = load_file(golden / "v2_pretrain_compiled.safetensors")
    folder = convert_checkpoint(golden / "v2_pretrain_compiled.pth", tmp_path / "model", **HEADS)
    model = VideoMAEForPreTraining.from_pretrained(folder)
    output = model(expected["pixel_values"], expected["bool_masked_pos"], ~expected["decoder_mask"])
    torch.testing.assert_close(output.logits, expected["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(output.loss, expected["loss"][0], atol=0, rtol=1e-5)
    output.loss.backward()
    check_gradients(model, expected)


def test_official_drop_path_rates(golden, tiny_config):
    expected = json.loads((golden / "schedules.json").read_text())["drop_path"]["base_0.1"]
    model = ours.VideoMAEModel(tiny_config(num_hidden_layers=12, drop_path_rate=0.1))
    assert [layer.drop_path.rate for layer in model.encoder.layer] == pytest.approx(expected, abs=1e-7)


# --- folders of the Hub ---------------------------------------------------------------------------------------------


def test_a_hub_classifier_of_transformers_4(golden):
    expected = load_file(golden / "hub_v4_classifier.safetensors")
    model = VideoMAEForVideoClassification.from_pretrained(golden / "hub_v4_classifier")
    output = model(expected["pixel_values"], output_hidden_states=True)
    torch.testing.assert_close(output.hidden_states[-1], expected["last_hidden_state"], atol=1e-4, rtol=0)
    torch.testing.assert_close(output.logits, expected["logits"], atol=1e-4, rtol=0)


def test_a_hub_autoencoder_of_transformers_4(golden):
    expected = load_file(golden / "hub_v4_pretraining.safetensors")
    model = VideoMAEForPreTraining.from_pretrained(golden / "hub_v4_pretraining")
    output = model(expected["pixel_values"], expected["bool_masked_pos"])
    torch.testing.assert_close(output.logits, expected["logits"], atol=1e-4, rtol=0)
    torch.testing.assert_close(output.loss, expected["loss"][0], atol=0, rtol=1e-5)


# --- transformers' own VideoMAE on random twins ---------------------------------------------------------------------

TWINS = {
    "plain": {},
    "raw pixels": {"norm_pix_loss": False},
    "no biases": {"qv_bias": False},
    "four layers of decoder": {"decoder_num_hidden_layers": 4},
    "relu": {"hidden_act": "relu"},
    "long clip": {"num_frames": 10},
    "one channel": {"num_channels": 1, "image_mean": 0.0, "image_std": 1.0},  # there no statistics are applied
}


def twin_fields(config, **overrides):
    fields = {
        name: value for name, value in config.to_dict().items() if name not in ("transformers_version", "qkv_bias")
    }
    return fields | overrides


def randomized(model):
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(params=TWINS)
def overrides(request):
    torch.manual_seed(0)
    # 1e-5 is the one eps that transformers has in every norm.
    return {"layer_norm_eps": 1e-5, **TWINS[request.param]}


@pytest.mark.parametrize("name", ["VideoMAEForPreTraining", "VideoMAEForVideoClassification"])
@pytest.mark.parametrize("direction", ["theirs to ours", "ours to theirs"])
def test_both_give_the_same_from_one_folder(tiny_config, tmp_path, overrides, name, direction):
    config = tiny_config(**overrides, use_mean_pooling=name != "VideoMAEForPreTraining")
    here, there = getattr(ours, name), getattr(plain, name)
    if direction == "ours to theirs":
        model = randomized(here(config))
        model.save_pretrained(tmp_path)
        twin = there.from_pretrained(tmp_path).eval()
    else:
        twin = randomized(there(PlainConfig(**twin_fields(config))))
        twin.save_pretrained(tmp_path)
        model = here.from_pretrained(tmp_path)
    inputs = {"pixel_values": torch.randn(2, config.num_frames, config.num_channels, *config.frame_size)}
    if name == "VideoMAEForPreTraining":
        inputs["bool_masked_pos"] = torch.rand(2, config.num_patches).argsort(1) < config.num_patches * 3 // 4
    else:
        inputs["labels"] = torch.tensor([1, 5])
    expected, output = twin(**inputs), model(**inputs)
    torch.testing.assert_close(output.logits, expected.logits, atol=1e-4, rtol=0)
    torch.testing.assert_close(output.loss, expected.loss, atol=0, rtol=1e-5)
    expected.loss.backward()
    output.loss.backward()
    theirs = dict(twin.named_parameters())
    for parameter_name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[parameter_name].grad, atol=1e-4, rtol=1e-4)


def test_token_pooling_gives_the_same(tiny_config, tmp_path):
    torch.manual_seed(0)
    model = randomized(VideoMAEForVideoClassification(tiny_config(use_mean_pooling=False, layer_norm_eps=1e-5)))
    model.save_pretrained(tmp_path)
    twin = plain.VideoMAEForVideoClassification.from_pretrained(tmp_path).eval()
    pixels = torch.randn(2, 4, 3, 24, 32)
    torch.testing.assert_close(model(pixels).logits, twin(pixels).logits, atol=1e-4, rtol=0)


def test_with_our_default_eps_plain_transformers_stays_within_1e_4(tiny_config, tmp_path):
    torch.manual_seed(0)
    model = VideoMAEForVideoClassification(tiny_config(classifier_init_scale=1.0)).eval()
    assert model.config.layer_norm_eps == 1e-6
    model.save_pretrained(tmp_path)
    twin = plain.VideoMAEForVideoClassification.from_pretrained(tmp_path).eval()
    pixels = torch.randn(2, 4, 3, 24, 32)
    torch.testing.assert_close(model(pixels).logits, twin(pixels).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("masked", [False, True])
def test_hidden_states_and_attentions_of_the_encoder_are_the_same(tiny_config, tmp_path, masked):
    torch.manual_seed(0)
    model = randomized(ours.VideoMAEModel(tiny_config(use_mean_pooling=False, layer_norm_eps=1e-5)))
    model.save_pretrained(tmp_path)
    twin = plain.VideoMAEModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    inputs = {"pixel_values": torch.randn(2, 4, 3, 24, 32), "output_hidden_states": True, "output_attentions": True}
    if masked:
        inputs["bool_masked_pos"] = torch.rand(2, 24).argsort(1) < 18
    expected, output = twin(**inputs), model(**inputs)
    torch.testing.assert_close(output.last_hidden_state, expected.last_hidden_state, atol=1e-4, rtol=0)
    for name in ("hidden_states", "attentions"):
        for mine, theirs in zip(output[name], expected[name], strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("problem_type", ["multi_label_classification", "regression"])
def test_the_losses_of_other_problem_types_are_the_same(tiny_config, tmp_path, problem_type):
    torch.manual_seed(0)
    config = tiny_config(layer_norm_eps=1e-5, problem_type=problem_type)
    model = randomized(VideoMAEForVideoClassification(config))
    model.save_pretrained(tmp_path)
    twin = plain.VideoMAEForVideoClassification.from_pretrained(tmp_path).eval()
    pixels, labels = torch.randn(2, 4, 3, 24, 32), torch.randint(0, 2, (2, 7)).float()
    torch.testing.assert_close(model(pixels, labels=labels).loss, twin(pixels, labels=labels).loss)
