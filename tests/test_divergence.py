# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A loss that is no number ends the run before it reaches the weights, and the batch is kept."""

import json

import pytest
import torch
from runs import Clips
from safetensors.torch import load_file

from videomae import VideoMAEForPreTraining, VideoMAETrainer
from videomae.data import PretrainingCollator
from videomae.divergence import NonFiniteLossError
from videomae.epochs import EpochSampler


class NamedClips(Clips):
    def name(self, index):
        return f"{index}.mp4"


class Spoiled(VideoMAETrainer):
    """Its loss is not finite from one forward pass of one step on."""

    def __init__(self, *args, at=(3, 1), value=float("nan"), **kwargs):
        super().__init__(*args, **kwargs)
        self.at, self.value = at, value

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        return loss * self.value if (self.state.global_step, self._forward) == self.at else loss


class SteepGradient(torch.autograd.Function):
    """The same value; a gradient that overflows."""

    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("inf")


class Steep(VideoMAETrainer):
    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        return SteepGradient.apply(loss) if self.state.global_step == 3 else loss


def run(trainer_class, tiny_config, arguments, **kwargs):
    """A run of two epochs of two steps of two forward passes of two clips; what it says when it stops."""
    config = tiny_config()
    args = arguments(gradient_accumulation_steps=2, learning_rate=1e-2, save_strategy="steps", save_steps=1)
    trainer = trainer_class(
        VideoMAEForPreTraining(config),
        args,
        data_collator=PretrainingCollator(),
        train_dataset=NamedClips(config, 9),
        **kwargs,
    )
    with pytest.raises(NonFiniteLossError) as error:
        trainer.train()
    return trainer, str(error.value)


def batch_of(trainer, step, forward):
    """The names of the videos of a forward pass."""
    sampler = EpochSampler(trainer.train_dataset, total_batch=4, seed=0)
    sampler.set_epoch(step // 2)
    order = list(sampler)
    first = step % 2 * 4 + forward * 2
    return [f"{index}.mp4" for index in order[first : first + 2]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_run_with_the_videos_of_its_batch(tiny_config, arguments, tmp_path, value):
    trainer, message = run(Spoiled, tiny_config, arguments, value=value)
    report = json.loads((tmp_path / "run" / "nonfinite_loss.json").read_text())
    assert report["videos"] == batch_of(trainer, step=3, forward=1)
    assert (report["step"], report["what"], report["value"]) == (4, "loss", str(value))
    assert f"the loss is {value} in step 4, epoch 1.50" in message and "--resume auto" in message
    clips = load_file(tmp_path / "run" / report["batch"])
    trainer.train_dataset.set_epoch(1)
    items = [trainer.train_dataset[int(name.removesuffix(".mp4"))] for name in report["videos"]]
    wanted = PretrainingCollator()(items)
    assert clips.keys() == wanted.keys()
    assert all(torch.equal(clips[name], value) for name, value in wanted.items())


def test_the_weights_are_those_of_the_last_good_step(tiny_config, arguments, tmp_path):
    trainer, _ = run(Spoiled, tiny_config, arguments)
    good = VideoMAEForPreTraining.from_pretrained(tmp_path / "run" / "checkpoint-3").state_dict()
    assert all(torch.equal(weight, good[name]) for name, weight in trainer.model.state_dict().items())


def test_a_gradient_that_overflows_ends_the_run_with_all_videos_of_the_step(tiny_config, arguments, tmp_path):
    trainer, message = run(Steep, tiny_config, arguments)
    report = json.loads((tmp_path / "run" / "nonfinite_loss.json").read_text())
    assert report["what"] == "gradient" and "the gradient is" in message
    assert report["videos"] == batch_of(trainer, 3, 0) + batch_of(trainer, 3, 1)
    assert len(load_file(tmp_path / "run" / report["batch"])["pixel_values"]) == 4
    assert all(weight.isfinite().all() for weight in trainer.model.parameters())
