# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Train a video classifier: from a pre-trained model, from another classifier, or from scratch.

The class folders (class/video.mp4) or a list (`path label`) name the classes:
    videomae finetune --data videos --model runs/pretrain --output_dir runs/finetune --num_train_epochs 50

The same network without its pre-training, to see what that is worth:
    videomae finetune --data videos --model runs/pretrain --from_scratch --layer_decay 1 --output_dir runs/scratch

On eight GPUs, with a total batch of 8 x 8 = 64 clips:
    accelerate launch --multi_gpu --num_processes 8 scripts/run_finetuning.py --data videos --output_dir runs/finetune

With the augmentation of the paper:
    videomae finetune … --rand_augment rand-m7-n4-mstd0.5-inc1 --erasing 0.25 --mixup 0.8 --cutmix 1.0 --repeats 2

As a row of the paper (`videomae recipes` lists them), and as we would begin with a few videos of one's own:
    videomae finetune --recipe finetune_k400_base_1600 --data k400 --model runs/pretrain --output_dir runs/finetune
    videomae finetune --recipe auto --data videos --model MCG-NJU/videomae-base-finetuned-kinetics --output_dir run

Validation looks at one view of a video, its middle. At the end the test split, or else the validation videos, are
looked at with all views of the recipe or paper, as by `videomae evaluate OUTPUT_DIR videos --views 5x3`; --test_views
asks for others. Leaves model, processor, metrics.json and trainer_state.json (the curves) in the output folder.
"""

import logging
import sys
from functools import partial

from videomae import cli
from videomae.arguments import (
    FinetuningModelArguments,
    FinetuningVideoArguments,
    OptimizationArguments,
    complete,
    parse_known,
)
from videomae.recipes import recipe_flags

logger = logging.getLogger(__name__)

TYPES = (FinetuningVideoArguments, FinetuningModelArguments, OptimizationArguments)
# VideoMAE's fine-tuning, where it differs from its pre-training.
DEFAULTS = {
    "num_train_epochs": 30,
    "base_learning_rate": 1e-3,
    "min_learning_rate": 1e-6,
    "warmup_epochs": 5,
    "layer_decay": 0.75,
    "adam_beta2": 0.999,
    "label_smoothing_factor": 0.1,
    "drop_path_rate": 0.1,
    "eval_strategy": "epoch",
}


def count_videos(argv: list[str] | None) -> tuple[int, int]:
    from videomae.training_data import count_training_videos

    video, *_ = parse_known(argv, TYPES, description=__doc__, defaults=DEFAULTS)
    return count_training_videos(video, labels=True)


def build_model(
    arguments: FinetuningModelArguments, class_names: list[str], problem_type: str = "single_label_classification"
):
    """The classifier, with the encoder that the arguments name and the classes of the videos."""
    from videomae.classes import labels_of, with_classes
    from videomae.configuration_videomae import VideoMAEConfig
    from videomae.modeling_videomae import VideoMAEForVideoClassification

    labels = labels_of(class_names, problem_type)
    if arguments.checkpoint is None:
        fields = labels | arguments.overrides()
        return VideoMAEForVideoClassification(VideoMAEConfig.preset(arguments.model, **fields))
    if arguments.from_scratch:
        fields = labels | {"use_mean_pooling": True} | arguments.overrides()
        return VideoMAEForVideoClassification(VideoMAEConfig.from_pretrained(arguments.model, **fields))
    model = VideoMAEForVideoClassification.from_pretrained(
        arguments.checkpoint,
        interpolate_positions=arguments.interpolate_positions,
        adapt_channels=arguments.adapt_channels,
        dtype="float32",
        **arguments.overrides(),
    )
    return with_classes(model, class_names, problem_type)


def measure(prediction, *, problem_type: str | None) -> dict[str, float]:
    """The metrics of `videomae evaluate --views 1x1`: one clip is one video here."""
    import torch

    from videomae.evaluation import probabilities
    from videomae.metrics import metrics_of

    scores = probabilities(torch.from_numpy(prediction.predictions), problem_type)
    return metrics_of(scores, prediction.label_ids, problem_type)


def main(argv: list[str] | None = None) -> int:
    defaults = DEFAULTS | recipe_flags(argv, "finetune", count=partial(count_videos, argv))
    video, model_arguments, optimization, rest = parse_known(argv, TYPES, description=__doc__, defaults=defaults)

    from transformers import set_seed

    from videomae import training_data
    from videomae.clips import TrainingClips, ValidationClips
    from videomae.data import ClassificationCollator, make_processor
    from videomae.final_test import NO_TEST, finish, plan_test
    from videomae.rand_augment import RandAugment
    from videomae.training import VideoMAETrainer, VideoMAETrainingArguments, freeze, train_and_save

    if video.validate:
        report = training_data.check_training_videos(video, labels=True)
        print(report)
        return 1 if report.errors else 0

    augment = RandAugment.from_policy(video.rand_augment) if video.rand_augment else None
    training = complete(VideoMAETrainingArguments, optimization, rest, TYPES)
    set_seed(training.seed)

    videos = training_data.open_training_videos(
        video,
        labels=True,
        batch_size=training.per_device_train_batch_size,
        test=video.test_views != NO_TEST,
    )
    if videos.validation is None and training.eval_strategy != "no":
        logger.warning("no validation videos (no val/ split, no --validation_data): the accuracy is not measured")
        training.eval_strategy, training.early_stopping_patience = "no", None
    if videos.problem_type != "single_label_classification":
        training.label_smoothing_factor = 0.0  # spreads a class over the others, of which there may be none
        if video.flip == "swap":
            raise ValueError("--horizontal_flip swap exchanges the classes left and right: for one class a video only")
    if video.balance_classes:
        if training.class_weights is not None:
            raise ValueError("--balance_classes counts the class weights, --class_weights gives them: leave out one")
        training.class_weights = training_data.balanced_class_weights(videos)

    model = build_model(model_arguments, videos.class_names, videos.problem_type)
    freeze(model, model_arguments.trained_blocks)
    processor = make_processor(
        model.config, model_arguments.checkpoint, **model_arguments.statistics(), **video.processor_settings()
    )
    test = plan_test(video.test_views, videos, processor)
    clips = TrainingClips(
        processor,
        videos.class_names,
        augment=augment,
        flip=video.flip,
        erasing=video.erasing,
        repeats=video.repeats,
    )
    train = training_data.make_dataset(videos.train, clips, seed=training.seed, training=video)
    validation = None
    if videos.validation is not None:
        validation = training_data.make_dataset(videos.validation, ValidationClips(processor), seed=training.seed)
    trainer = VideoMAETrainer(
        model,
        training,
        data_collator=ClassificationCollator(),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=processor,
        compute_metrics=partial(measure, problem_type=videos.problem_type),
    )
    metrics = train_and_save(trainer, vars(video) | model_arguments.overrides())
    if metrics is not None and test is not None:
        finish(test, training, metrics)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
