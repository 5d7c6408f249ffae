# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A child that hangs, crashes or eats memory costs its item alone; the others come back, and nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from videomae.children import ChildFailure, available_cores, map_in_children

ROOT = Path(__file__).resolve().parent.parent


def work(item):
    """What the children of these tests do."""
    kind, value = item
    if kind == "double":
        return 2 * value
    if kind == "sleep":
        time.sleep(value)
        return value
    if kind == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # like C code, deaf to what Python could do
        while True:
            pass
    if kind == "crash":
        os.kill(os.getpid(), value)
    if kind == "exit":
        os._exit(value)
    if kind == "eat":
        try:
            return len(bytearray(value))
        except MemoryError:
            return "refused"
    if kind == "raise":
        raise OSError(28, "No space left on device", "somewhere")
    if kind == "raise unpicklable":
        raise type("Odd", (Exception,), {})("odd thing")
    if kind == "pid":
        time.sleep(0.05)
        return os.getpid()
    raise AssertionError(kind)


def results(items, **settings):
    settings = {"num_children": 2, "time_limit": 30, **settings}
    return dict(map_in_children(work, items, **settings))


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_every_item_comes_back_with_its_result():
    assert results([("double", i) for i in range(20)]) == {("double", i): 2 * i for i in range(20)}


def test_no_items_start_no_child():
    assert results([]) == {}


def test_children_work_on_item_after_item():
    pids = list(map_in_children(work, [("pid", i) for i in range(10)], num_children=2, time_limit=30))
    assert len({pid for _, pid in pids}) <= 2
    assert os.getpid() not in {pid for _, pid in pids}


def test_results_come_as_they_are_done():
    items = [("sleep", 1.0), ("double", 1), ("double", 2)]
    assert [item for item, _ in map_in_children(work, items, num_children=2, time_limit=30)][-1] == ("sleep", 1.0)


def test_an_item_that_takes_too_long_is_given_up_and_the_others_are_done():
    start = time.monotonic()
    done = results([("hang", 0), *(("double", i) for i in range(5)), ("hang", 1)], time_limit=1)
    assert time.monotonic() - start < 20
    failure = ChildFailure("not done after 1 s (the time limit)")
    assert done == {("hang", 0): failure, ("hang", 1): failure, **{("double", i): 2 * i for i in range(5)}}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (("crash", signal.SIGSEGV), "its process was ended by SIGSEGV"),
        (("crash", signal.SIGKILL), "its process was ended by SIGKILL, most likely for want of memory"),
        (("exit", 3), "its process ended (exit code 3)"),
    ],
)
def test_a_crash_costs_its_item_alone(item, reason):
    done = results([item, *(("double", i) for i in range(5))], num_children=1)
    assert done.pop(item) == ChildFailure(reason)
    assert done == {("double", i): 2 * i for i in range(5)}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit")
def test_a_child_gets_no_more_memory_than_its_limit():
    items = [("eat", 300 * 2**20), ("eat", 20 * 2**20)]
    assert results(items, memory_limit=200 * 2**20) == {items[0]: "refused", items[1]: 20 * 2**20}


def test_what_the_function_raises_ends_the_work_and_is_raised_here():
    with pytest.raises(OSError, match="No space left on device: 'somewhere'") as caught:
        results([("raise", 0), *(("sleep", i / 1000) for i in range(50))])
    assert caught.value.errno == 28 and "working on ('raise', 0)" in "".join(caught.value.__notes__)


def test_the_child_that_raised_ends_with_the_others():
    running = map_in_children(work, [("pid", 0), ("raise", 0)], num_children=1, time_limit=30)
    _, pid = next(running)
    with pytest.raises(OSError):
        next(running)
    assert not is_running(pid)


def test_an_exception_that_can_not_travel_still_tells():
    with pytest.raises(RuntimeError, match="odd thing"):
        results([("raise unpicklable", 0)])


@pytest.mark.parametrize("name", ["num_children", "time_limit", "memory_limit"])
def test_limits_must_be_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
        results([("double", 1)], **{name: 0})


def test_who_stops_listening_ends_the_children():
    running = map_in_children(work, [("pid", 0), ("hang", 0), ("hang", 1)], num_children=2, time_limit=60)
    _, pid = next(running)
    running.close()
    assert not is_running(pid)


PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background of a shell ignores it
sys.path.insert(0, sys.argv[1])
from test_children import work
from videomae.children import map_in_children
if __name__ == "__main__":
    for _, result in map_in_children(work, [("pid", 0), ("pid", 1), ("hang", 0), ("hang", 1)], num_children=2,
                                     time_limit=float(sys.argv[2])):
        print(result, flush=True)
"""


@pytest.fixture
def program(tmp_path):
    """A program of which both children hang, once it has printed their process numbers."""
    running = []

    def start(time_limit):
        file = tmp_path / "program.py"
        file.write_text(PROGRAM)
        command = [sys.executable, str(file), str(ROOT / "tests"), str(time_limit)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        running.append(process)
        return process, [int(process.stdout.readline()) for _ in range(2)]

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_a_program_that_starts_itself_again_in_its_children_is_told(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.replace('if __name__ == "__main__":', "if True:"))
    command = [sys.executable, str(tmp_path / "program.py"), str(ROOT / "tests"), "60"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    last = finished.stderr.rstrip().splitlines()[-1]
    assert finished.returncode == 1
    assert last.startswith("ChildProcessError: a child process does not start (exit code 1); does the program keep")


def wait_until_gone(pids, seconds):
    end = time.monotonic() + seconds
    while any(map(is_running, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(is_running, pids))


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_ctrl_c_ends_everything_at_once(program):
    process, pids = program(600)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.wait(timeout=20)
    errors = process.stderr.read()
    assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")  # the children are silent
    assert wait_until_gone(pids, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="alarms")
def test_children_of_a_killed_parent_end_themselves_after_the_time_limit(program):
    process, pids = program(1)
    process.kill()
    process.wait()
    assert wait_until_gone(pids, 10)


def test_a_parent_too_busy_to_look_finds_what_was_done_and_what_was_not():
    running = map_in_children(work, [("double", 1), ("hang", 0), ("double", 2)], num_children=2, time_limit=0.5)
    done = [next(running)]
    time.sleep(4)
    done += running
    assert dict(done)[("hang", 0)] == ChildFailure("not done after 0.5 s (the time limit)")
    assert len(done) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
def test_cores_are_those_this_process_may_use(run_python):
    code = (
        "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])\n"
        "from videomae.children import available_cores; print(available_cores())"
    )
    assert run_python(code).stdout == "1\n"


def test_without_affinity_masks_all_cores_are_this_processs(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for count, cores in ((24, 24), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert available_cores() == cores
