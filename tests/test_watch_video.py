# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""`videomae watch` as it is called."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from videomae import VideoMAEForVideoClassification, VideoMAEVideoProcessor, cli
from videomae.inference import load_checkpoint, video_labels
from videomae.video import VideoReader
from videomae.watching import WatchedVideo, watch

NAMES = {0: "clap", 1: "point", 2: "wave"}


@pytest.fixture
def save(tiny_config, tmp_path):
    """`save(**config) -> folder` of a classifier that looks at windows of 8 frames."""

    def make(**overrides):
        torch.manual_seed(0)
        labels = {"id2label": NAMES, "label2id": {name: index for index, name in NAMES.items()}}
        config = tiny_config(num_labels=3, classifier_init_scale=100.0, **labels, **overrides)
        VideoMAEForVideoClassification(config).save_pretrained(tmp_path / "classifier")
        VideoMAEVideoProcessor.for_model(config, frame_stride=2).save_pretrained(tmp_path / "classifier")
        return str(tmp_path / "classifier")

    return make


@pytest.fixture
def run(capsys):
    """`run(*arguments) -> (exit code, stdout, stderr)`."""

    def call(*arguments):
        code = cli.main(["watch", *map(str, arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


def test_windows_are_printed_and_files_written(run, save, tiny_clip, tmp_path):
    folder, path = save(), tiny_clip(num_frames=40)
    files = [tmp_path / "out" / f"segments.{kind}" for kind in ("csv", "json", "srt")]
    code, out, error = run(
        folder,
        path,
        "--stride",
        8,
        "--threshold",
        0,
        "--json",
        "--segments",
        *files,
        "--annotated",
        tmp_path / "a.mp4",
    )
    assert code == 0, error
    model, processor = load_checkpoint(folder)
    with WatchedVideo(str(path), processor, stride="8") as video:
        expected = list(watch(model, video))
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["start"], row["end"]) for row in rows] == [(window.start, window.end) for window in expected]
    assert [row["labels"] for row in rows] == [video_labels(each.score, model.config, top_k=3) for each in expected]
    assert all(row["latency"] > 0 for row in rows)
    assert "5 windows, latency " in error and "95 % within" in error and "0 frames dropped, 0 damaged" in error
    segments = json.loads(files[1].read_text())
    assert {(row["start"], row["end"], row["label"]) for row in segments} == {
        (0, 1.6, name) for name in NAMES.values()
    }
    assert len(files[0].read_text().splitlines()) == 4 and files[2].read_text().startswith("1\n00:00:00,000")
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert (reader.num_frames, reader.info.fps) == (40, 25)


def test_lines_for_people(run, save, tiny_clip):
    code, out, _ = run(save(), tiny_clip(num_frames=16), "--window", "0.32s", "--smooth", "mean:2", "--top_k", 1)
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 3 and lines[1].startswith("00:00:00.160 - 00:00:00.480  ")


def test_several_labels_at_once_and_numbers(run, save, tiny_clip):
    path = tiny_clip(num_frames=8)
    code, out, _ = run(save(problem_type="multi_label_classification"), path, "--json")
    assert code == 0 and all(entry["score"] >= 0.5 for entry in json.loads(out)["labels"])
    folder = save(problem_type="regression")
    code, out, _ = run(folder, path, "--json")
    assert code == 0 and [entry["label"] for entry in json.loads(out)["labels"]] == ["clap", "point", "wave"]
    code, _, error = run(folder, path, "--segments", "a.csv")
    assert code == 2 and "predicts numbers" in error


def test_files_hold_what_came_before_the_damage(run, save, tiny_clip, tmp_path):
    path = tiny_clip(num_frames=40, options={"g": "5"})
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat")
    middle = begin + 3 * (data.index(b"moov", begin) - begin) // 4
    data[middle : middle + 60] = bytes(range(60))
    path.write_bytes(data)
    code, out, error = run(
        save(), path, "--threshold", 0, "--segments", tmp_path / "s.json", "--annotated", tmp_path / "a.mp4"
    )
    assert code == 2 and "error: " in error and "clip.mp4" in error
    ends = {row["end"] for row in json.loads((tmp_path / "s.json").read_text())}
    assert len(ends) == 1 and 0 < ends.pop() < 1.6
    assert 8 <= VideoReader(tmp_path / "a.mp4").num_frames < 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--top_k", 0], "--top_k is 0"),
        (["--loop"], "it needs --live"),
        (["--annotated", "a.avi"], "ends with .mp4"),
        (["--segments", "a.txt"], "segments are written to .csv, .json, .srt"),
        (["--smooth", "median:3"], "smoothing is 'median:3'"),
        (["--window", "6"], "a window of 6 frames"),
        (["--stride", "x"], "a duration is 'x'"),
    ],
)
def test_wrong_settings_are_one_line_and_leave_no_file(
    run, save, tiny_clip, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    code, _, error = run(save(), tiny_clip(), *arguments)
    assert code == 2 and message in error
    assert {path.name for path in tmp_path.iterdir()} == {"classifier", "clip.mp4"}


def test_a_video_that_is_not_there(run, save):
    code, _, error = run(save(), "gone.mp4")
    assert code == 2 and "gone.mp4: " in error


def test_ctrl_c_ends_a_camera_with_whole_files(save, tiny_clip, tmp_path):
    files = ["--segments", tmp_path / "s.csv", tmp_path / "s.json", "--annotated", tmp_path / "a.mp4"]
    command = ["-m", "videomae.cli", "watch", save(), tiny_clip(num_frames=30), "--live", "--loop", "--json", *files]
    started = subprocess.Popen(
        [sys.executable, *map(str, command), "--threshold", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    lines = [started.stdout.readline() for _ in range(4)]
    time.sleep(0.2)
    started.send_signal(signal.SIGINT)
    out, error = started.communicate(timeout=60)
    assert started.returncode == cli.INTERRUPTED, error
    assert "Traceback" not in error and "frames dropped" in error
    last = [json.loads(line) for line in [*lines, *out.splitlines()]][-1]
    ends = [row["end"] for row in json.loads((tmp_path / "s.json").read_text())]
    assert ends[-3:] == [last["end"]] * 3  # every label holds at threshold 0
    assert len((tmp_path / "s.csv").read_text().splitlines()) == len(ends) + 1
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert reader.num_frames >= 8 and len(reader.read(range(reader.num_frames)))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_video_that_is_read_is_not_written_over(save, run, tiny_clip, tmp_path):
    clip = tiny_clip(num_frames=20)
    link = tmp_path / "link.mp4"
    link.symlink_to(clip)
    before = clip.read_bytes()
    for written in (clip, link):
        code, _, errors = run(save(), clip, "--annotated", written)
        assert code == 2 and f"{written} is the video that is read" in errors
    assert clip.read_bytes() == before


@pytest.mark.parametrize("verb", ["watch", "predict"])
def test_a_threshold_in_percent_is_an_error(save, tiny_clip, capsys, verb):
    assert cli.main([verb, save(), str(tiny_clip()), "--threshold", "80"]) == 2
    assert "--threshold is 80.0, wanted 0 to 1 (0.8 for 80 %)" in capsys.readouterr().err
