# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""A prepared set is the same set: folders, labels, lists and frames; only smaller, and fast to read."""

import csv
import json
import os
import shutil

import datasets
import numpy as np
import pytest
from PIL import Image

from videomae import cli
from videomae.children import map_in_children
from videomae.listing import load_videos
from videomae.preparation import Preparation, copy_name
from videomae.transcoding import Encoding
from videomae.video import VideoReader


@pytest.fixture
def videos(tiny_clip, tmp_path):
    """Two classes in two splits; `frame i` of each has the brightness 20 + 5 i."""
    tiny_clip("data/train/clap/a.avi", num_frames=6, codec="mpeg4")
    tiny_clip("data/train/clap/b.mkv", num_frames=9, height=64, width=96)
    tiny_clip("data/train/wave/-ä b,\n.mp4", num_frames=12)
    tiny_clip("data/val/wave/d.mp4", num_frames=7)
    tiny_clip("data/val/clap/e.MP4", num_frames=8)
    return tmp_path / "data"


def prepare(source, destination, *options, capsys=None):
    code = cli.main(["prepare", str(source), str(destination), "--num_workers", "2", *map(str, options)])
    return (code, *capsys.readouterr()) if capsys else code


def run(source, destination, **settings):
    preparation = Preparation(source, destination, Encoding(), **settings)
    return [os.path.basename(row.path) for row in preparation.run(num_workers=1, time_limit=60)]


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".prepare" not in path.parts
    )


def bad(folder):
    with open(folder / "bad.csv", newline="") as lines:
        return {os.path.basename(row["path"]): row["reason"] for row in csv.DictReader(lines)}


def labels(split):
    names = split.features["label"].names
    return sorted((os.path.basename(row["video"]), names[row["label"]]) for row in split)


# ---- folders ----


def test_a_prepared_set_has_the_same_splits_labels_and_frames(videos, tmp_path, frame_numbers, capsys):
    code, out, _ = prepare(videos, tmp_path / "small", "--short_side", "32", capsys=capsys)
    assert code == 0 and "5 of 5 videos have a copy" in out and "x faster" in out
    assert files(tmp_path / "small") == sorted(
        ["train/clap/a.mp4", "train/clap/b.mp4", "train/wave/-ä b,\n.mp4", "val/clap/e.mp4", "val/wave/d.mp4"]
    )
    splits = load_videos(tmp_path / "small")
    assert labels(splits["train"]) == [("-ä b,\n.mp4", "wave"), ("a.mp4", "clap"), ("b.mp4", "clap")]
    assert labels(splits["validation"]) == [("d.mp4", "wave"), ("e.mp4", "clap")]
    with VideoReader(tmp_path / "small" / "train" / "clap" / "b.mp4") as reader:
        assert (reader.info.height, reader.info.width, reader.num_frames) == (32, 48, 9)
        assert frame_numbers(reader.read([8, 0, 3])) == [8, 0, 3]


def test_totals_are_for_programs_too(videos, tmp_path, capsys):
    code, out, _ = prepare(videos, tmp_path / "small", "--json", capsys=capsys)
    totals = json.loads(out)
    assert code == 0 and (totals["videos"], totals["copies"], totals["bad"], totals["lists"]) == (5, 5, {}, {})
    assert totals["bytes_before"] == sum((videos / name).stat().st_size for name in files(videos))
    assert totals["bytes_after"] == sum((tmp_path / "small" / n).stat().st_size for n in files(tmp_path / "small"))
    assert totals["worst_psnr"] > 30 and totals["ms_before"] > 0 and totals["ms_after"] > 0


def test_a_bad_video_is_named_and_stops_nothing(videos, tmp_path, capsys):
    broken = videos / "train" / "clap" / "b.mkv"
    broken.write_bytes(broken.read_bytes()[:900])
    code, out, _ = prepare(videos, tmp_path / "small", capsys=capsys)
    assert code == 1 and "4 of 5 videos have a copy" in out and "1 videos have no copy" in out
    assert list(bad(tmp_path / "small")) == ["b.mkv"] and "decodes" in bad(tmp_path / "small")["b.mkv"]
    assert not (tmp_path / "small" / "train" / "clap" / "b.mp4").exists()
    assert not list((tmp_path / "small" / ".prepare").glob("unfinished*"))


def write_pictures(folder, mode="RGB"):
    folder.mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (40, 30), (20 + 5 * number,) * 3).convert(mode).save(folder / f"{number}.png")


def test_folders_of_frames_become_videos_and_what_no_video_holds_is_named(tmp_path, frame_numbers, capsys):
    write_pictures(tmp_path / "data" / "wave" / "a.v1")
    write_pictures(tmp_path / "data" / "clap" / "grey", "L")
    (tmp_path / "data" / "clap" / "more").mkdir()
    np.save(tmp_path / "data" / "clap" / "more" / "array.npy", np.zeros((4, 8, 10, 3), np.uint8))
    code, out, _ = prepare(tmp_path / "data", tmp_path / "small", "--folder_fps", "10", capsys=capsys)
    assert code == 1 and "1 of 3 videos have a copy" in out and "x faster" in out
    assert files(tmp_path / "small") == ["bad.csv", "wave/a.v1.mp4"]
    with VideoReader(tmp_path / "small" / "wave" / "a.v1.mp4") as reader:
        assert reader.info.fps == pytest.approx(10) and frame_numbers(reader.read([3, 0])) == [3, 0]
    assert bad(tmp_path / "small") == {
        "array.npy": "an array: only videos and folders of RGB pictures are prepared",
        "grey": "pictures of 1 x uint8 a pixel: only those of RGB, 3 x uint8, are prepared",
    }
    assert run(tmp_path / "data", tmp_path / "other") and run(tmp_path / "data", tmp_path / "other") == []


@pytest.mark.parametrize(
    ("line", "copied", "labels"), [("a 4 1", "a.mp4 1", [1]), ("a 0 4", "a.mp4 0 -1", None), ("a 1", "a.mp4 1", [1])]
)
def test_lists_of_folders_of_frames_become_lists_of_videos(line, copied, labels, tmp_path):
    write_pictures(tmp_path / "data" / "a")
    (tmp_path / "data" / "list.txt").write_text(line + "\n")
    assert prepare(tmp_path / "data" / "list.txt", tmp_path / "small") == 0
    assert (tmp_path / "small" / "list.txt").read_text() == copied + "\n"
    videos = load_videos(tmp_path / "small" / "list.txt", "train", class_names=["clap", "wave"])
    assert (list(videos["label"]) if "label" in videos.features else None) == labels


def test_videos_in_tables_are_refused(tiny_clip, tmp_path, capsys):
    rows = {"video": [{"path": "a.mp4", "bytes": tiny_clip().read_bytes()}]}
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "train.parquet")
    code, _, error = prepare(tmp_path / "train.parquet", tmp_path / "small", capsys=capsys)
    assert code == 2 and "holds the videos themselves; wanted a folder or list of video files" in error


def test_linked_videos_and_folders_become_files_of_their_own(videos, tiny_clip, tmp_path):
    tiny_clip("elsewhere/more/f.mp4")
    (videos / "train" / "wave" / "link.mp4").symlink_to(tmp_path / "elsewhere" / "more" / "f.mp4")
    (videos / "train" / "more").symlink_to(tmp_path / "elsewhere" / "more")
    assert prepare(videos, tmp_path / "small") == 0
    copies = [tmp_path / "small" / "train" / name for name in ("wave/link.mp4", "more/f.mp4")]
    assert all(copy.is_file() and not copy.is_symlink() for copy in copies)
    assert not (tmp_path / "small" / "train" / "more").is_symlink()


# ---- lists ----


def test_lists_name_the_copies_with_the_same_labels(videos, tmp_path, capsys):
    (videos / "lists").mkdir()
    (videos / "train.csv").write_text("path,label,note\ntrain/clap/a.avi,clap,x\ntrain/clap/b.mkv,clap,y\n")
    (videos / "val.csv").write_text("path,label,note\nval/wave/d.mp4,wave,z\nval/clap/e.MP4,clap,\n")
    shutil.move(videos / "train", videos / "old")  # folders called train would be the splits
    shutil.move(videos / "val", videos / "new")
    for name in ("train.csv", "val.csv"):
        file = videos / name
        file.write_text(file.read_text().replace("train/", "old/").replace("val/", "new/"))
    (videos / "classes.txt").write_text("clap\nwave\n")
    (videos / "old" / "clap" / "b.mkv").write_bytes(b"broken")
    code, out, _ = prepare(videos, tmp_path / "small", capsys=capsys)
    assert code == 1 and "list train.csv: 1 videos, 1 left out" in out and "list val.csv: 2 videos\n" in out
    small = tmp_path / "small"
    assert (small / "train.csv").read_text() == "path,label,note\nold/clap/a.mp4,clap,x\n"
    assert (small / "val.csv").read_text() == "path,label,note\nnew/wave/d.mp4,wave,z\nnew/clap/e.mp4,clap,\n"
    assert (small / "classes.txt").read_text() == "clap\nwave\n"
    splits = load_videos(small, class_names=["clap", "wave"])
    assert labels(splits["train"]) == [("a.mp4", "clap")]


def test_nothing_that_a_list_names_is_written_outside_of_the_destination(videos, tiny_clip, tmp_path):
    away = tiny_clip("away/f.avi", codec="mpeg4")
    os.makedirs(tmp_path / "work" / "lists")
    text = f"../../data/val/wave/d.mp4 0\n{away} 1\n../../../../../../../../../../etc/none.mp4 1\n"
    (tmp_path / "work" / "lists" / "list.txt").write_text(text)
    before = files(tmp_path)
    assert prepare(tmp_path / "work" / "lists" / "list.txt", tmp_path / "small") == 1
    outside = f"outside{tmp_path}"
    assert files(tmp_path / "small") == sorted(
        [f"{outside}/away/f.mp4", f"{outside}/data/val/wave/d.mp4", "bad.csv", "list.txt"]
    )
    assert [name for name in files(tmp_path) if not name.startswith("small/")] == before
    assert (
        tmp_path / "small" / "list.txt"
    ).read_text() == f"{outside}/data/val/wave/d.mp4 0\n{outside}/away/f.mp4 1\n"
    assert len(load_videos(tmp_path / "small" / "list.txt", "train")) == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/set/a/b.avi", "a/b.mp4"),
        ("/set/a/b.MP4", "a/b.mp4"),
        ("/set/a/v1.5", "a/v1.5.mp4"),
        ("/set/x/../a/b", "a/b.mp4"),
        ("/set/../b.mp4", "outside/b.mp4"),
        ("/settle/b.mp4", "outside/settle/b.mp4"),
    ],
)
def test_the_name_of_a_copy(path, name):
    assert copy_name(path, "/set") == copy_name(path, "/set/") == name


def test_a_video_that_two_lists_name_has_one_copy(videos, tmp_path):
    (tmp_path / "list.csv").write_text("data/val/wave/d.mp4 0\ndata/val/wave/d.mp4 1\n")
    assert run(tmp_path / "list.csv", tmp_path / "small") == ["d.mp4"]


# ---- a second call ----


def test_a_second_call_copies_only_what_is_new_changed_or_gone(videos, tiny_clip, tmp_path):
    small = tmp_path / "small"
    (videos / "train" / "clap" / "b.mkv").write_bytes(b"broken")
    assert len(run(videos, small)) == 5
    assert run(videos, small) == []
    tiny_clip("data/val/wave/new.mp4")
    tiny_clip("data/val/wave/d.mp4", num_frames=5)
    (small / "val" / "clap" / "e.mp4").unlink()
    (small / "train" / "clap" / "a.mp4").write_bytes(b"cut short")
    assert sorted(run(videos, small)) == ["a.mp4", "d.mp4", "e.mp4", "new.mp4"]
    assert run(videos, small, again="bad") == ["b.mp4"]
    assert len(run(videos, small, again="all")) == 6
    with pytest.raises(ValueError, match="again must be None, 'bad' or 'all', got 'some'"):
        run(videos, small, again="some")


def test_an_interrupted_call_goes_on_where_it_was(videos, tmp_path):
    small = tmp_path / "small"
    preparation = Preparation(videos, small, Encoding())
    running = preparation.run(num_workers=1, time_limit=60)
    first = next(running)
    running.close()
    assert not list((small / ".prepare").glob("unfinished*"))
    (small / ".prepare" / "unfinished").mkdir()  # as a killed call leaves it
    (small / ".prepare" / "unfinished" / "7.mp4").write_bytes(b"half a video")
    assert os.path.basename(first.path) not in run(videos, small)
    assert not list((small / ".prepare").glob("unfinished*"))
    assert len(files(small)) == 5


def test_an_original_that_became_bad_loses_its_copy(videos, tmp_path):
    run(videos, tmp_path / "small")
    (videos / "val" / "wave" / "d.mp4").write_bytes(b"broken")
    assert prepare(videos, tmp_path / "small") == 1
    assert "val/wave/d.mp4" not in files(tmp_path / "small")
    shutil.copy(videos / "val" / "clap" / "e.MP4", videos / "val" / "wave" / "d.mp4")
    assert prepare(videos, tmp_path / "small") == 0
    assert "val/wave/d.mp4" in files(tmp_path / "small") and "bad.csv" not in files(tmp_path / "small")


def test_copies_without_an_original_are_told(videos, tmp_path, capsys):
    run(videos, tmp_path / "small")
    (videos / "val" / "wave" / "d.mp4").unlink()
    for _ in range(2):
        _, out, _ = prepare(videos, tmp_path / "small", capsys=capsys)
        assert "1 copies of earlier calls have no original any more" in out


def test_other_settings_are_refused_unless_everything_is_made_again(videos, tmp_path, capsys):
    run(videos, tmp_path / "small")
    code, _, error = prepare(videos, tmp_path / "small", "--crf", "30", "--short_side", "32", capsys=capsys)
    assert code == 2 and "short_side 256, wanted 32, crf 20, wanted 30" in error and "--again all" in error
    assert prepare(videos, tmp_path / "small", "--short_side", "32", "--again", "all") == 0
    with VideoReader(tmp_path / "small" / "val" / "wave" / "d.mp4") as reader:
        assert reader.info.height == 32


def test_a_scan_of_the_originals_does_not_come_along(videos, tmp_path):
    assert cli.main(["scan", str(videos)]) == 0
    assert (videos / "scan.csv").exists() and (videos / "scan.json").exists()
    assert prepare(videos, tmp_path / "small") == 0
    assert not [name for name in files(tmp_path / "small") if "scan" in name]


# ---- what is refused ----


def test_destinations_that_would_do_harm_are_refused(videos, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("…")
    (tmp_path / "link").symlink_to(videos)
    (tmp_path / "list.csv").write_text("data/val/wave/d.mp4 0\n")
    for source, destination, message in (
        (videos, videos, "is in the source"),
        (videos, videos / "small", "is in the source"),
        (videos, tmp_path / "link" / "small", "is in the source"),
        (videos, tmp_path, "holds originals, as"),
        (tmp_path / "list.csv", videos / "val", "holds originals, as"),
        (videos, tmp_path / "mine", "holds something else"),
    ):
        before = files(tmp_path)
        code, _, error = prepare(source, destination, capsys=capsys)
        assert code == 2 and message in error, destination
        assert files(tmp_path) == before


@pytest.mark.parametrize("number", [0, -2])
def test_fewer_than_one_process_are_refused(number, videos, tmp_path, capsys):
    code, _, error = prepare(videos, tmp_path / "small", "--num_workers", number, capsys=capsys)
    assert code == 2 and f"--num_workers is {number}, wanted at least 1" in error
    assert not (tmp_path / "small").exists()


def test_what_is_refused_is_a_value_error(videos, tiny_clip, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("…")
    (tmp_path / "list.csv").write_text("data/val/wave/d.mp4 0\n")
    run(videos / "val", tmp_path / "val")
    tiny_clip("data/train/clap/a.mkv")
    for source, destination, encoding, message in (
        (videos, videos / "small", Encoding(), "small: is in the source .*; choose a folder outside of it"),
        (tmp_path / "list.csv", videos / "val", Encoding(), "val: holds originals, as .*d.mp4; choose a folder"),
        (videos / "val", tmp_path / "mine", Encoding(), "mine: holds something else; choose a new folder"),
        (videos, tmp_path / "new", Encoding(), "have the same name, rename one of each:\n- .*a.avi and .*a.mkv"),
        (videos / "val", tmp_path / "val", Encoding(crf=30), r"holds copies with crf 20, wanted 30: .*--again all"),
    ):
        with pytest.raises(ValueError, match=message):
            Preparation(source, destination, encoding)


def test_two_originals_for_one_copy_are_refused(videos, tiny_clip, tmp_path, capsys):
    tiny_clip("data/train/clap/a.mkv")
    code, _, error = prepare(videos, tmp_path / "small", capsys=capsys)
    assert code == 2 and "a.avi" in error and "a.mkv" in error and "rename one of each" in error
    assert not (tmp_path / "small").exists()


def test_a_destination_that_can_not_be_written_is_one_clear_error(videos, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _, error = prepare(videos, tmp_path / "file" / "small", capsys=capsys)
    assert code == 2 and str(tmp_path / "file") in error
    code, _, error = prepare(videos, tmp_path / "file", capsys=capsys)
    assert code == 2 and str(tmp_path / "file") in error


def test_a_full_disk_ends_the_run_and_keeps_what_is_done(videos, tmp_path, monkeypatch, capsys):
    def fill_up(function, items, **settings):
        for number, done in enumerate(map_in_children(function, items, **settings)):
            if number == 2:
                raise OSError(28, "No space left on device", "small/.prepare/unfinished/2.mp4")
            yield done

    monkeypatch.setattr("videomae.preparation.map_in_children", fill_up)
    code, _, error = prepare(videos, tmp_path / "small", capsys=capsys)
    assert code == 2 and "No space left on device" in error and "Traceback" not in error
    monkeypatch.undo()
    assert len(files(tmp_path / "small")) == 2
    assert len(run(videos, tmp_path / "small")) == 3


def test_two_processes_do_not_work_on_one_destination(videos, tmp_path, capsys):
    fcntl = pytest.importorskip("fcntl")
    run(videos, tmp_path / "small")
    with open(tmp_path / "small" / ".prepare" / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, error = prepare(videos, tmp_path / "small", capsys=capsys)
    assert code == 2 and "another process is preparing it" in error


def test_a_video_that_takes_too_long_is_bad(clips, tmp_path):
    shutil.copy(clips / "fullhd_1920x1080.mp4", tmp_path / "a.mp4")
    (tmp_path / "list.csv").write_text("a.mp4 0\n")
    assert prepare(tmp_path / "list.csv", tmp_path / "small", "--time_limit", "0.05") == 1
    assert bad(tmp_path / "small") == {"a.mp4": "not done after 0.05 s (the time limit)"}
    assert (tmp_path / "small" / "list.csv").read_text() == "\n"
