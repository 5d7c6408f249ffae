# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import av
import numpy as np
import pytest
import torch
from PIL import Image

from videomae.pictures import (
    ColourBar,
    PictureRow,
    displayed,
    save_gif,
    save_mp4,
    save_pictures,
    save_strip,
)

SHADES = (40, 90, 140, 190, 240)


@pytest.fixture
def rows():
    """Two versions of a clip of 5 frames of 16x24: one grey shade a frame, and the same in reverse order."""
    frames = np.stack([np.full((16, 24, 3), shade, dtype=np.uint8) for shade in SHADES])
    return [PictureRow("forwards", frames), PictureRow("backwards", frames[::-1], note="a note of a few words")]


def test_a_strip_has_a_column_for_each_frame_and_a_row_for_each_version(rows, tmp_path):
    with Image.open(save_strip(rows, tmp_path / "strip.png", num_columns=3, title="a title")) as strip:
        grey = np.asarray(strip.convert("L"))
    frames = [shades_along(line) for line in grey]
    assert [40, 140, 240] in frames and [240, 140, 40] in frames
    assert frames.index([40, 140, 240]) < frames.index([240, 140, 40])


def shades_along(line):
    """The shades of the frames that a line of pixels crosses, one number for each run of at least 50 pixels."""
    runs = np.split(line, np.flatnonzero(np.diff(line.astype(int))) + 1)
    return [int(run[0]) for run in runs if len(run) >= 50 and run[0] in SHADES]


def test_a_strip_of_one_row_without_title_is_lower(rows, tmp_path):
    def height(drawn, **options):
        with Image.open(save_strip(drawn, tmp_path / "strip.png", **options)) as strip:
            return strip.height

    assert height(rows, title="t") - height(rows) == pytest.approx(40, abs=1)  # 0.33 inches
    assert height(rows) > height(rows[:1])


def test_dollars_in_names_are_no_formulas(rows, tmp_path):
    name = "cost_$5_a^$"
    row = PictureRow(name, rows[0].frames, name, ColourBar("viridis", name, name))
    assert [path.suffix for path in save_pictures([row], tmp_path / name, ("png", "gif"), title=name)] == [
        ".png",
        ".gif",
    ]


def test_a_colour_bar_shows_its_colours_on_the_line_of_the_caption(rows, tmp_path):
    bar = ColourBar("viridis", "little", "much")
    with Image.open(save_strip([PictureRow("map", rows[0].frames, colour_bar=bar)], tmp_path / "s.png")) as strip:
        above_frames = np.asarray(strip.convert("RGB"))[:40].reshape(-1, 3).astype(int)
    for end in ((68, 1, 84), (253, 231, 36)):  # of viridis
        assert np.abs(above_frames - end).max(axis=1).min() < 10


@pytest.mark.parametrize("save", [save_gif, save_mp4])
def test_an_animation_shows_the_versions_side_by_side_enlarged_by_a_whole_factor(rows, tmp_path, save):
    path = save(rows, tmp_path / f"clip.{save.__name__[5:]}", fps=8, panel_width=100, title="a title")
    frames = frames_of(path)
    assert len(frames) == 5
    left, right = 6 + 48, 6 + 96 + 6 + 48  # the middles of the panels, each 4 · 24 pixels wide
    for number, frame in enumerate(frames):
        shown = [int(frame[-30, column]) for column in (left, right)]
        assert shown == pytest.approx([SHADES[number], SHADES[4 - number]], abs=3)
        panel = np.flatnonzero(frame[-80:, left] < 248)
        assert len(panel) == 4 * 16 == panel[-1] - panel[0] + 1


def frames_of(path):
    """Grey pictures as a player shows them."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def test_pixels_are_enlarged_and_not_smoothed(tmp_path):
    board = np.indices((8, 8)).sum(axis=0) % 2 * 200 + 20
    frames = np.repeat(board[None, :, :, None], 3, axis=-1).astype(np.uint8)
    (frame,) = frames_of(save_gif([PictureRow("board", frames)], tmp_path / "clip.gif", panel_width=80))
    top = np.flatnonzero(frame[-90:, 10] < 250)[0] - 90
    panel = frame[top : top + 80, 6:86].astype(int)
    assert np.abs(panel - np.kron(board, np.ones((10, 10)))).max() <= 2  # a player's rounding


def test_animations_keep_the_frame_rate(rows, tmp_path):
    with Image.open(save_gif(rows, tmp_path / "clip.gif", fps=8)) as gif:
        assert gif.n_frames == 5 and gif.info["duration"] == 120  # gif counts in 10 ms
    with av.open(str(save_mp4(rows, tmp_path / "clip.mp4", fps=12.5))) as film:
        assert film.streams.video[0].average_rate == 12.5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.gif", "clip.mp4"]


def test_a_film_of_odd_sides_gets_even_ones(tmp_path):
    rows = [PictureRow("odd", np.zeros((2, 15, 23, 3), dtype=np.uint8))]
    height, width = frames_of(save_mp4(rows, tmp_path / "clip.mp4", panel_width=23))[0].shape
    assert height % 2 == width % 2 == 0


def test_long_captions_are_wrapped_above_the_frames(rows, tmp_path):
    heights = []
    for note in ("short", "a note that is so long that it needs more than one line of a narrow panel " * 2):
        long = [PictureRow("original", rows[0].frames, note=note)]
        heights.append(frames_of(save_gif(long, tmp_path / "clip.gif", panel_width=200))[0].shape[0])
    assert heights[1] - heights[0] in range(4 * 16, 9 * 16)


def test_pictures_are_written_in_the_formats_asked_for(rows, tmp_path):
    paths = save_pictures(rows, tmp_path / "a.b", ["mp4", "png", "png"], fps=5, title="t")
    assert [path.name for path in paths] == ["a.b.mp4", "a.b.png"]
    assert sorted(tmp_path.iterdir()) == paths
    with pytest.raises(ValueError, match="no pictures as bmp, wanted some of png, gif, mp4"):
        save_pictures(rows, tmp_path / "c", ["png", "bmp"])
    with pytest.raises(ValueError, match="0 frames a second"):
        save_pictures(rows, tmp_path / "c", ["gif"], fps=0)
    assert sorted(tmp_path.iterdir()) == paths


def test_other_channels_than_three_are_displayed_as_colours_or_grey():
    clip = torch.arange(2 * 5 * 3 * 4, dtype=torch.uint8).view(2, 5, 3, 4)
    assert (displayed(clip) == clip[:, :3].permute(0, 2, 3, 1).numpy()).all()
    grey = displayed(clip[:, :2])
    assert grey.shape == (2, 3, 4, 3) and (grey == clip[:, 0, :, :, None].numpy()).all()
