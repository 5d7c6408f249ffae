# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Videos that can not be used are counted once, by whoever finds them, and told for what they are."""

import json
import logging

import pytest
import torch

from videomae.bad_videos import BadVideos, UnreadableVideoError
from videomae.video import ShortVideoError, VideoDecodeError


def bad_videos(total=200, on_bad_video="skip", max_bad_share=0.02):
    return BadVideos(total, "video {}".format, on_bad_video=on_bad_video, max_bad_share=max_bad_share)


def damaged(number):
    return VideoDecodeError(f"video {number}", "moov atom not found")


def too_short(number):
    try:
        raise VideoDecodeError(f"video {number}", "it has 20 frames") from ShortVideoError()
    except VideoDecodeError as error:
        return error


def test_a_video_is_counted_once_and_named(caplog):
    bad = bad_videos()
    with caplog.at_level(logging.WARNING):
        for number in (7, 3, 7):
            bad.note(number, damaged(number))
    assert len(bad) == 2 and bad.names == ["video 3", "video 7"] and 3 in bad and 4 not in bad
    assert "2 bad of 200 so far): video 3: moov atom not found" in caplog.text


def test_the_policy_error_ends_the_run_at_the_first():
    with pytest.raises(UnreadableVideoError, match="video 3: moov .*--on_bad_video skip .on_bad_video='skip'."):
        bad_videos(on_bad_video="error").note(3, damaged(3))
    with pytest.raises(ValueError, match="on_bad_video is 'ignore'"):
        bad_videos(on_bad_video="ignore")


@pytest.mark.parametrize(("share", "most"), [(0.02, 4), (0.001, 1), (0, 0)])
def test_more_than_the_share_is_an_error(share, most):
    bad = bad_videos(max_bad_share=share)
    for number in range(most):
        bad.note(number, damaged(number))
    wanted = f"{most + 1} of 200 videos do not decode, {most} may be skipped; last: video 9: moov.*"
    wanted += "\n--max_bad_share .*`videomae scan`"
    with pytest.raises(UnreadableVideoError, match=wanted):
        bad.note(9, damaged(9))


def test_a_short_video_is_not_called_damaged():
    bad = bad_videos(max_bad_share=0.01)
    bad.note(1, too_short(1))
    bad.note(2, damaged(2))
    wanted = "3 of 200 videos can not be used .2 are shorter than a clip, 1 do not decode., 2 may be skipped"
    with pytest.raises(UnreadableVideoError, match=wanted):
        bad.note(3, too_short(3))


def test_what_others_found_is_counted_too():
    here, there = bad_videos(), bad_videos()
    here.note(1, damaged(1))
    for number in (1, 2):
        there.note(number, too_short(number))
    here.update(json.loads(json.dumps(there.state())))
    assert here.names == ["video 1", "video 2"] and 2 in here
    here.update([{"name": "another", "number": 3, "short": False}])  # the data set has changed since
    assert 3 not in here
    for number in range(5, 9):
        there.note(number, damaged(number)) if number < 7 else None
    here.update(there.state())
    here.update([{"name": "video 9", "number": 9, "short": False}])
    with pytest.raises(UnreadableVideoError, match="5 of 200 videos"):
        here.check()


def _note(bad, number):
    bad.note(number, damaged(number))


def test_processes_that_share_it_count_together():
    bad = bad_videos()
    context = torch.multiprocessing.get_context("fork")
    for number in (4, 5, 4):
        process = context.Process(target=_note, args=(bad, number))
        process.start()
        process.join(30)
    assert bad.names == ["video 4", "video 5"]
