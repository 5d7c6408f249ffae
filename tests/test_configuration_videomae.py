# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from transformers import BertConfig
from transformers.models.videomae import VideoMAEConfig as PlainConfig

from videomae import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification


def test_the_grid_and_the_patch_counts_follow_from_the_sizes(tiny_config):
    config = tiny_config()
    assert config.grid == (2, 3, 4)
    assert config.num_patches == 24
    assert config.patch_dim == 2 * 8 * 8 * 3
    assert tiny_config(patch_size=[6, 8]).grid == (2, 4, 4)


def test_all_complaints_come_in_one_error():
    with pytest.raises(ValueError) as error:
        VideoMAEConfig(
            hidden_size=100,
            num_frames=7,
            image_size=(224, 100),
            drop_path_rate=1.2,
            image_std=[1.0, 0.0],
            position_grid=[8, 14],
        )
    message = str(error.value)
    for complaint in (
        "hidden_size 100 is not a multiple of num_attention_heads 12",
        "the width 100 is not a multiple of the patch's 16",
        "num_frames 7 is not a multiple of tubelet_size 2",
        "drop_path_rate is 1.2",
        "image_std has 2 values, wanted one, or 3",
        "image_std is [1.0, 0.0], wanted more than 0",
        "position_grid is [8, 14]",
    ):
        assert complaint in message


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"image_size": [24]}, r"image_size is \[24\], wanted one number, or \(height, width\)"),
        ({"patch_size": [16, 16, 2]}, r"patch_size is \[16, 16, 2\]"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"initializer_range": -1.0}, "initializer_range is -1.0"),
    ],
)
def test_numbers_without_sense_are_named(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        VideoMAEConfig(**fields)


def test_a_file_with_a_field_of_the_wrong_type_raises_a_value_error(tiny_config, tmp_path):
    tiny_config().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace('"num_frames": 4', '"num_frames": "four"'))
    with pytest.raises(ValueError, match="num_frames"):
        VideoMAEConfig.from_pretrained(tmp_path)


def test_an_unknown_activation_lists_those_that_exist(tiny_config):
    with pytest.raises(ValueError, match="hidden_act is 'foo', wanted one of .*gelu"):
        VideoMAEForVideoClassification(tiny_config(hidden_act="foo"))


@pytest.mark.parametrize("field", ["num_frames", "tubelet_size", "num_attention_heads", "image_size"])
def test_a_size_below_one_is_named(field):
    with pytest.raises(ValueError, match=f"{field} is 0, wanted at least 1"):
        VideoMAEConfig(**{field: 0})


def test_overrides_at_load_time_are_validated(tiny_config, tmp_path):
    tiny_config().save_pretrained(tmp_path)
    assert VideoMAEConfig.from_pretrained(tmp_path, num_frames=6).grid == (3, 3, 4)
    with pytest.raises(ValueError, match="num_frames 5 is not a multiple"):
        VideoMAEConfig.from_pretrained(tmp_path, num_frames=5)


def test_fields_changed_after_construction_are_validated_by_the_model(tiny_config):
    config = tiny_config()
    config.num_frames = 3
    with pytest.raises(ValueError, match="num_frames 3"):
        VideoMAEForVideoClassification(config)


def test_the_configuration_of_another_model_raises(tmp_path):
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a 'bert' model, wanted 'videomae'"):
        VideoMAEConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["hub_v4_classifier", "hub_v4_pretraining"])
def test_configurations_of_the_hub_load(golden, name):
    config = VideoMAEConfig.from_pretrained(golden / name)
    assert config.grid == (4, 3, 3)
    assert config.layer_norm_eps == 1e-12
    assert list(config.image_mean) == [0.485, 0.456, 0.406]


@pytest.mark.parametrize("name", ["qkv_bias", "qv_bias"])
def test_both_names_of_the_attention_bias_are_understood(name, tmp_path):
    config = VideoMAEConfig(**{name: False})
    assert config.qkv_bias is False
    config.save_pretrained(tmp_path)
    assert PlainConfig.from_pretrained(tmp_path).qv_bias is False


def test_statistics_default_to_imagenet_for_rgb_and_to_one_half_otherwise():
    assert VideoMAEConfig().image_std == [0.229, 0.224, 0.225]
    assert VideoMAEConfig(num_channels=13).image_mean == 0.5
    assert VideoMAEConfig(num_channels=2, image_mean=[0.1, 0.2], image_std=0.3).image_mean == [0.1, 0.2]


def test_every_field_survives_saving(tiny_config, tmp_path):
    config = tiny_config(
        drop_path_rate=0.1, classifier_dropout=0.2, image_mean=0.4, image_std=0.3, position_grid=[2, 3, 5]
    )
    config.save_pretrained(tmp_path)
    loaded = VideoMAEConfig.from_pretrained(tmp_path)
    ignored = ("transformers_version", "_name_or_path")
    for field, value in config.to_dict().items():
        assert field in ignored or loaded.to_dict()[field] == value, field


# Parameters of the published networks, from arithmetic on the official definitions (recipes of both papers).
PRETRAINING_PARAMETERS = {
    ("small", "v1"): 24_029_376,
    ("base", "v1"): 94_210_944,
    ("large", "v1"): 342_996_992,
    ("huge", "v1"): 692_487_296,
    ("large", "v2"): 317_782_016,
    ("huge", "v2"): 645_659_392,
    ("giant", "v2"): 1_026_306_560,
}
CLASSIFIER_PARAMETERS = {
    "small": 22_033_936,
    "base": 86_534_800,
    "large": 304_270_736,
    "huge": 632_119_440,
    "giant": 1_012_174_352,
}


@pytest.mark.parametrize(("name", "decoder"), PRETRAINING_PARAMETERS)
def test_a_preset_has_the_published_number_of_parameters(name, decoder):
    config = VideoMAEConfig.preset(name, decoder=decoder)
    with torch.device("meta"):
        model = VideoMAEForPreTraining(config)
    assert sum(p.numel() for p in model.parameters()) == PRETRAINING_PARAMETERS[name, decoder]


@pytest.mark.parametrize("name", CLASSIFIER_PARAMETERS)
def test_the_classifier_of_a_preset_has_the_published_number_of_parameters(name):
    config = VideoMAEConfig.preset(name, num_labels=400)
    with torch.device("meta"):
        model = VideoMAEForVideoClassification(config)
    assert sum(p.numel() for p in model.parameters()) == CLASSIFIER_PARAMETERS[name]


def test_an_unknown_preset_names_those_that_exist():
    with pytest.raises(ValueError, match="'giant' with decoder 'v1' does not exist.*v2: small, base"):
        VideoMAEConfig.preset("giant", decoder="v1")
