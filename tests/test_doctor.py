# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""`videomae doctor`: what works is said to work, what is broken is named and gives exit code 1."""

import json

import pytest
from packaging.requirements import Requirement

from videomae.scripts import run_doctor


@pytest.fixture
def working_packages(monkeypatch):
    """Skips importing every dependency, which takes seconds and has its own test."""
    monkeypatch.setattr(run_doctor, "check_packages", lambda: [run_doctor.Finding("torch", "2.15.0")])


def test_a_working_installation_exits_0_and_says_so(working_packages, capsys):
    assert run_doctor.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "everything needed works"
    assert {"videomae", "torch", "video", "decoder", "cpu"} <= {line.split()[1] for line in lines[:-2]}


def test_json_says_the_same_to_programs(working_packages, capsys):
    assert run_doctor.main(["--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert all(set(finding) == {"name", "value", "ok", "advice"} for finding in report["findings"])


def test_a_decoder_that_returns_other_frames_is_broken(working_packages, monkeypatch, capsys):
    import torch

    import videomae.video

    monkeypatch.setattr(videomae.video, "read_frames", lambda path, indices: torch.zeros(4, 3, 48, 64))
    assert run_doctor.main(["--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [finding["name"] for finding in report["findings"] if not finding["ok"]] == ["video"]


def test_a_check_that_raises_is_a_finding_and_the_others_still_run(working_packages, monkeypatch, capsys):
    def fail():
        raise RuntimeError("no encoder")

    monkeypatch.setattr(run_doctor, "check_video", fail)
    assert run_doctor.main([]) == 1
    text = capsys.readouterr().out
    assert "BROKEN  video            RuntimeError: no encoder" in text
    assert "ok      cpu" in text
    assert text.endswith("\nbroken: video\n")


@pytest.mark.parametrize(
    ("chosen", "problem", "value"),
    [
        ("auto", None, "PyAV (torchcodec: it gives the same frames, VIDEOMAE_DECODER=torchcodec uses it)"),
        ("auto", "it is not installed", "PyAV (torchcodec: it is not installed)"),
        ("torchcodec", None, "torchcodec (torchcodec: it gives the same frames)"),
        ("torchcodec", "it gives other frames", "PyAV (torchcodec: it gives other frames)"),
    ],
)
def test_the_decoder_is_named_and_what_torchcodec_would_do(chosen, problem, value, monkeypatch):
    import videomae.torchcodec_reader

    monkeypatch.setenv("VIDEOMAE_DECODER", chosen)
    monkeypatch.setattr(videomae.torchcodec_reader, "torchcodec_problem", lambda: problem)
    assert run_doctor.check_decoder() == run_doctor.Finding("decoder", value)


def test_a_missing_package_is_named_with_the_command_that_installs_it():
    finding = run_doctor.check_package(Requirement("no-such-package>=3.1"))
    assert not finding.ok
    assert finding.value == "missing (needs >=3.1)"
    assert finding.advice == 'pip install "no-such-package>=3.1"'


def test_a_package_of_an_unsupported_version_is_broken():
    finding = run_doctor.check_package(Requirement("numpy<1"))
    assert not finding.ok
    assert finding.advice == 'pip install "numpy<1"'


def test_a_package_that_cannot_be_imported_is_broken(monkeypatch):
    def fail(name):
        raise OSError("libav.so: cannot open shared object file")

    monkeypatch.setattr(run_doctor, "import_module", fail)
    finding = run_doctor.check_package(Requirement("av>=1"))
    assert not finding.ok
    assert "libav.so" in finding.value
    assert finding.advice.endswith("--force-reinstall")


def test_every_dependency_of_the_package_is_looked_at(monkeypatch):
    monkeypatch.setattr(run_doctor, "import_module", lambda name: None)
    names = [finding.name for finding in run_doctor.check_packages()]
    assert {"torch", "transformers", "av", "pillow", "flash-attn"} <= set(names)
