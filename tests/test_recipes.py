# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Every recipe is a row of a paper: its numbers are the source's, its network is the real one, and it trains."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from videomae import RECIPES, VideoMAEForPreTraining, VideoMAEForVideoClassification, cli
from videomae.arguments import complete, parse_known
from videomae.recipes import SHAPE, Recipe, chain, commands, find_recipe, recipe_flags, size_of, small_recipe
from videomae.scripts import list_recipes, run_finetuning, run_pretraining
from videomae.training import VideoMAETrainingArguments, accumulation_steps, cosine_schedule, layer_scale

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reproduce.md"
PROGRAMS = {"pretrain": run_pretraining, "finetune": run_finetuning}
MODEL = ("--model", "runs/a")
PUBLISHED = [name for name, recipe in RECIPES.items() if recipe.unpublished is None]


def parsed(name, *argv, data="videos", output="run"):
    """The argument groups of a recipe's program, as the program parses them."""
    program = RECIPES[name].program
    argv = ["--recipe", name, "--data", str(data), "--output_dir", str(output), *argv]
    if RECIPES[name].start and "--model" not in argv:
        argv += MODEL
    defaults = getattr(PROGRAMS[program], "DEFAULTS", {}) | recipe_flags(argv, program, count=None)
    return parse_known(argv, PROGRAMS[program].TYPES, description="A program.", defaults=defaults)


def training_of(name, *argv, tmp_path):
    _, _, optimization, *_, rest = parsed(name, *argv, "--use_cpu", output=tmp_path)
    return complete(VideoMAETrainingArguments, optimization, rest)


# ---- the numbers of the source ----

# Epochs, clips per device, total batch, actual learning rate, actual minimum, and what else differs between the rows.
PRETRAINING = {
    "pretrain_k400_small_1600": (1600, 32, 1024, 6e-4, 4e-5, {}),
    "pretrain_k400_base_800": (800, 32, 2048, 1.2e-3, 8e-5, {}),
    "pretrain_k400_base_1600": (1600, 32, 2048, 1.2e-3, 8e-5, {}),
    "pretrain_k400_large_1600": (1600, 8, 512, 3e-4, 2e-5, {}),
    "pretrain_k400_huge_1600": (1600, 16, 1024, 6e-4, 4e-5, {"activation_checkpointing": True}),
    "pretrain_ssv2_small_2400": (2400, 32, 2048, 1.2e-3, 8e-5, {"frame_stride": 2}),
    "pretrain_ssv2_base_800": (800, 32, 2048, 1.2e-3, 8e-5, {"frame_stride": 2}),
    "pretrain_ssv2_base_2400": (2400, 32, 2048, 1.2e-3, 8e-5, {"frame_stride": 2}),
    "pretrain_ucf101_base_3200": (3200, 24, 192, 2.25e-4, 7.5e-6, {"mask_ratio": 0.75, "save_epochs": 100}),
    "pretrain_v2_base": (200, 32, 1024, 4e-3, 4e-5, {"warmup_epochs": 20}),
    "pretrain_v2_large": (300, 32, 1536, 6e-3, 6e-5, {"warmup_epochs": 30}),
    "pretrain_v2_huge": (
        *(300, 32, 2048, 8e-3, 8e-5),
        {"warmup_epochs": 30, "activation_checkpointing": True, "save_epochs": 10},
    ),
    "pretrain_v2_giant": (
        *(300, 32, 2048, 4.8e-3, 8e-5),
        {"warmup_epochs": 30, "activation_checkpointing": True, "max_grad_norm": 0.02, "save_epochs": 5},
    ),
}
HEAD = {"drop_path_rate": 0.2, "classifier_dropout": 0.5}
GIANT = {"layer_decay": 0.9, "weight_decay": 0.1}
FINETUNING = {
    "finetune_k400_small_1600": (150, 12, 384, 7.5e-4, 1.5e-6, {}),
    "finetune_k400_base_800": (100, 8, 512, 2e-3, 2e-6, {"repeats": 1}),
    "finetune_k400_base_1600": (75, 6, 384, 7.5e-4, 1.5e-6, {}),
    "finetune_k400_large_1600": (35, 2, 128, 1e-3, 5e-7, {}),
    "finetune_k400_huge_1600": (50, 8, 512, 2e-3, 2e-5, HEAD | {"activation_checkpointing": True}),
    "finetune_ssv2_small_2400": (40, 12, 384, 1.5e-3, 1.5e-6, {"layer_decay": 0.7}),
    "finetune_ssv2_base_800": (50, 8, 512, 1e-3, 2e-6, {"repeats": 1}),
    "finetune_ssv2_base_2400": (30, 6, 384, 7.5e-4, 1.5e-6, {}),
    "finetune_ucf101_base_3200": (
        *(100, 16, 128, 2.5e-4, 5e-6),
        HEAD | {"layer_decay": 0.7, "activation_checkpointing": True},
    ),
    "finetune_v2_base_k400": (90, 16, 512, 1.4e-3, 2e-6, {}),
    "finetune_v2_base_k710": (90, 16, 512, 1.4e-3, 2e-6, {}),
    "finetune_v2_base_ssv2": (25, 16, 256, 2e-3, 1e-6, {"layer_decay": 0.65}),
    "finetune_v2_large_k400": (35, 6, 192, 1.5e-3, 7.5e-7, {"drop_path_rate": 0.2}),
    "finetune_v2_large_ssv2": (20, 6, 192, 3.75e-4, 7.5e-7, {"drop_path_rate": 0.2}),
    "finetune_v2_huge_k400": (40, 4, 128, 5e-4, 5e-7, HEAD | {"layer_decay": 0.8}),
    "finetune_v2_huge_k710": (40, 4, 128, 5e-4, 5e-7, HEAD | {"layer_decay": 0.8}),
    "finetune_v2_huge_ssv2": (20, 4, 128, 2.5e-4, 5e-7, {"layer_decay": 0.8, "drop_path_rate": 0.2}),
    "finetune_v2_giant_k710": (35, 3, 96, 3.75e-4, 3.75e-7, GIANT | {"drop_path_rate": 0.3, "max_grad_norm": 5.0}),
    "finetune_v2_giant_k400": (30, 3, 192, 7.5e-4, 7.5e-7, GIANT | {"drop_path_rate": 0.2}),
    "finetune_v2_giant_k710_k400": (
        *(3, 3, 96, 3.75e-6, 3.75e-7),
        GIANT | {"drop_path_rate": 0.25, "warmup_epochs": 1},
    ),
    "finetune_v2_giant_k710_k600": (
        *(3, 3, 96, 3.75e-6, 3.75e-7),
        GIANT | {"drop_path_rate": 0.25, "warmup_epochs": 1},
    ),
    "finetune_v2_giant_ssv2": (20, 3, 96, 1.125e-4, 3.75e-7, {"layer_decay": 0.9, "drop_path_rate": 0.25}),
    "finetune_v2_giant_k710_ucf101": (
        *(50, 3, 24, 9.375e-5, 9.375e-8),
        {"layer_decay": 0.9, "drop_path_rate": 0.35, "classifier_dropout": 0.5},
    ),
    "finetune_v2_giant_k710_hmdb51": (
        *(15, 3, 24, 4.6875e-5, 9.375e-8),
        {"layer_decay": 0.9, "drop_path_rate": 0.35, "classifier_dropout": 0.5, "frame_stride": 2},
    ),
}
# What all rows of a program share, where the row says nothing else.
USUAL_PRETRAINING = {
    "warmup_epochs": 40,
    "weight_decay": 0.05,
    "adam_beta2": 0.95,
    "max_grad_norm": 0.0,
    "mask_ratio": 0.9,
    "mask": "tube",
    "frame_stride": 4,
    "num_frames": 16,
    "framing": "crop",
    "norm_pix_loss": True,
    "activation_checkpointing": False,
    "save_epochs": 20,
}
USUAL_FINETUNING = {
    "warmup_epochs": 5,
    "weight_decay": 0.05,
    "adam_beta2": 0.999,
    "max_grad_norm": 0.0,
    "layer_decay": 0.75,
    "drop_path_rate": 0.1,
    "classifier_dropout": 0.0,
    "repeats": 2,
    "mixup": 0.8,
    "cutmix": 1.0,
    "label_smoothing_factor": 0.1,
    "erasing": 0.25,
    "rand_augment": "rand-m7-n4-mstd0.5-inc1",
    "num_frames": 16,
    "framing": "crop",
    "activation_checkpointing": False,
}


def test_a_row_is_checked_for_every_recipe_that_says_it_is_published():
    assert set(PUBLISHED) == set(PRETRAINING) | set(FINETUNING)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_settings_are_those_of_the_source(name, tmp_path):
    epochs, per_device, total, rate, final, other = (PRETRAINING | FINETUNING)[name]
    usual = USUAL_PRETRAINING if name in PRETRAINING else USUAL_FINETUNING
    args = training_of(name, tmp_path=tmp_path)
    video, model, *_ = parsed(name)
    assert (args.num_train_epochs, args.per_device_train_batch_size, args.total_batch_size) == (
        epochs,
        per_device,
        total,
    )
    assert args.gradient_checkpointing is other.get("activation_checkpointing", False)  # what the Trainer reads
    assert math.isclose(args.learning_rate, rate, rel_tol=1e-12) and args.learning_rate == RECIPES[name].learning_rate
    assert math.isclose(args.final_learning_rate, final, rel_tol=1e-12)
    found = vars(model) | vars(video) | vars(args)
    assert {key: found[key] for key in usual} == usual | {key: other[key] for key in other if key in usual}
    assert {key: found[key] for key in other} == other


def test_repeated_clips_are_v2_s_four_and_only_v2_s_decoder_leaves_patches_out():
    for name in PRETRAINING:
        flags = RECIPES[name].flags
        v2 = name.startswith("pretrain_v2")
        assert (flags["repeats"], flags["decoder_mask_ratio"], flags.get("decoder")) == (
            (4, 0.5, "v2") if v2 else (1, 0.0, None)
        )


def test_something_something_is_sampled_uniformly_and_never_mirrored():
    for name, recipe in RECIPES.items():
        if recipe.program == "finetune" and not name.startswith("small"):
            ssv2 = "_ssv2" in name
            assert recipe.flags["sampling"] == ("uniform" if ssv2 else "dense"), name
            assert recipe.flags["horizontal_flip"] == ("false" if ssv2 else "true"), name


def test_views_and_accuracies_are_those_of_the_papers():
    told = {name: (r.views, r.top1, r.top5) for name, r in RECIPES.items() if r.top1 is not None}
    assert told == {
        "finetune_k400_small_1600": ("5x3", 79.0, 93.8),
        "finetune_k400_base_800": ("5x3", 80.0, 94.4),
        "finetune_k400_base_800_repeats": ("5x3", 81.0, 94.8),
        "finetune_k400_base_1600": ("5x3", 81.5, 95.1),
        "finetune_k400_large_1600": ("5x3", 85.2, 96.8),
        "finetune_k400_huge_1600": ("5x3", 86.6, 97.1),
        "finetune_k400_large_1600_320": ("4x3", 86.1, 97.3),
        "finetune_k400_huge_1600_320": ("4x3", 87.4, 97.6),
        "finetune_ssv2_small_2400": ("2x3", 66.8, 90.3),
        "finetune_ssv2_base_800": ("2x3", 69.6, 92.0),
        "finetune_ssv2_base_2400": ("2x3", 70.8, 92.4),
        "finetune_ssv2_large_2400": ("2x3", 74.3, 94.6),
        "finetune_ssv2_large_2400_32": ("1x3", 75.4, 95.2),
        "finetune_ucf101_base_3200": ("5x3", 91.3, 98.5),
        "finetune_ucf101_base_k400": ("5x3", 96.1, None),
        "finetune_hmdb51_base_3200": ("5x3", 62.6, None),
        "finetune_hmdb51_base_k400": ("5x3", 73.3, None),
        "finetune_v2_giant_k710": ("5x3", 83.8, 96.4),
        "finetune_v2_giant_k400": ("5x3", 87.2, 97.4),
        "finetune_v2_giant_k710_k400": ("5x3", 88.4, 98.0),
        "finetune_v2_giant_k710_k600": ("5x3", 88.8, 98.2),
        "finetune_v2_giant_ssv2": ("2x3", 77.0, 95.9),
        "finetune_v2_giant_k710_ucf101": ("5x3", 99.6, 100.0),
        "finetune_v2_giant_k710_hmdb51": ("5x3", 88.1, 98.5),
    }


# ---- schedules, as the official code computes them ----


@pytest.mark.parametrize(
    ("recipe", "table"),
    [("pretrain_k400_base_1600", "pretrain_base_k400"), ("finetune_k400_base_1600", "finetune")],
)
def test_the_schedule_is_the_official_one(recipe, table, golden, tmp_path):
    expected = json.loads((golden / "schedules.json").read_text())["cosine"][table]
    args = training_of(recipe, tmp_path=tmp_path)
    lengths = {name: expected[name] for name in ("epochs", "steps_per_epoch", "warmup_epochs")}
    rates = cosine_schedule(args.learning_rate, args.final_learning_rate, **lengths)
    np.testing.assert_allclose(rates, expected["values"], rtol=1e-12)


def test_the_layer_decay_is_the_official_one(golden):
    expected = json.loads((golden / "schedules.json").read_text())["layer_decay"]["base_0.75"]
    decay = {"num_layers": expected["depth"], "layer_decay": RECIPES["finetune_k400_base_1600"].flags["layer_decay"]}
    for ours, official in (
        ("embeddings.a", "patch_embed.proj.weight"),
        ("encoder.layer.6.a", "blocks.6.attn.proj.bias"),
    ):
        assert layer_scale(f"videomae.{ours}", **decay) == pytest.approx(expected["scale"][official], rel=1e-12)


# ---- flags of the programs ----


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_is_a_flag_of_its_program_and_reads_the_same_on_the_command_line(name):
    recipe = RECIPES[name]
    fields = {field.name for group in PROGRAMS[recipe.program].TYPES for field in dataclasses.fields(group)}
    assert set(recipe.flags) <= fields and recipe.name == name
    flags = {key: value for key, value in recipe.flags.items() if value is not None}
    if recipe.start and name.startswith("small"):
        flags = {key: value for key, value in flags.items() if key not in SHAPE}  # the checkpoint's
    spelt = [(f"--{key}", *list_recipes.words(value).split()) for key, value in flags.items()]
    argv = [word for words in spelt for word in words]
    argv = ["--data", "videos", "--output_dir", "run", *argv, *(MODEL if recipe.start else ())]
    defaults = getattr(PROGRAMS[recipe.program], "DEFAULTS", {})
    typed = parse_known(argv, PROGRAMS[recipe.program].TYPES, description="A program.", defaults=defaults)
    typed[2].recipe = name
    if recipe.program == "finetune":
        typed[0].test_views = recipe.views
    assert parsed(name) == typed


def test_no_field_of_a_recipe_is_a_flag():
    flags = {
        field.name for program in PROGRAMS.values() for group in program.TYPES for field in dataclasses.fields(group)
    }
    assert not flags & {field.name for field in dataclasses.fields(Recipe)}


def test_a_recipe_can_not_be_changed():
    with pytest.raises(TypeError):
        RECIPES["pretrain_v2_base"].flags["repeats"] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECIPES["pretrain_v2_base"].top1 = 99.0


def test_the_command_line_wins_over_the_recipe():
    video, model, optimization, *_ = parsed(
        "pretrain_ucf101_base_3200", "--mask_ratio", "0.6", "--num_train_epochs", "5"
    )
    assert (video.mask_ratio, optimization.num_train_epochs, optimization.total_batch) == (0.6, 5, 192)


def test_a_checkpoint_brings_its_own_decoder():
    assert parsed("pretrain_v2_base", *MODEL)[1].decoder is None
    assert parsed("pretrain_v2_base", "--model", "large")[1].decoder == "v2"


@pytest.mark.parametrize(
    ("program", "argv", "message"),
    [
        ("pretrain", ["--recipe", "pretrain_k400_bas_800"], "did you mean pretrain_k400_base_800"),
        ("pretrain", ["--recipe=xyz"], "'xyz' does not exist; `videomae recipes` lists them"),
        (
            "pretrain",
            ["--recipe", "small_full"],
            "is one of `videomae finetune`, wanted one of `videomae pre",
        ),
        (
            "finetune",
            ["--recipe", "pretrain_v2_base"],
            "is one of `videomae pretrain`, wanted one of `videomae fine",
        ),
        ("finetune", ["--recipe", "finetune_v2_base_k400"], "give --model, such as runs/pretrain_v2_base"),
        ("finetune", ["--recipe", "small_full"], "give --model, such as MCG-NJU/videomae-base-finetuned-kinetics"),
        ("finetune", ["--recipe"], "--recipe: expected one argument"),
    ],
)
def test_a_recipe_that_does_not_fit_is_one_error(program, argv, message, capsys):
    assert cli.run(PROGRAMS[program].main, ["--data", "videos", "--output_dir", "run", *argv]) == 2
    assert message in capsys.readouterr().err


# ---- one total batch on any number of devices ----


@pytest.mark.parametrize(("processes", "steps"), [(1, 64), (8, 8), (64, 1)])
def test_fewer_processes_accumulate_to_the_same_total_batch(processes, steps):
    assert accumulation_steps(2048, 32, processes) == steps


@pytest.mark.parametrize(
    ("total", "per_device", "processes", "message"),
    [
        (192, 24, 3, "per_device_train_batch_size may be 1, 2, 4, 8, 16, 32, 64$"),
        (192, 24, 7, "the number of processes may be 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 192$"),
        (96, 3, 64, r"96 is no multiple of per_device_train_batch_size 3 x 64 processes = 192"),
    ],
)
def test_an_impossible_division_is_an_error_that_says_what_divides(total, per_device, processes, message):
    with pytest.raises(ValueError, match=message):
        accumulation_steps(total, per_device, processes)


def test_the_processes_of_a_launcher_are_counted(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "5")
    with pytest.raises(ValueError, match="1024 is no multiple of per_device_train_batch_size 32 x 5 processes"):
        training_of("pretrain_v2_base", tmp_path=tmp_path)


def test_a_smaller_device_batch_accumulates_more_and_another_total_batch_scales_the_rate(tmp_path):
    args = training_of("pretrain_v2_base", "--per_device_train_batch_size", "8", tmp_path=tmp_path)
    assert (args.gradient_accumulation_steps, args.total_batch_size, args.learning_rate) == (128, 1024, 4e-3)
    args = training_of("pretrain_v2_base", "--total_batch", "256", tmp_path=tmp_path)
    assert (args.gradient_accumulation_steps, args.learning_rate) == (8, 1e-3)


def test_accumulation_steps_against_the_total_batch_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="32 x gradient_accumulation_steps 2 x 1 processes .* = 64: leave"):
        training_of("pretrain_v2_base", "--gradient_accumulation_steps", "2", tmp_path=tmp_path)


def test_several_devices_of_one_process_are_told_to_be_started_apart(tmp_path):
    args = training_of("pretrain_v2_base", tmp_path=tmp_path)
    args._n_gpu = 8  # what transformers finds on a machine with eight GPUs and no launcher
    assert "8 devices of each = 8192: start a process for each GPU (accelerate launch" in args._other_total_batch()


# ---- the real network ----

PRETRAINING_PARAMETERS = {
    ("small", "v1"): 24_029_376,
    ("base", "v1"): 94_210_944,
    ("large", "v1"): 342_996_992,
    ("huge", "v1"): 692_487_296,
    ("base", "v2"): 94_210_944,
    ("large", "v2"): 317_782_016,
    ("huge", "v2"): 645_659_392,
    ("giant", "v2"): 1_026_306_560,
}
# (width, parameters with 400 classes)
CLASSIFIERS = {
    "small": (384, 22_033_936),
    "base": (768, 86_534_800),
    "large": (1024, 304_270_736),
    "huge": (1280, 632_119_440),
    "giant": (1408, 1_012_174_352),
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_network_has_the_parameters_of_the_source(name):
    from videomae.flops import recipe_config

    recipe = RECIPES[name]
    model_class = VideoMAEForPreTraining if recipe.program == "pretrain" else VideoMAEForVideoClassification
    with torch.device("meta"):
        model = model_class(recipe_config(recipe))
    if recipe.program == "pretrain":
        expected = PRETRAINING_PARAMETERS[size_of(recipe), recipe.flags.get("decoder", "v1")]
    else:
        width, expected = CLASSIFIERS[size_of(recipe)]
        expected += (model.config.num_labels - 400) * (width + 1)
        assert model.config.num_labels == (recipe.video_set.classes or 2)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


@pytest.mark.parametrize(
    ("size", "billions"), [("small", 56.9), ("base", 180.3), ("large", 596.8), ("huge", 1191.0), ("giant", 2542.8)]
)
def test_multiply_adds_are_those_of_one_view(size, billions):
    from videomae import VideoMAEConfig
    from videomae.flops import classification_macs

    assert classification_macs(VideoMAEConfig.preset(size)) / 1e9 == pytest.approx(billions, abs=0.06)


@pytest.mark.parametrize("decoder_mask_ratio", [0.0, 0.5])
def test_multiply_adds_of_pre_training_are_those_that_torch_counts(tiny_config, decoder_mask_ratio):
    from torch.utils.flop_counter import FlopCounterMode

    from videomae import masking
    from videomae.flops import pretraining_macs

    config = tiny_config(image_size=[32, 48], num_channels=2)
    masks = {"bool_masked_pos": masking.tube_mask(config.grid, 0.75, batch=1)}
    if decoder_mask_ratio:
        masks["bool_decoded_pos"] = masking.running_cell_mask(config.grid, decoder_mask_ratio, phase=1)[None]
    model = VideoMAEForPreTraining(config).eval()
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.rand(1, 4, 2, 32, 48), **masks)
    macs = pretraining_macs(config, mask_ratio=0.75, decoder_mask_ratio=decoder_mask_ratio)
    assert counter.get_total_flops() == 2 * macs


def test_hours_follow_clips_and_passes():
    from videomae.flops import hours_of

    base = RECIPES["finetune_k400_base_1600"]
    hours = hours_of(base, flops=1e15, utilisation=0.5)
    # 2 x 180.3e9 multiply-adds x 3 passes x 240,436 videos x 75 epochs x 2 repeats / 5e14 a second
    assert hours == pytest.approx(2 * 180.3e9 * 3 * 240_436 * 75 * 2 / 5e14 / 3600, rel=1e-3)
    assert hours_of(base.but(activation_checkpointing=True)) == pytest.approx(4 / 3 * hours_of(base))
    assert math.isnan(hours_of(RECIPES["small_full"]))


# ---- each one trains ----

TINY = (
    "--image_size 32 --num_frames 4 --patch_size 8 --hidden_size 12 --num_hidden_layers 5 --num_attention_heads 3 "
    "--intermediate_size 20"
).split()
TINY_DECODER = (
    "--decoder_hidden_size 10 --decoder_num_hidden_layers 1 --decoder_num_attention_heads 5 "
    "--decoder_intermediate_size 14"
).split()
SHRUNK = (
    "--num_train_epochs 2 --warmup_epochs 1 --per_device_train_batch_size 2 --total_batch 4 --use_cpu "
    "--dataloader_num_workers 0 --disable_tqdm true --report_to none --logging_steps 1"
).split()
QUIET = "--save_strategy no --eval_strategy no".split()


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """Four unlike videos of two classes, three of one and one of the other: one optimiser step an epoch."""
    root = tmp_path_factory.mktemp("arrays")
    random = np.random.default_rng(0)
    for name in ("run/0", "run/1", "run/2", "swim/0"):
        (root / name).parent.mkdir(exist_ok=True)
        np.save(root / f"{name}.npy", random.integers(0, 256, (9, 3, 36, 40), dtype=np.uint8))
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """What a recipe that starts from a checkpoint starts from here."""
    from videomae import VideoMAEConfig, VideoMAEVideoProcessor

    sizes = [int(size) for size in TINY[1::2]]
    names = [flag.removeprefix("--") for flag in TINY[::2]]
    config = VideoMAEConfig(**dict(zip(names, sizes, strict=True)), num_labels=3)
    folder = tmp_path_factory.mktemp("checkpoint")
    VideoMAEForVideoClassification(config).save_pretrained(folder)
    VideoMAEVideoProcessor.for_model(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_it_takes_two_optimiser_steps(name, arrays, checkpoint, tmp_path):
    recipe = RECIPES[name]
    model = [*TINY, *TINY_DECODER] if recipe.program == "pretrain" else ["--model", str(checkpoint), *TINY[:4]]
    quiet = [] if recipe.flags.get("load_best_model_at_end") else QUIET
    argv = ["--recipe", name, "--data", str(arrays), "--output_dir", str(tmp_path), *SHRUNK, *model, *quiet]
    assert PROGRAMS[recipe.program].main(argv) == 0
    state = json.loads((tmp_path / "trainer_state.json").read_text())
    losses = [line["loss"] for line in state["log_history"] if "loss" in line]
    assert state["global_step"] == 2 and len(losses) == 2 and np.isfinite(losses).all()


# ---- small sets ----


@pytest.mark.parametrize(
    ("videos", "classes", "name"),
    [
        (299, 2, "small_linear_probe"),
        (300, 31, "small_linear_probe"),
        (300, 30, "small_partial"),
        (1999, 2, "small_partial"),
        (2000, 41, "small_partial"),
        (2000, 40, "small_full"),
        (90_000, 400, "small_full"),
    ],
)
def test_auto_takes_what_so_many_videos_can_teach(videos, classes, name, caplog):
    flags = recipe_flags(["--recipe", "auto", *MODEL], "finetune", count=lambda: (videos, classes))
    own = {key: value for key, value in RECIPES[name].flags.items() if key not in SHAPE}  # the checkpoint's shape
    assert flags == own | {"recipe": name, "test_views": RECIPES[name].views}
    assert f"--recipe auto: {name}, for {videos} training videos of {classes} classes" in caplog.text


@pytest.mark.parametrize(("videos", "batch", "per_device"), [(64, 64, 16), (63, 32, 16), (7, 4, 4), (1, 1, 1)])
def test_auto_takes_a_batch_that_the_videos_fill(videos, batch, per_device):
    flags = recipe_flags(["--recipe", "auto"], "pretrain", count=lambda: (videos, 0))
    assert (flags["total_batch"], flags["per_device_train_batch_size"]) == (batch, per_device)
    assert flags["base_learning_rate"] == RECIPES["small_pretrain"].flags["base_learning_rate"]


@pytest.mark.parametrize("program", ["pretrain", None])
def test_auto_is_no_recipe_to_be_looked_up(program):
    with pytest.raises(ValueError, match="recipe auto is for `videomae pretrain` and `finetune`"):
        find_recipe("auto", program)


def test_auto_pre_trains_small_sets_only():
    assert small_recipe("pretrain", 5000, 0).name == "small_pretrain"
    with pytest.raises(ValueError, match="at most 5000 videos in pre-training, there are 5001"):
        small_recipe("pretrain", 5001, 0)


@pytest.mark.parametrize("program", PROGRAMS)
def test_auto_counts_the_training_videos_of_the_program(program, arrays, monkeypatch):
    seen = []
    monkeypatch.setattr(
        PROGRAMS[program],
        "recipe_flags",
        lambda argv, name, count: seen.append((name, count())) or {"warmup_epochs": -1},
    )
    with pytest.raises(ValueError, match="warmup_epochs is -1"):
        PROGRAMS[program].main(["--recipe", "auto", "--data", str(arrays), "--output_dir", "run"])
    assert seen == [(program, (4, 2 if program == "finetune" else 0))]


def test_help_of_auto_counts_nothing(capsys):
    assert recipe_flags(["--recipe", "auto", "--help"], "finetune", count=None) == {}
    with pytest.raises(SystemExit):
        run_finetuning.main(["--recipe", "finetune_v2_base_k400", "--help"])  # without a checkpoint, too
    assert "Passes over the training videos (default: 90)." in capsys.readouterr().out


def weights_of(folder):
    return VideoMAEForVideoClassification.from_pretrained(folder).state_dict()


@pytest.mark.parametrize(("name", "trained"), [("small_linear_probe", 0), ("small_partial", 4), ("small_full", 5)])
def test_as_many_blocks_learn_as_the_recipe_says(name, trained, arrays, checkpoint, tmp_path):
    argv = ["--data", str(arrays), "--output_dir", str(tmp_path), "--model", str(checkpoint), *TINY[:4]]
    # without warm-up both steps move the weights
    rate = "--learning_rate 0.01 --warmup_epochs 0 --layer_decay 1".split()
    assert run_finetuning.main(["--recipe", name, *argv, *SHRUNK, *rate]) == 0
    before, after = weights_of(checkpoint), weights_of(tmp_path)
    moved = {key for key in after if key not in before or not torch.equal(before[key], after[key])}
    layers = {int(key.split(".")[3]) for key in moved if key.startswith("videomae.encoder.layer.")}
    assert layers == set(range(5 - trained, 5)) and "fc_norm.weight" in moved
    assert any("embeddings" in key for key in moved) == (name == "small_full")
    saved = torch.load(tmp_path / "training_args.bin", weights_only=False)
    assert saved.recipe == name and saved.class_weights == pytest.approx([2 / 3, 2])  # three videos and one


def test_more_blocks_than_there_are_can_not_learn(arrays, checkpoint, tmp_path, capsys):
    argv = ["--data", str(arrays), "--output_dir", str(tmp_path), "--model", str(checkpoint), *TINY[:4], *SHRUNK]
    assert cli.run(run_finetuning.main, [*argv, "--trained_blocks", "6"]) == 2
    assert "trained_blocks is 6, but the encoder has 5 blocks" in capsys.readouterr().err


def test_a_run_that_no_longer_improves_stops_and_leaves_its_best_weights(arrays, checkpoint, tmp_path):
    argv = ["--data", str(arrays), "--validation_data", str(arrays), "--output_dir", str(tmp_path / "run")]
    argv += ["--recipe", "small_full", "--model", str(checkpoint), *TINY[:4], *SHRUNK, "--num_train_epochs", "9"]
    still = "--learning_rate 1e-12 --min_learning_rate 0 --early_stopping_patience 2".split()
    assert run_finetuning.main([*argv, *still]) == 0
    state = json.loads((tmp_path / "run" / "trainer_state.json").read_text())
    assert state["global_step"] == 3 and state["best_model_checkpoint"].endswith("checkpoint-1")
    assert (
        state["best_metric"] == json.loads((tmp_path / "run" / "metrics.json").read_text())["eval_mean_class_accuracy"]
    )


def test_class_weights_are_given_or_counted(arrays, checkpoint, tmp_path, capsys):
    argv = ["--data", str(arrays), "--output_dir", str(tmp_path), "--model", str(checkpoint), *TINY[:4], *SHRUNK]
    assert cli.run(run_finetuning.main, [*argv, "--balance_classes", "true", "--class_weights", "1", "2"]) == 2
    assert "--balance_classes counts the class weights, --class_weights gives them" in capsys.readouterr().err


def test_what_a_stream_holds_is_not_counted():
    from videomae.training_data import count_training_videos

    with pytest.raises(ValueError, match=r"--recipe auto counts the videos of a list or folder; x-.*tar is a stream"):
        count_training_videos(parsed("pretrain_v2_base", data="x-{00..03}.tar")[0], labels=False)


def test_classes_with_fewer_videos_weigh_more(arrays):
    from videomae.training_data import balanced_class_weights, open_training_videos

    video, *_ = parsed("small_full", data=arrays)
    assert video.balance_classes
    videos = open_training_videos(video, labels=True, batch_size=1)
    # 4 videos of 2 classes, 3 and 1 of each
    assert balanced_class_weights(videos) == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])
    videos.class_names.append("walk")
    assert balanced_class_weights(videos)[2] == 0


# ---- from new weights to the paper's number ----


def test_the_chain_leads_from_new_weights_to_the_test():
    assert commands(RECIPES["finetune_v2_giant_k710_ucf101"]) == [
        "videomae pretrain --recipe pretrain_v2_giant --data data/hybrid --output_dir runs/pretrain_v2_giant",
        "videomae finetune --recipe finetune_v2_giant_k710 --data data/k710 --model runs/pretrain_v2_giant "
        "--output_dir runs/finetune_v2_giant_k710",
        "videomae finetune --recipe finetune_v2_giant_k710_ucf101 --data data/ucf101 "
        "--model runs/finetune_v2_giant_k710 --output_dir runs/finetune_v2_giant_k710_ucf101",
        "videomae evaluate runs/finetune_v2_giant_k710_ucf101 data/ucf101 --views 5x3",
    ]


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.program == "finetune"])
def test_every_fine_tuning_starts_from_a_pre_training_of_its_name(name):
    first = chain(RECIPES[name])[0]
    if not name.startswith("small"):
        assert first.program == "pretrain"
        assert size_of(RECIPES[name]) in name and first.flags["model"] in name
        # the epochs of V1's pre-training are part of the name
        assert "_v2_" in name or not name[-4:].isdigit() or name[-4:] in first.name


# ---- videomae recipes ----


def test_the_table_has_a_line_for_each_with_its_published_numbers(capsys):
    assert list_recipes.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith(("pretrain_", "finetune_", "small_"))]) == len(RECIPES)
    (line,) = [line for line in lines if line.startswith("finetune_k400_base_1600 ")]
    assert line.split()[:8] == ["finetune_k400_base_1600", "k400", "75", "384", "0.00075", "5x3", "81.5", "95.1"]
    assert [line.split()[0] for line in lines if "hmdb51_base" in line] == [
        "pretrain_hmdb51_base_3200*",
        "finetune_hmdb51_base_3200*",
        "finetune_hmdb51_base_k400*",
    ]


def test_json_has_the_whole_table_or_one_row(capsys):
    assert list_recipes.main(["--json", "--match", "_ssv2"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in listed] == [name for name in RECIPES if "_ssv2" in name]
    assert list_recipes.main(["--json", "finetune_hmdb51_base_k400"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["published_top1"], row["published_top5"], row["status"]) == (73.3, None, "unpublished settings")
    assert row["flags"]["total_batch"] == 128 and row["commands"] == commands(RECIPES[row["name"]])
    assert list_recipes.main(["--json", "small_full"]) == 0
    assert json.loads(capsys.readouterr().out)["computed_h200_hours"] is None


def test_one_recipe_shows_its_flags_source_and_commands(capsys):
    assert list_recipes.main(["pretrain_v2_giant"]) == 0
    text = capsys.readouterr().out
    for expected in (
        "--max_grad_norm 0.02",
        "--image_size 224",
        "vit_g_hybrid_pt.sh",
        *commands(RECIPES["pretrain_v2_giant"]),
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [(["smal_full"], "did you mean small_full"), (["--match", "xyz"], "no recipe's name holds 'xyz'")],
)
def test_what_is_not_there_is_one_error(argv, message, capsys):
    assert cli.run(list_recipes.main, argv) == 2
    assert message in capsys.readouterr().err


def test_find_recipe_gives_the_recipe():
    assert find_recipe("small_full", "finetune") is RECIPES["small_full"]


# ---- docs/reproduce.md ----


def documented(recipe):
    """The line of a recipe in docs/reproduce.md."""
    from videomae.flops import hours_of

    hours = [hours_of(step) for step in chain(recipe)]
    published = "none" if recipe.top1 is None else f"{recipe.top1} / {'–' if recipe.top5 is None else recipe.top5}"
    training = commands(recipe)[len(hours) - 1].rpartition(" --output_dir")[0]
    if recipe.program == "pretrain":
        return f"| {recipe.video_set.name} | `{training}` | {recipe.status} | {hours[0]:,.0f} |"
    cells = (recipe.video_set.name, published, recipe.views, f"`{training}`", recipe.status)
    return f"| {' | '.join(cells)} | {hours[-1]:,.0f} | {sum(hours):,.0f} |"


def test_the_page_has_one_true_line_for_every_row_of_the_papers():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    expected = {name: documented(recipe) for name, recipe in RECIPES.items() if not name.startswith("small")}
    found = {name: [line for line in lines if f"--recipe {name} --" in line and line[0] == "|"] for name in expected}
    assert found == {name: [line] for name, line in expected.items()}


def test_the_page_says_what_the_hours_assume():
    from videomae.flops import H200_FLOPS, UTILISATION

    text = PAGE.read_text(encoding="utf-8")
    assert f"{H200_FLOPS / 1e12:.0f} TFLOPS" in text and f"{UTILISATION:.0%}".replace("%", " %") in text
    assert all(f"`{name}`" in text for name in RECIPES if name.startswith("small"))
