# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""`videomae evaluate` from the command line: which classes, which views, which videos, and what it leaves."""

import csv
import json

import pytest
import torch

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEVideoProcessor, cli
from videomae.classes import labels_of

NAMES = ["Riding a bike", "clap", "jump", "wave"]


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    torch.manual_seed(0)
    config = tiny_config(num_labels=4, classifier_init_scale=100.0, **labels_of(NAMES))
    model = VideoMAEForVideoClassification(config)
    model.save_pretrained(tmp_path / "model")
    VideoMAEVideoProcessor.for_model(config, frame_stride=2).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def videos(tiny_clip):
    """Two videos of each of two classes; the picture is wide and smaller than 4:3 asks for, so that crops differ."""
    for number, name in enumerate(("clap", "wave")):
        for copy in range(2):
            clip = tiny_clip(f"videos/{name}/{copy}.mp4", num_frames=20 + 9 * number + 4 * copy, width=96)
    return clip.parents[1]


@pytest.fixture
def evaluate(checkpoint, capsys):
    """`evaluate(data, *flags) -> (exit code, metrics or None, stderr)`"""

    def run(data, *flags, model=checkpoint):
        capsys.readouterr()
        code = cli.main(list(map(str, ["evaluate", model, data, "--num_workers", 0, "--json", *flags])))
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


# ---- classes ----


def test_names_in_another_spelling_are_matched_and_told(evaluate, videos):
    (videos / "clap").rename(videos / "riding_a_bike")
    (videos / "wave").rename(videos / "Wave")
    code, metrics, err = evaluate(videos)
    assert code == 0 and metrics["label_map"] == {"Wave": "wave", "riding_a_bike": "Riding a bike"}
    assert "labels matched: Wave -> wave, riding_a_bike -> Riding a bike" in err


def test_other_names_need_a_map(evaluate, videos, tmp_path):
    wanted = evaluate(videos)[1]
    (videos / "clap").rename(videos / "applause")
    code, metrics, err = evaluate(videos)
    assert (code, metrics) == (2, None) and "error: label 'applause' is unknown; the classes are Riding" in err
    (tmp_path / "map.json").write_text('{"applause": "clap"}')
    code, metrics, _ = evaluate(videos, "--label_map", tmp_path / "map.json")
    assert code == 0 and metrics["top1"] == wanted["top1"] and metrics["label_map"] == {"applause": "clap"}


def test_the_classes_of_the_data_alone_are_compared_by_their_own_softmax(evaluate, videos, checkpoint, tmp_path):
    of_model, of_data = tmp_path / "model.csv", tmp_path / "data.csv"
    code, metrics, err = evaluate(videos, "--results", of_model)
    assert (code, metrics["num_classes"]) == (0, 4) and "4 classes compared" in err and "warning" not in err
    code, metrics, err = evaluate(videos, "--classes", "data", "--results", of_data, "--output_dir", tmp_path / "out")
    assert code == 0 and (metrics["num_videos"], metrics["num_classes"]) == (4, 2) and "2 classes compared" in err
    assert "warning: only the 2 classes that occur in the split are compared, of 4 that the model knows" in err
    whole, part = (
        torch.tensor([json.loads(row["scores"]) for row in csv.DictReader(file.read_text().splitlines())])
        for file in (of_model, of_data)
    )
    kept = whole[:, [1, 3]]  # clap and wave; one view, so that softmax over fewer is a renormalisation
    torch.testing.assert_close(part, kept / kept.sum(dim=1, keepdim=True), atol=1e-5, rtol=0)
    assert (tmp_path / "out" / "confusion_matrix.csv").read_text().splitlines()[0] == "class,clap,wave"


def test_flags_for_one_class_a_video_are_refused_for_numbers(evaluate, tiny_config, videos, tmp_path):
    model = VideoMAEForVideoClassification(tiny_config(num_labels=1, **labels_of(["value"], "regression")))
    model.save_pretrained(tmp_path / "numbers")
    VideoMAEVideoProcessor.for_model(model.config).save_pretrained(tmp_path / "numbers")
    code, _, err = evaluate(videos, "--classes", "data", model=tmp_path / "numbers")
    assert code == 2 and "--label_map and --classes are for one class a video, the model is of regression" in err
    code, _, err = evaluate(videos, model=tmp_path / "numbers")
    assert code == 2 and "label 'clap': wanted a number" in err


def test_a_checkpoint_without_a_trained_classifier_is_refused(evaluate, tiny_config, videos, tmp_path):
    model = VideoMAEForPreTraining(tiny_config())
    model.save_pretrained(tmp_path / "pretrained")
    VideoMAEVideoProcessor.for_model(model.config).save_pretrained(tmp_path / "pretrained")
    code, _, err = evaluate(videos, model=tmp_path / "pretrained")
    assert code == 2 and "holds a VideoMAEForPreTraining, wanted a VideoMAEForVideoClassification" in err


# ---- views ----


def test_sampling_and_resize_of_the_checkpoint_may_be_replaced(evaluate, videos, tmp_path):
    scores = {}
    for name, flags in (("own", ()), ("uniform", ("--protocol", "uniform")), ("plain", ("--official_resize",))):
        code, metrics, _ = evaluate(videos, "--views", "2x3", *flags, "--results", tmp_path / f"{name}.csv")
        assert code == 0 and metrics["sampling"] == ("uniform" if name == "uniform" else "dense")
        scores[name] = (tmp_path / f"{name}.csv").read_text()
    assert scores["uniform"] != scores["own"]
    own, plain = (json.loads((tmp_path / f"{name}.csv.settings.json").read_text()) for name in ("own", "plain"))
    assert own["model"] != plain["model"] and own["videos"] == plain["videos"]
    code, _, err = evaluate(videos, "--views", "2x3", "--protocol", "uniform", "--results", tmp_path / "own.csv")
    assert code == 2 and "is of another evaluation (model: " in err


def test_how_many_views_go_through_the_network_at_once_does_not_show(evaluate, videos, tmp_path):
    for count in (1, 6):
        flags = ("--views", "2x3", "--views_per_forward", count, "--results", tmp_path / f"{count}.csv")
        assert evaluate(videos, *flags)[0] == 0
    one, six = (
        torch.tensor([json.loads(row["scores"]) for row in csv.DictReader((tmp_path / file).read_text().splitlines())])
        for file in ("1.csv", "6.csv")
    )
    torch.testing.assert_close(one, six, atol=2e-6, rtol=0)
    code, _, err = evaluate(videos, "--views_per_forward", 0)
    assert code == 2 and "--views_per_forward is 0, wanted at least 1" in err


# ---- videos ----


def test_videos_of_a_list_that_are_not_there_are_all_named(evaluate, videos):
    rows = [f"{name}/{copy}.mp4 {name}" for name in ("clap", "wave") for copy in range(5)]
    (videos / "list.txt").write_text("\n".join(rows))
    (videos / "wave" / "2.mp4").write_bytes(b"no video")
    code, metrics, err = evaluate(videos / "list.txt")
    assert code == 2 and (metrics["num_listed"], metrics["num_videos"]) == (10, 4)
    assert len(metrics["missing"]) == 5 and metrics["undecodable"][0]["path"] == str(videos / "wave" / "2.mp4")
    for name in ("clap/2.mp4", "clap/3.mp4", "clap/4.mp4", "wave/2.mp4", "wave/3.mp4", "wave/4.mp4"):
        assert f"- {videos}/{name}: " in err
    assert "error: 6 of 10 videos have no score:" in err
    (videos / "list.txt").write_text("\n".join(rows[:2] + rows[5:7]))
    assert metrics["top1"] == evaluate(videos / "list.txt")[1]["top1"]


def test_a_list_of_which_nothing_is_there_is_an_error_with_a_hint(evaluate, videos):
    (videos / "list.txt").write_text("a/1.mp4 clap\na/2.mp4 wave\n")
    code, metrics, err = evaluate(videos / "list.txt")
    assert (code, metrics) == (2, None) and "no such file" in err and "--data_root FOLDER" in err


def test_missing_videos_do_not_hide_labels_that_are_wrong(evaluate, videos):
    (videos / "list.txt").write_text("clap/0.mp4 clap\ngone.mp4 wave\nwave/0.mp4 7\nwave/1.mp4\n")
    code, metrics, err = evaluate(videos / "list.txt")
    assert (code, metrics) == (2, None) and "label '7' is unknown" in err
