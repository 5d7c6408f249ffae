# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Epochs of whole optimiser steps: their order of the samples, and what is due at their ends."""

from collections.abc import Iterator

import numpy as np
import torch
from transformers import TrainerCallback
from transformers.trainer_utils import SaveStrategy


class EpochSampler(torch.utils.data.Sampler):
    """Indices of one epoch in whole optimiser steps; the last len(dataset) % total_batch of the order are left out.

    The order depends on (seed, epoch) alone. The epoch is passed on to the data set.
    """

    def __init__(self, dataset, *, total_batch: int, seed: int, shuffle: bool = True):
        if len(dataset) < total_batch:
            raise ValueError(
                f"{len(dataset)} training samples do not fill one optimiser step of {total_batch}: lower "
                "total_batch, per_device_train_batch_size or gradient_accumulation_steps"
            )
        self.dataset = dataset
        self.steps = len(dataset) // total_batch
        self.length = self.steps * total_batch
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        if not self.shuffle:
            return iter(range(self.length))
        order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.dataset))
        return iter(order[: self.length].tolist())

    def batch(self, number: int, size: int) -> list[int]:
        """The indices of one of the epoch's batches of this size."""
        return list(self)[number * size : (number + 1) * size]


class EpochCallback(TrainerCallback):
    """Tells the sampler which epoch begins.

    accelerate's loaders do so, except with several processes after a resume in the middle of an epoch.
    """

    def __init__(self, sampler: EpochSampler):
        self.sampler = sampler

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.sampler.set_epoch(state.global_step // self.sampler.steps)


class EpochEndCallback(TrainerCallback):
    """Checkpoints of whole epochs: every `save_epochs`, and the last one.

    A checkpoint that is due at the last step of an epoch waits until the epoch has ended: a run that goes on from it
    would miss the validation in between.
    """

    def __init__(self, steps_per_epoch: int, save_epochs: int):
        self.steps_per_epoch = steps_per_epoch
        self.save_epochs = save_epochs
        self._waits = False

    def on_step_end(self, args, state, control, **kwargs):
        self._waits = control.should_save and state.global_step % self.steps_per_epoch == 0
        control.should_save &= not self._waits

    def on_epoch_end(self, args, state, control, **kwargs):
        if args.save_strategy == SaveStrategy.EPOCH:
            epoch = state.global_step // self.steps_per_epoch
            is_last = control.should_training_stop or state.global_step >= state.max_steps
            control.should_save = is_last or epoch % self.save_epochs == 0
        control.should_save |= self._waits
        self._waits = False


__all__ = ["EpochCallback", "EpochEndCallback", "EpochSampler"]
