# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A list with the paths of copies is the same list, line by line."""

import json

import pytest

from videomae.relisting import rewrite_list

LISTS = {
    "official.csv": ("a/x.avi 3\na/y.webm 0\n", "a/x.mp4 3\na/y.mp4 0\n"),
    "header.csv": (
        'path,label,note\na/x.avi,"run, fast",1\n"a/y.webm",walk,a/y.webm\n',
        'path,label,note\na/x.mp4,"run, fast",1\n"a/y.mp4",walk,a/y.webm\n',
    ),
    "path_last.csv": ("label,path\nx.avi,a/x.avi\n0,a/y.webm\n", "label,path\nx.avi,a/x.mp4\n0,a/y.mp4\n"),
    "like_a_path.csv": ("label,path\nba/x.avi,a/x.avi\n", "label,path\nba/x.avi,a/x.mp4\n"),
    "longer.csv": ("label,path\na/x.avi2,a/x.avi\n", "label,path\na/x.avi2,a/x.mp4\n"),
    "tabs.tsv": ("a/x.avi\trun fast\na/y.webm\twalk\n", "a/x.mp4\trun fast\na/y.mp4\twalk\n"),
    "semicolons.csv": ("a/x.avi;run, fast\na/y.webm;walk\n", "a/x.mp4;run, fast\na/y.mp4;walk\n"),
    "v2.txt": ("a/x.avi 0 -1\na/y.webm 0 -1\n", "a/x.mp4 0 -1\na/y.mp4 0 -1\n"),
    "alone.txt": ("a/x.avi\n\na/y.webm", "a/x.mp4\n\na/y.mp4\n"),
    "bom.csv": ("\ufeffpath,label\na/x.avi,1\n", "path,label\na/x.mp4,1\n"),
    "dots.txt": ("./a/../a/x.avi 1\n", "a/x.mp4 1\n"),
}


@pytest.fixture
def rewrite(tmp_path):
    """`rewrite(name, text, copies=…) -> RewrittenList | None`, for three originals in the folder a."""
    originals = {"a/x.avi": "a/x.mp4", "a/y.webm": "a/y.mp4", 'a/s p,"c.avi': 'a/s p,"c.mp4'}

    def call(name, text, copies=tuple(originals), folder="new"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        found = {str(tmp_path / old): str(tmp_path / "new" / originals[old]) for old in copies}
        return rewrite_list(file, found, [str(tmp_path / old) for old in originals], str(tmp_path / folder))

    return call


@pytest.mark.parametrize("name", LISTS)
def test_paths_change_and_nothing_else(name, rewrite):
    text, expected = LISTS[name]
    found = rewrite(name, text)
    assert found.text == expected and found.left_out == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/x.avi 0 2\na/y.webm 0 -1\n", "a/x.mp4 0 -1\na/y.mp4 0 -1\n"),
        ("a/x.avi,1,2\n", "a/x.mp4,0,-1\n"),
        ("a/x.avi;1;2\n", "a/x.mp4;0;-1\n"),
        ("a/x.avi 2 run fast\n", "a/x.mp4 run fast\n"),
        ("a/x.avi\t2\t0\n", "a/x.mp4\t0\n"),
        ("path frames label\na/x.avi 2 0\n", "path frames label\na/x.mp4 2 0\n"),
    ],
)
def test_official_lists_of_folders_of_frames_become_lists_of_video_files(text, expected, rewrite, tmp_path):
    (tmp_path / "a" / "x.avi").mkdir(parents=True)
    for number in range(2):
        (tmp_path / "a" / "x.avi" / f"{number}.png").touch()
    assert rewrite("list.txt", text).text == expected


def test_json_lines_change_their_path_alone(rewrite):
    found = rewrite("list.jsonl", '{"path": "a/x.avi", "label": [1, 2], "note": "é"}\n"\\u2028"\n\n')
    assert json.loads(found.text.splitlines()[0]) == {"path": "a/x.mp4", "label": [1, 2], "note": "é"}


def test_spaces_commas_and_quotes_in_a_path_are_kept_apart(rewrite):
    assert rewrite("list.csv", 'path,label\n"a/s p,""c.avi",1\n').text == 'path,label\n"a/s p,""c.mp4",1\n'


def test_videos_without_a_copy_are_left_out_and_counted(rewrite):
    found = rewrite("list.csv", "path,label\na/x.avi,0\na/y.webm,1\nother.mp4,2\n", copies=["a/y.webm"])
    assert found == ("path,label\na/y.mp4,1\n", 1, 2)


def test_paths_are_relative_to_the_new_list(rewrite):
    assert rewrite("list.csv", "a/x.avi 0\n", folder="new/lists").text == "../a/x.mp4 0\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "run\nwalk\n"),
        ("other.csv", "path,label\nelsewhere.avi,0\n"),
        ("odd.csv", "a,b,c,d\n1,2,3,4\n"),
        ("notes.md", "a/x.avi 0\n"),
        ("empty.txt", ""),
    ],
)
def test_a_text_that_lists_none_of_the_videos_is_no_list(name, text, rewrite):
    assert rewrite(name, text) is None
