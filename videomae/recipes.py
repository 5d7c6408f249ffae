# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""One row of the papers = one recipe: the flags of a training program, and what the authors report for them.

    videomae pretrain --recipe pretrain_k400_base_1600 --data k400 --output_dir runs/pretrain
    videomae finetune --recipe finetune_k400_base_1600 --data k400 --model runs/pretrain --output_dir runs/finetune

A recipe replaces defaults of its program, the command line replaces what the recipe says. It differs from its parent
by what differs in the paper. `total_batch` is the paper's; the program accumulates gradients until it is reached.

Epochs are the published ones. The scripts of VideoMAE V1 ask for one more (801, 1601 …), and the published checkpoint
is the one after epoch 800, 1600 …. Batches count videos: repeats of a video scale no learning rate, as in the source.
"""

import argparse
import dataclasses
import difflib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .arguments import PRESETS

logger = logging.getLogger(__name__)

BASE_BATCH = 256  # the total batch that base learning rates are given for
AUTO = "auto"  # the small recipe for this many videos

# ---- what a recipe is ----


@dataclass(frozen=True)
class VideoSet:
    """A data set of the papers: its name, training videos and classes (0: its labels are not used)."""

    name: str
    videos: int
    classes: int


@dataclass(frozen=True)
class Recipe:
    """A row of a paper.

    `program` is the verb of the training; `flags` are fields of its argument classes; `start` names what the training
    begins with, a recipe or a checkpoint of the Hub, None: new weights. `views` (segments x crops), `top1` and `top5`
    (percent) are the authors' test. `gpus`: what the authors' script asks for. `unpublished`: why these settings are
    not the authors' own, and whose they are; None where they are.
    """

    program: str
    flags: Mapping[str, Any]
    video_set: VideoSet
    source: str
    name: str = ""
    start: str | None = None
    views: str | None = None
    top1: float | None = None
    top5: float | None = None
    gpus: int | None = None
    unpublished: str | None = None
    note: str | None = None

    def but(self, **changes) -> "Recipe":
        """This recipe with some fields and flags replaced. What is no field of `Recipe` is a flag."""
        fields = {name: value for name, value in changes.items() if name in _FIELDS}
        flags = {name: value for name, value in changes.items() if name not in _FIELDS}
        return dataclasses.replace(self, **fields, flags=MappingProxyType({**self.flags, **flags}))

    @property
    def learning_rate(self) -> float:
        """The peak, scaled to the total batch."""
        return self.flags["base_learning_rate"] * self.flags["total_batch"] / BASE_BATCH

    @property
    def status(self) -> str:
        return "unpublished settings" if self.unpublished else "recipe verified against the source"


_FIELDS = frozenset(field.name for field in dataclasses.fields(Recipe)) - {"flags"}

# ---- data sets ----

# Counts of VideoMAE V2 docs/DATASET.md, split 1 of UCF101 and HMDB51, Kinetics-700: Carreira et al. 2019, table 1,
# UnlabeledHybrid: VideoMAE V2's paper.
K400 = VideoSet("k400", 240_436, 400)
K600 = VideoSet("k600", 366_006, 600)
K700 = VideoSet("k700", 545_317, 700)
K710 = VideoSet("k710", 658_340, 710)
SSV2 = VideoSet("ssv2", 168_913, 174)
UCF101 = VideoSet("ucf101", 9_537, 101)
HMDB51 = VideoSet("hmdb51", 3_570, 51)
HYBRID = VideoSet("hybrid", 1_348_000, 0)
OWN = VideoSet("videos", 0, 0)  # the user's

# ---- pre-training ----

# VideoMAE run_mae_pretraining.py:19-118, and what all of its pretrain.sh say.
PRETRAINING = Recipe(
    program="pretrain",
    video_set=K400,
    source="",
    flags=MappingProxyType(
        {
            "num_frames": 16,
            "image_size": [224],
            "framing": "crop",
            "frame_stride": 4,
            "repeats": 1,
            "mask": "tube",
            "mask_ratio": 0.9,
            "decoder_mask_ratio": 0.0,
            "norm_pix_loss": True,
            "drop_path_rate": 0.0,
            "base_learning_rate": 1.5e-4,
            "min_learning_rate": 1e-5,
            "warmup_epochs": 40,
            "weight_decay": 0.05,
            "adam_beta2": 0.95,
            "max_grad_norm": 0.0,
            "activation_checkpointing": False,
            "save_epochs": 20,
        }
    ),
)


def _pretraining_v1() -> dict[str, Recipe]:
    base_1600 = PRETRAINING.but(
        model="base",
        num_train_epochs=1600,
        per_device_train_batch_size=32,
        total_batch=2048,
        gpus=64,
        source="VideoMAE scripts/kinetics/…base…epoch_1600/pretrain.sh:8-25",
    )
    large = base_1600.but(
        model="large",
        per_device_train_batch_size=8,
        total_batch=512,
        source="VideoMAE scripts/kinetics/…large…epoch_1600/pretrain.sh:8-25",
    )
    ssv2_2400 = base_1600.but(
        video_set=SSV2,
        num_train_epochs=2400,
        frame_stride=2,
        source="VideoMAE scripts/ssv2/…base…epoch_2400/pretrain.sh:8-25",
    )
    ucf101 = base_1600.but(
        video_set=UCF101,
        num_train_epochs=3200,
        mask_ratio=0.75,
        save_epochs=100,
        per_device_train_batch_size=24,
        total_batch=192,
        base_learning_rate=3e-4,
        gpus=8,
        source="VideoMAE scripts/ucf101/…base…ratio_0.75_epoch_3200/pretrain.sh:9-26",
    )
    return {
        "pretrain_k400_small_1600": base_1600.but(
            model="small",
            total_batch=1024,
            gpus=32,
            source="VideoMAE scripts/kinetics/…small…epoch_1600/pretrain.sh:8-25",
        ),
        "pretrain_k400_base_800": base_1600.but(
            num_train_epochs=800, source="VideoMAE scripts/kinetics/…base…epoch_800/pretrain.sh:8-25"
        ),
        "pretrain_k400_base_1600": base_1600,
        "pretrain_k400_large_1600": large,
        "pretrain_k400_huge_1600": base_1600.but(
            model="huge",
            per_device_train_batch_size=16,
            total_batch=1024,
            activation_checkpointing=True,
            source="VideoMAE scripts/kinetics/…huge…epoch_1600/pretrain.sh:8-26",
        ),
        "pretrain_ssv2_small_2400": ssv2_2400.but(
            model="small",
            source="VideoMAE scripts/ssv2/…small…epoch_2400/pretrain.sh:8-25",
            note="the script's comment says 32 GPUs, its command 64; with 32 the total batch is 1024",
        ),
        "pretrain_ssv2_base_800": ssv2_2400.but(
            num_train_epochs=800, source="VideoMAE scripts/ssv2/…base…epoch_800/pretrain.sh:8-25"
        ),
        "pretrain_ssv2_base_2400": ssv2_2400,
        "pretrain_ssv2_large_2400": large.but(
            video_set=SSV2,
            num_train_epochs=2400,
            frame_stride=2,
            unpublished="no script: Kinetics-400's for ViT-L, with the epochs and the stride of Something-Something",
        ),
        "pretrain_ucf101_base_3200": ucf101,
        "pretrain_hmdb51_base_3200": ucf101.but(video_set=HMDB51, unpublished="no script: UCF101's"),
        "pretrain_k700_large_1600": large.but(
            video_set=K700,
            unpublished="no script: Kinetics-400's for ViT-L",
            note="the authors report it on AVA 2.2 only (36.1 mAP, 39.3 with its labels; VideoMAE README:71-82)",
        ),
    }


def _pretraining_v2() -> dict[str, Recipe]:
    base = PRETRAINING.but(
        video_set=HYBRID,
        model="base",
        decoder="v2",
        repeats=4,
        decoder_mask_ratio=0.5,
        num_train_epochs=200,  # with 4 clips of a video in each: the paper's 800
        warmup_epochs=20,
        per_device_train_batch_size=32,
        total_batch=1024,
        base_learning_rate=1e-3,
        gpus=32,
        source="VideoMAEv2 scripts/pretrain/vit_b_hybrid_pt.sh:13-50",
        note="the source reads Something-Something's videos with stride 2; here all have one",
    )
    large = base.but(
        model="large",
        num_train_epochs=300,  # 1200
        warmup_epochs=30,
        total_batch=1536,
        gpus=48,
        source="VideoMAEv2 scripts/pretrain/vit_l_hybrid_pt.sh:13-50",
    )
    huge = large.but(
        model="huge",
        total_batch=2048,
        activation_checkpointing=True,
        save_epochs=10,
        gpus=64,
        source="VideoMAEv2 scripts/pretrain/vit_h_hybrid_pt.sh:13-51",
    )
    giant = huge.but(
        model="giant",
        base_learning_rate=6e-4,
        max_grad_norm=0.02,
        save_epochs=5,
        source="VideoMAEv2 scripts/pretrain/vit_g_hybrid_pt.sh:13-52; 64 A100-80G, docs/PRETRAIN.md:7",
    )
    return {
        "pretrain_v2_base": base,
        "pretrain_v2_large": large,
        "pretrain_v2_huge": huge,
        "pretrain_v2_giant": giant,
    }


# ---- fine-tuning ----

# VideoMAE run_class_finetuning.py:27-205, and what all of its finetune.sh say.
FINETUNING = Recipe(
    program="finetune",
    video_set=K400,
    source="",
    flags=MappingProxyType(
        {
            "num_frames": 16,
            "image_size": [224],
            "framing": "crop",
            "repeats": 2,
            "rand_augment": "rand-m7-n4-mstd0.5-inc1",
            "erasing": 0.25,
            "mixup": 0.8,
            "cutmix": 1.0,
            "label_smoothing_factor": 0.1,
            "drop_path_rate": 0.1,
            "classifier_dropout": 0.0,
            "min_learning_rate": 1e-6,
            "warmup_epochs": 5,
            "weight_decay": 0.05,
            "layer_decay": 0.75,
            "adam_beta2": 0.999,
            "max_grad_norm": 0.0,
            "activation_checkpointing": False,
        }
    ),
)
# What the source calls dense sampling; it mirrors clips everywhere but on Something-Something.
DENSE = FINETUNING.but(sampling="dense", frame_stride=4, horizontal_flip="true", views="5x3")
UNIFORM = FINETUNING.but(video_set=SSV2, sampling="uniform", horizontal_flip="false", views="2x3")


def _finetuning_k400() -> dict[str, Recipe]:
    base_1600 = DENSE.but(
        start="pretrain_k400_base_1600",
        num_train_epochs=75,
        per_device_train_batch_size=6,
        total_batch=384,
        base_learning_rate=5e-4,
        gpus=64,
        top1=81.5,
        top5=95.1,
        source="VideoMAE scripts/kinetics/…base…epoch_1600/finetune.sh:13-38",
    )
    base_800 = base_1600.but(
        start="pretrain_k400_base_800",
        num_train_epochs=100,
        repeats=1,
        per_device_train_batch_size=8,
        total_batch=512,
        base_learning_rate=1e-3,
        top1=80.0,
        top5=94.4,
        source="VideoMAE scripts/kinetics/…base…epoch_800/finetune.sh:10-35",
    )
    large = base_1600.but(
        start="pretrain_k400_large_1600",
        num_train_epochs=35,
        per_device_train_batch_size=2,
        total_batch=128,
        base_learning_rate=2e-3,
        top1=85.2,
        top5=96.8,
        source="VideoMAE scripts/kinetics/…large…epoch_1600/finetune.sh:13-38",
    )
    huge = base_1600.but(
        start="pretrain_k400_huge_1600",
        num_train_epochs=50,
        per_device_train_batch_size=8,
        total_batch=512,
        base_learning_rate=1e-3,
        min_learning_rate=1e-5,
        drop_path_rate=0.2,
        classifier_dropout=0.5,
        activation_checkpointing=True,
        top1=86.6,
        top5=97.1,
        source="VideoMAE scripts/kinetics/…huge…epoch_1600/finetune.sh:13-44",
    )
    # Twice the frames of 320 x 320: 6,400 tokens instead of 1,568. One video at a time is what we would begin with.
    longer = {
        "num_frames": 32,
        "image_size": [320],
        "per_device_train_batch_size": 1,
        "activation_checkpointing": True,
        "views": "4x3",
    }
    return {
        "finetune_k400_small_1600": base_1600.but(
            start="pretrain_k400_small_1600",
            num_train_epochs=150,
            per_device_train_batch_size=12,
            gpus=32,
            top1=79.0,
            top5=93.8,
            source="VideoMAE scripts/kinetics/…small…epoch_1600/finetune.sh:13-38",
        ),
        "finetune_k400_base_800": base_800,
        "finetune_k400_base_800_repeats": base_800.but(
            repeats=2,
            top1=81.0,
            top5=94.8,
            unpublished="no script: that of the row without repeated augmentation, with it",
        ),
        "finetune_k400_base_1600": base_1600,
        "finetune_k400_large_1600": large,
        "finetune_k400_huge_1600": huge,
        "finetune_k400_large_1600_320": large.but(
            **longer, top1=86.1, top5=97.3, unpublished="no script: that of 16 frames of 224 x 224"
        ),
        "finetune_k400_huge_1600_320": huge.but(
            **longer, top1=87.4, top5=97.6, unpublished="no script: that of 16 frames of 224 x 224"
        ),
        "finetune_k400_large_k700": large.but(
            start="pretrain_k700_large_1600",
            top1=None,
            top5=None,
            unpublished="no script and no published accuracy: that from Kinetics-400",
        ),
    }


def _finetuning_ssv2() -> dict[str, Recipe]:
    base_2400 = UNIFORM.but(
        start="pretrain_ssv2_base_2400",
        num_train_epochs=30,
        per_device_train_batch_size=6,
        total_batch=384,
        base_learning_rate=5e-4,
        gpus=64,
        top1=70.8,
        top5=92.4,
        source="VideoMAE scripts/ssv2/…base…epoch_2400/finetune.sh:10-34",
    )
    large = base_2400.but(
        start="pretrain_ssv2_large_2400",
        num_train_epochs=20,
        total_batch=192,
        drop_path_rate=0.2,
        gpus=32,
        top1=74.3,
        top5=94.6,
        source="VideoMAEv2 scripts/finetune/vit_l_ssv2_ft.sh:14-54",
        unpublished="no script of VideoMAE V1: V2's for the same network and data",
    )
    return {
        "finetune_ssv2_small_2400": base_2400.but(
            start="pretrain_ssv2_small_2400",
            num_train_epochs=40,
            per_device_train_batch_size=12,
            base_learning_rate=1e-3,
            layer_decay=0.7,
            gpus=32,
            top1=66.8,
            top5=90.3,
            source="VideoMAE scripts/ssv2/…small…epoch_2400/finetune.sh:10-35",
        ),
        "finetune_ssv2_base_800": base_2400.but(
            start="pretrain_ssv2_base_800",
            num_train_epochs=50,
            repeats=1,
            per_device_train_batch_size=8,
            total_batch=512,
            top1=69.6,
            top5=92.0,
            source="VideoMAE scripts/ssv2/…base…epoch_800/finetune.sh:10-34",
        ),
        "finetune_ssv2_base_2400": base_2400,
        "finetune_ssv2_large_2400": large,
        "finetune_ssv2_large_2400_32": large.but(
            num_frames=32,
            views="1x3",
            top1=75.4,
            top5=95.2,
            unpublished="no script of VideoMAE V1: V2's for the same network and data, with 32 frames",
        ),
    }


def _finetuning_small_sets() -> dict[str, Recipe]:
    ucf101 = DENSE.but(
        video_set=UCF101,
        start="pretrain_ucf101_base_3200",
        num_train_epochs=100,
        per_device_train_batch_size=16,
        total_batch=128,
        base_learning_rate=5e-4,
        min_learning_rate=1e-5,
        layer_decay=0.7,
        drop_path_rate=0.2,
        classifier_dropout=0.5,
        activation_checkpointing=True,
        gpus=8,
        top1=91.3,
        top5=98.5,
        source="VideoMAE scripts/ucf101/…base…epoch_3200/finetune.sh:10-40",
    )
    hmdb51 = ucf101.but(video_set=HMDB51, start="pretrain_hmdb51_base_3200", top1=62.6, top5=None)
    return {
        "finetune_ucf101_base_3200": ucf101,
        "finetune_ucf101_base_k400": ucf101.but(
            start="pretrain_k400_base_1600",
            top1=96.1,
            top5=None,
            unpublished="no script: that without other data; which Kinetics-400 checkpoint is not said",
        ),
        "finetune_hmdb51_base_3200": hmdb51.but(unpublished="no script: UCF101's"),
        "finetune_hmdb51_base_k400": hmdb51.but(
            start="pretrain_k400_base_1600",
            top1=73.3,
            unpublished="no script: UCF101's; which Kinetics-400 checkpoint is not said",
        ),
    }


def _finetuning_v2() -> dict[str, Recipe]:
    base_k400 = DENSE.but(
        start="pretrain_v2_base",
        num_train_epochs=90,
        per_device_train_batch_size=16,
        total_batch=512,
        base_learning_rate=7e-4,
        gpus=32,
        source="VideoMAEv2 scripts/finetune/vit_b_k400_ft.sh:14-52",
    )
    huge_k400 = base_k400.but(
        start="pretrain_v2_huge",
        num_train_epochs=40,
        per_device_train_batch_size=4,
        total_batch=128,
        base_learning_rate=1e-3,
        layer_decay=0.8,
        drop_path_rate=0.2,
        classifier_dropout=0.5,
        source="VideoMAEv2 scripts/finetune/vit_h_k400_ft.sh:14-59",
    )
    large_ssv2 = UNIFORM.but(
        start="pretrain_v2_large",
        num_train_epochs=20,
        per_device_train_batch_size=6,
        total_batch=192,
        base_learning_rate=5e-4,
        drop_path_rate=0.2,
        gpus=32,
        source="VideoMAEv2 scripts/finetune/vit_l_ssv2_ft.sh:14-54",
    )
    huge_k710 = huge_k400.but(video_set=K710, source="VideoMAEv2 scripts/finetune/vit_h_k710_ft.sh:14-60")
    return {
        "finetune_v2_base_k400": base_k400,
        "finetune_v2_base_k710": base_k400.but(
            video_set=K710, source="VideoMAEv2 scripts/finetune/vit_b_k710_ft.sh:14-57"
        ),
        "finetune_v2_base_ssv2": large_ssv2.but(
            start="pretrain_v2_base",
            num_train_epochs=25,
            per_device_train_batch_size=16,
            total_batch=256,
            base_learning_rate=2e-3,
            layer_decay=0.65,
            drop_path_rate=0.1,
            gpus=16,
            source="VideoMAEv2 scripts/finetune/vit_b_ssv2_ft.sh:14-56",
        ),
        "finetune_v2_large_k400": base_k400.but(
            start="pretrain_v2_large",
            num_train_epochs=35,
            per_device_train_batch_size=6,
            total_batch=192,
            base_learning_rate=2e-3,
            drop_path_rate=0.2,
            source="VideoMAEv2 scripts/finetune/vit_l_k400_ft.sh:14-53",
        ),
        "finetune_v2_large_ssv2": large_ssv2,
        "finetune_v2_huge_k400": huge_k400,
        "finetune_v2_huge_k600": huge_k400.but(
            video_set=K600,
            source="VideoMAEv2 scripts/finetune/vit_h_k600_ft.sh:14-58",
            unpublished="the script asks for one GPU, a leftover: the 32 of Kinetics-710",
        ),
        "finetune_v2_huge_k710": huge_k710,
        "finetune_v2_huge_ssv2": large_ssv2.but(
            start="pretrain_v2_huge",
            per_device_train_batch_size=4,
            total_batch=128,
            layer_decay=0.8,
            source="VideoMAEv2 scripts/finetune/vit_h_ssv2_ft.sh:14-56",
        ),
        **_finetuning_giant(),
    }


def _finetuning_giant() -> dict[str, Recipe]:
    # The post-pre-training of VideoMAE V2: what starts from it is "intermediate tuning" there.
    k710 = DENSE.but(
        video_set=K710,
        start="pretrain_v2_giant",
        num_train_epochs=35,
        per_device_train_batch_size=3,
        total_batch=96,
        base_learning_rate=1e-3,
        weight_decay=0.1,
        layer_decay=0.9,
        drop_path_rate=0.3,
        max_grad_norm=5.0,
        gpus=32,
        top1=83.8,
        top5=96.4,
        source="VideoMAEv2 scripts/finetune/vit_g_k710_ft.sh:14-58; 32 A100-80G, docs/FINETUNE.md:7",
    )
    k710_k400 = k710.but(
        video_set=K400,
        start="finetune_v2_giant_k710",
        num_train_epochs=3,
        base_learning_rate=1e-5,
        warmup_epochs=1,
        drop_path_rate=0.25,
        max_grad_norm=0.0,
        top1=88.4,
        top5=98.0,
        source="VideoMAEv2 scripts/finetune/vit_g_k710_it_k400_ft.sh:14-57",
        note="the source takes the rows of its 710-class head; here they stay if it knows the names of all classes: "
        "give them as Kinetics-710 spells them",
    )
    ucf101 = k710.but(
        video_set=UCF101,
        start="finetune_v2_giant_k710",
        num_train_epochs=50,
        total_batch=24,
        weight_decay=0.05,
        drop_path_rate=0.35,
        classifier_dropout=0.5,
        max_grad_norm=0.0,
        gpus=8,
        top1=99.6,
        top5=100.0,
        source="VideoMAEv2 scripts/finetune/vit_g_k710_it_ucf101_ft.sh:7-60",
    )
    return {
        "finetune_v2_giant_k710": k710,
        "finetune_v2_giant_k400": k710.but(
            video_set=K400,
            num_train_epochs=30,
            total_batch=192,
            drop_path_rate=0.2,
            max_grad_norm=0.0,
            gpus=64,
            top1=87.2,
            top5=97.4,
            source="VideoMAEv2 scripts/finetune/vit_g_k400_ft.sh:14-58",
        ),
        "finetune_v2_giant_k710_k400": k710_k400,
        "finetune_v2_giant_k710_k600": k710_k400.but(
            video_set=K600,
            top1=88.8,
            top5=98.2,
            source="VideoMAEv2 scripts/finetune/vit_g_k710_it_k600_ft.sh:14-57",
        ),
        "finetune_v2_giant_ssv2": UNIFORM.but(
            start="pretrain_v2_giant",
            num_train_epochs=20,
            per_device_train_batch_size=3,
            total_batch=96,
            base_learning_rate=3e-4,
            layer_decay=0.9,
            drop_path_rate=0.25,
            gpus=32,
            top1=77.0,
            top5=95.9,
            source="VideoMAEv2 scripts/finetune/vit_g_ssv2_ft.sh:14-59",
        ),
        "finetune_v2_giant_k710_ucf101": ucf101,
        "finetune_v2_giant_k710_hmdb51": ucf101.but(
            video_set=HMDB51,
            num_train_epochs=15,
            frame_stride=2,
            base_learning_rate=5e-4,
            top1=88.1,
            top5=98.5,
            source="VideoMAEv2 scripts/finetune/vit_g_k710_it_hmdb51_ft.sh:7-60",
        ),
    }


# ---- small data: no paper's, our choice ----

SMALL_PRETRAINING = "pretrain_ucf101_base_3200"  # the smallest set that the authors published a script for
SMALL_FINETUNING = "finetune_ucf101_base_3200"


def _small(published: Mapping[str, Recipe]) -> dict[str, Recipe]:
    ours = "no paper's row: our starting point for a few hundred to a few thousand videos"
    full = published[SMALL_FINETUNING].but(
        video_set=OWN,
        start="MCG-NJU/videomae-base-finetuned-kinetics",
        total_batch=32,
        per_device_train_batch_size=8,
        num_train_epochs=50,
        base_learning_rate=1e-3,  # half of the parent's peak for a quarter of its batch
        framing="whole",  # a crop cuts people off
        views="5x1",
        horizontal_flip=None,  # unless a class name says left or right
        balance_classes=True,
        early_stopping_patience=10,
        load_best_model_at_end=True,
        metric_for_best_model="mean_class_accuracy",
        gpus=1,
        top1=None,
        top5=None,
        source="ours, from " + SMALL_FINETUNING,
        unpublished=ours,
    )
    partial = full.but(trained_blocks=4, mixup=0.0, cutmix=0.0, drop_path_rate=0.1)
    probe = full.but(
        trained_blocks=0,
        mixup=0.0,
        cutmix=0.0,
        repeats=1,
        erasing=0.0,
        drop_path_rate=0.0,
        total_batch=16,
        base_learning_rate=1.6e-2,  # 1e-3 for a batch of 16: only the classifier and its norm move
        activation_checkpointing=False,
    )
    pretraining = published[SMALL_PRETRAINING].but(
        video_set=OWN,
        model="small",
        num_train_epochs=800,
        save_epochs=20,
        repeats=4,
        base_learning_rate=6e-4,
        total_batch=64,
        per_device_train_batch_size=16,
        framing="whole",
        gpus=1,
        source="ours, from " + SMALL_PRETRAINING,
        unpublished=ours,
    )
    return {
        "small_linear_probe": probe,
        "small_partial": partial,
        "small_full": full,
        "small_pretrain": pretraining,
    }


def _recipes() -> dict[str, Recipe]:
    published = {
        **_pretraining_v1(),
        **_pretraining_v2(),
        **_finetuning_k400(),
        **_finetuning_ssv2(),
        **_finetuning_small_sets(),
        **_finetuning_v2(),
    }
    return {name: recipe.but(name=name) for name, recipe in {**published, **_small(published)}.items()}


RECIPES: Mapping[str, Recipe] = MappingProxyType(_recipes())


# ---- choosing one ----

LARGEST_SMALL_SET = 5_000  # videos; more than that is not what the small recipes are for
SHAPE = ("num_frames", "image_size", "frame_stride")  # of clips; small recipes leave a checkpoint its own


def find_recipe(name: str, program: str | None = None) -> Recipe:
    """The recipe of this name. Raises ValueError with the nearest name, or where it is for another program."""
    if name == AUTO:
        raise ValueError(f"recipe {AUTO} is for `videomae pretrain` and `finetune`, which count the videos: name one")
    if name not in RECIPES:
        similar = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {similar[0]}? " if similar else ""
        raise ValueError(f"recipe {name!r} does not exist; {hint}`videomae recipes` lists them")
    recipe = RECIPES[name]
    if program not in (None, recipe.program):
        raise ValueError(f"recipe {name} is one of `videomae {recipe.program}`, wanted one of `videomae {program}`")
    return recipe


def small_recipe(program: str, num_videos: int, num_classes: int) -> Recipe:
    """What `--recipe auto` takes. The thresholds are our choice, not a measurement.

    Raises ValueError for pre-training on more than `LARGEST_SMALL_SET` videos.
    """
    if program == "pretrain":
        if num_videos > LARGEST_SMALL_SET:
            raise ValueError(
                f"--recipe auto is for at most {LARGEST_SMALL_SET} videos in pre-training, there are {num_videos}: "
                "name a recipe, `videomae recipes` lists them"
            )
        return RECIPES["small_pretrain"]
    per_class = num_videos / max(num_classes, 1)
    if num_videos < 300 or per_class < 10:
        return RECIPES["small_linear_probe"]
    if num_videos < 2000 or per_class < 50:
        return RECIPES["small_partial"]
    return RECIPES["small_full"]


def fitted(recipe: Recipe, num_videos: int) -> Recipe:
    """The recipe, with a batch that so few videos can fill: the largest power of two. Its learning rate follows."""
    if num_videos >= recipe.flags["total_batch"] or not num_videos:
        return recipe
    batch = 2 ** (num_videos.bit_length() - 1)
    return recipe.but(
        total_batch=batch, per_device_train_batch_size=min(batch, recipe.flags["per_device_train_batch_size"])
    )


def recipe_flags(argv: Sequence[str] | None, program: str, *, count: Callable[[], tuple[int, int]]) -> dict[str, Any]:
    """The flags of the recipe that `--recipe` names, as defaults of `program`; empty without one.

    Args:
        argv: as `arguments.parse_known` takes it.
        program: the verb, "pretrain" or "finetune".
        count: numbers of training videos and of classes, for `--recipe auto`.

    Raises:
        ValueError: as `find_recipe` and `small_recipe`; a recipe that starts from a checkpoint, without `--model`.
    """
    given = _given(sys.argv[1:] if argv is None else argv)
    if given.recipe is None or (given.help and given.recipe == AUTO):
        return {}
    if given.recipe == AUTO:
        videos, classes = count()
        recipe = fitted(small_recipe(program, videos, classes), videos)
        found = f"{videos} training videos" + (f" of {classes} classes" if classes else "")
        logger.warning("--recipe auto: %s, for %s, in batches of %d", recipe.name, found, recipe.flags["total_batch"])
    else:
        recipe = find_recipe(given.recipe, program)
    if recipe.start is not None and given.model is None and not given.help:
        raise ValueError(
            f"recipe {recipe.name} starts from a checkpoint: give --model, such as {folder(recipe.start)}"
        )
    flags = dict(recipe.flags) | {"recipe": recipe.name}
    if recipe.views is not None:
        flags["test_views"] = recipe.views
    if given.model is not None and given.model not in PRESETS:
        own = ("decoder", *SHAPE) if recipe.video_set is OWN else ("decoder",)
        for name in own:
            flags.pop(name, None)  # a checkpoint brings its own
    return flags


def _given(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--recipe")
    parser.add_argument("--model")
    parser.add_argument("-h", "--help", action="store_true")
    try:
        return parser.parse_known_args(list(argv))[0]
    except argparse.ArgumentError as error:
        raise ValueError(f"{error} (--help lists the flags)") from None


# ---- from pre-training to the test ----


def folder(start: str) -> str:
    """Where the commands of a chain leave this recipe's model; a checkpoint of the Hub is its own name."""
    return f"runs/{start}" if start in RECIPES else start


def chain(recipe: Recipe) -> list[Recipe]:
    """The recipes to run one after the other, this one last."""
    before = chain(RECIPES[recipe.start]) if recipe.start in RECIPES else []
    return [*before, recipe]


def size_of(recipe: Recipe) -> str:
    """The preset that a recipe trains. The small ones start from a base checkpoint, if not from another one."""
    return chain(recipe)[0].flags.get("model", "base")


def commands(recipe: Recipe) -> list[str]:
    """The commands from new weights to the accuracy in the paper. Data are expected in data/<name of the set>."""
    lines = []
    for step in chain(recipe):
        model = f" --model {folder(step.start)}" if step.start else ""
        lines.append(
            f"videomae {step.program} --recipe {step.name} --data data/{step.video_set.name}{model} "
            f"--output_dir {folder(step.name)}"
        )
    if recipe.views:
        lines.append(f"videomae evaluate {folder(recipe.name)} data/{recipe.video_set.name} --views {recipe.views}")
    return lines


__all__ = [
    "RECIPES",
    "Recipe",
    "VideoSet",
    "chain",
    "commands",
    "find_recipe",
    "folder",
    "recipe_flags",
    "size_of",
    "small_recipe",
]
