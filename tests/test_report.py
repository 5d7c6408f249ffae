# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The demo's page: numbers and pictures are in it, and it needs no other file."""

import base64
import re
from html.parser import HTMLParser

import pytest

from videomae.report import write_report

METRICS = {
    "seed": 3,
    "data": {"unlabelled": 4321, "train": 24, "validation": 16, "test": 80, "classes": ["left", "<right>"]},
    "views": "3x2",
    "finetuning_steps": 77,
    "pretraining": {"learning_rate": 0.001, "seconds": 90.0},
    "arms": {
        "finetuned": {
            "learning_rate": 0.0005,
            "validation_top1": {"0.0005": 70.0, "0.001": 60.0},
            "top1": 71.25,
            "top5": 99.0,
            "mean_class_accuracy": 70.5,
        },
        "from_scratch": {
            "learning_rate": 0.001,
            "validation_top1": {"0.0005": 20.0, "0.001": 30.0},
            "top1": 31.5,
            "top5": 88.0,
            "mean_class_accuracy": 30.5,
        },
    },
    "prediction": {"video": "a&b.mp4", "truth": "left", "labels": [{"label": "<right>", "score": 0.625}]},
    "seconds": 330.0,
}


@pytest.fixture
def page(tmp_path):
    pictures = []
    for name in ("curve.png", "strip.png"):
        (tmp_path / name).write_bytes(name.encode())
        pictures.append(tmp_path / name)
    write_report(tmp_path / "report.html", METRICS, curves=pictures[:1], reconstructions=pictures[1:])
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_result_and_its_conditions_are_on_the_page(page):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    for expected in ("4,321 videos", "24 labelled", "80 videos", "71.2 %", "31.5 %", "3x2 views", "5.5 minutes"):
        assert expected in text
    assert "0.0005 of 0.0005, 0.001" in text  # the rate that was chosen, and the rates to choose from


def test_pictures_are_inside(page):
    contents = {base64.b64decode(data).decode() for data in re.findall(r"data:image/png;base64,([^\"]+)", page)}
    assert contents == {"curve.png", "strip.png"}


def test_nothing_is_loaded_from_elsewhere(page):
    sources = re.findall(r"(?:src|href)\s*=\s*\"([^\"]*)\"", page)
    assert sources and all(source.startswith("data:") for source in sources)


def test_names_are_escaped(page):
    assert "&lt;right&gt;" in page and "<right>" not in page
    assert "a&amp;b.mp4" in page


def test_every_element_is_closed(page):
    class Elements(HTMLParser):
        open_elements: list[str] = []

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                self.open_elements.append(tag)

        def handle_endtag(self, tag):
            assert self.open_elements.pop() == tag

    Elements().feed(page)
    assert Elements.open_elements == []
