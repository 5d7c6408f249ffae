# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints of a run: a folder is whole, or it is not there.

    run/checkpoint-300/           files.json lists its files and their sizes, written last
    run/.saving/checkpoint-400/   is being written; what a kill leaves there vanishes with the next save

A checkpoint gets its name by one rename, after its files have reached the disk. The older ones go after that.
"""

import json
import logging
import os
import pickle
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from safetensors import SafetensorError

from .files import open_to_others, write_json

logger = logging.getLogger(__name__)

SAVING = ".saving"  # folder for what is being written, on the file system of the run
FILES = "files.json"
TORCH_CAN_NOT_WRITE = ("PytorchStreamWriter", "inline_container", "iostream")  # in the messages of its RuntimeErrors
LOCK = ".lock"
OLD = "old-"  # before the name of a checkpoint: another one has taken its place
# What a model's folder does not have, nor what --save_only_model leaves: transformers would go on without them.
NEEDED = ("trainer_state.json", "scheduler.pt")
_NAME = re.compile(r"checkpoint-(\d+)")


class CheckpointError(OSError):
    """A checkpoint could not be written or read."""


def find_checkpoints(output_dir: str | os.PathLike) -> list[Path]:
    """The checkpoints of a run, whole or not, the last step last."""
    folder = Path(output_dir)
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)]
    return sorted(found, key=step_of)


def step_of(checkpoint: Path) -> int:
    return int(_NAME.fullmatch(checkpoint.name)[1])


def what_is_missing(checkpoint: Path) -> str | None:
    """Why this folder is no whole checkpoint; None if it is one."""
    try:
        sizes = json.loads((checkpoint / FILES).read_text(encoding="utf-8"))
    except OSError:
        return f"no {FILES}: written by another program, or not to its end"
    except ValueError:
        return f"{FILES} is damaged"
    if not isinstance(sizes, dict):
        return f"{FILES} is damaged"
    for name, size in sizes.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes, wanted {size}"
    return None


def last_checkpoint(output_dir: str | os.PathLike) -> Path | None:
    """The last whole checkpoint of a run; later ones that are not are named in a warning."""
    for checkpoint in reversed(find_checkpoints(output_dir)):
        if (missing := what_is_missing(checkpoint)) is None:
            return checkpoint
        logger.warning("%s is left out: %s", checkpoint, missing)
    return None


def resolve(resume: str, output_dir: str | os.PathLike) -> Path | None:
    """The checkpoint that `--resume` names; "auto": the last whole one of the run, None where it has none yet.

    Raises ValueError: no such folder, none of a training, or not a whole one.
    """
    checkpoint = last_checkpoint(output_dir) if resume == "auto" else Path(resume)
    if checkpoint is None:
        return None
    known = ", ".join(path.name for path in find_checkpoints(output_dir)) or "none"
    if not checkpoint.is_dir():
        raise ValueError(f"--resume is {resume}: no such folder; checkpoints in {output_dir}: {known}")
    if (checkpoint / FILES).exists() and (missing := what_is_missing(checkpoint)):
        raise ValueError(f"--resume is {resume}: {missing}; `--resume auto` takes the last whole checkpoint")
    if lacking := [name for name in NEEDED if not (checkpoint / name).is_file()]:
        raise ValueError(
            f"--resume is {resume}: {checkpoint} is no checkpoint to go on from, it has no "
            f"{' and no '.join(lacking)}; checkpoints in {output_dir}: {known}. --model {checkpoint} begins a new "
            "run with the weights alone"
        )
    return checkpoint


@contextmanager
def claimed(output_dir: str | os.PathLike) -> Iterator[None]:
    """No other process of this machine, or of a file system that knows locks, trains into the folder meanwhile.

    Raises ValueError where one does.
    """
    if fcntl is None:
        yield
        return
    Path(output_dir).mkdir(parents=True, exist_ok=True)
    with (Path(output_dir) / LOCK).open("w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of this process, not of what it forks; ends with it
        except BlockingIOError:
            raise ValueError(f"another process trains into {output_dir}: wait for it, or take another one") from None
        except OSError as error:
            logger.warning("%s can not be locked (%s): see to it that one run at a time uses it", output_dir, error)
        yield


@contextmanager
def writing(what: str, output_dir: str | os.PathLike) -> Iterator[None]:
    """Raises CheckpointError for what writers of tensors raise when they can not write (`what` is its subject)."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in TORCH_CAN_NOT_WRITE):
            raise  # of another process, say
        whole = last_checkpoint(output_dir)
        then = "begin again" if whole is None else "go on with --resume auto"
        raise CheckpointError(
            f"{what} could not be written to {output_dir}: {error}. The last whole checkpoint is {whole}; make room "
            f"there (or lower --save_total_limit) and {then}"
        ) from error


@contextmanager
def reading(checkpoint: str | os.PathLike) -> Iterator[None]:
    """Raises CheckpointError for what readers of tensors raise about damaged files, or files of another model."""
    try:
        yield
    except (OSError, EOFError, RuntimeError, ValueError, SafetensorError, pickle.UnpicklingError) as error:
        reason = str(error)
        if isinstance(error, pickle.UnpicklingError):  # torch's words recommend to execute it
            reason = "a file holds something else than tensors and numbers"
        raise CheckpointError(
            f"{checkpoint} can not be loaded: {reason}. If it is damaged, remove it: --resume auto goes on from the "
            "one before"
        ) from error


def seal(folder: Path) -> None:
    """Have the files of a folder reach the disk, and list them in files.json."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in paths:
        open_to_others(path)
        _sync(path)
    write_json(folder / FILES, {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths})
    _sync(folder / FILES)
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        _sync(path)


def publish(saved: Path, output_dir: str | os.PathLike) -> Path:
    """Rename a folder in `SAVING` to its place in the run, where it replaces one of the same name."""
    place = Path(output_dir) / saved.name
    if place.exists():  # the same step again: `clear` puts it back where a kill comes in between
        os.replace(place, saved.with_name(f"{OLD}{saved.name}"))
    os.replace(saved, place)
    _sync(place.parent)
    clear(output_dir)
    return place


def clear(output_dir: str | os.PathLike) -> None:
    """Remove what a save left behind that did not come to its end."""
    saving = Path(output_dir) / SAVING
    for old in saving.glob(f"{OLD}*"):
        place = saving.parent / old.name.removeprefix(OLD)
        if not place.exists():
            os.replace(old, place)
    shutil.rmtree(saving, ignore_errors=True)


def set_aside(output_dir: str | os.PathLike, *, after: Path | None) -> None:
    """Rename the checkpoints of a run that are later than the one that it goes on from (None: all), so that it does
    not go on from them later. They are kept, as old-checkpoint-STEP."""
    for checkpoint in find_checkpoints(output_dir):
        if after is None or step_of(checkpoint) > step_of(after):
            aside = checkpoint.with_name(f"{OLD}{checkpoint.name}")
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(checkpoint, aside)
            logger.warning(
                "%s is not of this run any more: it is %s now, which you may remove", checkpoint, aside.name
            )


def rotate(output_dir: str | os.PathLike, *, newest: Path, best: str | None, limit: int | None) -> None:
    """Leave `limit` checkpoints: the newest, the best, and of the others those of the last steps."""
    if not limit or limit < 0:
        return
    kept = {newest.name} | ({Path(best).name} if best else set())
    others = [path for path in find_checkpoints(output_dir) if path.name not in kept]
    trash = Path(output_dir) / SAVING
    trash.mkdir(exist_ok=True)
    too_many = len(others) - max(limit - len(kept), 0)
    for path in others[: max(too_many, 0)]:
        os.replace(path, trash / path.name)  # at once, so that a kill leaves no half of it
    clear(output_dir)


@contextmanager
def replacing_files(folder: str | os.PathLike) -> Iterator[Path]:
    """A temporary folder; its files take their places in `folder` one by one when the block ends well."""
    folder = Path(folder)
    temporary = folder / SAVING
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for path in sorted(temporary.iterdir()):
            open_to_others(path)
            _sync(path)
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(path: Path) -> None:
    if os.name == "nt":  # which can not do it through a handle for reading, and not for folders
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["CheckpointError", "find_checkpoints", "last_checkpoint", "resolve", "what_is_missing"]
