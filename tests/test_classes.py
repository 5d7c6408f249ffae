# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A classifier keeps what it knows of the classes of new videos."""

import pytest
import torch

from videomae import VideoMAEForVideoClassification
from videomae.classes import labels_of, with_classes


@pytest.fixture
def trained(tiny_config):
    """A classifier of five classes that says it was loaded."""
    model = VideoMAEForVideoClassification(tiny_config(num_labels=5, **labels_of(["a", "b", "c", "d", "e"])))
    model.config.architectures = ["VideoMAEForVideoClassification"]
    torch.nn.init.normal_(model.classifier.weight)
    torch.nn.init.normal_(model.classifier.bias)
    return model


@pytest.mark.parametrize("names", [["e", "d", "c", "b", "a"], ["d", "b"]], ids=["all", "some"])
def test_the_rows_of_known_classes_remain_in_the_new_order(trained, names, caplog):
    rows = ["abcde".index(name) for name in names]
    weight, bias = trained.classifier.weight[rows].clone(), trained.classifier.bias[rows].clone()
    model = with_classes(trained, names)
    assert torch.equal(model.classifier.weight, weight) and torch.equal(model.classifier.bias, bias)
    assert model.num_labels == model.config.num_labels == model.classifier.out_features == len(names)
    assert model.config.id2label == dict(enumerate(names)) and not caplog.records


def test_one_unknown_class_makes_the_classifier_fresh(trained, caplog):
    model = with_classes(trained, ["a", "x"])
    assert model.classifier.weight.std() < 1e-2 and model.classifier.bias.eq(0).all()
    assert "trained for 5 other classes (a, b, c …): it is replaced by a fresh one for the 2" in caplog.text


def test_the_head_of_a_pre_trained_encoder_is_fresh_without_a_word(trained, caplog):
    trained.config.architectures = ["VideoMAEForPreTraining"]
    assert with_classes(trained, ["a", "b"]).classifier.weight.std() < 1e-2 and not caplog.records
