# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Labels mean classes of the model by name, by letters, or by a map; and nothing is guessed."""

import pytest

from videomae.label_maps import match_labels, read_label_map

MODEL = ["Riding a bike", "tai chi", "sword fighting", "TaiChi (group)", "jump", "7 up"]


def test_names_come_first_then_letters_in_any_case_and_with_any_spaces():
    labels = {"jump", "riding_a_bike", "Sword-Fighting", "TaiChi", "7up", ""}
    assert match_labels(labels, MODEL) == {
        "jump": "jump",
        "riding_a_bike": "Riding a bike",
        "Sword-Fighting": "sword fighting",
        "TaiChi": "tai chi",
        "7up": "7 up",
    }


def test_letters_of_two_classes_tell_nothing():
    assert match_labels({"tai chi"}, ["tai chi", "tai_chi"]) == {"tai chi": "tai chi"}
    with pytest.raises(ValueError, match="label 'TaiChi' .* is unknown; the classes are tai chi, tai_chi"):
        match_labels({"TaiChi"}, ["tai chi", "tai_chi"])


@pytest.mark.parametrize(
    ("label", "other", "same"),
    [
        ("C++", "C", "c++"),
        ("+5", "5", "(+5)"),
        ("-5 m", "5 m", "_-5m"),
        ("from -5", "from 5", "From_-5"),
        ("grade A-", "grade A", "grade_a-"),
        ("< 3", "3", "<3"),
        ("a>b", "ab", "A > B"),
        ("x-ray - chest", "x-ray", "X ray_chest"),
    ],
)
def test_signs_count_and_hyphens_between_words_do_not(label, other, same):
    assert match_labels({same}, [label]) == {same: label}
    with pytest.raises(ValueError, match="is unknown"):
        match_labels({label}, [other])


def test_labels_that_would_be_one_class_by_spelling_are_named():
    message = r"labels '7_up' and '7up' \(class '7 up'\), 'Jump!' and 'jump' \(class 'jump'\) differ by spelling alone"
    with pytest.raises(ValueError, match=message):
        match_labels({"jump", "Jump!", "7up", "7_up", "tai chi"}, MODEL)
    found = match_labels({"jump", "Jump!", "hop"}, MODEL, {"Jump!": "jump", "hop": "jump"})
    assert found == {"jump": "jump", "Jump!": "jump", "hop": "jump"}


def test_all_unknown_labels_are_named_with_the_nearest_class():
    with pytest.raises(ValueError) as error:
        match_labels({"fly", "sword figting", "jump"}, MODEL)
    assert str(error.value).startswith(
        "label 'fly', label 'sword figting' (is it 'sword fighting'?) are unknown; the classes are Riding a bike, tai"
    )
    assert "--label_map FILE.json" in str(error.value)


def test_a_map_wins_and_its_classes_are_the_models():
    assert match_labels({"jump", "hop"}, MODEL, {"hop": "jump", "jump": "7 up"}) == {"hop": "jump", "jump": "7 up"}
    with pytest.raises(ValueError, match="classes that the model does not have: label 'jmp' .is it 'jump'"):
        match_labels({"hop"}, MODEL, {"hop": "jmp"})


def test_integers_are_positions_unless_a_map_names_them():
    assert match_labels({"0", "12"}, MODEL) == {"0": "0", "12": "12"}
    assert match_labels({"0"}, MODEL, {"0": "jump"}) == {"0": "jump"}


def test_k400_names_are_found_among_those_of_k710():
    k710 = ["massaging person's head", "roller skating", "tying knot (not on a tie)", "riding elephant"]
    k400 = ["massaging_persons_head", "tying_knot_not_on_a_tie"]
    assert set(match_labels(k400, k710).values()) == {k710[0], k710[2]}


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ('["a"]', "wanted one JSON object"), ('{"a": 1}', "wanted one JSON object")],
)
def test_a_map_is_one_json_object_of_texts(tmp_path, text, message):
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(ValueError, match=f"map.json: {message}"):
        read_label_map(tmp_path / "map.json")
    (tmp_path / "map.json").write_text('{"hop": "jump"}')
    assert read_label_map(tmp_path / "map.json") == {"hop": "jump"}
