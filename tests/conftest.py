# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What every test shares: no network, one thread per worker, reference data, a tiny model and tiny videos."""

import os
import subprocess
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before any library reads it
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores; torch reads this at its import

import numpy as np
import pytest

import videomae

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("VIDEOMAE_SHARED", ROOT.parent / "shared"))


def reference_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"reference data not found: {folder} (VIDEOMAE_SHARED names its parent)")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Tensors and checkpoints that the reference implementations computed."""
    return reference_folder("golden")


@pytest.fixture(scope="session")
def clips() -> Path:
    """Small real videos in awkward formats."""
    return reference_folder("clips")


@pytest.fixture(autouse=True)
def no_global_registration(monkeypatch):
    """`register()` changes transformers for the whole process: a test that needs it runs it with `run_python`."""

    def refuse():
        pytest.fail("register() is global: call it in a process of its own (fixture run_python)")

    monkeypatch.setattr(videomae, "register", refuse)


@pytest.fixture(scope="session")
def run_python():
    """`run_python(code, *arguments) -> CompletedProcess`: the code in a fresh interpreter, from the project's root."""

    def run(code: str, *arguments, timeout: float = 120) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture(scope="session")
def tiny_config():
    """`tiny_config(**overrides) -> VideoMAEConfig`: 4 frames of 24x32, grid (2, 3, 4), no two sizes alike."""

    def make(**overrides):
        sizes = {
            "num_frames": 4,
            "tubelet_size": 2,
            "image_size": [24, 32],
            "patch_size": 8,
            "hidden_size": 12,
            "num_attention_heads": 3,
            "num_hidden_layers": 2,
            "intermediate_size": 20,
            "decoder_hidden_size": 10,
            "decoder_num_attention_heads": 5,
            "decoder_num_hidden_layers": 1,
            "decoder_intermediate_size": 14,
            "num_labels": 7,
        }
        return videomae.VideoMAEConfig(**{**sizes, **overrides})

    return make


@pytest.fixture
def arguments(tmp_path):
    """`arguments(**overrides) -> VideoMAETrainingArguments`: a short quiet run on the CPU."""

    def make(**overrides):
        quiet = {"use_cpu": True, "disable_tqdm": True, "dataloader_num_workers": 0, "logging_steps": 1}
        short = {"num_train_epochs": 2, "warmup_epochs": 1, "per_device_train_batch_size": 2, "save_strategy": "no"}
        from videomae.training import VideoMAETrainingArguments

        return VideoMAETrainingArguments(**{"output_dir": str(tmp_path / "run"), **quiet, **short, **overrides})

    return make


@pytest.fixture
def tiny_clip(tmp_path):
    """`tiny_clip(name="clip.mp4", …) -> Path`: a video whose frame i has the brightness 20 + 5 i.

    At most 48 frames. `frame_numbers` reads the numbers back.
    """
    import av

    def write(name="clip.mp4", *, num_frames=12, height=48, width=64, fps=25, codec="libx264", options=None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps, options=options or {})
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            for number in range(num_frames):
                grey = np.full((height, width, 3), 20 + 5 * number, dtype=np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def frame_numbers():
    """`frame_numbers(frames) -> list[int]`: which frames of a `tiny_clip` the uint8 (T, ...) array or tensor holds."""

    def read(frames) -> list[int]:
        return [round((float(frame.mean(dtype="float64")) - 20) / 5) for frame in np.asarray(frames)]

    return read


@pytest.fixture
def folder(tmp_path):
    """`folder(*paths) -> Path`: a folder with these files, empty ones: tables do not look inside."""

    def make(*paths):
        root = tmp_path / "data"
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        return root

    return make


@pytest.fixture
def listed(folder):
    """`listed(text, *videos, name="list.csv") -> Path`: a list beside these (empty) videos."""

    def make(text, *videos, name="list.csv"):
        path = folder(*videos) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return make
