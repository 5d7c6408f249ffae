# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The steps of `videomae demo`: parts of a data set, pre-training, fine-tuning with and without it, pictures.

Each step is one function that leaves a folder or files and returns its numbers as a dict for `metrics.json`.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from tqdm import tqdm
from transformers import ProgressCallback, TrainerCallback, pipeline, set_seed

from .augmentation import random_resized_crop
from .clips import PretrainingClips, TrainingClips
from .configuration_videomae import VideoMAEConfig
from .data import (
    ClassificationCollator,
    PretrainingCollator,
    VideoDataset,
    make_processor,
)
from .evaluation import score_videos
from .inference import load_checkpoint
from .listing import class_names, load_videos
from .masking import tube_mask
from .metrics import accuracy_metrics
from .modeling_videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification
from .pictures import save_gif, save_strip
from .plots import save_curves
from .synthetic import MotionSet, write_motion_set
from .training import VideoMAETrainer, VideoMAETrainingArguments
from .visualization import reconstruct

HEAD_WIDTH = 32
WARMUP_SHARE = 0.1  # of the steps
HELD_OUT_SHARE = 0.2  # of a class, where the user's videos have no split to test or to validate on
LOSSES_OF_A_CURVE = 50
WORKERS = min(2, os.cpu_count() or 1)


@dataclass(frozen=True)
class Recipe:
    """The numbers of a demo. A learning rate is the peak of its schedule."""

    image_size: int = 32
    num_frames: int = 8
    frame_stride: int = 1
    patch_size: int = 8
    width: int = 128
    layers: int = 4
    norm_pix_loss: bool = False
    mask_ratio: float = 0.75
    pretraining_steps: int = 1500
    pretraining_batch: int = 64
    pretraining_rate: float = 3e-3
    pretraining_clip: float = 1.0  # largest norm of a gradient
    labels: int = 5  # training videos of each class that keep their label
    finetuning_steps: int = 80
    finetuning_batch: int = 32
    finetuning_rates: tuple[float, ...] = (2e-3, 4e-3, 8e-3)
    layer_decay: float | None = None  # of the pre-trained network
    smallest_crop: float = 0.8  # share of a frame that a training clip shows at least
    views: tuple[int, int] = (3, 1)  # segments, crops
    pictures: int = 3

    def config(self, **fields) -> VideoMAEConfig:
        """The network: a decoder of half the width and two blocks, MLPs four times as wide as their input."""
        decoder_width = self.width // 2
        return VideoMAEConfig(
            image_size=self.image_size,
            num_frames=self.num_frames,
            patch_size=self.patch_size,
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.width // HEAD_WIDTH,
            intermediate_size=4 * self.width,
            decoder_hidden_size=decoder_width,
            decoder_num_hidden_layers=2,
            decoder_num_attention_heads=decoder_width // HEAD_WIDTH,
            decoder_intermediate_size=4 * decoder_width,
            norm_pix_loss=self.norm_pix_loss,
            **fields,
        )


MOTIONS = Recipe()  # the default: the synthetic set
OWN_VIDEOS = Recipe(
    image_size=112,
    num_frames=16,
    frame_stride=4,
    patch_size=16,
    width=192,
    layers=6,
    norm_pix_loss=True,
    mask_ratio=0.9,
    pretraining_batch=16,
    pretraining_rate=1e-3,
    finetuning_steps=150,
    finetuning_batch=16,
    finetuning_rates=(5e-4, 1e-3),
    layer_decay=0.75,
    smallest_crop=0.5,
    views=(3, 3),
)


# ---- videos ----


@dataclass(frozen=True)
class Parts:
    """What the story needs of a data set: tables as from `load_videos`, the first without labels."""

    unlabelled: datasets.Dataset
    train: datasets.Dataset
    validation: datasets.Dataset
    test: datasets.Dataset

    def summary(self) -> dict[str, Any]:
        counts = {name: len(table) for name, table in vars(self).items()}
        return counts | {"classes": class_names(self.train)}


def motion_parts(folder: Path, videos: MotionSet) -> Parts:
    """The parts of a synthetic set, which is written into `folder` unless it is there already."""
    for _ in tqdm(write_motion_set(folder, videos), total=len(videos), desc="writing", unit="video"):
        pass
    unlabelled = load_videos(folder / "unlabelled", split="train")
    return Parts(unlabelled, **load_videos(folder / "labelled"))


def own_parts(source: str, *, labels: int, seed: int) -> Parts:
    """The parts of a user's labelled videos: its splits where it has them, otherwise shares drawn from each class.

    All training videos are pre-trained on; `labels` of each class keep their label.

    Raises:
        ValueError: no labels, no training videos, or a class with too few videos to hold any out.
    """
    splits = load_videos(source)
    if "train" not in splits:
        raise ValueError(f"{source}: no split 'train'; there is {', '.join(splits)}")
    for videos in splits.values():
        class_names(videos)  # raises where there are none
    train = splits.pop("train")
    for name in ("test", "validation"):
        if name not in splits:
            splits[name], train = _draw(train, partial(_held_out_count, source=source), seed)
    labelled, _ = _draw(train, lambda count: min(labels, count), seed)
    return Parts(train.remove_columns("label"), labelled, splits["validation"], splits["test"])


def _held_out_count(count: int, *, source: str) -> int:
    if count < 2:
        raise ValueError(
            f"{source}: a class has too few videos to hold one out, wanted at least 3 (or val/ and test/)"
        )
    return max(1, int(HELD_OUT_SHARE * count))


def _draw(
    videos: datasets.Dataset, count: Callable[[int], int], seed: int
) -> tuple[datasets.Dataset, datasets.Dataset]:
    """`count(n)` random videos of each class of n, and the others."""
    labels = np.asarray(videos["label"])
    random = np.random.default_rng(seed)
    drawn = []
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        drawn += rows[: count(len(rows))].tolist()
    others = sorted(set(range(len(videos))) - set(drawn))
    return videos.select(sorted(drawn)), videos.select(others)


# ---- training ----


class ProgressBar(TrainerCallback):
    """One bar for a training, with its latest loss."""

    def __init__(self, name: str):
        self.name = name

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, desc=self.name, unit="step")

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.bar.set_postfix(loss=f"{float(logs['loss']):.3f}")

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def pretrain(videos: datasets.Dataset, recipe: Recipe, folder: Path, *, seed: int) -> dict[str, Any]:
    """Pre-train on unlabelled videos; leaves model and processor in `folder`."""
    set_seed(seed)
    model = VideoMAEForPreTraining(recipe.config())
    processor = make_processor(model.config, frame_stride=recipe.frame_stride)
    clips = VideoDataset(
        _repeated(videos, recipe.pretraining_steps * recipe.pretraining_batch),
        PretrainingClips(processor, mask=partial(tube_mask, model.config.grid, recipe.mask_ratio), crop=_crop(recipe)),
        seed=seed,
    )
    trainer = VideoMAETrainer(
        model,
        _arguments(
            folder,
            recipe.pretraining_batch,
            recipe.pretraining_steps,
            recipe.pretraining_rate,
            seed=seed,
            max_grad_norm=recipe.pretraining_clip,
        ),
        data_collator=PretrainingCollator(),
        train_dataset=clips,
        processing_class=processor,
    )
    started = time.monotonic()
    curve = _train(trainer, "pre-training")
    trainer.save_model()
    return {"learning_rate": recipe.pretraining_rate, "curve": curve, "seconds": time.monotonic() - started}


def finetune(
    parts: Parts, recipe: Recipe, pretrained: Path, folder: Path, *, from_scratch: bool, seed: int
) -> dict[str, Any]:
    """Train a classifier with each learning rate of the recipe; leaves the one that validates best in `folder`.

    From scratch, the network is the same with new weights, and all layers learn at one rate.
    """
    started = time.monotonic()
    trials = {}
    for rate in recipe.finetuning_rates:
        trainer = _classifier_trainer(parts, recipe, pretrained, folder, rate, from_scratch=from_scratch, seed=seed)
        curve = _train(trainer, f"{'from scratch' if from_scratch else 'pre-trained'}, learning rate {rate:g}")
        top1 = measure(trainer.model, trainer.processing_class, parts.validation, (1, 1))["top1"]
        trials[rate] = (top1, trainer, curve)
    best = max(trials, key=lambda rate: trials[rate][0])
    _, trainer, curve = trials[best]
    trainer.save_model()
    return {
        "learning_rate": best,
        "validation_top1": {f"{rate:g}": top1 for rate, (top1, _, _) in trials.items()},
        "curve": curve,
        "seconds": time.monotonic() - started,
        **measure(trainer.model, trainer.processing_class, parts.test, recipe.views, name="held-out videos"),
    }


def _classifier_trainer(
    parts: Parts, recipe: Recipe, pretrained: Path, folder: Path, rate: float, *, from_scratch: bool, seed: int
) -> VideoMAETrainer:
    set_seed(seed)
    id2label = dict(enumerate(class_names(parts.train)))
    classes = {"id2label": id2label, "label2id": {name: number for number, name in id2label.items()}}
    if from_scratch:
        model = VideoMAEForVideoClassification(recipe.config(**classes))
    else:
        model = VideoMAEForVideoClassification.from_pretrained(pretrained, **classes)
    processor = make_processor(model.config, frame_stride=recipe.frame_stride)
    labelled = _repeated(parts.train, recipe.finetuning_steps * recipe.finetuning_batch)
    # No flip: a mirrored "left" is a "right".
    clips = VideoDataset(
        labelled, TrainingClips(processor, class_names(labelled), flip=False, crop=_crop(recipe)), seed=seed
    )
    arguments = _arguments(
        folder,
        recipe.finetuning_batch,
        recipe.finetuning_steps,
        rate,
        seed=seed,
        adam_beta2=0.999,
        layer_decay=None if from_scratch else recipe.layer_decay,
    )
    return VideoMAETrainer(
        model, arguments, data_collator=ClassificationCollator(), train_dataset=clips, processing_class=processor
    )


def measure(model, processor, videos: datasets.Dataset, views: tuple[int, int], *, name: str | None = None) -> dict:
    """Accuracies in percent of a classifier, from so many (segments, crops) of each video."""
    scores = score_videos(
        model, processor, videos["video"], num_segments=views[0], num_crops=views[1], num_workers=WORKERS
    )
    scores = tqdm(scores, total=len(videos), desc=name, unit="video", disable=name is None)
    return accuracy_metrics(torch.stack(list(scores)), videos["label"])


def _crop(recipe: Recipe) -> Callable[..., torch.Tensor]:
    return partial(random_resized_crop, scale=(recipe.smallest_crop, 1.0))


def _repeated(videos: datasets.Dataset, length: int) -> datasets.Dataset:
    """The videos over and over, as one long epoch: another clip each time, and the workers never start again."""
    return videos.select(np.arange(length) % len(videos))


def _arguments(folder: Path, batch: int, steps: int, rate: float, **options) -> VideoMAETrainingArguments:
    return VideoMAETrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        warmup_epochs=WARMUP_SHARE,
        per_device_train_batch_size=batch,
        learning_rate=rate,
        logging_steps=max(1, steps // LOSSES_OF_A_CURVE),
        save_strategy="no",
        report_to="none",
        disable_tqdm=False,  # True would print the log; the bar is ours
        dataloader_num_workers=WORKERS,
        dataloader_pin_memory=torch.cuda.is_available(),
        **options,
    )


def _train(trainer: VideoMAETrainer, name: str) -> list[tuple[int, float]]:
    """Train under a bar; returns (step, loss) points."""
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(ProgressBar(name))
    trainer.train()
    return [(line["step"], line["loss"]) for line in trainer.state.log_history if "loss" in line]


# ---- what there is to see ----


def ask_pipeline(folder: Path, video: str) -> list[dict[str, float | str]]:
    """The labels of a video through transformers; ours are its classes after `videomae.register()`."""
    return pipeline("video-classification", model=str(folder), device="cpu")(video)


def draw_reconstructions(
    pretrained: Path, videos: datasets.Dataset, folder: Path, recipe: Recipe, *, seed: int
) -> list[dict[str, Any]]:
    """A png and a gif of some videos, one of each class in turn; returns their names and how good they are."""
    model, processor = load_checkpoint(pretrained, VideoMAEForPreTraining)
    generator = torch.Generator().manual_seed(seed)
    chosen = videos.select(np.linspace(0, len(videos) - 1, recipe.pictures, dtype=int))
    drawn = []
    for number, video in enumerate(chosen["video"]):
        clip = processor.views(video, num_segments=1, num_crops=1)[0]
        mask = tube_mask(model.config.grid, recipe.mask_ratio, generator=generator)
        reconstruction = reconstruct(model, clip, mask)
        stem = folder / f"reconstruction-{number}"
        title = Path(video).parent.name
        picture = save_strip(reconstruction.rows(), stem.with_suffix(".png"), title=title)
        save_gif(reconstruction.rows(), stem.with_suffix(".gif"), panel_width=160)
        numbers = {"psnr": reconstruction.psnr, "baseline_psnr": reconstruction.baseline_psnr}
        drawn.append({"video": video, "picture": picture.name, **numbers})
    return drawn


def draw_curves(metrics: dict[str, Any], folder: Path) -> list[Path]:
    """The losses of pre-training, and those of the two fine-tunings."""
    finetuning = {name.replace("_", " "): arm["curve"] for name, arm in metrics["arms"].items()}
    pictures = {"pre-training": {"loss": metrics["pretraining"]["curve"]}, "fine-tuning": finetuning}
    return [
        save_curves(curves, folder / f"{name}.png", x_label="step", y_label="loss", title=name)
        for name, curves in pictures.items()
    ]
