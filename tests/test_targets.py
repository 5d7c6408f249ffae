# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Labels of several classes, and labels that are numbers: from every kind of source to what the loss takes."""

import json

import datasets
import pytest

from videomae.listing import load_videos
from videomae.targets import MULTI, REGRESSION, SINGLE, output_names, problem_type_of, with_targets


def table(labels, feature=None):
    features = {"video": datasets.Value("string")} | ({"label": feature} if feature else {})
    found = datasets.Dataset.from_dict({"video": [f"{n}.mp4" for n in range(len(labels))], "label": labels})
    return found.cast(datasets.Features(features)) if feature else found


def targets(videos, problem_type=None, given=None):
    kind = problem_type or problem_type_of(videos)
    names = output_names(videos, kind, given)
    return names, with_targets(videos, names, kind)["label"][:]


# ---- several classes a video ----


def test_classes_between_bars_in_a_text_list(listed):
    file = listed("a.mp4,run|jump\nb.mp4,swim\nc.mp4,jump | swim\n", "a.mp4", "b.mp4", "c.mp4")
    videos = load_videos(file, "train", problem_type=MULTI)
    assert videos["label"][:] == [["run", "jump"], ["swim"], ["jump", "swim"]]
    assert targets(videos) == (["jump", "run", "swim"], [[1, 1, 0], [0, 0, 1], [1, 0, 1]])
    assert targets(videos, given=["swim", "jump", "fly", "run"])[1] == [[0, 1, 0, 1], [1, 0, 0, 0], [1, 1, 0, 0]]


def test_without_the_problem_type_a_bar_is_part_of_a_name(listed):
    videos = load_videos(listed("a.mp4,run|jump\nb.mp4,swim\n", "a.mp4", "b.mp4"), "train")
    assert videos.features["label"].names == ["run|jump", "swim"] and problem_type_of(videos) == SINGLE
    assert with_targets(videos, ["run|jump", "swim"], SINGLE) is videos


def test_one_class_a_video_may_be_meant_as_the_first_of_several(folder):
    videos = load_videos(folder("run/a.mp4", "swim/b.mp4"), "train", problem_type=MULTI)
    assert targets(videos) == (["run", "swim"], [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("labels", "names"),
    [([["run", "jump"], []], ["jump", "run"]), ([[1, 0], []], ["0", "1"]), ([[7], [3]], ["clap", "wave"])],
    ids=["names", "integers", "integers that are names"],
)
def test_lists_of_json_objects_are_several_classes(listed, labels, names):
    lines = [json.dumps({"path": f"{n}.mp4", "label": label}) for n, label in enumerate(labels)]
    videos = load_videos(listed("\n".join(lines), "0.mp4", "1.mp4", name="list.jsonl"), "train")
    if names[0] == "clap":
        assert targets(videos, given=["3", "7"]) == (["3", "7"], [[0, 1], [1, 0]])
    else:
        assert targets(videos) == (names, [[1, 1], [0, 0]])


def test_lists_of_a_stored_classlabel_keep_its_names():
    feature = datasets.List(datasets.ClassLabel(names=["wave", "clap", "bow"]))
    videos = table([[2, 0], [1]], feature)
    assert problem_type_of(videos) == MULTI
    assert targets(videos) == (["wave", "clap", "bow"], [[1, 0, 1], [0, 1, 0]])
    assert targets(videos, given=["bow", "clap", "wave"])[1] == [[1, 0, 1], [0, 1, 0]]


def test_rows_of_booleans_are_one_for_each_class():
    videos = table([[True, False, True], [False, False, False]])
    assert problem_type_of(videos) == MULTI
    assert targets(videos) == (["0", "1", "2"], [[1, 0, 1], [0, 0, 0]])
    assert targets(videos, given=["x", "y", "z"])[0] == ["x", "y", "z"]


def test_rows_of_zeros_and_ones_are_classes_where_that_is_said():
    videos = table([[1.0, 0.0], [1.0, 1.0]])
    assert problem_type_of(videos) == REGRESSION
    assert targets(videos, MULTI) == (["0", "1"], [[1, 0], [1, 1]])
    with pytest.raises(ValueError, match=r"0\.mp4: \[0\.5, 0\.0\]: wanted 0 and 1"):
        targets(table([[0.5, 0.0]]), MULTI)


def test_classes_that_do_not_fit_name_their_video():
    videos = table([["run"], ["run", "fly"]])
    with pytest.raises(ValueError, match=r"1 problem\n- 1\.mp4: label 'fly' is unknown; the classes are jump, run"):
        with_targets(videos, ["jump", "run"], MULTI)
    with pytest.raises(ValueError, match=r"0\.mp4: labels 0, 1, 0: a class twice"):
        targets(table([[0, 1, 0], [1, 1, 0]]))
    with pytest.raises(ValueError, match="the largest label is 2, but 1 class below it has no video: 1"):
        targets(table([[0], [2]]))
    with pytest.raises(ValueError, match=r"1\.mp4: 1 numbers, wanted 2"):
        targets(table([[True, False], [True]]))


# ---- numbers ----


def test_integers_are_numbers_where_that_is_said(listed):
    file = listed("a.mp4 23\nb.mp4 7\n", "a.mp4", "b.mp4")
    videos = load_videos(file, "train", problem_type=REGRESSION)
    assert targets(videos) == (["value"], [23.0, 7.0]) and problem_type_of(videos) == REGRESSION
    assert targets(videos, given=["age"])[0] == ["age"]
    with pytest.raises(ValueError, match="2 class names are given, the labels are 1 numbers"):
        targets(videos, given=["age", "weight"])


def test_what_is_no_number_is_named(listed):
    file = listed("a.mp4 23\nb.mp4 old\n", "a.mp4", "b.mp4")
    with pytest.raises(ValueError, match=r"b\.mp4: label 'old': wanted a number \(problem_type regression\)"):
        load_videos(file, problem_type=REGRESSION)


def test_rows_of_numbers_are_several_outputs():
    assert targets(table([[0.5, 2.0, -1.0], [1.0, 0.0, 3.5]])) == (["0", "1", "2"], [[0.5, 2, -1], [1, 0, 3.5]])
    assert targets(table([[5, 2], [1, 0]]), REGRESSION, ["x", "y"]) == (["x", "y"], [[5, 2], [1, 0]])
    with pytest.raises(ValueError, match=r"1\.mp4: 1 numbers, wanted 2"):
        targets(table([[5.0, 2.0], [1.0]]))


# ---- what does not fit ----


@pytest.mark.parametrize(
    ("labels", "problem_type"), [([["run"], ["jump"]], SINGLE), ([["run"], ["jump"]], REGRESSION), ([0.5, 1.5], MULTI)]
)
def test_labels_of_another_kind_are_refused(tmp_path, labels, problem_type):
    for number in range(2):
        (tmp_path / f"{number}.mp4").touch()
    source = table(labels).map(lambda row: {"video": str(tmp_path / row["video"])})
    with pytest.raises(ValueError, match=f"problem_type is {problem_type}, but the labels are"):
        load_videos(source, problem_type=problem_type)


def test_videos_without_labels_have_no_targets():
    videos = table([0.5]).remove_columns("label")
    for call in (problem_type_of, lambda videos: output_names(videos, MULTI)):
        with pytest.raises(ValueError, match="the videos have no labels"):
            call(videos)
    with pytest.raises(ValueError, match="the videos have no labels"):
        with_targets(videos, ["value"], REGRESSION)
