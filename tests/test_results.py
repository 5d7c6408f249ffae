# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The file of an evaluation's scores: written whole, continued where it was left, refused for another evaluation."""

import csv
import json

import pyarrow.parquet
import pytest

from videomae.results import ResultsFile, Row

SETTINGS = {"model": "abc", "views": "2x3"}
SCORES = {"1x1": [0.25, 0.75], "2x3": [0.123456, 0.876544]}
ROWS = [
    Row("a b.mp4", "wave", "clap", SCORES),
    Row("c.mp4", "clap", error="it can not be read, at all"),
    Row("d,1.mp4", "clap", "clap", {"1x1": [1.0, 0.0], "2x3": [1e-7, 1.0]}),
]


def written(path, rows=ROWS):
    file = ResultsFile(path, SETTINGS, "2x3")
    file.start(0)
    file.finish(rows)
    return path


@pytest.mark.parametrize("name", ["scores.csv", "new/scores.parquet"])
def test_scores_come_back_and_videos_with_errors_do_not(tmp_path, name):
    path = written(tmp_path / name)
    found = ResultsFile(path, SETTINGS, "2x3").read()
    assert list(found) == [0, 2] and found[0] == SCORES
    assert found[2]["2x3"] == pytest.approx([0, 1], abs=1e-6)
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.settings.json"]


def test_a_csv_has_a_row_for_each_video_with_six_decimals(tmp_path):
    with written(tmp_path / "scores.csv").open(newline="") as stream:
        first, second, third = csv.DictReader(stream)
    assert list(first) == ["path", "label", "prediction", "scores", "error", "scores 1x1"]
    assert (first["path"], first["label"], first["prediction"], first["error"]) == ("a b.mp4", "wave", "clap", "")
    assert first["scores"] == "[0.123456, 0.876544]" and first["scores 1x1"] == "[0.250000, 0.750000]"
    assert second["scores"] == "" and second["error"] == "it can not be read, at all"
    assert third["scores"] == "[0.000000, 1.000000]"


def test_parquet_has_numbers(tmp_path):
    first, second, _ = pyarrow.parquet.read_table(written(tmp_path / "scores.parquet")).to_pylist()
    assert first["scores"] == [0.123456, 0.876544] and first["scores 1x1"] == [0.25, 0.75]
    assert second["scores"] is None and second["error"].startswith("it can not")


def test_parts_of_all_processes_count_and_a_line_that_was_cut_off_does_not(tmp_path):
    path = tmp_path / "scores.csv"
    for process in (0, 1):
        file = ResultsFile(path, SETTINGS, "2x3")
        file.start(process)
        file.add(10 + process, SCORES)
    with (tmp_path / "scores.csv.part-1.jsonl").open("a") as stream:
        stream.write('[12, {"2x3": [0.1')
    found = ResultsFile(path, SETTINGS, "2x3").read()
    assert found == {10: SCORES, 11: SCORES} and not path.exists()
    again = ResultsFile(path, SETTINGS, "2x3")
    again.start(1)
    again.add(12, SCORES)
    assert set(ResultsFile(path, SETTINGS, "2x3").read()) == {10, 11, 12}


def test_a_file_of_another_evaluation_is_refused(tmp_path):
    path = written(tmp_path / "scores.csv")
    with pytest.raises(ValueError, match=r"another evaluation \(model: 'abc', now 'xyz'; videos: None, now 'v'\)"):
        ResultsFile(path, {"model": "xyz", "views": "2x3", "videos": "v"}, "2x3")
    (tmp_path / "scores.csv.settings.json").unlink()
    with pytest.raises(ValueError, match=r"is there, but not scores\.csv\.settings\.json"):
        ResultsFile(path, SETTINGS, "2x3")
    with pytest.raises(ValueError, match=r"results are written as \.csv or \.parquet"):
        ResultsFile(tmp_path / "scores.json", SETTINGS, "2x3")


def test_thousands_of_scores_fit_a_row(tmp_path):
    scores = [n / 30000 for n in range(20000)]
    path = written(tmp_path / "scores.csv", [Row("a.mp4", "wave", "clap", {"2x3": scores})])
    assert path.stat().st_size > 2**17  # what Python's csv takes without a word
    assert ResultsFile(path, SETTINGS, "2x3").read()[0]["2x3"] == pytest.approx(scores, abs=1e-6)
    assert json.loads((tmp_path / "scores.csv.settings.json").read_text()) == SETTINGS
