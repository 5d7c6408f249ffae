# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What the README tells people to type works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from videomae import VideoMAEForVideoClassification, VideoMAEVideoProcessor, cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON_BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
COMMANDS = re.findall(r"^videomae (\w+) +(.*?)(?: +#.*)?$", README, re.M)


@pytest.fixture
def folder(tiny_config, tiny_clip, tmp_path):
    """What the examples find where they run: `runs/finetune` and `clip.mp4`."""
    config = tiny_config()
    VideoMAEForVideoClassification(config).save_pretrained(tmp_path / "runs" / "finetune")
    VideoMAEVideoProcessor.for_model(config).save_pretrained(tmp_path / "runs" / "finetune")
    tiny_clip("clip.mp4", num_frames=20)
    return tmp_path


def test_the_python_examples_run_one_after_the_other(folder):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", "\n".join(PYTHON_BLOCKS)]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("verb", "arguments"), COMMANDS)
def test_the_commands_use_flags_that_exist(verb, arguments, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([verb, "--help"])
    assert end.value.code in (0, None)
    assert set(re.findall(r"--\w+", arguments)) <= set(re.findall(r"--\w+", capsys.readouterr().out))


def test_every_verb_but_the_first_steps_is_shown_in_use():
    assert {verb for verb, _ in COMMANDS} == set(cli.VERBS) - {"demo"}
