# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
"""Rows of a data set that `datasets` streams, shard by shard: one after the other, none of them decoded."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import datasets

from .labels import class_numbers, label_complaint, label_text
from .remote import fetch, is_remote
from .shards import MOST_VIDEO_BYTES
from .tables import LABEL_COLUMNS, PATH_COLUMNS
from .video import VIDEO_EXTENSIONS, VideoDecodeError

MOST_LANES = 16
ROWS_OF_A_SHARD = 1 << 32  # more than there are: shard * this + row numbers a row

Load = Callable[[], dict[str, Any]]


class StreamedRows:
    """The rows of a data set that `datasets` streams, from the Hub or anywhere; a source for `streaming.VideoStream`.

    Rows can only be read one after the other: a resumed run reads, without decoding, what its lanes gave before.

    Args:
        stream: as from `load_dataset(…, streaming=True)`, neither shuffled nor split by node: `VideoStream` does both.
            It has a column of type `Video`, or one called as in `PATH_COLUMNS` or after a video format (mp4). Videos
            whose bytes are not in the rows are fetched when they are needed (`remote.fetch`).
        batch_size: clips of one device in one forward pass. Batches take turns through the lanes.
        labels: False leaves labels, and what could be wrong with them, out.
        class_names: the classes in their order, which labels name (`labels`); default: those of a `ClassLabel`
            column.
        num_samples: default: what the data set's card says, if it does.
        lanes: default: a power of two, at most `MOST_LANES`, that deals the shards out evenly: each worker reads no
            more than its share where processes x workers divide it. The order depends on it. A lane whose shards
            hold fewer samples than others' begins again before the epoch ends.

    Raises:
        ValueError: columns that are not there or not clear, labels without class names, more lanes than shards.
    """

    default_window = 256  # samples, all of them in memory

    def __init__(
        self,
        stream: datasets.IterableDataset,
        *,
        batch_size: int,
        labels: bool = True,
        class_names: Sequence[str] | None = None,
        num_samples: int | None = None,
        lanes: int | None = None,
    ):
        self.problems: dict[int, str] = {}
        self.batch_size = batch_size
        self.num_shards = stream.num_shards
        self.lanes = _even_lanes(self.num_shards) if lanes is None else lanes
        if not 1 <= self.lanes <= self.num_shards:
            raise ValueError(f"lanes is {lanes}, wanted 1 to {self.num_shards}, the number of shards")
        self.num_samples = _known_samples(stream) if num_samples is None else num_samples
        if stream.features is None:
            raise ValueError("the stream's columns are not known: load it with features=")
        self._video = _video_column(stream.features)
        self._stream = _undecoded(stream, self._video)
        self._label = _label_column(stream.features) if labels else None
        self.class_names = None
        if self._label is not None:
            self._label_names = getattr(stream.features[self._label], "names", None)
            self.class_names = list(class_names or self._label_names or [])
            if not self.class_names:
                raise ValueError(f"the column {self._label!r} does not name its classes: class_names is wanted")

    def name(self, sample: int) -> str:
        """Shard and row: names of files are known to those who read them only."""
        shard, row = divmod(sample, ROWS_OF_A_SHARD)
        return f"shard {shard} of {self.num_shards}, row {row}"

    def lane(self, shards: Sequence[int], window: int) -> "_RowLane":
        return _RowLane(lambda: self._samples(shards), window)

    def _samples(self, shards: Sequence[int]) -> Iterator[tuple[int, Load]]:
        for shard in shards:
            part = self._stream.shard(num_shards=self.num_shards, index=shard)
            # `iter` and not `__iter__`, which shares the shards out among the workers of a DataLoader
            for i, batch in enumerate(part.iter(batch_size=1)):
                number = shard * ROWS_OF_A_SHARD + i
                yield number, partial(self._row, number, {column: values[0] for column, values in batch.items()})

    def _row(self, number: int, columns: dict[str, Any]) -> dict[str, Any]:
        video = columns[self._video]
        if video is None:
            raise VideoDecodeError(self.name(number), "no video in this row")
        video = _fetched(video)
        if isinstance(video, dict) and not video["path"]:
            video = video | {"path": self.name(number)}
        return {"video": video} if self._label is None else {"video": video, "label": self._class_of(number, columns)}

    def _class_of(self, number: int, columns: dict[str, Any]) -> int:
        label = columns[self._label]
        if self._label_names is None:
            text = label_text(label)
        else:
            names = {None: "", -1: ""} | dict(enumerate(self._label_names))
            text = names.get(label, str(label))
        known = class_numbers([text], self.class_names)
        if text not in known:
            raise ValueError(f"{self.name(number)}: {label_complaint(text, self.class_names)}")
        return known[text]


def _fetched(video: Any) -> Any:
    """The video of a row; of one that lies elsewhere, as in a data set of plain files, its bytes."""
    path, content = (video["path"], video["bytes"]) if isinstance(video, dict) else (video, None)
    if content is not None or not (isinstance(path, str) and is_remote(path)):
        return video
    return {"path": path, "bytes": fetch(path, MOST_VIDEO_BYTES)}


class _RowLane:
    def __init__(self, samples: Callable[[], Iterator[tuple[int, Load]]], window: int):
        self._samples, self._size = samples, window
        self._rewind()

    def _rewind(self) -> None:
        self._iterator, self._first, self._window = self._samples(), 0, []

    def window_at(self, position: int) -> tuple[int, list[tuple[int, Load]]]:
        if position < self._first:
            self._rewind()
        while position >= self._first + len(self._window):
            self._advance()
        return self._first, self._window

    def _advance(self) -> None:
        self._first += len(self._window)
        self._window = list(islice(self._iterator, self._size))
        if not self._window:
            self._iterator = self._samples()
            self._window = list(islice(self._iterator, self._size))
        if not self._window:
            raise ValueError("shards of the stream without a row: a lane of it is empty; lower the number of lanes")


def _even_lanes(num_shards: int) -> int:
    """The most lanes, of 16, 8, 4, 2 and 1, that get equally many shards or differ by no more than an eighth."""
    lanes = MOST_LANES
    while num_shards % lanes and num_shards < 8 * lanes:
        lanes //= 2
    return lanes


def _known_samples(stream: datasets.IterableDataset) -> int | None:
    split = (stream.info.splits or {}).get(str(stream.split))
    return split.num_examples or None if split is not None else None


def _video_column(features: datasets.Features) -> str:
    typed = [name for name, feature in features.items() if isinstance(feature, datasets.Video)]
    named = [name for name in features if name in PATH_COLUMNS or f".{name.rsplit('.', 1)[-1]}" in VIDEO_EXTENSIONS]
    found = typed or named
    if len(found) != 1:
        raise ValueError(f"the columns {', '.join(features)}: {len(found)} of them hold videos, wanted one")
    return found[0]


def _undecoded(stream: datasets.IterableDataset, column: str) -> datasets.IterableDataset:
    """Frames are read by `open_video`, and only those of a clip."""
    if not isinstance(stream.features[column], datasets.Video):
        return stream
    return stream.cast_column(column, datasets.Video(decode=False))


def _label_column(features: datasets.Features) -> str | None:
    typed = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    named = [name for name in features if name in (*LABEL_COLUMNS, "cls")]
    found = typed or named
    if len(found) > 1:
        raise ValueError(f"the columns {', '.join(found)} are all labels, wanted one: remove the others")
    return found[0] if found else None
