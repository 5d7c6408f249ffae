# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""`videomae benchmark`: subjects, flags, what it prints and writes, and exit codes."""

import json

import pytest

from videomae import benchmark, cli
from videomae.scripts import run_benchmark


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    tiny_config().save_pretrained(tmp_path / "model")
    make = benchmark_processor(tiny_config())
    make.save_pretrained(tmp_path / "model")
    return str(tmp_path / "model")


def benchmark_processor(config):
    from videomae.data import make_processor

    return make_processor(config, frame_stride=2)


@pytest.fixture
def videos(tiny_clip, tmp_path):
    tiny_clip("videos/a.mp4", num_frames=12)
    tiny_clip("videos/b.mp4", num_frames=10)
    return str(tmp_path / "videos")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    monkeypatch.setattr(benchmark, "WORKER_ROUNDS", 1)
    return ["--seconds", "0.01", "--batch_size", "2", "--num_workers", "0", "--repeats", "1"]


def test_without_a_subject_the_subjects_are_listed(capsys):
    assert run_benchmark.main([]) == 2
    text = capsys.readouterr().err
    for subject, (_, _, line) in run_benchmark.SUBJECTS.items():
        assert subject in text
        assert line in text


def test_an_unknown_subject_is_named_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as exit:
        run_benchmark.main(["dta", "videos"])
    assert exit.value.code == 2
    assert "'dta'" in (text := capsys.readouterr().err)
    assert "data" in text


def test_tables_on_the_terminal_and_all_numbers_in_the_file(videos, checkpoint, quick, tmp_path, capsys):
    output = tmp_path / "results" / "data.json"
    arguments = ["data", videos, "--model", checkpoint, "--model_clips_per_second", "5", *quick, "--no_prepare"]
    assert run_benchmark.main([*arguments, "--output", str(output)]) == 0
    text = capsys.readouterr().out
    report = json.loads(output.read_text())
    assert report["model"] == {"name": checkpoint, "clips_per_second": 5.0, "source": "--model_clips_per_second"}
    assert len(report["videos"]) == 2
    assert "prepared" not in report["loaders"]
    assert report["setup"]["frame_stride"] == 2  # the checkpoint's
    assert "clips/s with workers" in text
    assert all(f"- {sentence}" in text for sentence in report["advice"])


def test_json_has_the_same_on_stdout_and_copies_are_made_on_the_spot(videos, checkpoint, quick, capsys, monkeypatch):
    made = []

    def copies(paths, *, folder, seconds):
        made.append(folder)
        return {path: path for path in paths}

    monkeypatch.setattr("videomae.copies.temporary_copies", copies)
    assert run_benchmark.main(["data", videos, "--model", checkpoint, *quick, "--num_videos", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert len(report["videos"]) == 1
    assert {"original", "prepared"} <= set(report["loaders"])
    assert len(made) == 1


def test_wrong_numbers_are_all_named(capsys):
    wrong = ["--seconds", "0", "--batch_size", "-1", "--repeats", "0,4", "--num_workers=-2"]
    assert cli.main(["benchmark", "data", "videos", *wrong]) == 2
    text = capsys.readouterr().err
    for name in ("--seconds is 0.0", "--batch_size is -1", "--repeats has 0", "--num_workers has -2"):
        assert name in text


def test_a_folder_without_videos_and_a_video_that_can_not_be_read_are_errors(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert cli.main(["benchmark", "data", str(tmp_path / "empty")]) == 2
    assert str(tmp_path / "empty") in capsys.readouterr().err
    (tmp_path / "empty" / "bad.mp4").write_bytes(b"no video")
    assert cli.main(["benchmark", "data", str(tmp_path / "empty")]) == 2
    assert "bad.mp4" in capsys.readouterr().err
