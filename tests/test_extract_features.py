# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""`videomae extract` as it is typed."""

import json

import numpy as np
import pytest
import torch
from accelerate import PartialState
from PIL import Image

from videomae import VideoMAEForPreTraining, VideoMAEVideoProcessor, cli
from videomae.feature_files import read_features
from videomae.features import extract
from videomae.inference import load_checkpoint
from videomae.modeling_videomae import VideoMAEPreTrainedModel


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    torch.manual_seed(0)
    VideoMAEForPreTraining(tiny_config()).save_pretrained(tmp_path / "model")
    VideoMAEVideoProcessor.for_model(tiny_config(), frame_stride=2).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def videos(tiny_clip, tmp_path):
    for name, number in (("clap", 0), ("clap", 1), ("wave", 0), ("wave", 1)):
        tiny_clip(f"videos/{name}/{number}.mp4", num_frames=12 + 5 * number)
    return tmp_path / "videos"


@pytest.fixture
def run(capsys, tmp_path):
    """`run(*arguments) -> (exit code, stdout, stderr)`, on the CPU and without workers."""

    def call(*arguments):
        code = cli.main(["extract", *map(str, arguments), "--device", "cpu", "--num_workers", "0"])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


def test_a_folder_becomes_a_folder_of_features(run, checkpoint, videos, tmp_path):
    options = ("--output_dir", tmp_path / "out", "--layer", -2, "--pool", "tokens", "--format", "safetensors")
    code, out, _ = run(checkpoint, videos, *options)
    assert code == 0 and "clap/1.safetensors, 1 x 2 x 3 x 4 x 12" in out
    found, metadata = read_features(tmp_path / "out" / "wave" / "1.safetensors")
    model, processor = load_checkpoint(checkpoint, VideoMAEPreTrainedModel, device="cpu")
    assert np.array_equal(found, extract(model, processor, videos / "wave" / "1.mp4", layer=1, pool="tokens").features)
    assert (metadata["settings"]["layer"], metadata["settings"]["norm"]) == (1, None)


def test_json_says_what_became_of_each_video_and_what_was_kept(run, checkpoint, videos, tmp_path):
    options = ("--output_dir", tmp_path / "out", "--window", 8, "--stride", 4, "--json")
    run(checkpoint, videos / "clap", *options)
    code, out, _ = run(checkpoint, videos / "clap", videos / "wave" / "1.mp4", *options)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {(row["video"].rpartition("videos/")[2], row["kept"]) for row in rows} == {
        ("clap/0.mp4", True),
        ("clap/1.mp4", False),  # its name has a hash now: there is another 1.mp4
        ("wave/1.mp4", False),
    }
    assert all(read_features(row["features"]) for row in rows)


def test_other_settings_in_the_same_folder_are_an_error(run, checkpoint, videos, tmp_path):
    assert run(checkpoint, videos, "--output_dir", tmp_path / "out")[0] == 0
    code, _, error = run(checkpoint, videos, "--output_dir", tmp_path / "out", "--layer", 1)
    assert code == 2 and "made otherwise" in error and "and 1 more" in error
    assert run(checkpoint, videos, "--output_dir", tmp_path / "out", "--layer", 1, "--overwrite")[0] == 0


def test_a_bad_video_ends_it_or_is_named(run, checkpoint, videos, tmp_path):
    (videos / "clap" / "2.mp4").write_text("no video")
    options = (checkpoint, videos, "--output_dir", tmp_path / "out")
    code, _, error = run(*options)
    assert code == 2 and "clap/2.mp4" in error
    code, out, error = run(*options, "--on_bad_video", "skip", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and "left out: " in error and "1 of 5 videos can not be read and were left out" in error
    (bad,) = [row for row in rows if row["features"] is None]
    assert bad["video"].endswith("clap/2.mp4") and "clap/2.mp4" in bad["error"]


def test_nothing_but_bad_videos_is_no_success(run, checkpoint, tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    assert run(checkpoint, tmp_path / "bad.mp4", "--output_dir", tmp_path / "out", "--on_bad_video", "skip")[0] == 2


def test_a_list_can_not_write_outside_of_the_folder(run, checkpoint, videos, tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "list.txt").write_text("../videos/clap/0.mp4 0\n../videos/../videos/wave/0.mp4 0\n")
    assert run(checkpoint, tmp_path / "lists" / "list.txt", "--output_dir", tmp_path / "out" / "here")[0] == 0
    written = [path for path in tmp_path.rglob("*.npy")]
    assert len(written) == 2 and all(path.parent == tmp_path / "out" / "here" for path in written)


def test_a_labelled_folder_judges_the_checkpoint(run, checkpoint, videos, tmp_path):
    code, out, _ = run(checkpoint, videos, "--knn", "--probe", "--output_dir", tmp_path / "out", "--json")
    found = json.loads(out)
    assert code == 0 and found == json.loads((tmp_path / "out" / "probe.json").read_text())
    assert {"knn", "linear_probe", "chance", "layer"} <= set(found)
    assert (found["train_videos"], found["test_videos"], found["data"]) == (2, 2, str(videos))
    code, out, _ = run(checkpoint, videos, "--knn")
    assert code == 0 and "kNN: " in out and "linear probe" not in out


def test_a_labelled_folder_is_drawn(run, checkpoint, videos, tmp_path):
    code, out, _ = run(checkpoint, videos, "--plot", "pca", "--output_dir", tmp_path / "out")
    assert code == 0 and "2 videos to learn from" in out and "kNN" not in out
    with Image.open(tmp_path / "out" / "pca.png") as picture:
        assert picture.format == "PNG"


# ---- several processes ----


@pytest.fixture
def processes(monkeypatch):
    """A state of processes that is not there yet, or after `processes(count)` one of that many."""
    monkeypatch.setattr(PartialState, "_shared_state", {})
    return lambda count: setattr(PartialState(cpu=True), "num_processes", count)


def test_a_process_has_its_device_before_the_model_is_loaded(
    run, checkpoint, videos, tmp_path, monkeypatch, processes
):
    def load(*arguments, **options):
        raise ValueError("there is a device" if PartialState._shared_state else "none")

    monkeypatch.setattr("videomae.inference.load_checkpoint", load)
    assert "there is a device" in run(checkpoint, videos, "--output_dir", tmp_path / "out")[2]


def test_a_checkpoint_is_judged_in_one_process(run, checkpoint, videos, processes):
    processes(2)
    code, out, error = run(checkpoint, videos, "--knn")
    assert code == 2 and not out and "--knn, --probe and --plot run in one process, not 2" in error


# ---- wrong options ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--output_dir is missing"),
        (["--plot", "pca"], "--output_dir is missing"),
        (["--num_workers", "-1", "--output_dir", "out"], "--num_workers is"),
        (["other", "--knn"], "--knn, --probe and --plot take one labelled folder or list"),
        (["--output_dir", "out", "--views", "5"], "wanted SEGMENTSxCROPS"),
        (["--output_dir", "out", "--layer", "7"], "layer 7, wanted 0"),
        (["--output_dir", "out", "--window", "9"], "a window of 9 frames"),
        (["--output_dir", "out", "--window", "8", "--views", "2x1"], "views 2x1 and a sliding window"),
        (["--probe", "--window", "8"], "wanted pool 'mean' and no sliding window"),
    ],
)
def test_wrong_options_are_told(capsys, checkpoint, videos, options, message):
    code = cli.main(["extract", str(checkpoint), str(videos), *options, "--device", "cpu"])
    assert code == 2 and message in capsys.readouterr().err
