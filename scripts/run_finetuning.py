# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Train a video classifier: from a pre-trained model, from another classifier, or from scratch.

The class folders (class/video.mp4) or a list (`path label`) name the classes:
    videomae finetune --data videos --model runs/pretrain --output_dir runs/finetune --num_train_epochs 50

The same network without its pre-training, to see what that is worth:
    videomae finetune --data videos --model runs/pretrain --from_scratch --layer_decay 1 --output_dir runs/scratch

On eight GPUs, with a total batch of 8 x 8 = 64 clips:
    accelerate launch --multi_gpu --num_processes 8 scripts/run_finetuning.py --data videos --output_dir runs/finetune

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

    from videomae import data, listing
    from videomae.clips import TrainingClips, ValidationClips
    from videomae.training import VideoMAETrainer, VideoMAETrainingArguments, train_and_save

    training = complete(VideoMAETrainingArguments, optimization, rest)
    set_seed(training.seed)

    names = listing.read_class_names(video.class_names) if video.class_names else None
    train_videos, validation_videos = listing.load_training_videos(
        video.data, video.validation_data, class_names=names
    )
    if validation_videos is None and training.eval_strategy != "no":
        logger.warning("no validation videos (no val/ split, no --validation_data): the accuracy is not measured")
        training.eval_strategy = "no"

    model = build_model(model_arguments, listing.class_names(train_videos))
    processor = data.make_processor(
        model.config, model_arguments.checkpoint, frame_stride=video.frame_stride, sampling=video.sampling
    )
    train_dataset = data.VideoDataset(
        train_videos,
        TrainingClips(processor, listing.class_names(train_videos), flip=video.horizontal_flip, repeats=video.repeats),
        seed=training.seed,
        on_bad_video=video.on_bad_video,
        max_bad_share=video.max_bad_share,
    )
    validation_dataset = None
    if validation_videos:
        validation_dataset = data.VideoDataset(validation_videos, ValidationClips(processor))
    trainer = VideoMAETrainer(
        model,
        training,
        data_collator=data.ClassificationCollator(),
        train_dataset=train_dataset,
        eval_dataset=validation_dataset,
        processing_class=processor,
        compute_metrics=accuracy,
    )
    train_and_save(trainer)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
