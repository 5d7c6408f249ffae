# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""How many clips a second one training step takes: what the data path has to keep up with."""

import statistics
import time

import torch

from .configuration_videomae import VideoMAEConfig
from .masking import positions_from_mask, tube_mask
from .modeling_videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification

MASK_RATIO = 0.9
STEPS = 5  # after one that is not counted


def step_clips_per_second(config: VideoMAEConfig, *, device: str, batch_size: int, finetune: bool = False) -> float:
    """Median over a few steps, forward, backward and AdamW, of new weights and noise; bfloat16 autocast on a GPU.

    `batch_size` is in clips.
    """
    device = torch.device(device)
    model = (VideoMAEForVideoClassification if finetune else VideoMAEForPreTraining)(config).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    batch = {name: tensor.to(device) for name, tensor in _batch(config, batch_size, finetune).items()}
    times = [_step(model, optimizer, batch) for _ in range(STEPS + 1)]
    return batch_size / statistics.median(times[1:])


def _batch(config: VideoMAEConfig, batch_size: int, finetune: bool) -> dict[str, torch.Tensor]:
    shape = (batch_size, config.num_frames, config.num_channels, *config.frame_size)
    batch = {"pixel_values": torch.randint(256, shape, dtype=torch.uint8)}
    if finetune:
        return batch | {"labels": torch.zeros(batch_size, dtype=torch.int64)}
    visible, decoded = positions_from_mask(tube_mask(config.grid, MASK_RATIO, batch=batch_size), None)
    return batch | {"visible_positions": visible, "decoded_positions": decoded}


def _step(model, optimizer, batch: dict[str, torch.Tensor]) -> float:
    """Seconds of one step."""
    device = batch["pixel_values"].device
    began = time.perf_counter()
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        loss = model(**batch).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # kernels are queued: wait until they ran
    return time.perf_counter() - began


__all__ = ["step_clips_per_second"]
