# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The synthetic set: what moves how, that nothing but the motion tells the class, and what is on the disk."""

import json

import pytest
import torch

from videomae.listing import class_names, load_videos
from videomae.synthetic import MOTIONS, MotionSet, draw_video, write_motion_set, write_video
from videomae.video import read_frames

OPPOSITES = (("left", "right"), ("up", "down"), ("clockwise", "counter-clockwise"), ("growing", "shrinking"))
TINY = MotionSet(unlabelled=9, train=2, validation=1, test=3, size=16, num_frames=5, seed=7)


def draw(motion, seed=0, *, size=40, num_frames=7):
    return draw_video(motion, size=size, num_frames=num_frames, generator=torch.Generator().manual_seed(seed))


def object_of(frames):
    """(T, H, W): where a pixel has an object's full channel; no background is that bright."""
    return (frames.amax(dim=1) > 250).float()


def centres(frames):
    """x and y (T,) of the object, as shares of the frame's side."""
    mask = object_of(frames)
    height, width = mask.shape[-2:]
    area = mask.sum(dim=(1, 2))
    x = (mask.sum(dim=1) * (torch.arange(width) + 0.5)).sum(dim=1) / area / width
    y = (mask.sum(dim=2) * (torch.arange(height) + 0.5)).sum(dim=1) / area / height
    return x, y


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("motion", "opposite"), OPPOSITES)
def test_a_motion_backwards_is_its_opposite_so_that_a_frame_does_not_tell_them_apart(motion, opposite, seed):
    assert torch.equal(draw(motion, seed).flip(0), draw(opposite, seed))


@pytest.mark.parametrize("seed", range(3))
def test_the_background_is_drawn_whatever_the_motion(seed):
    videos = torch.stack([draw(motion, seed) for motion in MOTIONS])  # (8, T, C, H, W)
    covered = torch.stack([object_of(video).amax(dim=0) for video in videos]).amax(dim=0, keepdim=True)
    background = torch.nn.functional.max_pool2d(covered, 5, stride=1, padding=2)[0] == 0  # edges are antialiased
    pixels = videos[..., background]
    assert background.any() and (pixels == pixels[0, 0]).all()


@pytest.mark.parametrize(("motion", "axis", "sign"), [("left", 0, -1), ("right", 0, 1), ("up", 1, -1), ("down", 1, 1)])
def test_a_way_goes_straight_where_its_name_says(motion, axis, sign):
    for seed in range(5):
        along, across = centres(draw(motion, seed))[axis], centres(draw(motion, seed))[1 - axis]
        whole = object_of(draw(motion, seed)).sum(dim=(1, 2))
        inside = whole > 0.98 * whole.max()  # at the frame's edge the visible part has another centre
        assert (along[inside].diff() * sign > 0).all()
        assert across[inside].std() < 0.01


@pytest.mark.parametrize(("motion", "sign"), [("clockwise", 1), ("counter-clockwise", -1)])
def test_a_circle_turns_as_a_viewer_sees_it(motion, sign):
    for seed in range(5):
        x, y = (values.diff() for values in centres(draw(motion, seed)))
        turn = x[:-1] * y[1:] - y[:-1] * x[1:]  # positive: to the right, with y down
        assert (turn * sign > 0).all()


@pytest.mark.parametrize(("motion", "sign"), [("growing", 1), ("shrinking", -1)])
def test_a_size_changes_in_place(motion, sign):
    frames = draw(motion, 1)
    assert (object_of(frames).sum(dim=(1, 2)).diff() * sign > 0).all()
    assert all(values.std() < 0.01 for values in centres(frames))


def test_another_size_shows_the_same_scene():
    small, large = draw("down", 3, size=32), draw("down", 3, size=96)
    for mine, theirs in zip(centres(small), centres(large), strict=True):
        assert torch.allclose(mine, theirs, atol=0.02)


def test_shape_is_time_channels_height_width_and_type_is_uint8():
    assert draw("up").shape == (7, 3, 40, 40) and draw("up").dtype == torch.uint8


def test_an_unknown_motion_is_named_with_those_that_are_known():
    with pytest.raises(ValueError, match="motion is 'sideways', wanted one of left, right"):
        draw("sideways")


def test_an_mp4_decodes_to_nearly_the_frames_that_were_drawn(tmp_path):
    frames = draw("clockwise", 2, size=32, num_frames=10)
    write_video(tmp_path / "clip.mp4", frames)
    decoded = read_frames(tmp_path / "clip.mp4", range(10))
    assert decoded.shape == frames.shape
    assert (decoded.float() - frames.float()).abs().mean() < 3  # 4:2:0 blurs colours along the object's edge


def test_odd_sides_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="frames are 15x15, wanted even sides"):
        write_video(tmp_path / "clip.mp4", draw("up", size=15))
    assert list(tmp_path.iterdir()) == []


def test_the_set_lies_as_load_videos_reads_it(tmp_path):
    paths = list(write_motion_set(tmp_path, TINY))
    assert len(paths) == len(set(paths)) == len(TINY) == 9 + 8 * (2 + 1 + 3)
    unlabelled = load_videos(tmp_path / "unlabelled", split="train")
    assert len(unlabelled) == 9 and unlabelled.column_names == ["video"]
    splits = load_videos(tmp_path / "labelled")
    assert {name: len(table) for name, table in splits.items()} == {"train": 16, "validation": 8, "test": 24}
    assert class_names(splits["train"]) == sorted(MOTIONS)


def test_no_two_videos_of_a_set_are_alike_and_seeds_differ(tmp_path):
    first = [path.read_bytes() for path in write_motion_set(tmp_path / "seed7", TINY)]
    assert len(set(first)) == len(first)
    other = MotionSet(unlabelled=1, train=0, validation=0, test=0, size=16, num_frames=5, seed=8)
    (path,) = write_motion_set(tmp_path / "seed8", other)
    assert path.read_bytes() != first[0]


def test_an_interrupted_set_is_completed_to_the_same_bytes(tmp_path):
    whole = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in write_motion_set(tmp_path / "a", TINY)}
    for written, path in enumerate(write_motion_set(tmp_path / "b", TINY)):
        if written == 20:
            kept = path
            break
    time = kept.stat().st_mtime_ns
    again = {path.relative_to(tmp_path / "b"): path.read_bytes() for path in write_motion_set(tmp_path / "b", TINY)}
    assert again == whole
    assert kept.stat().st_mtime_ns == time


def test_a_folder_of_other_settings_is_left_alone(tmp_path):
    list(write_motion_set(tmp_path, MotionSet(unlabelled=1, train=0, validation=0, test=0, size=16, num_frames=5)))
    before = (tmp_path / "unlabelled" / "00000.mp4").read_bytes()
    with pytest.raises(ValueError, match="holds videos of other settings.*choose another folder"):
        list(write_motion_set(tmp_path, TINY))
    assert (tmp_path / "unlabelled" / "00000.mp4").read_bytes() == before
    assert json.loads((tmp_path / "motions.json").read_text())["seed"] == 0
