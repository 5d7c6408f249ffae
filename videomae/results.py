# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The scores of an evaluation in a file, one row a video, which an interrupted evaluation goes on with.

FILE.csv or FILE.parquet has the columns path, label, prediction, scores (in the csv a JSON list) and error, the videos
in the order of their list. FILE.settings.json beside it says which model looked at which videos, and how. While it
runs, each process adds a line for every video to a file of its own, FILE.part-N.jsonl.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from .files import replacing, write_json

DECIMALS = 6  # of a score
COLUMNS = ("path", "label", "prediction", "scores", "error")
Scores = dict[str, list[float]]  # {views: the K scores of the video with these}


class Row(NamedTuple):
    """What the file says of a video; a video that can not be read has an error and no scores."""

    path: str
    label: str
    prediction: str = ""
    scores: Scores = {}
    error: str = ""


class ResultsFile:
    """A file of results, and the parts that grow beside it.

    Args:
        path: ends in .csv or .parquet.
        settings: what the scores depend on; a file of others is an error.
        views: of the column "scores"; other views of a row have columns "scores 1x1" and so on.

    Raises ValueError: another extension; a file, or parts, of other settings, or a file without its settings.
    """

    def __init__(self, path: str | os.PathLike, settings: Mapping[str, Any], views: str):
        self.path, self.settings, self.views = Path(path), dict(settings), views
        if self.path.suffix not in (".csv", ".parquet"):
            raise ValueError(f"{path}: results are written as .csv or .parquet")
        self._settings_file = self.path.with_name(f"{self.path.name}.settings.json")
        self._part = None
        if self._settings_file.is_file():
            self._compare(json.loads(self._settings_file.read_text(encoding="utf-8")))
        elif self.path.exists():
            raise ValueError(
                f"{self.path} is there, but not {self._settings_file.name}, which says what it is of: remove one"
            )

    def _compare(self, found: dict[str, Any]) -> None:
        names = [name for name in {**self.settings, **found} if self.settings.get(name) != found.get(name)]
        if names:
            differ = "; ".join(f"{name}: {found.get(name)!r}, now {self.settings.get(name)!r}" for name in names)
            raise ValueError(
                f"{self.path} is of another evaluation ({differ}): choose another file for the results, or remove it"
            )

    def read(self) -> dict[int, Scores]:
        """{number of a video: its scores}, of those that were looked at."""
        found = {}
        if self.path.is_file():
            rows = self._read_csv() if self.path.suffix == ".csv" else self._read_parquet()
            found = {number: scores for number, scores in enumerate(rows) if scores}
        for part in self._parts():
            for line in part.read_text(encoding="utf-8").splitlines():
                try:
                    number, scores = json.loads(line)
                except ValueError:  # the end of a line is missing: the process was killed while it wrote
                    continue
                found[number] = scores
        return found

    def start(self, process: int) -> None:
        """Take the scores of one process. The first one notes the settings."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if process == 0:
            write_json(self._settings_file, self.settings)
        self._part = self.path.with_name(f"{self.path.name}.part-{process}.jsonl")
        self._append("\n")  # ends a line that was cut off

    def add(self, number: int, scores: Scores) -> None:
        """Note the scores of a video, so that they outlive the process."""
        self._append(json.dumps([number, scores]) + "\n")

    def _append(self, text: str) -> None:
        with self._part.open("a", encoding="utf-8") as stream:
            stream.write(text)

    def finish(self, rows: Sequence[Row]) -> None:
        """Write the file, whole, and remove all parts; for one process, when all have added their last scores."""
        with replacing(self.path) as temporary:
            write = self._write_csv if self.path.suffix == ".csv" else self._write_parquet
            write(temporary, rows)
        for part in self._parts():
            part.unlink()

    def _parts(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{self.path.name}.part-*.jsonl"))

    # -- formats --

    def _columns(self, rows: Sequence[Row]) -> dict[str, str]:
        """{views: their column}"""
        views = dict.fromkeys(view for row in rows for view in row.scores)
        return {view: self._column(view) for view in views}

    def _column(self, views: str) -> str:
        return "scores" if views == self.views else f"scores {views}"

    def _views(self, column: str) -> str | None:
        return self.views if column == "scores" else column.removeprefix("scores ") if " " in column else None

    def _write_csv(self, file: Path, rows: Sequence[Row]) -> None:
        columns = self._columns(rows)
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(dict.fromkeys((*COLUMNS, *columns.values()))), lineterminator="\n")
            writer.writeheader()
            for row in rows:
                scores = {columns[views]: _json_scores(values) for views, values in row.scores.items()}
                writer.writerow({**row._asdict(), "scores": "", **scores})

    def _read_csv(self) -> Iterator[Scores]:
        csv.field_size_limit(1 << 24)  # a row of thousands of scores is longer than what Python expects
        with self.path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                yield {
                    views: json.loads(text) for column, text in row.items() if text and (views := self._views(column))
                }

    def _write_parquet(self, file: Path, rows: Sequence[Row]) -> None:
        table = {name: [getattr(row, name) for row in rows] for name in COLUMNS if name != "scores"}
        for views, column in self._columns(rows).items():
            table[column] = [row.scores.get(views) for row in rows]
        pyarrow.parquet.write_table(pyarrow.table(table), file)

    def _read_parquet(self) -> Iterator[Scores]:
        for row in pyarrow.parquet.read_table(self.path).to_pylist():
            yield {views: values for column, values in row.items() if values and (views := self._views(column))}


def _json_scores(scores: Sequence[float]) -> str:
    return f"[{', '.join(f'{score:.{DECIMALS}f}' for score in scores)}]"


__all__ = ["DECIMALS", "ResultsFile", "Row", "Scores"]
