# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A fine-tuning ends with the test of its recipe: which videos, which views, and when its result is suspicious."""

import io
import json
import tarfile
from types import SimpleNamespace

import datasets
import pytest
import torch

from videomae import VideoMAEForVideoClassification, VideoMAEVideoProcessor, cli, final_test
from videomae.final_test import disagreement, finish, plan_test
from videomae.scripts import run_finetuning
from videomae.shards import TarShards
from videomae.training import VideoMAETrainingArguments
from videomae.training_data import TrainingVideos

NAMES = ["clap", "point", "wave"]


def table(*paths, labels=None):
    """Videos, and their classes; `labels` None: without."""
    columns = {"video": [str(path) for path in paths]}
    if labels is None:
        return datasets.Dataset.from_dict(columns)
    features = datasets.Features({"video": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})
    return datasets.Dataset.from_dict(columns | {"label": labels}, features=features)


def videos(validation=None, test=None):
    return TrainingVideos(table("train.mp4", labels=[0]), validation, NAMES, test)


# ---- which views ----


@pytest.mark.parametrize(
    ("settings", "views"),
    [
        ({}, (5, 3)),
        ({"sampling": "uniform"}, (2, 3)),
        ({"framing": "whole"}, (5, 1)),
        ({"sampling": "uniform", "framing": "whole"}, (2, 1)),
    ],
)
def test_without_a_word_the_views_are_those_of_the_papers_for_this_sampling(settings, views):
    plan = plan_test(None, videos(table("a.mp4", labels=[0])), VideoMAEVideoProcessor(**settings))
    assert (plan.num_segments, plan.num_crops) == views


def test_views_that_are_given_win():
    plan = plan_test("4x2", videos(table("a.mp4", labels=[0])), VideoMAEVideoProcessor(sampling="uniform"))
    assert (plan.num_segments, plan.num_crops) == (4, 2)


@pytest.mark.parametrize(
    ("views", "message"),
    [("3", "--test_views 3: views are '3', wanted SEGMENTSxCROPS"), ("2x3", "--test_views 2x3: 3 crops .* wanted 1")],
)
def test_views_that_no_video_has_are_told_in_the_name_of_the_flag(views, message):
    with pytest.raises(ValueError, match=message):
        plan_test(views, videos(table("a.mp4", labels=[0])), VideoMAEVideoProcessor(framing="whole"))


# ---- which videos ----


def test_the_test_split_comes_before_the_validation_videos():
    validation, test = table("v.mp4", labels=[1]), table("t.mp4", labels=[2])
    for found, split, label in ((videos(validation, test), "test", 2), (videos(validation), "validation", 1)):
        plan = plan_test(None, found, VideoMAEVideoProcessor())
        assert (plan.videos.split, list(plan.videos.labels)) == (split, [label])
        assert list(plan.videos.videos) == [f"{split[0]}.mp4"]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (videos(), "there is no test split, there is no validation split"),
        (videos(test=table("t.mp4")), "the test split has no labels, there is no validation split"),
        (videos(validation=object()), "there is no test split, the validation split is a stream of the Hub"),
    ],
)
def test_without_videos_one_line_says_why_there_is_no_test(found, reason, caplog):
    assert plan_test(None, found, VideoMAEVideoProcessor()) is None
    (line,) = caplog.messages
    assert line.startswith(f"no test at the end: {reason};")


def test_a_test_split_without_labels_makes_room_for_validation():
    plan = plan_test(None, videos(table("v.mp4", labels=[1]), table("t.mp4")), VideoMAEVideoProcessor())
    assert plan.videos.split == "validation"


def test_no_test_is_a_choice(caplog):
    assert plan_test("none", videos(table("a.mp4", labels=[0])), VideoMAEVideoProcessor()) is None
    assert caplog.messages == ["no test at the end: --test_views is none"]


def test_damaged_videos_of_shards_are_told_before_the_training(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for member, data in (("a.cls", b"wave"), ("b.cls", b"wave"), ("b.mp4", b"B")):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    shards = TarShards(tmp_path / "a.tar", class_names=NAMES)
    with pytest.raises(ValueError, match=r"1 videos of the test split .*a\.tar/a: .*--test_views none"):
        plan_test(None, videos(test=shards), VideoMAEVideoProcessor())
    assert plan_test("none", videos(test=shards), VideoMAEVideoProcessor()) is None


# ---- the test itself ----


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    torch.manual_seed(0)
    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {name: i for i, name in enumerate(NAMES)}}
    model = VideoMAEForVideoClassification(tiny_config(num_labels=3, classifier_init_scale=100.0, **labels))
    model.save_pretrained(tmp_path / "run")
    VideoMAEVideoProcessor.for_model(model.config, frame_stride=2).save_pretrained(tmp_path / "run")
    return tmp_path / "run"


def test_the_folder_that_was_left_is_measured_and_written_beside_the_metrics(checkpoint, tiny_clip, capsys, caplog):
    paths = [tiny_clip(f"{number}.mp4", num_frames=12 + 9 * number) for number in range(5)]
    processor = VideoMAEVideoProcessor.from_pretrained(checkpoint)
    model = VideoMAEForVideoClassification.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        best = [model(processor.views(path, 3, 2)).logits.softmax(-1).mean(0).argmax().item() for path in paths]
    wrong = [(label + 1) % 3 for label in best]
    labels = [*best[:4], wrong[4]]
    plan = plan_test("3x2", videos(test=table(*paths, labels=labels)), processor)
    training = VideoMAETrainingArguments(output_dir=str(checkpoint), use_cpu=True, dataloader_num_workers=0)
    finish(plan, training, {"eval_top1": 80.0, "eval_num_videos": 5, "bad_videos": []})
    metrics = json.loads((checkpoint / "metrics.json").read_text())
    found = metrics.pop("test")
    assert metrics == {"eval_top1": 80.0, "eval_num_videos": 5, "bad_videos": []}
    assert (found["split"], found["views"], found["num_videos"]) == ("test", "3x2", 5)
    assert found["top1"] == pytest.approx(80) and found["top5"] == 100 and 0 < found["mean_class_accuracy"] < 100
    assert capsys.readouterr().out.startswith("5 videos of test, 3x2 views each: top-1 80.00 %, top-5 100.00 %, mean ")
    assert not caplog.messages


def test_only_the_first_process_writes_and_prints(checkpoint, tiny_clip, capsys):
    plan = plan_test("1x1", videos(test=table(tiny_clip(), labels=[0])), VideoMAEVideoProcessor())
    second = SimpleNamespace(output_dir=checkpoint, device="cpu", dataloader_num_workers=0, process_index=1)
    finish(plan, second, {})
    assert not (checkpoint / "metrics.json").exists() and not capsys.readouterr().out


# ---- is the result believable? ----


def compared(one, many, *, num_videos=1000, tested=None, split="validation"):
    test = {"top1": many, "num_videos": tested or num_videos, "split": split, "views": "5x3"}
    return disagreement({"eval_top1": one, "eval_num_videos": num_videos}, test)


@pytest.mark.parametrize(("one", "many"), [(70, 75), (70, 68), (70, 83.4), (70, 57), (0, 10), (100, 100)])
def test_what_views_and_chance_explain_is_no_matter(one, many):
    # two standard errors of the difference between 70 % and 83.4 % of 1,000 videos are 3.7 points
    assert compared(one, many) is None


@pytest.mark.parametrize(("one", "many"), [(70, 85), (70, 55), (70, 0.2), (0, 20), (100, 80)])
def test_more_than_that_is_told_with_both_numbers(one, many):
    told = compared(one, many)
    assert f"top-1 is {one:.1f} % in validation (1x1 views) but {many:.1f} % in the test" in told
    assert "validation split, 5x3 views" in told


def test_few_videos_prove_little():
    assert compared(70, 45, num_videos=20) is None and compared(70, 45, num_videos=2000)
    assert compared(100, 100 / 3, num_videos=3) is None  # two videos, though 3 of 3 look like no error at all
    assert compared(70, 45, num_videos=2000, tested=20) is None  # the smaller set decides


def test_what_to_look_at_depends_on_whether_the_videos_are_the_same():
    same, others = compared(90, 10), compared(90, 10, split="test")
    assert "The videos are the same" in same and "image_mean" not in same
    assert "image_mean" in others and "test split" in others and "classes named, or numbered, alike" in others


def test_without_a_validation_there_is_nothing_to_compare():
    assert disagreement({}, {"top1": 3.0, "num_videos": 9, "split": "test", "views": "5x3"}) is None


# ---- at the end of the program ----

TINY = (
    "--model small --image_size 24 32 --num_frames 4 --patch_size 8 --hidden_size 12 --num_hidden_layers 2 "
    "--num_attention_heads 3 --intermediate_size 20 --frame_stride 2"
).split()
SHORT = (
    "--num_train_epochs 2 --warmup_epochs 1 --per_device_train_batch_size 2 --logging_steps 1 --save_strategy no "
    "--dataloader_num_workers 0 --use_cpu --disable_tqdm true --learning_rate 0.05"
).split()


@pytest.fixture
def labelled(tiny_clip, tmp_path):
    """Four training, two validation and three test videos of two classes."""
    for split, numbers in (("train", range(4)), ("val", range(2)), ("test", range(3))):
        for number in numbers:
            tiny_clip(f"videos/{split}/{('jump', 'swim')[number % 2]}/{number}.mp4", num_frames=18 + 7 * number)
    return tmp_path / "videos"


@pytest.fixture
def finetune(labelled, tmp_path, capsys):
    """`finetune(*argv) -> (metrics, stdout)` of the program."""

    def run(*argv, name="run"):
        output = tmp_path / name
        argv = ["finetune", "--data", labelled, "--output_dir", output, *TINY, *SHORT, *argv]
        assert cli.main(list(map(str, argv))) == 0
        return json.loads((output / "metrics.json").read_text()), capsys.readouterr().out

    return run


def evaluated(capsys, *argv):
    assert cli.main(["evaluate", *map(str, argv), "--num_workers", "0", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("argv", "views"),
    [([], "5x3"), (["--sampling", "uniform"], "2x3"), (["--framing", "whole", "--test_views", "3x1"], "3x1")],
)
def test_the_end_of_a_fine_tuning_is_what_evaluate_says_of_its_folder(
    finetune, labelled, tmp_path, capsys, argv, views
):
    metrics, told = finetune(*argv)
    found = evaluated(capsys, tmp_path / "run", labelled, "--views", views)
    assert metrics["test"] == {name: value for name, value in found.items() if name not in ("model", "data")}
    assert (metrics["test"]["split"], metrics["test"]["num_videos"], metrics["eval_num_videos"]) == ("test", 3, 2)
    assert f"3 videos of test, {views} views each: top-1 " in told


def test_tar_shards_are_tested_by_their_names(finetune, labelled, tmp_path, capsys):
    (tmp_path / "shards").mkdir()
    for split in ("train", "val", "test"):
        with tarfile.open(tmp_path / "shards" / f"{split}-0.tar", "w") as tar:
            for path in sorted((labelled / split).rglob("*.mp4")):
                tar.add(path, path.name)
                (tmp_path / "label").write_text(path.parent.name)
                tar.add(tmp_path / "label", f"{path.stem}.cls")
    metrics, _ = finetune("--data", tmp_path / "shards")
    of_shards, of_folder = (
        evaluated(capsys, tmp_path / "run", data, "--views", "5x3") for data in (tmp_path / "shards", labelled)
    )
    expected = {name: value for name, value in of_folder.items() if name not in ("model", "data", "split_fingerprint")}
    assert metrics["test"] | expected == metrics["test"] and expected == {name: of_shards[name] for name in expected}


def test_the_average_of_the_weights_and_the_best_checkpoint_are_what_is_tested(finetune, labelled, tmp_path, capsys):
    best = "--load_best_model_at_end true --save_strategy epoch --metric_for_best_model top1".split()
    for name, argv in (("average", ["--ema_decay", "0.5"]), ("best", best), ("head", ["--trained_blocks", "0"])):
        metrics, _ = finetune(*argv, "--test_views", "1x1", name=name)
        assert metrics["test"]["top1"] == evaluated(capsys, tmp_path / name, labelled)["top1"]


def test_with_views_1x1_on_the_validation_videos_it_says_what_the_validation_said(finetune, labelled):
    (labelled / "test").rename(labelled.parent / "elsewhere")
    metrics, _ = finetune("--test_views", "1x1")
    for name in ("top1", "top5", "mean_class_accuracy", "num_videos"):
        assert metrics["test"][name] == metrics[f"eval_{name}"]
    assert metrics["test"]["split"] == "validation"


def test_a_recipe_brings_its_views_and_the_command_line_wins(finetune):
    short = ["--total_batch", "2", "--save_strategy", "epoch"]
    metrics, _ = finetune("--recipe", "finetune_ssv2_large_2400_32", *short)
    assert metrics["test"]["views"] == "1x3"  # without a recipe it would be 2x3
    metrics, _ = finetune("--recipe", "auto", *short, "--test_views", "2x1", name="second")
    assert metrics["test"]["views"] == "2x1"


def test_none_leaves_it_out_and_so_does_a_set_without_other_videos(finetune, labelled, caplog):
    metrics, told = finetune("--test_views", "none")
    assert "test" not in metrics and "views each" not in told
    metrics, _ = finetune("--data", labelled / "train", name="second")
    assert "test" not in metrics and "no test at the end: there is no test split, there is no val" in caplog.text


def test_views_that_no_video_has_cost_no_training(labelled, tmp_path, capsys):
    argv = ["--data", str(labelled), "--output_dir", str(tmp_path / "run"), *TINY, *SHORT]
    for views, message in (("5by3", "wanted SEGMENTSxCROPS"), ("5x3", "wanted 1 (5x1 views)")):
        assert cli.run(run_finetuning.main, [*argv, "--framing", "whole", "--test_views", views]) == 2
        assert f"error: --test_views {views}: " in (error := capsys.readouterr().err) and message in error
    assert not (tmp_path / "run").exists()


def test_a_test_that_contradicts_the_validation_is_warned_of(finetune, labelled, caplog, monkeypatch):
    finetune()
    assert "explain" not in caplog.text  # two videos and three prove nothing
    monkeypatch.setattr(final_test, "MARGIN", -200.0)
    finetune(name="second")
    assert "more than the views and the number of videos explain" in caplog.text
