# Copyright 2026 The videomae authors. Licensed under the Apache License, Version 2.0.
import json
import os

import pytest

from videomae.files import replacing, write_json


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "notes.txt"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert temporary.suffix == ".txt" and not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["notes.txt"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_json(tmp_path / "new.json", {})
    assert os.stat(tmp_path / "new.json").st_mode == os.stat(tmp_path / "plain").st_mode


def test_json_is_readable_and_keeps_its_letters(tmp_path):
    path = write_json(tmp_path / "new.json", {"label": "naïve"})
    assert "naïve" in path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == {"label": "naïve"}
