# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import weakref

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEModel, modeling_videomae
from videomae.explanation import attention_rollout, grad_cam, grad_cam_row, overlaid, rollout_matrix, rollout_row

CLASSES = (VideoMAEModel, VideoMAEForPreTraining, VideoMAEForVideoClassification)


@pytest.fixture
def clip():
    return torch.randint(0, 256, (4, 3, 24, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture
def classifier(tiny_config):
    torch.manual_seed(0)
    return VideoMAEForVideoClassification(tiny_config(classifier_init_scale=50.0, num_hidden_layers=3)).eval()


# ---- attention rollout ----


@pytest.mark.parametrize("model_class", CLASSES)
def test_rollout_is_the_product_of_the_attention_of_all_blocks_and_the_residual(tiny_config, clip, model_class):
    torch.manual_seed(0)
    model = model_class(tiny_config(num_hidden_layers=3)).eval()
    attentions = model.base_model(clip[None], output_attentions=True).attentions
    expected = torch.eye(24)
    for attention in attentions:
        expected = (attention[0].mean(dim=0) + torch.eye(24)) / 2 @ expected
    torch.testing.assert_close(rollout_matrix(model, clip), expected)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_rows_of_a_rollout_sum_to_1_for_any_implementation_of_attention(tiny_config, clip, implementation):
    torch.manual_seed(0)
    model = VideoMAEModel(tiny_config(initializer_range=0.5, attn_implementation=implementation))
    matrix = rollout_matrix(model, clip)
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(24))
    assert matrix.min() >= 0 and matrix.std() > 1e-3
    assert attention_rollout(model, clip).shape == (2, 3, 4)
    assert model.config._attn_implementation == implementation


def test_uniform_attention_gives_a_uniform_map(classifier, clip):
    for block in classifier.videomae.encoder.layer:
        torch.nn.init.zeros_(block.attention.attention.key.weight)  # every key alike: softmax of equal numbers
    torch.testing.assert_close(attention_rollout(classifier, clip), torch.full((2, 3, 4), 1 / 24))


def test_a_patch_that_all_attend_to_has_the_largest_share(classifier, clip, monkeypatch):
    def attend_to_patch_7(module, query, key, value, *args, **kwargs):
        weights = torch.zeros(1, 3, 24, 24)
        weights[..., 7] = 1
        return (weights @ value).transpose(1, 2).contiguous(), weights

    monkeypatch.setattr(modeling_videomae, "eager_attention_forward", attend_to_patch_7)
    rollout = attention_rollout(classifier, clip)
    even = 1 / 24 / 2**3  # what a patch keeps of its own token through three residual connections
    assert rollout[0, 1, 3] == pytest.approx(1 - 23 * even)  # patch 7 of the grid (2, 3, 4)


def test_a_classifier_that_takes_the_first_token_is_asked_for_its_row(tiny_config, clip):
    torch.manual_seed(0)
    model = VideoMAEForVideoClassification(tiny_config(use_mean_pooling=False))
    matrix = rollout_matrix(model, clip)
    torch.testing.assert_close(attention_rollout(model, clip).flatten(), matrix[0])
    assert not torch.allclose(matrix[0], matrix.mean(dim=0), atol=1e-3)


def test_the_attention_of_one_block_is_held_at_a_time(tiny_config, clip, monkeypatch):
    held, most = [], []
    eager = modeling_videomae.eager_attention_forward

    def watched(*args, **kwargs):
        context, weights = eager(*args, **kwargs)
        held.append(weakref.ref(weights))
        most.append(sum(reference() is not None for reference in held))
        return context, weights

    monkeypatch.setattr(modeling_videomae, "eager_attention_forward", watched)
    rollout_matrix(VideoMAEModel(tiny_config(num_hidden_layers=5)), clip)
    assert most == [1] * 5


# ---- Grad-CAM ----


def test_grad_cam_is_the_formula(classifier, clip):
    """Computed once more through the whole model: hidden state 2 is what the third and last block reads."""
    captured = []
    hook = classifier.videomae.encoder.layer[-1].register_forward_pre_hook(
        lambda module, inputs: captured.append(inputs[0].requires_grad_() if inputs[0].is_leaf else inputs[0])
    )
    logits = classifier(clip[None]).logits[0]
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[4], captured[0])
    alpha = gradient[0].mean(dim=0)
    expected = F.relu((captured[0][0] * alpha).sum(dim=1)).view(2, 3, 4).detach()
    assert expected.count_nonzero() > 0
    torch.testing.assert_close(grad_cam(classifier, clip, 4), expected)


@pytest.mark.parametrize("use_mean_pooling", [True, False])
def test_the_maximum_lies_where_the_only_patch_that_matters_is(tiny_config, use_mean_pooling):
    """A classifier that has learned to tell whether one patch is bright, among patches of noise."""
    torch.manual_seed(0)
    config = tiny_config(num_labels=2, classifier_init_scale=1.0, use_mean_pooling=use_mean_pooling)
    model = VideoMAEForVideoClassification(config).train()
    place = (1, 2, 1)  # of the grid (2, 3, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        clips, labels = noise_with_a_bright_patch(place, count=16)
        loss = model(clips, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2
    clips, labels = noise_with_a_bright_patch(place, count=20)
    found = [
        np.unravel_index(int(grad_cam(model, clip, 1).argmax()), config.grid)
        for clip, label in zip(clips, labels, strict=True)
        if label == 1
    ]
    assert len(found) == 10 and found.count(place) >= 9


def noise_with_a_bright_patch(place, *, count):
    """Clips (count, 4, 3, 24, 32); of the odd ones, class 1, one 2x8x8 patch is bright, as is no other."""
    clips = torch.randint(0, 128, (count, 4, 3, 24, 32), dtype=torch.uint8)
    labels = torch.arange(count) % 2
    t, h, w = place
    clips[1::2, 2 * t : 2 * t + 2, :, 8 * h : 8 * h + 8, 8 * w : 8 * w + 8] = 255
    return clips, labels


def test_classes_that_do_not_exist_and_clips_that_do_not_fit_raise(classifier, clip):
    with pytest.raises(ValueError, match="class 7 does not exist: the classifier has 7, from 0 on"):
        grad_cam(classifier, clip, 7)
    with pytest.raises(ValueError, match=r"pixel_values is \(1, 3, 3, 24, 32\), wanted"):
        grad_cam(classifier, clip[:3], 0)
    with pytest.raises(ValueError, match=r"pixel_values is \(1, 3, 3, 24, 32\), wanted"):
        attention_rollout(classifier, clip[:3])


# ---- both ----


@pytest.mark.parametrize("explain", [attention_rollout, lambda model, clip: grad_cam(model, clip, 2)])
def test_the_model_is_left_as_it_was(tiny_config, clip, explain):
    config = tiny_config(hidden_dropout_prob=0.5, drop_path_rate=0.5, classifier_init_scale=50.0)
    model = VideoMAEForVideoClassification(config).train()
    model.videomae.encoder.layer[0].eval()
    for parameter in model.videomae.embeddings.parameters():
        parameter.requires_grad_(False)
    before = state(model)
    first, second = explain(model, clip), explain(model, clip)
    assert torch.equal(first, second)  # no dropout
    assert not first.requires_grad
    assert state(model) == before
    assert torch.is_grad_enabled()


def state(model):
    return {
        "modes": [module.training for module in model.modules()],
        "frozen": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [parameter.grad for parameter in model.parameters()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        "attention": model.config._attn_implementation,
        "output_attentions": model.config.output_attentions,
    }


@pytest.mark.parametrize("explain", [attention_rollout, lambda model, clip: grad_cam(model, clip, 2)])
def test_bytes_and_their_normalised_floats_are_explained_alike(classifier, clip, explain):
    mean, std = (
        torch.tensor(values).view(3, 1, 1) for values in (classifier.config.image_mean, classifier.config.image_std)
    )
    floats = (clip / 255 - mean) / std
    torch.testing.assert_close(explain(classifier, floats), explain(classifier, clip))


# ---- on the frames ----


def test_colours_go_from_dark_to_bright_where_the_map_is_largest():
    frames = np.full((4, 24, 32, 3), 100, dtype=np.uint8)
    weights = torch.zeros(2, 3, 4)
    weights[1, 2, 1] = 5.0
    drawn = overlaid(frames, weights)
    assert drawn.shape == frames.shape and drawn.dtype == np.uint8
    brightness = drawn.astype(int).sum(axis=-1)
    assert (brightness[:2] == brightness[0, 0, 0]).all()  # time step 0 has nothing
    assert (drawn[2] == drawn[3]).all()  # both frames of the tubelet
    row, column = np.unravel_index(brightness[2].argmax(), (24, 32))
    assert (row // 8, column // 8) == (2, 1)
    assert brightness[2].max() > 2 * brightness[0, 0, 0]


def test_a_map_without_differences_is_drawn_dark():
    frames = np.full((2, 8, 8, 3), 100, dtype=np.uint8)
    dark = overlaid(frames, torch.zeros(1, 2, 2))
    assert (dark == overlaid(frames, torch.full((1, 2, 2), 0.25), low=0.25)).all()


def test_rows_say_what_their_colours_mean():
    frames = np.full((2, 8, 8, 3), 100, dtype=np.uint8)
    rollout = torch.tensor([[[0.1, 0.2], [0.3, 0.4]]])
    row = rollout_row(frames, rollout)
    assert row.caption == "attention rollout" and (row.colour_bar.low, row.colour_bar.high) == ("0.40", "1.60")
    row = grad_cam_row(frames, rollout, "waving", 0.875)
    assert row.caption == "Grad-CAM of 'waving'" and row.note == "what speaks for it; its score is 0.88"
    row = grad_cam_row(frames, torch.zeros(1, 2, 2), "waving", 0.1)
    assert row.note == "nothing speaks for it" and row.colour_bar is None
