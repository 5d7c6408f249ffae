# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Data sets and short trainings that several tests of the trainer's parts share."""

from functools import partial

import torch

from videomae import VideoMAETrainer
from videomae.clips import sample_generator
from videomae.data import PretrainingCollator
from videomae.masking import tube_mask

# Flags of a tiny network, no two sizes alike.
ENCODER = (
    "--model small --image_size 24 32 --num_frames 4 --patch_size 8 --hidden_size 12 --num_hidden_layers 2 "
    "--num_attention_heads 3 --intermediate_size 20"
).split()
DECODER = (
    "--decoder_hidden_size 10 --decoder_num_hidden_layers 1 --decoder_num_attention_heads 5 "
    "--decoder_intermediate_size 14 --mask_ratio 0.75"
).split()


class Clips(torch.utils.data.Dataset):
    """Pre-training items that, like the real ones, depend on epoch and index alone; remembers what was asked for."""

    def __init__(self, config, length):
        self.shape = (config.num_frames, config.num_channels, *config.frame_size)
        self.mask = partial(tube_mask, config.grid, 0.75)
        self.length, self.epoch, self.asked = length, 0, []

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.asked.append((self.epoch, index))
        generator = sample_generator(7, self.epoch, index)
        clip = torch.randint(256, self.shape, generator=generator, dtype=torch.uint8)
        return {"pixel_values": clip, "bool_masked_pos": self.mask(generator=generator)}


class LabelledClips(Clips):
    def __getitem__(self, index):
        return {"pixel_values": super().__getitem__(index)["pixel_values"], "labels": torch.tensor(index % 7)}


def train(model, args, dataset, *, eval_dataset=None, callbacks=(), **kwargs):
    trainer = VideoMAETrainer(
        model,
        args,
        data_collator=PretrainingCollator(),
        train_dataset=dataset,
        eval_dataset=eval_dataset,
        callbacks=list(callbacks),
    )
    trainer.train(**kwargs)
    return trainer


def logged(trainer, name):
    return [line[name] for line in trainer.state.log_history if name in line]
