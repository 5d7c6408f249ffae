# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import json
from functools import partial

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from videomae import VideoMAEForVideoClassification, VideoMAETrainer, VideoMAEVideoProcessor, cli
from videomae.clips import ValidationClips
from videomae.data import ClassificationCollator, VideoDataset
from videomae.evaluation import (
    parse_views,
    probabilities,
    score_videos,
    video_score,
)
from videomae.scripts import run_finetuning
from videomae.video import VideoDecodeError, VideoReader


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(0)
    return VideoMAEForVideoClassification(tiny_config(classifier_init_scale=100.0)).eval()


@pytest.fixture
def processor(model):
    return VideoMAEVideoProcessor.for_model(model.config, frame_stride=2)


def test_softmax_comes_before_the_mean(model):
    views = torch.randint(0, 256, (6, 4, 3, 24, 32), dtype=torch.uint8)
    logits = model(views).logits
    assert logits.std() > 0.1  # otherwise both orders agree
    score = video_score(model, views)
    torch.testing.assert_close(score, logits.softmax(-1).mean(0), atol=1e-6, rtol=0)
    assert not torch.allclose(score, logits.mean(0).softmax(-1), atol=1e-4)


def test_a_score_does_not_depend_on_the_other_videos(model, processor, tiny_clip):
    paths = [tiny_clip(f"{i}.mp4", num_frames=10 + 7 * i) for i in range(3)]
    together = list(score_videos(model, processor, paths, num_segments=2, num_crops=3))
    for path, score in zip(paths, together, strict=True):
        assert torch.equal(score, next(score_videos(model, processor, [path], num_segments=2, num_crops=3)))


def test_workers_change_nothing(model, processor, tiny_clip):
    paths = [tiny_clip(f"{i}.mp4", num_frames=10 + i) for i in range(3)]
    here, there = (torch.stack(list(score_videos(model, processor, paths, num_workers=n))) for n in (0, 2))
    assert torch.equal(here, there)


def test_one_decode_feeds_all_views(model, processor, tiny_clip, monkeypatch):
    path, reads = tiny_clip(num_frames=40), []
    read = VideoReader.read
    monkeypatch.setattr(VideoReader, "read", lambda self, indices: reads.append(indices) or read(self, indices))
    list(score_videos(model, processor, [path], num_segments=5, num_crops=3))
    assert len(reads) == 1


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_video_that_can_not_be_read_stops_the_evaluation(model, processor, tiny_clip, tmp_path, num_workers):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    paths = [tiny_clip(), tmp_path / "broken.mp4"]
    with pytest.raises(VideoDecodeError, match=r"broken\.mp4"):
        list(score_videos(model, processor, paths, num_workers=num_workers))


def test_views_that_no_video_has_are_refused_before_any_is_read(model):
    whole = VideoMAEVideoProcessor.for_model(model.config, framing="whole")
    with pytest.raises(ValueError, match=r"3 crops asked for, but this checkpoint .* wanted 1 \(2x1 views\)"):
        score_videos(model, whole, ["missing.mp4"], num_segments=2, num_crops=3, num_workers=1)
    with pytest.raises(ValueError, match="views are 0x1 .*, wanted at least 1 of both"):
        score_videos(model, whole, ["missing.mp4"], num_segments=0)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_video_too_short_for_its_clip_stops_the_evaluation_where_that_is_an_error(model, tiny_clip, num_workers):
    strict = VideoMAEVideoProcessor.for_model(model.config, frame_stride=4, short_video="error")
    paths = [tiny_clip("long.mp4", num_frames=20), tiny_clip("short.mp4", num_frames=9)]
    with pytest.raises(VideoDecodeError, match=r"short\.mp4: .*9 frames"):
        list(score_videos(model, strict, paths, num_workers=num_workers))


def test_a_whole_frame_is_one_crop_of_every_segment(model, tiny_clip):
    whole = VideoMAEVideoProcessor.for_model(model.config, frame_stride=2, framing="whole")
    path = tiny_clip(num_frames=30, height=64, width=36)
    (score,) = score_videos(model, whole, [path], num_segments=3, num_crops=1)
    views = whole.views(path, 3, 1)
    assert views.shape == (3, 4, 3, 24, 32)
    assert torch.equal(score, video_score(model, views))


def test_rows_with_bytes_folders_of_frames_and_files_score_alike(model, processor, tiny_clip, tmp_path):
    path = tiny_clip("clip.mkv", codec="ffv1")
    with VideoReader(path) as reader:
        frames = reader.read(range(reader.num_frames)).permute(0, 2, 3, 1).numpy()
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "frames" / f"{number}.png")
    np.save(tmp_path / "clip.npy", frames)
    row = {"path": "a/name.mkv", "bytes": path.read_bytes()}
    expected, *others = score_videos(model, processor, [path, row, tmp_path / "frames", tmp_path / "clip.npy"])
    for score in others:
        assert torch.equal(score, expected)


def test_arrays_of_floats_are_scored_in_their_own_units(tiny_config, tmp_path):
    torch.manual_seed(0)
    statistics = {"image_mean": [1000.0, 2000.0], "image_std": [300.0, 500.0]}
    model = VideoMAEForVideoClassification(tiny_config(num_channels=2, classifier_init_scale=100.0, **statistics))
    processor = VideoMAEVideoProcessor.for_model(model.config, frame_stride=1)
    clip = (torch.randn(4, 2, 24, 32) * 300 + 1500).numpy()
    np.save(tmp_path / "clip.npy", clip)
    (score,) = score_videos(model, processor, [tmp_path / "clip.npy"])
    mean, std = (np.array(each).reshape(2, 1, 1) for each in statistics.values())
    normalised = torch.from_numpy((clip - mean) / std).float()
    torch.testing.assert_close(score, model(normalised[None]).logits[0].softmax(-1).detach(), atol=1e-5, rtol=0)


def test_scores_follow_the_problem_type():
    logits = torch.tensor([[1.0, -2.0]], dtype=torch.bfloat16)
    assert torch.equal(probabilities(logits, "regression"), logits.float())
    assert torch.equal(probabilities(logits[:, :1], None), logits[:, :1].float())  # one output: regression
    torch.testing.assert_close(probabilities(logits, "multi_label_classification"), logits.float().sigmoid())
    torch.testing.assert_close(probabilities(logits, None), logits.float().softmax(-1))


@pytest.mark.parametrize("text", ["5", "x3", "5x", "0x3", "5x3x1", "axb", "-1x3"])
def test_views_that_are_no_views_raise(text):
    with pytest.raises(ValueError, match="wanted SEGMENTSxCROPS"):
        parse_views(text)
    assert parse_views("5x3") == (5, 3)


# ---- validation during training is this evaluation with 1x1 views ----


@pytest.fixture
def clips_of_all_shapes(tiny_clip):
    """Long, shorter than a clip, two frames, wide, high."""
    shapes = [(40, 48, 64), (5, 48, 64), (2, 48, 64), (23, 36, 90), (31, 94, 40)]
    return [
        tiny_clip(f"{number}.mkv", num_frames=frames, height=height, width=width, codec="ffv1")
        for number, (frames, height, width) in enumerate(shapes)
    ]


@pytest.fixture
def arrays_of_all_shapes(tmp_path):
    """The same with odd sizes, in floats: ImageNet's deviation around its mean."""
    random = np.random.default_rng(0)
    paths = []
    for number, shape in enumerate(
        [(40, 3, 33, 47), (5, 3, 48, 64), (2, 3, 27, 35), (23, 3, 35, 91), (31, 3, 93, 41)]
    ):
        paths.append(tmp_path / f"{number}.npy")
        np.save(paths[-1], random.normal(0.45, 0.22, shape).astype(np.float32))
    return paths


@pytest.mark.parametrize("kind", ["clips_of_all_shapes", "arrays_of_all_shapes"])
@pytest.mark.parametrize("sampling", [{"sampling": "dense"}, {"sampling": "uniform"}, {"framing": "whole"}])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_validation_gives_the_scores_and_metrics_of_one_view(
    model, arguments, request, tmp_path, capsys, kind, sampling, batch_size
):
    names = [str(number) for number in range(7)]
    paths, labels = request.getfixturevalue(kind), [3, 0, 6, 3, 1]
    processor = VideoMAEVideoProcessor.for_model(model.config, frame_stride=3, **sampling)
    features = datasets.Features({"video": datasets.Value("string"), "label": datasets.ClassLabel(names=names)})
    table = datasets.Dataset.from_dict({"video": list(map(str, paths)), "label": labels}, features=features)
    trainer = VideoMAETrainer(
        model,
        arguments(per_device_eval_batch_size=batch_size),
        data_collator=ClassificationCollator(),
        eval_dataset=VideoDataset(table, ValidationClips(processor)),
        processing_class=processor,
        compute_metrics=partial(run_finetuning.measure, problem_type=None),
    )
    validation = trainer.predict(trainer.eval_dataset)
    scores = torch.stack(list(score_videos(model, processor, paths)))
    assert scores.std() > 0.01  # they are not all the same
    ours = probabilities(torch.from_numpy(validation.predictions), None)
    torch.testing.assert_close(ours, scores, rtol=0, atol=1e-5)

    model.config.id2label, model.config.label2id = dict(enumerate(names)), {name: int(name) for name in names}
    trainer.save_model(str(tmp_path / "model"))
    (tmp_path / "list.txt").write_text("".join(f"{path} {label}\n" for path, label in zip(paths, labels, strict=True)))
    argv = ["evaluate", tmp_path / "model", tmp_path / "list.txt", "--views", "1x1", "--num_workers", 0, "--json"]
    capsys.readouterr()
    assert cli.main(list(map(str, argv))) == 0
    evaluated = json.loads(capsys.readouterr().out)
    for name in ("top1", "top5", "mean_class_accuracy", "calibration_error", "num_videos"):
        assert validation.metrics[f"test_{name}"] == pytest.approx(evaluated[name], abs=1e-4), name
