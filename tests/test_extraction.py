# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Many videos become files: the same on any number of workers, kept when they are there, never in parts."""

import json
import shutil

import numpy as np
import pytest
import torch

from videomae import VideoMAEForVideoClassification, VideoMAEVideoProcessor
from videomae.extraction import describe_source, sort_out, weights_fingerprint, write_features
from videomae.feature_files import metadata_path, read_features
from videomae.features import FeatureSettings, extract
from videomae.video import VideoDecodeError

WINDOWS = {"window": 8, "stride": 5}


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(0)
    return VideoMAEForVideoClassification(tiny_config()).eval()


@pytest.fixture
def processor(tiny_config):
    return VideoMAEVideoProcessor.for_model(tiny_config(), frame_stride=2)


@pytest.fixture
def outputs(tiny_clip, tmp_path):
    """{video: its file}: videos of 12, 23 and 34 frames."""
    videos = [tiny_clip(f"{number}.mp4", num_frames=12 + 11 * number) for number in range(3)]
    return {str(video): tmp_path / "out" / f"{video.stem}.npy" for video in videos}


@pytest.fixture
def run(model, processor):
    """`run(outputs, num_workers=…, on_bad_video=…, **settings)` does what `videomae extract` does."""

    def call(outputs, *, num_workers=0, on_bad_video="error", overwrite=False, **settings):
        settings = FeatureSettings(**settings).completed(model, processor)
        source = describe_source(model, processor, settings, name="tiny")
        to_make, _ = sort_out(outputs, source, overwrite=overwrite)
        wanted = {video: outputs[video] for video in to_make}
        options = {"on_bad_video": on_bad_video, "num_workers": num_workers}
        return list(write_features(model, processor, wanted, settings, source, **options))

    return call


# ---- files ----


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("settings", [WINDOWS, {"num_segments": 2, "num_crops": 3}], ids=["windows", "views"])
def test_files_hold_what_extract_gives(run, outputs, model, processor, num_workers, settings):
    assert {each.video for each in run(outputs, num_workers=num_workers, **settings)} == set(outputs)
    for video, path in outputs.items():
        found, metadata = read_features(path)
        wanted = extract(model, processor, video, **settings)
        assert np.array_equal(found, wanted.features)
        assert metadata["shape"] == list(found.shape)
        assert metadata["video"]["path"] == video


def test_metadata_say_how_features_were_made(run, outputs, model, processor):
    run(outputs, **WINDOWS, pool="tubelets")
    video, path = list(outputs.items())[1]
    metadata = json.loads(metadata_path(path).read_text())
    assert metadata["settings"] == {
        "layer": 2,
        "pool": "tubelets",
        "window": 8,
        "stride": 5,
        "num_segments": 1,
        "num_crops": 1,
        "dtype": "float32",
        "batch_size": 4,
        "norm": "fc_norm",
    }
    assert (metadata["model"], metadata["architecture"]) == ("tiny", "VideoMAEForVideoClassification")
    assert metadata["weights"] == weights_fingerprint(model)
    assert metadata["processor"]["frame_stride"] == 2
    assert (metadata["num_frames"], metadata["fps"], metadata["dtype"]) == (23, 25.0, "float32")
    assert (metadata["first_frames"], metadata["frame_step"]) == ([0, 5, 10, 15], 2)
    np.testing.assert_allclose(metadata["seconds"], [[0, 0.32], [0.2, 0.52], [0.4, 0.72], [0.6, 0.92]])


def test_metadata_of_views_have_their_frames(run, outputs, processor):
    run(outputs, num_segments=2, num_crops=3)
    metadata = read_features(next(iter(outputs.values())))[1]
    assert metadata["frames"] == [[0, 2, 4, 6], [4, 6, 8, 10]]
    assert metadata["shape"] == [1, 12]


# ---- going on ----


def test_what_is_there_is_kept_and_the_rest_is_made(run, outputs):
    run(outputs, **WINDOWS)
    *kept, missing = outputs.values()
    before = [path.stat().st_mtime_ns for path in kept]
    metadata_path(missing).unlink()  # as after a kill between the two files
    assert [each.path for each in run(outputs, **WINDOWS)] == [missing]
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert run(outputs, **WINDOWS) == []


@pytest.mark.parametrize(
    ("change", "name"), [({"stride": 4}, "settings"), ({"layer": 1}, "settings"), ({"dtype": "float16"}, "settings")]
)
def test_features_that_were_made_otherwise_are_an_error(run, outputs, change, name):
    run(outputs, **WINDOWS)
    with pytest.raises(ValueError, match=rf"made otherwise: .*0.npy \({name}\); .*1.npy .*--overwrite"):
        run(outputs, **WINDOWS | change)
    assert len(run(outputs, **WINDOWS | change, overwrite=True)) == 3
    assert run(outputs, **WINDOWS | change) == []


def test_features_of_other_weights_or_another_processor_are_told(run, outputs, model, processor):
    run(outputs, **WINDOWS)
    processor.size["shortest_edge"] = 30
    model.fc_norm.weight.data[0] += 1
    with pytest.raises(ValueError, match=r"0.npy \(weights, processor\)"):
        run(outputs, **WINDOWS)


def test_a_video_that_has_changed_is_told_and_one_that_was_moved_is_not(run, outputs, tiny_clip, tmp_path):
    run(outputs, **WINDOWS)
    first, second, third = outputs
    moved = shutil.move(first, tmp_path / "moved.mp4")
    tiny_clip("1.mp4", num_frames=30)
    with pytest.raises(ValueError, match=r"otherwise: [^;]*1.npy \(video\)\. Choose"):
        run({str(moved): outputs[first], second: outputs[second], third: outputs[third]}, **WINDOWS)


def test_the_fingerprint_is_of_the_weights_that_count(model):
    before = weights_fingerprint(model)
    model.classifier.weight.data += 1
    assert weights_fingerprint(model) == before
    model.videomae.encoder.layer[1].output.dense.bias.data[3] += 1
    assert weights_fingerprint(model) != before


# ---- bad videos ----


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_bad_video_is_an_error_and_leaves_no_part_of_a_file(run, outputs, tmp_path, num_workers):
    (tmp_path / "bad.mp4").write_text("no video")
    outputs[str(tmp_path / "bad.mp4")] = tmp_path / "out" / "bad.npy"
    with pytest.raises(VideoDecodeError, match="bad.mp4"):
        run(outputs, num_workers=num_workers, **WINDOWS)
    assert all(path.suffix in (".npy", ".json") and path.name[0] != "." for path in (tmp_path / "out").iterdir())
    assert not outputs[str(tmp_path / "bad.mp4")].exists()


def test_a_bad_video_may_be_left_out(run, outputs, tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    outputs = {str(tmp_path / "bad.mp4"): tmp_path / "out" / "bad.npy", **outputs}
    bad, *good = run(outputs, on_bad_video="skip", **WINDOWS)
    assert "bad.mp4" in str(bad.error) and all(each.error is None for each in good) and len(good) == 3


def test_a_video_that_ends_in_the_middle_leaves_nothing(run, outputs, monkeypatch, tmp_path):
    """Some of its windows are written when it turns out to be damaged."""
    clips = FeatureSettings.clips
    bad = list(outputs)[1]

    def ends(self, video, processor, span):
        batches = clips(self, video, processor, span)
        yield next(batches)
        if video.path == bad:
            raise VideoDecodeError(bad, "damaged")
        yield from batches

    monkeypatch.setattr(FeatureSettings, "clips", ends)
    found = run(outputs, on_bad_video="skip", **WINDOWS, batch_size=1)
    assert [each.error is None for each in found] == [True, False, True]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "0.npy", "0.npy.json", "2.npy", "2.npy.json",
    ]  # fmt: skip


def test_a_video_that_does_not_fit_the_model_is_never_left_out(run, outputs, tmp_path):
    np.save(tmp_path / "far.npy", np.full((12, 30, 40, 3), 9e4, np.float32))
    outputs = {str(tmp_path / "far.npy"): tmp_path / "out" / "far.npy"}
    with pytest.raises(ValueError, match="standard deviations off"):
        run(outputs, on_bad_video="skip", num_workers=2)


# ---- memory ----


MEMORY = """
import resource, sys
from pathlib import Path

import av, numpy as np, torch

from videomae import VideoMAEConfig, VideoMAEModel, VideoMAEVideoProcessor, feature_files
from videomae.extraction import describe_source, write_features
from videomae.features import FeatureSettings

feature_files.PART_BYTES = 2**18  # the short video shall fill it, too
folder = Path(sys.argv[1])
sizes = {"hidden_size": 96, "num_attention_heads": 3, "num_hidden_layers": 1, "intermediate_size": 96}
config = VideoMAEConfig(num_frames=4, image_size=64, patch_size=16, **sizes)
model, processor = VideoMAEModel(config).eval(), VideoMAEVideoProcessor.for_model(config)
settings = FeatureSettings(window=8, stride=4, pool="tokens").completed(model, processor)
source = describe_source(model, processor, settings, name="tiny")


def write_video(frames):
    path = folder / f"{frames}.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "50"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for number in range(frames):
            picture = np.full((64, 96, 3), number % 250, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


short, long = write_video(1200), write_video(12000)
for video in (short, long):
    for kind in ("npy", "safetensors", "parquet"):
        list(write_features(model, processor, {str(video): folder / f"{video.stem}.{kind}"}, settings, source))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(run_python, tmp_path):
    """Ten times as long: features of 37 MB and frames of 147 MB in each format, and less than 16 MB more."""
    result = run_python(MEMORY, tmp_path, timeout=900)
    assert result.returncode == 0, result.stderr
    short, long = map(float, result.stdout.split())
    assert (tmp_path / "12000.npy").stat().st_size > 36e6
    assert long - short < 16
