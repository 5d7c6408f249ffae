# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What the trainer has from transformers' Trainer: curves elsewhere, torch.compile, fused AdamW."""

import json
import sqlite3

import pytest
import torch
from runs import Clips, logged, train
from safetensors.torch import load_file

from videomae import VideoMAEForPreTraining, arguments, cli
from videomae.scripts import run_finetuning, run_pretraining
from videomae.training import VideoMAETrainingArguments


@pytest.fixture
def start(tiny_config):
    """`start() -> VideoMAEForPreTraining`: the same new weights each time."""

    def make():
        torch.manual_seed(0)
        return VideoMAEForPreTraining(tiny_config())

    return make


@pytest.fixture
def options(tmp_path):
    """`options(**overrides) -> VideoMAETrainingArguments`: four steps on the CPU, one line of the log each."""

    def make(name="run", **overrides):
        quiet = {"use_cpu": True, "disable_tqdm": True, "dataloader_num_workers": 0, "logging_steps": 1}
        short = {"num_train_epochs": 2, "warmup_epochs": 1, "per_device_train_batch_size": 2, "save_strategy": "no"}
        return VideoMAETrainingArguments(output_dir=str(tmp_path / name), **(quiet | short | overrides))

    return make


# ---- curves ----


def test_tensorboard_gets_the_curves_of_the_log(start, options, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    clips = Clips(start().config, 5)
    args = options(report_to=["tensorboard"], eval_strategy="epoch")
    trainer = train(start(), args, clips, eval_dataset=Clips(start().config, 3))
    (folder,) = {file.parent for file in tmp_path.rglob("events.out.tfevents.*")}
    events = EventAccumulator(str(folder)).Reload()
    for tag, name, count in (
        ("train/loss", "loss", 4),
        ("train/learning_rate", "learning_rate", 4),
        ("train/data_wait", "data_wait", 4),
        ("eval/loss", "eval_loss", 2),
    ):
        values = [event.value for event in events.Scalars(tag)]
        assert len(values) == count and values == pytest.approx(logged(trainer, name), rel=1e-6), tag
    assert [event.step for event in events.Scalars("eval/loss")] == [2, 4]


def test_trackio_gets_the_curves_of_the_log_in_one_run_without_a_server(start, options, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio")
    clips = Clips(start().config, 5)
    args = options(report_to=["trackio"], eval_strategy="epoch")
    trainer = train(start(), args, clips, eval_dataset=Clips(start().config, 3))
    trainer.evaluate()  # as at the end of a program, when the training has closed the run
    trackio.finish()  # which the program's exit does
    (file,) = (tmp_path / "trackio").glob("*.db")
    with sqlite3.connect(file) as database:
        rows = [json.loads(row) for (row,) in database.execute("select metrics from metrics order by id")]
        runs = {name for (name,) in database.execute("select distinct run_name from metrics")}
    assert runs == {"run"}  # as the folder is called
    assert [row["train/loss"] for row in rows if "train/loss" in row] == pytest.approx(logged(trainer, "loss"))
    assert [row["eval/loss"] for row in rows if "eval/loss" in row] == pytest.approx(logged(trainer, "eval_loss"))
    assert len(logged(trainer, "eval_loss")) == 3
    assert all("train/data_wait" in row for row in rows if "train/loss" in row)


def test_a_run_is_called_like_its_folder_unless_it_has_a_name(options):
    assert options("second").run_name == "second" and options("second", run_name="mine").run_name == "mine"


@pytest.mark.parametrize("program", [run_pretraining, run_finetuning])
def test_a_tracker_that_is_not_installed_is_told_before_anything_else(program, monkeypatch, capsys):
    monkeypatch.setitem(arguments.TRACKERS, "wandb", ("no_such_package", "nor_this_one"))
    argv = ["--data", "nowhere", "--output_dir", "run", "--report_to", "tensorboard", "wandb"]
    assert cli.run(program.main, argv) == 2
    error = capsys.readouterr().err
    assert "--report_to is wandb, which is not installed: pip install no_such_package" in error
    assert "tensorboard, which" not in error and "Traceback" not in error


def test_from_python_a_tracker_may_be_a_string(options, monkeypatch):
    monkeypatch.setitem(arguments.TRACKERS, "trackio", ("no_such_package",))
    with pytest.raises(ValueError, match="report_to is trackio, which is not installed"):
        options(report_to="trackio")
    assert options(report_to="none").report_to == options().report_to == []


# ---- torch.compile ----


@pytest.fixture
def compiled_anew():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_training_has_the_losses_of_one_that_is_not(start, options, backend, compiled_anew):
    clips = Clips(start().config, 5)
    plain = train(start(), options("plain"), clips, eval_dataset=clips)
    compiled = train(start(), options("compiled", torch_compile_backend=backend), clips, eval_dataset=clips)
    assert type(compiled.model_wrapped).__name__ == "OptimizedModule"  # it was
    assert len(logged(plain, "loss")) == 4
    assert logged(compiled, "loss") == pytest.approx(logged(plain, "loss"), rel=1e-5)
    assert compiled.evaluate()["eval_loss"] == pytest.approx(plain.evaluate()["eval_loss"], rel=1e-5)


def test_what_a_compiled_training_saves_has_the_usual_names_and_resumes(start, options, tmp_path, compiled_anew):
    clips = Clips(start().config, 5)
    keep = {"torch_compile_backend": "eager", "save_strategy": "steps", "save_steps": 1, "save_total_limit": 9}
    whole = train(start(), options("whole", **keep), clips)
    start().save_pretrained(tmp_path / "new")
    names = set(load_file(tmp_path / "new" / "model.safetensors"))
    assert set(load_file(tmp_path / "whole" / "checkpoint-3" / "model.safetensors")) == names
    resumed = train(
        start(), options("resumed", **keep), clips, resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-3")
    )
    assert logged(resumed, "loss") == logged(whole, "loss")
    resumed.save_model()
    for name, weight in VideoMAEForPreTraining.from_pretrained(tmp_path / "resumed").state_dict().items():
        assert torch.equal(weight, whole.model.state_dict()[name]), name


# ---- optimiser ----


def test_adamw_is_fused_and_steps_as_the_plain_one(start, options):
    clips = Clips(start().config, 5)
    fused, plain = (
        train(start(), options(name, learning_rate=1e-2, **optim), clips)
        for name, optim in (("fused", {}), ("plain", {"optim": "adamw_torch"}))
    )
    assert fused.optimizer.optimizer.defaults["fused"] is True and not plain.optimizer.optimizer.defaults["fused"]
    assert logged(fused, "loss") == pytest.approx(logged(plain, "loss"), rel=1e-5)
    assert logged(fused, "loss")[0] != logged(fused, "loss")[-1]


# ---- flags ----


@pytest.mark.parametrize("program", [run_pretraining, run_finetuning])
def test_help_knows_them(program, capsys):
    with pytest.raises(SystemExit):
        program.main(["--help"])
    told = capsys.readouterr().out
    for flag in ("--report_to", "--torch_compile", "--optim OPTIM"):
        assert flag in told
