# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import json
from functools import partial

import pytest
import torch

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEVideoProcessor
from videomae.inference import load_checkpoint, predict, predict_videos, video_labels
from videomae.video import VideoDecodeError

NAMES = {0: "wave", 1: "point", 2: "clap"}


@pytest.fixture
def folder(tiny_config, tmp_path):
    torch.manual_seed(0)
    config = tiny_config(
        num_labels=3, id2label=NAMES, label2id={v: k for k, v in NAMES.items()}, classifier_init_scale=100.0
    )
    VideoMAEForVideoClassification(config).save_pretrained(tmp_path / "model")
    VideoMAEVideoProcessor.for_model(config, frame_stride=3).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_checkpoint_brings_its_sampling_and_size(folder):
    model, processor = load_checkpoint(folder)
    assert not model.training
    assert (processor.frame_stride, processor.num_frames) == (3, 4)


def test_the_processor_follows_other_clip_shapes(folder):
    model, processor = load_checkpoint(folder, num_frames=8)
    assert (model.config.num_frames, processor.num_frames, processor.frame_stride) == (8, 8, 3)


def test_the_statistics_of_an_old_processor_reach_the_model(folder):
    """Old config.json files know no statistics; uint8 clips must still be normalised as the processor does it."""
    settings = json.loads((folder / "config.json").read_text())
    del settings["image_mean"], settings["image_std"]
    (folder / "config.json").write_text(json.dumps(settings))
    VideoMAEVideoProcessor.from_pretrained(folder, image_mean=[0.5] * 3, image_std=[0.25] * 3).save_pretrained(folder)
    model, processor = load_checkpoint(folder)
    clip = torch.randint(0, 256, (1, 4, 3, 24, 32), dtype=torch.uint8)
    normalised = processor(clip[0], return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(model(clip).logits, model(normalised).logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(normalised, (clip / 255 - 0.5) / 0.25)


def test_a_pre_trained_checkpoint_is_no_classifier(tiny_config, tmp_path):
    VideoMAEForPreTraining(tiny_config()).save_pretrained(tmp_path)
    VideoMAEVideoProcessor.for_model(tiny_config()).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a VideoMAEForPreTraining, wanted a VideoMAEForVideoClassification"):
        load_checkpoint(tmp_path)
    assert isinstance(load_checkpoint(tmp_path, VideoMAEForPreTraining)[0], VideoMAEForPreTraining)


def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="missing: no such folder"):
        load_checkpoint(tmp_path / "missing")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(FileNotFoundError, match="runs/missing: no such folder"):
        load_checkpoint("runs/missing")


def test_a_name_of_the_hub_is_looked_for_there():
    with pytest.raises(OSError, match="cached files") as error:  # the tests are offline
        load_checkpoint("organisation/some-model")
    assert "no such folder" not in str(error.value)


@pytest.mark.parametrize("device", ["foo", "cuda:99"])
def test_a_device_that_is_not_there_is_told(folder, device):
    with pytest.raises(ValueError, match=f"device '{device}' can not be used here"):
        load_checkpoint(folder, device=device)


def test_loading_keeps_the_checkpoints_own_preprocessing(folder):
    VideoMAEVideoProcessor.from_pretrained(folder, size={"shortest_edge": 40}, resample=3).save_pretrained(folder)
    for overrides in ({}, {"dtype": torch.bfloat16}, {"num_frames": 8}):
        _, processor = load_checkpoint(folder, **overrides)
        assert (processor.size.shortest_edge, processor.resample, processor.frame_stride) == (40, 3, 3)
    _, larger = load_checkpoint(folder, image_size=[48, 64])
    assert (larger.size.shortest_edge, larger.crop_size.height, larger.crop_size.width) == (80, 48, 64)


@pytest.fixture
def named(tiny_config):
    """`named(problem_type) -> VideoMAEConfig` of three outputs."""

    def make(problem_type):
        label2id = {name: index for index, name in NAMES.items()}
        return tiny_config(num_labels=3, id2label=NAMES, label2id=label2id, problem_type=problem_type)

    return make


@pytest.mark.parametrize("problem_type", [None, "single_label_classification"])
def test_labels_are_ranked_by_score(named, problem_type):
    labels = partial(video_labels, torch.tensor([0.2, 0.5, 0.3]), named(problem_type))
    assert [entry["label"] for entry in labels()] == ["point", "clap", "wave"]
    assert [entry["label"] for entry in labels(top_k=2)] == ["point", "clap"]
    assert labels(threshold=0.5) == [{"label": "point", "score": 0.5}]


def test_labels_that_go_together_are_those_that_are_more_likely_than_not(named):
    labels = partial(video_labels, torch.tensor([0.6, 0.25, 0.75]), named("multi_label_classification"))
    assert [entry["label"] for entry in labels()] == ["clap", "wave"]
    assert [entry["label"] for entry in labels(threshold=0.25)] == ["clap", "wave", "point"]
    assert labels(threshold=0.8) == []


def test_numbers_come_in_the_order_of_the_outputs_whatever_top_k(named):
    score, config = torch.tensor([-2.0, 7.5, 1.0]), named("regression")
    expected = [{"label": "wave", "score": -2.0}, {"label": "point", "score": 7.5}, {"label": "clap", "score": 1.0}]
    assert video_labels(score, config, top_k=1) == expected
    with pytest.raises(ValueError, match="a threshold of 0.5 is given, but the model predicts numbers"):
        video_labels(score, config, threshold=0.5)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_many_videos_are_predicted_in_order_and_a_bad_one_is_its_error(folder, tiny_clip, tmp_path, num_workers):
    (tmp_path / "bad.mp4").write_text("text")
    videos = [tiny_clip("long.mp4", num_frames=40), tmp_path / "bad.mp4", tiny_clip("short.mp4", num_frames=14)]
    model, processor = load_checkpoint(folder)
    found = list(predict_videos(model, processor, videos, num_segments=2, num_crops=3, num_workers=num_workers))
    for video, labels in ((videos[0], found[0]), (videos[2], found[2])):
        assert labels == predict(model, processor, video, num_segments=2, num_crops=3)
    assert isinstance(found[1], VideoDecodeError) and found[1].path.endswith("bad.mp4")


def test_prediction_and_the_pipeline_give_the_same_scores(folder, tiny_clip, run_python):
    """The stock pipeline, with our classes registered, in a process of its own."""
    video = tiny_clip(num_frames=30, height=36, width=64)
    code = """
import json, sys, videomae
videomae.register()
from transformers import pipeline
print(json.dumps(pipeline("video-classification", model=sys.argv[1])(sys.argv[2], top_k=3)))
"""
    finished = run_python(code, folder, video)
    assert finished.returncode == 0, finished.stderr
    piped = json.loads(finished.stdout)
    ours = predict(*load_checkpoint(folder), video, top_k=3)
    assert [entry["label"] for entry in piped] == [entry["label"] for entry in ours]
    assert [entry["score"] for entry in piped] == pytest.approx([entry["score"] for entry in ours], abs=1e-6)
