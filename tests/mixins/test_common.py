# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""transformers' common tests of configurations, models and video processors, run on our classes (`make test-mixins`).

`VIDEOMAE_MIXINS_ON=transformers` runs the same file on transformers' own VideoMAE: a test that fails there too says
nothing about us. One test is skipped, as transformers skips it for its VideoMAE; two are replaced, as there, because
they take every input token to reach the encoder and here only the visible patches do.
"""

import copy
import importlib
import os
import unittest

import torch
from tests.test_configuration_common import ConfigTester
from tests.test_modeling_common import ModelTesterMixin, floats_tensor
from tests.test_video_processing_common import VideoProcessingTestMixin, prepare_video_inputs

package = importlib.import_module(os.environ.get("VIDEOMAE_MIXINS_ON", "videomae"))
if package.__name__ == "videomae":
    package.register()  # some of these tests load through the Auto classes


class ModelTester:
    """Sizes and inputs; the attribute names are those that the common tests read."""

    def __init__(self, parent):
        self.parent = parent
        self.is_training = True
        self.batch_size = 5
        self.num_frames, self.num_channels, self.height, self.width = 4, 3, 24, 32
        self.patch_size, self.tubelet_size = 8, 2
        self.hidden_size, self.num_hidden_layers, self.num_attention_heads = 32, 2, 4
        self.seq_length = 2 * 3 * 4
        self.mask_ratio = 0.75
        self.num_masks = 18

    def get_config(self):
        return package.VideoMAEConfig(
            image_size=[self.height, self.width],
            num_frames=self.num_frames,
            patch_size=self.patch_size,
            tubelet_size=self.tubelet_size,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            intermediate_size=37,
            decoder_hidden_size=24,
            decoder_num_attention_heads=3,
            decoder_num_hidden_layers=1,
            decoder_intermediate_size=29,
            hidden_dropout_prob=0.1,
            attention_probs_dropout_prob=0.1,
        )

    def prepare_config_and_inputs_for_common(self):
        shape = [self.batch_size, self.num_frames, self.num_channels, self.height, self.width]
        return self.get_config(), {"pixel_values": floats_tensor(shape)}

    def bool_masked_pos(self, batch_size):
        """The last 18 of the 24 patches are hidden, in every row."""
        return (torch.arange(self.seq_length) >= self.seq_length - self.num_masks).expand(batch_size, -1)

    def encoder_length(self, model_class):
        """Tokens that the encoder of a model sees."""
        hidden = self.num_masks if model_class is package.VideoMAEForPreTraining else 0
        return self.seq_length - hidden


class ModelTest(ModelTesterMixin, unittest.TestCase):
    all_model_classes = (
        package.VideoMAEModel,
        package.VideoMAEForPreTraining,
        package.VideoMAEForVideoClassification,
    )
    additional_model_inputs = ["bool_masked_pos"]
    test_resize_embeddings = False

    def setUp(self):
        self.model_tester = ModelTester(self)

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = copy.deepcopy(inputs_dict)
        if model_class is package.VideoMAEForPreTraining:
            inputs["bool_masked_pos"] = self.model_tester.bool_masked_pos(len(inputs["pixel_values"]))
        if model_class is package.VideoMAEForVideoClassification and return_labels:
            inputs["labels"] = torch.zeros(self.model_tester.batch_size, dtype=torch.long)
        return inputs

    def outputs(self, model_class, config, **options):
        _, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        model = model_class(config).eval()
        with torch.no_grad():
            return model(**self._prepare_for_class(inputs, model_class), **options)

    @unittest.skip("the input is a video: there are no token embeddings")
    def test_inputs_embeds(self):
        pass

    def test_model_get_set_embeddings(self):
        for model_class in self.all_model_classes:
            model = model_class(self.model_tester.get_config())
            self.assertIsInstance(model.get_input_embeddings(), torch.nn.Module)
            self.assertIsNone(model.get_output_embeddings())

    def test_attention_outputs(self):
        heads, layers = self.model_tester.num_attention_heads, self.model_tester.num_hidden_layers
        for model_class in self.all_model_classes:
            tokens = self.model_tester.encoder_length(model_class)
            config = self.model_tester.get_config()
            config._attn_implementation = "eager"
            plain = self.outputs(model_class, config)
            by_argument = self.outputs(model_class, config, output_attentions=True)
            with_states = self.outputs(model_class, config, output_attentions=True, output_hidden_states=True)
            config.output_attentions = True
            by_config = self.outputs(model_class, config)
            for outputs in (by_argument, with_states, by_config):
                self.assertEqual(len(outputs.attentions), layers)
                for attention in outputs.attentions:
                    self.assertEqual(attention.shape[-3:], (heads, tokens, tokens))
            self.assertEqual(len(by_argument), len(plain) + 1)
            self.assertEqual(len(with_states), len(plain) + 2)
            self.assertEqual(list(with_states)[-1], "attentions")

    def test_hidden_states_output(self):
        for model_class in self.all_model_classes:
            shape = (self.model_tester.encoder_length(model_class), self.model_tester.hidden_size)
            config = self.model_tester.get_config()
            by_argument = self.outputs(model_class, config, output_hidden_states=True)
            config.output_hidden_states = True
            by_config = self.outputs(model_class, config)
            for outputs in (by_argument, by_config):
                self.assertEqual(len(outputs.hidden_states), self.model_tester.num_hidden_layers + 1)
                for states in outputs.hidden_states:
                    self.assertEqual(states.shape[-2:], shape)


class ConfigTest(unittest.TestCase):
    def test_config(self):
        ConfigTester(
            self, config_class=package.VideoMAEConfig, has_text_modality=False, hidden_size=24, num_attention_heads=4
        ).run_common_tests()


class VideoProcessorTester:
    """Sizes and inputs; the attribute names are those that the common tests read."""

    batch_size, num_frames, num_channels = 5, 8, 3

    def prepare_video_inputs(self, equal_resolution=False, return_tensors="pil"):
        return prepare_video_inputs(
            batch_size=self.batch_size,
            num_frames=self.num_frames,
            num_channels=self.num_channels,
            min_resolution=30,
            max_resolution=80,
            equal_resolution=equal_resolution,
            return_tensors=return_tensors,
        )

    def expected_output_video_shape(self, videos):
        return self.num_frames, self.num_channels, 18, 18


class VideoProcessorTest(VideoProcessingTestMixin, unittest.TestCase):
    fast_video_processing_class = package.VideoMAEVideoProcessor
    input_name = "pixel_values"
    video_processor_dict = {
        "do_resize": True,
        "size": {"shortest_edge": 20},
        "do_center_crop": True,
        "crop_size": {"height": 18, "width": 18},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": True,
    }

    def setUp(self):
        super().setUp()
        self.video_processor_tester = VideoProcessorTester()
