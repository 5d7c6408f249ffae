# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""transformers' Trainer with VideoMAE's optimisation: schedule, layer-wise learning rates, batch scaling.

args = VideoMAETrainingArguments(output_dir="run", num_train_epochs=100, warmup_epochs=10)
VideoMAETrainer(model, args, data_collator=PretrainingCollator(), train_dataset=videos).train()
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import nn
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainerState, TrainingArguments

from .arguments import OptimizationArguments, flag
from .bad_videos import BadVideos
from .files import write_json
from .mixing import Mixing, batch_generator
from .modeling_videomae import classification_loss

BASE_BATCH = 256  # the total batch that base learning rates are given for


# ---- the official optimisation, as arithmetic ----


def cosine_schedule(
    base: float, final: float, *, epochs: float, steps_per_epoch: int, warmup_epochs: float
) -> np.ndarray:
    """Learning rate of every step: a linear warm-up from 0, then a cosine from `base` towards `final`.

    The warm-up includes both of its ends, so the first step has rate 0 and `base` comes twice: last in the warm-up
    and first in the cosine, base + (final - base) (1 - cos(pi i / M)) / 2 for i = 0 .. M - 1. `final` itself is not
    reached.

    Returns float64 (round(epochs * steps_per_epoch),). Raises ValueError where the warm-up is longer than that.
    """
    steps, warmup = round(epochs * steps_per_epoch), round(warmup_epochs * steps_per_epoch)
    if warmup > steps:
        raise ValueError(
            f"the warm-up of {warmup} steps (warmup_epochs {warmup_epochs:g}) is longer than the training of "
            f"{steps} steps ({epochs:g} epochs)"
        )
    phase = np.arange(steps - warmup) / max(steps - warmup, 1)
    cosine = final + 0.5 * (base - final) * (1 + np.cos(np.pi * phase))
    return np.concatenate([np.linspace(0, base, warmup), cosine])


def layer_scale(parameter_name: str, *, num_layers: int, layer_decay: float) -> float:
    """Factor on the learning rate of a parameter: `layer_decay` to the power of its distance from the head.

    The embeddings (and the mask token) are layer 0, block i is layer i + 1, everything else is layer num_layers + 1.
    """
    names = parameter_name.removeprefix("videomae.").split(".")
    if names[0] in ("embeddings", "mask_token"):
        layer = 0
    elif names[:2] == ["encoder", "layer"]:
        layer = int(names[2]) + 1
    else:
        layer = num_layers + 1
    return layer_decay ** (num_layers + 1 - layer)


def parameter_groups(
    model: nn.Module, *, learning_rate: float, weight_decay: float, layer_decay: float | None = None
) -> list[dict]:
    """Optimiser groups: one for each learning rate, with and without weight decay.

    Biases, norms (all that is 1-D) and the mask token are not decayed. Frozen parameters are left out. The group with
    the highest rate comes first: the Trainer logs the rate of the first one.
    """
    groups = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        free = parameter.ndim <= 1 or name.endswith(".bias") or name.split(".")[-1] == "mask_token"
        scale = 1.0
        if layer_decay is not None:
            scale = layer_scale(name, num_layers=model.config.num_hidden_layers, layer_decay=layer_decay)
        group = {"lr": learning_rate * scale, "weight_decay": 0.0 if free else weight_decay, "params": []}
        groups.setdefault((scale, free), group)["params"].append(parameter)
    return sorted(groups.values(), key=lambda group: group["lr"], reverse=True)


def freeze(model: nn.Module, trained_blocks: int | None) -> None:
    """Leave a classifier's head and the last `trained_blocks` blocks of its encoder to learn; None: all of it.

    Raises ValueError where the encoder has fewer.
    """
    if trained_blocks is None:
        return
    blocks = model.videomae.encoder.layer
    if trained_blocks > len(blocks):
        raise ValueError(f"trained_blocks is {trained_blocks}, but the encoder has {len(blocks)} blocks")
    model.videomae.requires_grad_(False)
    for block in blocks[len(blocks) - trained_blocks :]:
        block.requires_grad_(True)


# ---- arguments ----


@dataclass
class VideoMAETrainingArguments(OptimizationArguments, TrainingArguments):
    """`transformers.TrainingArguments` with VideoMAE's defaults and the fields of `OptimizationArguments`.

    `learning_rate` becomes base_learning_rate * total batch / 256, unless it is given. The total batch is that of an
    optimiser step: clips per device * accumulation steps * processes.
    """

    lr_scheduler_type: str = flag("The official schedule is the only one.", "cosine")
    remove_unused_columns: bool = flag("The data sets give exactly what the models take.", False)
    ddp_find_unused_parameters: bool | None = flag("The models use all of their parameters in every step.", False)

    def __post_init__(self):
        if complaints := self.complaints():
            raise ValueError("the training arguments do not fit:\n- " + "\n- ".join(complaints))
        if self.bf16 is None:
            self.bf16 = not (self.fp16 or self.use_cpu) and _has_bf16()
        if self.activation_checkpointing is not None:
            self.gradient_checkpointing = self.activation_checkpointing  # its name in older transformers
        if self.gradient_accumulation_steps is None:
            self.gradient_accumulation_steps = self._needed_accumulation()
        super().__post_init__()
        if self.total_batch not in (None, self.total_batch_size):
            raise ValueError(self._other_total_batch())
        if self.learning_rate is None:
            self.learning_rate = self.base_learning_rate * self.total_batch_size / BASE_BATCH
        if self.learning_rate < self.final_learning_rate:
            raise ValueError(
                f"learning_rate is {self.learning_rate:g}, but the cosine ends at {self.final_learning_rate:g} "
                f"(min_learning_rate {self.min_learning_rate:g} for a total batch of {BASE_BATCH}): "
                "raise the first or lower min_learning_rate"
            )

    @property
    def total_batch_size(self) -> int:
        """Videos of one optimiser step, over all devices. Repeats of a video are not counted, as in the papers."""
        return self.train_batch_size * self.gradient_accumulation_steps * self.world_size

    def _needed_accumulation(self) -> int:
        # transformers knows the processes only after `__post_init__`, which already reads the accumulation steps
        processes = int(os.environ.get("WORLD_SIZE", 1))
        if self.total_batch is None:
            return 1
        return accumulation_steps(self.total_batch, self.per_device_train_batch_size, processes)

    def _other_total_batch(self) -> str:
        found = (
            f"total_batch is {self.total_batch}, but per_device_train_batch_size {self.per_device_train_batch_size} x "
            f"gradient_accumulation_steps {self.gradient_accumulation_steps} x {self.world_size} processes x "
            f"{max(self.n_gpu, 1)} devices of each = {self.total_batch_size}"
        )
        if self.n_gpu > 1:
            return (
                f"{found}: start a process for each GPU (accelerate launch --multi_gpu --num_processes {self.n_gpu})"
            )
        return f"{found}: leave gradient_accumulation_steps out, or make total_batch {self.total_batch_size}"

    @property
    def final_learning_rate(self) -> float:
        """Where the cosine ends."""
        return self.min_learning_rate * self.total_batch_size / BASE_BATCH

    def complaints(self) -> list[str]:
        wrong = super().complaints()
        if self.lr_scheduler_type != "cosine":
            wrong.append(f"lr_scheduler_type is {self.lr_scheduler_type!r}, wanted 'cosine' (or pass a scheduler)")
        if self.lr_scheduler_kwargs:
            wrong.append(f"lr_scheduler_kwargs is {self.lr_scheduler_kwargs}: the official schedule has none")
        if self.warmup_steps:
            wrong.append(f"warmup_steps is {self.warmup_steps}: the warm-up is given as warmup_epochs")
        if self.dataloader_drop_last:
            wrong.append("dataloader_drop_last would lose validation videos; training always drops what fills no step")
        if self.max_steps < 0 and self.warmup_epochs > self.num_train_epochs:
            wrong.append(
                f"warmup_epochs {self.warmup_epochs:g} is more than num_train_epochs {self.num_train_epochs:g}"
            )
        return wrong


def accumulation_steps(total_batch: int, per_device_batch: int, processes: int) -> int:
    """Forward passes of each device in one optimiser step of `total_batch` clips.

    Raises ValueError where there is no such number, with what would divide.
    """
    steps, left = divmod(total_batch, per_device_batch * processes)
    if steps and not left:
        return steps
    share, left = divmod(total_batch, processes)
    if left:
        what = f"the number of processes may be {_divisors(total_batch)}"
    else:
        what = f"with {processes} processes, per_device_train_batch_size may be {_divisors(share)}"
    raise ValueError(
        f"total_batch {total_batch} is no multiple of per_device_train_batch_size {per_device_batch} x {processes} "
        f"processes = {per_device_batch * processes}: {what}"
    )


def _divisors(number: int) -> str:
    return ", ".join(str(divisor) for divisor in range(1, number + 1) if number % divisor == 0)


def _has_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


# ---- order of the samples ----


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


class EpochCallback(TrainerCallback):
    """Tells the sampler which epoch begins.

    accelerate's loaders do so, except with several processes after a resume in the middle of an epoch.
    """

    def __init__(self, sampler: EpochSampler):
        self.sampler = sampler

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.sampler.set_epoch(state.global_step // self.sampler.steps)


class BadVideosCallback(TrainerCallback):
    """Has the processes of a run tell each other which videos they left out, and checkpoints remember it."""

    KEY = "bad_videos"  # in trainer_state.json, among the states of callbacks

    def __init__(self, bad: BadVideos):
        self.bad = bad

    def on_train_begin(self, args, state, control, **kwargs):
        self.bad.update(state.stateful_callbacks.get(self.KEY, ()))

    def on_step_end(self, args, state, control, **kwargs):
        if control.should_log or control.should_evaluate or control.should_save:
            self._share(state)
            self.bad.check()

    on_epoch_end = on_step_end

    def on_train_end(self, args, state, control, **kwargs):
        self._share(state)

    def _share(self, state: TrainerState) -> None:
        self.bad.update(gather_object(self.bad.state()))
        state.stateful_callbacks[self.KEY] = self.bad.state()


# ---- trainer ----


class VideoMAETrainer(Trainer):
    """transformers' Trainer for pre-training and fine-tuning.

    What differs: the official schedule and parameter groups; `EpochSampler`; validation of a pre-training model
    reports its loss; label smoothing, class weights, mixup and CutMix, in training only; the log tells the share of
    the time that was spent waiting for data, as "data_wait", and how many videos were left out, as "bad_videos".
    """

    args: VideoMAETrainingArguments

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.can_return_loss = not self.label_names  # pre-training compares with the pixels: its loss needs no labels
        self.label_smoother = None  # transformers' knows neither probabilities as labels nor class weights
        self.class_weights = None
        if self.args.class_weights is not None:
            self.class_weights = self._checked_class_weights()
        self.mixing = self._mixing() if self.args.mixup or self.args.cutmix else None
        self._mixed = (None, 0)  # optimiser step, forward passes of it so far
        self._waited = 0.0  # seconds since the last line of the log
        self._logged_at = None
        if self.args.early_stopping_patience is not None:
            self.add_callback(EarlyStoppingCallback(self.args.early_stopping_patience))
        if isinstance(bad := getattr(self.train_dataset, "bad", None), BadVideos):
            self.add_callback(BadVideosCallback(bad))

    def _mixing(self) -> Mixing:
        config = self.model.config
        if config.problem_type in ("regression", "multi_label_classification") or "labels" not in self.label_names:
            raise ValueError(
                "mixup and cutmix are for classification with one class a video, not for pre-training: leave them at 0"
            )
        return Mixing(
            config.num_labels,
            mixup_alpha=self.args.mixup,
            cutmix_alpha=self.args.cutmix,
            label_smoothing=self.args.label_smoothing_factor,
        )

    def _checked_class_weights(self) -> torch.Tensor:
        weights, num_labels = self.args.class_weights, self.model.config.num_labels
        if len(weights) != num_labels or min(weights) < 0:
            raise ValueError(
                f"class_weights is {weights}, wanted {num_labels} numbers of 0 or more, one for each class"
            )
        return torch.tensor(weights, device=self.args.device)

    def _get_train_sampler(self, train_dataset=None):
        strategy = self.args.train_sampling_strategy
        if strategy not in ("random", "sequential"):
            return super()._get_train_sampler(train_dataset)
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        dataset = self.train_dataset if train_dataset is None else train_dataset
        sampler = EpochSampler(
            dataset,
            total_batch=self.args.total_batch_size,
            seed=seed,
            shuffle=strategy == "random" and not getattr(dataset, "ordered", False),  # a stream shuffles by itself
        )
        self.remove_callback(EpochCallback)  # of an earlier `train()`
        self.add_callback(EpochCallback(sampler))
        return sampler

    @staticmethod
    def get_optimizer_cls_and_kwargs(args, model=None):
        optimizer_class, options = Trainer.get_optimizer_cls_and_kwargs(args, model)
        if "params" not in options:  # the Trainer takes groups from here, if there are any, instead of its own two
            options["params"] = parameter_groups(
                model, learning_rate=args.learning_rate, weight_decay=args.weight_decay, layer_decay=args.layer_decay
            )
        return optimizer_class, options

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None):
        if self.lr_scheduler is None:
            steps_per_epoch = len(self.train_dataset) // self.args.total_batch_size
            rates = cosine_schedule(
                self.args.learning_rate,
                self.args.final_learning_rate,
                epochs=num_training_steps / steps_per_epoch,
                steps_per_epoch=steps_per_epoch,
                warmup_epochs=self.args.warmup_epochs,
            )
            factors = (rates / self.args.learning_rate).tolist()
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer, lambda step: factors[min(step, len(factors) - 1)]
            )
            self._created_lr_scheduler = True  # a second `train()` makes a new one
        return self.lr_scheduler

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The model's loss; in training with smoothed labels and weighted classes, where the arguments say so."""
        smoothing = self.args.label_smoothing_factor
        shaped = smoothing or self.class_weights is not None or self.mixing is not None
        if not (shaped and model.training and "labels" in inputs):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inputs = dict(inputs)
        labels = inputs.pop("labels")
        if self.mixing is not None:  # its labels are smoothed
            clips = inputs["pixel_values"]
            inputs["pixel_values"], labels = self.mixing(clips, labels, generator=self._mixing_generator())
            smoothing = 0.0
        outputs = model(**inputs)
        loss = classification_loss(
            outputs.logits,
            labels,
            self.model.config.problem_type,
            label_smoothing=smoothing,
            class_weights=self.class_weights,
        )
        return (loss, outputs) if return_outputs else loss

    def _mixing_generator(self) -> torch.Generator:
        """Of a forward pass: the same before and after a resume, another one in each process."""
        step, forward = self.state.global_step, 0
        if self._mixed[0] == step:
            forward = self._mixed[1] + 1
        self._mixed = (step, forward)
        return batch_generator(self.args.seed, step, forward, self.args.process_index)

    def get_batch_samples(self, *args, **kwargs):
        started = time.perf_counter()
        self._logged_at = self._logged_at or started
        batches = super().get_batch_samples(*args, **kwargs)
        self._waited += time.perf_counter() - started
        return batches

    def log(self, logs: dict[str, float], *args, **kwargs) -> None:
        if "loss" in logs:
            if bad := getattr(self.train_dataset, "bad", None):
                logs["bad_videos"] = len(bad)
            now = time.perf_counter()
            logs["data_wait"] = round(self._waited / max(now - self._logged_at, 1e-9), 3)
            self._waited, self._logged_at = 0.0, now
        super().log(logs, *args, **kwargs)


def train_and_save(trainer: VideoMAETrainer) -> None:
    """Train, look at the validation videos where there are any, and leave what a run leaves in its output folder.

    That is model and processor, trainer_state.json (the curves) and metrics.json: the last metrics, and as
    "bad_videos" the paths that any process skipped. Training starts from `resume_from_checkpoint`, if that is given.
    """
    args = trainer.args
    metrics = trainer.train(resume_from_checkpoint=args.resume_from_checkpoint).metrics
    trainer.save_model()
    if trainer.eval_dataset is not None:
        metrics |= trainer.evaluate()
    trainer.save_state()
    if (bad := getattr(trainer.train_dataset, "bad", None)) is not None:
        metrics["bad_videos"] = bad.names
    if trainer.is_world_process_zero():
        write_json(Path(args.output_dir) / "metrics.json", metrics)
