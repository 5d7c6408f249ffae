# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""One field is one flag is one help sentence; every complaint comes at once and before anything is loaded."""

import dataclasses

import pytest

from videomae import VideoMAEVideoProcessor
from videomae.arguments import (
    PRESETS,
    FinetuningModelArguments,
    FinetuningVideoArguments,
    OptimizationArguments,
    PretrainingModelArguments,
    PretrainingVideoArguments,
    complete,
    parse,
    parse_known,
)

PRETRAINING = (PretrainingVideoArguments, PretrainingModelArguments, OptimizationArguments)
FINETUNING = (FinetuningVideoArguments, FinetuningModelArguments, OptimizationArguments)
NEEDED = ["--data", "videos", "--output_dir", "run"]


def known(*argv, types=PRETRAINING, **kwargs):
    return parse_known([*NEEDED, *argv], types, description="A program.", **kwargs)


@pytest.mark.parametrize("group", [*PRETRAINING, *FINETUNING[:2]])
def test_every_field_has_one_sentence_of_help(group):
    for field in dataclasses.fields(group):
        assert field.metadata["help"].endswith("."), field.name


def test_values_reach_their_classes_and_the_rest_comes_back_in_order():
    video, model, optimization, rest = known(
        *(
            "--mask_ratio",
            "0.75",
            "--label_names",
            "a",
            "b",
            "--hidden_size=48",
            "--max_steps",
            "5",
            "--layer_decay",
            "0.7",
        )
    )
    assert (video.data, video.mask_ratio, model.hidden_size, optimization.layer_decay) == ("videos", 0.75, 48, 0.7)
    assert rest == ["--label_names", "a", "b", "--max_steps", "5"]


def test_defaults_of_a_program_lose_against_the_command_line():
    *_, optimization, _ = known("--layer_decay", "0.5", defaults={"layer_decay": 0.9, "warmup_epochs": 5})
    assert (optimization.layer_decay, optimization.warmup_epochs) == (0.5, 5)


def test_a_default_for_an_unknown_flag_is_an_error():
    with pytest.raises(ValueError, match="unknown flags: warmup_epoch$"):
        known(defaults={"warmup_epoch": 5})


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--validate", "false"], (False, False)),
        (["--validate", "true", "--from_scratch", "true"], (True, True)),
        (["--from_scratch"], (False, True)),
    ],
)
def test_booleans_can_be_switched_both_ways(argv, expected):
    video, model, *_ = known(*argv, types=FINETUNING)
    assert (video.validate, model.from_scratch) == expected


def test_clips_are_mirrored_or_not_or_with_their_labels_or_as_the_classes_say():
    for argv, flip in (([], None), (["true"], True), (["false"], False), (["swap"], "swap")):
        argv = ["--horizontal_flip", *argv] if argv else []
        assert known(*argv, types=FINETUNING)[0].flip == flip


def test_processor_settings_are_fields_of_the_processor():
    processor = VideoMAEVideoProcessor()
    argv = ["--short_video", "loop", "--framing", "whole", "--training_spacing", "exact", "--sampling", "uniform"]
    given = known(*argv, "--frame_stride", "2", types=FINETUNING)[0].processor_settings()
    assert given == {
        "frame_stride": 2,
        "short_video": "loop",
        "framing": "whole",
        "training_spacing": "exact",
        "sampling": "uniform",
    }
    assert all(hasattr(processor, name) for name in given)
    assert set(known()[0].processor_settings().values()) == {None}


def test_bf16_has_three_states():
    assert [known(*argv)[2].bf16 for argv in ([], ["--bf16", "false"], ["--bf16", "true"])] == [None, False, True]


@pytest.mark.parametrize(("argv", "size"), [(["32"], 32), (["24", "32"], [24, 32])])
def test_image_size_is_one_number_or_two(argv, size):
    assert known("--image_size", *argv)[1].overrides() == {"image_size": size}


def test_overrides_are_the_given_fields_of_the_configuration(tiny_config):
    model = known("--hidden_size", "12", "--norm_pix_loss", "false", "--decoder", "v2", "--model", "large")[1]
    assert known("--model", "runs/a", "--interpolate_positions", "true")[1].overrides() == {}
    assert model.overrides() == {"hidden_size": 12, "norm_pix_loss": False}
    finetuning = known("--from_scratch", "--drop_path_rate", "0", types=FINETUNING)[1]
    assert finetuning.overrides() == {"drop_path_rate": 0.0}
    possible = {field.name for group in (*PRETRAINING[1:2], *FINETUNING[1:2]) for field in dataclasses.fields(group)}
    strange = (
        possible
        - {"model", "decoder", "from_scratch", "interpolate_positions", "adapt_channels", "trained_blocks"}
        - set(vars(tiny_config()))
    )
    assert not strange


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_exists_and_is_no_checkpoint(name):
    from videomae import VideoMAEConfig

    assert VideoMAEConfig.preset(name) and known("--model", name)[1].checkpoint is None
    assert known("--model", "runs/" + name)[1].checkpoint == "runs/" + name


def test_all_complaints_come_in_one_error():
    with pytest.raises(ValueError) as error:
        known(
            *("--mask_ratio", "1", "--decoder_mask_ratio", "-1", "--frame_stride", "0", "--max_bad_share", "2"),
            *(
                "--image_size",
                "1",
                "2",
                "3",
                "--base_learning_rate",
                "0",
                "--warmup_epochs",
                "-1",
                "--layer_decay",
                "2",
                "--learning_rate",
                "0",
            ),
        )
    wrong = (
        "mask_ratio is 1.0, decoder_mask_ratio is -1.0, frame_stride is 0, max_bad_share is 2.0, image_size has 3, "
        "base_learning_rate is 0.0, min_learning_rate is 1e-05, warmup_epochs is -1.0, layer_decay is 2.0, "
        "learning_rate is 0.0"
    )
    for flag in wrong.split(", "):
        assert f"--{flag}" in str(error.value)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--frame_stride", "x"], "invalid int value: 'x'"),
        (["--mask", "cube"], "invalid choice: 'cube'"),
        (["--bf16", "maybe"], "Truthy value expected"),
        (["--image_size"], "expected at least one argument"),
    ],
)
def test_a_value_of_the_wrong_kind_is_a_value_error(argv, message):
    with pytest.raises(ValueError, match=message):
        known(*argv)


@pytest.mark.parametrize(
    ("types", "argv", "message"),
    [
        (PRETRAINING, ["--model", "runs/a", "--decoder", "v2"], "--decoder is v2, but --model runs/a brings its own"),
        (PRETRAINING, ["--interpolate_positions", "false"], "--interpolate_positions .* --model is the preset base"),
        (
            FINETUNING,
            ["--model", "runs/a", "--from_scratch", "--interpolate_positions", "true"],
            "--interpolate_positions .* --from_scratch takes none",
        ),
    ],
)
def test_a_flag_that_would_do_nothing_is_a_value_error(types, argv, message):
    with pytest.raises(ValueError, match=message):
        known(*argv, types=types)


def test_a_missing_flag_is_a_value_error():
    with pytest.raises(ValueError, match="required: --data"):
        parse_known(["--output_dir", "run"], PRETRAINING, description="A program.")


def test_flags_cannot_be_abbreviated():
    assert known("--mask_rat", "0.5")[-1] == ["--mask_rat", "0.5"]


def test_parse_refuses_what_it_does_not_know_and_names_the_nearest():
    with pytest.raises(ValueError, match=r"--frame_strid \(did you mean --frame_stride\?\)$"):
        parse(["--data", "videos", "--frame_strid", "2"], (PretrainingVideoArguments,), description="A program.")
    (video,) = parse(["--data", "videos"], (PretrainingVideoArguments,), description="A program.")
    assert video.data == "videos"


def test_the_rest_completes_the_training_arguments(tmp_path):
    from videomae.training import VideoMAETrainingArguments

    optimization = OptimizationArguments(output_dir=str(tmp_path), layer_decay=0.7, class_weights=[1.0, 2.0])
    args = complete(
        VideoMAETrainingArguments, optimization, ["--max_steps", "5", "--use_cpu", "--optim", "adamw_torch"]
    )
    assert (args.output_dir, args.layer_decay, args.class_weights) == (str(tmp_path), 0.7, [1.0, 2.0])
    assert (args.max_steps, args.optim, args.num_train_epochs) == (5, "adamw_torch", 800)


def test_a_flag_that_nobody_knows_is_an_error_with_the_nearest(tmp_path):
    from videomae.training import VideoMAETrainingArguments

    optimization = OptimizationArguments(output_dir=str(tmp_path))
    with pytest.raises(ValueError, match=r"unknown arguments: --max_step \(did you mean --max_steps\?\), --xyzzy$"):
        complete(VideoMAETrainingArguments, optimization, ["--max_step", "5", "--xyzzy"])


def test_help_shows_the_manual_page_every_flag_and_defaults(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse_known(
            ["--bad", "--help"], FINETUNING, description="Line one.\n    line two", defaults={"warmup_epochs": 5}
        )
    text = capsys.readouterr().out
    assert exit_.value.code == 0
    assert "Line one.\n    line two\n" in text and "TrainingArguments" in text
    assert all(name in text for name in ("lr_scheduler_type", "warmup_steps", "dataloader_drop_last"))
    for group in FINETUNING:
        for field in dataclasses.fields(group):
            assert f"  --{field.name}" in text
    assert "(default: 5)." in text and "None" not in text


def test_neither_torch_nor_a_model_is_imported(run_python):
    code = "import sys, videomae.arguments; print([m for m in ('torch', 'torchvision', 'av') if m in sys.modules])"
    assert run_python(code).stdout.strip() == "[]"
