# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What programs leave that are killed, terminated, or find the disk full, and that the next start goes on exactly.

The programs run as they do for their users, on real videos and with data-loader workers. Moments are drawn at random;
a test prints its seed, and CRASH_SEED=… draws the same ones again.
"""

import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil  # a requirement of accelerate
import pytest
import torch
from runs import DECODER, ENCODER

from videomae import cli
from videomae.checkpoints import FILES, LOCK, SAVING, find_checkpoints, last_checkpoint, step_of, what_is_missing
from videomae.scripts import run_evaluation, run_finetuning, run_pretraining
from videomae.synthetic import draw_video, write_video

ROOT = Path(__file__).resolve().parent.parent
WITNESS = Path(__file__).with_name("witness.py")
TIME_LIMIT = 240  # seconds, for each start of a program
MARK = "VIDEOMAE_CRASH_TEST"  # in the environment of a program and of all processes that it starts
STEPS_PER_EPOCH = 3
LAUNCHER = "-m torch.distributed.run --standalone --local_addr 127.0.0.1 --nproc_per_node".split()

# All that a resume has to carry. 13 videos: three steps of 4 in an epoch, and one video that is left out.
TRAINING = (
    "--num_train_epochs 3 --warmup_epochs 1 --total_batch 4 --per_device_train_batch_size 1 --repeats 2 "
    "--per_device_eval_batch_size 1 --eval_strategy epoch --ema_decay 0.7 --drop_path_rate 0.2 --frame_stride 2 "
    "--dataloader_num_workers 2 --logging_steps 1 --save_strategy steps --save_steps 1 --save_total_limit 3 "
    "--use_cpu --disable_tqdm true"
).split()
PRETRAINING = [*ENCODER, *DECODER, *TRAINING, "--base_learning_rate", "0.1", "--health_epochs", "0"]
HEALTH = "--health_epochs 1 --health_clips 4".split()
FINETUNING = [
    *TRAINING,
    *"--base_learning_rate 0.1 --layer_decay 0.75 --max_grad_norm 1 --label_smoothing_factor 0.1".split(),
    *"--rand_augment rand-m7-n2-mstd0.5-inc1 --erasing 0.5 --mixup 0.8 --cutmix 1.0 --test_views 2x1".split(),
]
LAST_STEP = 9
TIMES = ("runtime", "second", "data_wait")  # in the names of what is another number in each run


# ---- programs as processes of their own ----


class Program:
    """A program that runs: its launcher, its processes and their data-loader workers."""

    def __init__(self, command, folder, log):
        self.folder, self.log = folder, log
        self.first_step = step_of(found[-1]) if (found := find_checkpoints(folder)) else 0
        self.mark = uuid.uuid4().hex
        environment = os.environ | {MARK: self.mark, "PYTHONUNBUFFERED": "1", "GLOO_SOCKET_IFNAME": "lo"}
        environment |= {"OMP_NUM_THREADS": str(torch.get_num_threads()), "HF_HUB_OFFLINE": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with open(log, "w") as file:
            self.process = subprocess.Popen(
                [*map(str, command)], env=environment, stdout=file, stderr=file, start_new_session=True
            )

    def processes(self):
        """Those that are alive, the launcher first."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return sorted(found, key=lambda process: process.create_time())

    def text(self):
        return self.log.read_text()

    def steps(self):
        """The steps that the training has told the loss of."""
        return self.first_step + self.text().count("'loss'")

    def until(self, condition):
        """Wait for a moment of a program that runs."""
        deadline = time.monotonic() + TIME_LIMIT
        while not condition():
            assert self.process.poll() is None, f"it ended too early:\n{self.text()[-3000:]}"
            assert time.monotonic() < deadline, self.text()[-3000:]
            time.sleep(0.001)

    def kill(self):
        while alive := self.processes():
            for process in alive:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
        self.process.wait()

    def end(self):
        """Its exit code; nothing of it is left."""
        code = self.process.wait(TIME_LIMIT)
        deadline = time.monotonic() + 10  # workers look for their parent every five seconds
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.processes() == []
        return code


@pytest.fixture
def start(tmp_path):
    """`start(program, folder, *argv, processes=1) -> Program`; what still runs after the test is killed."""
    started = []

    def run(program, folder, *argv, processes=1, output=True):
        command = [sys.executable]
        if processes > 1:
            command += [*LAUNCHER, processes, WITNESS, f"{folder}-rank"]
        command += [program.__file__, *argv, *(["--output_dir", folder] if output else [])]
        started.append(Program(command, folder, tmp_path / f"log-{len(started)}"))
        return started[-1]

    yield run
    for program in started:
        program.kill()


def run_to_its_end(start, program, folder, *argv, **kwargs):
    running = start(program, folder, *argv, **kwargs)
    assert running.end() == 0, running.text()[-3000:]
    return folder


# ---- moments ----

MOMENTS = {
    "in training": lambda running, step: running.steps() >= step,
    "while it saves": lambda running, step: running.steps() >= step and (running.folder / SAVING).exists(),
    "in validation": lambda running, step: running.steps() >= step and running.steps() % STEPS_PER_EPOCH == 0,
}


@pytest.fixture
def drawn():
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CRASH_SEED={seed}")
    return random.Random(seed)


def kill_at_a_random_moment(running, drawn, moment=None):
    """Soon after one of the next steps; whatever it does then, no more than that step is lost."""
    moment = moment or drawn.choice(list(MOMENTS))
    step = running.first_step + drawn.randint(1, 2)
    delay = drawn.uniform(0, 0.02 if moment == "while it saves" else 0.2)
    running.until(lambda: MOMENTS[moment](running, step))
    time.sleep(delay)
    assert running.process.poll() is None, running.text()[-3000:]
    running.kill()
    last = last_checkpoint(running.folder)
    print(f"killed {moment} after step {running.steps()}, {delay:.3f} s later: {last} is whole")
    assert (0 if last is None else step_of(last)) >= running.steps() - 1
    assert all(what_is_missing(checkpoint) is None for checkpoint in find_checkpoints(running.folder))


# ---- what a run leaves ----


def without_times(record):
    if not isinstance(record, dict):
        return record
    return {name: without_times(value) for name, value in record.items() if not any(word in name for word in TIMES)}


def curves(folder):
    """The lines of the log: the loss of each step, norms, rates and validations."""
    log = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    return [without_times(line) for line in log if "train_runtime" not in line]


def metrics(folder):
    return without_times(json.loads((folder / "metrics.json").read_text()))


def assert_same_run(run, whole):
    assert len([line for line in curves(whole) if "loss" in line]) == LAST_STEP
    assert curves(run) == curves(whole)
    assert metrics(run) == metrics(whole)
    for name in ("model.safetensors", "config.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert not (run / SAVING).exists()


# ---- the undisturbed runs ----


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Thirteen training and four validation videos of three motions."""
    folder = tmp_path_factory.mktemp("crashes") / "videos"
    generator = torch.Generator().manual_seed(0)
    for split, counts in (("train", (5, 4, 4)), ("val", (2, 1, 1))):
        for motion, count in zip(("growing", "clockwise", "up"), counts, strict=True):
            for number in range(count):
                frames = draw_video(motion, size=48, num_frames=12 + number, generator=generator)
                (folder / split / motion).mkdir(parents=True, exist_ok=True)
                write_video(folder / split / motion / f"{number}.mp4", frames)
    return folder


@pytest.fixture(scope="module")
def whole(videos, tmp_path_factory):
    """A pre-training in one process that nothing disturbed, with its last three checkpoints."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert pretrain(videos, folder) == 0
    return folder


@pytest.fixture
def crashed(whole, tmp_path):
    """What is left of the same run when it crashes in its last step: the two checkpoints before."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    shutil.rmtree(folder / f"checkpoint-{LAST_STEP}")
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    return folder


def pretrain(videos, folder, *argv):
    """The program in this process; its exit code."""
    return cli.run(run_pretraining.main, [*map(str, ["--data", videos, "--output_dir", folder, *PRETRAINING, *argv])])


# ---- killed ----


@pytest.mark.parametrize(
    ("moment", "kills"),
    [
        ("while it saves", 1),
        pytest.param("while it saves", 2, marks=pytest.mark.slow),
        pytest.param("in validation", 2, marks=pytest.mark.slow),
        pytest.param("in training", 2, marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_goes_on_as_if_nothing_had_happened(start, drawn, videos, whole, tmp_path, moment, kills):
    folder = tmp_path / "run"
    for _ in range(kills):
        running = start(run_pretraining, folder, "--data", videos, *PRETRAINING, "--resume", "auto")
        kill_at_a_random_moment(running, drawn, moment)
    assert pretrain(videos, folder, "--resume", "auto") == 0
    assert_same_run(folder, whole)


def tell_a_story(start, folder, videos, train):
    """Pre-train, fine-tune, evaluate, each in two processes; `train(program, folder, argv)` does the trainings."""
    pretrained, finetuned, evaluated = (folder / name for name in ("pretrained", "finetuned", "evaluated"))
    train(run_pretraining, pretrained, ["--data", videos, *PRETRAINING, *HEALTH])
    train(run_finetuning, finetuned, ["--data", videos, "--model", pretrained, *FINETUNING])
    argv = [finetuned, videos, "--views", "2x3", "--device", "cpu", "--output_dir", evaluated]
    run_to_its_end(start, run_evaluation, folder / "evaluation", *argv, processes=2, output=False)
    return pretrained, finetuned, evaluated


@pytest.mark.slow
def test_a_story_with_kills_ends_as_one_without(start, drawn, videos, tmp_path):
    def train(program, folder, argv):
        run_to_its_end(start, program, folder, *argv, processes=2)

    def train_with_kills(program, folder, argv):
        for _ in range(2):
            running = start(program, folder, *argv, "--resume", "auto", processes=2)
            kill_at_a_random_moment(running, drawn)
        run_to_its_end(start, program, folder, *argv, "--resume", "auto", processes=2)

    stories = []
    for name, way in (("undisturbed", train), ("killed", train_with_kills)):
        (tmp_path / name).mkdir()
        stories.append(tell_a_story(start, tmp_path / name, videos, way))
    for disturbed, undisturbed in zip(stories[1][:2], stories[0][:2], strict=True):
        assert_same_run(disturbed, undisturbed)
    evaluations = [metrics(story[2]) for story in stories]
    assert evaluations[0].pop("model") != evaluations[1].pop("model")
    assert evaluations[0] == evaluations[1] and evaluations[0]["num_videos"] == 4


# ---- terminated ----


def terminate(processes):
    for process in processes:
        process.send_signal(signal.SIGTERM)


def assert_interrupted(running):
    step = step_of(last_checkpoint(running.folder))
    assert running.text().count(f"SIGTERM ended the training after step {step} of {LAST_STEP}") == 1
    assert not {SAVING, "metrics.json", "model.safetensors"} & {path.name for path in running.folder.iterdir()}


@pytest.mark.slow
def test_a_terminated_program_exits_with_0_and_leaves_nothing_but_a_checkpoint(start, drawn, videos, whole, tmp_path):
    folder = tmp_path / "run"
    running = start(run_pretraining, folder, "--data", videos, *PRETRAINING)
    step = drawn.randint(1, LAST_STEP - 3)
    running.until(lambda: running.steps() >= step)
    terminate(running.processes())  # the workers, too, as schedulers do
    assert running.end() == 0
    assert_interrupted(running)
    assert "Traceback" not in running.text()
    assert pretrain(videos, folder, "--resume", "auto") == 0
    assert_same_run(folder, whole)


@pytest.fixture(scope="module")
def whole_in_two(videos, tmp_path_factory):
    """The pre-training in two processes that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole-in-two")
    command = [sys.executable, *LAUNCHER, "2", run_pretraining.__file__, "--data", videos, *PRETRAINING]
    program = Program([*command, "--output_dir", folder / "run"], folder / "run", folder / "log")
    try:
        assert program.end() == 0, program.text()[-3000:]
    finally:
        program.kill()
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("receivers", ["everybody", "the launcher"])
def test_a_terminated_launcher_has_its_processes_write_one_checkpoint(
    start, drawn, videos, whole_in_two, tmp_path, receivers
):
    folder = tmp_path / "run"
    argv = ["--data", videos, *PRETRAINING, "--resume", "auto"]
    running = start(run_pretraining, folder, *argv, processes=2)
    step = drawn.randint(1, LAST_STEP - 3)
    running.until(lambda: running.steps() >= step)
    launcher, *others = running.processes()
    if receivers == "everybody":
        terminate(others)
        time.sleep(drawn.uniform(0, 0.2))
    terminate([launcher])  # which passes it on: then the others have two
    assert running.end() == 1  # torchrun's own, for any signal
    assert "SignalException" in running.text() and "Unable to shutdown" not in running.text()
    for rank in range(2):
        assert json.loads(Path(f"{folder}-rank{rank}").read_text())["exit"] == 0
    assert_interrupted(running)  # said by the first process
    run_to_its_end(start, run_pretraining, folder, *argv, processes=2)
    assert_same_run(folder, whole_in_two)


# ---- the disk ----


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the files of another process")
@pytest.mark.parametrize(
    ("size", "saving", "message"),
    [  # bytes: the optimiser's state has some 139,000, the model 54,000
        (100_000, [], "checkpoint-{next} could not be written to {run}: "),
        (40_000, ["--save_strategy", "no"], "the trained model could not be written to {run}: "),
    ],
    ids=["of a checkpoint", "of the model at the end"],
)
def test_a_full_disk_is_one_message_and_leaves_what_was_there(start, videos, whole, tmp_path, size, saving, message):
    import resource

    folder = tmp_path / "run"
    running = start(run_pretraining, folder, "--data", videos, *PRETRAINING, *saving)
    running.until(lambda: running.steps() >= 2)
    for process in running.processes():
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
    assert running.end() == 2
    assert "Traceback" not in running.text()
    (error,) = [line for line in running.text().splitlines() if line.startswith("error: ")]
    last = last_checkpoint(folder)
    step = 0 if last is None else step_of(last)
    assert error.startswith("error: " + message.format(next=step + 1, run=folder))
    assert f"The last whole checkpoint is {last}; make room there" in error
    assert {path.name for path in folder.iterdir()} - {LOCK} == {path.name for path in find_checkpoints(folder)}
    assert pretrain(videos, folder, "--resume", "auto") == 0  # with room again
    assert_same_run(folder, whole)


def test_an_output_folder_that_is_a_file_is_one_error(videos, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert pretrain(videos, tmp_path / "file") == 2
    assert f"--output_dir is {tmp_path / 'file'}, a file, wanted a folder" in capsys.readouterr().err
    assert pretrain(videos, tmp_path / "file" / "run") == 2
    assert f"Not a directory: '{tmp_path / 'file' / 'run'}'" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="everything is open to root")
def test_an_output_folder_that_is_read_only_is_one_error(videos, tmp_path, capsys):
    (tmp_path / "closed").mkdir(mode=0o555)
    assert pretrain(videos, tmp_path / "closed" / "run") == 2
    assert f"{tmp_path / 'closed'}" in capsys.readouterr().err


# ---- damaged checkpoints ----


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "ema/model.safetensors"])
def test_a_truncated_checkpoint_is_told_and_the_one_before_is_taken(crashed, videos, whole, caplog, name):
    last = find_checkpoints(crashed)[-1]
    os.truncate(last / name, 1000)
    assert pretrain(videos, crashed, "--resume", "auto") == 0
    assert f"{last} is left out: {name} has 1000 bytes, wanted" in caplog.text
    assert_same_run(crashed, whole)


def claim_to_be_whole(checkpoint):
    """Have files.json list the files as they are, as somebody would who wants them to be read."""
    listed = json.loads((checkpoint / FILES).read_text())
    (checkpoint / FILES).write_text(json.dumps({name: (checkpoint / name).stat().st_size for name in listed}))


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "ema/model.safetensors"])
def test_damage_that_does_not_show_in_sizes_is_one_error(crashed, videos, capsys, name):
    last = find_checkpoints(crashed)[-1]
    (last / name).write_bytes(bytes((last / name).stat().st_size))
    assert pretrain(videos, crashed, "--resume", "auto") == 2
    error = capsys.readouterr().err
    assert f"error: {last} can not be loaded: " in error and "Traceback" not in error
    assert "remove it: --resume auto goes on from the one before" in error


class Payload:
    """A pickle that makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2))]
)
@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"])
def test_what_is_hidden_in_a_checkpoint_is_not_executed(crashed, videos, capsys, tmp_path, name, write):
    last = find_checkpoints(crashed)[-1]
    write(Payload(tmp_path / "executed"), last / name)
    claim_to_be_whole(last)
    code = pretrain(videos, crashed, "--resume", "auto")
    assert not (tmp_path / "executed").exists()
    if name == "training_args.bin":  # nobody reads it
        assert code == 0
    else:
        assert code == 2
        error = capsys.readouterr().err
        assert f"error: {last} can not be loaded: a file holds something else than tensors" in error


@pytest.mark.parametrize("resume", ["nowhere", "empty", "whole"])
def test_a_folder_that_is_no_checkpoint_is_one_error(videos, whole, tmp_path, capsys, resume):
    (tmp_path / "empty").mkdir()
    folder = whole if resume == "whole" else tmp_path / resume
    assert pretrain(videos, tmp_path / "run", "--resume", folder) == 2
    error = capsys.readouterr().err
    assert f"error: --resume is {folder}: " in error and "Traceback" not in error
