# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""What is installed here, and what works.

    videomae doctor            # a line per finding and a verdict
    videomae doctor --json     # the same for programs

Compares the installed packages with what videomae needs, writes a small mp4 and reads single frames of it back, and
tries attention and bfloat16 on every device. Exit code 1 when something that is needed does not work.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path

from packaging.requirements import Requirement

from videomae import __version__, cli


@dataclass
class Finding:
    """One thing that was looked at. `ok` is False only for something needed that does not work."""

    name: str
    value: str
    ok: bool = True
    advice: str = ""

    def __str__(self) -> str:
        advice = f"  -> {self.advice}" if self.advice else ""
        return f"{'ok    ' if self.ok else 'BROKEN'}  {self.name:<16} {self.value}{advice}"


def check_package(requirement: Requirement) -> Finding:
    """Is the required package there, in a supported version, and can it be imported?"""
    wanted = str(requirement.specifier)
    advice = f'pip install "{requirement.name}{wanted}"'
    try:
        version = metadata.version(requirement.name)
        import_module({"pillow": "PIL"}.get(requirement.name, requirement.name))
    except metadata.PackageNotFoundError:
        return Finding(requirement.name, f"missing (needs {wanted})", False, advice)
    except Exception as error:  # whatever a broken installation raises is what is to be reported
        value = f"{version}, cannot be imported: {error}"
        return Finding(requirement.name, value, False, f"{advice} --force-reinstall")
    supported = requirement.specifier.contains(version, prereleases=True)
    return Finding(requirement.name, f"{version} (needs {wanted})", supported, "" if supported else advice)


def check_packages() -> Iterator[Finding]:
    """What the installed videomae says that it needs, and what it can do without."""
    try:
        requirements = [Requirement(line) for line in metadata.requires("videomae")]
    except metadata.PackageNotFoundError:
        yield Finding("videomae", "runs from a folder that is not installed", False, "pip install -e .")
        return
    yield from (check_package(each) for each in requirements if each.marker is None)
    try:
        yield Finding("flash-attn", metadata.version("flash-attn"))
    except metadata.PackageNotFoundError:
        yield Finding("flash-attn", "not installed, not needed")  # torch has attention of its own


def check_video() -> Finding:
    """Write a video whose frame i has the brightness 20 + 5 i, read some frames of it out of order by number."""
    import av
    import torch

    from videomae.synthetic import write_video
    from videomae.video import read_frames

    wanted = [29, 3, 3, 17]
    brightness = torch.arange(20, 170, 5, dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "numbered.mp4"
        write_video(path, brightness[:, None, None, None].expand(-1, 3, 48, 64))
        found = [round((frame.float().mean().item() - 20) / 5) for frame in read_frames(path, wanted)]
    return Finding("video", f"FFmpeg {av.ffmpeg_version_info}: wanted frames {wanted}, read {found}", found == wanted)


def check_decoder() -> Finding:
    """What decodes videos: PyAV, or torchcodec where VIDEOMAE_DECODER asks for it and it gives the same frames."""
    from videomae.torchcodec_reader import is_torchcodec_chosen, torchcodec_problem

    chosen, problem = is_torchcodec_chosen(), torchcodec_problem()
    used = "torchcodec" if chosen and not problem else "PyAV"
    torchcodec = problem or "it gives the same frames" + ("" if chosen else ", VIDEOMAE_DECODER=torchcodec uses it")
    return Finding("decoder", f"{used} (torchcodec: {torchcodec})")


def check_device(device: str, description: str) -> Finding:
    """Attention in bfloat16 on the device, forward and backward."""
    import torch

    query = torch.rand(1, 2, 8, 16, device=device, dtype=torch.bfloat16, requires_grad=True)
    torch.nn.functional.scaled_dot_product_attention(query, query, query).square().sum().backward()
    finite = bool(query.grad.isfinite().all())
    return Finding(device, f"{description}: attention in bfloat16 {'works' if finite else 'gives no numbers'}", finite)


def devices() -> Iterator[tuple[str, str]]:
    """Every device that torch can compute on here, and what it is."""
    import torch

    yield "cpu", f"{torch.get_num_threads()} threads"
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield f"cuda:{index}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        yield "mps", "Apple GPU"


def attempt(name: str, check, *arguments) -> Finding:
    """The check's finding, or its failure as one: the rest is still worth looking at."""
    try:
        return check(*arguments)
    except Exception as error:  # whatever went wrong is what is to be reported
        return Finding(name, f"{type(error).__name__}: {error}", False)


def examine() -> Iterator[Finding]:
    """Everything, as it is found."""
    yield Finding("videomae", f"{__version__}, Python {platform.python_version()}, {platform.platform()}")
    packages = list(check_packages())
    yield from packages
    if all(finding.ok for finding in packages):  # without them the rest could only repeat the same complaint
        yield attempt("video", check_video)
        yield attempt("decoder", check_decoder)
        yield from (attempt(device, check_device, device, description) for device, description in devices())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    as_json = parser.parse_args(argv).json
    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            print(finding, flush=True)  # at once: the imports take seconds
    broken = [finding.name for finding in findings if not finding.ok]
    if as_json:
        print(json.dumps({"ok": not broken, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print("\neverything needed works" if not broken else f"\nbroken: {', '.join(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
