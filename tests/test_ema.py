# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The average of the weights: by its formula, validated, saved, and exact after a resume."""

import pytest
import torch
from runs import Clips, logged, train
from transformers import TrainerCallback

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification
from videomae.ema import FOLDER, WeightAverage


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(3)
    return VideoMAEForPreTraining(tiny_config())


def weights_of(model):
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def shake(model):
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight))


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        assert torch.equal(found[name], weight), name


def assert_close(found, wanted):
    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight, msg=name)


def test_every_update_keeps_the_share_and_takes_the_rest_from_the_weights(model):
    average, wanted = WeightAverage(model, 0.7), weights_of(model)
    for _ in range(3):
        shake(model)
        average.update()
        wanted = {name: 0.7 * wanted[name] + 0.3 * weight for name, weight in weights_of(model).items()}
    with average.applied():
        assert_close(weights_of(model), wanted)


def test_the_weights_come_back_to_the_bit(model):
    average = WeightAverage(model, 0.7)
    shake(model)
    before = weights_of(model)
    average.update()
    with average.applied():
        inside = weights_of(model)
        with average.applied():  # again: a save within a validation
            assert_equal(weights_of(model), inside)
        assert_equal(weights_of(model), inside)
    assert_equal(weights_of(model), before)
    average.update()
    average.apply()
    applied = weights_of(model)
    with average.applied():
        assert_equal(weights_of(model), applied)


def test_frozen_weights_have_no_average(tiny_config):
    model = VideoMAEForVideoClassification(tiny_config())
    model.videomae.requires_grad_(False)
    average = WeightAverage(model, 0.5)
    shake(model)
    before = weights_of(model)
    with average.applied():
        changed = {name for name, weight in weights_of(model).items() if not torch.equal(weight, before[name])}
    assert changed == {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert changed and not any(name.startswith("videomae.") for name in changed)


def test_a_saved_average_is_a_model_and_goes_on_from_there(model, tmp_path):
    average = WeightAverage(model, 0.7)
    shake(model)
    average.update()
    with average.applied():
        model.save_pretrained(tmp_path / FOLDER)
        wanted = weights_of(model)
    other = WeightAverage(model, 0.7)
    other.load(tmp_path)
    with other.applied():
        assert_equal(weights_of(model), wanted)


def test_a_checkpoint_without_an_average_is_an_error(model, tmp_path, tiny_config):
    average = WeightAverage(model, 0.7)
    with pytest.raises(ValueError, match=r"has no ema/model.safetensors: that run had no --ema_decay"):
        average.load(tmp_path)
    VideoMAEForVideoClassification(tiny_config()).save_pretrained(tmp_path / FOLDER)
    with pytest.raises(ValueError, match="model.safetensors lacks .*decoder"):
        average.load(tmp_path)


@pytest.mark.parametrize("decay", [0, 1, -0.5])
def test_a_decay_that_is_no_share_is_an_error(model, arguments, decay):
    with pytest.raises(ValueError, match=f"decay is {decay}, wanted more than 0 and less than 1"):
        WeightAverage(model, decay)
    with pytest.raises(ValueError, match=f"--ema_decay is {decay}, wanted more than 0 and less than 1"):
        arguments(ema_decay=decay)


# ---- in a training ----


class Follower(TrainerCallback):
    """Averages by the formula, in float64."""

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.average = {name: weight.double() for name, weight in weights_of(model).items()}

    def on_step_end(self, args, state, control, model=None, **kwargs):
        for name, weight in weights_of(model).items():
            self.average[name] = 0.6 * self.average[name] + 0.4 * weight.double()


def averaged_run(tiny_config, arguments, callbacks=(), resume=None, **overrides):
    torch.manual_seed(0)
    config = tiny_config(drop_path_rate=0.2)
    args = arguments(
        ema_decay=0.6,
        learning_rate=1e-2,
        num_train_epochs=3,
        eval_strategy="epoch",
        save_total_limit=None,
        **overrides,
    )
    return train(
        VideoMAEForPreTraining(config),
        args,
        Clips(config, 5),
        eval_dataset=Clips(config, 3),
        callbacks=callbacks,
        resume_from_checkpoint=resume,
    )


def test_the_average_is_validated_saved_and_left_at_the_end(tiny_config, arguments, tmp_path):
    follower = Follower()
    trainer = averaged_run(tiny_config, arguments, [follower], save_strategy="epoch")
    wanted = {name: weight.float() for name, weight in follower.average.items()}
    assert_close(weights_of(trainer.model), wanted)
    checkpoint = tmp_path / "run" / "checkpoint-6"
    assert_equal(weights_of(VideoMAEForPreTraining.from_pretrained(checkpoint / FOLDER)), weights_of(trainer.model))
    raw = VideoMAEForPreTraining.from_pretrained(checkpoint)
    assert not torch.equal(raw.decoder.head.weight, trainer.model.decoder.head.weight)
    last = logged(trainer, "eval_loss")[-1]
    assert trainer.evaluate()["eval_loss"] == last  # of the average, in training and after it
    trainer.model.load_state_dict(raw.state_dict())
    assert trainer.evaluate()["eval_loss"] != last


@pytest.mark.parametrize("step", [2, 3])  # an epoch's end, and the middle of one
def test_a_resumed_average_is_bit_equal(tiny_config, arguments, tmp_path, step):
    run = {"save_strategy": "steps", "save_steps": 1}
    whole = averaged_run(tiny_config, arguments, **run)
    resumed = averaged_run(tiny_config, arguments, resume=tmp_path / "run" / f"checkpoint-{step}", **run)
    assert_equal(weights_of(resumed.model), weights_of(whole.model))
    assert logged(resumed, "eval_loss") == logged(whole, "eval_loss")


def test_the_best_model_is_the_average_of_its_checkpoint(tiny_config, arguments):
    trainer = averaged_run(tiny_config, arguments, save_strategy="epoch", load_best_model_at_end=True)
    best = VideoMAEForPreTraining.from_pretrained(f"{trainer.state.best_model_checkpoint}/{FOLDER}")
    assert_equal(weights_of(trainer.model), weights_of(best))
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(logged(trainer, "eval_loss")), rel=1e-6)
