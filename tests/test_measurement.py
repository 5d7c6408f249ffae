# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""All videos of a split are measured: once each, with every view from one decode, and again from where it was left."""

import csv
import json
import time

import av
import pytest
import torch

from videomae import VideoMAEForVideoClassification, VideoMAEVideoProcessor, measurement, plots
from videomae.classes import labels_of
from videomae.evaluation import score_videos, view_scores
from videomae.evaluation_data import EvaluationVideos, of_their_classes
from videomae.image_processing_videomae import view_crop
from videomae.measurement import (
    describe,
    describe_videos,
    measure,
    model_fingerprint,
    smaller_views,
    split_fingerprint,
    write_measurement,
)
from videomae.metrics import accuracy_metrics
from videomae.video import VideoReader

NAMES = ["bow", "clap", "fly", "jump", "run", "sit", "wave"]


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(0)
    config = tiny_config(classifier_init_scale=100.0, **labels_of(NAMES))
    return VideoMAEForVideoClassification(config).eval()


@pytest.fixture
def processor(model):
    return VideoMAEVideoProcessor.for_model(model.config, frame_stride=2)


@pytest.fixture
def videos(tiny_clip):
    paths = [str(tiny_clip(f"{i}.mkv", num_frames=12 + 9 * i, codec="ffv1", width=64 + 22 * i)) for i in range(4)]
    return EvaluationVideos(paths, [3, 0, 6, 3], "test", paths)


def scores_of(path, column="scores"):
    with path.open(newline="") as stream:
        return [json.loads(row[column]) for row in csv.DictReader(stream) if row[column]]


# ---- metrics ----


def test_all_videos_are_measured_and_described(model, processor, videos):
    scores = torch.stack(list(score_videos(model, processor, videos.videos, num_segments=2, num_crops=3)))
    best = scores.argmax(dim=1).tolist()
    videos.labels = [*best[:3], (best[3] + 1) % 7]
    found = measure(model, processor, videos, num_segments=2, num_crops=3)
    expected = accuracy_metrics(scores.double(), videos.labels)
    assert {name: found.metrics[name] for name in expected} == pytest.approx(expected, abs=1e-3)
    assert (found.metrics["top1"], found.metrics["split"], found.metrics["views"]) == (75, "test", "2x3")
    assert found.confusion.sum() == 4 and found.confusion.trace() == 3 and found.unreadable == []
    text = describe(found.metrics | {"top5": 100.0, "mean_class_accuracy": 62.5, "calibration_error": 12.344})
    assert text == (
        "4 videos of test, 2x3 views each: top-1 75.00 %, top-5 100.00 %, mean class accuracy 62.50 %, "
        "calibration error 12.34 %"
    )


def test_metrics_and_confusion_are_written(model, processor, videos, tmp_path):
    found = measure(model, processor, videos)
    write_measurement(tmp_path / "new", found, NAMES)
    assert json.loads((tmp_path / "new" / "metrics.json").read_text()) == found.metrics
    rows = [line.split(",") for line in (tmp_path / "new" / "confusion_matrix.csv").read_text().splitlines()]
    assert rows[0] == ["class", *NAMES] and [row[0] for row in rows[1:]] == NAMES
    assert [[int(cell) for cell in row[1:]] for row in rows[1:]] == found.confusion.tolist()
    assert sum(map(int, rows[4][1:])) == 2  # two videos of class 3


def test_confusion_and_class_accuracies_are_drawn(model, processor, videos, tmp_path, monkeypatch):
    drawn = {}
    for name in ("save_confusion_matrix", "save_class_bars"):
        draw = getattr(plots, name)
        monkeypatch.setattr(plots, name, lambda path, *of, draw=draw: drawn.update({draw(path, *of).name: of}))
    found = measure(model, processor, videos)
    found.confusion = torch.zeros(7, 7, dtype=torch.long)
    found.confusion[3, 3], found.confusion[3, 0], found.confusion[6, 6] = 3, 1, 2
    write_measurement(tmp_path, found, NAMES)
    assert drawn["confusion_matrix.png"][0] is found.confusion and drawn["confusion_matrix.png"][1] == NAMES
    accuracies, counts, names = drawn["class_accuracy.png"]
    assert (accuracies[3], accuracies[6], names) == (75, 100, NAMES) and counts == [0, 0, 0, 4, 0, 0, 2]
    for name in drawn:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_classes_of_the_data_alone_may_be_compared(model, processor, videos):
    names, videos = of_their_classes(videos, NAMES)
    assert names == ["bow", "jump", "wave"] and videos.labels == [1, 0, 2, 1]


# ---- videos that have no score ----


def test_missing_and_undecodable_videos_are_all_named_and_do_not_count(model, processor, videos, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    paths = [*videos.videos, str(tmp_path / "broken.mp4"), "gone.mp4"]
    more = EvaluationVideos(
        paths, [*videos.labels, 1, 2], "test", paths, {5: "no such file: gone.mp4"}, {"hop": "jump"}
    )
    found = measure(model, processor, more, results=tmp_path / "scores.csv")
    assert found.metrics["top1"] == measure(model, processor, videos).metrics["top1"]
    assert (found.metrics["num_videos"], found.metrics["num_listed"]) == (4, 6)
    assert [row["path"] for row in found.unreadable] == ["gone.mp4", str(tmp_path / "broken.mp4")]
    assert "6 videos listed, 1 missing, 1 undecodable" in describe_videos(found.metrics)
    assert "labels matched: hop -> jump" in describe_videos(found.metrics)
    with (tmp_path / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["label"] for row in rows] == ["jump", "bow", "wave", "jump", "clap", "fly"]
    assert rows[5]["error"] == "no such file: gone.mp4" and rows[4]["prediction"] == rows[4]["scores"] == ""


def test_a_video_that_is_listed_twice_has_two_rows_without_a_score(model, processor, videos, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    paths = ["gone.mp4", str(tmp_path / "broken.mp4"), videos.videos[0], "gone.mp4", str(tmp_path / "broken.mp4")]
    listed = EvaluationVideos(paths, [3, 0, 6, 2, 1], "test", paths, {0: "no such file", 3: "no such file"})
    found = measure(model, processor, listed)
    assert found.metrics["missing"] == 2 * [{"path": "gone.mp4", "error": "no such file"}]
    assert [row["path"] for row in found.metrics["undecodable"]] == [paths[1], paths[4]]
    assert "5 videos listed, 2 missing, 2 undecodable" in describe_videos(found.metrics)
    assert found.metrics["num_videos"] == 1 and len(found.unreadable) == 4


def test_without_a_single_video_there_are_no_metrics(model, processor, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    paths = [str(tmp_path / "broken.mp4")]
    with pytest.raises(ValueError, match=r"none of the 1 videos of test can be read; the first, .*broken\.mp4: "):
        measure(model, processor, EvaluationVideos(paths, [0], "test", paths))


# ---- fewer views of the same decode ----


def test_smaller_views_are_those_whose_places_are_among_the_larger_ones():
    dense = smaller_views(5, 3, "dense")
    assert list(dense) == [f"{s}x{c}" for s in (1, 2, 3, 5) for c in (1, 2, 3)]
    assert dense["1x1"] == [7] and dense["2x1"] == [1, 13] and dense["3x2"] == [0, 2, 6, 8, 12, 14]
    assert dense["5x3"] == list(range(15))
    uniform = smaller_views(4, 1, "uniform")
    assert uniform == {"1x1": [2], "2x1": [0, 2], "4x1": [0, 1, 2, 3]}
    assert smaller_views(1, 1, "dense") == smaller_views(1, 1, "uniform") == {"1x1": [0]}
    assert list(smaller_views(2, 3, "dense")) == ["2x1", "2x2", "2x3"]  # the middle is none of the two ends


@pytest.mark.parametrize(("sampling", "segments"), [("dense", 5), ("uniform", 4)])
def test_smaller_views_have_the_metrics_of_their_own_evaluation(model, videos, tmp_path, sampling, segments):
    processor = VideoMAEVideoProcessor.for_model(model.config, frame_stride=2, sampling=sampling)
    found = measure(
        model,
        processor,
        videos,
        num_segments=segments,
        num_crops=3,
        per_views=True,
        results=tmp_path / "all.csv",
    )
    for views, metrics in found.metrics["per_views"].items():
        s, c = map(int, views.split("x"))
        alone = measure(model, processor, videos, num_segments=s, num_crops=c, results=tmp_path / f"{views}.csv")
        column = "scores" if views == f"{segments}x3" else f"scores {views}"
        together, own = scores_of(tmp_path / "all.csv", column), scores_of(tmp_path / f"{views}.csv")
        assert torch.tensor(together).sub(torch.tensor(own)).abs().max() < 2e-6, views
        assert metrics == pytest.approx({name: alone.metrics[name] for name in metrics}, abs=1e-3), views
    assert describe(found.metrics).count("\n") == len(found.metrics["per_views"])


@pytest.fixture
def ten_seconds(tmp_path):
    """`ten_seconds(height, width) -> Path`: H.264 as x264 makes it by default, with a key frame every 250 frames."""

    def write(height, width):
        texture = torch.randint(
            256, (height // 4, width // 4, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        )
        texture = texture.repeat_interleave(4, dim=0).repeat_interleave(4, dim=1)
        with av.open(str(tmp_path / "clip.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            for number in range(250):
                moved = texture.roll((number, 2 * number), dims=(0, 1)).numpy()
                container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
            container.mux(stream.encode())
        return str(tmp_path / "clip.mp4")

    return write


@pytest.fixture
def decoded(monkeypatch):
    """A list that grows by 1 for every frame that a decoder gives."""
    counts = []

    for name in ("_decode_for", "_decode_from"):
        original = getattr(VideoReader, name)

        def spy(self, *args, original=original):
            for frame in original(self, *args):
                counts.append(1)
                yield frame

        monkeypatch.setattr(VideoReader, name, spy)
    return counts


def one_by_one(model, processor, path):
    """5x3 views as the authors' code reads them: the video is opened and decoded again for each."""
    scores = []
    for segment in range(5):
        for crop in range(3):
            with VideoReader(path) as video:
                frames = video.read(processor.view_indices(video, segment, 5))
            size = processor.crop_size.height, processor.crop_size.width
            frames = processor._resize_clip(frames)
            top, left = view_crop(*frames.shape[-2:], size=size, crop=crop, num_crops=3)
            view = frames[None, ..., top : top + size[0], left : left + size[1]]
            scores.append(view_scores(model, view))
    return torch.cat(scores).mean(dim=0)


def sixteen_frames(tiny_config, **sizes):
    torch.manual_seed(0)
    config = tiny_config(num_frames=16, classifier_init_scale=100.0, **labels_of(NAMES), **sizes)
    model = VideoMAEForVideoClassification(config).eval()
    return model, VideoMAEVideoProcessor.for_model(model.config)


def test_views_of_one_decode_need_a_fifth_of_the_frames(tiny_config, ten_seconds, decoded, tmp_path):
    path = ten_seconds(48, 80)
    model, processor = sixteen_frames(tiny_config)
    results = tmp_path / "scores.csv"
    videos = EvaluationVideos([path], [0], "test", [path])
    measure(model, processor, videos, num_segments=5, num_crops=3, per_views=True, results=results)
    together = len(decoded)
    apart = one_by_one(model, processor, path)
    assert 60 < together <= 250 and len(decoded) - together >= 5 * together
    torch.testing.assert_close(torch.tensor(scores_of(results)[0]), apart, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_views_of_one_decode_take_a_quarter_of_the_time(tiny_config, ten_seconds, record_property):
    """340x256, and a network that costs next to nothing."""
    path = ten_seconds(256, 340)
    model, processor = sixteen_frames(tiny_config, image_size=[64, 64], patch_size=16)

    def seconds(run):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            run()
            times.append(time.perf_counter() - start)
        return min(times)

    together = seconds(lambda: list(score_videos(model, processor, [path], num_segments=5, num_crops=3)))
    apart = seconds(lambda: one_by_one(model, processor, path))
    record_property("seconds", {"one decode": together, "a decode for each view": apart})
    print(f"one decode {together:.3f} s, a decode for each view {apart:.3f} s: {apart / together:.1f} times")
    assert apart > 4 * together


# ---- going on ----


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_an_evaluation_goes_on_with_the_videos_that_are_left(model, processor, videos, tmp_path, monkeypatch, name):
    whole = measure(model, processor, videos, num_segments=2, num_crops=3, results=tmp_path / "whole.csv")
    looked_at = []
    score = measurement.view_scores

    def interrupted(*args):
        if len(looked_at) == 2:
            raise KeyboardInterrupt
        looked_at.append(1)
        return score(*args)

    monkeypatch.setattr(measurement, "view_scores", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure(model, processor, videos, num_segments=2, num_crops=3, results=tmp_path / name)
    assert not (tmp_path / name).exists()
    monkeypatch.setattr(measurement, "view_scores", lambda *args: looked_at.append(2) or score(*args))
    found = measure(model, processor, videos, num_segments=2, num_crops=3, results=tmp_path / name)
    assert looked_at == [1, 1, 2, 2] and found.metrics == whole.metrics
    if name.endswith(".csv"):
        assert (tmp_path / name).read_text() == (tmp_path / "whole.csv").read_text()
    assert (
        measure(model, processor, videos, num_segments=2, num_crops=3, results=tmp_path / name).metrics
        == whole.metrics
    )
    assert len(looked_at) == 4


def test_results_of_another_model_views_or_videos_are_not_continued(model, processor, videos, tmp_path):
    file = tmp_path / "scores.csv"
    measure(model, processor, videos, results=file)
    with pytest.raises(ValueError, match=r"another evaluation \(views: '1x1', now '2x1'; rows"):
        measure(model, processor, videos, num_segments=2, results=file)
    other = VideoMAEVideoProcessor.for_model(model.config, frame_stride=3)
    with pytest.raises(ValueError, match=r"another evaluation \(model: '\w{16}', now '\w{16}'\)"):
        measure(model, other, videos, results=file)
    videos.labels = [3, 0, 6, 4]
    with pytest.raises(ValueError, match=r"another evaluation \(videos: '\w{16}', now '\w{16}'\)"):
        measure(model, processor, videos, results=file)


def test_fingerprints_tell_weights_and_videos_but_not_folders(model, processor):
    one = model_fingerprint(model, processor)
    assert one == model_fingerprint(model, processor)
    with torch.no_grad():
        model.classifier.bias[3] += 1e-3
    assert one != model_fingerprint(model, processor)
    here, there = (
        EvaluationVideos([], [0, 1], "test", [f"{root}/a/1.mp4", f"{root}/b/2.mp4"]) for root in ("x", "y/z")
    )
    assert split_fingerprint(here) == split_fingerprint(there)
    there.labels = [1, 0]
    assert split_fingerprint(here) != split_fingerprint(there)


# ---- other problem types ----


def test_metrics_of_videos_without_any_class_are_json(tiny_config, videos, tmp_path):
    model = VideoMAEForVideoClassification(tiny_config(**labels_of(["x", "y"], "multi_label_classification"))).eval()
    videos.labels = [[0.0, 0.0]] * 4
    found = measure(model, VideoMAEVideoProcessor.for_model(model.config, frame_stride=2), videos, per_views=True)
    write_measurement(tmp_path, found, ["x", "y"])
    assert "NaN" not in (tmp_path / "metrics.json").read_text() and found.metrics["num_classes"] == 0
    assert describe(found.metrics) == "4 videos of test, 1x1 views each: no mAP, none of the videos has a class"


def test_several_classes_and_numbers_are_named_in_the_results(tiny_config, videos, tmp_path):
    for kind, labels, shown in (
        ("multi_label_classification", [[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0]], ["x", "", "x|y", "y"]),
        ("regression", [[0.5, 2.0], [1.0, 0.0], [3.0, 3.0], [2.0, 1.0]], ["0.5|2", "1|0", "3|3", "2|1"]),
    ):
        model = VideoMAEForVideoClassification(tiny_config(num_labels=2, **labels_of(["x", "y"], kind))).eval()
        processor = VideoMAEVideoProcessor.for_model(model.config, frame_stride=2)
        videos.labels = labels
        found = measure(model, processor, videos, results=tmp_path / f"{kind}.csv")
        assert found.confusion is None and ("mAP" in found.metrics) == (kind != "regression")
        with (tmp_path / f"{kind}.csv").open(newline="") as stream:
            assert [row["label"] for row in csv.DictReader(stream)] == shown
