# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""`videomae.register()`: transformers' Auto classes and pipelines give our classes, and only after it was called.

It changes transformers for the whole process, so every test runs in a process of its own.
"""

import json

import pytest

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEVideoProcessor

CLASSES_FROM_FOLDERS = """
import json, sys
import transformers, videomae
pretrained, classifier = sys.argv[1:3]
if sys.argv[3:]:
    videomae.register()
    videomae.register()
loaded = [
    transformers.AutoConfig.from_pretrained(classifier),
    transformers.AutoModel.from_pretrained(classifier),
    transformers.AutoModelForPreTraining.from_pretrained(pretrained),
    transformers.AutoModelForVideoClassification.from_pretrained(classifier),
    transformers.AutoVideoProcessor.from_pretrained(classifier),
    transformers.AutoImageProcessor.from_pretrained(classifier),
]
print(json.dumps([[type(each).__module__.split(".")[0], type(each).__name__] for each in loaded]))
"""
NAMES = [
    "VideoMAEConfig",
    "VideoMAEModel",
    "VideoMAEForPreTraining",
    "VideoMAEForVideoClassification",
    "VideoMAEVideoProcessor",
    "VideoMAEImageProcessor",
]


@pytest.fixture
def folders(tiny_config, tmp_path):
    """A saved pre-training model, and a saved classifier with its processor."""
    config = tiny_config(num_labels=3, id2label={0: "left", 1: "right", 2: "up"})
    VideoMAEForPreTraining(config).save_pretrained(tmp_path / "pretrained")
    VideoMAEForVideoClassification(config).save_pretrained(tmp_path / "classifier")
    VideoMAEVideoProcessor.for_model(config, frame_stride=2).save_pretrained(tmp_path / "classifier")
    return tmp_path / "pretrained", tmp_path / "classifier"


@pytest.fixture
def legacy_processor_file(folders):
    """The classifier folder with the `preprocessor_config.json` of transformers 4 instead."""
    (folders[1] / "video_preprocessor_config.json").unlink()
    fields = {"image_processor_type": "VideoMAEImageProcessor", "size": {"shortest_edge": 24}}
    (folders[1] / "preprocessor_config.json").write_text(json.dumps(fields))


def loaded_classes(run_python, folders, *flags):
    result = run_python(CLASSES_FROM_FOLDERS, *folders, *flags)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_auto_classes_give_ours(run_python, folders, legacy_processor_file):
    assert loaded_classes(run_python, folders, "register") == [["videomae", name] for name in NAMES]


def test_without_it_transformers_gives_its_own(run_python, folders, legacy_processor_file):
    assert loaded_classes(run_python, folders) == [["transformers", name] for name in NAMES]


def test_the_pipeline_reads_a_path_and_samples_as_the_checkpoint_says(run_python, folders, tiny_clip):
    code = """
import json, sys
import torch, transformers, videomae
videomae.register()
pipeline = transformers.pipeline("video-classification", model=sys.argv[1])
answers = pipeline(sys.argv[2], top_k=3)
with torch.no_grad():
    logits = pipeline.model(**pipeline.video_processor(sys.argv[2], return_tensors="pt")).logits[0]
frames = pipeline.video_processor.fetch_videos(sys.argv[2])[1].frames_indices
print(json.dumps([type(pipeline.model).__module__, answers, logits.softmax(-1).tolist(), frames]))
"""
    result = run_python(code, folders[1], tiny_clip(num_frames=12))
    assert result.returncode == 0, result.stderr
    module, answers, probabilities, frames = json.loads(result.stdout.splitlines()[-1])
    assert module == "videomae.modeling_videomae"
    expected = dict(zip(["left", "right", "up"], probabilities, strict=True))
    assert {answer["label"]: pytest.approx(answer["score"], abs=1e-6) for answer in answers} == expected
    assert frames[0] == 2 and len(frames) == 4  # the middle window of 4 frames at stride 2
