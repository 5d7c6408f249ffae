# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Pre-train a VideoMAE: hide most of each clip, let the network reconstruct it. Labels are not needed.

From scratch, on a folder of videos:
    videomae pretrain --data videos --model small --output_dir runs/pretrain --num_train_epochs 400

Go on from a checkpoint, with VideoMAE V2's decoder masks:
    videomae pretrain --data videos --model MCG-NJU/videomae-base --decoder_mask_ratio 0.5 --output_dir runs/pretrain

On eight GPUs, with a total batch of 8 x 32 x 4 = 1024 clips:
    accelerate launch --multi_gpu --num_processes 8 scripts/run_pretraining.py \\
        --data videos --output_dir runs/pretrain --per_device_train_batch_size 32 \\
        --gradient_accumulation_steps 4

As the paper did, on as many GPUs as there are (`videomae recipes` lists the rows):
    videomae pretrain --recipe pretrain_k400_base_1600 --data k400 --output_dir runs/pretrain

What is wrong with the videos' list, before it costs a night:
    videomae pretrain --data videos.csv --output_dir runs/pretrain --validate true

Is it working? Every 5 epochs, with what the features tell of the classes of other videos (docs/health.md):
    videomae pretrain --data videos --output_dir runs/pretrain --health_epochs 5 --health_data labelled

Leaves model, processor, metrics.json, trainer_state.json (the loss curve) and health.json in the output folder.
"""

import sys
from functools import partial

from videomae import cli
from videomae.arguments import (
    HealthArguments,
    OptimizationArguments,
    PretrainingModelArguments,
    PretrainingVideoArguments,
    complete,
    parse_known,
)
from videomae.recipes import recipe_flags

TYPES = (PretrainingVideoArguments, PretrainingModelArguments, OptimizationArguments, HealthArguments)


def count_videos(argv: list[str] | None) -> tuple[int, int]:
    from videomae.training_data import count_training_videos

    video, *_ = parse_known(argv, TYPES, description=__doc__)
    return count_training_videos(video, labels=False)


def build_model(arguments: PretrainingModelArguments):
    from videomae.configuration_videomae import VideoMAEConfig
    from videomae.modeling_videomae import VideoMAEForPreTraining

    if arguments.checkpoint is None:
        config = VideoMAEConfig.preset(arguments.model, decoder=arguments.decoder, **arguments.overrides())
        return VideoMAEForPreTraining(config)
    return VideoMAEForPreTraining.from_pretrained(
        arguments.checkpoint,
        interpolate_positions=arguments.interpolate_positions,
        adapt_channels=arguments.adapt_channels,
        dtype="float32",
        **arguments.overrides(),
    )


def build_masks(arguments: PretrainingVideoArguments, grid: tuple[int, int, int]) -> dict:
    """What draws the masks of a clip. Raises ValueError where they do not fit the grid: here, not in a worker."""
    import torch

    from videomae import masking

    mask = partial(masking.ENCODER_MASKS[arguments.mask], grid, arguments.mask_ratio)
    decoder_mask = None
    if arguments.decoder_mask_ratio:
        decoder_mask = partial(masking.drawn_running_cell_mask, grid, arguments.decoder_mask_ratio)
    for draw in (mask, decoder_mask):
        if draw is not None:
            draw(generator=torch.Generator())
    return {"mask": mask, "decoder_mask": decoder_mask}


def main(argv: list[str] | None = None) -> int:
    defaults = recipe_flags(argv, "pretrain", count=partial(count_videos, argv))
    video, model_arguments, optimization, health, rest = parse_known(
        argv, TYPES, description=__doc__, defaults=defaults
    )

    from transformers import set_seed

    from videomae import training_data
    from videomae.clips import PretrainingClips
    from videomae.data import PretrainingCollator, make_processor
    from videomae.health import health_callback
    from videomae.training import VideoMAETrainer, VideoMAETrainingArguments, train_and_save

    if video.validate:
        report = training_data.check_training_videos(video, labels=False)
        print(report)
        return 1 if report.errors else 0

    training = complete(VideoMAETrainingArguments, optimization, rest, TYPES)
    set_seed(training.seed)

    videos = training_data.open_training_videos(video, labels=False, batch_size=training.per_device_train_batch_size)
    model = build_model(model_arguments)
    processor = make_processor(
        model.config, model_arguments.checkpoint, **model_arguments.statistics(), **video.processor_settings()
    )
    clips = partial(PretrainingClips, processor, **build_masks(video, model.config.grid))
    train = training_data.make_dataset(videos.train, clips(repeats=video.repeats), seed=training.seed, training=video)
    validation = None
    if videos.validation is not None:
        validation = training_data.make_dataset(videos.validation, clips(), seed=training.seed)
    trainer = VideoMAETrainer(
        model,
        training,
        data_collator=PretrainingCollator(),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=processor,
    )
    if health.health_epochs:
        seen = validation
        if seen is None:
            seen = training_data.make_dataset(videos.train, clips(), seed=training.seed, training=video)
        trainer.add_callback(health_callback(trainer, seen, health))
    train_and_save(trainer, vars(video) | model_arguments.overrides())
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
