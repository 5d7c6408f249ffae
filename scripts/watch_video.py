# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Say what happens when in a long or live video: the labels of a window that slides over it.

    videomae watch runs/finetune match.mp4 --segments goals.csv goals.srt --annotated watched.mp4
    videomae watch runs/finetune match.mp4 --window 4s --stride 1s --smooth mean:3 --threshold 0.7 --json
    videomae watch runs/finetune /dev/video0
    videomae watch runs/finetune rtsp://camera.local/stream --segments today.csv
    ffmpeg -i … -f mpegts - | videomae watch runs/finetune - --live
    videomae watch runs/finetune clip.mp4 --live --loop        (a file plays the camera, until Ctrl-C)

A window is as long as the clips of the training, num_frames * frame_stride frames at the video's own rate; the frames
that the model looks at are spread evenly over any other --window, too: twice the frames for a camera with twice the
frame rate of the training's videos. The next window begins half a window later (--stride). Every frame is decoded once
and no more than a window of them is kept, so that a video may be of any length. A line is printed for each window, and
at the end how long they took, on stderr.

A live source (cameras are; --live makes any source one) does not wait: when a whole window of frames is waiting, the
next one pushes the oldest out. These are counted, and no window spans such a gap or a damaged frame.

--segments writes where a label's score stays at or above --threshold, as .csv, .json or .srt. --annotated writes an
mp4 in which every frame shows the labels of the last window that was done by then. Ctrl-C ends the watching, and the
files hold what was seen. So they do when the source breaks off, with exit code 2.
"""

import argparse
import contextlib
import json
import os
import sys

from videomae import cli


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub name of a fine-tuned checkpoint")
    parser.add_argument("video", help="file, http(s) or rtsp(s) address, device (/dev/video0), or - (standard input)")
    parser.add_argument("--window", help="frames, or seconds: 64 or 2.5s (default: the clips of the training)")
    parser.add_argument("--stride", help="frames or seconds from window to window (default: half a window)")
    parser.add_argument("--live", action="store_true", help="drop frames rather than wait; a file runs in real time")
    parser.add_argument("--loop", action="store_true", help="a file begins again when it ends (with --live)")
    parser.add_argument("--smooth", help="mean:WINDOWS, or exponential:WEIGHT of the newest window (default: neither)")
    parser.add_argument("--threshold", type=float, default=0.5, help="score of a segment (default: 0.5)")
    parser.add_argument("--top_k", type=int, default=3, help="labels of each window (default: 3)")
    parser.add_argument(
        "--segments", nargs="+", default=[], metavar="FILE", help=".csv, .json and .srt files to write"
    )
    parser.add_argument("--annotated", metavar="FILE.mp4", help="the video with the labels burnt in")
    parser.add_argument(
        "--official_resize", action="store_true", help="resize frames without antialiasing, as the authors' code does"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1 … (default: a GPU where there is one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each window, a line each")
    return parser


def check(arguments: argparse.Namespace) -> None:
    """Raises ValueError."""
    from videomae.segments import segment_writer

    if arguments.top_k < 1:
        raise ValueError(f"--top_k is {arguments.top_k}, wanted at least 1")
    if not 0 <= arguments.threshold <= 1:
        raise ValueError(f"--threshold is {arguments.threshold}, wanted 0 to 1 (0.8 for 80 %)")
    if arguments.loop and not arguments.live:
        raise ValueError("--loop makes a camera of a file: it needs --live")
    if arguments.annotated and not arguments.annotated.lower().endswith(".mp4"):
        raise ValueError(f"--annotated is {arguments.annotated}, wanted a name that ends with .mp4")
    for path in arguments.segments:
        segment_writer(path)
    for path in filter(None, (arguments.annotated, *arguments.segments)):
        if os.path.exists(path) and os.path.exists(arguments.video) and os.path.samefile(path, arguments.video):
            raise ValueError(f"{path} is the video that is read: give what is written another name")


def show(window, labels: list[dict], *, as_json: bool) -> None:
    from videomae.segments import clock_time

    if as_json:
        row = {"start": window.start, "end": window.end, "labels": labels, "latency": window.latency}
        print(json.dumps(row), flush=True)
    else:
        print(f"{clock_time(window.start)} - {clock_time(window.end)}  {described(labels)}", flush=True)


def described(labels: list[dict]) -> str:
    return ", ".join(f"{entry['label']} {entry['score']:.2f}" for entry in labels) or "no label"


def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    check(arguments)

    from videomae.smoothing import parse_smoothing

    smoothing = parse_smoothing(arguments.smooth) if arguments.smooth else None

    from videomae.annotation import annotated_video
    from videomae.inference import load_checkpoint, video_labels
    from videomae.metrics import known_problem_type
    from videomae.segments import SegmentFinder, write_segments
    from videomae.stopping import stopping_on_ctrl_c
    from videomae.video import VideoDecodeError
    from videomae.watching import Latencies, WatchedVideo, watch

    model, processor = load_checkpoint(arguments.model, device=arguments.device)
    if arguments.official_resize:
        processor = processor.adapted_to(model.config, antialias=False)
    if arguments.segments and known_problem_type(model.config.problem_type, model.config.num_labels) == "regression":
        raise ValueError("--segments are of labels, but the model predicts numbers (regression): --json prints them")
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    finder, latencies, broken = SegmentFinder(names, arguments.threshold), Latencies(), None
    with contextlib.ExitStack() as opened:
        stop = opened.enter_context(stopping_on_ctrl_c())
        video = opened.enter_context(
            WatchedVideo(
                arguments.video,
                processor,
                window=arguments.window,
                stride=arguments.stride,
                live=arguments.live,
                loop=arguments.loop,
                keep_images=bool(arguments.annotated),
                stop=stop,
            )
        )
        frames = iter(video)
        if arguments.annotated:
            annotated = opened.enter_context(annotated_video(arguments.annotated, video.fps))
            frames = annotated.passing(frames)
        try:
            for window in watch(model, video, frames=frames, smoothing=smoothing):
                labels = video_labels(window.score, model.config, top_k=arguments.top_k)
                show(window, labels, as_json=arguments.json)
                finder.add(window.start, window.end, window.score, window.continues)
                latencies.add(window.latency)
                if arguments.annotated:
                    annotated.caption = described(labels)
        except VideoDecodeError as error:  # what came before it is not lost
            broken = error
        interrupted = stop.is_set()
    for path in arguments.segments:
        write_segments(path, finder.finish())
    print(f"{latencies}; {video.dropped} frames dropped, {video.damaged} damaged", file=sys.stderr)
    if broken:
        print(f"error: {broken}", file=sys.stderr)
        return 2
    return cli.INTERRUPTED if interrupted else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
