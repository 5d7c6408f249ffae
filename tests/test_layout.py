# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The shape of the package: which file may import which, what `import videomae` costs, what every program has."""

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest

import videomae
from videomae import cli

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(path.stem for path in (ROOT / "videomae").glob("*.py") if path.stem != "__init__")
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py") if path.stem != "__init__")
HEAVY = {"av", "datasets", "torch", "torchvision", "transformers"}

# What each module imports from its neighbours; a new arrow is a decision. The model never learns what an mp4 is, the
# data never what a model is.
IMPORTS = {
    "advice": {"benchmark"},
    "annotation": {"files", "frame_streams", "pictures"},
    "arguments": set(),
    "augmentation": set(),
    "bad_videos": {"video"},
    "benchmark": {
        "children",
        "clips",
        "configuration_videomae",
        "data",
        "frames",
        "image_processing_videomae",
        "masking",
        "peers",
        "stopwatch",
        "video",
    },
    "checkpoints": {"files"},
    "checking": {"exclusion", "folders", "tables"},
    "classes": set(),
    "children": set(),
    "cli": set(),
    "configuration_videomae": set(),
    "conversion": {"configuration_videomae", "image_processing_videomae", "modeling_videomae"},
    "clips": {"augmentation", "directions", "image_processing_videomae", "rand_augment", "video"},
    "continuation": {"ema"},
    "copies": {"children", "preparation", "transcoding"},
    "data": {
        "bad_videos",
        "clips",
        "configuration_videomae",
        "frames",
        "image_processing_videomae",
        "masking",
        "video",
    },
    "demo": {
        "augmentation",
        "clips",
        "configuration_videomae",
        "data",
        "evaluation",
        "inference",
        "listing",
        "masking",
        "metrics",
        "modeling_videomae",
        "pictures",
        "plots",
        "synthetic",
        "training",
        "visualization",
    },
    "directions": set(),
    "divergence": {"files"},
    "downloads": {"video"},
    "durable": {"checkpoints", "continuation", "ema", "epochs", "interruption"},
    "ema": {"checkpoints", "modeling_videomae"},
    "epochs": set(),
    "evaluating": set(),
    "evaluation": {"metrics", "video"},
    "evaluation_data": {"label_maps", "listing", "shards", "tables", "targets"},
    "final_test": {
        "evaluation",
        "evaluation_data",
        "files",
        "image_processing_videomae",
        "inference",
        "measurement",
        "shards",
        "training_data",
        "video",
    },
    "exclusion": {"tables"},
    "extraction": {
        "feature_files",
        "features",
        "image_processing_videomae",
        "modeling_videomae",
        "video",
        "windows",
    },
    "feature_files": {"files"},
    "features": {"evaluation", "image_processing_videomae", "modeling_videomae", "video", "windows"},
    "explanation": {"evaluating", "modeling_videomae", "pictures"},
    "files": set(),
    "flops": {"configuration_videomae", "recipes"},
    "folders": {"frames", "tables", "video"},
    "frame_streams": {"downloads", "frames", "video"},
    "frames": {"children", "torchcodec_reader", "video"},
    "health": {
        "arguments",
        "clips",
        "configuration_videomae",
        "data",
        "evaluating",
        "files",
        "judgement",
        "modeling_videomae",
        "pictures",
        "plots",
        "probes",
        "training",
        "visualization",
    },
    "image_processing_videomae": {"augmentation", "downloads", "frames", "video"},
    "inference": {"evaluation", "image_processing_videomae", "metrics", "modeling_videomae", "video"},
    "interruption": set(),
    "judgement": {
        "extraction",
        "features",
        "image_processing_videomae",
        "listing",
        "modeling_videomae",
        "plots",
        "probes",
        "projections",
        "targets",
        "video",
    },
    "label_maps": {"labels", "lists", "tables"},
    "labels": {"tables"},
    "listing": {"exclusion", "folders", "labels", "lists", "stored", "tables", "targets"},
    "lists": {"folders", "labels", "tables"},
    "live": {"frame_streams"},
    "loss_scale": {"divergence"},
    "masking": set(),
    "measurement": {"evaluation", "evaluation_data", "files", "metrics", "plots", "results", "video"},
    "metric_modules": {"metrics"},
    "metrics": set(),
    "mixing": set(),
    "modeling_videomae": {"configuration_videomae", "masking"},
    "named_videos": {"downloads", "folders", "listing", "lists"},
    "output_names": {"downloads", "folders", "lists", "named_videos"},
    "peers": {"augmentation", "clips", "image_processing_videomae", "stopwatch", "video"},
    "pictures": {"files"},
    "plots": {"files"},
    "preparation": {
        "children",
        "files",
        "frames",
        "listing",
        "lists",
        "relisting",
        "scanning",
        "transcoding",
        "video",
    },
    "probes": set(),
    "projections": set(),
    "rand_augment": set(),
    "results": {"files"},
    "recipes": {"arguments"},
    "relisting": {"folders", "lists"},
    "remote": {"bad_videos", "video"},
    "report": {"files"},
    "scanning": {"children", "files", "frames", "video"},
    "segments": {"files"},
    "shards": {"folders", "labels", "lists", "stored", "tables", "video"},
    "sliding": set(),
    "smoothing": set(),
    "step_speed": {"configuration_videomae", "masking", "modeling_videomae"},
    "stopping": set(),
    "stopwatch": set(),
    "stored": {"labels", "lists", "tables"},
    "streamed_rows": {"labels", "remote", "shards", "tables", "video"},
    "streaming": {"bad_videos", "clips", "frames", "shards", "stored", "streamed_rows", "tables", "video"},
    "synthetic": {"files"},
    "tables": set(),
    "targets": {"labels", "tables"},
    "torchcodec_reader": {"video"},
    "training": {
        "arguments",
        "bad_videos",
        "checkpoints",
        "divergence",
        "durable",
        "epochs",
        "files",
        "loss_scale",
        "mixing",
        "modeling_videomae",
        "plots",
    },
    "training_data": {
        "arguments",
        "checking",
        "data",
        "labels",
        "listing",
        "shards",
        "stored",
        "streaming",
        "targets",
    },
    "transcoding": {"frames", "video"},
    "video": set(),
    "watching": {
        "evaluation",
        "frame_streams",
        "image_processing_videomae",
        "live",
        "modeling_videomae",
        "sliding",
        "smoothing",
        "video",
        "windows",
    },
    "visualization": {"configuration_videomae", "evaluating", "masking", "modeling_videomae", "pictures"},
    "windows": {"image_processing_videomae", "video"},
}
# The package's own machinery; no attributes of `videomae`.
NOT_FOR_USERS = {
    "advice",
    "arguments",
    "bad_videos",
    "benchmark",
    "children",
    "checkpoints",
    "classes",
    "cli",
    "continuation",
    "copies",
    "demo",
    "divergence",
    "downloads",
    "durable",
    "ema",
    "epochs",
    "evaluating",
    "evaluation_data",
    "exclusion",
    "extraction",
    "files",
    "final_test",
    "folders",
    "interruption",
    "label_maps",
    "labels",
    "lists",
    "loss_scale",
    "named_videos",
    "output_names",
    "peers",
    "relisting",
    "remote",
    "report",
    "step_speed",
    "stopping",
    "stopwatch",
    "stored",
    "tables",
    "targets",
    "torchcodec_reader",
    "training_data",
}
MOST_LINES_OF_A_SCRIPT = 150


def tracked_files() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if names.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in names.stdout.splitlines() if (ROOT / name).exists()]


def neighbours(path: Path) -> set[str]:
    """Modules of this package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            module = "videomae." + (node.module or "") if node.level else node.module
            if module.strip(".") == "videomae":
                found |= {alias.name for alias in node.names}
            elif module.startswith("videomae."):
                found.add(module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("videomae.")}
    return found - {"__version__"}


def test_modules_import_what_the_table_says_and_nothing_else():
    assert {module: neighbours(ROOT / "videomae" / f"{module}.py") for module in MODULES} == IMPORTS


def test_imports_flow_one_way():
    order: list[str] = []
    while len(order) < len(IMPORTS):
        ready = [name for name, wanted in IMPORTS.items() if name not in order and wanted <= set(order)]
        assert ready, f"cycle among {set(IMPORTS) - set(order)}"
        order += ready


@pytest.mark.parametrize("script", SCRIPTS)
def test_programs_do_not_import_each_other(script):
    assert "scripts" not in neighbours(ROOT / "scripts" / f"{script}.py")


def test_every_module_can_be_imported_first(run_python):
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for loaded in [known for known in sys.modules if known.split('.')[0] == 'videomae']:\n"
        "        del sys.modules[loaded]\n"
        "    importlib.import_module(name)"
    )
    names = [f"videomae.{module}" for module in MODULES] + [f"videomae.scripts.{script}" for script in SCRIPTS]
    result = run_python(code, *names)
    assert result.returncode == 0, result.stderr


def test_import_videomae_loads_nothing_heavy_and_neither_does_a_look_at_its_names(run_python):
    result = run_python(f"import sys, videomae; dir(videomae); print({HEAVY} & set(sys.modules) or 'light')")
    assert result.stdout == "light\n", result.stderr


def test_every_public_name_is_its_modules_object():
    for name, module in videomae._MODULE_OF.items():
        assert getattr(videomae, name) is getattr(importlib.import_module(f"videomae.{module}"), name)
    for module in videomae._MODULES:
        assert getattr(videomae, module) is importlib.import_module(f"videomae.{module}")


def test_an_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="no attribute 'VideoMAEFoo'"):
        videomae.VideoMAEFoo  # noqa: B018


def test_editors_are_told_the_same_names_as_the_interpreter():
    tree = ast.parse((ROOT / "videomae" / "__init__.py").read_text(encoding="utf-8"))
    (typing_block,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {alias.asname: node.module for node in typing_block.body for alias in node.names}
    assert told == videomae._MODULE_OF


def test_every_module_for_users_is_reachable_by_attribute():
    assert set(videomae._MODULES) == set(MODULES) - NOT_FOR_USERS


@pytest.mark.parametrize(("verb", "module"), [(verb, module) for verb, (module, _) in cli.VERBS.items()])
def test_every_verb_has_a_program_with_a_manual_page(verb, module):
    program = importlib.import_module(f"videomae.scripts.{module}")
    assert callable(program.main)
    assert f"videomae {verb}" in program.__doc__


def test_every_program_belongs_to_a_verb():
    assert set(SCRIPTS) == {module for module, _ in cli.VERBS.values()}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_program_stays_short(script):
    source = (ROOT / "scripts" / f"{script}.py").read_text(encoding="utf-8")
    lines = source.count("\n") - ast.parse(source).body[0].end_lineno  # the manual page may be as long as it needs
    assert lines <= MOST_LINES_OF_A_SCRIPT, f"{lines} lines: move a noun into the package"


def test_no_file_names_a_folder_of_one_machine():
    machine_path = re.compile(r"(?<![\w.])/(?:home|work|root|Users)/\w")
    named = {
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        if path.suffix in {".py", ".md", ".toml", ".cff"} or path.name in {"Makefile", "run"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if machine_path.search(line) and path != Path(__file__)
    }
    assert not named


def test_every_python_file_starts_with_the_licence_line():
    line = "# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.\n"
    missing = [path for path in tracked_files() if path.suffix == ".py" and not path.read_text().startswith(line)]
    assert not missing
