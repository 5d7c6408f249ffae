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

Validation looks at one view of a video, its middle. Leaves model, processor, metrics.json and trainer_state.json (the
curves) in the output folder; `videomae evaluate` measures it with the paper's views.
"""

import logging
import sys

from videomae import cli
from videomae.arguments import (
    FinetuningModelArguments,
    FinetuningVideoArguments,
    OptimizationArguments,
    complete,
    parse_known,
)

logger = logging.getLogger(__name__)

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


def build_model(arguments: FinetuningModelArguments, class_names: list[str]):
    """The classifier, with the encoder that the arguments name and the classes of the videos."""
    from videomae.configuration_videomae import VideoMAEConfig
    from videomae.modeling_videomae import VideoMAEForVideoClassification

    if arguments.checkpoint is None:
        fields = labels_of(class_names) | arguments.overrides()
        return VideoMAEForVideoClassification(VideoMAEConfig.preset(arguments.model, **fields))
    if arguments.from_scratch:
        fields = labels_of(class_names) | {"use_mean_pooling": True} | arguments.overrides()
        return VideoMAEForVideoClassification(VideoMAEConfig.from_pretrained(arguments.model, **fields))
    model = VideoMAEForVideoClassification.from_pretrained(
        arguments.checkpoint,
        interpolate_positions=arguments.interpolate_positions,
        adapt_channels=arguments.adapt_channels,
        dtype="float32",
        **arguments.overrides(),
    )
    return with_classes(model, class_names)


def labels_of(class_names: list[str]) -> dict:
    """The configuration's fields for these classes."""
    id2label = dict(enumerate(class_names))
    return {"id2label": id2label, "label2id": {name: number for number, name in id2label.items()}}


def with_classes(model, class_names: list[str]):
    """The model itself, its classifier in the order of these classes, or a fresh one where it has others."""
    from torch import nn

    known = [model.config.id2label[number] for number in range(model.config.num_labels)]
    trained = type(model).__name__ in (model.config.architectures or ())  # otherwise its head is fresh anyway
    model.config.update(labels_of(class_names))
    if trained and sorted(known) == sorted(class_names):
        order = [known.index(name) for name in class_names]
        for parameter in model.classifier.parameters():
            parameter.data = parameter.data[order]
        return model
    if trained:
        logger.warning(
            "the classifier was trained for %d other classes (%s …): it is replaced by a fresh one for the %d of the "
            "videos (%s …)",
            *(len(known), ", ".join(known[:3]), len(class_names), ", ".join(class_names[:3])),
        )
    model.num_labels = len(class_names)
    model.classifier = nn.Linear(model.config.hidden_size, model.num_labels)
    model._init_weights(model.classifier)
    return model


def accuracy(prediction) -> dict[str, float]:
    """Accuracies in percent; one clip is one video here."""
    import torch

    from videomae.evaluation import accuracy_metrics

    return accuracy_metrics(torch.from_numpy(prediction.predictions), prediction.label_ids)


def main(argv: list[str] | None = None) -> int:
    types = (FinetuningVideoArguments, FinetuningModelArguments, OptimizationArguments)
    video, model_arguments, optimization, rest = parse_known(argv, types, description=__doc__, defaults=DEFAULTS)

    from transformers import set_seed

    from videomae import training_data
    from videomae.clips import TrainingClips, ValidationClips
    from videomae.data import ClassificationCollator, make_processor
    from videomae.rand_augment import RandAugment
    from videomae.training import VideoMAETrainer, VideoMAETrainingArguments, train_and_save

    if video.validate:
        report = training_data.check_training_videos(video, labels=True)
        print(report)
        return 1 if report.errors else 0

    augment = RandAugment.from_policy(video.rand_augment) if video.rand_augment else None
    training = complete(VideoMAETrainingArguments, optimization, rest)
    set_seed(training.seed)

    videos = training_data.open_training_videos(video, labels=True, batch_size=training.per_device_train_batch_size)
    if videos.validation is None and training.eval_strategy != "no":
        logger.warning("no validation videos (no val/ split, no --validation_data): the accuracy is not measured")
        training.eval_strategy = "no"

    model = build_model(model_arguments, videos.class_names)
    processor = make_processor(
        model.config, model_arguments.checkpoint, **model_arguments.statistics(), **video.processor_settings()
    )
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
        compute_metrics=accuracy,
    )
    train_and_save(trainer)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
