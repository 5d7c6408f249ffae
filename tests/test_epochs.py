# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Epochs of whole steps; what is due at their ends waits for their validation."""

import pytest
from runs import Clips, LabelledClips
from transformers import TrainerState

from videomae import VideoMAEForVideoClassification, VideoMAETrainer
from videomae.data import ClassificationCollator
from videomae.epochs import EpochCallback, EpochSampler


def test_an_epoch_has_whole_steps_and_every_epoch_another_order():
    sampler = EpochSampler(range(11), total_batch=4, seed=0)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
    assert len(sampler) == 8 and all(len(order) == len(set(order)) == 8 for order in epochs)
    assert len({tuple(order) for order in epochs}) == 3
    assert len({frozenset(order) for order in epochs}) > 1  # what is left out changes
    sampler.set_epoch(1)
    assert list(sampler) == epochs[1]
    other = EpochSampler(range(11), total_batch=4, seed=1)
    assert list(other) != epochs[0]


def test_the_sampler_passes_the_epoch_on_to_the_data_set(tiny_config):
    clips = Clips(tiny_config(), 5)
    EpochSampler(clips, total_batch=2, seed=0).set_epoch(3)
    assert clips.epoch == 3


@pytest.mark.parametrize(("step", "epoch"), [(0, 0), (1, 0), (2, 1), (5, 2)])
def test_the_epoch_is_told_where_accelerate_forgets_it(tiny_config, step, epoch):
    clips = Clips(tiny_config(), 5)
    sampler = EpochSampler(clips, total_batch=2, seed=0)
    EpochCallback(sampler).on_epoch_begin(None, TrainerState(global_step=step), None)
    assert (sampler.epoch, clips.epoch) == (epoch, epoch)


def test_fewer_samples_than_a_step_needs_raise_with_both_numbers():
    with pytest.raises(ValueError, match="3 training samples do not fill one optimiser step of 4"):
        EpochSampler(range(3), total_batch=4, seed=0)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_batches_are_the_parts_of_an_epoch(size):
    sampler = EpochSampler(range(11), total_batch=4, seed=0)
    sampler.set_epoch(2)
    parts = [sampler.batch(number, size) for number in range(8 // size)]
    assert [index for part in parts for index in part] == list(sampler)


def saved_steps(tiny_config, arguments, tmp_path, **overrides):
    """Steps of the checkpoints of four epochs of three steps, and which validations each of them knows."""
    args = arguments(num_train_epochs=4, save_total_limit=None, **overrides)
    trainer = VideoMAETrainer(
        VideoMAEForVideoClassification(tiny_config()),
        args,
        data_collator=ClassificationCollator(),
        train_dataset=LabelledClips(tiny_config(), 7),
        eval_dataset=LabelledClips(tiny_config(), 3),
    )
    trainer.train()
    states = {
        int(path.name.split("-")[1]): TrainerState.load_from_json(str(path / "trainer_state.json"))
        for path in (tmp_path / "run").glob("checkpoint-*")
    }
    return {
        step: [line["step"] for line in states[step].log_history if "eval_loss" in line] for step in sorted(states)
    }


@pytest.mark.parametrize(("every", "steps"), [(1, [3, 6, 9, 12]), (3, [9, 12]), (5, [12])])
def test_epochs_are_saved_every_so_often_and_at_the_end(tiny_config, arguments, tmp_path, every, steps):
    saved = saved_steps(tiny_config, arguments, tmp_path, save_strategy="epoch", save_epochs=every)
    assert list(saved) == steps


def test_a_checkpoint_at_the_last_step_of_an_epoch_knows_its_validation(tiny_config, arguments, tmp_path):
    saved = saved_steps(tiny_config, arguments, tmp_path, save_strategy="steps", save_steps=2, eval_strategy="epoch")
    assert saved == {2: [], 4: [3], 6: [3, 6], 8: [3, 6], 10: [3, 6, 9], 12: [3, 6, 9, 12]}
