# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What a pre-training is told about itself: trivial guesses, verdict, history; and that it is not touched."""

import json
import math
import os
import random
import socket
import subprocess
import sys
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from videomae import VideoMAEForPreTraining, VideoMAETrainer, health
from videomae.arguments import HealthArguments
from videomae.clips import sample_generator
from videomae.data import PretrainingCollator, make_processor
from videomae.health import (
    Check,
    HealthCallback,
    baseline_losses,
    clip_deviation,
    health_callback,
    open_labelled_videos,
)
from videomae.masking import drawn_running_cell_mask, tube_mask
from videomae.scripts import run_pretraining
from videomae.training import VideoMAETrainingArguments

ROOT = Path(__file__).resolve().parent.parent


# ---- the guesses ----


def batch_of(config, size, seed, *, decoder_mask=None):
    """Clips of 8 bits with their masks, in which no two patches are alike."""
    generator = torch.Generator().manual_seed(seed)
    shape = (config.num_frames, config.num_channels, *config.frame_size)
    items = []
    for _ in range(size):
        clip = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
        item = {"pixel_values": clip, "bool_masked_pos": tube_mask(config.grid, 0.75, generator=generator)}
        if decoder_mask is not None:
            item["bool_decoded_pos"] = decoder_mask(generator=generator)
        items.append(item)
    return PretrainingCollator()(items)


def targets_of(clip, config):
    """(N, P) float64, by loops over the patches."""
    (t, h, w), (height, width) = config.grid, config.patch_shape
    clip, targets = clip.numpy() / 255, []
    for i, j, k in np.ndindex(t, h, w):
        patch = clip[
            i * config.tubelet_size : (i + 1) * config.tubelet_size,
            :,
            j * height : (j + 1) * height,
            k * width : (k + 1) * width,
        ]
        pixels = patch.transpose(0, 2, 3, 1).reshape(-1, config.num_channels)
        if config.norm_pix_loss:
            pixels = (pixels - pixels.mean(0)) / (pixels.std(0, ddof=1) + 1e-6)
        targets.append(pixels.reshape(-1))
    return np.stack(targets)


@pytest.mark.parametrize("norm_pix_loss", [True, False])
@pytest.mark.parametrize("decoder", ["v1", "v2"])
def test_the_trivial_guesses_are_measured_as_the_network_is(tiny_config, norm_pix_loss, decoder):
    config = tiny_config(
        norm_pix_loss=norm_pix_loss,
        num_channels=2,
        image_mean=[0.3, 0.6],
        image_std=[0.2, 0.1],
        image_size=[32, 16],
    )
    decoder_mask = partial(drawn_running_cell_mask, config.grid, 0.5) if decoder == "v2" else None
    batches = [batch_of(config, 3, 0, decoder_mask=decoder_mask), batch_of(config, 1, 1, decoder_mask=decoder_mask)]
    zero, mean, uncounted = [], [], 0
    for batch in batches:
        errors = {"zero": [], "mean": []}
        for clip, visible, decoded in zip(*batch.values(), strict=True):
            targets = targets_of(clip, config)
            guess = targets[visible].mean(0)
            hidden = sorted(set(decoded.tolist()) - set(visible.tolist()))
            uncounted += len(decoded) - len(hidden)
            errors["zero"] += [(targets[n] ** 2).mean() for n in hidden]
            errors["mean"] += [((targets[n] - guess) ** 2).mean() for n in hidden]
        zero.append(np.mean(errors["zero"]))
        mean.append(np.mean(errors["mean"]))
    found = baseline_losses(VideoMAEForPreTraining(config), batches)
    assert found.zero == pytest.approx((3 * zero[0] + zero[1]) / 4, rel=1e-5)
    assert found.visible_mean == pytest.approx((3 * mean[0] + mean[1]) / 4, rel=1e-5)
    assert found.best == min(found.zero, found.visible_mean)
    assert bool(uncounted) == (decoder == "v2")  # which decodes patches that are seen, too, and does not count them


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_how_clips_differ_is_told_of_what_the_network_sees(tiny_config, dtype):
    config = tiny_config(image_mean=[0.3, 0.5, 0.6], image_std=[0.2, 0.1, 0.4])
    clips = torch.randint(256, (5, 4, 3, 24, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mean, std = np.array(config.image_mean)[:, None, None], np.array(config.image_std)[:, None, None]
    seen = (clips.numpy() / 255 - mean) / std
    given = clips if dtype == torch.uint8 else torch.from_numpy(seen).float()
    seen = seen.reshape(5, -1)
    expected = np.sqrt(seen.var(0).sum() / (seen**2).sum(1).mean())
    assert clip_deviation([{"pixel_values": given[:4]}, {"pixel_values": given[4:]}], config) == pytest.approx(
        expected
    )
    assert clip_deviation([{"pixel_values": given[:1].expand(3, -1, -1, -1, -1)}], config) < 1e-6


# ---- the verdict ----

HEALTHY = Check(step=40, epoch=4.0, loss=0.6, zero=1.0, visible_mean=1.2, deviation=0.2, clip_deviation=0.5, rank=5.0)


@pytest.mark.parametrize(
    ("change", "early", "late"),
    [
        ({}, "learning", "learning"),
        ({"loss": 0.94}, "learning", "learning"),
        ({"loss": 0.96}, "too early to tell", "at the trivial baseline"),
        ({"loss": 1.1, "zero": 1.5}, "learning", "learning"),
        ({"loss": 1.16, "zero": 1.5}, "too early to tell", "at the trivial baseline"),
        ({"loss": 3.0}, "too early to tell", "at the trivial baseline"),
        ({"deviation": 0.009}, "collapsed", "collapsed"),
        ({"deviation": 0.011}, "learning", "learning"),
        ({"deviation": 0.009, "clip_deviation": 0.04}, "learning", "learning"),  # the clips differ as little
        ({"deviation": 0.0, "clip_deviation": 0.0}, "learning", "learning"),
        ({"loss": math.nan, "deviation": math.nan}, "diverged", "diverged"),
        ({"loss": 0.0, "zero": 0.0, "visible_mean": 0.0}, "too early to tell", "at the trivial baseline"),
    ],
)
def test_the_verdict_is_about_the_better_guess_and_about_the_spread_of_features(change, early, late):
    check = replace(HEALTHY, **change)
    assert (check.verdict(is_early=True), check.verdict(is_early=False)) == (early, late)


def test_the_sentence_has_the_numbers_and_those_of_the_check_before():
    check = replace(HEALTHY, knn=41.0, linear_probe=52.5, chance=12.5)
    before = replace(HEALTHY, epoch=2.0, loss=1.1)
    assert check.sentence("learning", num_clips=7, before=before) == (
        "health at epoch 4: learning: loss 0.600 on 7 fixed clips, 40 % less than the better trivial guess (0: 1.00, "
        "mean of the visible patches: 1.20), 10 % more at epoch 2; features differ by 20.0 % of their length from "
        "clip to clip (the clips: 50 %), rank 5.0; kNN 41.0 %, linear probe 52.5 % correct (chance 12.5 %)"
    )


@pytest.mark.parametrize(
    ("verdict", "advice"),
    [
        ("at the trivial baseline", "go on from a checkpoint"),
        ("collapsed", "lower learning rate"),
        ("diverged", "--bf16"),
    ],
)
def test_what_is_wrong_comes_with_what_to_try(verdict, advice):
    assert advice in HEALTHY.sentence(verdict, num_clips=7)


# ---- in a training ----


class Stripes(torch.utils.data.Dataset):
    """Clips of stripes, across or along, that change sign from patch to patch: what is seen of a clip tells what is
    hidden, but a guess without a network is of no use. Remembers what was asked for."""

    ordered = False

    def __init__(self, config, length):
        self.config, self.length, self.epoch, self.asked = config, length, 0, []

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.asked.append(index)
        generator = sample_generator(3, self.epoch, index)
        rows, columns = torch.arange(24)[:, None], torch.arange(32)
        along = rows if torch.rand((), generator=generator) < 0.5 else columns
        sign = 1 - 2 * ((rows // 8 + columns // 8) % 2)
        clip = (128 + 25 * (along % 8 - 3.5) * sign).expand(4, 3, 24, 32)
        clip = (clip + torch.randint(8, clip.shape, generator=generator)).to(torch.uint8)
        return {"pixel_values": clip, "bool_masked_pos": tube_mask(self.config.grid, 0.75, generator=generator)}


class Unlucky(TrainerCallback):
    """Breaks the network after a step."""

    def __init__(self, step, spoil):
        self.step, self.spoil = step, spoil

    @torch.no_grad()
    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step == self.step:
            self.spoil(model)


@pytest.fixture
def undrawn(monkeypatch):
    """No pictures: matplotlib takes longer than all the rest of a tiny training."""
    monkeypatch.setattr(health, "save_strip", lambda *args, **kwargs: None)
    monkeypatch.setattr(health, "save_panels", lambda *args, **kwargs: None)


@pytest.fixture
def train(tiny_config, tmp_path):
    """`train(name, …) -> Path`: what a training on 160 clips in batches of 8 leaves, with checks on 6 others."""

    def run(name, *, checks=(), epochs=2, before=None, resume=None, config=None, clips=160, **options):
        torch.manual_seed(0)
        config = config or tiny_config()
        arguments = VideoMAETrainingArguments(
            output_dir=str(tmp_path / name),
            num_train_epochs=epochs,
            **{
                "warmup_epochs": 0,
                "per_device_train_batch_size": 8,
                "per_device_eval_batch_size": 4,
                "learning_rate": 0.02,
                "min_learning_rate": 0,
                "save_strategy": "no",
                **options,
            },
            logging_steps=4,
            dataloader_num_workers=0,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
        )
        trainer = VideoMAETrainer(
            VideoMAEForPreTraining(config),
            arguments,
            data_collator=PretrainingCollator(),
            train_dataset=Stripes(config, clips),
            processing_class=make_processor(config, frame_stride=1),
        )
        if before is not None:
            trainer.add_callback(before)
        if checks is not None:
            settings = {"health_epochs": 1, "health_clips": 6, **dict(checks)}
            trainer.add_callback(health_callback(trainer, Stripes(config, 50), HealthArguments(**settings)))
        trainer.train(resume_from_checkpoint=resume)
        trainer.save_model()
        trainer.save_state()
        return tmp_path / name

    return run


def checks_of(folder):
    return json.loads((folder / "health.json").read_text())["checks"]


def verdicts_of(folder):
    return [check["verdict"] for check in checks_of(folder)]


def log_of(folder):
    return json.loads((folder / "trainer_state.json").read_text())["log_history"]


@pytest.mark.usefixtures("undrawn")
def test_a_training_that_learns_is_told_so(train, caplog):
    folder = train("run", epochs=4)
    first, *_, last = checks_of(folder)
    assert [check["epoch"] for check in checks_of(folder)] == [0, 1, 2, 3, 4]
    assert first["verdict"] == "too early to tell" and last["verdict"] == "learning"
    assert last["explained"] > 0.2 and last["loss"] == pytest.approx((1 - last["explained"]) * last["zero"])
    told = [record.getMessage() for record in caplog.records if record.name == "videomae.health"]
    assert len(told) == 5 and told[-1].startswith("health at epoch 4: learning: loss 0.")
    logged = [line for line in log_of(folder) if "health_loss" in line]
    assert [line["step"] for line in logged] == [0, 20, 40, 60, 80]
    assert {"health_deviation", "health_rank", "health_explained"} < set(logged[-1])
    assert logged[-1]["health_loss"] == last["loss"]


@pytest.mark.usefixtures("undrawn")
def test_a_training_that_does_not_learn_is_at_the_baseline(train):
    assert verdicts_of(train("still", learning_rate=1e-9)) == ["too early to tell", *["at the trivial baseline"] * 2]
    assert verdicts_of(train("wild", learning_rate=30.0))[-1] in ("at the trivial baseline", "collapsed")


@pytest.mark.usefixtures("undrawn")
def test_nothing_is_said_against_a_network_that_warms_up(train):
    still = {"learning_rate": 1e-9, "epochs": 3}
    verdicts = verdicts_of(train("run", warmup_epochs=2, **still))
    assert verdicts == ["too early to tell"] * 2 + ["at the trivial baseline"] * 2


@pytest.mark.usefixtures("undrawn")
def test_an_encoder_that_gives_all_clips_the_same_features_has_collapsed(train):
    def collapse(model):
        model.videomae.encoder.layer[-1].output.dense.weight.zero_()
        model.videomae.embeddings.patch_embeddings.projection.weight.zero_()

    folder = train("run", before=Unlucky(40, collapse))
    assert verdicts_of(folder)[-1] == "collapsed"
    last = checks_of(folder)[-1]
    assert last["rank"] == pytest.approx(1.0, abs=0.01) and last["deviation"] < 1e-3 < last["clip_deviation"]


@pytest.mark.usefixtures("undrawn")
def test_a_network_that_is_not_finite_has_diverged(train, labelled):
    spoil = Unlucky(40, lambda model: model.videomae.embeddings.patch_embeddings.projection.bias.fill_(math.nan))
    folder = train("run", before=spoil, checks={"health_data": str(labelled)})
    assert verdicts_of(folder)[-1] == "diverged"
    assert [check["knn"] is None for check in checks_of(folder)] == [False, False, True]


@pytest.mark.usefixtures("undrawn")
def test_rank_and_deviation_are_those_of_the_last_block_s_tokens_of_unmasked_clips(train, tiny_config):
    folder = train("run", epochs=1)
    model = VideoMAEForPreTraining.from_pretrained(folder).eval()
    clips = Stripes(model.config, 50)
    tokens = []
    model.videomae.encoder.register_forward_hook(lambda module, inputs, output: tokens.append(output))
    with torch.no_grad():
        for row in (0, 10, 20, 29, 39, 49):  # spread evenly
            model.videomae(clips[row]["pixel_values"][None])
    features = torch.cat(tokens).mean(1).double().numpy()
    shares = np.linalg.svd(features, compute_uv=False)
    shares /= shares.sum()
    last = checks_of(folder)[-1]
    assert last["rank"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-4)
    spread = np.sqrt(features.var(0).sum() / (features**2).sum(1).mean())
    assert last["deviation"] == pytest.approx(spread, rel=1e-4)


@pytest.mark.usefixtures("undrawn")
def test_bfloat16_is_checked_as_it_trains(train):
    full, half = (checks_of(train(name, epochs=1, **option)) for name, option in (("32", {}), ("16", {"bf16": True})))
    assert half[0]["loss"] != full[0]["loss"] == pytest.approx(half[0]["loss"], rel=0.01)
    assert half[0]["zero"] == full[0]["zero"]


def test_pictures_and_curves_are_drawn(train):
    folder = train("run", epochs=1)
    names = [f"step-{step}-clip-{number}.png" for step in ("0000000", "0000020") for number in range(3)]
    assert sorted(path.name for path in (folder / "health").iterdir()) == names
    assert (folder / "health.png").stat().st_size > 10_000


class Generators(TrainerCallback):
    """The states of all global generators after every step."""

    def __init__(self):
        self.states = []

    def on_step_end(self, args, state, control, **kwargs):
        self.states.append((torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()))


@pytest.mark.usefixtures("undrawn")
def test_a_training_is_the_same_with_checks_and_without(train, tiny_config, labelled):
    config = partial(tiny_config, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, drop_path_rate=0.3)
    seen = {name: Generators() for name in ("with", "without")}
    checks = {"with": {"health_data": str(labelled)}, "without": None}
    folders = {name: train(name, before=seen[name], checks=checks[name], config=config()) for name in seen}
    assert seen["with"].states == seen["without"].states
    losses = {
        name: [(line["step"], line["loss"], line["learning_rate"]) for line in log_of(folder) if "loss" in line]
        for name, folder in folders.items()
    }
    assert losses["with"] == losses["without"] and len(losses["with"]) == 10
    weights = {name: VideoMAEForPreTraining.from_pretrained(folder).state_dict() for name, folder in folders.items()}
    assert all(torch.equal(weight, weights["with"][name]) for name, weight in weights["without"].items())


@pytest.mark.usefixtures("undrawn")
def test_every_module_keeps_its_mode(train):
    modes = []

    class Witness(Unlucky):
        def on_log(self, args, state, control, logs=None, model=None, **kwargs):
            if "health_loss" in logs and state.global_step == 20:
                modes.extend((name, module.training) for name, module in model.named_modules())

    train("run", epochs=1, before=Witness(20, lambda model: model.decoder.eval()))
    assert {name for name, training in modes if not training} == {
        name for name, _ in modes if name.split(".")[0] == "decoder"
    }
    assert len(modes) > 50


@pytest.mark.usefixtures("undrawn")
def test_a_resumed_training_goes_on_with_the_checks_of_its_checkpoint(train, tmp_path):
    keep = {"save_strategy": "steps", "save_steps": 5, "save_total_limit": 99, "epochs": 3}
    whole = train("whole", **keep)
    expected = (whole / "health.json").read_text()
    for step in (20, 25):
        folder = train(f"from {step}", **keep, resume=str(whole / f"checkpoint-{step}"))
        assert (folder / "health.json").read_text() == expected
    train("whole", **keep | {"epochs": 1}, resume=str(whole / "checkpoint-15"))
    assert [check["step"] for check in checks_of(whole)] == [0, 20]


@pytest.mark.usefixtures("undrawn")
def test_a_training_that_was_not_checked_before_is_checked_where_it_resumes(train):
    keep = {"save_strategy": "steps", "save_steps": 5, "save_total_limit": 99, "epochs": 1}
    whole = train("whole", **keep, checks=None)
    folder = train("resumed", **keep, resume=str(whole / "checkpoint-15"))
    assert [check["step"] for check in checks_of(folder)] == [15, 20]


@pytest.mark.usefixtures("undrawn")
def test_checks_come_every_so_many_epochs_and_at_the_end(train):
    folder = train("run", checks={"health_epochs": 2}, epochs=3, clips=19, learning_rate=1e-9)
    assert [(check["step"], check["epoch"]) for check in checks_of(folder)] == [(0, 0), (4, 2), (6, 3)]


def trainer_on(config, tmp_path, **options):
    arguments = VideoMAETrainingArguments(
        output_dir=str(tmp_path / "run"),
        per_device_train_batch_size=8,
        per_device_eval_batch_size=4,
        warmup_epochs=0,
        use_cpu=True,
        report_to="none",
        **options,
    )
    return VideoMAETrainer(
        VideoMAEForPreTraining(config),
        arguments,
        data_collator=PretrainingCollator(),
        train_dataset=Stripes(config, 16),
        processing_class=make_processor(config, frame_stride=1),
    )


@pytest.mark.parametrize(("ordered", "rows"), [(False, [0, 12, 24, 37, 49]), (True, [0, 1, 2, 3, 4])])
def test_clips_are_spread_over_a_table_and_the_first_ones_of_a_stream(tiny_config, tmp_path, ordered, rows):
    clips = Stripes(tiny_config(), 50)
    clips.ordered = ordered
    callback = health_callback(trainer_on(clips.config, tmp_path), clips, HealthArguments(health_clips=5))
    assert clips.asked == rows
    assert [len(batch["pixel_values"]) for batch in callback.batches] == [4, 1]


def test_fewer_clips_than_asked_for_are_all_looked_at(tiny_config, tmp_path):
    clips = Stripes(tiny_config(), 3)
    health_callback(trainer_on(clips.config, tmp_path), clips, HealthArguments(health_clips=5))
    assert clips.asked == [0, 1, 2]


# ---- labelled videos ----


@pytest.fixture
def labelled(tiny_clip):
    """Three classes of four videos, without splits."""
    for name in ("jump", "run", "swim"):
        for number in range(4):
            clip = tiny_clip(f"labelled/{name}/{number}.mp4", num_frames=8 + number)
    return clip.parents[1]


@pytest.fixture
def processor(tiny_config):
    return make_processor(tiny_config(), frame_stride=1)


def paths_of(dataset):
    return [str(Path(path).relative_to(Path(path).parents[2])) for path in dataset.videos["video"]]


def test_every_third_video_is_tested_on_where_there_is_no_split(labelled, processor):
    found = open_labelled_videos(str(labelled), processor)
    assert paths_of(found.test) == [f"labelled/{name}/2.mp4" for name in ("jump", "run", "swim")]
    assert len(found.train) == 9 and not set(paths_of(found.train)) & set(paths_of(found.test))
    assert found.test_labels.tolist() == [0, 1, 2] and found.train_labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_to_test_on_is_used(labelled, processor, split):
    for folder, numbers in (("train", (0, 1)), (split, (2, 3))):
        for name in ("jump", "run", "swim"):
            (labelled / folder / name).mkdir(parents=True)
            for number in numbers:
                (labelled / name / f"{number}.mp4").rename(labelled / folder / name / f"{number}.mp4")
    for name in ("jump", "run", "swim"):
        (labelled / name).rmdir()
    found = open_labelled_videos(str(labelled), processor)
    assert paths_of(found.test) == [f"{split}/{name}/{n}.mp4" for name in ("jump", "run", "swim") for n in (2, 3)]
    assert len(found.train) == 6


@pytest.mark.usefixtures("undrawn")
def test_accuracies_are_in_the_check_the_log_and_the_sentence(train, labelled, caplog):
    folder = train("run", epochs=1, checks={"health_data": str(labelled)})
    last = checks_of(folder)[-1]
    assert last["chance"] == pytest.approx(100 / 3)
    assert all(0 <= last[name] <= 100 for name in ("knn", "linear_probe"))
    logged = [line for line in log_of(folder) if "health_loss" in line][-1]
    assert (logged["health_knn"], logged["health_linear_probe"]) == (last["knn"], last["linear_probe"])
    assert "correct (chance 33.3 %)" in caplog.text


@pytest.mark.parametrize(("processes", "shares"), [(1, [12]), (2, [6, 6]), (5, [3, 3, 3, 3, 3])])
def test_processes_share_the_labelled_videos_out(
    tiny_config, tmp_path, labelled, processor, monkeypatch, processes, shares
):
    """Each looks at as many; together they are all of the videos in their order, and what is looked at twice goes."""
    trainer = trainer_on(tiny_config(), tmp_path, dataloader_num_workers=0)
    clips = open_labelled_videos(str(labelled), processor)
    videos = torch.utils.data.ConcatDataset([clips.train, clips.test])
    callback = HealthCallback(trainer, [batch_of(tiny_config(), 2, 0)], epochs=1)
    monkeypatch.setattr(callback, "_features", lambda pixels: pixels.float().mean((1, 2, 3, 4))[:, None])
    monkeypatch.setattr(VideoMAETrainingArguments, "world_size", processes)
    found = []
    monkeypatch.setattr(trainer.accelerator, "gather", lambda features: found.append(features) or features)
    for rank in range(processes):
        monkeypatch.setattr(VideoMAETrainingArguments, "process_index", rank)
        callback._features_of(videos)
    assert [len(features) for features in found] == shares
    expected = torch.stack([videos[row]["pixel_values"].float().mean() for row in range(12)])
    torch.testing.assert_close(torch.cat(found)[:12, 0], expected)


def test_labelled_videos_that_do_not_do_are_named(labelled, processor, tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        open_labelled_videos(str(tmp_path / "nowhere"), processor)
    with pytest.raises(ValueError, match="the videos have no labels"):
        open_labelled_videos(str(labelled / "run"), processor)
    (labelled / "one").mkdir()
    (labelled / "run").rename(labelled / "one" / "run")
    with pytest.raises(ValueError, match=r"--health_data .*one: 1 class \(run\), wanted .* at least 2 classes"):
        open_labelled_videos(str(labelled / "one"), processor)
    for number in range(1, 4):
        (labelled / "swim" / f"{number}.mp4").unlink()
    (labelled / "one" / "run").rename(labelled / "run")
    (labelled / "one").rmdir()
    with pytest.raises(ValueError, match="has no val/ or test/, and class 2 has 1 video, wanted at least 2"):
        open_labelled_videos(str(labelled), processor)


def test_all_arguments_that_do_not_fit_are_told_at_once():
    complaints = HealthArguments(health_epochs=-1, health_clips=1).complaints()
    assert complaints == [
        "--health_epochs is -1, wanted at least 1, or 0 for never",
        "--health_clips is 1, wanted at least 2: features differ between clips",
    ]
    (complaint,) = HealthArguments(health_epochs=0, health_data="folder").complaints()
    assert "--health_data folder" in complaint and "--health_epochs 0" in complaint
    assert HealthArguments().complaints() == []


# ---- the program ----

PROGRAM = (
    "--model small --image_size 24 32 --num_frames 4 --patch_size 8 --hidden_size 12 --num_hidden_layers 2 "
    "--num_attention_heads 3 --intermediate_size 20 --decoder_hidden_size 10 --decoder_num_hidden_layers 1 "
    "--decoder_num_attention_heads 5 --decoder_intermediate_size 14 --mask_ratio 0.75 --frame_stride 1 "
    "--num_train_epochs 2 --warmup_epochs 1 --logging_steps 1 --save_strategy no --dataloader_num_workers 0 --use_cpu "
    "--report_to none --disable_tqdm true"
).split()


@pytest.mark.usefixtures("undrawn")
def test_the_program_looks_at_the_validation_videos_and_switched_off_it_does_not(labelled, tmp_path, caplog):
    argv = [*PROGRAM, "--data", str(labelled), "--per_device_train_batch_size", "4"]
    output = tmp_path / "run"
    looks = ["--health_epochs", "1", "--health_clips", "5", "--health_data", str(labelled)]
    assert run_pretraining.main([*argv, *looks, "--output_dir", str(output)]) == 0
    assert [check["step"] for check in checks_of(output)] == [0, 3, 6]
    assert json.loads((output / "health.json").read_text())["clips"] == 5
    assert "health at epoch 2:" in caplog.text
    off = tmp_path / "off"
    assert run_pretraining.main([*argv, "--health_epochs", "0", "--output_dir", str(off)]) == 0
    assert not (off / "health.json").exists() and not (off / "health").exists()
    weights, undisturbed = (VideoMAEForPreTraining.from_pretrained(folder).state_dict() for folder in (output, off))
    assert all(torch.equal(weights[name], weight) for name, weight in undisturbed.items())


@pytest.mark.usefixtures("undrawn")
def test_a_stream_is_looked_at_by_its_first_samples(labelled, tmp_path):
    shards = tmp_path / "shards"
    shards.mkdir()
    for number, name in enumerate(("jump", "run", "swim")):
        with tarfile.open(shards / f"{number}.tar", "w") as tar:
            for path in sorted((labelled / name).iterdir()):
                tar.add(path, f"{name}-{path.name}")
    argv = [*PROGRAM, "--data", f"{shards}/*.tar", "--per_device_train_batch_size", "4", "--health_epochs", "1"]
    for output in ("a", "b"):
        assert run_pretraining.main([*argv, "--output_dir", str(tmp_path / output)]) == 0
    first, second = (checks_of(tmp_path / output) for output in ("a", "b"))
    assert first == second and len(first) == 3
    assert json.loads((tmp_path / "a" / "health.json").read_text())["clips"] == 12  # all there are


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_two_processes_find_what_one_finds_and_train_as_without(labelled, tmp_path):
    def run(name, *argv):
        rendezvous = ["--nproc_per_node", "2", "--master_addr", "127.0.0.1", "--master_port", str(free_port())]
        command = [sys.executable, "-m", "torch.distributed.run", *rendezvous, run_pretraining.__file__, *PROGRAM]
        command += ["--data", str(labelled), "--output_dir", str(tmp_path / name), *argv]
        environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stderr

    looks = ["--health_epochs", "1", "--health_clips", "5", "--health_data", str(labelled)]
    told = run("two", *looks, "--per_device_train_batch_size", "2")
    assert told.count("health at epoch") == 3  # the first process tells it
    run("off", "--health_epochs", "0", "--per_device_train_batch_size", "2")
    argv = [*PROGRAM, *looks, "--data", str(labelled), "--output_dir", str(tmp_path / "one")]
    assert run_pretraining.main([*argv, "--per_device_train_batch_size", "4"]) == 0
    for two, one in zip(checks_of(tmp_path / "two"), checks_of(tmp_path / "one"), strict=True):
        assert two.pop("verdict") == one.pop("verdict")
        assert two == pytest.approx(one, rel=1e-3)
    weights, undisturbed = (
        VideoMAEForPreTraining.from_pretrained(tmp_path / name).state_dict() for name in ("two", "off")
    )
    assert all(torch.equal(weights[name], weight) for name, weight in undisturbed.items())
