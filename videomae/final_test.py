# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The test that ends a fine-tuning: the model that it leaves, with the views of its recipe, as `videomae evaluate`.

It is planned before the training, so that views that no video has or a test split that can not be used are told at
once, and run on the checkpoint that the training saved. Its accuracy is then held against that of the validation.
"""

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainingArguments
from transformers.integrations import unset_hf_deepspeed_config

from .evaluation import parse_views
from .evaluation_data import PREFERRED_SPLITS, EvaluationVideos, videos_of
from .files import write_json
from .image_processing_videomae import VideoMAEVideoProcessor
from .inference import load_checkpoint
from .measurement import describe, measure
from .shards import TarShards
from .training_data import TrainingVideos, Videos
from .video import VideoDecodeError

logger = logging.getLogger(__name__)

NO_TEST = "none"
# Segments and crops of the papers' tests: Kinetics, UCF101 and HMDB51; Something-Something (V1 §4).
PROTOCOL_VIEWS = {"dense": (5, 3), "uniform": (2, 3)}
# What several views, or other videos, may change in points of accuracy. A choice, not a measurement: views are meant
# to add a few points, and what this looks for (other statistics, mixed up labels) costs tens of them.
MARGIN = 10.0
STANDARD_ERRORS = 2  # of the difference between both accuracies, on top of that
SAME_VIDEOS = (
    "The videos are the same. Look at what the views show: does the class show in all of the video, or only in its "
    "middle (num_frames, frame_stride, --sampling)? Do the crops cut it off (--framing whole)? And is the precision "
    "(bf16, fp16) the same?"
)
OTHER_VIDEOS = (
    "Look at the videos of both splits: are they of the same kind and length (frame_stride, frame rate)? Do their "
    "values fit the same image_mean and image_std? Are their classes named, or numbered, alike?"
)


@dataclass
class FinalTest:
    """The videos and views that a fine-tuning is measured with when it is done."""

    videos: EvaluationVideos
    num_segments: int
    num_crops: int

    def run(
        self, checkpoint: str | os.PathLike, *, device: torch.device, num_workers: int
    ) -> dict[str, float | int | str]:
        """The metrics (`measurement.measure`) of a folder that a training left. Every process has to call it.

        Raises:
            VideoDecodeError: a video can not be read. None is skipped: accuracy over other videos is another number.
        """
        PartialState().wait_for_everyone()  # the first process may still be writing
        model, processor = load_checkpoint(checkpoint, device=device)
        found = measure(
            model,
            processor,
            self.videos,
            num_segments=self.num_segments,
            num_crops=self.num_crops,
            num_workers=num_workers,
        )
        if found.unreadable:
            raise VideoDecodeError(found.unreadable[0]["path"], found.unreadable[0]["error"])
        return found.metrics


def plan_test(views: str | None, videos: TrainingVideos, processor: VideoMAEVideoProcessor) -> FinalTest | None:
    """The test of the test split, else of the validation videos; None, with a line in the log, where it is left out.

    Args:
        views: SEGMENTSxCROPS, "none" for no test, or None for the views of the papers for this sampling, of which a
            processor that looks at whole frames has one crop.

    Raises:
        ValueError: views that no video has; tar shards with videos that can not be read.
    """
    if views == NO_TEST:
        logger.warning("no test at the end: --test_views is %s", NO_TEST)
        return None
    num_segments, num_crops = _checked_views(views, processor)
    found = _videos_to_test(videos)
    if found is None:
        return None
    split, table = found
    if isinstance(table, TarShards) and table.problems:
        number, problem = next(iter(table.problems.items()))
        raise ValueError(
            f"{len(table.problems)} videos of the {split} split can not be read, such as {table.name(number)}: "
            f"{problem}. Mend the shards, or leave the test out (--test_views {NO_TEST})"
        )
    return FinalTest(videos_of(table, split), num_segments, num_crops)


def _checked_views(views: str | None, processor: VideoMAEVideoProcessor) -> tuple[int, int]:
    if views is None:
        num_segments, num_crops = PROTOCOL_VIEWS[processor.sampling]
        return num_segments, 1 if processor.framing == "whole" else num_crops
    try:
        num_segments, num_crops = parse_views(views)
        processor.check_views(num_segments, num_crops)
    except ValueError as error:
        raise ValueError(f"--test_views {views}: {error}") from error
    return num_segments, num_crops


def _videos_to_test(videos: TrainingVideos) -> tuple[str, Videos] | None:
    reasons = []
    for split in PREFERRED_SPLITS:
        table = getattr(videos, split)
        if table is None:
            reasons.append(f"there is no {split} split")
        elif isinstance(table, TarShards) or "label" in getattr(table, "features", ()):
            return split, table
        else:
            stream = not hasattr(table, "features")
            reasons.append(f"the {split} split {'is a stream of the Hub' if stream else 'has no labels'}")
    logger.warning("no test at the end: %s; `videomae evaluate` tests on other videos", ", ".join(reasons))
    return None


def finish(test: FinalTest, training: TrainingArguments, metrics: dict[str, Any]) -> None:
    """Run the test of what a training left, print it and write it into metrics.json, beside `metrics`, as "test".

    Every process has to call it; the first one prints and writes. Raises as `FinalTest.run`.
    """
    unset_hf_deepspeed_config()  # after a training with ZeRO-3, from_pretrained would split this model, too
    found = test.run(training.output_dir, device=training.device, num_workers=training.dataloader_num_workers)
    if training.process_index > 0:
        return
    write_json(Path(training.output_dir) / "metrics.json", metrics | {"test": found})
    print(describe(found))
    if warning := disagreement(metrics, found):
        logger.warning(warning)


def disagreement(validation: dict[str, float], test: dict[str, float | int | str]) -> str | None:
    """What to look at, where validation and test differ by more than their views can explain; else None.

    With n videos an accuracy p has the standard error sqrt(p (1 - p) / n); of a difference of two accuracies the
    squares add up. That is exact for two splits; on the same videos both are right about the same ones, and the
    difference varies less, so the rule errs on the quiet side. p is (right + 1) / (n + 2) here: 3 videos of 3 are no
    proof of 100 %. What is left after `STANDARD_ERRORS` of them may be the views or the videos up to `MARGIN` points,
    up or down; more is a mistake somewhere.

    Args:
        validation: "eval_top1" (percent) and "eval_num_videos" of the same model.
        test: of `FinalTest.run`.
    """
    if "eval_top1" not in validation:
        return None
    one, many = validation["eval_top1"], test["top1"]
    error = 100 * math.hypot(
        _standard_error(one, validation["eval_num_videos"]), _standard_error(many, test["num_videos"])
    )
    if abs(many - one) <= MARGIN + STANDARD_ERRORS * error:
        return None
    return (
        f"top-1 is {one:.1f} % in validation (1x1 views) but {many:.1f} % in the test ({test['split']} split, "
        f"{test['views']} views): more than the views and the number of videos explain. "
        f"{SAME_VIDEOS if test['split'] == 'validation' else OTHER_VIDEOS}"
    )


def _standard_error(percent: float, num_videos: int) -> float:
    right = percent / 100 * num_videos
    share = (right + 1) / (num_videos + 2)
    return math.sqrt(share * (1 - share) / num_videos)


__all__ = ["FinalTest", "disagreement", "finish", "plan_test"]
