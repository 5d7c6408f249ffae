# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Steps that fp16 leaves out are explained, and the schedule counts them."""

from types import SimpleNamespace

import pytest
import torch
from runs import Clips
from transformers import TrainerState

from videomae import VideoMAEForPreTraining, VideoMAETrainer
from videomae.data import PretrainingCollator
from videomae.divergence import NonFiniteLossError
from videomae.loss_scale import MOST_SKIPPED, LossScaleCallback


def accelerator(skipped, scale):
    scaler = SimpleNamespace(get_scale=lambda: scale)
    return SimpleNamespace(optimizer_step_was_skipped=skipped, scaler=scaler)


@pytest.fixture
def scheduler():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    optimizer.step()
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))


@pytest.mark.parametrize(("scale", "advice"), [(32768.0, "normal at the beginning"), (0.5, "train in bf16 or fp32")])
def test_a_step_that_is_left_out_is_explained_and_counts_in_the_schedule(caplog, scheduler, scale, advice):
    callback = LossScaleCallback(accelerator(True, scale))
    callback.on_step_end(None, TrainerState(global_step=17), None, lr_scheduler=scheduler)
    assert scheduler.get_last_lr() == [0.5]
    assert f"step 17 was left out, 1 so far: its gradients overflow fp16; the loss scale is {scale:g}" in caplog.text
    assert advice in caplog.text


def test_nothing_is_said_of_a_step_that_was_taken(caplog, scheduler):
    callback = LossScaleCallback(accelerator(False, 65536.0))
    callback.on_step_end(None, TrainerState(global_step=17), None, lr_scheduler=scheduler)
    assert scheduler.get_last_lr() == [1.0] and not caplog.text


def test_steps_that_are_all_left_out_end_the_run(scheduler):
    state = accelerator(True, 1e-7)
    callback = LossScaleCallback(state)

    def steps(number):
        for step in range(number):
            callback.on_step_end(None, TrainerState(global_step=step), None, lr_scheduler=scheduler)

    steps(MOST_SKIPPED - 1)
    state.optimizer_step_was_skipped = False
    steps(1)
    state.optimizer_step_was_skipped = True
    steps(MOST_SKIPPED - 1)
    with pytest.raises(NonFiniteLossError, match=rf"{MOST_SKIPPED} steps in a row were left out, up to step 99"):
        callback.on_step_end(None, TrainerState(global_step=99), None, lr_scheduler=scheduler)


@pytest.mark.gpu
def test_fp16_on_a_gpu_leaves_steps_out_and_learns_after_that(tiny_config, arguments, caplog):
    """The first scale of torch, 65536, is too high for a loss that is multiplied by 1000."""

    class Steep(VideoMAETrainer):
        def compute_loss(self, *args, **kwargs):
            return 1000 * super().compute_loss(*args, **kwargs)

    trainer = Steep(
        VideoMAEForPreTraining(tiny_config()),
        arguments(num_train_epochs=20, fp16=True, bf16=False, use_cpu=False, learning_rate=1e-2),
        data_collator=PretrainingCollator(),
        train_dataset=Clips(tiny_config(), 5),
    )
    trainer.train()
    assert "its gradients overflow fp16" in caplog.text
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert losses[-1] < losses[0] and trainer.lr_scheduler.last_epoch == 40


def test_a_training_with_steps_left_out_has_the_rates_of_one_without(tiny_config, arguments):
    """As VideoMAE's engine takes the rate of the iteration, whatever became of the one before."""

    def rates(left_out):
        trainer = VideoMAETrainer(
            VideoMAEForPreTraining(tiny_config()),
            arguments(num_train_epochs=3),
            data_collator=PretrainingCollator(),
            train_dataset=Clips(tiny_config(), 5),
        )
        seen = []
        create = trainer.create_optimizer

        def create_optimizer(*args, **kwargs):
            optimizer = create(*args, **kwargs)
            take = optimizer.step

            def step(*args, **kwargs):
                seen.append(optimizer.param_groups[0]["lr"])
                take(*args, **kwargs)

            optimizer.step = step
            return optimizer

        trainer.create_optimizer = create_optimizer
        trainer.accelerator.__class__ = type(
            "Skipping",
            (type(trainer.accelerator),),
            {"optimizer_step_was_skipped": property(lambda self: len(seen) - 1 in left_out)},
        )
        trainer.train()
        return seen

    assert rates({1, 2}) == rates(set())
