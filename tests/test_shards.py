# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Tar shards are indexed from their headers; what is hostile or damaged in them is named, and nothing is written."""

import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from videomae.shards import TarShards, are_shards, find_shard_splits, find_shards
from videomae.video import VideoDecodeError


@pytest.fixture
def write_shard(tmp_path):
    """`write_shard(name, {member: bytes | str | TarInfo}) -> path`."""

    def write(name, members):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for member, content in members.items():
                if isinstance(content, tarfile.TarInfo):
                    tar.addfile(content)
                    continue
                info = tarfile.TarInfo(member)
                content = content.encode() if isinstance(content, str) else content
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return str(path)

    return write


def special(name, kind, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def rows_of(shards):
    return [shards.row(i) for i in range(shards.num_samples)]


def only_problem(shards):
    ((sample, problem),) = shards.problems.items()
    return shards.name(sample), problem


# ---- files ----


def test_shards_are_found_by_folder_glob_and_braces(write_shard, tmp_path):
    paths = [write_shard(f"shards/train-{i:03}.tar", {"a.mp4": b"x"}) for i in range(8, 12)]
    (tmp_path / "shards" / "readme.txt").write_text("")
    folder = tmp_path / "shards"
    assert find_shards(folder) == find_shards(folder / "*.tar") == paths
    assert find_shards(f"{folder}/train-{{008..010}}.tar") == paths[:3]
    assert find_shards(f"{folder}/train-{{008,011}}.tar") == [paths[0], paths[3]]
    assert find_shards(f"{folder}/{{train,train}}-0{{0,1}}*.tar") == paths


def test_a_file_that_braces_name_has_to_be_there(write_shard, tmp_path):
    write_shard("0.tar", {"a.mp4": b"x"})
    with pytest.raises(ValueError, match="no such tar shards: .*/1.tar, .*/2.tar"):
        find_shards(f"{tmp_path}/{{0..2}}.tar")


def test_a_source_is_known_as_shards_by_its_name_or_what_is_in_it(write_shard, tmp_path):
    path = write_shard("tars/0.tar", {"a.mp4": b"x"})
    assert are_shards(path) and are_shards(tmp_path / "tars") and are_shards("s-{0..3}.tar") and are_shards("*.tar")
    assert not are_shards(tmp_path) and not are_shards("videos") and not are_shards("list.csv")


@pytest.mark.parametrize(
    ("beside", "what"),
    [
        ("run/a.mp4", "videos (run/a.mp4)"),
        ("a.mp4", "videos (a.mp4)"),
        ("train/run/a.mp4", "videos (train/run/a.mp4)"),
        ("metadata.csv", "lists of videos (metadata.csv)"),
        ("val.txt", "lists of videos (val.txt)"),
        ("data/0.parquet", "a stored table"),
    ],
)
def test_tar_files_beside_other_videos_are_not_taken_for_the_data(write_shard, tmp_path, beside, what):
    write_shard("data/backup.tar", {"a.mp4": b"x"})
    (tmp_path / "data" / beside).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "data" / beside).touch()
    with pytest.raises(ValueError, match=re.escape(f"holds tar files (backup.tar) and {what}: move")):
        are_shards(tmp_path / "data")
    assert are_shards(f"{tmp_path}/data/*.tar")


def test_what_is_no_video_lies_beside_shards(write_shard, tmp_path):
    write_shard("data/0.tar", {"a.mp4": b"x"})
    for name in ("readme.txt", "index.json", "notes/thumbnail.jpg"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / name).touch()
    assert are_shards(tmp_path / "data")


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train/0", "train/1", "val/0"], {"train": ["train/0", "train/1"], "validation": ["val/0"]}),
        (["train-0", "train-1", "val_0"], {"train": ["train-0", "train-1"], "validation": ["val_0"]}),
        (
            ["train0", "validation0", "TEST-0"],
            {"train": ["train0"], "validation": ["validation0"], "test": ["TEST-0"]},
        ),
        (["0", "1"], {"train": ["0", "1"]}),
        (["train-0", "train-1"], {"train": ["train-0", "train-1"]}),
        (["val-0", "val-1"], {"train": ["val-0", "val-1"]}),
        (["trainer-0", "training-1", "valley-2"], {"train": ["trainer-0", "training-1", "valley-2"]}),
    ],
)
def test_shards_have_splits_by_folder_or_name(write_shard, tmp_path, names, splits):
    paths = {name: write_shard(f"data/{name}.tar", {"a.mp4": b"x"}) for name in names}
    wanted = {split: [paths[name] for name in found] for split, found in splits.items()}
    assert find_shard_splits(tmp_path / "data") == wanted and are_shards(tmp_path / "data")
    if not any("/" in name for name in names):
        assert find_shard_splits(f"{tmp_path}/data/*.tar") == wanted
    if len(splits) > 1:
        with pytest.raises(ValueError, match=f"has shards of {', '.join(splits)}, wanted those of one split"):
            find_shards(tmp_path / "data")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train-0", "val-0", "extra"], "extra.tar belong to no split, beside shards of train, validation"),
        (["train/0", "val-0"], "tar shards in train and beside them .val-0.tar.: move those away"),
        (["val/0", "valid/0"], "val and valid are both the validation split"),
    ],
)
def test_shards_whose_split_is_not_clear_raise(write_shard, tmp_path, names, message):
    for name in names:
        write_shard(f"data/{name}.tar", {"a.mp4": b"x"})
    with pytest.raises(ValueError, match=message):
        find_shard_splits(tmp_path / "data")


# ---- samples and labels ----


def test_samples_are_numbered_through_the_shards_and_give_their_bytes(write_shard):
    one = write_shard("1.tar", {"x/a.mp4": b"1st", "x/a.json": "{}", "x/b.webm": b"second"})
    empty = write_shard("2.tar", {})
    two = write_shard("3.tar", {"x/a.txt": "note", "x/a.seg.mp4": b"3"})
    shards = TarShards([one, empty, two], labels=False)
    names = [f"{one}/x/a.mp4", f"{one}/x/b.webm", f"{two}/x/a.seg.mp4"]
    assert [shards.name(i) for i in range(3)] == names
    assert rows_of(shards) == [
        {"video": {"path": name, "bytes": content}}
        for name, content in zip(names, (b"1st", b"second", b"3"), strict=True)
    ]
    assert (shards.num_shards, shards.num_samples, shards.class_names, shards.problems) == (3, 3, None, {})


@pytest.mark.parametrize(
    ("extension", "labels", "class_names", "given"),
    [
        ("cls", ["1", " 0\n", "2"], ["0", "1", "2"], None),
        ("cls", ["walk", "run", "walk"], ["run", "walk"], None),
        ("txt", ["to walk", "run", "run"], ["run", "to walk"], None),
        ("json", [json.dumps({"label": label}) for label in (1, 0, 1)], ["0", "1"], None),
        ("json", [json.dumps({"fps": 3, "class": label}) for label in ("b", "a", "c")], ["a", "b", "c"], None),
        ("cls", ["2", "0", "1"], ["run", "sit", "walk"], ["run", "sit", "walk"]),
        ("cls", ["2", "30", "2"], ["30", "sit", "2"], ["30", "sit", "2"]),
    ],
)
def test_labels_are_numbers_or_names(write_shard, extension, labels, class_names, given):
    members = {}
    for i, label in enumerate(labels):
        members |= {f"{i}.mp4": b"video", f"{i}.{extension}": label}
    shards = TarShards([write_shard("0.tar", members)], class_names=given)
    assert shards.class_names == class_names
    texts = [json.loads(label) if extension == "json" else label.strip() for label in labels]
    texts = [str(text.get("label", text.get("class"))) if isinstance(text, dict) else text for text in texts]
    positions = given is not None and set(texts) - set(given)
    wanted = [int(text) if positions else class_names.index(text) for text in texts]
    assert [row["label"] for row in rows_of(shards)] == wanted


@pytest.mark.parametrize(
    ("members", "given", "message"),
    [
        ({"a.mp4": b"x", "a.cls": "0", "b.mp4": b"x"}, None, "1 videos have no label .*/b.mp4: label '' is missing"),
        ({"a.mp4": b"x", "a.cls": "sit"}, ["run"], "/a.mp4: label 'sit'"),
        (
            {"a.mp4": b"x", "a.cls": "3"},
            ["run", "sit"],
            "among the 2 classes\n.*label '3' is out of range; the classes are 0 to 1",
        ),
        ({"a.mp4": b"x", "a.cls": "1", "b.mp4": b"x", "b.cls": "run"}, ["run", "sit"], "/a.mp4: label '1' is unknown"),
        ({"a.mp4": b"x", "a.cls": "0.5"}, None, "the labels are numbers .0.5., wanted classes"),
        ({"a.mp4": b"x", "a.json": '{"label": [1]}', "b.mp4": b"x", "b.cls": "c"}, None, "/a.mp4: label ''"),
        ({"a.mp4": b"x", "a.cls": "-1"}, ["run", "sit"], "label '-1'"),
        ({"a.mp4": b"x", "a.json": "{", "b.mp4": b"x", "b.json": '{"label": "c"}'}, None, "/a.mp4: label ''"),
        ({"a.mp4": b"x", "a.json": "[" * 9999, "b.mp4": b"x", "b.cls": "c"}, None, "/a.mp4: label ''"),
        ({"a.mp4": b"x", "a.cls": "c" * 99999, "b.mp4": b"x", "b.cls": "c"}, None, "/a.mp4: label ''"),
        (
            {"a.mp4": b"x", "a.cls": "999999999"},
            None,
            r"the largest label is 999999999, but 999999999 classes below it have no video: 0, 1, 2, 3, 4 …",
        ),
    ],
)
def test_labels_that_are_missing_unknown_or_out_of_range_raise(write_shard, members, given, message):
    shard = write_shard("0.tar", members)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        TarShards([shard], class_names=given)
    assert TarShards([shard], labels=False).class_names is None


def test_shards_without_a_video_raise(write_shard):
    with pytest.raises(ValueError, match="1 tar shards without a video"):
        TarShards([write_shard("0.tar", {})])


# ---- hostile and damaged shards ----


def test_links_devices_folders_and_hidden_files_are_passed_over(write_shard, tmp_path):
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    members = {
        "d": special("a.mp4", tarfile.DIRTYPE),
        "s": special("b.mp4", tarfile.SYMTYPE, linkname=str(secret)),
        "h": special("c.mp4", tarfile.LNKTYPE, linkname="../secret.mp4"),
        "f": special("d.mp4", tarfile.FIFOTYPE),
        "._e.mp4": b"resource fork",
        "../../outside.mp4": b"inside",
        "/etc/absolute.mp4": b"inside, too",
    }
    shards = TarShards([write_shard("shards/0.tar", members)], labels=False)
    assert [row["video"]["bytes"] for row in rows_of(shards)] == [b"inside", b"inside, too"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["0.tar", "secret.mp4", "shards"]


def test_names_in_an_unknown_encoding_can_be_told(write_shard):
    shards = TarShards([write_shard("0.tar", {"caf\udce9.mp4": b"x"})])
    assert shards.name(0).endswith("/caf\\udce9.mp4") and shards.row(0)["video"]["bytes"] == b"x"


def test_a_sample_without_a_video_or_with_two_is_a_problem(write_shard):
    shards = TarShards([write_shard("0.tar", {"a.cls": "1", "b.mp4": b"x", "b.avi": b"x"})], labels=False)
    assert list(shards.problems.values()) == [
        "0 videos among the members .cls, wanted one",
        "2 videos among the members .mp4, .avi, wanted one",
    ]


def test_a_member_that_claims_fifty_gigabytes_is_refused_by_name(write_shard, tmp_path):
    huge = special("huge.mp4", tarfile.REGTYPE, size=50 * 10**9)
    shard = write_shard("0.tar", {"a.mp4": b"x", "huge": huge})
    shards = TarShards([shard])
    name, problem = only_problem(shards)
    assert name == f"{shard}/huge" and "huge.mp4 claims 50000000000 bytes" in problem
    with pytest.raises(VideoDecodeError, match="0.tar/huge: huge.mp4 claims 50000000000 bytes"):
        shards.row(1)
    sparse = tmp_path / "sparse.tar"  # as many bytes as it claims, all of them holes
    with open(sparse, "wb") as file:
        file.write(huge.tobuf())
        file.truncate(512 + 50 * 10**9 + 10240 - 50 * 10**9 % 512)
    _, problem = only_problem(TarShards([str(sparse)]))
    assert "huge.mp4 has 50000000000 bytes, wanted at most 1073741824 (max_video_bytes)" in problem


def test_headers_that_claim_impossible_sizes_are_damage(write_shard, tmp_path):
    good = Path(write_shard("good.tar", {"g.mp4": b"x"})).read_bytes()
    for number, (kind, size) in enumerate([(tarfile.XHDTYPE, 10**10), (tarfile.GNUTYPE_LONGNAME, 10**10)]):
        path = tmp_path / f"{number}.tar"
        header = special("a.mp4", kind, size=size).tobuf(tarfile.GNU_FORMAT)
        path.write_bytes(good[:1024] + header + bytes(1024))
        name, problem = only_problem(TarShards([str(path)]))
        assert name == f"{path}/<after g>" and "a header claims 1000" in problem
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE):
        negative = bytearray(special("b.mp4", kind, size=0).tobuf(tarfile.GNU_FORMAT))
        negative[124:136] = b"\xff" * 10 + b"\xfc\x00"  # -1024: back to the header before, for ever
        negative[148:156] = b"%06o\0 " % sum(bytes(negative[:148]) + b" " * 8 + bytes(negative[156:]))
        path.write_bytes(good[:1024] + negative + bytes(2048))
        name, problem = only_problem(TarShards([str(path)]))
        assert name == f"{path}/<after g>" and "claims -1024 bytes" in problem


def test_a_shard_cut_short_anywhere_names_shard_and_member(write_shard, tmp_path):
    content = {f"{letter}.mp4": letter.encode() * 700 for letter in "abc"}
    whole = Path(write_shard("whole.tar", content)).read_bytes()
    cut = tmp_path / "cut.tar"
    for length in range(1, 3 * 1536 + 512, 64):
        cut.write_bytes(whole[:length])
        name, _ = only_problem(shards := TarShards([str(cut)]))
        complete = [row["video"]["bytes"] for row in map(shards.row, range(shards.num_samples - 1))]
        assert complete == list(content.values())[: len(complete)]
        ends = [512 + 1536 * i + 700 for i in range(3)]  # of the bytes of the videos
        assert len(complete) == sum(end <= length for end in ends), length
        number, inside = divmod(length, 1536)
        wanted = "abc"[number] if inside >= 512 and number < 3 and inside < 1212 else None
        before = "abc"[len(complete) - 1] if complete else None
        place = wanted or (f"<after {before}>" if before else "<at its beginning>")
        assert name == f"{cut}/{place}", length


def test_damage_in_the_middle_is_not_the_end_of_a_shard(write_shard, tmp_path):
    whole = bytearray(Path(write_shard("whole.tar", {f"{i}.mp4": b"x" for i in range(4)})).read_bytes())
    whole[2 * 1024 : 2 * 1024 + 8] = b"garbage!"
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(whole)
    shards = TarShards([str(damaged)])
    assert shards.num_samples == 3
    assert only_problem(shards) == (
        f"{damaged}/<after 1>",
        f"the shard is damaged or cut short after 1: neither a header nor the end mark at byte 2048 of {len(whole)}",
    )


def test_a_compressed_shard_is_no_shard(tmp_path):
    with tarfile.open(tmp_path / "0.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.mp4"))
    _, problem = only_problem(TarShards(tmp_path))
    assert "at its beginning" in problem


def test_a_shard_that_shrinks_after_it_was_indexed_is_noticed(write_shard):
    path = write_shard("0.tar", {"a.mp4": b"x" * 600})
    shards = TarShards([path])
    with open(path, "r+b") as file:
        file.truncate(800)
    with pytest.raises(VideoDecodeError, match="a.mp4: the shard became shorter"):
        shards.row(0)
