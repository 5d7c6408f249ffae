# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The demo from the command line to the folder that it leaves, on its own videos and on the user's."""

import json
import logging
import re

import pytest
import torch
import transformers

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEVideoProcessor, demo
from videomae.scripts import run_demo

DEMO = "import sys; from videomae import cli; from videomae.scripts import run_demo; sys.exit(cli.run(run_demo.main))"


@pytest.fixture(scope="module")
def finished(run_python, tmp_path_factory):
    """(output folder, what was printed) of the shortest demo."""
    folder = tmp_path_factory.mktemp("demo") / "output"
    result = run_python(DEMO, "--quick", "--output_dir", folder, "--seed", "5")
    assert result.returncode == 0, result.stderr
    return folder, result


@pytest.fixture
def videos(tiny_clip):
    """`videos({"train": 5, …}) -> Path`: a folder with so many videos of each of two classes; "" is no split."""

    def write(counts):
        for split, count in counts.items():
            for name in ("jump", "swim"):
                for number in range(count):
                    clip = tiny_clip(f"own/{split}/{name}/{number}.mp4", num_frames=6)
        return clip.parents[2] if split else clip.parents[1]

    return write


@pytest.fixture(autouse=True)
def libraries_as_they_were():
    """The program quietens libraries and takes cores for as long as it runs, which here is not the process's life."""
    ours, threads = logging.getLogger("videomae"), torch.get_num_threads()
    levels, bars = (ours.level, transformers.logging.get_verbosity()), transformers.logging.is_progress_bar_enabled()
    yield
    ours.setLevel(levels[0])
    transformers.logging.set_verbosity(levels[1])
    if bars:
        transformers.logging.enable_progress_bar()
    torch.set_num_threads(threads)


def names_of(table):
    return {tuple(path.split("/")[-2:]) for path in table["video"]}


# ---- the program ----


def test_it_leaves_checkpoints_that_load(finished):
    folder, _ = finished
    VideoMAEForPreTraining.from_pretrained(folder / "pretrained")
    for name in ("finetuned", "from_scratch"):
        model = VideoMAEForVideoClassification.from_pretrained(folder / name)
        processor = VideoMAEVideoProcessor.from_pretrained(folder / name)
        assert model.config.id2label[1] == "counter-clockwise"
        assert (processor.num_frames, processor.frame_stride, processor.crop_size.height) == (8, 1, 32)


def test_it_leaves_numbers_pictures_and_a_report(finished):
    folder, _ = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    finetuned, scratch = metrics["arms"]["finetuned"], metrics["arms"]["from_scratch"]
    assert metrics["gain"] == finetuned["top1"] - scratch["top1"]
    assert finetuned["validation_top1"].keys() == scratch["validation_top1"].keys()
    assert finetuned["num_videos"] == scratch["num_videos"] == metrics["data"]["test"] == 8
    assert len(metrics["pretraining"]["curve"]) == len(scratch["curve"]) == 2
    assert metrics["prediction"]["truth"] in metrics["data"]["classes"]
    assert len(metrics["prediction"]["labels"]) == 5
    pictures = {path.name for path in (folder / "pictures").iterdir()}
    assert pictures == {"pre-training.png", "fine-tuning.png", "reconstruction-0.png", "reconstruction-0.gif"}
    assert "What pre-training is worth" in (folder / "report.html").read_text()


def test_it_tells_in_order_what_it_does_and_nothing_that_a_newcomer_would_have_to_look_up(finished):
    _, result = finished
    assert re.findall(r"^\[(\d)/6\]", result.stdout, re.M) == list("123456")
    assert not re.search("warn|UNEXPECTED|MISSING|Traceback|train_runtime", result.stdout + result.stderr, re.I)


@pytest.mark.slow
def test_the_same_command_again_trains_nothing_again(finished, run_python):
    folder, _ = finished
    weights = [folder / name / "model.safetensors" for name in ("pretrained", "finetuned", "from_scratch")]
    before = [path.stat().st_mtime_ns for path in weights]
    result = run_python(DEMO, "--quick", "--output_dir", folder, "--seed", "5")
    assert result.returncode == 0, result.stderr
    assert [path.stat().st_mtime_ns for path in weights] == before
    assert result.stdout.count("Already done") == 3


def test_another_demo_in_the_same_folder_is_refused(finished):
    folder, _ = finished
    with pytest.raises(ValueError, match="holds a demo with other settings"):
        run_demo.main(["--quick", "--output_dir", str(folder), "--seed", "6"])


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty, and not of a demo"):
        run_demo.main(["--quick", "--output_dir", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_it_tells_the_same_story_of_the_users_own_videos(videos, run_python, tmp_path):
    folder = videos({"": 5})
    result = run_python(DEMO, "--quick", "--output_dir", tmp_path / "output", "--data", folder)
    assert result.returncode == 0, result.stderr
    data = json.loads((tmp_path / "output" / "metrics.json").read_text())["data"]
    assert data == {"unlabelled": 6, "train": 6, "validation": 2, "test": 2, "classes": ["jump", "swim"]}
    processor = VideoMAEVideoProcessor.from_pretrained(tmp_path / "output" / "finetuned")
    assert (processor.num_frames, processor.frame_stride) == (16, 4)


def test_a_step_is_done_once_it_has_left_its_numbers(tmp_path):
    calls = []

    def step():
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return {"loss": 0.5}

    with pytest.raises(KeyboardInterrupt):
        run_demo.once(tmp_path, step)
    assert [run_demo.once(tmp_path, step) for _ in range(2)] == [{"loss": 0.5}] * 2
    assert len(calls) == 2


# ---- the parts of the user's videos ----


def test_splits_are_used_where_they_exist(videos):
    folder = videos({"train": 4, "val": 2, "test": 3})
    parts = demo.own_parts(str(folder), labels=3, seed=0)
    assert [len(table) for table in (parts.unlabelled, parts.train, parts.validation, parts.test)] == [8, 6, 4, 6]
    assert all("/test/" in path for path in parts.test["video"])
    assert parts.unlabelled.column_names == ["video"]


def test_without_splits_a_part_of_each_class_is_held_out_and_never_trained_on(videos):
    parts = demo.own_parts(str(videos({"": 10})), labels=4, seed=0)
    assert (len(parts.test), len(parts.validation), len(parts.unlabelled), len(parts.train)) == (4, 2, 14, 8)
    unlabelled, train, validation, test = map(names_of, vars(parts).values())
    assert train < unlabelled
    assert not unlabelled & validation and not unlabelled & test and not validation & test
    for table, count in ((parts.test, 2), (parts.validation, 1), (parts.train, 4)):
        assert table["label"].count(0) == table["label"].count(1) == count


def test_another_seed_labels_other_videos(videos):
    folder = str(videos({"": 12}))
    one, same, other = (names_of(demo.own_parts(folder, labels=2, seed=seed).train) for seed in (0, 0, 1))
    assert one == same != other


def test_a_class_too_small_to_hold_anything_out_is_an_error(videos):
    with pytest.raises(ValueError, match="a class has too few videos.*at least 3"):
        demo.own_parts(str(videos({"": 2})), labels=1, seed=0)


def test_videos_without_labels_are_an_error(tiny_clip):
    folder = tiny_clip("flat/clip.mp4", num_frames=4).parent
    with pytest.raises(ValueError, match="the videos have no labels"):
        demo.own_parts(str(folder), labels=1, seed=0)


def test_a_split_without_labels_is_an_error(videos, tiny_clip):
    folder = videos({"train": 3, "val": 1})
    tiny_clip("own/test/0.mp4", num_frames=4)
    with pytest.raises(ValueError, match="the videos have no labels"):
        demo.own_parts(str(folder), labels=1, seed=0)


def test_splits_without_training_videos_are_an_error(videos):
    with pytest.raises(ValueError, match="no split 'train'; there is validation, test"):
        demo.own_parts(str(videos({"val": 1, "test": 1})), labels=1, seed=0)


# ---- the networks ----


@pytest.mark.parametrize("recipe", [demo.MOTIONS, demo.OWN_VIDEOS])
def test_every_recipe_is_a_network_whose_mask_leaves_something_to_see(recipe):
    config = recipe.config(num_labels=3)
    model = VideoMAEForVideoClassification(config)
    assert config.num_labels == 3 and sum(weights.numel() for weights in model.parameters()) < 5_000_000
    visible = (~demo.tube_mask(config.grid, recipe.mask_ratio, generator=torch.Generator().manual_seed(0))).sum()
    assert 0 < visible <= config.num_patches / 4


def test_nothing_of_it_stays_in_this_process():
    """The fixture above, or tests of what is logged would depend on the order of the files."""
    assert logging.getLogger("videomae").level == logging.NOTSET
    assert transformers.logging.get_verbosity() == logging.WARNING
