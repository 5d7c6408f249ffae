# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Files of features: what is written in parts is read back as a whole, by us and by the formats' own libraries."""

import json

import numpy as np
import pyarrow.parquet
import pytest
from safetensors.numpy import load_file

from videomae import feature_files
from videomae.feature_files import FORMATS, metadata_path, read_features, read_metadata, write_metadata, writing

SHAPES = {"mean": (7, 5), "tubelets": (7, 2, 5), "tokens": (7, 2, 3, 4, 5)}


def features_of(shape, dtype="float32"):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def write(path, features, seconds=None, parts=(2, 0, 4, 1)):
    with writing(path, features.shape, features.dtype.name, seconds) as append:
        for rows in np.split(features, np.cumsum(parts)[:-1]):
            append(rows)
    write_metadata(path, {"shape": list(features.shape), "layer": 3})
    return path


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_written_in_parts_is_read_as_a_whole(tmp_path, kind, shape, dtype):
    features = features_of(shape, dtype)
    found, metadata = read_features(write(tmp_path / f"clip.{kind}", features))
    assert found.dtype == features.dtype and np.array_equal(found, features)
    assert metadata["layer"] == 3


def test_other_libraries_read_them(tmp_path):
    features, seconds = features_of((7, 2, 5)), np.arange(14.0).reshape(7, 2)
    assert np.array_equal(np.load(write(tmp_path / "clip.npy", features, seconds)), features)
    tensors = load_file(write(tmp_path / "clip.safetensors", features, seconds))
    assert np.array_equal(tensors["features"], features) and np.array_equal(tensors["seconds"], seconds)
    table = pyarrow.parquet.read_table(write(tmp_path / "clip.parquet", features, seconds)).to_pydict()
    assert table["start"] == seconds[:, 0].tolist() and table["end"] == seconds[:, 1].tolist()
    assert np.array_equal(np.array(table["features"], "float32"), features.reshape(7, 10))


def test_unknown_times_are_nothing(tmp_path):
    tensors = load_file(write(tmp_path / "clip.safetensors", features_of((7, 5))))
    assert np.isnan(tensors["seconds"]).all() and tensors["seconds"].shape == (7, 2)
    table = pyarrow.parquet.read_table(write(tmp_path / "clip.parquet", features_of((7, 5)))).to_pydict()
    assert table["start"] == table["end"] == [None] * 7


def test_parquet_is_written_group_by_group(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_files, "PART_BYTES", 2 * 5 * 4)  # of two rows
    features, seconds = features_of((7, 5)), np.arange(14.0).reshape(7, 2)
    path = write(tmp_path / "clip.parquet", features, seconds, parts=(1, 1, 3, 2))
    assert pyarrow.parquet.ParquetFile(path).num_row_groups == 3
    assert np.array_equal(read_features(path)[0], features)
    assert pyarrow.parquet.read_table(path)["end"].to_pylist() == seconds[:, 1].tolist()


@pytest.mark.parametrize("kind", FORMATS)
def test_an_error_leaves_no_file(tmp_path, kind):
    path = tmp_path / f"clip.{kind}"
    with pytest.raises(KeyboardInterrupt), writing(path, (7, 5), "float32", None) as append:
        append(features_of((3, 5)))
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", FORMATS)
def test_features_are_complete_when_their_metadata_are_there(tmp_path, kind):
    path = tmp_path / f"clip.{kind}"
    assert read_metadata(path) is None
    write(path, features_of((7, 5)))
    assert read_metadata(path)["shape"] == [7, 5]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert read_metadata(path) is None
    with pytest.raises(ValueError, match=f"clip.{kind}: no complete features with their clip.{kind}.json beside"):
        read_features(path)
    path.write_bytes(whole)
    metadata_path(path).write_text(metadata_path(path).read_text()[:-5])
    assert read_metadata(path) is None


def test_metadata_of_a_file_that_is_replaced_go_first(tmp_path):
    path = write(tmp_path / "clip.npy", features_of((7, 5)))
    with writing(path, (7, 5), "float32", None) as append:
        append(features_of((7, 5)))
        assert not metadata_path(path).exists()
    assert read_metadata(path) is None


def test_formats_lie_beside_each_other(tmp_path):
    for kind in FORMATS:
        write(tmp_path / f"clip.{kind}", features_of((7, 5)))
    assert all(read_metadata(tmp_path / f"clip.{kind}") for kind in FORMATS)
    assert json.loads((tmp_path / "clip.npy.json").read_text())["bytes"] == (tmp_path / "clip.npy").stat().st_size


def test_another_kind_of_file_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="clip.txt: wanted a file of features"):
        read_features(tmp_path / "clip.txt")
