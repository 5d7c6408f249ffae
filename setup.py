# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Packaging of videomae: metadata, dependencies, and `scripts/` installed as `videomae.scripts`.

Every lower bound is the oldest release that the test suite was run with.
"""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent

REQUIRES = [
    "accelerate>=1.10",
    "av>=17.1",
    "datasets>=4.8",
    "evaluate>=0.4.6",
    "huggingface_hub>=1.31",
    "matplotlib>=3.10",
    "numpy>=2.3",
    "packaging>=25.0",
    "pillow>=12.0",
    "safetensors>=0.8",
    "torch>=2.9",
    "torchvision>=0.24",
    "tqdm>=4.67.1",
    "transformers>=5.18,<6",
]
TRACKING_REQUIRES = ["tensorboard>=2.21"]
PLOTS_REQUIRES = ["scikit-learn>=1.9"]  # t-SNE
TEST_REQUIRES = ["parameterized>=0.9", "pytest>=9.0", "pytest-xdist>=3.8", "ruff>=0.17,<0.18", *TRACKING_REQUIRES]


def version() -> str:
    """The one version string of the project, read without importing the package."""
    return re.search(r'^__version__ = "(.+)"$', (ROOT / "videomae" / "__init__.py").read_text(), re.M).group(1)


setup(
    name="videomae",
    version=version(),
    description="VideoMAE for your own videos: pre-train, fine-tune, evaluate, predict, look, in the Hugging Face way",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The videomae authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    packages=["videomae", "videomae.scripts"],
    package_dir={"videomae.scripts": "scripts"},
    package_data={"videomae": ["py.typed"]},
    install_requires=REQUIRES,
    extras_require={
        "deepspeed": ["deepspeed>=0.19"],
        "plots": PLOTS_REQUIRES,
        "test": TEST_REQUIRES,
        "tracking": TRACKING_REQUIRES,
    },
    entry_points={"console_scripts": ["videomae = videomae.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Video",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
