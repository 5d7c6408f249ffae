# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
from PIL import Image

from videomae.plots import save_curves, save_panels


def test_curves_are_written_whole(tmp_path):
    curves = {"train": [(0, 1.0), (10, 0.5)], "validation": [(0, 1.1), (10, 0.7)], "nothing yet": []}
    with Image.open(save_curves(curves, tmp_path / "c.png", x_label="step", y_label="loss", title="t")) as picture:
        assert picture.format == "PNG"
    assert [path.name for path in tmp_path.iterdir()] == ["c.png"]


def test_panels_are_drawn_below_each_other(tmp_path):
    panel = {"train": [(0, 1.0), (10, 0.5)], "one point": [(3, 0.5)]}
    heights = []
    for count in (1, 3):
        panels = {f"loss {number}": panel for number in range(count)}
        with Image.open(save_panels(panels, tmp_path / "p.png", x_label="step", title="t")) as picture:
            heights.append(picture.height)
    assert heights == [420, 1020]  # 3.5 and 8.5 inches
