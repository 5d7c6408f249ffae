# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""The programs around a trained model, as they are called from the command line, and what bad input makes of them."""

import io
import json
import shutil
import tarfile

import av
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertConfig

from videomae import VideoMAEForPreTraining, VideoMAEForVideoClassification, VideoMAEVideoProcessor, cli
from videomae.conversion import to_official
from videomae.inference import load_checkpoint, predict

NAMES = ["clap", "point", "wave"]


def save(model, folder, **settings):
    model.save_pretrained(folder)
    VideoMAEVideoProcessor.for_model(model.config, **settings).save_pretrained(folder)
    return folder


@pytest.fixture
def classifier(tiny_config, tmp_path):
    torch.manual_seed(0)
    labels = {"id2label": dict(enumerate(NAMES)), "label2id": {name: i for i, name in enumerate(NAMES)}}
    config = tiny_config(num_labels=3, classifier_init_scale=100.0, **labels)
    return save(VideoMAEForVideoClassification(config), tmp_path / "classifier", frame_stride=2)


@pytest.fixture
def autoencoder(tiny_config, tmp_path):
    return save(VideoMAEForPreTraining(tiny_config()), tmp_path / "autoencoder", frame_stride=2)


@pytest.fixture
def labelled(tiny_clip, tmp_path):
    """Two videos of each class, in class folders."""
    for number, name in enumerate(NAMES * 2):
        tiny_clip(f"videos/{name}/{number}.mp4", num_frames=10 + 5 * number)
    return tmp_path / "videos"


@pytest.fixture
def run(capsys):
    """`run(*arguments) -> (exit code, stdout, stderr)`; one line of error at most, and never a traceback."""

    def call(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err

    return call


def fails(result, *texts):
    code, _, error = result
    assert code == 2
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, error
    for text in texts:
        assert text in error


# --- what they do ----------------------------------------------------------------------------------------------------


def test_evaluate_reports_and_writes_the_metrics(run, classifier, labelled, tmp_path):
    code, out, _ = run("evaluate", classifier, labelled, "--views", "2x3", "--output_dir", tmp_path / "out", "--json")
    assert code == 0
    metrics = json.loads(out)
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["num_videos"], metrics["views"], metrics["split"]) == (6, "2x3", "train")
    model, processor = load_checkpoint(classifier)
    right = [
        predict(model, processor, path, num_segments=2, num_crops=3, top_k=1)[0]["label"] == path.parent.name
        for path in labelled.rglob("*.mp4")
    ]
    assert metrics["top1"] == pytest.approx(100 * sum(right) / 6)


def test_evaluate_takes_the_test_split_and_matches_classes_by_name(run, classifier, labelled, tmp_path):
    for split in ("train", "test"):
        shutil.copytree(labelled, tmp_path / "split" / split)
    shutil.rmtree(tmp_path / "split" / "test" / "clap")
    code, out, _ = run("evaluate", classifier, tmp_path / "split")
    assert code == 0 and out.startswith("4 videos of test, 1x1 views each: top-1 ")
    fails(run("evaluate", classifier, tmp_path / "split", "--split", "validation"), "no split 'validation'")
    (labelled / "clap").rename(labelled / "jump")
    fails(run("evaluate", classifier, labelled), "label 'jump' is unknown; the classes are clap, point, wave")


def test_evaluate_takes_the_views_of_a_recipe_and_leaves_videos_out(run, classifier, labelled, tmp_path):
    (tmp_path / "excluded.txt").write_text(f"{labelled / 'wave' / '2.mp4'}\n")
    options = ["--recipe", "finetune_ssv2_base_2400", "--exclude", tmp_path / "excluded.txt", "--num_workers", 0]
    metrics = json.loads(run("evaluate", classifier, labelled, *options, "--json")[1])
    assert (metrics["views"], metrics["num_videos"]) == ("2x3", 5)
    fails(run("evaluate", classifier, labelled, "--recipe", "pretrain_k400_base_800"), "is one of `videomae pretrain`")
    with pytest.raises(SystemExit, match="2"):
        run("evaluate", classifier, labelled, "--views", "5x3", "--recipe", "finetune_ssv2_base_2400")


def test_evaluate_takes_integers_of_a_list_as_the_models_classes(run, classifier, labelled, tmp_path):
    rows = [f"{path} {NAMES.index(path.parent.name)}" for path in sorted(labelled.rglob("*.mp4"))]
    (tmp_path / "list.txt").write_text("\n".join(rows[2:]) + "\n")  # without class 0
    code, out, _ = run("evaluate", classifier, tmp_path / "list.txt", "--json")
    assert code == 0
    by_name = json.loads(run("evaluate", classifier, labelled, "--json")[1])
    assert json.loads(out)["num_videos"] == by_name["num_videos"] - 2


def test_evaluate_reads_tar_shards_and_lists_with_another_root(run, classifier, labelled, tmp_path):
    by_folder = json.loads(run("evaluate", classifier, labelled, "--num_workers", 0, "--json")[1])
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        for path in sorted(labelled.rglob("*.mp4")):
            tar.add(path, f"{path.stem}.mp4")
            label = tarfile.TarInfo(f"{path.stem}.cls")
            label.size = len(path.parent.name)
            tar.addfile(label, io.BytesIO(path.parent.name.encode()))
    (tmp_path / "list.txt").write_text(
        "".join(f"{n}/{i + 3 * j}.mp4 {i}\n" for j in (0, 1) for i, n in enumerate(NAMES))
    )
    for options in ([tmp_path / "all.tar"], [tmp_path / "list.txt", "--data_root", labelled]):
        code, out, _ = run("evaluate", classifier, *options, "--num_workers", 0, "--json")
        assert code == 0
        metrics = json.loads(out)
        assert {name: metrics[name] for name in ("top1", "num_videos")} == {"top1": by_folder["top1"], "num_videos": 6}
    fails(run("evaluate", classifier, tmp_path / "all.tar", "--split", "test"), "no split 'test'; there is train")
    code, out, _ = run("evaluate", classifier, tmp_path / "all.tar", "--num_workers", 0)
    assert code == 0 and out.startswith("6 videos of train, 1x1 views each")


def test_crops_of_a_whole_frame_are_one_clear_error(run, classifier, labelled):
    VideoMAEVideoProcessor.from_pretrained(classifier, framing="whole").save_pretrained(classifier)
    for program, data in (("evaluate", labelled), ("predict", labelled)):
        fails(run(program, classifier, data, "--views", "2x3"), "3 crops asked for", "wanted 1 (2x1 views)")
    assert run("evaluate", classifier, labelled, "--views", "2x1", "--num_workers", 0)[0] == 0


def test_predict_takes_frames_arrays_and_lists(run, classifier, tiny_clip, tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (10, 30, 40, 3), np.uint8)
    (tmp_path / "all" / "frames").mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "all" / "frames" / f"{number}.png")
    np.save(tmp_path / "all" / "clip.npy", frames)
    (tmp_path / "list.csv").write_text("path,label\nall/frames,wave\nall/gone.mp4,clap\n")
    code, out, error = run("predict", classifier, tmp_path / "all", tmp_path / "all" / "frames", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [row["video"].rpartition("/")[2] for row in rows] == ["clip.npy", "frames", "frames"]
    assert rows[0]["labels"] == rows[1]["labels"] == rows[2]["labels"]
    code, out, error = run("predict", classifier, tmp_path / "list.csv", "--json")
    listed, gone = map(json.loads, out.splitlines())
    assert code == 2 and "gone.mp4" in error and listed["labels"] == rows[0]["labels"]
    assert gone["video"].endswith("gone.mp4") and set(gone) == {"video", "error"}


@pytest.mark.parametrize("kind", ["channels", "short"])
def test_predict_goes_on_after_a_video_that_does_not_fit(run, classifier, labelled, tmp_path, kind):
    good = labelled / "wave" / "5.mp4"
    if kind == "channels":
        np.save(tmp_path / "other.npy", np.zeros((9, 30, 40, 5), np.uint8))
        expected = "has 5 channels"
    else:
        VideoMAEVideoProcessor.from_pretrained(classifier, short_video="error").save_pretrained(classifier)
        np.save(tmp_path / "other.npy", np.zeros((3, 30, 40, 3), np.uint8))
        expected = "3 frames"
    code, out, error = run("predict", classifier, tmp_path / "other.npy", good)
    assert code == 2 and "5.mp4: " in out and "other.npy" in error and expected in error
    fails(run("predict", classifier, tmp_path / "other.npy"), expected)


def test_predict_takes_files_and_folders(run, classifier, labelled):
    code, out, _ = run("predict", classifier, labelled, labelled / "wave" / "2.mp4", "--top_k", 2, "--json")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 7
    assert rows[-1]["video"].endswith("2.mp4")
    expected = predict(*load_checkpoint(classifier), rows[-1]["video"], top_k=2)
    assert rows[-1]["labels"] == expected


def test_predict_goes_on_after_a_bad_file_and_says_so(run, classifier, labelled, tmp_path):
    (tmp_path / "bad.mp4").write_text("text")
    code, out, error = run("predict", classifier, tmp_path / "bad.mp4", labelled / "wave" / "2.mp4")
    assert code == 2
    assert "bad.mp4" in error and "2.mp4: " in out


def test_reconstruct_draws_and_measures(run, autoencoder, labelled, tmp_path):
    code, out, _ = run(
        "reconstruct", autoencoder, labelled / "wave" / "2.mp4", "--mask_ratio", 0.75, "--output_dir", tmp_path / "out"
    )
    assert code == 0 and "PSNR" in out
    with Image.open(tmp_path / "out" / "2.png") as strip, Image.open(tmp_path / "out" / "2.gif") as gif:
        assert strip.format == "PNG" and gif.n_frames == 4
    assert {"psnr", "baseline_psnr"} <= set(json.loads((tmp_path / "out" / "2.json").read_text()))


def test_reconstruct_draws_arrays_of_floats_with_any_number_of_channels(run, tiny_config, tmp_path):
    config = tiny_config(num_channels=5, image_mean=[900.0] * 5, image_std=[50.0] * 5)
    model = save(VideoMAEForPreTraining(config), tmp_path / "five", frame_stride=2)
    np.save(tmp_path / "clip.npy", np.random.default_rng(0).normal(900, 50, (9, 30, 40, 5)).astype(np.float32))
    options = ("--mask_ratio", 0.75, "--output_dir", tmp_path / "out")
    code, out, _ = run("reconstruct", model, tmp_path / "clip.npy", *options)
    assert code == 0 and "PSNR" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clip.png", "clip.gif", "clip.json"}


def test_reconstruct_keeps_the_pictures_of_two_videos_apart(run, autoencoder, tiny_clip, tmp_path):
    first, second, other = tiny_clip("a/clip.v1.mp4"), tiny_clip("a/clip.v2.mp4"), tiny_clip("b/clip.v1.mp4")
    options = ("--mask_ratio", 0.75, "--formats", "png", "--output_dir", tmp_path / "out")
    assert run("reconstruct", autoencoder, first, second, *options)[0] == 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"clip.v1.png", "clip.v2.png"}
    assert run("reconstruct", autoencoder, first, other, *options)[0] == 0
    assert len(list((tmp_path / "out").glob("clip.v1-????????.png"))) == 2  # the same name, and a hash


def test_reconstruct_prints_what_it_writes_as_json_and_makes_films(run, autoencoder, labelled, tmp_path):
    options = ("--mask", "random", "--mask_ratio", 0.5, "--formats", "mp4", "--output_dir", tmp_path / "out", "--json")
    code, out, _ = run("reconstruct", autoencoder, labelled / "wave" / "2.mp4", labelled / "clap" / "0.mp4", *options)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["pictures"] for line in lines] == [[str(tmp_path / "out" / f"{n}.mp4")] for n in (2, 0)]
    assert lines[0] == json.loads((tmp_path / "out" / "2.json").read_text())
    assert lines[0]["mask"] == "random" and lines[0]["psnr"] != lines[1]["psnr"]


def test_reconstruct_predicts_what_a_v2_decoder_predicts(run, tiny_config, labelled, tmp_path):
    model = save(VideoMAEForPreTraining(tiny_config(image_size=[16, 32])), tmp_path / "v2", frame_stride=2)
    options = (labelled / "wave" / "2.mp4", "--mask_ratio", 0.75, "--output_dir", tmp_path / "out", "--json")
    psnr = {}
    for ratio in (0, 0.5):
        code, out, _ = run("reconstruct", model, *options, "--decoder_mask_ratio", ratio)
        psnr[ratio] = json.loads(out)["psnr"]
    assert code == 0 and psnr[0] != psnr[0.5]
    fails(run("reconstruct", model, *options, "--decoder_mask_ratio", 0.1), "a mask ratio of 0.1 hides 0 of the 4")


def test_reconstruct_goes_on_after_a_bad_file_and_says_so(run, autoencoder, labelled, tmp_path):
    (tmp_path / "bad.mp4").write_text("text")
    options = ("--mask_ratio", 0.75, "--output_dir", tmp_path / "out")
    code, out, error = run("reconstruct", autoencoder, tmp_path / "bad.mp4", labelled / "wave" / "2.mp4", *options)
    assert code == 2 and "bad.mp4" in error and "2.png: PSNR" in out


def test_explain_draws_a_classifier_and_writes_its_maps(run, classifier, labelled, tmp_path):
    options = ("--formats", "png", "mp4", "--save_maps", "--output_dir", tmp_path / "out")
    code, out, _ = run("explain", classifier, labelled / "wave" / "2.mp4", *options, "--json")
    result = json.loads(out)
    assert code == 0 and result["pictures"] == [str(tmp_path / "out" / f"2.{name}") for name in ("png", "mp4")]
    model, processor = load_checkpoint(classifier)
    best = predict(model, processor, labelled / "wave" / "2.mp4", top_k=1)[0]
    assert (result["class"], result["score"]) == (best["label"], pytest.approx(best["score"], abs=1e-6))
    for method in ("rollout", "grad-cam"):
        map_ = np.load(tmp_path / "out" / f"2.{method}.npy")
        assert map_.shape == (2, 3, 4)
        assert map_[tuple(result["largest_at"][method])] == map_.max() > 0
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_explain_shows_what_speaks_for_the_class_asked_for(run, classifier, labelled, tmp_path):
    video, out = labelled / "wave" / "2.mp4", tmp_path / "out"
    options = ("--methods", "grad-cam", "--formats", "png", "--save_maps", "--output_dir", out)
    maps = {}
    for name in NAMES:
        code, printed, _ = run("explain", classifier, video, "--class", name, *options)
        assert code == 0 and f"2.png: {name} " in printed
        maps[name] = np.load(out / "2.grad-cam.npy")
    assert not np.allclose(maps["clap"], maps["wave"]) and not (out / "2.rollout.npy").exists()
    fails(run("explain", classifier, video, "--class", "jump", *options), "--class: label 'jump' is unknown", "clap")
    fails(
        run("explain", classifier, video, "--class", "wave", "--methods", "rollout"), "an attention rollout knows no"
    )


def test_explain_draws_the_rollout_of_a_pretrained_checkpoint(run, autoencoder, labelled, tmp_path):
    code, out, _ = run("explain", autoencoder, labelled, "--formats", "png", "--output_dir", tmp_path / "out")
    assert code == 0 and "largest at rollout" in out and "grad-cam" not in out
    assert len(list((tmp_path / "out").rglob("*.png"))) == 6 and (tmp_path / "out" / "wave" / "2.png").is_file()
    fails(run("explain", autoencoder, labelled, "--methods", "grad-cam"), "is no classifier")
    fails(run("explain", autoencoder, labelled, "--class", "wave"), "is no classifier")


def test_explain_goes_on_after_a_bad_file_and_says_so(run, autoencoder, labelled, tmp_path):
    (tmp_path / "bad.mp4").write_text("text")
    options = ("--formats", "png", "--output_dir", tmp_path / "out")
    code, out, error = run("explain", autoencoder, tmp_path / "bad.mp4", labelled / "wave" / "2.mp4", *options)
    assert code == 2 and "bad.mp4" in error and "2.png; largest" in out


def test_convert_makes_a_folder_that_predicts(run, classifier, labelled, tmp_path):
    model, _ = load_checkpoint(classifier)
    torch.save({"model": to_official(model)}, tmp_path / "official.pth")
    (tmp_path / "labels.txt").write_text("\n".join(NAMES) + "\n")
    code, out, _ = run(
        *("convert", tmp_path / "official.pth", tmp_path / "converted", "--num_attention_heads", 3),
        *("--num_frames", 4, "--image_size", 24, 32, "--labels", tmp_path / "labels.txt"),
        *("--sampling", "uniform", "--frame_stride", 2),
    )
    processor = VideoMAEVideoProcessor.from_pretrained(tmp_path / "converted")
    assert (processor.sampling, processor.frame_stride) == ("uniform", 2)
    assert code == 0 and "VideoMAEForVideoClassification, 12 wide, 2 layers, 4 frames of 24x32" in out
    assert run("predict", tmp_path / "converted", labelled / "wave" / "2.mp4")[0] == 0


# --- bad input -------------------------------------------------------------------------------------------------------


def bad_video(kind, path, tiny_clip):
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is no video")
    elif kind == "truncated":
        content = tiny_clip("whole.mp4", num_frames=40).read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif kind == "one frame":
        path.write_bytes(tiny_clip("still.mp4", num_frames=1).read_bytes())
    elif kind == "audio only":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16_000, layout="mono")
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux([*stream.encode(frame), *stream.encode()])
    return path


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "audio only", "one frame"])
def test_a_bad_video_is_named(run, classifier, autoencoder, labelled, tiny_clip, tmp_path, kind):
    path = bad_video(kind, tmp_path / "bad.mp4", tiny_clip)
    fails(run("predict", classifier, path), "bad.mp4")
    fails(run("reconstruct", autoencoder, path, "--output_dir", tmp_path / "out"), "bad.mp4")
    assert not (tmp_path / "out").exists()
    if kind != "missing":
        path.rename(labelled / "wave" / "bad.mp4")
        fails(run("evaluate", classifier, labelled), "bad.mp4")


def test_bad_data_is_told_before_the_model_is_loaded(run, classifier, labelled, tmp_path):
    (labelled / "nothing").mkdir()
    fails(run("evaluate", classifier, labelled), "nothing")
    (tmp_path / "list.csv").write_text(f"{labelled / 'wave' / '2.mp4'},wave\n{tmp_path / 'gone.mp4'},clap\n")
    fails(run("evaluate", classifier, tmp_path / "list.csv"), "gone.mp4")
    fails(run("evaluate", classifier, tmp_path / "no such folder"), "no such folder")
    fails(run("predict", classifier, tmp_path / "classifier"), "no videos in this folder")


def test_a_checkpoint_of_another_kind_is_told(run, classifier, autoencoder, labelled, tmp_path):
    video = labelled / "wave" / "2.mp4"
    BertConfig().save_pretrained(tmp_path / "bert")
    fails(run("predict", tmp_path / "bert", video), "'bert'", "'videomae'")
    fails(run("predict", tmp_path / "gone", video), "gone: no such folder")
    fails(run("predict", autoencoder, video), "holds a VideoMAEForPreTraining", "a VideoMAEForVideoClassification")
    fails(run("evaluate", autoencoder, labelled), "wanted a VideoMAEForVideoClassification")
    fails(run("reconstruct", classifier, video), "wanted a VideoMAEForPreTraining")
    torch.save({"model": {"conv1.weight": torch.zeros(2, 2)}}, tmp_path / "resnet.pth")
    fails(run("convert", tmp_path / "resnet.pth", tmp_path / "out"), "'conv1.weight' is not a weight of VideoMAE")


def test_wrong_options_are_told(run, classifier, autoencoder, labelled):
    video = labelled / "wave" / "2.mp4"
    fails(run("predict", classifier, video, "--views", "5"), "wanted SEGMENTSxCROPS")
    fails(run("predict", classifier, video, "--top_k", 0), "--top_k is 0")
    fails(run("predict", classifier, video, "--device", "foo"), "device 'foo' can not be used here")
    fails(run("reconstruct", autoencoder, video, "--mask_ratio", 1.5), "1.5")
