# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Features are the model's own hidden states, with the norm that belongs to them, of all patches of a clip."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEModel, VideoMAEVideoProcessor
from videomae.conversion import convert_checkpoint
from videomae.features import FeatureSettings, Rows, clip_features, extract, feature_shape, layer_number, norm_name
from videomae.frames import open_video
from videomae.inference import load_checkpoint
from videomae.modeling_videomae import VideoMAEPreTrainedModel

KINDS = {
    "pre-training": (VideoMAEForPreTraining, {}),
    "classifier with mean pooling": (VideoMAEForVideoClassification, {"use_mean_pooling": True}),
    "classifier without": (VideoMAEForVideoClassification, {"use_mean_pooling": False}),
    "encoder with norm": (VideoMAEModel, {"use_mean_pooling": False}),
    "encoder without": (VideoMAEModel, {"use_mean_pooling": True}),
}


@pytest.fixture(params=KINDS)
def model(request, tiny_config):
    return make(request.param, tiny_config)


def make(kind, tiny_config, **settings):
    """A model whose norms are not at their initial values: leaving one out, or another one, shows."""
    model_class, own = KINDS[kind]
    torch.manual_seed(0)
    model = model_class(tiny_config(num_hidden_layers=3, **own, **settings)).eval()
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.data += torch.randn_like(weight)
    return model


@pytest.fixture
def pixels():
    return torch.randint(0, 256, (2, 4, 3, 24, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def own_states(model, pixels):
    """What the model itself says: `hidden_states` and `last_hidden_state` of its encoder, nothing masked."""
    with torch.no_grad():
        return model.base_model(pixels, output_hidden_states=True)


def check_equal(found, wanted):
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


# ---- parity ----


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_tokens_of_a_layer_are_its_hidden_states(model, pixels, layer):
    wanted = own_states(model, pixels).hidden_states[layer].unflatten(1, (2, 3, 4))
    check_equal(clip_features(model, pixels, layer=layer, pool="tokens"), wanted)
    check_equal(clip_features(model, pixels, layer=layer, pool="tubelets"), wanted.mean(dim=(2, 3)))
    check_equal(clip_features(model, pixels, layer=layer), wanted.mean(dim=(1, 2, 3)))


def test_tokens_of_the_last_layer_are_the_last_hidden_state(model, pixels):
    wanted = own_states(model, pixels).last_hidden_state.unflatten(1, (2, 3, 4))
    check_equal(clip_features(model, pixels, pool="tokens"), wanted)


@pytest.mark.parametrize("kind", ["pre-training", "classifier without", "encoder with norm"])
def test_the_mean_is_that_of_normed_tokens_where_the_encoder_has_a_norm(tiny_config, pixels, kind):
    model = make(kind, tiny_config)
    wanted = own_states(model, pixels).last_hidden_state
    check_equal(clip_features(model, pixels), wanted.mean(dim=1))
    check_equal(clip_features(model, pixels, pool="tubelets"), wanted.unflatten(1, (2, 12)).mean(dim=2))
    assert norm_name(model) == "layernorm"


def test_the_mean_of_a_mean_pooling_classifier_is_what_its_linear_layer_gets(tiny_config, pixels):
    model = make("classifier with mean pooling", tiny_config)
    got = []
    model.classifier.register_forward_pre_hook(lambda module, inputs: got.append(inputs[0]))
    with torch.no_grad():
        logits = model(pixels).logits
    features = clip_features(model, pixels)
    check_equal(features, got[0])
    check_equal(model.classifier(features).detach(), logits)
    assert norm_name(model) == "fc_norm"


def test_its_tubelets_are_normed_after_their_mean_as_it_does_with_all_tokens(tiny_config, pixels):
    model = make("classifier with mean pooling", tiny_config)
    tokens = own_states(model, pixels).last_hidden_state.unflatten(1, (2, 12))
    check_equal(clip_features(model, pixels, pool="tubelets"), model.fc_norm(tokens.mean(dim=2)).detach())
    assert norm_name(model, pool="tokens") is None


def test_before_the_last_layer_nothing_is_normed(model):
    assert {norm_name(model, layer, pool) for layer in (0, 1, 2) for pool in ("mean", "tokens")} == {None}


def test_an_encoder_without_a_norm_has_none(tiny_config):
    assert norm_name(make("encoder without", tiny_config)) is None


def test_features_of_an_official_classifier_are_those_of_the_official_code(golden, tmp_path):
    wanted = load_file(golden / "official_finetune.safetensors")
    convert_checkpoint(golden / "official_finetune.pth", tmp_path, num_attention_heads=3, image_size=64)
    model, _ = load_checkpoint(tmp_path, VideoMAEPreTrainedModel, device="cpu")
    for pixels in (wanted["pixel_values"], wanted["video_uint8"]):
        torch.testing.assert_close(clip_features(model, pixels), wanted["pooled"], atol=1e-4, rtol=0)


# ---- which tokens ----


@pytest.mark.parametrize("place", [(0, 0, 1), (0, 2, 3), (1, 1, 0)])
def test_the_grid_is_time_height_width(tiny_config, pixels, place):
    """Another patch of the clip changes the embedding of its own place and of no other."""
    model = make("pre-training", tiny_config)
    t, h, w = place
    other = pixels.clone()
    other[:, 2 * t : 2 * t + 2, :, 8 * h : 8 * h + 8, 8 * w : 8 * w + 8] ^= 255
    embeddings = [clip_features(model, each, layer=0, pool="tokens") for each in (pixels, other)]
    changed = (embeddings[0] != embeddings[1]).any(dim=-1)[0]
    assert changed.nonzero().tolist() == [list(place)]


def test_shapes(model, pixels):
    for pool, shape in (("mean", (12,)), ("tubelets", (2, 12)), ("tokens", (2, 3, 4, 12))):
        assert feature_shape(model, pool) == shape
        assert clip_features(model, pixels, pool=pool).shape == (2, *shape)


def test_layers_count_from_either_end(model):
    assert [layer_number(model, layer) for layer in (None, -1, 3, -2, -4, 0)] == [3, 3, 3, 2, 0, 0]


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_that_is_not_there_is_an_error(model, pixels, layer):
    with pytest.raises(ValueError, match=rf"layer {layer}, wanted 0 \(the embeddings\) to 3 .* or -4 to -1"):
        clip_features(model, pixels, layer=layer)


def test_blocks_after_the_layer_do_not_run(model, pixels):
    model.base_model.encoder.layer[2].register_forward_pre_hook(lambda *_: pytest.fail("the third block ran"))
    clip_features(model, pixels, layer=2)


def test_a_model_in_training_gives_the_same(tiny_config, pixels):
    model = make("pre-training", tiny_config, drop_path_rate=0.5, hidden_dropout_prob=0.5)
    wanted = clip_features(model, pixels)
    check_equal(clip_features(model.train(), pixels), wanted)


def test_an_unknown_pool_and_other_clips_are_errors(model, pixels):
    with pytest.raises(ValueError, match="pool is 'max', wanted one of mean, tubelets, tokens"):
        clip_features(model, pixels, pool="max")
    with pytest.raises(ValueError, match="pixel_values is"):
        clip_features(model, pixels[:, :2])


# ---- of videos ----


@pytest.fixture
def classifier(tiny_config):
    return make("classifier with mean pooling", tiny_config)


@pytest.fixture
def processor(tiny_config):
    return VideoMAEVideoProcessor.for_model(tiny_config(), frame_stride=3)


def test_one_row_is_the_view_that_the_processor_takes(classifier, processor, tiny_clip):
    path = tiny_clip(num_frames=30)
    found = extract(classifier, processor, path)
    check_equal(
        torch.from_numpy(found.features),
        clip_features(classifier, processor(path, return_tensors="pt")["pixel_values"]),
    )
    assert found.features.dtype == np.float32
    with open_video(path) as video:
        assert found.span.frames.tolist() == [processor.view_indices(video)]


def test_views_are_averaged(classifier, processor, tiny_clip):
    path = tiny_clip(num_frames=40)
    found = extract(classifier, processor, path, num_segments=3, num_crops=2, pool="tubelets")
    wanted = clip_features(classifier, processor.views(path, 3, 2), pool="tubelets").mean(dim=0, keepdim=True)
    check_equal(torch.from_numpy(found.features), wanted)
    assert found.span.frames.shape == (3, 4)


def test_windows_are_rows(classifier, processor, tiny_clip):
    path = tiny_clip(num_frames=40)
    found = extract(classifier, processor, path, window=8, stride=5)
    assert found.span.frames[:, 0].tolist() == [0, 5, 10, 15, 20, 25, 30]
    with open_video(path) as video:
        for row, frames in zip(found.features, found.span.frames.tolist(), strict=True):
            clip = processor.resize_and_crop(video.read(frames))
            check_equal(torch.from_numpy(row), clip_features(classifier, clip[None])[0])


def test_window_and_stride_stand_in_for_each_other(classifier, processor):
    settings = FeatureSettings(stride=5).completed(classifier, processor)
    assert (settings.window, settings.stride, settings.layer) == (12, 5, 3)
    settings = FeatureSettings(window=8, layer=-2).completed(classifier, processor)
    assert (settings.window, settings.stride, settings.layer) == (8, 8, 2)


def test_a_row_does_not_depend_on_the_others(classifier):
    clips = torch.randint(0, 256, (7, 4, 3, 24, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    settings = FeatureSettings(window=4, stride=4, batch_size=3, layer=3)
    sizes = []
    classifier.videomae.embeddings.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    together = [Rows(classifier, settings).add(part) for part in clips.split(3)]
    assert sizes == [3, 3, 3]  # kernels for another number of clips may round differently
    assert [len(rows) for rows in together] == [3, 3, 1]
    for row, clip in zip(np.concatenate(together), clips, strict=True):
        assert np.array_equal(row, Rows(classifier, settings).add(clip[None])[0])


def test_half_precision_is_nearly_the_same(classifier, processor, tiny_clip):
    path = tiny_clip(num_frames=30)
    half = extract(classifier, processor, path, window=8, dtype="float16").features
    assert half.dtype == np.float16
    np.testing.assert_allclose(half, extract(classifier, processor, path, window=8).features, atol=2e-2)


def test_bytes_open_readers_and_pictures_are_videos(classifier, processor, tiny_clip, tmp_path):
    path = tiny_clip(num_frames=30)
    wanted = extract(classifier, processor, path, window=8).features
    assert np.array_equal(extract(classifier, processor, path.read_bytes(), window=8).features, wanted)
    with open_video(path) as video:
        assert np.array_equal(extract(classifier, processor, video, window=8).features, wanted)
        frames = video.read(range(30)).permute(0, 2, 3, 1).numpy()
    np.save(tmp_path / "clip.npy", frames)
    found = extract(classifier, processor, tmp_path / "clip.npy", window=8)
    assert np.array_equal(found.features, wanted)
    assert found.span.seconds is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": "max"}, "pool is 'max'"),
        ({"layer": 9}, "layer 9, wanted 0"),
        ({"window": 5}, "a window of 5 frames, wanted a multiple of the 4"),
        ({"window": 8, "num_segments": 2}, "views 2x1 and a sliding window"),
        ({"num_crops": 0}, "wanted at least 1 of both"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"dtype": "int8"}, "dtype is 'int8', wanted one of float32, float16"),
    ],
)
def test_settings_that_do_not_fit_are_errors(classifier, processor, tiny_clip, settings, message):
    with pytest.raises(ValueError, match=message):
        extract(classifier, processor, tiny_clip(), **settings)


def test_settings_are_given_once(classifier, processor, tiny_clip):
    with pytest.raises(ValueError, match="settings and pool are given"):
        extract(classifier, processor, tiny_clip(), settings=FeatureSettings(), pool="mean")


def test_a_checkpoint_of_any_kind_is_loaded_as_what_it_is(model, processor, tmp_path, pixels):
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded, _ = load_checkpoint(tmp_path, VideoMAEPreTrainedModel, device="cpu")
    assert type(loaded) is type(model)
    check_equal(clip_features(loaded, pixels), clip_features(model, pixels))
