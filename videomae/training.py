# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""transformers' Trainer with VideoMAE's optimisation: schedule, layer-wise learning rates, batch scaling.

args = VideoMAETrainingArguments(output_dir="run", num_train_epochs=100, warmup_epochs=10)
VideoMAETrainer(model, args, data_collator=PretrainingCollator(), train_dataset=videos).train()
"""

import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from torch import nn
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from . import checkpoints, divergence
from .arguments import OptimizationArguments, flag
from .bad_videos import BadVideos
from .divergence import NonFiniteLossError
from .durable import DurableTrainer
from .epochs import EpochCallback, EpochSampler
from .files import replacing, write_json
from .loss_scale import LossScaleCallback
from .mixing import Mixing, batch_generator
from .modeling_videomae import classification_loss
from .plots import save_training_curves

logger = logging.getLogger(__name__)

# Settings of a program that do not change what a training with the same videos does.
WHERE_DATA_ARE = frozenset(
    ("data", "validation_data", "data_root", "exclude", "validate", "class_names", "on_bad_video", "max_bad_share")
    + ("test_views",)
)

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
    logging_nan_inf_filter: bool = flag("A loss that is no number ends the run, it is not hidden.", False)

    def __post_init__(self):
        if complaints := self.complaints():
            raise ValueError("the training arguments do not fit:\n- " + "\n- ".join(complaints))
        self.dataloader_pin_memory &= _has_gpu(self.use_cpu)  # which it is for
        if self.bf16 is None:
            self.bf16 = not (self.fp16 or self.use_cpu) and _has_bf16()
        if self.run_name is None:
            self.run_name = Path(self.output_dir).name  # trackers make up another name for each part of a run
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
        if self.resume is not None and self.resume_from_checkpoint is not None:
            wrong.append(
                f"resume is {self.resume!r} and resume_from_checkpoint {self.resume_from_checkpoint!r}: leave one out"
            )
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


def _has_gpu(use_cpu: bool) -> bool:
    return not use_cpu and torch.accelerator.is_available()


def _has_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


# ---- callbacks ----


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


class VideoMAETrainer(DurableTrainer):
    """transformers' Trainer for pre-training and fine-tuning, durable (`DurableTrainer`).

    What differs: the official schedule and parameter groups; `EpochSampler`; validation of a pre-training model
    reports its loss; label smoothing, class weights, mixup and CutMix, in training only; the log tells the share of
    the time that was spent waiting for data, as "data_wait", and how many videos were left out, as "bad_videos".

    A loss or gradient that is not finite raises `divergence.NonFiniteLossError`, before it reaches the weights (with
    DeepSpeed after: its backward pass is its step).
    """

    args: VideoMAETrainingArguments

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.args.fp16 and self.args.device.type == "cpu":  # where accelerate would leave it out
            raise ValueError("fp16 is true, but there is no GPU to compute in it: leave it out")
        self.can_return_loss = not self.label_names  # pre-training compares with the pixels: its loss needs no labels
        self.label_smoother = None  # transformers' knows neither probabilities as labels nor class weights
        self.class_weights = None
        if self.args.class_weights is not None:
            self.class_weights = self._checked_class_weights()
        self.mixing = self._mixing() if self.args.mixup or self.args.cutmix else None
        self._batches = []  # of the optimiser step
        self._forward = 0  # how many of them went through the model
        self._losses = []  # of those
        self._waited = 0.0  # seconds since the last line of the log
        self._logged_at = None
        self._sampler = None
        if self.args.early_stopping_patience is not None:
            self.add_callback(EarlyStoppingCallback(self.args.early_stopping_patience))
        self.add_callback(LossScaleCallback(self.accelerator))
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
        if self.model.config.problem_type == "regression":
            raise ValueError("class_weights is for classes, the model's problem_type is regression: leave it out")
        if len(weights) != num_labels or min(weights) < 0:
            raise ValueError(
                f"class_weights is {weights}, wanted {num_labels} numbers of 0 or more, one for each class"
            )
        return torch.tensor(weights, device=self.args.device)

    # -- the data --

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
        self._sampler = sampler
        return sampler

    # -- optimiser and schedule --

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

    # -- a step --

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
        return batch_generator(self.args.seed, self.state.global_step, self._forward, self.args.process_index)

    def get_batch_samples(self, *args, **kwargs):
        started = time.perf_counter()
        self._logged_at = self._logged_at or started
        self._batches, count = super().get_batch_samples(*args, **kwargs)
        self._forward, self._losses = 0, []
        self._waited += time.perf_counter() - started
        return self._batches, count

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self._losses.append(loss)
        self._forward += 1
        return loss

    def _get_grad_norm(self, *args, **kwargs):
        """As the Trainer's, which asks before each step of the optimiser. Looks at the losses, too: then, so that the
        device is waited for once in a step."""
        norm = super()._get_grad_norm(*args, **kwargs)
        spoiled = [forward for forward, loss in enumerate(torch.stack(self._losses).tolist()) if not np.isfinite(loss)]
        # DeepSpeed may not tell the norm. A scaler leaves out a step with such a gradient, though not such a loss.
        overflows = norm is not None and self.accelerator.scaler is None and not np.isfinite(float(norm))
        if overflows:  # in all processes: the one with the loss tells
            is_elsewhere = any(gather_object([bool(spoiled)])) and not spoiled
            if is_elsewhere:
                raise NonFiniteLossError("the loss of another process is not finite: its message says more")
        if spoiled:
            self._stop("loss", self._losses[spoiled[0]].item(), spoiled)
        if overflows:
            self._stop("gradient", float(norm), range(len(self._batches)))
        return norm

    def _stop(self, what: str, value: float, forwards: Sequence[int]) -> NoReturn:
        args, state = self.args, self.state
        divergence.stop(
            what,
            value,
            batches=[self._batches[forward] for forward in forwards],
            videos=[name for forward in forwards for name in self._videos_of(forward)],
            where={
                "step": state.global_step + 1,  # which it would have been
                "epoch": state.epoch,
                "seed": args.seed,
                "learning_rate": self._get_learning_rate(),
                "precision": self.accelerator.mixed_precision,
                "process": args.process_index,
            },
            folder=args.output_dir,
            process=f"-{args.process_index}" if args.world_size > 1 else "",
        )

    def _videos_of(self, forward: int) -> list[str]:
        """Names of the videos of one of the step's forward passes in this process."""
        if self._sampler is None:
            return []
        step = self.state.global_step % self._sampler.steps
        number = (step * self.args.gradient_accumulation_steps + forward) * self.args.world_size
        indices = self._sampler.batch(number + self.args.process_index, self.args.train_batch_size)
        return [getattr(self.train_dataset, "name", str)(index) for index in indices]

    # -- validation --

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """As the Trainer's, but videos that only fill up the last batch of several processes are not in the loss."""
        outputs = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        state, process = self.accelerator.gradient_state, self.args.process_index
        if self.args.world_size == 1 or not (state.end_of_dataloader and state.remainder > 0):
            return outputs
        # The last batches lie one process after the other, `remainder` videos and then copies. All processes go
        # through the model again, also those without copies: sharded weights are gathered from all of them.
        size = len(inputs["pixel_values"])
        own = min(max(state.remainder - process * size, 1), size)
        inputs = {name: value[:own] for name, value in inputs.items()}
        return super().prediction_step(model, inputs, True, ignore_keys)[0], *outputs[1:]

    def log(self, logs: dict[str, float], *args, **kwargs) -> None:
        if "loss" in logs:
            if bad := getattr(self.train_dataset, "bad", None):
                logs["bad_videos"] = len(bad)
            now = time.perf_counter()
            logs["data_wait"] = round(self._waited / max(now - self._logged_at, 1e-9), 3)
            self._waited, self._logged_at = 0.0, now
        super().log(logs, *args, **kwargs)


def train_and_save(trainer: VideoMAETrainer, settings: Mapping[str, Any] = MappingProxyType({})) -> dict | None:
    """Train, look at the validation videos where there are any, and leave what a run leaves in its output folder.

    That is model and processor, trainer_state.json (the curves), curves.png of them, and metrics.json: the last
    metrics, and as "bad_videos" the paths that any process skipped. `resume` says where it goes on. `settings` are
    those of the clips and the model: checkpoints remember them, and a resumed run tells which are others.

    Returns the metrics; None where SIGTERM ended the training, which leaves a checkpoint and nothing else.
    Raises ValueError: a checkpoint to go on from that is not there; an output folder that has checkpoints, without
    `resume`.
    """
    args = trainer.args
    trainer.settings = {name: value for name, value in settings.items() if name not in WHERE_DATA_ARE}
    with checkpoints.claimed(args.output_dir) if args.should_save else contextlib.nullcontext():
        metrics = trainer.train(resume_from_checkpoint=_start(args)).metrics
        if trainer.interruption.interrupted:
            _tell_of_the_interruption(trainer)
            return None
        with checkpoints.writing("the trained model", args.output_dir):
            trainer.save_model()
        if trainer.eval_dataset is not None:
            metrics |= trainer.evaluate()
        if (bad := getattr(trainer.train_dataset, "bad", None)) is not None:
            metrics["bad_videos"] = bad.names
        if trainer.is_world_process_zero():
            with replacing(Path(args.output_dir) / TRAINER_STATE_NAME) as temporary:
                trainer.state.save_to_json(temporary)
            write_json(Path(args.output_dir) / "metrics.json", metrics)
            save_training_curves(trainer.state.log_history, Path(args.output_dir) / "curves.png")
            logger.warning("the model, its curves and metrics.json are in %s", args.output_dir)
    return metrics


def _tell_of_the_interruption(trainer: VideoMAETrainer) -> None:
    state = trainer.state
    if state.is_world_process_zero:
        logger.warning(
            "SIGTERM ended the training after step %d of %d: %s is whole, --resume auto goes on from it",
            state.global_step,
            state.max_steps,
            Path(trainer.args.output_dir) / f"checkpoint-{state.global_step}",
        )


def _start(args: VideoMAETrainingArguments) -> Path | None:
    """The checkpoint to go on from, the same in every process."""
    resume = args.resume or args.resume_from_checkpoint
    checkpoint = None
    if resume is not None:
        if args.should_save:
            checkpoints.clear(args.output_dir)
        PartialState().wait_for_everyone()
        (checkpoint,) = broadcast_object_list([checkpoints.resolve(resume, args.output_dir)])
        if resume == "auto" or checkpoint.resolve().parent == Path(args.output_dir).resolve():
            if args.should_save:
                checkpoints.set_aside(args.output_dir, after=checkpoint)
            return checkpoint
    if found := checkpoints.find_checkpoints(args.output_dir):
        raise ValueError(
            f"{args.output_dir} has checkpoints of a run already, the last one is {found[-1].name}: go on from it "
            "with --resume auto, or take another --output_dir"
        )
    return checkpoint
