# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Checkpoint folders are whole or not there, and the last whole one is found."""

import os

import pytest
import torch
from runs import Clips, train

from videomae import VideoMAEForPreTraining, checkpoints
from videomae.checkpoints import CheckpointError, find_checkpoints, last_checkpoint, resolve, what_is_missing


def save(run, step, **files):
    """A whole checkpoint, written as the trainer does."""
    folder = run / checkpoints.SAVING / f"checkpoint-{step}"
    (folder / "part").mkdir(parents=True)
    for name in checkpoints.NEEDED:
        (folder / name).write_text("state")
    for name, text in ({"model": "weights", "part/0": "state"} | files).items():
        (folder / name).write_text(text)
    checkpoints.seal(folder)
    return checkpoints.publish(folder, run)


def names(run):
    return [path.name for path in find_checkpoints(run)]


def test_checkpoints_are_found_in_the_order_of_their_steps(tmp_path):
    for step in (90, 1000, 300):
        save(tmp_path, step)
    (tmp_path / "checkpoint-last").mkdir()
    (tmp_path / "checkpoint-7").write_text("a file")
    assert names(tmp_path) == ["checkpoint-90", "checkpoint-300", "checkpoint-1000"]
    assert find_checkpoints(tmp_path / "nowhere") == []


def test_a_published_checkpoint_is_whole_and_leaves_nothing_behind(tmp_path):
    place = save(tmp_path, 3)
    assert place == tmp_path / "checkpoint-3"
    assert what_is_missing(place) is None
    assert not (tmp_path / checkpoints.SAVING).exists()


def test_a_checkpoint_takes_the_place_of_an_earlier_one_of_its_step(tmp_path):
    save(tmp_path, 3, model="old", only_once="x")
    place = save(tmp_path, 3, model="new")
    assert (place / "model").read_text() == "new" and not (place / "only_once").exists()
    assert names(tmp_path) == ["checkpoint-3"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "files.json").unlink(), "no files.json"),
        (lambda folder: (folder / "files.json").write_text("{"), "files.json is damaged"),
        (lambda folder: (folder / "files.json").write_text("[]"), "files.json is damaged"),
        (lambda folder: (folder / "part" / "0").unlink(), "part/0 is missing"),
        (lambda folder: (folder / "model").write_text("wei"), "model has 3 bytes, wanted 7"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_left_out_with_the_reason(tmp_path, caplog, damage, reason):
    whole, broken = save(tmp_path, 5), save(tmp_path, 9)
    assert last_checkpoint(tmp_path) == broken
    damage(broken)
    assert reason in what_is_missing(broken)
    assert last_checkpoint(tmp_path) == resolve("auto", tmp_path) == whole
    assert f"{broken} is left out: {reason}" in caplog.text


def test_auto_begins_anew_where_there_is_no_checkpoint_yet(tmp_path):
    assert resolve("auto", tmp_path / "run") is None


def test_a_named_checkpoint_has_to_be_there_and_whole(tmp_path):
    whole = save(tmp_path, 4)
    assert resolve(str(whole), tmp_path) == whole
    with pytest.raises(ValueError, match=r"no such folder; checkpoints in .*: checkpoint-4$"):
        resolve(str(tmp_path / "checkpoint-5"), tmp_path)
    (whole / "model").unlink()
    with pytest.raises(ValueError, match="model is missing; `--resume auto` takes the last whole checkpoint"):
        resolve(str(whole), tmp_path)


def test_a_named_checkpoint_of_a_plain_trainer_is_taken_as_it_is(tmp_path):
    save(tmp_path, 8)
    (tmp_path / "checkpoint-8" / "files.json").unlink()
    assert resolve(str(tmp_path / "checkpoint-8"), tmp_path) == tmp_path / "checkpoint-8"


@pytest.mark.parametrize("resume", ["auto", "checkpoint-8"])
def test_weights_alone_are_no_checkpoint_to_go_on_from(tmp_path, resume):
    folder = tmp_path / checkpoints.SAVING / "checkpoint-8"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text("{}")
    checkpoints.seal(folder)
    place = checkpoints.publish(folder, tmp_path)
    with pytest.raises(
        ValueError, match=r"it has no scheduler.pt; checkpoints in .*: checkpoint-8. --model .*-8 begin"
    ):
        resolve(resume if resume == "auto" else str(place), tmp_path)


def test_a_kill_between_two_checkpoints_of_a_name_leaves_the_older_one(tmp_path, monkeypatch):
    save(tmp_path, 3, model="old")
    rename = os.replace

    def rename_once(source, target):
        rename(source, target)
        monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))

    folder = tmp_path / checkpoints.SAVING / "checkpoint-3"
    folder.mkdir(parents=True)
    monkeypatch.setattr(os, "replace", rename_once)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.publish(folder, tmp_path)
    monkeypatch.undo()
    assert names(tmp_path) == []
    checkpoints.clear(tmp_path)
    assert names(tmp_path) == ["checkpoint-3"] and (tmp_path / "checkpoint-3" / "model").read_text() == "old"
    assert not (tmp_path / checkpoints.SAVING).exists()


@pytest.mark.parametrize(("after", "left"), [(4, [2, 4]), (9, [2, 4, 6]), (None, [])])
def test_checkpoints_after_the_one_that_is_resumed_are_set_aside(tmp_path, caplog, after, left):
    for step in (2, 4, 6):
        save(tmp_path, step)
    (tmp_path / "old-checkpoint-6").mkdir()
    checkpoints.set_aside(tmp_path, after=after and tmp_path / f"checkpoint-{after}")
    assert names(tmp_path) == [f"checkpoint-{step}" for step in left]
    for step in {2, 4, 6} - set(left):
        assert (tmp_path / f"old-checkpoint-{step}" / "model").exists()
        assert f"checkpoint-{step} is not of this run any more" in caplog.text


@pytest.mark.parametrize(
    ("limit", "best", "left"),
    [
        (None, None, [1, 2, 3, 4, 5]),
        (1, None, [3]),
        (2, None, [3, 5]),
        (2, "run/checkpoint-1", [1, 3]),
        (1, "run/checkpoint-1", [1, 3]),
        (3, "run/checkpoint-3", [3, 4, 5]),
        (6, None, [1, 2, 3, 4, 5]),
    ],
)
def test_rotation_keeps_the_newest_the_best_and_the_last_steps(tmp_path, limit, best, left):
    for step in (1, 2, 4, 5, 3):
        newest = save(tmp_path, step)
    checkpoints.rotate(tmp_path, newest=newest, best=best, limit=limit)
    assert names(tmp_path) == [f"checkpoint-{step}" for step in left]
    assert not (tmp_path / checkpoints.SAVING).exists()


def test_files_of_a_folder_are_replaced_when_all_of_them_are_written(tmp_path):
    (tmp_path / "config.json").write_text("old")
    with pytest.raises(OSError, match="full"), checkpoints.replacing_files(tmp_path) as temporary:
        (temporary / "config.json").write_text("half")
        raise OSError("full")
    assert (tmp_path / "config.json").read_text() == "old"
    with checkpoints.replacing_files(tmp_path) as temporary:
        (temporary / "config.json").write_text("new")
    assert (tmp_path / "config.json").read_text() == "new"
    assert os.listdir(tmp_path) == ["config.json"]


# ---- of a training ----


def test_files_are_there_for_others_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        place = save(tmp_path, 3)
        with checkpoints.replacing_files(tmp_path) as temporary:
            (temporary / "model").touch(0o600)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (place / "model", tmp_path / "model")} == {0o640}


def test_every_checkpoint_of_a_training_is_whole(tiny_config, arguments, tmp_path):
    train(
        VideoMAEForPreTraining(tiny_config()),
        arguments(save_strategy="steps", save_steps=1, save_total_limit=2),
        Clips(tiny_config(), 5),
    )
    assert names(tmp_path / "run") == ["checkpoint-3", "checkpoint-4"]
    for checkpoint in find_checkpoints(tmp_path / "run"):
        assert what_is_missing(checkpoint) is None
        assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} <= {
            path.name for path in checkpoint.iterdir()
        }
    assert not (tmp_path / "run" / checkpoints.SAVING).exists()


def test_the_best_checkpoint_is_known_by_its_final_name(tiny_config, arguments, tmp_path):
    run = {"save_strategy": "epoch", "eval_strategy": "epoch", "load_best_model_at_end": True, "save_total_limit": 1}
    clips = Clips(tiny_config(), 5)
    args = arguments(num_train_epochs=3, learning_rate=1e-2, **run)
    trainer = train(VideoMAEForPreTraining(tiny_config()), args, clips, eval_dataset=Clips(tiny_config(), 3))
    best = trainer.state.best_model_checkpoint
    assert best == str(tmp_path / "run" / f"checkpoint-{trainer.state.best_global_step}")
    assert last_checkpoint(tmp_path / "run") is not None
    weights = VideoMAEForPreTraining.from_pretrained(best).state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in trainer.model.state_dict().items())


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing file")]
)
def test_a_full_disk_is_an_error_that_leaves_the_last_checkpoint(tiny_config, arguments, tmp_path, monkeypatch, error):
    save_tensors = torch.save

    def save_two(content, path, *args, **kwargs):
        if "checkpoint-3" in str(path):
            save_tensors({}, path)
            raise error
        save_tensors(content, path, *args, **kwargs)

    monkeypatch.setattr(torch, "save", save_two)
    args = arguments(save_strategy="steps", save_steps=1)
    with pytest.raises(CheckpointError, match=r"checkpoint-3 could not be written .*: .*checkpoint-2; make room"):
        train(VideoMAEForPreTraining(tiny_config()), args, Clips(tiny_config(), 5))
    assert names(tmp_path / "run") == ["checkpoint-1", "checkpoint-2"]
    assert last_checkpoint(tmp_path / "run").name == "checkpoint-2"
    assert not (tmp_path / "run" / checkpoints.SAVING).exists()


def test_a_folder_is_claimed_by_one_process_until_it_ends(tmp_path, run_python):
    claim = (
        "import sys\nfrom videomae import checkpoints\nwith checkpoints.claimed(sys.argv[1]):\n    print('claimed')"
    )
    with checkpoints.claimed(tmp_path):
        result = run_python(claim, tmp_path)
        assert f"another process trains into {tmp_path}: wait for it" in result.stderr
    assert run_python(claim, tmp_path).stdout == "claimed\n"
