# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A resumed run says and does what the uninterrupted one would have, or why it can not."""

import shutil

import pytest
import torch
from runs import Clips, logged, train

from videomae import VideoMAEForPreTraining, VideoMAETrainer
from videomae.checkpoints import find_checkpoints
from videomae.data import PretrainingCollator
from videomae.training import train_and_save

SAVING = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": None}

STOPPING = {
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "load_best_model_at_end": True,
    "metric_for_best_model": "loss",
    "early_stopping_patience": 2,
    "num_train_epochs": 8,
    "greater_is_better": True,  # so that every epoch is worse than the one before
}


def run(tiny_config, arguments, resume=None, videos=9, **overrides):
    """Up to four epochs of four steps."""
    torch.manual_seed(0)
    settings = {"num_train_epochs": 4, "learning_rate": 1e-2} | SAVING | overrides
    return train(
        VideoMAEForPreTraining(tiny_config()),
        arguments(**settings),
        Clips(tiny_config(), videos),
        eval_dataset=Clips(tiny_config(), 3),
        resume_from_checkpoint=resume,
    )


def lines(trainer):
    """The log without what is not the training's: times, and the summary at the end."""
    timed = {"data_wait", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second"}
    return [
        {name: value for name, value in line.items() if name not in timed}
        for line in trainer.state.log_history
        if "train_runtime" not in line
    ]


@pytest.mark.parametrize("step", [5, 8, 16])
def test_lines_of_the_log_are_those_of_one_run_also_when_they_began_before_the_checkpoint(
    tiny_config, arguments, tmp_path, step
):
    whole = run(tiny_config, arguments, logging_steps=3, eval_strategy="epoch")
    resumed = run(
        tiny_config, arguments, tmp_path / "run" / f"checkpoint-{step}", logging_steps=3, eval_strategy="epoch"
    )
    assert lines(resumed) == lines(whole)
    assert len(logged(whole, "loss")) == 5 and len(logged(whole, "eval_loss")) == 4


@pytest.mark.parametrize("step", [5, 16])
def test_the_training_loss_is_that_of_all_steps(tiny_config, arguments, tmp_path, step):
    whole = run(tiny_config, arguments, logging_steps=1)
    resumed = run(tiny_config, arguments, tmp_path / "run" / f"checkpoint-{step}", logging_steps=1)
    mean = sum(logged(whole, "loss")) / 16
    assert logged(whole, "train_loss") == [pytest.approx(mean, rel=1e-6)]
    assert logged(resumed, "train_loss") == logged(whole, "train_loss")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"per_device_train_batch_size": 3}, "total_batch was 2 and is 3"),
        ({"videos": 8}, "videos was 9 and is 8"),
    ],
)
def test_a_run_whose_steps_mean_something_else_is_not_resumed(tiny_config, arguments, tmp_path, change, told):
    run(tiny_config, arguments)
    with pytest.raises(
        ValueError, match=rf"checkpoint-5 is of a run with other steps: {told}.*--model .*checkpoint-5"
    ):
        run(tiny_config, arguments, tmp_path / "run" / "checkpoint-5", **change)


def test_other_settings_that_change_the_result_are_told(tiny_config, arguments, tmp_path, caplog):
    run(tiny_config, arguments)
    checkpoint = tmp_path / "run" / "checkpoint-5"
    run(tiny_config, arguments, checkpoint)
    assert "the result is not" not in caplog.text
    run(tiny_config, arguments, checkpoint, seed=3, weight_decay=0.1)
    assert "checkpoint-5: weight_decay was 0.05 and is 0.1, seed was 0 and is 3; the result is not" in caplog.text


def test_settings_of_the_clips_are_told_too_and_where_the_data_are_is_not(tiny_config, arguments, tmp_path, caplog):
    def start(settings, **overrides):
        trainer = VideoMAETrainer(
            VideoMAEForPreTraining(tiny_config()),
            arguments(**SAVING | overrides),
            data_collator=PretrainingCollator(),
            train_dataset=Clips(tiny_config(), 9),
        )
        train_and_save(trainer, settings)

    start({"data": "here", "image_size": (24, 32), "mask_ratio": 0.9})
    start({"data": "there", "image_size": (24, 32), "mask_ratio": 0.75}, resume="auto")
    assert "mask_ratio was 0.9 and is 0.75; the result" in caplog.text


def test_other_rates_and_decays_are_those_of_the_resumed_run(tiny_config, arguments, tmp_path):
    run(tiny_config, arguments)
    change = {"learning_rate": 1e-3, "weight_decay": 0.3, "adam_beta2": 0.5}
    resumed = run(tiny_config, arguments, tmp_path / "run" / "checkpoint-5", **change)
    whole = run(tiny_config, arguments, output_dir=str(tmp_path / "whole"), **change)
    assert logged(resumed, "learning_rate")[5:] == logged(whole, "learning_rate")[5:]
    for group, wanted in zip(resumed.optimizer.param_groups, whole.optimizer.param_groups, strict=True):
        assert {name: group[name] for name in ("lr", "weight_decay", "betas")} == {
            name: wanted[name] for name in ("lr", "weight_decay", "betas")
        }


def test_intervals_are_those_of_the_resumed_run(tiny_config, arguments, tmp_path):
    run(tiny_config, arguments, max_steps=6)
    run(tiny_config, arguments, tmp_path / "run" / "checkpoint-6", save_steps=4, logging_steps=5)
    assert [path.name for path in find_checkpoints(tmp_path / "run")][6:] == [
        f"checkpoint-{step}" for step in (8, 12, 16)
    ]


def test_early_stopping_can_begin_in_a_resumed_run(tiny_config, arguments, tmp_path):
    run(tiny_config, arguments, **STOPPING | {"early_stopping_patience": None})
    resumed = run(tiny_config, arguments, tmp_path / "run" / "checkpoint-8", **STOPPING)
    assert resumed.state.global_step == 16


def test_more_patience_goes_on_with_a_run_that_was_stopped(tiny_config, arguments, tmp_path):
    stopped = run(tiny_config, arguments, **STOPPING)
    patient = STOPPING | {"early_stopping_patience": 4}
    resumed = run(tiny_config, arguments, tmp_path / "run" / "checkpoint-12", **patient)
    assert (stopped.state.global_step, resumed.state.global_step) == (12, 20)


def test_the_best_checkpoint_is_found_where_the_run_has_moved_to(tiny_config, arguments, tmp_path):
    whole = run(tiny_config, arguments, **STOPPING | {"save_total_limit": 2})
    shutil.rmtree(tmp_path / "run" / "checkpoint-12")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert [path.name for path in find_checkpoints(tmp_path / "moved")] == ["checkpoint-4"]
    moved = STOPPING | {"output_dir": str(tmp_path / "moved")}
    resumed = run(tiny_config, arguments, tmp_path / "moved" / "checkpoint-4", **moved)
    assert resumed.state.best_model_checkpoint == str(tmp_path / "moved" / "checkpoint-4")
    best = whole.model.state_dict()
    assert all(torch.equal(weight, best[name]) for name, weight in resumed.model.state_dict().items())


def test_a_best_checkpoint_that_is_gone_is_an_error(tiny_config, arguments, tmp_path):
    run(tiny_config, arguments, **STOPPING)
    shutil.rmtree(tmp_path / "run" / "checkpoint-4")
    with pytest.raises(ValueError, match=r"checkpoint-4 is the best checkpoint .* and it is not there: put it back"):
        run(tiny_config, arguments, tmp_path / "run" / "checkpoint-8", **STOPPING)


@pytest.mark.parametrize("epoch", [2, 3])  # in the middle of its patience, and at its end
def test_the_patience_of_early_stopping_is_not_new_after_a_resume(tiny_config, arguments, tmp_path, epoch):
    whole = run(tiny_config, arguments, **STOPPING)
    assert whole.state.global_step == 4 * 3
    resumed = run(tiny_config, arguments, tmp_path / "run" / f"checkpoint-{4 * epoch}", **STOPPING)
    assert resumed.state.global_step == whole.state.global_step
    assert logged(resumed, "eval_loss") == logged(whole, "eval_loss")
    best = whole.model.state_dict()
    assert all(torch.equal(weight, best[name]) for name, weight in resumed.model.state_dict().items())
