# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""`videomae VERB`: one table of verbs, and one policy for errors and exit codes.

A verb is a module of `videomae.scripts` with `main(argv) -> int | None`; it is imported when it is called, no sooner.
Exit codes: 0 done; 1 the program ran and its answer is no; 2 wrong usage, bad input or a file that cannot be read or
written (a message on stderr, the traceback with VIDEOMAE_DEBUG=1); 130 interrupted with Ctrl-C.
"""

import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from . import __version__

VERBS = {
    "doctor": ("run_doctor", "what is installed, what works"),
    "demo": ("run_demo", "the whole story on a small synthetic data set, in minutes on a CPU"),
    "scan": ("scan_videos", "decode every video once; list those that can not be used, and why"),
    "prepare": ("prepare_videos", "copy a data set so that reading it is fast: small, every frame a key frame"),
    "recipes": ("list_recipes", "the rows of the papers: settings, published numbers, commands"),
    "pretrain": ("run_pretraining", "pre-train on a folder of videos, no labels needed"),
    "finetune": ("run_finetuning", "train a classifier, from a pre-trained model or from scratch"),
    "evaluate": ("run_evaluation", "measure a classifier, with one view or the paper's views of a video"),
    "predict": ("run_prediction", "classify videos"),
    "watch": ("watch_video", "say what happens when in a long or live video"),
    "extract": ("extract_features", "features of videos, for retrieval, detection or your own classifier"),
    "reconstruct": ("reconstruct_video", "draw original, masked and reconstructed frames"),
    "explain": ("explain_video", "draw where a network looks, and what speaks for a class"),
    "benchmark": ("run_benchmark", "measure what the training will wait for, on your files and machine"),
    "convert": ("convert_checkpoint", "turn an official .pth into a folder that from_pretrained reads"),
}
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
BROKEN_PIPE = 141  # 128 + SIGPIPE


def usage() -> str:
    """The text of `videomae --help`."""
    verbs = "\n".join(f"  {verb:<12} {line}" for verb, (_, line) in VERBS.items())
    return f"usage: videomae [--help] [--version] VERB ...\n\n{verbs}\n\n`videomae VERB --help` describes one of them."


def run(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> int:
    """Call a program's `main` and turn what happens into an exit code; see the top of this file.

    A ValueError or OSError is the caller's to mend and becomes one line; any other exception is a bug of ours and
    keeps its traceback.
    """
    try:
        try:
            code = main(argv) or 0
            _leave_process_group()
            return code
        finally:
            sys.stdout.flush()  # a closed pipe shows here, not while the interpreter shuts down
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        return BROKEN_PIPE
    except (ValueError, OSError) as error:
        if os.environ.get("VIDEOMAE_DEBUG") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2


def _leave_process_group() -> None:
    """Say goodbye to the other processes of a run that has ended well; after an error this could wait forever.

    gloo's threads end with the last reference to the group. One that is left holds tensors, and aborts the process if
    it lets go of them while the interpreter shuts down (pytorch/pytorch#179291).
    """
    distributed = sys.modules.get("torch.distributed")  # not there: nobody can have joined a group
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        gc.collect()  # DistributedDataParallel refers to the group, and to itself
        distributed.destroy_process_group()


def dispatch(argv: Sequence[str]) -> int | None:
    """Run the verb named first in `argv` with the arguments after it. Raises ValueError for an unknown verb."""
    verb, arguments = argv[0], list(argv[1:])
    if verb not in VERBS:
        import difflib

        similar = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean '{similar[0]}'?" if similar else f"choose from {', '.join(VERBS)}"
        raise ValueError(f"'videomae {verb}' does not exist; {hint}")
    program = importlib.import_module(f"videomae.scripts.{VERBS[verb][0]}")
    sys.argv[0] = f"videomae {verb}"  # the name that argparse prints in the program's usage
    return program.main(arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """The console command."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv:
        print(usage(), file=sys.stderr)
        return 2
    if argv[0] in ("-h", "--help"):
        print(usage())
        return 0
    if argv[0] == "--version":
        print(f"videomae {__version__}")
        return 0
    return run(dispatch, argv)


if __name__ == "__main__":
    sys.exit(main())
