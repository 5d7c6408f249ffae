# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import math

import pytest
import torch
from torch.nn import functional as F

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEModel
from videomae.masking import positions_from_mask
from videomae.modeling_videomae import (
    CheckpointError,
    VideoMAEDropPath,
    channels_adapted,
    classification_loss,
    cut_patches,
    logger,
    plain_transformers_differences,
    position_table,
    reconstruction_targets,
    sinusoid_table,
)

MODELS = [VideoMAEModel, VideoMAEForPreTraining, VideoMAEForVideoClassification]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def clip(config, batch=2, dtype=torch.float32):
    shape = (batch, config.num_frames, config.num_channels, *config.frame_size)
    if dtype == torch.uint8:
        return torch.randint(0, 256, shape, dtype=dtype)
    return torch.randn(shape, dtype=dtype)


def mask(config, hidden=18, batch=2):
    order = torch.rand(batch, config.num_patches).argsort(dim=1)
    return order < hidden


def inputs_for(model_class, config, batch=2):
    inputs = {"pixel_values": clip(config, batch)}
    if model_class is VideoMAEForPreTraining:
        inputs["bool_masked_pos"] = mask(config, batch=batch)
    if model_class is VideoMAEForVideoClassification:
        inputs["labels"] = torch.arange(batch) % config.num_labels
    return inputs


# --- patches --------------------------------------------------------------------------------------------------------


def test_patches_are_numbered_by_time_then_row_then_column(tiny_config):
    config = tiny_config()
    pixels = clip(config)
    patches = cut_patches(pixels, config)
    assert patches.shape == (2, 24, 2, 3, 8, 8)
    number = (1 * 3 + 2) * 4 + 3  # t = 1, row 2, column 3
    assert torch.equal(patches[:, number], pixels[:, 2:4, :, 16:24, 24:32])


def test_patches_at_positions_are_those_of_the_whole_clip(tiny_config):
    config = tiny_config(patch_size=[6, 8])
    pixels = clip(config, dtype=torch.uint8)
    positions = torch.stack([torch.randperm(config.num_patches)[:5].sort().values for _ in range(2)])
    everything = cut_patches(pixels, config)
    chosen = cut_patches(pixels, config, positions)
    assert chosen.dtype == torch.uint8
    for row in range(2):
        assert torch.equal(chosen[row], everything[row, positions[row]])


def test_the_patch_embedding_is_the_convolution_of_its_weight(tiny_config):
    config = tiny_config()
    embed = VideoMAEModel(config).embeddings.patch_embeddings
    pixels = clip(config)
    projection = embed.projection
    convolved = F.conv3d(pixels.transpose(1, 2), projection.weight, projection.bias, stride=(2, 8, 8))
    torch.testing.assert_close(embed(pixels), convolved.flatten(2).transpose(1, 2))


def test_hidden_patches_can_hold_anything(tiny_config):
    config = tiny_config()
    model = VideoMAEModel(config).eval()
    pixels, hidden = clip(config), mask(config)
    before = model(pixels, bool_masked_pos=hidden).last_hidden_state
    flags = hidden.view(2, *config.grid)
    flags = flags.repeat_interleave(2, 1).repeat_interleave(8, 2).repeat_interleave(8, 3)[:, :, None]
    after = model(pixels.masked_fill(flags, math.nan), bool_masked_pos=hidden).last_hidden_state
    assert torch.equal(before, after)


# --- targets and loss -----------------------------------------------------------------------------------------------


def test_targets_are_pixel_major_with_the_channel_fastest(tiny_config):
    config = tiny_config(norm_pix_loss=False, image_mean=0.0, image_std=1.0)
    pixels = clip(config)
    target = reconstruction_targets(pixels, config, torch.tensor([[5], [7]]))
    patch = cut_patches(pixels, config)[0, 5]  # (tubelet, C, h, w)
    frame, row, column, channel = 1, 6, 3, 2
    assert target[0, 0, ((frame * 8 + row) * 8 + column) * 3 + channel] == patch[frame, channel, row, column]


def test_normalised_targets_have_no_mean_and_unit_deviation_per_channel(tiny_config):
    config = tiny_config()
    target = reconstruction_targets(clip(config), config, torch.arange(24).repeat(2, 1)).view(2, 24, 128, 3)
    torch.testing.assert_close(target.mean(2), torch.zeros(2, 24, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(target.std(2), torch.ones(2, 24, 3), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "statistics",
    [{"image_mean": 0.45, "image_std": 0.225}, {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}],
)
@pytest.mark.parametrize("norm_pix_loss", [True, False])
def test_uint8_clips_are_normalised_inside_with_the_configured_statistics(tiny_config, statistics, norm_pix_loss):
    config = tiny_config(norm_pix_loss=norm_pix_loss, **statistics)
    model = VideoMAEForPreTraining(config).eval()
    pixels, hidden = clip(config, dtype=torch.uint8), mask(config)
    mean, std = (torch.as_tensor(statistics[name]).view(-1, 1, 1) for name in ("image_mean", "image_std"))
    outside = model((pixels / 255 - mean) / std, hidden)
    inside = model(pixels, hidden)
    torch.testing.assert_close(inside.logits, outside.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(inside.loss, outside.loss)


def test_the_loss_is_the_mean_square_error_over_hidden_and_decoded_patches(tiny_config):
    config = tiny_config()
    model = VideoMAEForPreTraining(config).eval()
    pixels, hidden = clip(config), mask(config, hidden=16)
    decoded = torch.zeros_like(hidden)
    decoded[:, 1::2] = True
    output = model(pixels, hidden, decoded)
    assert output.logits.shape == (2, 12, config.patch_dim)
    positions = decoded.nonzero()[:, 1].view(2, -1)
    error = (output.logits - reconstruction_targets(pixels, config, positions)).square().mean(-1)
    counted = hidden.gather(1, positions)
    assert 0 < counted.sum() < counted.numel()
    torch.testing.assert_close(output.loss, error[counted].mean())


def test_the_loss_is_computed_in_float32_for_a_bfloat16_model(tiny_config):
    config = tiny_config()
    model = VideoMAEForPreTraining(config).to(torch.bfloat16)
    output = model(clip(config, dtype=torch.uint8), mask(config))
    assert output.logits.dtype == torch.bfloat16
    assert output.loss.dtype == torch.float32


def test_every_parameter_receives_a_gradient(tiny_config):
    for model_class in (VideoMAEForPreTraining, VideoMAEForVideoClassification):
        config = tiny_config(classifier_init_scale=1.0)
        model = model_class(config)
        model(**inputs_for(model_class, config)).loss.backward()
        without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert without == []


# --- masks ----------------------------------------------------------------------------------------------------------


def test_flags_and_positions_say_the_same(tiny_config):
    config = tiny_config()
    model = VideoMAEForPreTraining(config).eval()
    pixels, hidden = clip(config), mask(config)
    visible, decoded = positions_from_mask(hidden)
    assert visible.shape == (2, 6) and decoded.shape == (2, 18)
    assert visible.dtype == decoded.dtype == torch.int64
    by_flags = model(pixels, hidden)
    by_positions = model(pixels, visible_positions=visible, decoded_positions=decoded)
    assert torch.equal(by_flags.logits, by_positions.logits)
    assert torch.equal(by_flags.loss, by_positions.loss)


def test_a_mask_of_the_wrong_length_raises_with_both_lengths(tiny_config):
    config = tiny_config()
    with pytest.raises(ValueError, match=r"bool_masked_pos is \(2, 23\), wanted \(B, 24\)"):
        VideoMAEForPreTraining(config)(clip(config), mask(config)[:, 1:])


@pytest.mark.parametrize("given", ["nothing", "both", "half", "decoder only"])
def test_the_mask_comes_in_exactly_one_form(tiny_config, given):
    config = tiny_config()
    hidden = mask(config)
    visible, decoded = positions_from_mask(hidden)
    arguments = {
        "nothing": {},
        "both": {"bool_masked_pos": hidden, "visible_positions": visible, "decoded_positions": decoded},
        "half": {"visible_positions": visible},
        "decoder only": {"bool_decoded_pos": hidden, "visible_positions": visible, "decoded_positions": decoded},
    }[given]
    with pytest.raises(ValueError, match="exactly one form"):
        VideoMAEForPreTraining(config)(clip(config), **arguments)


def test_a_clip_of_another_shape_raises_with_both_shapes(tiny_config):
    config = tiny_config()
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 24, 32\), wanted .*\('B', 4, 3, 24, 32\)"):
        VideoMAEModel(config)(clip(config).transpose(1, 2))


def test_integers_that_are_no_bytes_are_not_taken_for_normalised(tiny_config):
    config = tiny_config()
    with pytest.raises(ValueError, match="torch.int64, wanted uint8, or floats"):
        VideoMAEModel(config)(clip(config, dtype=torch.uint8).long())


def test_the_encoder_takes_a_mask_that_hides_nothing(tiny_config):
    config = tiny_config()
    model, pixels = VideoMAEModel(config).eval(), clip(config)
    masked = model(pixels, bool_masked_pos=torch.zeros(2, 24, dtype=torch.bool))
    assert torch.equal(masked.last_hidden_state, model(pixels).last_hidden_state)


# --- positions ------------------------------------------------------------------------------------------------------


def test_the_sinusoid_has_sines_at_even_and_cosines_at_odd_channels():
    table = sinusoid_table(50, 12)
    angle = 37 / 10000 ** (2 * 2 / 12)  # channels 4 and 5 are the pair 2
    torch.testing.assert_close(table[37, 4], torch.tensor(math.sin(angle)))
    torch.testing.assert_close(table[37, 5], torch.tensor(math.cos(angle)))


def test_positions_of_a_longer_clip_are_the_longer_table(tiny_config):
    longer = position_table(tiny_config(num_frames=8), 12)
    assert torch.equal(longer[:24], position_table(tiny_config(), 12))
    assert torch.equal(longer, sinusoid_table(48, 12))


def test_interpolated_positions_follow_time_height_and_width(tiny_config):
    source = sinusoid_table(24, 12).view(2, 3, 4, 12)
    doubled = position_table(tiny_config(num_frames=8, position_grid=[2, 3, 4]), 12).view(4, 3, 4, 12)
    torch.testing.assert_close(doubled[0], source[0])  # the ends are held
    torch.testing.assert_close(doubled[1], 0.75 * source[0] + 0.25 * source[1])
    wider = position_table(tiny_config(image_size=[24, 64], position_grid=[2, 3, 4]), 12).view(2, 3, 8, 12)
    torch.testing.assert_close(wider[:, :, 2], 0.25 * source[:, :, 0] + 0.75 * source[:, :, 1])
    same = position_table(tiny_config(position_grid=[2, 3, 4]), 12)
    torch.testing.assert_close(same, sinusoid_table(24, 12))


def test_a_checkpoint_loads_for_another_clip_shape_in_both_ways(tiny_config, tmp_path):
    VideoMAEForVideoClassification(tiny_config()).save_pretrained(tmp_path / "short")
    load = VideoMAEForVideoClassification.from_pretrained
    official = load(tmp_path / "short", num_frames=8)
    assert torch.equal(official.videomae.embeddings.position_embeddings.table, sinusoid_table(48, 12))
    interpolated = load(tmp_path / "short", num_frames=8, image_size=[32, 32], interpolate_positions=True)
    config = tiny_config(num_frames=8, image_size=[32, 32], position_grid=[2, 3, 4])
    assert torch.equal(interpolated.videomae.embeddings.position_embeddings.table, position_table(config, 12))
    interpolated.save_pretrained(tmp_path / "long")
    # The grid that was trained with is remembered, also for the next change of shape.
    assert list(load(tmp_path / "long").config.position_grid) == [2, 3, 4]
    again = load(tmp_path / "long", num_frames=12, interpolate_positions=True)
    assert list(again.config.position_grid) == [2, 3, 4]
    assert load(tmp_path / "long", interpolate_positions=False).config.position_grid is None


def test_position_tables_are_not_stored_and_survive_loading_in_half_precision(tiny_config, tmp_path):
    VideoMAEForPreTraining(tiny_config()).save_pretrained(tmp_path)
    model = VideoMAEForPreTraining.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert not [name for name in model.state_dict() if "position" in name]
    for module, width in ((model.videomae.embeddings.position_embeddings, 12), (model.position_embeddings, 10)):
        assert torch.equal(module.table.bfloat16(), sinusoid_table(24, width).bfloat16())
    assert model(clip(model.config, dtype=torch.uint8), mask(model.config)).logits.dtype == torch.bfloat16
    assert model.double().position_embeddings.table.dtype == torch.float64


# --- attention, depth, checkpointing --------------------------------------------------------------------------------


def test_sdpa_is_the_default_and_attentions_come_out_all_the_same(tiny_config):
    config = tiny_config()
    model = VideoMAEForVideoClassification(config).eval()
    assert model.config._attn_implementation == "sdpa"
    pixels = clip(config)
    plain, asked = model(pixels), model(pixels, output_attentions=True, output_hidden_states=True)
    torch.testing.assert_close(plain.logits, asked.logits)
    assert [tuple(a.shape) for a in asked.attentions] == [(2, 3, 24, 24)] * 2
    torch.testing.assert_close(asked.attentions[0].sum(-1), torch.ones(2, 3, 24))
    assert [tuple(h.shape) for h in asked.hidden_states] == [(2, 24, 12)] * 3
    assert plain.attentions is None and plain.hidden_states is None


def test_sdpa_and_eager_agree(tiny_config):
    config = tiny_config()
    model = VideoMAEForPreTraining(config).eval()
    inputs = inputs_for(VideoMAEForPreTraining, config)
    sdpa = model(**inputs).logits
    model.set_attn_implementation("eager")
    torch.testing.assert_close(model(**inputs).logits, sdpa)


def test_gradient_checkpointing_changes_no_gradient(tiny_config):
    config = tiny_config(drop_path_rate=0.5)
    model = VideoMAEForPreTraining(config).train()
    inputs = inputs_for(VideoMAEForPreTraining, config)
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            model.gradient_checkpointing_enable()
        model.zero_grad()
        torch.manual_seed(3)  # the same blocks are dropped
        runs = []
        hook = model.videomae.encoder.layer[0].attention.register_forward_hook(lambda *_, runs=runs: runs.append(1))
        model(**inputs).loss.backward()
        hook.remove()
        assert len(runs) == 1 + checkpointing  # once more in the backward pass
        gradients.append([p.grad.clone() for p in model.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


def test_drop_path_drops_whole_clips_and_keeps_the_mean():
    drop = VideoMAEDropPath(0.3).train()
    out = drop(torch.ones(20_000, 2, 3))
    per_clip = out[:, 0, 0]
    assert torch.equal(out, per_clip[:, None, None].expand_as(out))
    assert per_clip.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (per_clip == 0).float().mean().item() == pytest.approx(0.3, abs=0.015)  # 4.6 standard deviations
    assert torch.equal(drop.eval()(torch.ones(3, 2)), torch.ones(3, 2))


def test_drop_path_grows_linearly_over_the_blocks(tiny_config):
    model = VideoMAEModel(tiny_config(num_hidden_layers=5, drop_path_rate=0.2))
    assert [layer.drop_path.rate for layer in model.encoder.layer] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_one_eps_in_every_norm(tiny_config):
    for model_class in MODELS:
        model = model_class(tiny_config(layer_norm_eps=3e-4))
        assert {m.eps for m in model.modules() if isinstance(m, torch.nn.LayerNorm)} == {3e-4}


# --- initialisation -------------------------------------------------------------------------------------------------


def wide(tiny_config, **overrides):
    return tiny_config(
        hidden_size=192,
        intermediate_size=400,
        decoder_hidden_size=160,
        decoder_num_attention_heads=4,
        decoder_intermediate_size=300,
        num_labels=50,
        **overrides,
    )


def bounds(weight):
    return weight.abs().max().item(), weight.std().item()


def test_pre_training_starts_from_xavier_with_its_exceptions(tiny_config):
    model = VideoMAEForPreTraining(wide(tiny_config))
    layer = model.videomae.encoder.layer[0]
    attention = layer.attention.attention
    # fused (3D, D): √(6 / 4D); plain: √(6 / (in + out)); PyTorch's default: 1 / √in. A uniform deviates by bound / √3.
    for weight, bound in (
        (attention.query.weight, math.sqrt(6 / (4 * 192))),
        (attention.key.weight, math.sqrt(6 / (4 * 192))),
        (attention.value.weight, math.sqrt(6 / (4 * 192))),
        (layer.attention.output.dense.weight, math.sqrt(6 / (2 * 192))),
        (layer.intermediate.dense.weight, math.sqrt(6 / (192 + 400))),
        (model.decoder.head.weight, math.sqrt(6 / (160 + 384))),
        (model.encoder_to_decoder.weight, 1 / math.sqrt(192)),
        (model.videomae.embeddings.patch_embeddings.projection.weight, 1 / math.sqrt(384)),
        (model.videomae.embeddings.patch_embeddings.projection.bias, 1 / math.sqrt(384)),
    ):
        largest, deviation = bounds(weight)
        assert 0.93 * bound < largest <= bound
        assert deviation == pytest.approx(bound / math.sqrt(3), rel=0.12)
    largest, deviation = bounds(model.mask_token)
    assert largest <= 0.02 and deviation == pytest.approx(0.54 * 0.02, rel=0.2)
    assert not attention.query.bias.any() and not layer.intermediate.dense.bias.any()
    assert (model.decoder.norm.weight == 1).all() and not model.decoder.norm.bias.any()


def test_classification_starts_from_a_truncated_normal_and_a_nearly_zero_head(tiny_config):
    model = VideoMAEForVideoClassification(wide(tiny_config))
    layer = model.videomae.encoder.layer[0]
    for weight in (layer.attention.attention.key.weight, layer.output.dense.weight):
        assert weight.std().item() == pytest.approx(0.02, rel=0.03)
    projection = model.videomae.embeddings.patch_embeddings.projection
    assert bounds(projection.weight)[0] <= 1 / math.sqrt(384)
    assert model.classifier.weight.std().item() == pytest.approx(0.02 * 0.001, rel=0.05)
    assert not model.classifier.bias.any()


# --- compile and export ---------------------------------------------------------------------------------------------


def test_training_compiles_without_a_graph_break(tiny_config):
    config = tiny_config(drop_path_rate=0.1)
    model = VideoMAEForPreTraining(config)
    visible, decoded = positions_from_mask(mask(config))
    inputs = {
        "pixel_values": clip(config, dtype=torch.uint8),
        "visible_positions": visible,
        "decoded_positions": decoded,
    }
    model.eval()
    expected = model(**inputs).loss
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(**inputs).loss, expected)
    model.train()
    compiled(**inputs).loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_classification_compiles_whole(tiny_config):
    config = tiny_config()
    model = VideoMAEForVideoClassification(config).eval()
    inputs = inputs_for(VideoMAEForVideoClassification, config)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(**inputs).loss, model(**inputs).loss)


@pytest.mark.slow
def test_training_compiles_with_the_default_backend(tiny_config):
    config = tiny_config()
    model = VideoMAEForPreTraining(config)
    visible, decoded = positions_from_mask(mask(config))
    inputs = {"pixel_values": clip(config), "visible_positions": visible, "decoded_positions": decoded}
    loss = torch.compile(model, fullgraph=True)(**inputs).loss
    torch.testing.assert_close(loss, model(**inputs).loss)
    loss.backward()


def test_classification_exports_with_a_dynamic_batch(tiny_config):
    config = tiny_config()
    model = VideoMAEForVideoClassification(config).eval()
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    program = torch.export.export(model, (clip(config, 2),), dynamic_shapes={"pixel_values": batch})
    other = clip(config, 5)
    torch.testing.assert_close(program.module()(other).logits, model(other).logits)


# --- classification loss --------------------------------------------------------------------------------------------


def test_indices_and_their_one_hot_probabilities_cost_the_same():
    logits, labels = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    one_hot = F.one_hot(labels, 4).float()
    torch.testing.assert_close(classification_loss(logits, labels), classification_loss(logits, one_hot))
    torch.testing.assert_close(classification_loss(logits, labels), F.cross_entropy(logits, labels))


def test_mixed_probabilities_are_cross_entropy_not_binary():
    logits, mixed = torch.randn(5, 4), torch.rand(5, 4).softmax(-1)
    expected = -(mixed * logits.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(classification_loss(logits, mixed), expected)


def test_other_problem_types_have_their_own_loss():
    logits, targets = torch.randn(5, 4), torch.randint(0, 2, (5, 4))
    multi = classification_loss(logits, targets, "multi_label_classification")
    torch.testing.assert_close(multi, F.binary_cross_entropy_with_logits(logits, targets.float()))
    torch.testing.assert_close(classification_loss(logits, targets, "regression"), F.mse_loss(logits, targets.float()))
    scores = torch.randn(5)
    torch.testing.assert_close(classification_loss(logits[:, :1], scores), F.mse_loss(logits[:, 0], scores))


def test_label_smoothing_and_class_weights_reach_cross_entropy():
    logits, labels, weights = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2]), torch.tensor([1.0, 2, 3, 4])
    loss = classification_loss(logits, labels, label_smoothing=0.1, class_weights=weights)
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels, weight=weights, label_smoothing=0.1))


def test_labels_that_do_not_fit_raise():
    logits = torch.randn(5, 4)
    for labels, problem_type, message in (
        (torch.rand(5), None, r"labels are torch.float32 of shape \(5,\), wanted \(5, 4\)"),
        (torch.zeros(5, 4, dtype=torch.int64), None, r"class indices are of shape \(5, 4\), wanted \(5,\)"),
        (torch.zeros(5), "multi_label_classification", r"shape \(5,\), wanted \(5, 4\)"),
        (torch.zeros(4, 5), "regression", r"shape \(4, 5\), wanted \(5, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            classification_loss(logits, labels, problem_type)
    with pytest.raises(ValueError, match="problem_type is 'ranking'"):
        classification_loss(torch.randn(5, 4), torch.tensor([0] * 5), "ranking")


def test_soft_labels_do_not_change_the_configuration(tiny_config):
    config = tiny_config()
    model = VideoMAEForVideoClassification(config)
    model(clip(config), labels=torch.full((2, 7), 1 / 7))
    assert model.config.problem_type is None
    model(clip(config), labels=torch.tensor([1, 2]))


# --- loading and saving ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model_class", MODELS)
def test_what_is_saved_loads_back_bit_equal(tiny_config, tmp_path, model_class):
    config = tiny_config()
    model = model_class(config).eval()
    model.save_pretrained(tmp_path)
    loaded = model_class.from_pretrained(tmp_path)
    inputs = inputs_for(model_class, config)
    for name, value in model(**inputs).items():
        assert torch.equal(value, loaded(**inputs)[name])


def remove_weight(folder, name):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop(name)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", ["videomae.encoder.layer.1.attention.attention.q_bias", "classifier.bias"])
def test_a_missing_weight_stops_the_load_and_is_named(tiny_config, tmp_path, name):
    VideoMAEForVideoClassification(tiny_config()).save_pretrained(tmp_path)
    remove_weight(tmp_path, name)
    ours = name.replace("q_bias", "query.bias")
    with pytest.raises(ValueError, match=rf"missing weights \(1\): {ours}\n"):
        VideoMAEForVideoClassification.from_pretrained(tmp_path)
    _, info = VideoMAEForVideoClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert info["missing_keys"] == {ours}


def test_a_weight_of_another_shape_stops_the_load_and_is_named(tiny_config, tmp_path):
    VideoMAEForVideoClassification(tiny_config()).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"another shape \(2\): classifier\.bias is \[7\], wanted \[4\]"):
        VideoMAEForVideoClassification.from_pretrained(tmp_path, num_labels=4)
    loaded = VideoMAEForVideoClassification.from_pretrained(tmp_path, num_labels=4, ignore_mismatched_sizes=True)
    assert loaded.classifier.bias.shape == (4,)


def test_a_damaged_file_of_weights_is_named(tiny_config, tmp_path):
    VideoMAEForVideoClassification(tiny_config()).save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="the file of weights is damaged"):
        VideoMAEForVideoClassification.from_pretrained(tmp_path)


def test_a_left_over_weight_stops_the_load_and_is_named(tiny_config, tmp_path):
    VideoMAEForVideoClassification(tiny_config(num_hidden_layers=3)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"unexpected weights \(15\): videomae\.encoder\.layer\.2\.attention"):
        VideoMAEForVideoClassification.from_pretrained(tmp_path, num_hidden_layers=2)


def test_a_decoder_that_is_too_deep_for_the_model_stops_the_load(tiny_config, tmp_path):
    VideoMAEForPreTraining(tiny_config(decoder_num_hidden_layers=2)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"unexpected weights \(15\): decoder\.decoder_layers\.1\.attention"):
        VideoMAEForPreTraining.from_pretrained(tmp_path, decoder_num_hidden_layers=1)


def test_a_pre_trained_checkpoint_gives_a_fresh_classifier_that_pools_the_mean(tiny_config, tmp_path, caplog):
    pretrained = VideoMAEForPreTraining(tiny_config())
    pretrained.save_pretrained(tmp_path)
    assert pretrained.config.use_mean_pooling is False
    model = VideoMAEForVideoClassification.from_pretrained(tmp_path, num_labels=5)
    assert "has no classifier: it starts fresh" in caplog.text
    assert model.config.use_mean_pooling and model.fc_norm is not None and model.videomae.layernorm is None
    theirs, ours = pretrained.videomae.encoder.state_dict(), model.videomae.encoder.state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    token = VideoMAEForVideoClassification.from_pretrained(tmp_path, num_labels=5, use_mean_pooling=False)
    assert token.fc_norm is None and token.videomae.layernorm is not None


def test_an_encoder_alone_gives_a_classifier_that_pools_the_mean(tiny_config, tmp_path):
    VideoMAEForPreTraining(tiny_config()).save_pretrained(tmp_path / "autoencoder")
    VideoMAEModel.from_pretrained(tmp_path / "autoencoder").save_pretrained(tmp_path / "encoder")
    assert VideoMAEForVideoClassification.from_pretrained(tmp_path / "encoder").config.use_mean_pooling
    # The stored configuration passed as an object, as the Auto classes do it.
    config = VideoMAEModel.from_pretrained(tmp_path / "encoder").config
    assert VideoMAEForVideoClassification.from_pretrained(tmp_path / "encoder", config=config).fc_norm is not None
    assert config.use_mean_pooling is False  # the caller's object stays as it is


def test_a_classifier_gives_pre_training_a_fresh_decoder(tiny_config, tmp_path, caplog):
    VideoMAEForVideoClassification(tiny_config()).save_pretrained(tmp_path)
    VideoMAEForPreTraining.from_pretrained(tmp_path)
    assert "has no decoder: it starts fresh" in caplog.text


def test_the_encoder_loads_from_every_kind_of_checkpoint(tiny_config, tmp_path):
    for model_class in (VideoMAEForPreTraining, VideoMAEForVideoClassification):
        model = model_class(tiny_config()).eval()
        model.save_pretrained(tmp_path / model_class.__name__)
        encoder = VideoMAEModel.from_pretrained(tmp_path / model_class.__name__)
        pixels = clip(model.config)
        assert torch.equal(encoder(pixels).last_hidden_state, model.videomae(pixels).last_hidden_state)


def test_key_biases_of_transformers_5_17_are_dropped(tiny_config, tmp_path):
    from safetensors.torch import load_file, save_file

    model = VideoMAEForVideoClassification(tiny_config()).eval()
    model.save_pretrained(tmp_path)
    weights = {
        name.replace(".q_bias", ".query.bias").replace(".v_bias", ".value.bias"): value
        for name, value in load_file(tmp_path / "model.safetensors").items()
    }
    for name in [name for name in weights if name.endswith("query.bias")]:
        weights[name.replace("query", "key")] = torch.zeros_like(weights[name])
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded = VideoMAEForVideoClassification.from_pretrained(tmp_path)
    pixels = clip(model.config)
    assert torch.equal(loaded(pixels).logits, model(pixels).logits)


def test_the_weights_of_a_file_load_into_a_live_model(tiny_config, tmp_path):
    """As transformers' Trainer resumes: `load_state_dict`, which knows nothing of the stored names."""
    from safetensors.torch import load_file

    model = VideoMAEForVideoClassification(tiny_config())
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    model.save_pretrained(tmp_path)
    other = VideoMAEForVideoClassification(tiny_config())
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())


def test_saving_warns_of_what_plain_transformers_cannot_express(tiny_config, tmp_path, caplog):
    assert plain_transformers_differences(tiny_config(layer_norm_eps=1e-5)) == []
    logger.warning_once.cache_clear()  # each warning comes once a process
    config = tiny_config(
        layer_norm_eps=1.23e-6, position_grid=[2, 3, 5], patch_size=[6, 8], norm_pix_loss=False, image_mean=0.45
    )
    assert len(plain_transformers_differences(config)) == 4
    VideoMAEForVideoClassification(config).save_pretrained(tmp_path)
    for text in ("layer_norm_eps is 1.23e-06", "grid [2, 3, 5]", "ImageNet's statistics", "patch_size is [6, 8]"):
        assert text in caplog.text


def test_a_load_says_only_what_matters(tiny_config, tmp_path, run_python):
    """One sentence for a fresh classifier, none for a whole checkpoint; no table and no talk of sharding."""
    VideoMAEForPreTraining(tiny_config()).save_pretrained(tmp_path)
    code = "import sys, videomae; getattr(videomae, sys.argv[1]).from_pretrained(sys.argv[2])"
    for name, sentences in (("VideoMAEForVideoClassification", 1), ("VideoMAEForPreTraining", 0)):
        said = run_python(code, name, tmp_path)
        assert said.returncode == 0, said.stderr
        lines = [line for line in said.stderr.splitlines() if line.strip() and "Loading weights" not in line]
        assert len(lines) == sentences, said.stderr


def test_labels_are_saved_with_the_model(tiny_config, tmp_path):
    names = {0: "wave", 1: "point"}
    config = tiny_config(num_labels=2, id2label=names, label2id={v: k for k, v in names.items()})
    VideoMAEForVideoClassification(config).save_pretrained(tmp_path)
    assert VideoMAEForVideoClassification.from_pretrained(tmp_path).config.id2label == names


# --- other channels than the checkpoint's ---------------------------------------------------------------------------


def with_other_channels(model_class, stored, folder, **settings):
    """A new model of the configuration `stored`, and what loads from its checkpoint with `settings`."""
    model = model_class(stored).eval()
    model.save_pretrained(folder)
    return model, model_class.from_pretrained(folder, **settings).eval()


def test_average_is_the_mean_and_repeat_takes_turns():
    weights = torch.tensor([[1.0, 2.0, 6.0], [3.0, 4.0, 5.0]])
    assert channels_adapted(weights, 2, "average", dim=1).tolist() == [[3, 3], [4, 4]]
    assert channels_adapted(weights, 5, "repeat", dim=1).tolist() == [[1, 2, 6, 1, 2], [3, 4, 5, 3, 4]]
    assert channels_adapted(weights, 3, "repeat", dim=0).tolist() == [[1, 2, 6], [3, 4, 5], [1, 2, 6]]
    for rule in ("average", "repeat"):
        assert channels_adapted(weights, 1, rule, dim=1).tolist() == [[3], [4]]
        assert channels_adapted(weights, 3, rule, dim=1) is weights


@pytest.mark.parametrize(
    ("num_channels", "rule"), [(1, "average"), (4, "average"), (13, "average")] + [(1, "repeat"), (6, "repeat")]
)
@pytest.mark.parametrize("model_class", [VideoMAEModel, VideoMAEForVideoClassification])
def test_a_picture_that_is_the_same_in_all_channels_gives_the_same_activations(
    model_class, num_channels, rule, tiny_config, tmp_path
):
    settings = {"num_channels": num_channels, "adapt_channels": rule}
    model, adapted = with_other_channels(model_class, tiny_config(), tmp_path, **settings)
    grey = torch.randn(2, 4, 1, 24, 32)
    before, after = model(grey.expand(-1, -1, 3, -1, -1)), adapted(grey.expand(-1, -1, num_channels, -1, -1))
    torch.testing.assert_close(after[0], before[0], atol=1e-5, rtol=1e-4)


def test_one_channel_of_rgb_weights_is_their_sum(tiny_config, tmp_path):
    model, adapted = with_other_channels(
        VideoMAEModel, tiny_config(), tmp_path, num_channels=1, adapt_channels="repeat"
    )
    rgb, grey = (each.embeddings.patch_embeddings.projection.weight for each in (model, adapted))
    torch.testing.assert_close(grey, rgb.sum(dim=1, keepdim=True))


def test_repeated_channels_are_scaled_to_the_number_they_replace(tiny_config, tmp_path):
    model, adapted = with_other_channels(
        VideoMAEModel, tiny_config(), tmp_path, num_channels=4, adapt_channels="repeat"
    )
    rgb, more = (each.embeddings.patch_embeddings.projection for each in (model, adapted))
    torch.testing.assert_close(more.weight, rgb.weight[:, [0, 1, 2, 0]] * 3 / 4)
    assert torch.equal(more.bias, rgb.bias)
    assert more.in_channels == 4


@pytest.mark.parametrize(("rule", "sources"), [("repeat", [0, 1, 2, 0]), ("average", None)])
def test_the_decoder_predicts_each_new_channel_as_it_did_the_old(rule, sources, tiny_config, tmp_path):
    model = VideoMAEForPreTraining(tiny_config())
    torch.nn.init.normal_(model.decoder.head.bias)  # an untrained bias is zero
    model.save_pretrained(tmp_path)
    adapted = VideoMAEForPreTraining.from_pretrained(tmp_path, num_channels=4, adapt_channels=rule)
    tokens = torch.randn(2, 6, model.config.decoder_hidden_size)
    rgb = model.decoder.head(tokens).unflatten(-1, (2, 8, 8, 3))
    expected = rgb[..., sources] if sources else rgb.mean(-1, keepdim=True).expand(-1, -1, -1, -1, -1, 4)
    torch.testing.assert_close(adapted.decoder.head(tokens).unflatten(-1, (2, 8, 8, 4)), expected)
    assert adapted.decoder.head.out_features == adapted.config.patch_dim == 512


@pytest.mark.parametrize("rule", ["average", "repeat"])
def test_an_autoencoder_for_13_channels_trains_and_saves(rule, tiny_config, tmp_path):
    _, model = with_other_channels(
        VideoMAEForPreTraining, tiny_config(), tmp_path / "rgb", num_channels=13, adapt_channels=rule
    )
    inputs = inputs_for(VideoMAEForPreTraining, model.config)
    assert inputs["pixel_values"].shape == (2, 4, 13, 24, 32)
    loss = model(**inputs).loss
    loss.backward()
    assert loss.isfinite()
    assert model.videomae.embeddings.patch_embeddings.projection.weight.grad.abs().sum(dim=(0, 2, 3, 4)).min() > 0
    model.save_pretrained(tmp_path / "13")
    again = VideoMAEForPreTraining.from_pretrained(tmp_path / "13")
    assert torch.equal(again(**inputs).loss, loss)
    for name in ("num_channels", "image_mean", "image_std"):
        assert getattr(again.config, name) == getattr(model.config, name)


@pytest.mark.parametrize("model_class", MODELS)
def test_other_channels_without_a_rule_stop_the_load(model_class, tiny_config, tmp_path):
    model_class(tiny_config()).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="weights for 3 channels, num_channels is 4: adapt_channels='average'"):
        model_class.from_pretrained(tmp_path, num_channels=4)
    with pytest.raises(CheckpointError, match=r"need `adapt_channels=`"):
        model_class.from_pretrained(tmp_path, config=tiny_config(num_channels=4))
    model_class.from_pretrained(tmp_path, num_channels=3)


def test_an_unknown_rule_is_an_error_whatever_the_channels(tiny_config, tmp_path):
    VideoMAEModel(tiny_config()).save_pretrained(tmp_path)
    for settings in ({}, {"num_channels": 4}):
        with pytest.raises(ValueError, match="adapt_channels is 'copy', wanted 'average' or 'repeat'"):
            VideoMAEModel.from_pretrained(tmp_path, adapt_channels="copy", **settings)


def test_a_rule_without_other_channels_changes_nothing(tiny_config, tmp_path):
    model, loaded = with_other_channels(VideoMAEForPreTraining, tiny_config(), tmp_path, adapt_channels="average")
    weights = loaded.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert loaded.config.image_mean == [0.485, 0.456, 0.406]


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({"adapt_channels": "repeat"}, [0.485, 0.456, 0.406, 0.485], [0.229, 0.224, 0.225, 0.229]),
        ({"adapt_channels": "average"}, [0.449] * 4, [0.226] * 4),
        (
            {"adapt_channels": "repeat", "image_mean": [0.1, 0.2, 0.3, 0.4], "image_std": 0.6},
            [0.1, 0.2, 0.3, 0.4],
            0.6,
        ),
    ],
)
def test_statistics_follow_the_rule_unless_they_are_given(settings, mean, std, tiny_config, tmp_path):
    _, model = with_other_channels(VideoMAEModel, tiny_config(), tmp_path, num_channels=4, **settings)
    assert model.config.image_mean == pytest.approx(mean)
    assert model.config.image_std == pytest.approx(std)


def test_statistics_of_a_configuration_that_is_given_are_given(tiny_config, tmp_path):
    config = tiny_config(num_channels=4, image_mean=[0.1, 0.2, 0.3, 0.4], drop_path_rate=0.3)
    _, model = with_other_channels(
        VideoMAEForVideoClassification, tiny_config(), tmp_path, config=config, adapt_channels="average"
    )
    assert (model.config.image_mean, model.config.image_std) == ([0.1, 0.2, 0.3, 0.4], 0.5)
    assert model.config.drop_path_rate == 0.3
    assert config.num_channels == 4
    assert model(torch.randn(2, 4, 4, 24, 32)).logits.shape == (2, 7)


def test_channels_adapt_together_with_the_shape_of_the_clip(tiny_config, tmp_path):
    _, model = with_other_channels(
        VideoMAEForPreTraining,
        tiny_config(),
        tmp_path,
        num_channels=2,
        adapt_channels="average",
        num_frames=8,
        interpolate_positions=True,
    )
    assert model.config.position_grid == [2, 3, 4]
    assert model(clip(model.config), bool_masked_pos=mask(model.config, hidden=40)).loss.isfinite()


def test_transformers_loading_information_comes_with_adapted_channels_too(tiny_config, tmp_path):
    VideoMAEModel(tiny_config()).save_pretrained(tmp_path)
    model, info = VideoMAEModel.from_pretrained(
        tmp_path, num_channels=4, adapt_channels="repeat", output_loading_info=True
    )
    assert model.config.num_channels == 4
    assert not info["missing_keys"]


def test_impossible_channels_are_refused(tiny_config, tmp_path):
    VideoMAEModel(tiny_config()).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="num_channels is 0, wanted at least 1"):
        VideoMAEModel.from_pretrained(tmp_path, num_channels=0, adapt_channels="average")
    with pytest.raises(ValueError, match="image_mean has 2 values, wanted one, or 4"):
        VideoMAEModel.from_pretrained(tmp_path, num_channels=4, adapt_channels="average", image_mean=[0.1, 0.2])


def test_the_rule_is_logged_in_one_line(tiny_config, tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(logger, "info", lines.append)
    with_other_channels(VideoMAEModel, tiny_config(), tmp_path, num_channels=4, adapt_channels="repeat")
    assert lines == ["weights for 3 channels made weights for 4 by the rule 'repeat'"]
