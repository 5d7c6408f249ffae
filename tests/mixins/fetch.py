# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Puts transformers' common tests, of the installed version, into a folder: `python tests/mixins/fetch.py FOLDER`.

They are not part of its wheel; its source distribution has them, but without the three modules that they import from
deeper in its test tree. Stand-ins for those are written here, with what VideoMAE needs (it does not generate).
"""

import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

TESTS = ("test_configuration_common.py", "test_modeling_common.py", "test_video_processing_common.py")
STAND_INS = {
    "exporters/test_export.py": "class ExportTesterMixin: ...",
    "generation/test_utils.py": "class GenerationTesterMixin: ...",
    # Fields of every configuration, each with a value that is not its default.
    "utils/test_configuration_utils.py": (
        "config_common_kwargs = {'return_dict': False, 'output_hidden_states': True, 'dtype': 'float16',"
        " 'id2label': {0: 'a'}, 'label2id': {'a': 0}, 'architectures': ['Other'], 'problem_type': 'regression'}"
    ),
}


def download(release: str, folder: str) -> Path:
    """The source archive of a transformers release, fetched with pip into `folder`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps"]
    subprocess.run([*command, "--dest", folder, f"transformers=={release}"], check=True)
    return next(Path(folder).glob("transformers-*.tar.gz"))


def unpack(archive: Path, destination: Path) -> None:
    """Write the common tests of the archive and the stand-ins as the package `tests` in `destination`."""
    tests = destination / "tests"
    tests.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for name in TESTS:
            member = f"{archive.name.removesuffix('.tar.gz')}/tests/{name}"
            (tests / name).write_bytes(tar.extractfile(member).read())
    for name, line in STAND_INS.items():
        (tests / name).parent.mkdir(exist_ok=True)
        (tests / name).write_text(line + "\n")
    for package in [tests, *(tests / Path(name).parent for name in STAND_INS)]:
        (package / "__init__.py").touch()


def main() -> None:
    destination, release = Path(sys.argv[1]), version("transformers")
    marker = destination / f"{release}.complete"
    if marker.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        unpack(download(release, folder), destination)
    marker.touch()


if __name__ == "__main__":
    main()
