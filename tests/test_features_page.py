# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What docs/features.md tells people to type works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEVideoProcessor, cli

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = re.findall(r"^videomae (.+)$", PAGE, re.M)


@pytest.fixture
def folder(tiny_config, tiny_clip, tmp_path):
    """What the examples find where they run, of a model whose clips are 16 frames as in the paper."""
    config = tiny_config(num_frames=16)
    for name, model_class in (("pretrain", VideoMAEForPreTraining), ("finetune", VideoMAEForVideoClassification)):
        model_class(config).save_pretrained(tmp_path / "runs" / name)
        VideoMAEVideoProcessor.for_model(config).save_pretrained(tmp_path / "runs" / name)
    names = ("clip.mp4", "match.mp4", "videos/clap/3.mp4", "videos/wave/3.mp4", "videos/wave/4.mp4")
    for length, name in enumerate(names, start=2):
        tiny_clip(name, num_frames=8 * length)
    for number in range(4):
        tiny_clip(f"labelled/{'clap' if number % 2 else 'wave'}/{number}.mp4", num_frames=20)
    return tmp_path


def test_the_commands_and_then_the_examples_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for command in COMMANDS:
        verb, *words = command.split()
        assert cli.main([verb, *words, "--num_workers", "0", "--device", "cpu"]) == 0, command
    assert (folder / "features" / "clap" / "3.npy").exists()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    code = [sys.executable, "-c", "\n".join(PYTHON_BLOCKS)]
    result = subprocess.run(code, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    similar, *rows = result.stdout.splitlines()
    assert similar.startswith("['features/clap/3.npy', ")
    assert rows == [row for row in rows if re.fullmatch(r"\d\.\d\d to \d\.\d\d s: \d+\.\d\d", row)] != []


def test_every_flag_of_the_page_exists(capsys):
    with pytest.raises(SystemExit):
        cli.main(["extract", "--help"])
    known = set(re.findall(r"--\w+", capsys.readouterr().out))
    assert set(re.findall(r"--\w+", PAGE)) <= known
