# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The official schedule, groups and scaling, and a Trainer that follows them exactly, also after a resume."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from runs import Clips, LabelledClips, logged, train
from safetensors.torch import load_file
from transformers import TrainerControl, TrainerState

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAETrainer, training
from videomae.bad_videos import BadVideos, UnreadableVideoError
from videomae.conversion import convert_checkpoint
from videomae.data import ClassificationCollator, PretrainingCollator
from videomae.mixing import batch_generator
from videomae.modeling_videomae import classification_loss
from videomae.training import (
    BadVideosCallback,
    VideoMAETrainingArguments,
    cosine_schedule,
    layer_scale,
    parameter_groups,
    train_and_save,
)
from videomae.video import VideoDecodeError

# ---- arithmetic ----


def test_schedules_are_the_official_tables(golden):
    for table in json.loads((golden / "schedules.json").read_text())["cosine"].values():
        values = table.pop("values")
        np.testing.assert_allclose(cosine_schedule(table.pop("base"), table.pop("final"), **table), values, rtol=1e-12)


def test_the_warm_up_includes_both_ends():
    rates = cosine_schedule(0.8, 0.1, epochs=5, steps_per_epoch=3, warmup_epochs=2)
    assert rates.shape == (15,) and rates.dtype == np.float64
    np.testing.assert_allclose(rates[:7], [0, 0.16, 0.32, 0.48, 0.64, 0.8, 0.8], rtol=1e-12)
    assert (np.diff(rates[6:]) < 0).all() and rates[-1] > 0.1


def test_without_warm_up_the_schedule_starts_at_its_peak():
    assert cosine_schedule(0.8, 0.1, epochs=2, steps_per_epoch=3, warmup_epochs=0)[0] == 0.8


def test_a_warm_up_longer_than_the_training_raises_with_both_lengths():
    with pytest.raises(ValueError, match="20 steps .*is longer than the training of 15 steps"):
        cosine_schedule(0.8, 0.1, epochs=3, steps_per_epoch=5, warmup_epochs=4)


def test_layer_scales_are_the_official_ones(golden):
    ours = {
        "patch_embed.proj": "videomae.embeddings.patch_embeddings.projection",
        "blocks.": "videomae.encoder.layer.",
        "head": "classifier",
    }
    for table in json.loads((golden / "schedules.json").read_text())["layer_decay"].values():
        for name, scale in table["scale"].items():
            for official, own in ours.items():
                name = name.replace(official, own)
            found = layer_scale(name, num_layers=table["depth"], layer_decay=table["decay"])
            assert found == pytest.approx(scale, rel=1e-12), name


def test_the_mask_token_counts_as_an_embedding_and_the_decoder_as_a_head():
    scale = partial(layer_scale, num_layers=3, layer_decay=0.5)
    assert scale("mask_token") == scale("videomae.embeddings.x.weight") == scale("embeddings.x.weight") == 0.5**4
    assert scale("encoder.layer.2.a.weight") == scale("videomae.encoder.layer.2.a.weight") == 0.5
    assert scale("decoder.decoder_layers.0.a.weight") == scale("videomae.layernorm.weight") == 1


@pytest.mark.parametrize("layer_decay", [None, 0.5])
@pytest.mark.parametrize("weight_decay", [0.05, 0.0])
def test_every_trained_parameter_is_in_one_group_and_only_matrices_decay(tiny_config, layer_decay, weight_decay):
    model = VideoMAEForPreTraining(tiny_config())
    model.encoder_to_decoder.weight.requires_grad_(False)
    groups = parameter_groups(model, learning_rate=0.2, weight_decay=weight_decay, layer_decay=layer_decay)
    names = {parameter: name for name, parameter in model.named_parameters()}
    placed = {names[parameter]: group for group in groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(placed)
    assert set(placed) == set(names.values()) - {"encoder_to_decoder.weight"}
    assert groups[0]["lr"] == pytest.approx(0.2)  # the one that the Trainer logs
    free = {name for name in placed if name == "mask_token" or "bias" in name or "norm" in name}
    for name, group in placed.items():
        scale = 1 if layer_decay is None else layer_scale(name, num_layers=2, layer_decay=layer_decay)
        assert group["lr"] == pytest.approx(0.2 * scale), name
        assert group["weight_decay"] == (0 if name in free else weight_decay), name
    torch.optim.AdamW(groups)


# ---- arguments ----


def test_learning_rates_scale_with_the_total_batch(arguments):
    args = arguments(
        base_learning_rate=1e-3,
        min_learning_rate=1e-5,
        per_device_train_batch_size=16,
        gradient_accumulation_steps=4,
    )
    assert args.total_batch_size == 64
    assert args.learning_rate == pytest.approx(1e-3 * 64 / 256) and args.final_learning_rate == pytest.approx(2.5e-6)


def test_a_given_learning_rate_is_taken_as_it_is(arguments):
    assert arguments(learning_rate=0.3).learning_rate == 0.3


def test_a_learning_rate_below_the_end_of_the_cosine_raises_with_both(arguments):
    rates = {"learning_rate": 1e-7, "per_device_train_batch_size": 16}
    with pytest.raises(ValueError, match=r"learning_rate is 1e-07, but the cosine ends at 6.25e-07 \(min_learning"):
        arguments(**rates, min_learning_rate=1e-5)
    assert arguments(**rates, min_learning_rate=0).final_learning_rate == 0


def test_defaults_are_those_of_videomae_s_pre_training(tmp_path):
    args = VideoMAETrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    assert (args.adam_beta1, args.adam_beta2, args.adam_epsilon, args.weight_decay) == (0.9, 0.95, 1e-8, 0.05)
    assert (args.max_grad_norm, args.warmup_epochs, args.num_train_epochs) == (0, 40, 800)
    assert args.bf16 is False and args.remove_unused_columns is False


def test_all_complaints_about_the_arguments_come_in_one_error(arguments):
    with pytest.raises(ValueError) as error:
        arguments(
            warmup_epochs=3,
            warmup_steps=5,
            dataloader_drop_last=True,
            lr_scheduler_type="linear",
            lr_scheduler_kwargs={"num_cycles": 2},
            layer_decay=2.0,
        )
    for part in ("warmup_epochs 3", "num_cycles", "warmup_steps is 5", "drop_last", "'linear'", "layer_decay is 2.0"):
        assert part in str(error.value)


# ---- trainer ----


def test_thirty_official_steps_are_reproduced(golden, arguments, tmp_path):
    run = load_file(golden / "official_training_run.safetensors")
    start = convert_checkpoint(
        golden / "official_training_start.pth",
        tmp_path / "start",
        num_attention_heads=3,
        decoder_num_attention_heads=3,
        image_size=32,
    )
    model = VideoMAEForPreTraining.from_pretrained(start)
    clips = [
        {"pixel_values": run["videos_uint8"][video], "bool_masked_pos": mask}
        for videos, masks in zip(run["order"], run["masks"], strict=True)
        for video, mask in zip(videos, masks, strict=True)
    ]
    args = arguments(
        num_train_epochs=1,
        per_device_train_batch_size=4,
        learning_rate=1.0,
        train_sampling_strategy="sequential",
    )
    trainer = VideoMAETrainer(model, args, train_dataset=clips)
    trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
        trainer.create_optimizer(), lambda step: run["lr"][min(step, 29)].item()
    )
    trainer.train()
    np.testing.assert_allclose(logged(trainer, "loss"), run["losses"].numpy(), rtol=1e-5)
    np.testing.assert_allclose(logged(trainer, "grad_norm"), run["grad_norms"].numpy(), rtol=1e-4)
    final = {
        "encoder.blocks.1.attn.q_bias": "videomae.encoder.layer.1.attention.attention.query.bias",
        "encoder.norm.weight": "videomae.layernorm.weight",
        "encoder_to_decoder.weight": "encoder_to_decoder.weight",
        "mask_token": "mask_token",
    }
    for official, own in final.items():
        torch.testing.assert_close(model.get_parameter(own), run[f"final.{official}"], rtol=0, atol=1e-4)


def test_the_trainer_follows_the_schedule_over_floored_epochs(tiny_config, arguments):
    config = tiny_config()
    args = arguments(
        num_train_epochs=3, gradient_accumulation_steps=2, base_learning_rate=0.32, min_learning_rate=0.064
    )
    trainer = train(VideoMAEForPreTraining(config), args, Clips(config, 11))  # 11 clips: 2 steps of 4 an epoch
    expected = cosine_schedule(0.005, 0.001, epochs=3, steps_per_epoch=2, warmup_epochs=1)
    np.testing.assert_allclose(logged(trainer, "learning_rate"), expected, rtol=1e-9)


def test_layer_decay_reaches_the_optimizer(tiny_config, arguments):
    config = tiny_config()
    model = VideoMAEForVideoClassification(config)
    args = arguments(layer_decay=0.5, learning_rate=0.1)
    optimizer = VideoMAETrainer(model, args, train_dataset=LabelledClips(config, 4)).create_optimizer()
    rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert rates[model.classifier.weight] == pytest.approx(0.1)
    assert rates[model.videomae.embeddings.patch_embeddings.projection.weight] == pytest.approx(0.1 * 0.5**3)
    assert optimizer.defaults["betas"] == (0.9, 0.95)


def test_accumulated_small_batches_give_the_weights_of_one_large_batch(tiny_config, arguments):
    config = tiny_config()
    start = VideoMAEForPreTraining(config).state_dict()
    weights = []
    for batch, accumulation in ((4, 1), (2, 2)):
        model = VideoMAEForPreTraining(config)
        model.load_state_dict(start)
        args = arguments(
            optim="sgd",
            learning_rate=0.5,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
        )
        trainer = train(model, args, Clips(config, 9))
        assert trainer.state.global_step == 4
        weights.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("checkpoint", [4, 5])  # an epoch's end, and the middle of one
def test_a_resumed_run_is_bit_equal(tiny_config, arguments, tmp_path, workers, checkpoint):
    config = tiny_config(hidden_dropout_prob=0.1, drop_path_rate=0.2)
    args = arguments(
        num_train_epochs=4,
        learning_rate=1e-2,
        gradient_accumulation_steps=2,
        dataloader_num_workers=workers,
        save_strategy="steps",
        save_steps=1,
        save_total_limit=None,
    )
    torch.manual_seed(0)
    whole = train(VideoMAEForPreTraining(config), args, Clips(config, 9))
    assert whole.state.global_step == 8
    clips = Clips(config, 9)
    path = tmp_path / "run" / f"checkpoint-{checkpoint}"
    resumed = train(VideoMAEForPreTraining(config), args, clips, resume_from_checkpoint=str(path))
    for name, parameter in whole.model.named_parameters():
        assert torch.equal(parameter, resumed.model.get_parameter(name)), name
    assert logged(whole, "loss") == logged(resumed, "loss")
    if workers == 0:
        assert {epoch for epoch, _ in clips.asked} == set(range(checkpoint // 2, 4))


def test_pre_training_evaluation_reports_the_loss_of_every_clip(tiny_config, arguments):
    config = tiny_config()
    model = VideoMAEForPreTraining(config)
    clips = Clips(config, 5)
    trainer = VideoMAETrainer(
        model, arguments(per_device_eval_batch_size=2), data_collator=PretrainingCollator(), eval_dataset=clips
    )
    loss = trainer.evaluate()["eval_loss"]
    with torch.no_grad():
        expected = np.mean([model(**PretrainingCollator()([clips[index]])).loss.item() for index in range(5)])
    assert loss == pytest.approx(expected, rel=1e-5)


def test_validation_keeps_the_videos_that_training_would_drop(tiny_config, arguments):
    config = tiny_config()
    clips = LabelledClips(config, 5)
    trainer = VideoMAETrainer(
        VideoMAEForVideoClassification(config),
        arguments(per_device_eval_batch_size=2),
        data_collator=ClassificationCollator(),
        train_dataset=clips,
    )
    assert trainer.predict(clips).label_ids.tolist() == [0, 1, 2, 3, 4]
    assert len(trainer.get_train_dataloader()) == 2


def test_smoothing_and_class_weights_shape_the_training_loss_only(tiny_config, arguments):
    config = tiny_config(classifier_init_scale=50.0)
    model = VideoMAEForVideoClassification(config)
    weights = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    args = arguments(label_smoothing_factor=0.3, class_weights=weights)
    trainer = VideoMAETrainer(model, args, train_dataset=LabelledClips(config, 4))
    batch = ClassificationCollator()([trainer.train_dataset[index] for index in range(4)])
    with torch.no_grad():
        logits = model.eval()(batch["pixel_values"]).logits
    shaped = classification_loss(logits, batch["labels"], label_smoothing=0.3, class_weights=torch.tensor(weights))
    torch.testing.assert_close(trainer.compute_loss(model.train(), dict(batch)), shaped)
    plain = classification_loss(logits, batch["labels"])
    torch.testing.assert_close(trainer.compute_loss(model.eval(), dict(batch)), plain)
    assert abs(float(shaped) - float(plain)) > 1e-3


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0] * 6 + [-1.0]])
def test_class_weights_that_do_not_fit_the_classes_raise(tiny_config, arguments, weights):
    model = VideoMAEForVideoClassification(tiny_config())
    with pytest.raises(ValueError, match="wanted 7 numbers of 0 or more"):
        VideoMAETrainer(model, arguments(class_weights=weights))


# ---- mixup and CutMix ----


def test_mixed_batches_have_soft_labels_in_training_only(tiny_config, arguments, monkeypatch):
    config = tiny_config()
    trainer = VideoMAETrainer(
        VideoMAEForVideoClassification(config),
        arguments(mixup=0.8, cutmix=1.0, label_smoothing_factor=0.1),
        data_collator=ClassificationCollator(),
        train_dataset=LabelledClips(config, 4),
    )
    batch = ClassificationCollator()([LabelledClips(config, 4)[index] for index in range(4)])
    trainer.model.eval()
    plain = trainer.compute_loss(trainer.model, batch)
    assert torch.equal(plain, trainer.model(**batch).loss)
    trainer.model.train()
    mixed, outputs = trainer.compute_loss(trainer.model, batch, return_outputs=True)
    clips, labels = trainer.mixing(
        batch["pixel_values"], batch["labels"], generator=batch_generator(trainer.args.seed, 0, 0, 0)
    )
    assert not torch.equal(clips, batch["pixel_values"]) and labels.shape == (4, 7)
    assert torch.equal(outputs.logits, trainer.model(pixel_values=clips).logits)
    assert torch.equal(mixed, classification_loss(outputs.logits, labels))
    trainer.current_gradient_accumulation_steps = 1  # the loop's
    first, second = (trainer.training_step(trainer.model, batch) for _ in range(2))
    assert torch.equal(first, mixed) and not torch.equal(second, mixed)  # the next forward pass is mixed anew


def test_a_resumed_run_with_mixing_is_bit_equal(tiny_config, arguments, tmp_path):
    config = tiny_config()
    args = arguments(
        mixup=0.8, cutmix=1.0, gradient_accumulation_steps=2, save_strategy="steps", save_steps=1, learning_rate=1e-2
    )

    def run(**kwargs):
        torch.manual_seed(0)
        model, dataset = VideoMAEForVideoClassification(config), LabelledClips(config, 8)
        trainer = VideoMAETrainer(model, args, data_collator=ClassificationCollator(), train_dataset=dataset)
        trainer.train(**kwargs)
        return trainer

    whole = run()
    resumed = run(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-3"))
    for name, parameter in whole.model.named_parameters():
        assert torch.equal(parameter, resumed.model.get_parameter(name)), name
    assert logged(whole, "loss") == logged(resumed, "loss")


def test_mixing_is_refused_where_a_video_has_no_single_class(tiny_config, arguments):
    config = tiny_config()
    with pytest.raises(ValueError, match="mixup and cutmix are for classification"):
        VideoMAETrainer(VideoMAEForPreTraining(config), arguments(mixup=0.8), train_dataset=Clips(config, 4))
    config = tiny_config(problem_type="multi_label_classification")
    with pytest.raises(ValueError, match="mixup and cutmix are for classification"):
        VideoMAETrainer(VideoMAEForVideoClassification(config), arguments(cutmix=1.0))


def test_the_log_tells_the_share_of_the_time_spent_waiting_for_data(tiny_config, arguments, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("videomae.training.time.perf_counter", lambda: clock[0])

    class Slow(Clips):
        def __getitem__(self, index):
            clock[0] += 3  # seconds for a clip, two clips a step
            return super().__getitem__(index)

    class Model(VideoMAEForPreTraining):
        def forward(self, **inputs):
            clock[0] += 2  # seconds for a step
            return super().forward(**inputs)

    config = tiny_config()
    trainer = train(Model(config), arguments(num_train_epochs=1, warmup_epochs=0), Slow(config, 6))
    # accelerate fetches a batch ahead: two at the first step, none at the last
    assert logged(trainer, "data_wait") == [round(12 / 14, 3), round(6 / 8, 3), 0.0]


# ---- videos that were left out ----


class SomeBad(Clips):
    """Some of the clips were left out, as a data set of videos does it."""

    def __init__(self, config, length, bad=(), total=200, max_bad_share=0.02):
        super().__init__(config, length)
        self.numbers = bad
        self.bad = BadVideos(total, "{}.mp4".format, on_bad_video="skip", max_bad_share=max_bad_share)

    def __getitem__(self, index):
        if index in self.numbers and index not in self.bad:
            self.bad.note(index, VideoDecodeError(f"{index}.mp4", "damaged"))
        return super().__getitem__(index)


def test_the_log_counts_the_videos_that_were_left_out_from_the_first_on(tiny_config, arguments):
    config = tiny_config()
    args = arguments(num_train_epochs=1, train_sampling_strategy="sequential", warmup_epochs=0)
    trainer = train(VideoMAEForPreTraining(config), args, SomeBad(config, 8, bad=(5, 6)))
    assert [line.get("bad_videos") for line in trainer.state.log_history if "loss" in line][0] is None
    assert logged(trainer, "bad_videos")[-1] == 2
    assert not logged(train(VideoMAEForPreTraining(config), args, SomeBad(config, 8)), "bad_videos")


def test_what_was_left_out_before_a_resume_is_known_and_written_down(tiny_config, arguments, tmp_path):
    config = tiny_config()
    args = {"num_train_epochs": 1, "warmup_epochs": 0, "train_sampling_strategy": "sequential", "logging_steps": 100}
    first = arguments(**args, save_strategy="steps", save_steps=2)
    train(VideoMAEForPreTraining(config), first, SomeBad(config, 8, bad=(0, 7)))
    checkpoint = str(tmp_path / "run" / "checkpoint-2")
    resumed = SomeBad(config, 8)
    trainer = VideoMAETrainer(
        VideoMAEForPreTraining(config),
        arguments(**args, resume_from_checkpoint=checkpoint),
        data_collator=PretrainingCollator(),
        train_dataset=resumed,
    )
    train_and_save(trainer)
    assert {index for _, index in resumed.asked} == {4, 5, 6, 7}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["bad_videos"] == ["0.mp4"]


def test_the_processes_of_a_run_count_together(tiny_config, monkeypatch):
    mine, other = (SomeBad(tiny_config(), 8).bad for _ in range(2))
    for bad, numbers in ((mine, (1, 2, 3)), (other, (3, 4, 5))):
        for number in numbers:
            bad.note(number, VideoDecodeError("x", "damaged"))
    monkeypatch.setattr(training, "gather_object", lambda found: found + other.state())
    state, control = TrainerState(), TrainerControl()
    BadVideosCallback(mine).on_step_end(None, state, control)
    assert len(mine) == 3
    control.should_log = True
    with pytest.raises(UnreadableVideoError, match="5 of 200 videos do not decode, 4 may be skipped"):
        BadVideosCallback(mine).on_step_end(None, state, control)
    resumed = SomeBad(tiny_config(), 8).bad
    BadVideosCallback(resumed).on_train_begin(None, state, control)
    assert resumed.names == [f"{number}.mp4" for number in range(1, 6)]


def test_the_model_is_saved_whatever_the_last_validation_and_the_data_set_say(tiny_config, arguments, tmp_path):
    config = tiny_config()
    args = arguments(num_train_epochs=1, warmup_epochs=0)
    clips, collator = Clips(config, 4), PretrainingCollator()
    trainer = VideoMAETrainer(VideoMAEForPreTraining(config), args, data_collator=collator, train_dataset=clips)
    train_and_save(trainer)
    assert "bad_videos" not in json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "run" / "model.safetensors").unlink()
    trainer.eval_dataset = [{"pixel_values": None}]
    with pytest.raises(Exception, match="."):
        train_and_save(trainer)
    assert (tmp_path / "run" / "model.safetensors").is_file()
