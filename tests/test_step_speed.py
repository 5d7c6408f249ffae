# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The training step that is timed is one: forward, backward, and new weights."""

import pytest
import torch

from videomae import step_speed


@pytest.mark.parametrize("finetune", [False, True])
def test_a_step_takes_clips_and_changes_the_weights(tiny_config, finetune, monkeypatch):
    changed = []
    step = torch.optim.AdamW.step

    def watched(optimizer, *arguments):
        before = [parameter.clone() for group in optimizer.param_groups for parameter in group["params"]]
        step(optimizer, *arguments)
        after = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        changed.append(sum(not torch.equal(one, other) for one, other in zip(before, after, strict=True)))

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    assert step_speed.step_clips_per_second(tiny_config(), device="cpu", batch_size=3, finetune=finetune) > 0
    assert len(changed) == step_speed.STEPS + 1
    assert all(changed)
