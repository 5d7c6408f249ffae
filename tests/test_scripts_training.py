# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The two training programs, from the command line to the folder that they leave."""

import json

import numpy as np
import pytest
import torch

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEVideoProcessor, cli, clips
from videomae.scripts import run_finetuning, run_pretraining

TINY = (
    "--image_size 24 32 --num_frames 4 --patch_size 8 --hidden_size 12 --num_hidden_layers 2 --num_attention_heads 3 "
    "--intermediate_size 20"
).split()
TINY_DECODER = (
    "--decoder_hidden_size 10 --decoder_num_hidden_layers 1 --decoder_num_attention_heads 5 "
    "--decoder_intermediate_size 14 --mask_ratio 0.75"
).split()
SHORT = (
    "--num_train_epochs 2 --warmup_epochs 1 --per_device_train_batch_size 2 --logging_steps 1 --save_strategy no "
    "--dataloader_num_workers 0 --use_cpu --disable_tqdm true"
).split()
STILL = ["--learning_rate", "1e-9", "--min_learning_rate", "0"]  # weights stay what they are, to about 1e-8


@pytest.fixture
def videos(tiny_clip):
    """Six training and three validation videos of three classes."""
    for split, numbers in (("train", range(2)), ("val", range(1))):
        for number in numbers:
            for name in ("jump", "run", "swim"):
                clip = tiny_clip(f"videos/{split}/{name}/{number}.mp4", num_frames=20 + number)
    return clip.parents[2]


@pytest.fixture
def pretrain(videos, tmp_path):
    """`pretrain(*argv) -> Path`: what the program leaves."""

    def run(*argv, model=("--model", "small", *TINY, *TINY_DECODER), name="pretrained", data=videos):
        output = tmp_path / name
        base = ["--data", str(data), "--output_dir", str(output), "--frame_stride", "3", "--health_epochs", "0"]
        assert run_pretraining.main([*base, *SHORT, *model, *argv]) == 0
        return output

    return run


@pytest.fixture
def finetune(videos, tmp_path):
    def run(*argv, name="finetuned", data=videos):
        output = tmp_path / name
        assert run_finetuning.main(["--data", str(data), "--output_dir", str(output), *SHORT, *argv]) == 0
        return output

    return run


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def losses_of(folder):
    return [
        line["loss"]
        for line in json.loads((folder / "trainer_state.json").read_text())["log_history"]
        if "loss" in line
    ]


def test_pre_training_leaves_a_model_its_processor_metrics_and_curve(pretrain):
    folder = pretrain()
    model = VideoMAEForPreTraining.from_pretrained(folder)
    processor = VideoMAEVideoProcessor.from_pretrained(folder)
    assert model.config.grid == (2, 3, 4) and model.config.decoder_hidden_size == 10
    assert (processor.num_frames, processor.frame_stride, processor.crop_size.width) == (4, 3, 32)
    metrics = metrics_of(folder)
    assert metrics["bad_videos"] == [] and metrics["epoch"] == 2 and 0 < metrics["eval_loss"] < 10
    assert len(losses_of(folder)) == 6


def test_pre_training_twice_gives_the_same_weights(pretrain):
    first, second = (VideoMAEForPreTraining.from_pretrained(pretrain(name=name)).state_dict() for name in "ab")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_pre_training_goes_on_from_a_checkpoint_with_its_sampling(pretrain):
    first = pretrain("--num_train_epochs", "1")
    second = pretrain(
        "--frame_stride",
        "2",
        *STILL,
        model=("--model", str(first), *TINY_DECODER[-2:]),
        name="second",
    )
    before, after = (VideoMAEForPreTraining.from_pretrained(folder).state_dict() for folder in (first, second))
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    assert VideoMAEVideoProcessor.from_pretrained(second).frame_stride == 2


def test_v2_s_decoder_masks_train(pretrain):
    square = ["--image_size", "32", "--decoder_mask_ratio", "0.5", "--mask", "random"]
    assert len(losses_of(pretrain(*square))) == 6


def test_unlabelled_videos_and_no_validation_are_enough(pretrain, videos):
    metrics = metrics_of(pretrain(data=videos / "train" / "run", model=("--model", "small", *TINY, *TINY_DECODER)))
    assert "eval_loss" not in metrics


def test_labels_of_no_use_do_not_stop_pre_training(pretrain, videos):
    (videos / "list.csv").write_text("train/run/0.mp4 7\ntrain/run/1.mp4 -3\n")
    assert metrics_of(pretrain(data=videos / "list.csv"))["epoch"] == 2


def test_a_resumed_program_ends_with_the_same_weights(pretrain):
    keep = ("--save_strategy", "steps", "--save_steps", "1", "--save_total_limit", "9")
    whole = pretrain(*keep, name="whole")
    resumed = pretrain(*keep, "--resume_from_checkpoint", str(whole / "checkpoint-2"), name="resumed")
    first, second = (VideoMAEForPreTraining.from_pretrained(folder).state_dict() for folder in (whole, resumed))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_fine_tuning_takes_over_the_encoder_and_writes_the_classes(pretrain, finetune):
    pretrained = pretrain()
    folder = finetune("--model", str(pretrained), *STILL)
    model = VideoMAEForVideoClassification.from_pretrained(folder)
    assert model.config.id2label == {0: "jump", 1: "run", 2: "swim"}
    assert model.config.label2id == {"jump": 0, "run": 1, "swim": 2}
    assert model.config.use_mean_pooling and model.config.drop_path_rate == 0.1
    name = "encoder.layer.1.attention.attention.value.weight"
    before = VideoMAEForPreTraining.from_pretrained(pretrained).videomae.get_parameter(name)
    torch.testing.assert_close(model.videomae.get_parameter(name), before, rtol=0, atol=1e-6)
    assert VideoMAEVideoProcessor.from_pretrained(folder).frame_stride == 3
    metrics = metrics_of(folder)
    assert metrics["eval_num_videos"] == 3 and 0 <= metrics["eval_top1"] <= 100
    assert "eval_top1" in (folder / "trainer_state.json").read_text()


def test_from_scratch_takes_only_the_architecture(pretrain, finetune):
    pretrained = pretrain()
    folder = finetune("--model", str(pretrained), "--from_scratch", *STILL)
    name = "encoder.layer.1.attention.attention.value.weight"
    before = VideoMAEForPreTraining.from_pretrained(pretrained).videomae.get_parameter(name)
    after = VideoMAEForVideoClassification.from_pretrained(folder).videomae.get_parameter(name)
    assert after.shape == before.shape and not torch.allclose(before, after, atol=1e-3)


@pytest.fixture
def classifier(finetune, videos):
    """A checkpoint that has learned the classes jump, run and swim, in this order."""
    start = ["--model", "small", *TINY, "--learning_rate", "0.1", "--eval_strategy", "no"]
    return finetune(*start, data=videos / "train", name="classifier")


def test_a_classifier_gets_other_classes_and_keeps_its_body(classifier, finetune, videos, caplog):
    (videos / "val" / "run").rename(videos / "val" / "walk")
    second = finetune("--model", str(classifier), *STILL, "--eval_strategy", "no", data=videos / "val")
    before, after = (VideoMAEForVideoClassification.from_pretrained(folder) for folder in (classifier, second))
    assert list(after.config.id2label.values()) == ["jump", "swim", "walk"] and after.classifier.out_features == 3
    assert before.fc_norm.weight.std() > 1e-3  # it has learned
    torch.testing.assert_close(after.fc_norm.weight, before.fc_norm.weight, rtol=0, atol=1e-6)
    assert before.classifier.weight.std() > 1e-2 > after.classifier.weight.std() > 0
    assert "trained for 3 other classes (jump, run, swim …): it is replaced by a fresh one" in caplog.text


def test_a_classifier_keeps_what_it_knows_of_the_same_classes_in_another_order(
    classifier, finetune, videos, tmp_path, caplog
):
    (tmp_path / "names.txt").write_text("swim\njump\nrun\n")
    second = finetune("--model", str(classifier), *STILL, "--class_names", str(tmp_path / "names.txt"))
    before, after = (VideoMAEForVideoClassification.from_pretrained(folder) for folder in (classifier, second))
    assert after.config.label2id == {"swim": 0, "jump": 1, "run": 2}
    for name in ("weight", "bias"):
        old, new = (getattr(model.classifier, name) for model in (before, after))
        assert old.std() > 1e-3
        torch.testing.assert_close(new, old[[2, 0, 1]], rtol=0, atol=1e-6)
    assert "replaced" not in caplog.text


@pytest.mark.parametrize(("argv", "mirrored"), [([], False), (["--horizontal_flip", "true"], True)])
def test_clips_of_left_and_right_are_mirrored_only_when_asked_for(
    finetune, videos, caplog, monkeypatch, argv, mirrored
):
    seen = []
    monkeypatch.setattr(clips, "horizontal_flip", lambda clip, generator: seen.append(clip) or clip)
    for split in ("train", "val"):
        (videos / split / "run").rename(videos / split / "turn left")
    finetune("--model", "small", *TINY, *argv)
    assert bool(seen) == mirrored and ("would change the class 'turn left'" in caplog.text) != mirrored


def test_class_names_from_a_file_name_integer_labels(finetune, videos, tmp_path):
    (tmp_path / "names.txt").write_text("jump\nrun\nswim\nwalk\n")
    (videos / "train.csv").write_text("train/run/0.mp4 1\ntrain/swim/1.mp4 2\n")
    folder = finetune(
        *("--model", "small", *TINY, "--class_names", str(tmp_path / "names.txt"), "--eval_strategy", "no"),
        data=videos / "train.csv",
    )
    assert json.loads((folder / "config.json").read_text())["id2label"]["3"] == "walk"


def test_missing_validation_videos_are_told_and_do_not_stop_the_run(finetune, videos, caplog):
    folder = finetune("--model", "small", *TINY, data=videos / "train")
    assert "no validation videos" in caplog.text and "eval_top1" not in metrics_of(folder)


def test_skipped_videos_are_written_down(pretrain, videos):
    bad = videos / "train" / "run" / "0.mp4"
    bad.write_text("this is no video")
    metrics = metrics_of(pretrain("--on_bad_video", "skip"))
    assert metrics["bad_videos"] == [str(bad)]


# ---- bad input: one clear error, exit code 2 ----


@pytest.mark.parametrize("program", [run_pretraining, run_finetuning])
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: --data, --output_dir"),
        (["--data", "x", "--output_dir", "run", "--mask_ratioo", "1"], "unknown argument: --mask_ratioo"),
        (["--data", "nowhere", "--output_dir", "run"], "nowhere: no such folder or list"),
        (["--data", "x", "--output_dir", "run", "--layer_decay", "7"], "--layer_decay is 7.0"),
        (
            ["--data", "x", "--output_dir", "run", "--warmup_epochs", "50", "--num_train_epochs", "9"],
            "warmup_epochs 50",
        ),
    ],
)
def test_wrong_usage_is_one_error_with_exit_code_2(program, argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(program.main, argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("content", "workers"),
    [(b"", "0"), (b"this is no video", "0"), (None, "0"), (None, "1")],
    ids=["empty", "text", "truncated", "truncated, in a worker"],
)
def test_a_bad_video_is_one_error_with_exit_code_2(videos, tmp_path, capsys, content, workers):
    bad = videos / "train" / "run" / "0.mp4"
    bad.write_bytes(bad.read_bytes()[:400] if content is None else content)
    argv = ["--data", str(videos), "--output_dir", str(tmp_path / "run"), *SHORT, *TINY, *TINY_DECODER]
    assert cli.run(run_pretraining.main, [*argv, "--dataloader_num_workers", workers]) == 2
    error = capsys.readouterr().err
    assert f"error: {bad}: " in error and "Traceback" not in error


def test_a_mask_that_does_not_fit_is_one_error_before_any_worker(videos, tmp_path, capsys):
    argv = ["--data", str(videos), "--output_dir", str(tmp_path / "run"), *SHORT, *TINY, *TINY_DECODER]
    argv += ["--decoder_mask_ratio", "0.5", "--dataloader_num_workers", "1"]
    assert cli.run(run_pretraining.main, argv) == 2
    error = capsys.readouterr().err
    assert "error: a running-cell mask needs even numbers of patches, but the grid is 3x4" in error
    assert "worker" not in error


def test_unlabelled_videos_cannot_be_fine_tuned(videos, tmp_path, capsys):
    argv = ["--data", str(videos / "train" / "run"), "--output_dir", str(tmp_path / "run"), *SHORT, *TINY]
    assert cli.run(run_finetuning.main, argv) == 2
    assert "error: the videos have no labels" in capsys.readouterr().err


def test_a_checkpoint_of_another_model_is_one_error(videos, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "vit", "architectures": ["ViTModel"]}')
    argv = ["--data", str(videos), "--output_dir", str(tmp_path / "run"), *SHORT, "--model", str(other)]
    assert cli.run(run_pretraining.main, argv) == 2
    assert "'vit' model, wanted 'videomae'" in capsys.readouterr().err


# ---- the data path ----


def test_validation_of_the_list_comes_before_any_training(videos, tmp_path, capsys):
    base = ["--data", str(videos), "--output_dir", str(tmp_path / "run"), "--validate", "true"]
    for number, video in enumerate(sorted(videos.rglob("*.mp4"))):
        video.write_bytes(video.read_bytes() + bytes([number]))  # no two are alike
    assert run_finetuning.main(base) == 0
    assert "train: 6 videos of 3 classes" in capsys.readouterr().out
    (videos / "val" / "run" / "0.mp4").write_bytes((videos / "train" / "run" / "0.mp4").read_bytes())
    assert run_finetuning.main(base) == 1 and run_pretraining.main(base) == 1
    assert "error: " in capsys.readouterr().out and not (tmp_path / "run").exists()


def test_the_paper_s_augmentation_trains(finetune, videos):
    recipe = "--rand_augment rand-m7-n4-mstd0.5-inc1 --erasing 0.25 --mixup 0.8 --cutmix 1.0 --repeats 2".split()
    assert metrics_of(finetune("--model", "small", *TINY, *recipe))["train_loss"] > 0


def test_a_wrong_policy_is_told_before_anything_is_loaded(videos, tmp_path, capsys):
    argv = ["--data", str(videos), "--output_dir", str(tmp_path / "run"), "--rand_augment", "rand-m7"]
    assert cli.run(run_finetuning.main, argv) == 2
    assert "RandAugment policy 'rand-m7': wanted rand-m<magnitude>" in capsys.readouterr().err


def test_the_checkpoint_keeps_how_its_clips_were_sampled(finetune):
    flags = "--framing whole --short_video loop --training_spacing exact --frame_stride 3".split()
    first = finetune("--model", "small", *TINY, *flags)
    second = finetune("--model", str(first), *STILL, name="again")
    for folder in (first, second):
        processor = VideoMAEVideoProcessor.from_pretrained(folder)
        assert (processor.framing, processor.short_video, processor.training_spacing) == ("whole", "loop", "exact")


def test_repeats_are_more_clips_of_as_many_videos(pretrain, monkeypatch):
    batches = []
    forward = VideoMAEForPreTraining.forward
    monkeypatch.setattr(
        VideoMAEForPreTraining,
        "forward",
        lambda self, **inputs: batches.append(inputs["pixel_values"].shape) or forward(self, **inputs),
    )
    folder = pretrain("--repeats", "3")
    # two epochs of three steps of two videos, and three videos to validate on
    assert batches == [(6, 4, 3, 24, 32)] * 6 + [(3, 4, 3, 24, 32)]
    assert json.loads((folder / "trainer_state.json").read_text())["global_step"] == 6


def test_thirteen_channels_from_arrays_train_from_a_checkpoint_of_three(pretrain, tmp_path):
    rgb = pretrain()
    random = np.random.default_rng(0)
    for number in range(4):
        (tmp_path / "arrays").mkdir(exist_ok=True)
        np.save(tmp_path / "arrays" / f"{number}.npy", random.integers(0, 4000, (14, 13, 40, 48)).astype(np.uint16))
    channels = "--num_channels 13 --adapt_channels average".split()
    statistics = ["--image_mean", *["2000"] * 13, "--image_std", *["1150"] * 13]
    folder = pretrain(model=("--model", str(rgb), *channels, *statistics), name="many", data=tmp_path / "arrays")
    config = VideoMAEForPreTraining.from_pretrained(folder).config
    assert (config.num_channels, list(config.image_mean)) == (13, [2000.0] * 13)
    assert list(VideoMAEVideoProcessor.from_pretrained(folder).image_std) == [1150.0] * 13


# ---- several classes a video, and numbers ----


@pytest.mark.parametrize(
    ("labels", "problem_type", "names", "metrics"),
    [
        (["up|left", "up", "left|far"], "multi_label_classification", ["far", "left", "up"], {"mAP", "num_classes"}),
        (["23", "7", "11"], "regression", ["value"], {"mae", "r2"}),
        (["0.5", "2", "1.5"], None, ["value"], {"mae", "r2"}),
    ],
    ids=["classes", "integers", "numbers"],
)
def test_other_labels_than_one_class_are_trained_validated_tested_and_evaluated(
    finetune, tiny_clip, capsys, labels, problem_type, names, metrics
):
    rows = [
        (tiny_clip(f"listed/{split}{number}.mp4", num_frames=20 + number).name, label, split)
        for split in ("train", "val", "test")
        for number, label in enumerate(labels)
    ]
    file = tiny_clip("listed/other.mp4").parent / "list.csv"
    file.write_text("path,label,split\n" + "".join(",".join(row) + "\n" for row in rows))
    flags = [] if problem_type is None else ["--problem_type", problem_type]
    folder = finetune("--model", "small", *TINY, "--test_views", "2x3", *flags, data=file)
    config = VideoMAEForVideoClassification.from_pretrained(folder).config
    assert config.problem_type == (problem_type or "regression") and list(config.id2label.values()) == names
    found = metrics_of(folder)
    assert metrics <= {name.removeprefix("eval_") for name in found} and "eval_top1" not in found
    assert metrics <= set(found["test"]) and found["test"]["num_videos"] == 3

    capsys.readouterr()
    assert cli.main(["evaluate", str(folder), str(file), "--views", "2x3", "--num_workers", "0", "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)
    for name in metrics:
        assert evaluated[name] == pytest.approx(found["test"][name]), name


def test_flags_for_one_class_a_video_are_refused_for_others(tiny_clip, tmp_path):
    file = tiny_clip("listed/a.mp4").parent / "list.csv"
    file.write_text("a.mp4 0.5\n")
    base = ["--data", str(file), "--output_dir", str(tmp_path / "run"), "--model", "small", *TINY, *SHORT]
    for flags, message in (
        (["--horizontal_flip", "swap"], "swap exchanges the classes left and right"),
        (["--balance_classes", "true"], "--balance_classes is for one class a video, the labels are of regression"),
        (["--mixup", "0.8"], "mixup and cutmix are for classification with one class a video"),
        (["--class_weights", "2"], "class_weights is for classes, the model's problem_type is regression"),
    ):
        with pytest.raises(ValueError, match=message):
            run_finetuning.main([*base, *flags])
