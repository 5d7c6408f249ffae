# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Is my pre-training working? One plain sentence every few epochs, from the same clips and masks each time.

    trainer = VideoMAETrainer(model, args, data_collator=PretrainingCollator(), train_dataset=train)
    trainer.add_callback(health_callback(trainer, validation, HealthArguments(health_epochs=20)))

The loss is compared with those of two guesses that need no network: 0, and the mean of the visible patches. The
encoder's features are looked at for a collapse, and where there are labelled videos for what they tell of the classes.
A check draws nothing at random and leaves weights and modes alone: a training is the same with and without it.

Shapes: B clips of a batch, N patches, Nd of them decoded, P values of a patch, D features.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from tqdm.contrib.logging import logging_redirect_tqdm
from transformers import TrainerCallback

from .arguments import HealthArguments
from .clips import ValidationClips
from .configuration_videomae import VideoMAEConfig
from .data import ClassificationCollator, PretrainingCollator, VideoDataset
from .evaluating import evaluating
from .files import write_json
from .judgement import labelled_tables
from .modeling_videomae import VideoMAEForPreTraining, normalized, reconstruction_targets
from .pictures import save_strip
from .plots import save_panels
from .probes import (
    chance_level,
    effective_rank,
    knn_accuracy,
    linear_probe_accuracy,
    relative_deviation,
)
from .training import VideoMAETrainer
from .visualization import reconstruct

logger = logging.getLogger(__name__)

Batch = dict[str, Tensor]  # as from `PretrainingCollator`

LEARNING = "learning"
AT_BASELINE = "at the trivial baseline"
COLLAPSED = "collapsed"
TOO_EARLY = "too early to tell"
DIVERGED = "diverged"

GREY_LEVEL = 1 / 255  # of 8 bits; clips that differ by less are flat
LEAST_EXPLAINED = 0.05  # share of the better guess's error that a network which learns is at least rid of
LEAST_DEVIATION = 0.02  # of the features, as a share of that of the clips themselves; below it they are collapsed
EARLY = 0.1  # share of the steps in which being at the baseline says nothing; and as long as the rate warms up
PICTURES = 3
FRAMES_OF_A_PICTURE = 4

WHAT_TO_TRY = {
    AT_BASELINE: (
        "From scratch on a few thousand videos or fewer, go on from a checkpoint instead (--model "
        "MCG-NJU/videomae-base). Otherwise look at the learning rate (a third of it, or three times as much, with a "
        "warm-up), at the pictures in health/ (black or still clips?), and at the mask: with a lower --mask_ratio "
        "the task is easier."
    ),
    COLLAPSED: (
        "Go back to a checkpoint from before, with a lower learning rate (a third) or a longer warm-up, and clip the "
        "gradients (--max_grad_norm 1)."
    ),
    DIVERGED: (
        "Go back to a checkpoint from before, with a lower learning rate (a third) and clipped gradients "
        "(--max_grad_norm 1); --fp16 overflows where --bf16 does not."
    ),
}


# ---- the guesses that a network must beat ----


@dataclass(frozen=True)
class Baselines:
    """Losses of guesses that need no network, in the network's own target space."""

    zero: float
    visible_mean: float  # every patch is guessed to be the mean of the visible ones of its clip

    @property
    def best(self) -> float:
        return min(self.zero, self.visible_mean)


@torch.no_grad()
def baseline_losses(model: VideoMAEForPreTraining, batches: Sequence[Batch]) -> Baselines:
    """The baselines of these clips and masks. Only the configuration of the network counts."""
    config = model.config
    zero, visible_mean = [], []
    for batch in batches:
        pixels, visible, decoded = (batch[name] for name in ("pixel_values", "visible_positions", "decoded_positions"))
        mean = reconstruction_targets(pixels, config, visible).mean(dim=1, keepdim=True)  # (B, 1, P)
        mean = mean.expand(-1, decoded.shape[1], -1)
        zero.append(model.reconstruction_loss(torch.zeros_like(mean), pixels, visible, decoded))
        visible_mean.append(model.reconstruction_loss(mean, pixels, visible, decoded))
    return Baselines(_mean_over_clips(zero, batches), _mean_over_clips(visible_mean, batches))


def _mean_over_clips(losses: Sequence[Tensor], batches: Sequence[Batch]) -> float:
    """Of the losses of batches, which may be of several sizes."""
    return float(np.average([loss.item() for loss in losses], weights=[len(b["pixel_values"]) for b in batches]))


def clip_deviation(batches: Sequence[Batch], config: VideoMAEConfig) -> float:
    """`probes.relative_deviation` of the clips themselves, normalised as the network sees them.

    Clip by clip, as √(1 - ‖mean‖² / mean of ‖z‖²): 32 clips of the papers' size are 600 MB in float64.
    """
    clips = [clip for batch in batches for clip in batch["pixel_values"]]
    mean, square = 0.0, 0.0
    for clip in clips:
        values = normalized(clip, config).double().flatten()
        mean = mean + values / len(clips)
        square += values.square().sum().item() / len(clips)
    return math.sqrt(max(0.0, 1 - mean.square().sum().item() / square)) if square else 0.0


# ---- one check ----


@dataclass(frozen=True)
class Check:
    """What was measured after a step. Accuracies are in percent, None without labelled videos."""

    step: int
    epoch: float
    loss: float
    zero: float
    visible_mean: float
    deviation: float  # of the features, `probes.relative_deviation`
    clip_deviation: float  # the same of the clips themselves, as the network sees them
    rank: float  # of the features, `probes.effective_rank`
    knn: float | None = None
    linear_probe: float | None = None
    chance: float | None = None

    @property
    def explained(self) -> float:
        """Share of the better baseline's error that the network is rid of; negative where it is worse."""
        best = min(self.zero, self.visible_mean)
        return 1 - self.loss / best if best > GREY_LEVEL**2 else 0.0  # flat patches: there is nothing to explain

    def verdict(self, *, is_early: bool) -> str:
        """One of the five. `is_early`: being no better than the baselines says nothing yet."""
        if not math.isfinite(self.loss):
            return DIVERGED
        if self.deviation < LEAST_DEVIATION * self.clip_deviation:
            return COLLAPSED
        if self.explained >= LEAST_EXPLAINED:
            return LEARNING
        return TOO_EARLY if is_early else AT_BASELINE

    def sentence(self, verdict: str, *, num_clips: int, before: "Check | None" = None, advise: bool = True) -> str:
        """The verdict with its numbers, those of the check before, and what to try."""
        numbers = (
            f"loss {self.loss:#.3g} on {num_clips} fixed clips, {_less(self.explained)} than the better trivial guess "
            f"(0: {self.zero:#.3g}, mean of the visible patches: {self.visible_mean:#.3g}){_at(before)}; "
            f"features differ by {100 * self.deviation:.1f} % of their length from clip to clip (the clips: "
            f"{100 * self.clip_deviation:.0f} %), rank {self.rank:.1f}"
        )
        if self.knn is not None:
            numbers += (
                f"; kNN {self.knn:.1f} %, linear probe {self.linear_probe:.1f} % correct (chance {self.chance:.1f} %)"
            )
        advice = f". {WHAT_TO_TRY[verdict]}" if advise and verdict in WHAT_TO_TRY else ""
        return f"health at epoch {self.epoch:g}: {verdict}: {numbers}{advice}"

    def metrics(self) -> dict[str, float]:
        """For the log of the training."""
        names = ("loss", "deviation", "rank", "knn", "linear_probe")
        values = {name: getattr(self, name) for name in names} | {"explained": self.explained}
        return {f"health_{name}": value for name, value in values.items() if value is not None}


def _less(share: float) -> str:
    return f"{100 * abs(share):.0f} % {'more' if share < 0 else 'less'}"


def _at(before: Check | None) -> str:
    return "" if before is None else f", {_less(before.explained)} at epoch {before.epoch:g}"


# ---- labelled videos ----


@dataclass(frozen=True)
class LabelledVideos:
    """Clips to probe the features with: some to learn the classes from, some to be tested on."""

    train: Dataset
    test: Dataset
    train_labels: Tensor
    test_labels: Tensor


def open_labelled_videos(source: str, processor) -> LabelledVideos:
    """The labelled videos of a folder or list (`judgement.labelled_tables`), one centred clip each.

    Raises ValueError as there.
    """
    try:
        tables = labelled_tables(source)
    except ValueError as error:
        raise ValueError(f"--health_data {error}") from error
    clips = ValidationClips(processor)
    return LabelledVideos(
        VideoDataset(tables.train, clips),
        VideoDataset(tables.test, clips),
        torch.tensor(tables.train["label"]),
        torch.tensor(tables.test["label"]),
    )


# ---- in a training ----


def health_callback(trainer: VideoMAETrainer, clips: Dataset, arguments: HealthArguments) -> "HealthCallback":
    """The checks that the arguments ask for.

    Args:
        trainer: of the training that is looked at.
        clips: items of `PretrainingClips` without repeats, of which `health_clips` are looked at: of a table spread
            evenly, of a stream the first ones of its order.

    Raises:
        ValueError: labelled videos that do not do (`open_labelled_videos`); clips that can not be read.
    """
    count = min(arguments.health_clips, len(clips))
    is_stream = getattr(clips, "ordered", False)
    rows = range(count) if is_stream else np.linspace(0, len(clips) - 1, count).round().astype(int).tolist()
    size = trainer.args.per_device_eval_batch_size
    collate = PretrainingCollator()
    batches = [collate([clips[row] for row in rows[start : start + size]]) for start in range(0, count, size)]
    labelled = None
    if arguments.health_data is not None:
        labelled = open_labelled_videos(arguments.health_data, trainer.processing_class)
    return HealthCallback(trainer, batches, epochs=arguments.health_epochs, labelled=labelled)


class HealthCallback(TrainerCallback):
    """Checks the network before the first step, every `epochs` epochs, and after the last step.

    Every process computes a check, with the same result; the first one tells, and writes health.json, health.png and
    health/ into the output folder. Checkpoints remember the checks so far.

    Args:
        trainer: of the training that is looked at.
        batches: the fixed clips with their masks.
        epochs: from one check to the next.
        labelled: videos to probe the features with, which the processes share out.
    """

    KEY = "health"  # in trainer_state.json, among the states of callbacks

    def __init__(
        self,
        trainer: VideoMAETrainer,
        batches: Sequence[Batch],
        *,
        epochs: int,
        labelled: LabelledVideos | None = None,
    ):
        self.trainer = trainer
        self.batches = batches
        self.labelled = labelled
        self.num_clips = sum(len(batch["pixel_values"]) for batch in batches)
        self.steps_per_epoch = len(trainer.train_dataset) // trainer.args.total_batch_size
        self.every = epochs * self.steps_per_epoch
        self.clip_deviation = clip_deviation(batches, trainer.model.config)
        self.baselines = baseline_losses(trainer.model, batches)
        self.checks: list[Check] = []

    def on_train_begin(self, args, state, control, **kwargs):
        self.checks = [Check(**check) for check in state.stateful_callbacks.get(self.KEY, ())]
        if not self.checks:
            self._check(state, control)

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self._check(state, control)

    def _check(self, state, control) -> None:
        folder = Path(self.trainer.args.output_dir)
        with evaluating(self.trainer.model), torch.no_grad():
            check = self._measure(state)
            drawings = self._draw()
        self.checks.append(check)
        state.stateful_callbacks[self.KEY] = [asdict(check) for check in self.checks]
        is_due = control.should_log
        self.trainer.log(check.metrics())
        control.should_log = is_due  # the trainer takes any line for the one that was due
        if state.is_world_process_zero:
            self._tell(check)
            for number, drawing in enumerate(drawings):
                name = f"step-{check.step:07}-clip-{number}.png"
                title = f"epoch {check.epoch:g}"
                save_strip(drawing.rows(), folder / "health" / name, num_columns=FRAMES_OF_A_PICTURE, title=title)
            self._write(folder)

    def _measure(self, state) -> Check:
        losses, features = [], []
        for batch in self.batches:
            losses.append(self._forward(**batch).loss)
            features.append(self._features(batch["pixel_values"]))
        features = torch.cat(features)
        probed = {} if self.labelled is None else self._probe(self.labelled)
        return Check(
            step=state.global_step,
            epoch=state.global_step / self.steps_per_epoch,
            loss=_mean_over_clips(losses, self.batches),
            zero=self.baselines.zero,
            visible_mean=self.baselines.visible_mean,
            deviation=relative_deviation(features),
            clip_deviation=self.clip_deviation,
            rank=effective_rank(features),
            **probed,
        )

    def _forward(self, **batch):
        # The whole model is called, also for the encoder's features: engines hang their work on its `forward`, such
        # as autocast, or collecting weights that are spread over processes.
        return self.trainer.model(**{name: value.to(self.trainer.args.device) for name, value in batch.items()})

    def _features(self, pixel_values: Tensor) -> Tensor:
        """(B, D): what the head of a classifier gets of unmasked clips, the mean of the last block's tokens."""
        positions = torch.arange(self.trainer.model.config.num_patches).expand(len(pixel_values), -1)
        found = []
        block = self.trainer.model.videomae.encoder.layer[-1]
        hook = block.register_forward_hook(lambda module, inputs, tokens: found.append(tokens.float().mean(dim=1)))
        try:
            self._forward(pixel_values=pixel_values, visible_positions=positions, decoded_positions=positions[:, :1])
        finally:
            hook.remove()
        return found[0]

    def _probe(self, labelled: LabelledVideos) -> dict[str, float]:
        known = self._features_of(labelled.train), labelled.train_labels
        asked = self._features_of(labelled.test), labelled.test_labels
        if not (known[0].isfinite().all() and asked[0].isfinite().all()):
            return {}
        return {
            "knn": knn_accuracy(*known, *asked),
            "linear_probe": linear_probe_accuracy(*known, *asked),
            "chance": chance_level(labelled.train_labels, labelled.test_labels),
        }

    def _features_of(self, videos: Dataset) -> Tensor:
        """(n, D). Each process decodes its share of the videos; the last ones begin again to have equally many."""
        args = self.trainer.args
        share = math.ceil(len(videos) / args.world_size)
        first = args.process_index * share
        loader = DataLoader(
            Subset(videos, [row % len(videos) for row in range(first, first + share)]),
            batch_size=args.per_device_eval_batch_size,
            num_workers=args.dataloader_num_workers,
            collate_fn=ClassificationCollator(),
            generator=torch.Generator(),  # without one, loaders draw from torch's own, and the training would change
        )
        self.trainer.interruption.shield(loader)
        features = torch.cat([self._features(batch["pixel_values"]) for batch in loader])
        return self.trainer.accelerator.gather(features)[: len(videos)]

    def _draw(self) -> list:
        clips = [
            (clip, visible)
            for batch in self.batches
            for clip, visible in zip(batch["pixel_values"], batch["visible_positions"], strict=True)
        ]
        chosen = np.linspace(0, len(clips) - 1, min(PICTURES, len(clips))).round().astype(int)
        drawings = []
        for clip, visible in (clips[number] for number in chosen):
            mask = torch.ones(self.trainer.model.config.num_patches, dtype=torch.bool)
            mask[visible] = False
            drawings.append(reconstruct(self.trainer.model, clip, mask))
        return drawings

    def _verdict(self, check: Check) -> str:
        args, number = self.trainer.args, self.checks.index(check)
        early = max(args.warmup_epochs * self.steps_per_epoch, EARLY * self.trainer.state.max_steps)
        best = max((earlier.explained for earlier in self.checks[:number]), default=math.inf)
        falls = check.explained - best >= LEAST_EXPLAINED
        return check.verdict(is_early=check.step < early or falls)

    def _tell(self, check: Check) -> None:
        with logging_redirect_tqdm():  # above the progress bar
            before = self.checks[-2] if len(self.checks) > 1 else None
            verdict = self._verdict(check)
            is_new = before is None or self._verdict(before) != verdict  # what to try is said once
            sentence = check.sentence(verdict, num_clips=self.num_clips, before=before, advise=is_new)
            logger.warning(sentence)  # not info, which nobody sees by default

    def _write(self, folder: Path) -> None:
        rows = [
            asdict(check) | {"explained": check.explained, "verdict": self._verdict(check)} for check in self.checks
        ]
        write_json(folder / "health.json", {"clips": self.num_clips, "checks": rows})
        save_panels(_panels(self.checks), folder / "health.png", x_label="epoch", title="pre-training health")


def _panels(checks: Sequence[Check]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Label of an axis -> name -> (epoch, value) points."""

    def curve(name: str) -> list[tuple[float, float]]:
        return [(check.epoch, value) for check in checks if (value := getattr(check, name)) is not None]

    panels = {
        "loss": {"loss": "loss", "predict 0": "zero", "predict the mean of the visible patches": "visible_mean"},
        "deviation": {"of the features": "deviation", "of the clips": "clip_deviation"},
        "effective rank": {"of the features": "rank"},
        "correct, %": {"kNN": "knn", "linear probe": "linear_probe", "chance": "chance"},
    }
    drawn = {label: {name: curve(of) for name, of in curves.items()} for label, curves in panels.items()}
    return {label: curves for label, curves in drawn.items() if all(curves.values())}


__all__ = [
    "Baselines",
    "Check",
    "HealthCallback",
    "LabelledVideos",
    "baseline_losses",
    "clip_deviation",
    "health_callback",
    "open_labelled_videos",
]
