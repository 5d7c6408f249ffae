# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from videomae.smoothing import parse_smoothing

SCORES = torch.tensor([[0.8, 0.2], [0.2, 0.8], [0.7, 0.3], [0.0, 1.0]])


def smoothed(text, continues=(False, True, True, True)):
    smoothing = parse_smoothing(text)
    return torch.stack([smoothing(score, each) for score, each in zip(SCORES, continues, strict=True)])


def test_the_mean_is_over_the_last_windows_there_are():
    expected = torch.stack([SCORES[0], SCORES[:2].mean(0), SCORES[:3].mean(0), SCORES[1:].mean(0)])
    torch.testing.assert_close(smoothed("mean:3"), expected)


def test_the_exponential_mean_weighs_the_newest_window():
    first, second = SCORES[0], 0.25 * SCORES[1] + 0.75 * SCORES[0]
    third = 0.25 * SCORES[2] + 0.75 * second
    torch.testing.assert_close(smoothed("exponential:0.25")[:3], torch.stack([first, second, third]))


@pytest.mark.parametrize("text", ["mean:3", "exponential:0.25"])
def test_a_gap_begins_anew(text):
    found = smoothed(text, (False, True, False, True))
    torch.testing.assert_close(found[2], SCORES[2])
    assert not torch.equal(found[3], SCORES[3])


@pytest.mark.parametrize("text", ["mean", "mean:0", "mean:x", "exponential:0", "exponential:1.5", "median:3", ""])
def test_anything_else_is_an_error_that_names_it(text):
    with pytest.raises(ValueError, match=f"smoothing is '{text}'"):
        parse_smoothing(text)
