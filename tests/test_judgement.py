# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""kNN and linear probe on a labelled folder: classes that can be told, classes that can not, and what is counted."""

import numpy as np
import pytest
import torch

from videomae import VideoMAEForPreTraining, VideoMAEVideoProcessor, judgement
from videomae.features import FeatureSettings
from videomae.judgement import describe, draw, judge, labelled_features, labelled_tables
from videomae.video import VideoDecodeError

SETTINGS = FeatureSettings()


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(0)
    return VideoMAEForPreTraining(tiny_config()).eval()


@pytest.fixture
def processor(tiny_config):
    return VideoMAEVideoProcessor.for_model(tiny_config(), frame_stride=1)


@pytest.fixture
def labelled(tmp_path):
    """`labelled(per_class, classes, separable=…, under=…) -> folder`: videos whose brightness is their class, or is
    nothing."""

    def make(per_class, classes=("dark", "grey", "bright"), *, separable=True, under="videos"):
        random = np.random.default_rng(0)
        for number, name in enumerate(classes):
            (tmp_path / under / name).mkdir(parents=True)
            for video in range(per_class):
                brightness = 20 + 70 * number if separable else random.integers(20, 160)
                frames = random.integers(brightness, brightness + 30, (4, 24, 32, 3), np.uint8, endpoint=True)
                np.save(tmp_path / under / name / f"{video}.npy", frames)
        return tmp_path / under

    return make


def judged(model, processor, tables, settings, *, methods=("knn", "linear_probe"), **run):
    return judge(labelled_features(model, processor, tables, settings, **run), tables, methods)


# ---- accuracies ----


def test_classes_that_look_different_are_told_apart(model, processor, labelled):
    found = judged(model, processor, labelled_tables(labelled(6)), SETTINGS)
    assert found["knn"] == {"accuracy": 100.0, "per_class": {"bright": 100.0, "dark": 100.0, "grey": 100.0}}
    assert found["linear_probe"]["accuracy"] == 100.0
    assert found["chance"] == pytest.approx(100 / 3)
    assert (found["train_videos"], found["test_videos"]) == (12, 6)
    assert found["left_out"] == []


def test_labels_that_mean_nothing_give_about_chance(model, processor, labelled):
    found = judged(model, processor, labelled_tables(labelled(60, separable=False)), SETTINGS)
    for method in ("knn", "linear_probe"):
        assert found[method]["accuracy"] == pytest.approx(100 / 3, abs=18.3)  # three deviations of 60 draws
    assert found["test_videos"] == 60


def test_the_accuracy_of_a_class_is_that_of_its_test_videos(model, processor, labelled, tmp_path):
    """Of the test videos of "dark" one is bright, and of those of "grey" all are."""
    source = labelled(6)
    for place in ("dark/5", "grey/2", "grey/5"):
        (source / f"{place}.npy").write_bytes((source / "bright" / "2.npy").read_bytes())
    found = judged(model, processor, labelled_tables(source), SETTINGS, methods=["knn"])
    assert found["knn"]["per_class"] == {"bright": 100.0, "dark": 50.0, "grey": 0.0}
    assert found["knn"]["accuracy"] == pytest.approx(50.0)
    assert "linear_probe" not in found


def test_workers_change_nothing(model, processor, labelled):
    tables = labelled_tables(labelled(12, separable=False))
    assert judged(model, processor, tables, SETTINGS, num_workers=2) == judged(model, processor, tables, SETTINGS)


# ---- videos ----


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_to_test_on_is_tested_on(model, processor, labelled, split):
    labelled(4, under="videos/train")
    source = labelled(2, under=f"videos/{split}").parent
    tables = labelled_tables(source)
    assert tables.tested_on == {"val": "validation", "test": "test"}[split]
    found = judged(model, processor, tables, SETTINGS)
    assert (found["train_videos"], found["test_videos"]) == (12, 6)


def test_every_third_video_is_tested_on_where_there_is_no_split(labelled):
    tables = labelled_tables(labelled(3))
    assert tables.tested_on == "every third video of a class"
    assert [path.rpartition("/")[2] for path in tables.test["video"]] == ["2.npy"] * 3
    assert tables.names == ["bright", "dark", "grey"]


def test_what_can_not_be_split_is_an_error(labelled):
    with pytest.raises(ValueError, match=r"has no val/ or test/, and class 0 has 1 video, wanted at least 2"):
        labelled_tables(labelled(1))
    with pytest.raises(ValueError, match=r"1 class \(one\), wanted a training split of at least 2 classes"):
        labelled_tables(labelled(4, ["one"], under="alone"))


def test_several_classes_a_video_are_an_error(labelled, tmp_path):
    labelled(2)
    (tmp_path / "list.csv").write_text("path,label\nvideos/dark/0.npy,dark\nvideos/dark/1.npy,dark|grey\n")
    with pytest.raises(ValueError, match=r"the label 'dark\|grey' means several classes .* give each video one"):
        labelled_tables(tmp_path / "list.csv")


def test_a_bad_video_is_an_error_or_left_out(model, processor, labelled):
    source = labelled(6)
    (source / "dark" / "2.npy").write_text("nothing")
    tables = labelled_tables(source)
    with pytest.raises(VideoDecodeError, match="dark/2.npy"):
        judged(model, processor, tables, SETTINGS)
    found = judged(model, processor, tables, SETTINGS, on_bad_video="skip")
    assert (found["test_videos"], found["left_out"]) == (5, [str(source / "dark" / "2.npy")])
    assert found["knn"]["accuracy"] == 100.0


@pytest.mark.parametrize("settings", [{"pool": "tubelets"}, {"window": 4}])
def test_settings_of_several_vectors_a_video_are_errors(model, processor, labelled, settings):
    with pytest.raises(ValueError, match="wanted pool 'mean' and no sliding window"):
        judged(model, processor, labelled_tables(labelled(3)), FeatureSettings(**settings))


def test_what_was_found_is_said(model, processor, labelled):
    lines = describe(judged(model, processor, labelled_tables(labelled(3)), SETTINGS)).splitlines()
    assert lines[0] == ("6 videos to learn from, 3 to test on (every third video of a class); chance 33.3 %")
    assert lines[1] == "kNN: 100.0 % right" and "  dark: 100.0 %" in lines


# ---- pictures ----


@pytest.mark.parametrize(("projection", "title"), [("pca", "PCA of the features"), ("tsne", "t-SNE of the features")])
def test_all_videos_are_drawn_in_the_plane(model, processor, labelled, tmp_path, monkeypatch, projection, title):
    if projection == "tsne":
        pytest.importorskip("sklearn")
    drawn = []
    monkeypatch.setattr(judgement, "save_embedding", lambda *given, **options: drawn.append((*given, options)))
    tables = labelled_tables(labelled(3))
    draw(labelled_features(model, processor, tables, SETTINGS), tables, projection, tmp_path / "f.png")
    ((path, points, labels, names, heading, options),) = drawn
    assert (path, heading, names) == (tmp_path / "f.png", title, ["bright", "dark", "grey"])
    assert points.shape == (9, 2) and labels.tolist() == [0, 0, 1, 1, 2, 2, 0, 1, 2]
    assert ("variance" in options["axis_labels"][0]) == (projection == "pca")
