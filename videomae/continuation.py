# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What a resumed run needs besides weights, optimiser, schedule and random generators."""

import logging
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback, TrainerState

from .ema import WeightAverage

logger = logging.getLogger(__name__)

KEY = "run"  # in trainer_state.json, among the states of callbacks
MUST_STAY = ("total_batch", "videos")  # they say which videos a step sees: with others, steps mean something else


class ContinuationCallback(TrainerCallback):
    """Begins the average of the weights, or goes on with what a checkpoint has of it; takes over the loss since the
    last line of the log and the patience that is left; compares the settings of both runs.

    Raises ValueError where the total batch or the number of videos is another one. Other differences are a warning.
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
        if before := state.stateful_callbacks.get(KEY):
            _compare(before["settings"], _settings(trainer), str(trainer.checkpoint))
            trainer._tr_loss += before["unlogged_loss"]
            trainer._total_loss_scalar = before["logged_loss"]
            trainer._globalstep_last_logged = before["logged_step"]
        for callback in trainer.callback_handler.callbacks:
            if isinstance(callback, EarlyStoppingCallback):
                callback.early_stopping_patience_counter = _patience(state)[1]

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


def patience_is_spent(state: TrainerState) -> bool:
    """Whether early stopping had ended the run that this is the state of."""
    patience, used = _patience(state)
    return patience is not None and used >= patience


def _patience(state: TrainerState) -> tuple[int | None, int]:
    """How many validations early stopping waits for a better one, and for how many it has."""
    stored = state.stateful_callbacks.get(EarlyStoppingCallback.__name__)
    if not isinstance(stored, dict):  # a list, where a program has several
        return None, 0
    return stored["args"]["early_stopping_patience"], stored["attributes"]["early_stopping_patience_counter"]


def _settings(trainer) -> dict[str, Any]:
    args = trainer.args
    return {
        "total_batch": args.total_batch_size,
        "videos": len(trainer.train_dataset),
        "per_device_train_batch_size": args.per_device_train_batch_size,
        "processes": args.world_size,
        "num_train_epochs": args.num_train_epochs,
        "max_steps": trainer.state.max_steps,
        "learning_rate": args.learning_rate,
        "warmup_epochs": args.warmup_epochs,
        "weight_decay": args.weight_decay,
        "layer_decay": args.layer_decay,
        "ema_decay": args.ema_decay,
        "seed": args.seed,
        "precision": trainer.accelerator.mixed_precision,
    }


def _compare(before: dict[str, Any], now: dict[str, Any], checkpoint: str) -> None:
    other = {name: (before.get(name), value) for name, value in now.items() if before.get(name) != value}
    told = ", ".join(f"{name} was {old} and is {new}" for name, (old, new) in other.items())
    if set(other) & set(MUST_STAY):
        raise ValueError(
            f"{checkpoint} is of a run with other steps: {told}. Go on with what it had, or begin a new run with "
            f"--model {checkpoint}"
        )
    if other:
        logger.warning("%s: %s; the result is not that of one uninterrupted run", checkpoint, told)


__all__ = ["ContinuationCallback", "patience_is_spent"]
