# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The `videomae` command: verbs, exit codes and error lines."""

import os
import re
import subprocess
import sys
import time

import pytest

from videomae import __version__, cli


def command(*arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "videomae.cli", *arguments], capture_output=True, text=True, timeout=60, **options
    )


def raising(error):
    def main(argv):
        raise error

    return main


def test_help_lists_every_verb_with_its_line(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb, (_, line) in cli.VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(line)}$", text, re.M)


def test_version_is_that_of_the_package(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"videomae {__version__}\n"


def test_no_verb_prints_the_usage_and_exits_2(capsys):
    assert cli.main([]) == 2
    assert capsys.readouterr().err.startswith("usage: videomae")


def test_a_misspelt_verb_exits_2_and_suggests_the_right_one(capsys):
    assert cli.main(["pretrian"]) == 2
    assert capsys.readouterr().err == "error: 'videomae pretrian' does not exist; did you mean 'pretrain'?\n"


def test_an_unknown_verb_exits_2_and_lists_the_verbs(capsys):
    assert cli.main(["xyz"]) == 2
    assert capsys.readouterr().err.endswith(f"choose from {', '.join(cli.VERBS)}\n")


@pytest.mark.parametrize("error", [ValueError("size is 3, wanted 4"), OSError("no such folder: x")])
def test_a_bad_input_is_one_line_and_exit_code_2(error, capsys, monkeypatch):
    monkeypatch.delenv("VIDEOMAE_DEBUG", raising=False)
    assert cli.run(raising(error)) == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: {error}\n"
    assert captured.out == ""


def test_debug_shows_the_traceback_of_a_bad_input(monkeypatch):
    monkeypatch.setenv("VIDEOMAE_DEBUG", "1")
    with pytest.raises(ValueError, match="size"):
        cli.run(raising(ValueError("size")))


def test_a_bug_keeps_its_traceback():
    with pytest.raises(KeyError):
        cli.run(raising(KeyError("x")))


def test_an_interrupt_is_one_line_and_exit_code_130(capsys):
    assert cli.run(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1)])
def test_the_answer_of_a_program_is_its_exit_code(returned, code):
    assert cli.run(lambda argv: returned) == code


def test_a_program_gets_the_arguments_after_its_verb_and_its_own_name(monkeypatch):
    from videomae.scripts import run_doctor

    seen = []
    monkeypatch.setattr(run_doctor, "main", lambda argv: seen.append((argv, sys.argv[0])))
    monkeypatch.setattr(sys, "argv", ["videomae"])
    assert cli.main(["doctor", "--json", "x"]) == 0
    assert seen == [(["--json", "x"], "videomae doctor")]


@pytest.mark.parametrize("length", [1, 2**20], ids=["still buffered", "being written"])
def test_a_reader_that_hangs_up_is_no_error(length):
    code = f"from videomae import cli; cli.sys.exit(cli.run(lambda argv: print('x' * {length})))"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], env=buffered, **pipes) as process:
        process.stdout.close()
        assert process.wait(timeout=30) == cli.BROKEN_PIPE
        assert process.stderr.read() == b""


def test_help_answers_in_under_a_second():
    start = time.perf_counter()
    assert command("--help").returncode == 0
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("verb", cli.VERBS)
def test_help_of_a_verb_is_its_manual_page_and_loads_no_framework(verb, run_python):
    code = (
        "import sys; from videomae import cli\n"
        "try: cli.main([sys.argv[1], '--help'])\n"
        "except SystemExit as exit: assert not exit.code, exit.code\n"
        "heavy = {'torch', 'torchvision', 'av', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = run_python(code, verb)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"usage: videomae {verb}")


def test_a_wrong_flag_exits_2():
    result = command("doctor", "--jsn")
    assert result.returncode == 2
    assert "--jsn" in result.stderr
