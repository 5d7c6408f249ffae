# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""transformers' Trainer for runs that outlast their machines.

Checkpoints are whole or not there (`checkpoints`), SIGTERM ends the training with one (`interruption`), a run that
goes on from one is the run that was not interrupted (`continuation`), and an average of the weights (`ema`) is
validated, saved and left at the end.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import TrainOutput
from transformers.utils import logging as transformers_logging

from . import checkpoints
from .continuation import ContinuationCallback, Hyperparameters, compare, patience_is_spent, take_over
from .ema import FOLDER as EMA_FOLDER
from .epochs import EpochEndCallback
from .interruption import InterruptionCallback


class DurableTrainer(Trainer):
    """A Trainer whose arguments have `ema_decay` and `save_epochs` (`arguments.OptimizationArguments`).

    Attributes:
        average: the `WeightAverage` of a training with `ema_decay`, else None.
        checkpoint: what the training went on from, or None.
        interruption: knows whether SIGTERM ended the training.
        settings: what else the result depends on (of clips, say), by name; checkpoints remember it, and a resumed run
            tells what changed.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.average = None
        self.checkpoint = None
        self.settings = {}
        self._is_saving = False
        if self.args.ema_decay is not None and self.is_deepspeed_enabled:
            raise ValueError(
                f"ema_decay is {self.args.ema_decay}, but DeepSpeed keeps the weights to itself: leave it out, or "
                "take DDP or FSDP2"
            )
        steps_per_epoch = 1
        if self.train_dataset is not None:
            steps_per_epoch = max(len(self.train_dataset) // self.args.total_batch_size, 1)
        self.interruption = InterruptionCallback(steps_per_epoch)
        self.add_callback(EpochEndCallback(steps_per_epoch, self.args.save_epochs))
        self.add_callback(self.interruption)  # after what decides about checkpoints, before what looks at that
        self.add_callback(ContinuationCallback(self))

    # ---- training ----

    def train(self, resume_from_checkpoint: str | os.PathLike | bool | None = None, **kwargs) -> TrainOutput:
        """As the Trainer's. True goes on from the last whole checkpoint; the training loss is that of all steps, also
        of those before it."""
        if resume_from_checkpoint is True:
            resume_from_checkpoint = checkpoints.last_checkpoint(self.args.output_dir)
            if resume_from_checkpoint is None:
                raise ValueError(f"no whole checkpoint in {self.args.output_dir} to go on from")
        self.checkpoint = Path(resume_from_checkpoint) if resume_from_checkpoint else None
        checkpoint = None
        if self.checkpoint is not None:
            compare(self)
            checkpoint = str(self.checkpoint)
        with self.interruption.listening():
            output = super().train(resume_from_checkpoint=checkpoint, **kwargs)
        if self.average is not None and not self.interruption.interrupted:
            self.average.apply()
        return TrainOutput(output.global_step, output.metrics["train_loss"], output.metrics)

    def log(self, logs: dict[str, float], *args, **kwargs) -> None:
        if "train_loss" in logs:  # at the end; transformers' divides by the steps since a resume
            logs["train_loss"] = self._total_loss_scalar / max(self.state.global_step, 1)
        super().log(logs, *args, **kwargs)

    def _init_training_state(self, max_steps, num_update_steps_per_epoch, num_train_epochs, *args) -> tuple[int, int]:
        done = super()._init_training_state(max_steps, num_update_steps_per_epoch, num_train_epochs, *args)
        if self.checkpoint is not None:
            take_over(self.state, self, max_steps)
        return (num_train_epochs, 0) if patience_is_spent(self.state, self.args.early_stopping_patience) else done

    def _finalize_training(self, *args) -> TrainOutput:
        """As the Trainer's, which with a limit of 1 would remove the checkpoint to go on from, though."""
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        best, self.args.load_best_model_at_end = self.args.load_best_model_at_end, self._takes_best()
        try:
            return super()._finalize_training(*args)
        finally:
            self.args.save_total_limit, self.args.load_best_model_at_end = limit, best

    def _takes_best(self) -> bool:
        return self.args.load_best_model_at_end and not self.interruption.interrupted

    def _load_best_model(self) -> None:
        if self.average is None:
            return super()._load_best_model()
        self.average.load(Path(self.state.best_model_checkpoint))

    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        with self.averaged():
            return super().evaluate(*args, **kwargs)

    def predict(self, *args, **kwargs):
        with self.averaged():
            return super().predict(*args, **kwargs)

    def averaged(self) -> contextlib.AbstractContextManager:
        """The model has the average of its weights, where there is one."""
        return contextlib.nullcontext() if self.average is None else self.average.applied()

    def _get_dataloader(self, *args, **kwargs):
        loader = super()._get_dataloader(*args, **kwargs)
        self.interruption.shield(loader)
        return loader

    # ---- checkpoints ----

    def _determine_best_metric(self, metrics, trial) -> bool:
        try:
            is_best = super()._determine_best_metric(metrics, trial)
        except KeyError:
            known = ", ".join(sorted(name.removeprefix("eval_") for name in metrics))
            found = self.args.metric_for_best_model
            raise ValueError(f"--metric_for_best_model is {found}, wanted one of the validation's: {known}") from None
        return is_best or self.interruption.interrupted  # which needs its save

    def _get_output_dir(self, trial) -> str:
        folder = super()._get_output_dir(trial)
        return os.path.join(folder, checkpoints.SAVING) if self._is_saving else folder

    def _save_checkpoint(self, model, trial) -> None:
        """As the Trainer's, but under a temporary name until it is whole. Raises `checkpoints.CheckpointError`."""
        run = self._get_output_dir(trial)
        ContinuationCallback.note(self)
        try:
            with checkpoints.writing(f"checkpoint-{self.state.global_step}", run):
                if self.args.should_save:
                    checkpoints.clear(run)
                self.accelerator.wait_for_everyone()
                self._is_saving = True
                super()._save_checkpoint(model, trial)
                self._finish_checkpoint(Path(run))
        except checkpoints.CheckpointError:
            if self.args.should_save:
                checkpoints.clear(run)
            raise
        finally:
            self._is_saving = False

    def _finish_checkpoint(self, run: Path) -> None:
        saved = run / checkpoints.SAVING / f"checkpoint-{self.state.global_step}"
        if self.average is not None:
            with self.average.applied():
                self.save_model(str(saved / EMA_FOLDER), _internal_call=True)
        if self.state.best_global_step == self.state.global_step:
            self.state.best_model_checkpoint = str(run / saved.name)
        if self.args.should_save:
            self.state.save_to_json(saved / TRAINER_STATE_NAME)  # again, with where the best one will be
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            checkpoints.seal(saved)
            place = checkpoints.publish(saved, run)
            best, limit = self.state.best_model_checkpoint, self.args.save_total_limit
            checkpoints.rotate(run, newest=place, best=best, limit=limit)
        if self.args.push_to_hub:
            super()._push_from_checkpoint(str(run / saved.name))

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        if not self._is_saving:  # it is pushed when it has its place
            super()._push_from_checkpoint(checkpoint_folder)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        if not self.args.should_save:
            return super()._save(output_dir, state_dict)
        with _no_progress_bars(), checkpoints.replacing_files(output_dir or self.args.output_dir) as temporary:
            super()._save(str(temporary), state_dict)

    def _load_from_checkpoint(self, resume_from_checkpoint, *args, **kwargs) -> None:
        with checkpoints.reading(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, *args, **kwargs)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        given = None
        if isinstance(self.lr_scheduler, LambdaLR) and not self.is_deepspeed_enabled:
            given = Hyperparameters(self.optimizer, self.lr_scheduler)
        with checkpoints.reading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)
        if given is not None:
            given.restore()

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with checkpoints.reading(checkpoint):
            super()._load_rng_state(checkpoint)


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """transformers draws one for each file that it saves, through the bar of the training."""
    before = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if before:
            transformers_logging.enable_progress_bar()


__all__ = ["DurableTrainer"]
