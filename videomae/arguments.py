# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Flags of the training programs: a field with a type, a default and a sentence is the flag, its help and its record.

Light on purpose (neither torch nor a model is imported), so that `--help` answers at once and a wrong flag is told
before anything is loaded. A program parses its own flags here and hands the rest to `transformers.TrainingArguments`:

    data, model, optimization, rest = parse_known(argv, (Data, Model, Optimization), description=__doc__)
    training = complete(VideoMAETrainingArguments, optimization, rest)      # an unknown flag is an error here

A class may have `complaints() -> list[str]`; the complaints of all of them are raised together.
"""

import argparse
import dataclasses
import difflib
import importlib.util
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from transformers.hf_argparser import HfArgumentParser

TRAINING_ARGUMENTS_PAGE = (
    "https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments"
)


def flag(help: str, default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field that is a flag; without a default it must be given."""
    return field(default=default, metadata={"help": help})


# ---- data ----


@dataclass
class VideoArguments:
    """Where the videos are, and what happens to files that do not decode."""

    _argument_group_name = "videos"
    PROCESSOR_SETTINGS = ("frame_stride", "short_video", "framing")

    data: str = flag(
        "Folder of videos (class/video.mp4 gives labels; train/, val/, test/ if present), list (csv, txt, jsonl), "
        "parquet, tar shards ('shards/*.tar'), or data set of the Hub (hf:owner/name)."
    )
    validation_data: str | None = flag("The same to validate on; default: the val/ split of --data.", None)
    data_root: str | None = flag("Folder that the paths of a list are relative to; default: the list's own.", None)
    exclude: str | None = flag("Videos to leave out: what `videomae scan` wrote, or a list of paths.", None)
    validate: bool = flag("Only look for what is wrong with the videos' list: no training, exit code 1 if so.", False)
    streaming: bool = flag("Read a data set of the Hub while it is downloaded, in the order of its shards.", False)
    samples_per_epoch: int | None = flag("Videos of an epoch of a stream; default: as many as it has.", None)
    shuffle_window: int | None = flag("Videos of a stream that are shuffled with each other; default: its own.", None)
    frame_stride: int | None = flag(
        "Frames from one frame of a clip to the next; default: the checkpoint's, or 4.", None
    )
    short_video: Literal["repeat", "loop", "error"] | None = flag(
        "What fills a clip that spans more frames than its video has: the last one again (official), the video again, "
        "or nothing; default: the checkpoint's, or repeat.",
        None,
    )
    framing: Literal["crop", "whole"] | None = flag(
        "What is seen of a frame: a crop (official), or nearly all of it, for small sets, where a crop cuts people "
        "off; default: the checkpoint's, or crop.",
        None,
    )
    repeats: int = flag(
        "Clips of each decoded video in a batch, each with its own crop and mask; the batch size counts videos.", 1
    )
    on_bad_video: Literal["error", "skip"] = flag(
        "A training video that does not decode ends the run, or is replaced by the next one, with a warning.", "error"
    )
    max_bad_share: float = flag(
        "With --on_bad_video skip, stop when more than this share of the videos is bad, and more than one; "
        "0: at the first.",
        0.01,
    )

    def complaints(self) -> list[str]:
        wrong = []
        if self.frame_stride is not None and self.frame_stride < 1:
            wrong.append(f"--frame_stride is {self.frame_stride}, wanted at least 1")
        if self.repeats < 1:
            wrong.append(f"--repeats is {self.repeats}, wanted at least 1")
        if not 0 <= self.max_bad_share <= 1:
            wrong.append(f"--max_bad_share is {self.max_bad_share}, wanted 0 to 1")
        return wrong

    def processor_settings(self) -> dict[str, Any]:
        """Fields of the video processor, None where they are not given."""
        return {name: getattr(self, name) for name in self.PROCESSOR_SETTINGS}


@dataclass
class PretrainingVideoArguments(VideoArguments):
    """What the encoder does not see, and what the decoder predicts."""

    mask: Literal["tube", "random", "frame"] = flag("How patches are hidden from the encoder.", "tube")
    mask_ratio: float = flag("Share of the patches that is hidden.", 0.9)
    decoder_mask_ratio: float = flag(
        "Share of the patches that the decoder leaves out (VideoMAE V2: 0.5); 0: it predicts all that are hidden.",
        0.0,
    )

    def complaints(self) -> list[str]:
        wrong = super().complaints()
        if not 0 < self.mask_ratio < 1:
            wrong.append(f"--mask_ratio is {self.mask_ratio}, wanted more than 0 and less than 1")
        if not 0 <= self.decoder_mask_ratio < 1:
            wrong.append(f"--decoder_mask_ratio is {self.decoder_mask_ratio}, wanted 0 or more and less than 1")
        return wrong


@dataclass
class FinetuningVideoArguments(VideoArguments):
    """How labelled videos are sampled and varied."""

    PROCESSOR_SETTINGS = (*VideoArguments.PROCESSOR_SETTINGS, "sampling", "training_spacing")

    class_names: str | None = flag(
        "Text file with one class a line, in the order of integer labels; default: the sorted labels.", None
    )
    problem_type: Literal["single_label_classification", "multi_label_classification", "regression"] | None = flag(
        "One class a video, several (in text: a|b), or numbers; default: what the labels look like.", None
    )
    sampling: Literal["dense", "uniform"] | None = flag(
        "Frames close together (Kinetics) or spread over the video (Something-Something); default: the checkpoint's.",
        None,
    )
    training_spacing: Literal["linspace", "exact"] | None = flag(
        "Dense frames in training: spread over num_frames x frame_stride frames with both ends (official), or exactly "
        "frame_stride apart; default: the checkpoint's, or linspace.",
        None,
    )
    rand_augment: str | None = flag("RandAugment policy (paper: rand-m7-n4-mstd0.5-inc1); default: none.", None)
    horizontal_flip: Literal["true", "false", "swap"] | None = flag(
        "Mirror half of the clips; swap: and with them the labels left and right; default: unless a class name says "
        "left, right or clockwise.",
        None,
    )
    erasing: float = flag("Share of the clips in which a random box is filled with noise (paper: 0.25).", 0.0)
    balance_classes: bool = flag(
        "Weigh each class in the training loss by the inverse of its number of training videos.", False
    )
    test_views: str | None = flag(
        "SEGMENTSxCROPS of each video in the test at the end, on the test split, else the validation videos; none: no "
        "test; default: the recipe's, or 5x3 (dense sampling) or 2x3 (uniform), of whole frames one crop.",
        None,
    )

    def complaints(self) -> list[str]:
        wrong = super().complaints()
        if not 0 <= self.erasing <= 1:
            wrong.append(f"--erasing is {self.erasing}, wanted 0 to 1")
        return wrong

    @property
    def flip(self) -> bool | str | None:
        """As `clips.TrainingClips` takes it."""
        return {"true": True, "false": False}.get(self.horizontal_flip, self.horizontal_flip)


# ---- model ----

PRESETS = ("small", "base", "large", "huge", "giant")
NOT_IN_CONFIG = (
    "model",
    "decoder",
    "from_scratch",
    "interpolate_positions",
    "adapt_channels",
    "trained_blocks",
)  # they say where the configuration is from, and what of the network learns


@dataclass
class ModelArguments:
    """Which network. What is not given is the checkpoint's or the preset's."""

    _argument_group_name = "model"

    model: str = flag(
        "Preset (small, base, large, huge, giant: new weights), or a checkpoint's folder or Hub name.", "base"
    )
    image_size: list[int] | None = flag("Frame size in pixels: one number, or height and width.", None)
    num_frames: int | None = flag("Frames of a clip.", None)
    num_channels: int | None = flag("Channels of a frame.", None)
    image_mean: list[float] | None = flag(
        "Mean of each channel, of values in 0 .. 1, or in their own units where frames are not 8 bits.", None
    )
    image_std: list[float] | None = flag("Standard deviation of each channel, likewise.", None)
    adapt_channels: Literal["average", "repeat"] | None = flag(
        "How weights of a checkpoint for other channels (RGB) become those of --num_channels.", None
    )
    patch_size: int | None = flag("Side of a patch in pixels.", None)
    tubelet_size: int | None = flag("Frames of a patch.", None)
    hidden_size: int | None = flag("Width of the encoder.", None)
    num_hidden_layers: int | None = flag("Blocks of the encoder.", None)
    num_attention_heads: int | None = flag("Attention heads of the encoder.", None)
    intermediate_size: int | None = flag("MLP width of the encoder.", None)
    drop_path_rate: float | None = flag("Stochastic depth of the last block; grows linearly from 0.", None)
    interpolate_positions: bool | None = flag(
        "For clips of another shape: interpolate the checkpoint's positions, or (false) number the patches anew; "
        "default: as the checkpoint says.",
        None,
    )

    @property
    def checkpoint(self) -> str | None:
        """The folder or Hub name, or None for a preset."""
        return None if self.model in PRESETS else self.model

    def overrides(self) -> dict[str, Any]:
        """The configuration fields that were given, under their names in `VideoMAEConfig`."""
        given = {name: value for name, value in vars(self).items() if value is not None and name not in NOT_IN_CONFIG}
        if self.image_size is not None and len(self.image_size) == 1:
            given["image_size"] = self.image_size[0]
        return given

    def statistics(self) -> dict[str, Any]:
        """The statistics that were given, None where they were not: fields of the video processor, too."""
        return {"image_mean": self.image_mean, "image_std": self.image_std}

    def complaints(self) -> list[str]:
        wrong = []
        if self.checkpoint is not None and self.model.count("/") != 1 and not os.path.isdir(self.model):
            presets = ", ".join(PRESETS)
            wrong.append(f"--model is {self.model}: no such folder, no owner/name of the Hub, no preset ({presets})")
        if self.image_size is not None and len(self.image_size) > 2:
            wrong.append(f"--image_size has {len(self.image_size)} numbers, wanted one, or height and width")
        for name in ("interpolate_positions", "adapt_channels"):
            if getattr(self, name) is not None and self.checkpoint is None:
                wrong.append(f"--{name} is for a checkpoint's weights, --model is the preset {self.model}")
        return wrong


@dataclass
class PretrainingModelArguments(ModelArguments):
    """Encoder and decoder."""

    decoder: Literal["v1", "v2"] | None = flag("Which paper's decoder a preset gets; default: v1, for giant v2.", None)
    decoder_hidden_size: int | None = flag("Width of the decoder.", None)
    decoder_num_hidden_layers: int | None = flag("Blocks of the decoder.", None)
    decoder_num_attention_heads: int | None = flag("Attention heads of the decoder.", None)
    decoder_intermediate_size: int | None = flag("MLP width of the decoder.", None)
    norm_pix_loss: bool | None = flag("Whether a patch's target has its mean and deviation removed.", None)

    def complaints(self) -> list[str]:
        wrong = super().complaints()
        if self.decoder is not None and self.checkpoint is not None:
            wrong.append(
                f"--decoder is {self.decoder}, but --model {self.model} brings its own decoder: leave it out, or give "
                "the decoder's sizes (--decoder_num_hidden_layers …)"
            )
        return wrong


@dataclass
class FinetuningModelArguments(ModelArguments):
    """Encoder and classifier."""

    from_scratch: bool = flag("Take only the architecture of the checkpoint, with new weights.", False)
    classifier_dropout: float | None = flag("Dropout before the classifier.", None)
    trained_blocks: int | None = flag(
        "Blocks of the encoder that learn, counted from the last one; 0: only the classifier; default: all there is.",
        None,
    )

    def complaints(self) -> list[str]:
        wrong = super().complaints()
        if self.trained_blocks is not None and self.trained_blocks < 0:
            wrong.append(f"--trained_blocks is {self.trained_blocks}, wanted at least 0")
        if self.interpolate_positions is not None and self.checkpoint is not None and self.from_scratch:
            wrong.append("--interpolate_positions is for a checkpoint's positions, --from_scratch takes none of them")
        return wrong


# ---- optimisation ----

# What `--report_to` can name, and the packages of which one has to be installed.
TRACKERS = {"tensorboard": ("tensorboard", "tensorboardX"), "trackio": ("trackio",), "wandb": ("wandb",)}


@dataclass
class OptimizationArguments:
    """Learning rate and length of the training. Defaults: VideoMAE's pre-training.

    Fields that `transformers.TrainingArguments` has too either have another default here or belong into `--help`.
    """

    _argument_group_name = "training"

    output_dir: str = flag("Folder for checkpoints, the trained model and metrics.json.")
    recipe: str | None = flag(
        "Settings of one row of the papers instead of the defaults (`videomae recipes` lists them), or auto: those "
        "for a small set of this size.",
        None,
    )
    num_train_epochs: float = flag("Passes over the training videos.", 800)
    per_device_train_batch_size: int = flag("Videos of one device in one forward pass; --repeats clips of each.", 8)
    per_device_eval_batch_size: int = flag("The same in validation.", 8)
    total_batch: int | None = flag(
        "Videos of one optimiser step, over all devices: gradients are accumulated until it is reached.", None
    )
    gradient_accumulation_steps: int | None = flag(
        "Forward passes of one optimiser step; default: what --total_batch needs, or 1.", None
    )
    base_learning_rate: float = flag("Learning rate for a total batch of 256; scaled by total batch / 256.", 1.5e-4)
    min_learning_rate: float = flag("Where the cosine ends; scaled in the same way.", 1e-5)
    learning_rate: float | None = flag("The peak learning rate itself, instead of the scaled one.", None)
    warmup_epochs: float = flag("Epochs of linear warm-up from 0.", 40)
    layer_decay: float | None = flag("Factor on the learning rate from each block to the one before it.", None)
    label_smoothing_factor: float = flag("Fine-tuning: share of a label that is spread over all classes.", 0.0)
    mixup: float = flag("Fine-tuning: alpha of mixup (paper: 0.8); 0: none.", 0.0)
    cutmix: float = flag(
        "Fine-tuning: alpha of CutMix (paper: 1.0), in every second batch where there is mixup, too; 0: none.", 0.0
    )
    weight_decay: float = flag("Of weights; biases, norms and the mask token have none.", 0.05)
    adam_beta2: float = flag("Second moment of AdamW.", 0.95)
    max_grad_norm: float = flag("Clip the gradient's norm at this; 0: no clipping.", 0.0)
    class_weights: list[float] | None = flag(
        "Fine-tuning: weight of each class in the loss, in the order of the labels.", None
    )
    ema_decay: float | None = flag(
        "Keep an average of the weights, which is validated and left at the end: the share that stays of it in a step "
        "(0.9999); default: none.",
        None,
    )
    bf16: bool | None = flag("Train in bfloat16; default: on GPUs that have it.", None)
    activation_checkpointing: bool | None = flag(
        "Compute activations again in the backward pass: slower, less memory.", None
    )
    torch_compile: bool = flag("Compile the network with torch.compile; the first steps are slow.", False)
    optim: str = flag(
        "Optimiser, by its name in transformers; default: AdamW in one fused kernel, on GPUs and CPUs (also sgd …).",
        "adamw_torch_fused",
    )
    seed: int = flag("Of the weights, the order of the videos, the crops and the masks.", 0)
    dataloader_num_workers: int = flag("Processes of each device that decode videos.", 2)
    logging_steps: float = flag("Steps from one line of the log to the next.", 10)
    report_to: list[str] = field(
        default_factory=lambda: ["none"],
        metadata={"help": "Where the curves go, too: none, tensorboard, trackio, wandb, or several of them."},
    )
    eval_strategy: Literal["no", "steps", "epoch"] = flag("When the validation videos are looked at.", "no")
    save_strategy: Literal["no", "steps", "epoch", "best"] = flag("When checkpoints are written.", "epoch")
    save_total_limit: int | None = flag("Checkpoints that are kept.", 2)
    load_best_model_at_end: bool = flag("Leave the best checkpoint of the run, not its last.", False)
    metric_for_best_model: str | None = flag(
        "What says which one is best (top1, mean_class_accuracy …); default: the validation loss.", None
    )
    early_stopping_patience: int | None = flag(
        "End the training after so many validations that were no better than the best; default: never.", None
    )
    save_epochs: int = flag("With --save_strategy epoch: epochs from one checkpoint to the next.", 1)
    resume: str | None = flag(
        "Go on from a checkpoint folder, or from the last whole one of --output_dir (auto; from the start if it has "
        "none yet).",
        None,
    )

    def complaints(self) -> list[str]:
        wrong = []
        if os.path.exists(self.output_dir) and not os.path.isdir(self.output_dir):
            wrong.append(f"--output_dir is {self.output_dir}, a file, wanted a folder")
        if self.base_learning_rate <= 0:
            wrong.append(f"--base_learning_rate is {self.base_learning_rate}, wanted more than 0")
        if not 0 <= self.min_learning_rate <= self.base_learning_rate:
            wrong.append(
                f"--min_learning_rate is {self.min_learning_rate}, wanted 0 to --base_learning_rate "
                f"{self.base_learning_rate}"
            )
        if self.learning_rate is not None and self.learning_rate <= 0:
            wrong.append(f"--learning_rate is {self.learning_rate}, wanted more than 0")
        for name in ("mixup", "cutmix"):
            if getattr(self, name) < 0:
                wrong.append(f"--{name} is {getattr(self, name)}, wanted 0 or more")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            wrong.append(f"--ema_decay is {self.ema_decay}, wanted more than 0 and less than 1")
        if self.load_best_model_at_end and self.save_epochs != 1:
            wrong.append(f"--save_epochs is {self.save_epochs}, wanted 1 with --load_best_model_at_end true")
        for name in ("per_device_train_batch_size", "per_device_eval_batch_size"):
            if getattr(self, name) < 1:
                wrong.append(f"--{name} is {getattr(self, name)}, wanted at least 1")
        for name in ("total_batch", "early_stopping_patience", "save_epochs"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                wrong.append(f"--{name} is {getattr(self, name)}, wanted at least 1")
        if self.early_stopping_patience is not None and not self.load_best_model_at_end:
            wrong.append("--early_stopping_patience keeps the best checkpoint: it needs --load_best_model_at_end true")
        wrong += _missing_trackers(self.report_to)
        if self.warmup_epochs < 0:
            wrong.append(f"--warmup_epochs is {self.warmup_epochs}, wanted 0 or more")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            wrong.append(f"--layer_decay is {self.layer_decay}, wanted more than 0 and at most 1")
        return wrong


# ---- health ----


@dataclass
class HealthArguments:
    """How often a pre-training is looked at, and with what."""

    _argument_group_name = "health of the training"

    health_epochs: int = flag(
        "Epochs from one look at whether the network learns to the next; also before the first step and after the "
        "last; 0: never.",
        20,
    )
    health_clips: int = flag("Clips that it is looked at with, of the validation videos where there are any.", 32)
    health_data: str | None = flag(
        "Folder or list of labelled videos: how many of their classes the features tell (kNN, linear probe).", None
    )

    def complaints(self) -> list[str]:
        wrong = []
        if self.health_epochs < 0:
            wrong.append(f"--health_epochs is {self.health_epochs}, wanted at least 1, or 0 for never")
        if self.health_clips < 2:
            wrong.append(f"--health_clips is {self.health_clips}, wanted at least 2: features differ between clips")
        if self.health_data is not None and not self.health_epochs:
            wrong.append(f"--health_data {self.health_data} is for the checks, which --health_epochs 0 switches off")
        return wrong


def _missing_trackers(names: str | Sequence[str] | None) -> list[str]:
    wrong = []
    for name in [names] if isinstance(names, str) else names or ():
        packages = TRACKERS.get(name, ())
        if packages and not any(map(importlib.util.find_spec, packages)):
            wrong.append(f"--report_to is {name}, which is not installed: pip install {packages[0]}")
    return wrong


# ---- parsing ----


class _Parser(HfArgumentParser):
    """Raises ValueError where argparse would print its usage and exit; abbreviated flags are unknown flags."""

    def __init__(self, types, *, defaults: dict[str, Any] | None = None, **kwargs):
        super().__init__(types, allow_abbrev=False, **kwargs)
        known = {action.dest for action in self._actions}
        if unknown := sorted(set(defaults or {}) - known):
            raise ValueError(f"defaults for unknown flags: {', '.join(unknown)}")
        self.set_defaults(**(defaults or {}))
        required = [f"{action.option_strings[0]} {action.dest.upper()}" for action in self._actions if action.required]
        self.usage = " ".join(["%(prog)s", *required, "[flags]"])

    def error(self, message: str):
        raise ValueError(f"{message} (--help lists the flags)")

    def parse(self, argv: Sequence[str]) -> tuple:
        """The dataclasses, and last the list of strings that are not theirs."""
        return self.parse_args_into_dataclasses(list(argv), return_remaining_strings=True, look_for_args_file=False)

    def flags(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]


def parse_known(
    argv: Sequence[str] | None, types: Sequence[type], *, description: str, defaults: dict[str, Any] | None = None
) -> tuple:
    """Fill dataclasses from the command line.

    Args:
        argv: the arguments without the program's name; None: those of the process.
        types: dataclasses made of `flag` fields, none of which appears twice.
        description: the program's manual page, printed by `--help`.
        defaults: replace defaults of the dataclasses; the command line wins.

    Returns:
        one instance per type, and last the list of strings that belong to none of them.

    Raises:
        ValueError: a value of the wrong type, a missing flag, or what the classes' `complaints()` say, all at once.
        SystemExit: after printing `--help`.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = _Parser(types, defaults=defaults, description=description, formatter_class=_HelpFormatter)
    if {"-h", "--help"} & set(argv):
        if OptimizationArguments in types:
            parser.epilog = (
                "All options of transformers.TrainingArguments work too, except for lr_scheduler_type,\n"
                "lr_scheduler_kwargs and warmup_steps (the schedule is the papers'; --warmup_epochs) and\n"
                f"dataloader_drop_last: {TRAINING_ARGUMENTS_PAGE}"
            )
        parser.print_help()
        raise SystemExit(0)
    *parsed, rest = parser.parse(argv)
    complaints = [line for group in parsed if hasattr(group, "complaints") for line in group.complaints()]
    if complaints:
        raise ValueError("the arguments do not fit:\n- " + "\n- ".join(complaints))
    return *parsed, rest


def parse(
    argv: Sequence[str] | None, types: Sequence[type], *, description: str, defaults: dict[str, Any] | None = None
) -> tuple:
    """As `parse_known` for a program without further flags: one instance per type. Unknown flags raise ValueError."""
    *parsed, rest = parse_known(argv, types, description=description, defaults=defaults)
    if rest:
        raise _unknown(rest, _Parser(types).flags())
    return tuple(parsed)


def complete(
    training_arguments: type, optimization: OptimizationArguments, rest: Sequence[str], types: Sequence[type] = ()
) -> Any:
    """The whole `training_arguments` of a run: what `optimization` holds, and the flags in `rest`.

    Raises ValueError for flags that nobody knows, with the nearest one of them or of the program's other `types`.
    """
    parser = _Parser(training_arguments, defaults=vars(optimization))
    # argparse demands a required flag whatever its default is
    training, unknown = parser.parse(["--output_dir", optimization.output_dir, *rest])
    if unknown:
        raise _unknown(unknown, {*parser.flags(), *_Parser(types).flags()})
    return training


# What others call our flags.
SYNONYMS = {
    "--lr": "--base_learning_rate or --learning_rate",
    "--epochs": "--num_train_epochs",
    "--batch_size": "--per_device_train_batch_size or --total_batch",
}


def _unknown(strings: Sequence[str], known: Collection[str]) -> ValueError:
    hints = []
    for string in [string for string in strings if string.startswith("-")] or strings:
        name = string.split("=")[0].lower()
        similar = [SYNONYMS[name]] if name in SYNONYMS else difflib.get_close_matches(name, sorted(known), n=1)
        hints.append(f"{string} (did you mean {similar[0]}?)" if similar else string)
    return ValueError(f"unknown argument{'s' if len(hints) > 1 else ''}: {', '.join(hints)}")


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """The manual page as it was written, one spelling of each flag, and the defaults that say something."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        flag = action.option_strings[0]
        values = self._format_args(action, self._get_default_metavar_for_optional(action))
        return flag if action.nargs in (0, "?") else f"{flag} {values}"

    def _get_help_string(self, action: argparse.Action) -> str:
        silent = action.default in (None, argparse.SUPPRESS) or action.nargs == 0
        return action.help if silent else f"{action.help.rstrip('.')} (default: %(default)s)."
