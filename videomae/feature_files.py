# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Features of a video as a file, with what is known about them as JSON beside it.

| file           | in it                                                                              |
|----------------|------------------------------------------------------------------------------------|
| `.npy`         | the features (R, …)                                                                |
| `.safetensors` | "features" (R, …), "seconds" (R, 2) float64: begin and end, NaN where unknown      |
| `.parquet`     | a line each row: "start" and "end" in seconds, null where unknown; "features", flat |

Rows are written as they come: memory does not grow with a video. The file appears whole or not at all, and the JSON
after it: where that is, the features are complete.
"""

import json
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from safetensors.numpy import load_file

from .files import replacing, write_json

FORMATS = ("npy", "safetensors", "parquet")
PART_BYTES = 8 * 2**20  # of a parquet row group; smaller ones are slower to read

Append = Callable[[np.ndarray], None]  # the next rows (k, …)

_TENSOR_TYPES = {"float16": "F16", "float32": "F32", "float64": "F64"}  # as safetensors names them


def metadata_path(path: Path) -> Path:
    """The JSON beside a file of features: `clip.npy.json` of `clip.npy`."""
    return path.with_name(f"{path.name}.json")


@contextmanager
def writing(path: Path, shape: tuple[int, ...], dtype: str, seconds: np.ndarray | None) -> Iterator[Append]:
    """What to call with the rows of a new file of features, in their order; an error leaves no file.

    Args:
        path: its ending is one of `FORMATS`.
        shape: of all features, (R, …).
        seconds: (R, 2), of the rows; None where unknown.
    """
    write = {".npy": _writing_npy, ".safetensors": _writing_safetensors, ".parquet": _writing_parquet}[path.suffix]
    metadata_path(path).unlink(missing_ok=True)  # of another file that this one replaces
    with replacing(path) as temporary, write(temporary, shape, np.dtype(dtype), seconds) as append:
        yield append


def write_metadata(path: Path, metadata: dict) -> None:
    """The JSON of a file of features, which is now complete. Adds how large the file is."""
    write_json(metadata_path(path), metadata | {"bytes": path.stat().st_size})


def read_metadata(path: Path) -> dict | None:
    """The JSON of a file of features, or None where the file is not complete."""
    try:
        metadata = json.loads(metadata_path(path).read_text(encoding="utf-8"))
        complete = metadata["bytes"] == path.stat().st_size
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None
    return metadata if complete else None


def read_features(path: str | Path) -> tuple[np.ndarray, dict]:
    """The features (R, …) of a file that `videomae extract` wrote, and their metadata.

    Raises:
        ValueError: another kind of file, or one that is not complete.
    """
    path = Path(path)
    if path.suffix.removeprefix(".") not in FORMATS:
        raise ValueError(f"{path}: wanted a file of features ({', '.join(FORMATS)})")
    metadata = read_metadata(path)
    if metadata is None:
        raise ValueError(f"{path}: no complete features with their {metadata_path(path).name} beside them")
    if path.suffix == ".npy":
        return np.load(path), metadata
    if path.suffix == ".safetensors":
        return load_file(path)["features"], metadata
    column = pyarrow.parquet.read_table(path, columns=["features"])["features"].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(metadata["shape"]), metadata


# ---- the formats ----


@contextmanager
def _writing_npy(path: Path, shape: tuple[int, ...], dtype: np.dtype, seconds) -> Iterator[Append]:
    with open(path, "wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield lambda rows: file.write(np.ascontiguousarray(rows, dtype).data)


@contextmanager
def _writing_safetensors(path: Path, shape: tuple[int, ...], dtype: np.dtype, seconds) -> Iterator[Append]:
    """Eight bytes that say how long the header is, the header as JSON, and the tensors in its order, little-endian."""
    if seconds is None:
        seconds = np.full((shape[0], 2), np.nan)
    header, offset = {}, 0
    for name, tensor_shape, tensor_type in (("seconds", seconds.shape, seconds.dtype), ("features", shape, dtype)):
        size = math.prod(tensor_shape) * tensor_type.itemsize
        code = _TENSOR_TYPES[tensor_type.name]
        header[name] = {"dtype": code, "shape": list(tensor_shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at multiples of their type's size
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(np.ascontiguousarray(seconds).data)
        yield lambda rows: file.write(np.ascontiguousarray(rows, dtype).data)


@contextmanager
def _writing_parquet(path: Path, shape: tuple[int, ...], dtype: np.dtype, seconds) -> Iterator[Append]:
    width = math.prod(shape[1:])
    features = pa.list_(pa.from_numpy_dtype(dtype), width)
    schema = pa.schema([("start", pa.float64()), ("end", pa.float64()), ("features", features)])
    held: list[np.ndarray] = []
    written = 0

    def write_held() -> None:
        nonlocal written
        rows = np.concatenate(held).reshape(-1, width)
        held.clear()
        part = slice(written, written + len(rows))
        times = [pa.nulls(len(rows), pa.float64())] * 2 if seconds is None else map(pa.array, seconds[part].T)
        values = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), type=features)
        file.write_table(pa.Table.from_arrays([*times, values], schema=schema))
        written += len(rows)

    def append(rows: np.ndarray) -> None:
        held.append(np.asarray(rows, dtype))
        if sum(each.nbytes for each in held) >= PART_BYTES:
            write_held()

    with pyarrow.parquet.ParquetWriter(path, schema) as file:
        yield append
        if held:
            write_held()


__all__ = ["FORMATS", "metadata_path", "read_features", "read_metadata", "write_metadata", "writing"]
