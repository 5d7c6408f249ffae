# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""VideoMAE as a Hugging Face citizen.

`import videomae` is light: a class or a module is imported when its name is first used (PEP 562), so neither torch nor
transformers is loaded before, and nothing changes in them unless `videomae.register()` is called.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers, which do not follow __getattr__
    from .configuration_videomae import VideoMAEConfig as VideoMAEConfig
    from .image_processing_videomae import VideoMAEImageProcessor as VideoMAEImageProcessor
    from .image_processing_videomae import VideoMAEVideoProcessor as VideoMAEVideoProcessor
    from .modeling_videomae import VideoMAEForPreTraining as VideoMAEForPreTraining
    from .modeling_videomae import VideoMAEForVideoClassification as VideoMAEForVideoClassification
    from .modeling_videomae import VideoMAEModel as VideoMAEModel
    from .recipes import RECIPES as RECIPES
    from .training import VideoMAETrainer as VideoMAETrainer

__version__ = "0.1.0"

_MODULE_OF = {
    "RECIPES": "recipes",
    "VideoMAEConfig": "configuration_videomae",
    "VideoMAEForPreTraining": "modeling_videomae",
    "VideoMAEForVideoClassification": "modeling_videomae",
    "VideoMAEImageProcessor": "image_processing_videomae",
    "VideoMAEModel": "modeling_videomae",
    "VideoMAETrainer": "training",
    "VideoMAEVideoProcessor": "image_processing_videomae",
}
_MODULES = (
    "annotation",
    "augmentation",
    "checking",
    "clips",
    "configuration_videomae",
    "conversion",
    "data",
    "directions",
    "evaluation",
    "explanation",
    "feature_files",
    "features",
    "flops",
    "frame_streams",
    "frames",
    "health",
    "image_processing_videomae",
    "inference",
    "judgement",
    "listing",
    "live",
    "masking",
    "measurement",
    "metric_modules",
    "metrics",
    "mixing",
    "pictures",
    "plots",
    "preparation",
    "probes",
    "projections",
    "rand_augment",
    "recipes",
    "results",
    "modeling_videomae",
    "segments",
    "shards",
    "sliding",
    "smoothing",
    "streamed_rows",
    "streaming",
    "scanning",
    "synthetic",
    "training",
    "transcoding",
    "video",
    "visualization",
    "watching",
    "windows",
)
__all__ = ["__version__", "register", *_MODULE_OF]


def __getattr__(name: str):
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    elif name in _MODULES:
        value = importlib.import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next access is a plain attribute
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})


def register() -> None:
    """Make transformers' Auto classes and pipelines give our classes for `model_type` "videomae".

    Replaces transformers' own VideoMAE in `AutoConfig`, `AutoModel`, `AutoModelForPreTraining`,
    `AutoModelForVideoClassification`, `AutoVideoProcessor` and `AutoImageProcessor` for the rest of the process.
    Calling it twice changes nothing. Classes that were imported by name stay what they were.
    """
    import transformers
    from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

    from .configuration_videomae import VideoMAEConfig
    from .image_processing_videomae import VideoMAEImageProcessor, VideoMAEVideoProcessor
    from .modeling_videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEModel

    transformers.AutoConfig.register(VideoMAEConfig.model_type, VideoMAEConfig, exist_ok=True)
    for auto_class, model_class in (
        (transformers.AutoModel, VideoMAEModel),
        (transformers.AutoModelForPreTraining, VideoMAEForPreTraining),
        (transformers.AutoModelForVideoClassification, VideoMAEForVideoClassification),
    ):
        auto_class.register(VideoMAEConfig, model_class, exist_ok=True)
    # transformers 5.18 looks a class name up in its own table first, and our class has the name of its own.
    VIDEO_PROCESSOR_MAPPING_NAMES.pop(VideoMAEConfig.model_type, None)
    transformers.AutoVideoProcessor.register(VideoMAEConfig, VideoMAEVideoProcessor, exist_ok=True)
    transformers.AutoImageProcessor.register(
        VideoMAEConfig, fast_image_processor_class=VideoMAEImageProcessor, exist_ok=True
    )
