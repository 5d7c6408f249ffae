# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What a resumed run needs besides weights, optimiser, schedule and random generators."""

import json
import logging
from typing import Any

import torch
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import ExportableState

from .ema import WeightAverage

logger = logging.getLogger(__name__)

KEY = "run"  # in trainer_state.json, among the states of callbacks
MUST_STAY = ("total_batch", "videos")  # they say which videos a step sees: with others, steps mean something else
# Training arguments that the weights depend on.
HAVE_EFFECT = (
    *("num_train_epochs", "per_device_train_batch_size", "learning_rate", "min_learning_rate", "warmup_epochs"),
    *("layer_decay", "weight_decay", "optim", "optim_args", "adam_beta1", "adam_beta2", "adam_epsilon"),
    *("max_grad_norm", "ema_decay", "label_smoothing_factor", "class_weights", "mixup", "cutmix", "seed", "data_seed"),
    *("train_sampling_strategy", "bf16", "fp16", "tf32"),
)


class ContinuationCallback(TrainerCallback):
    """Begins the average of the weights, or goes on with what a checkpoint has of it; takes over the loss since the
    last line of the log and the patience that is left.

    Of the Trainer it changes `_tr_loss`, `_total_loss_scalar` and `_globalstep_last_logged`: there is no other way in.
    """

    def __init__(self, trainer):
        self.trainer = trainer

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        trainer = self.trainer
        trainer.average = WeightAverage(model, args.ema_decay) if args.ema_decay is not None else None
        if trainer.checkpoint is None:
            return
        if trainer.average is not None:
            trainer.average.load(trainer.checkpoint)
        if state.is_world_process_zero:
            logger.warning("going on from %s: step %d of %d", trainer.checkpoint, state.global_step, state.max_steps)
        if before := state.stateful_callbacks.get(KEY):
            trainer._tr_loss += before["unlogged_loss"]
            trainer._total_loss_scalar = before["logged_loss"]
            trainer._globalstep_last_logged = before["logged_step"]
        for callback in trainer.callback_handler.callbacks:
            if isinstance(callback, EarlyStoppingCallback):
                callback.early_stopping_patience_counter = _without_progress(state)

    def on_optimizer_step(self, args, state, control, **kwargs):
        if self.trainer.average is not None:
            self.trainer.average.update()

    @staticmethod
    def note(trainer) -> None:
        """Have the next checkpoint remember the run as it is now."""
        loss = trainer.accelerator.gather(trainer._tr_loss).mean().item()
        trainer.state.stateful_callbacks[KEY] = {
            "settings": _settings(trainer),
            "unlogged_loss": loss,
            "logged_loss": trainer._total_loss_scalar,
            "logged_step": trainer._globalstep_last_logged,
        }


def take_over(state: TrainerState, trainer, max_steps: int) -> None:
    """Give the state of a checkpoint what is this run's: intervals, callbacks that it did not have, and where the best
    checkpoint lies now.

    Raises ValueError where that is wanted at the end and gone.
    """
    state.compute_steps(trainer.args, max_steps)
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, ExportableState):
            state.stateful_callbacks.setdefault(type(callback).__name__, callback.state())
    if not state.best_global_step:
        return
    best = trainer.checkpoint.parent / f"checkpoint-{state.best_global_step}"
    state.best_model_checkpoint = str(best) if best.is_dir() else None
    if state.best_model_checkpoint is None and trainer.args.load_best_model_at_end:
        raise ValueError(
            f"{best} is the best checkpoint of the run that {trainer.checkpoint} is of, and it is not there: put it "
            "back, or go on with --load_best_model_at_end false and without early stopping"
        )


def patience_is_spent(state: TrainerState, patience: int | None) -> bool:
    """Whether early stopping with this patience would have ended the run that this is the state of."""
    return patience is not None and _without_progress(state) >= patience


def _without_progress(state: TrainerState) -> int:
    """Validations since the best one, as early stopping counts them."""
    stored = state.stateful_callbacks.get(EarlyStoppingCallback.__name__)
    if not isinstance(stored, dict):  # a list, where a program has several
        return 0
    return stored["attributes"]["early_stopping_patience_counter"]


class Hyperparameters:
    """What an optimiser and its schedule were given, to be given again after a checkpoint was loaded into them."""

    def __init__(self, optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler.LambdaLR):
        self.optimizer, self.scheduler = optimizer, scheduler
        self.base_rates = list(scheduler.base_lrs)
        self.groups = [
            {name: value for name, value in group.items() if name not in ("params", "lr")}
            for group in optimizer.param_groups
        ]

    def restore(self) -> None:
        scheduler = self.scheduler
        scheduler.base_lrs = self.base_rates
        scheduler._last_lr = rates = [
            base * factor(scheduler.last_epoch)
            for base, factor in zip(self.base_rates, scheduler.lr_lambdas, strict=True)
        ]
        for group, settings, rate in zip(self.optimizer.param_groups, self.groups, rates, strict=True):
            group.update(settings | {"lr": rate})


def _settings(trainer) -> dict[str, Any]:
    """All that the result depends on, as JSON has it."""
    args = trainer.args
    settings = trainer.settings | {
        "total_batch": args.total_batch_size,
        "videos": len(trainer.train_dataset),
        "processes": args.world_size,
        "max_steps": args.max_steps,
    }
    settings |= {name: getattr(args, name) for name in HAVE_EFFECT}
    return json.loads(json.dumps(settings, default=str))


def compare(trainer) -> None:
    """Tell which settings are others than those of the run that the checkpoint is of.

    Raises ValueError where the total batch or the number of videos is another one. Other differences are a warning.
    """
    checkpoint = trainer.checkpoint
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    if KEY not in state.stateful_callbacks:  # of another trainer
        return
    before, now = state.stateful_callbacks[KEY]["settings"], _settings(trainer)
    other = {name: (before.get(name), value) for name, value in now.items() if before.get(name) != value}
    told = ", ".join(f"{name} was {old} and is {new}" for name, (old, new) in other.items())
    if set(other) & set(MUST_STAY):
        raise ValueError(
            f"{checkpoint} is of a run with other steps: {told}. Go on with what it had, or begin a new run with "
            f"--model {checkpoint}"
        )
    if other and trainer.is_world_process_zero():
        logger.warning("%s: %s; the result is not that of one uninterrupted run", checkpoint, told)


__all__ = ["ContinuationCallback", "compare", "Hyperparameters", "patience_is_spent", "take_over"]
