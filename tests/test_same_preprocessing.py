# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""One video, one model: whichever way it goes in, the model sees the same numbers, and gives the same scores.

What the model sees is recorded where it multiplies it with its first weights: after the normalisation, which it does
itself where it is given uint8.
"""

import json

import av
import datasets
import numpy as np
import pytest
import torch

from videomae import VideoMAEForVideoClassification, VideoMAETrainer, VideoMAEVideoProcessor, cli
from videomae.clips import ValidationClips
from videomae.data import ClassificationCollator, VideoDataset
from videomae.evaluation import probabilities, score_videos
from videomae.features import extract
from videomae.inference import load_checkpoint, predict, predict_videos
from videomae.watching import WatchedVideo, watch

NAMES = {0: "clap", 1: "point", 2: "wave"}
PROBLEM_TYPES = ["single_label_classification", "multi_label_classification", "regression"]
PIPELINE = """
import json, sys
import torch, videomae
videomae.register()
from transformers import pipeline
classify = pipeline("video-classification", model=sys.argv[1])
seen = []
projection = classify.model.videomae.embeddings.patch_embeddings.projection
projection.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
labels = classify(sys.argv[2], top_k=3)
torch.save(seen, sys.argv[3])
print(json.dumps(labels))
"""


@pytest.fixture
def folder(tiny_config, tmp_path):
    """`folder(problem_type="single_label_classification") -> folder` of a checkpoint with statistics of its own."""

    def make(problem_type="single_label_classification"):
        torch.manual_seed(0)
        config = tiny_config(
            num_labels=3,
            id2label=NAMES,
            label2id={name: index for index, name in NAMES.items()},
            classifier_init_scale=100.0,
            problem_type=problem_type,
            image_mean=[0.4, 0.45, 0.5],
            image_std=[0.2, 0.25, 0.3],
        )
        VideoMAEForVideoClassification(config).save_pretrained(tmp_path / "model")
        VideoMAEVideoProcessor.for_model(config, frame_stride=3).save_pretrained(tmp_path / "model")
        return str(tmp_path / "model")

    return make


@pytest.fixture
def video(tmp_path):
    """12 frames, as many as a clip spans, 54x90, of coloured squares: resized and cropped."""
    random = np.random.default_rng(0)
    with av.open(str(tmp_path / "video.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 54, 90, "yuv420p"
        for _ in range(12):
            squares = random.integers(0, 256, (6, 10, 3), np.uint8).repeat(9, axis=0).repeat(9, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(squares, format="rgb24")))
        container.mux(stream.encode())
    return str(tmp_path / "video.mp4")


def validated(model, processor, video, arguments):
    """Scores of the validation in training."""
    label = 1 if model.config.problem_type == "single_label_classification" else [0.0, 1.0, 1.0]
    columns = {"video": [video], "label": [label]}
    trainer = VideoMAETrainer(
        model,
        arguments(),
        data_collator=ClassificationCollator(),
        eval_dataset=VideoDataset(datasets.Dataset.from_dict(columns), ValidationClips(processor)),
        processing_class=processor,
    )
    logits = torch.from_numpy(trainer.predict(trainer.eval_dataset).predictions[0])
    return probabilities(logits, model.config.problem_type)


def watched(model, processor, video):
    with WatchedVideo(video, processor) as opened:
        (window,) = watch(model, opened)
    return window.score


def test_every_way_in_shows_the_model_the_same_numbers(folder, video, arguments, run_python, tmp_path):
    model, processor = load_checkpoint(folder(), device="cpu")
    inputs = []
    projection = model.videomae.embeddings.patch_embeddings.projection
    projection.register_forward_pre_hook(lambda module, args: inputs.append(args[0][:1]))  # extract fills batches up
    seen = {}
    for name, way in {
        "evaluate": lambda: list(score_videos(model, processor, [video])),
        "evaluate in workers": lambda: list(score_videos(model, processor, [video], num_workers=1)),
        "validation": lambda: validated(model, processor, video, arguments),
        "predict": lambda: predict(model, processor, video),
        "watch": lambda: watched(model, processor, video),
        "extract": lambda: extract(model, processor, video),
        "extract windows": lambda: extract(model, processor, video, window=12, stride=12),
        "processor": lambda: model(**processor(video, return_tensors="pt")),
    }.items():
        inputs.clear()
        way()
        assert len(inputs) == 1, name
        seen[name] = inputs[0]
    finished = run_python(PIPELINE, folder(), video, tmp_path / "seen.pt")
    assert finished.returncode == 0, finished.stderr
    (seen["pipeline"],) = torch.load(tmp_path / "seen.pt")
    expected = seen.pop("evaluate")
    assert expected.dtype == torch.float32 and expected.std() > 0.5
    assert [name for name, tensor in seen.items() if not torch.equal(tensor, expected)] == []


@pytest.mark.parametrize("problem_type", PROBLEM_TYPES)
def test_every_way_gives_the_same_scores(folder, video, arguments, run_python, tmp_path, capsys, problem_type):
    source = folder(problem_type)
    model, processor = load_checkpoint(source, device="cpu")
    (expected,) = score_videos(model, processor, [video])
    everything = {"top_k": 3} if problem_type == "regression" else {"top_k": 3, "threshold": 0.0}

    def in_order(labels):
        scores = {entry["label"]: entry["score"] for entry in labels}
        return torch.tensor([scores[name] for name in NAMES.values()])

    finished = run_python(PIPELINE, source, video, tmp_path / "seen.pt")
    assert finished.returncode == 0, finished.stderr
    capsys.readouterr()
    threshold = [] if problem_type == "regression" else ["--threshold", "0"]
    assert cli.main(["predict", source, video, "--json", "--device", "cpu", *threshold]) == 0
    scores = {
        "validation": validated(model, processor, video, arguments),
        "predict": in_order(predict(model, processor, video, **everything)),
        "predict many": in_order(next(iter(predict_videos(model, processor, [video], **everything)))),
        "command": in_order(json.loads(capsys.readouterr().out)["labels"]),
        "pipeline": in_order(json.loads(finished.stdout)),
        "watch": watched(model, processor, video),
    }
    assert expected.std() > 0.01
    for name, score in scores.items():
        torch.testing.assert_close(score, expected, rtol=0, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")
