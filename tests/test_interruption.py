# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""SIGTERM ends a training with a checkpoint, and the run that goes on from it is the one that was not ended."""

import os
import signal
import threading

import pytest
import torch
from runs import Clips, logged
from transformers import TrainerCallback

from videomae import VideoMAEForPreTraining, VideoMAETrainer
from videomae.checkpoints import find_checkpoints, last_checkpoint
from videomae.data import PretrainingCollator
from videomae.training import train_and_save


class Terminate(TrainerCallback):
    """Sends SIGTERM to this process in one of the steps."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


class TerminatingClips(Clips):
    """Each of its workers gets SIGTERM in the second epoch, and so does the training, as schedulers do it."""

    def __getitem__(self, index):
        if self.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getppid(), signal.SIGTERM)
        return super().__getitem__(index)


def run(tiny_config, arguments, name="run", callbacks=(), clips=Clips, **overrides):
    """`train_and_save` of three epochs of four steps, with everything that a resume has to carry."""
    torch.manual_seed(0)
    config = tiny_config(hidden_dropout_prob=0.1, drop_path_rate=0.2)
    settings = {
        "output_dir": str(arguments().output_dir).replace("run", name),
        "num_train_epochs": 3,
        "learning_rate": 1e-2,
        "ema_decay": 0.6,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
    }
    trainer = VideoMAETrainer(
        VideoMAEForPreTraining(config),
        arguments(**settings | overrides),
        data_collator=PretrainingCollator(),
        train_dataset=clips(config, 9),
        eval_dataset=Clips(config, 3),
        callbacks=list(callbacks),
    )
    return trainer, train_and_save(trainer)


def curves(trainer):
    return [
        (line["step"], line.get("loss"), line.get("eval_loss"))
        for line in trainer.state.log_history
        if "train_runtime" not in line
    ]


@pytest.mark.parametrize("step", [0, 5, 7, 11])  # the first one, in an epoch, its last one, the very last one
def test_a_terminated_run_has_a_checkpoint_and_goes_on_to_the_same_end(tiny_config, arguments, tmp_path, caplog, step):
    whole, metrics = run(tiny_config, arguments, "whole")
    stopped, nothing = run(tiny_config, arguments, callbacks=[Terminate(step)])
    folder = tmp_path / "run"
    assert nothing is None
    assert find_checkpoints(folder)[-1] == last_checkpoint(folder) == folder / f"checkpoint-{step + 1}"
    assert not (folder / "model.safetensors").exists() and not (folder / "metrics.json").exists()
    assert f"SIGTERM ended the training after step {step + 1} of 12" in caplog.text
    resumed, found = run(tiny_config, arguments, resume="auto")
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
    assert found["eval_loss"] == metrics["eval_loss"] and found["train_loss"] == metrics["train_loss"]
    assert curves(resumed) == curves(whole)


class TerminateInValidation(TrainerCallback):
    """Sends it while the second validation is looked at, the one after the last step of an epoch."""

    def on_prediction_step(self, args, state, control, **kwargs):
        if state.global_step == 8:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("epochs", [2, 3])  # the last validation of a run, and one before it
def test_a_signal_in_a_validation_ends_the_run_after_it(tiny_config, arguments, tmp_path, epochs):
    whole, metrics = run(tiny_config, arguments, "whole", num_train_epochs=epochs)
    _, nothing = run(tiny_config, arguments, callbacks=[TerminateInValidation()], num_train_epochs=epochs)
    assert nothing is None and last_checkpoint(tmp_path / "run").name == "checkpoint-8"
    resumed, found = run(tiny_config, arguments, resume="auto", num_train_epochs=epochs)
    assert found["eval_loss"] == metrics["eval_loss"]
    assert curves(resumed) == curves(whole)


@pytest.mark.parametrize("ema_decay", [None, 0.6])
def test_the_checkpoint_of_a_terminated_run_outlives_the_best_one(tiny_config, arguments, tmp_path, ema_decay):
    keep = {"load_best_model_at_end": True, "greater_is_better": True, "metric_for_best_model": "loss"}
    keep |= {"save_total_limit": 1, "ema_decay": ema_decay}
    whole, _ = run(tiny_config, arguments, "whole", **keep)
    run(tiny_config, arguments, callbacks=[Terminate(9)], **keep)
    found = [path.name for path in find_checkpoints(tmp_path / "run")]
    assert found == ["checkpoint-4", "checkpoint-10"]  # the loss falls, so the first one is the best
    resumed, _ = run(tiny_config, arguments, resume="auto", **keep)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_a_run_that_goes_on_from_earlier_leaves_its_other_branch(tiny_config, arguments, tmp_path):
    every = {"save_strategy": "steps", "save_steps": 2, "save_total_limit": None}
    run(tiny_config, arguments, **every)
    early = str(tmp_path / "run" / "checkpoint-4")
    run(tiny_config, arguments, callbacks=[Terminate(6)], resume=early, **every)
    assert last_checkpoint(tmp_path / "run").name == "checkpoint-7"
    assert (tmp_path / "run" / "old-checkpoint-12").is_dir()
    with pytest.raises(ValueError, match="whole has checkpoints of a run already"):
        run(tiny_config, arguments, "whole", **every)
        run(tiny_config, arguments, "whole", resume=early, **every)


def test_data_loader_workers_outlive_the_signal(tiny_config, arguments, tmp_path):
    whole, _ = run(tiny_config, arguments, "whole", dataloader_num_workers=2)
    _, nothing = run(tiny_config, arguments, clips=TerminatingClips, dataloader_num_workers=2)
    assert nothing is None and last_checkpoint(tmp_path / "run").name == "checkpoint-5"
    resumed, _ = run(tiny_config, arguments, resume="auto", dataloader_num_workers=2)
    assert logged(resumed, "loss") == logged(whole, "loss")


def test_a_run_without_checkpoints_is_saved_when_it_is_terminated(tiny_config, arguments, tmp_path):
    run(tiny_config, arguments, callbacks=[Terminate(5)], save_strategy="no")
    assert last_checkpoint(tmp_path / "run").name == "checkpoint-6"


def test_the_signal_is_the_programs_own_before_and_after(tiny_config, arguments):
    before = signal.getsignal(signal.SIGTERM)
    run(tiny_config, arguments)
    assert signal.getsignal(signal.SIGTERM) == before


def test_training_in_another_thread_leaves_signals_alone(tiny_config, arguments):
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(run(tiny_config, arguments, ema_decay=None)[1]))
    thread.start()
    thread.join(60)
    assert outcome[0]["eval_loss"] > 0


def test_a_folder_with_checkpoints_is_not_overwritten_by_a_new_run(tiny_config, arguments, tmp_path):
    run(tiny_config, arguments)
    with pytest.raises(ValueError, match=r"has checkpoints of a run already, the last one is checkpoint-12.*--resume"):
        run(tiny_config, arguments)


def test_a_finished_run_can_be_resumed_and_only_writes_its_end_again(tiny_config, arguments, tmp_path):
    _, metrics = run(tiny_config, arguments)
    (tmp_path / "run" / "metrics.json").unlink()
    _, again = run(tiny_config, arguments, resume="auto")
    assert again["eval_loss"] == metrics["eval_loss"] and again["train_loss"] == metrics["train_loss"]
    assert (tmp_path / "run" / "metrics.json").exists()


def test_resume_and_its_name_in_transformers_are_not_given_together(arguments):
    with pytest.raises(ValueError, match="resume is 'auto' and resume_from_checkpoint 'run': leave one out"):
        arguments(resume="auto", resume_from_checkpoint="run")
