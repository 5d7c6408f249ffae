# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The functions of `metrics` as `evaluate.Metric`s, which need no download and add up over batches.

    metric = Accuracy()
    for clips, labels in batches:
        metric.add_batch(predictions=probabilities(model(clips).logits, None).tolist(), references=labels.tolist())
    metric.compute()

gives {"top1": …, "top5": …, …}. `evaluate.combine`, `num_process=` and `experiment_id=` work as with any other metric.
Predictions are scores: probabilities of all classes, or numbers for regression.
"""

from typing import Any

import datasets
import evaluate
import torch

from . import metrics

_CITATION = "Guo et al. (2017): On Calibration of Modern Neural Networks, arXiv:1706.04599"
_SCORES = datasets.List(datasets.Value("float64"))


class _Metric(evaluate.Metric):
    """`description` and `references` (the type of one video's labels) are the subclass's."""

    description: str
    references: Any

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=self.description,
            citation=_CITATION,
            features=datasets.Features({"predictions": _SCORES, "references": self.references}),
        )


class Accuracy(_Metric):
    """`metrics.accuracy_metrics`: one class a video."""

    description = "Top-1, top-5, mean class accuracy and expected calibration error, in percent."
    references = datasets.Value("int64")

    def _compute(self, predictions, references):
        return metrics.accuracy_metrics(torch.tensor(predictions), references)


class ConfusionMatrix(_Metric):
    """`metrics.confusion_matrix`, as lists: row i is how the videos of class i were taken."""

    description = "How many videos of each class were taken for which class."
    references = datasets.Value("int64")

    def _compute(self, predictions, references):
        matrix = metrics.confusion_matrix(torch.tensor(predictions), torch.tensor(references))
        return {"confusion_matrix": matrix.tolist()}


class MeanAveragePrecision(_Metric):
    """`metrics.multi_label_metrics`: several classes a video, each reference K numbers of 0 and 1."""

    description = "Mean over the classes of the average precision, in percent."
    references = datasets.List(datasets.Value("float64"))

    def _compute(self, predictions, references):
        return metrics.multi_label_metrics(torch.tensor(predictions), references)


class Regression(_Metric):
    """`metrics.regression_metrics`: each reference K numbers, as the prediction."""

    description = "Mean absolute error and R²."
    references = datasets.List(datasets.Value("float64"))

    def _compute(self, predictions, references):
        return metrics.regression_metrics(torch.tensor(predictions), references)


__all__ = ["Accuracy", "ConfusionMatrix", "MeanAveragePrecision", "Regression"]
