# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from videomae import VideoMAEForVideoClassification, VideoMAEVideoProcessor
from videomae.evaluation import accuracy_metrics, parse_views, probabilities, score_videos, video_score
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


def test_metrics_against_a_count_by_hand():
    scores = torch.tensor([[6, 5, 4, 3, 2, 1], [1, 6, 5, 4, 3, 2], [1, 2, 3, 4, 5, 6], [6, 1, 2, 3, 4, 5.0]])
    metrics = accuracy_metrics(scores, [0, 0, 5, 1])
    # right: videos 0 and 2; among the best five: also none of 1 (class 0 is last) and 3 (class 1 is last)
    assert metrics["top1"] == pytest.approx(50)
    assert metrics["top5"] == pytest.approx(50)
    assert metrics["mean_class_accuracy"] == pytest.approx(100 * (0.5 + 1 + 0) / 3)
    assert metrics["num_videos"] == 4
    assert accuracy_metrics(scores, [1, 2, 4, 5])["top5"] == pytest.approx(100)


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
