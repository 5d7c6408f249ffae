# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What `videomae predict` takes and prints; `test_scripts` has its bad input."""

import io
import json
import sys

import pytest
import torch

from videomae import VideoMAEForVideoClassification, VideoMAEVideoProcessor, cli
from videomae.inference import load_checkpoint, predict

NAMES = {0: "clap", 1: "point", 2: "wave"}


@pytest.fixture
def save(tiny_config, tmp_path):
    def make(**overrides):
        torch.manual_seed(0)
        labels = {"id2label": NAMES, "label2id": {name: index for index, name in NAMES.items()}}
        config = tiny_config(num_labels=3, classifier_init_scale=100.0, **labels, **overrides)
        VideoMAEForVideoClassification(config).save_pretrained(tmp_path / "classifier")
        VideoMAEVideoProcessor.for_model(config, frame_stride=2).save_pretrained(tmp_path / "classifier")
        return str(tmp_path / "classifier")

    return make


@pytest.fixture
def run(capsys):
    """`run(*arguments) -> (exit code, stdout, stderr)`."""

    def call(*arguments):
        code = cli.main(["predict", *map(str, arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


def test_names_come_from_standard_input_too(run, save, tiny_clip, tmp_path, monkeypatch):
    first, second = tiny_clip("a.mp4", num_frames=20), tiny_clip("b.mp4", num_frames=30)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"\n{second}\n  {tmp_path}/gone*.mp4 \n"))
    code, _, error = run(save(), first, "--stdin")
    assert code == 2 and "gone*.mp4: no file fits this pattern" in error
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{second}\n{tmp_path}/gone.mp4\n"))
    code, out, error = run(save(), first, "--stdin", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["video"] for row in rows] == [str(first), str(second), f"{tmp_path}/gone.mp4"]
    assert ["labels" in row for row in rows] == [True, True, False] and "no such file" in rows[2]["error"]
    assert code == 2 and "gone.mp4: no such file" in error and "1 of 3 videos could not be read" in error


def test_nothing_named_and_a_stream_are_told(run, save):
    assert "no videos are named" in run(save())[2]
    code, _, error = run(save(), "-")
    assert code == 2 and "videomae watch" in error


def test_lines_for_people_fit_the_kind_of_model(run, save, tiny_clip):
    path = tiny_clip(num_frames=12)
    assert run(save(), path, "--top_k", 1)[1].rstrip().endswith(" %")
    assert run(save(problem_type="multi_label_classification"), path, "--threshold", 1)[1] == f"{path}: no label\n"
    folder = save(problem_type="regression")
    numbers = {entry["label"]: entry["score"] for entry in predict(*load_checkpoint(folder, device="cpu"), path)}
    expected = ", ".join(f"{name} {numbers[name]:g}" for name in NAMES.values())
    assert run(folder, path, "--device", "cpu")[1] == f"{path}: {expected}\n"
    code, _, error = run(folder, path, "--threshold", 0.5)
    assert code == 2 and "predicts numbers" in error


def test_the_official_resize_is_the_evaluators(run, save, clips):
    path, folder = clips / "kinetics_arm_wrestling.mp4", save()
    model, processor = load_checkpoint(folder, device="cpu")
    sharp = processor.adapted_to(model.config, antialias=False)
    code, out, _ = run(folder, path, "--official_resize", "--json", "--device", "cpu")
    assert code == 0 and json.loads(out)["labels"] == predict(model, sharp, path) != predict(model, processor, path)


def test_workers_are_counted_from_zero(run, save, tiny_clip):
    code, _, error = run(save(), tiny_clip(), "--num_workers", -1)
    assert code == 2 and "--num_workers is -1" in error
