from __future__ import annotations

import json
import threading

import pytest

from dativo_ingest.exceptions import ConfigurationError
from dativo_ingest.validator import IncrementalStateManager as States


def test_there_is_no_state_before_the_first_write(tmp_path):
    assert States.read_state(tmp_path / "none.json") == {}


def test_what_was_written_is_read_and_folders_are_made(tmp_path):
    path = tmp_path / "acme" / "csv.people.state.json"
    States.write_state(path, {"orders.updated_at": {"last_value": "2024-01-01"}})
    assert States.read_state(str(path)) == {"orders.updated_at": {"last_value": "2024-01-01"}}
    assert path.read_text() == json.dumps({"orders.updated_at": {"last_value": "2024-01-01"}}, indent=2)


def test_a_file_that_did_not_change_is_skipped(tmp_path):
    path = tmp_path / "s.json"
    assert not States.should_skip_file("a", "2024-01-02T00:00:00", path)
    States.update_file_state("a", "2024-01-02T00:00:00", path)
    States.update_file_state("b", "2024-01-09T00:00:00", path)
    assert States.should_skip_file("a", "2024-01-02T00:00:00", path)
    assert States.should_skip_file("a", "2024-01-01T00:00:00", path)
    assert not States.should_skip_file("a", "2024-01-03T00:00:00", path)
    assert not States.should_skip_file("a", "2024-01-02T00:00:00", path, 1)
    assert json.loads(path.read_text())["file_a"] == {"last_modified": "2024-01-02T00:00:00", "file_id": "a"}


def test_spreadsheets_have_keys_of_their_own(tmp_path):
    path = tmp_path / "s.json"
    States.update_spreadsheet_state("x", "2024-01-02", path)
    assert States.should_skip_spreadsheet("x", "2024-01-02", path)
    assert not States.should_skip_file("x", "2024-01-02", path)
    assert States.read_state(path) == {"spreadsheet_x": {"last_modified": "2024-01-02", "spreadsheet_id": "x"}}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"a": 1}{'])
def test_a_broken_state_is_an_error_and_not_empty(tmp_path, content):
    path = tmp_path / "s.json"
    path.write_bytes(content)
    for use in (lambda: States.read_state(path), lambda: States.update_file_state("a", "t", path)):
        with pytest.raises(ConfigurationError) as caught:
            use()
        assert caught.value.error_code == "STATE_CORRUPT"
        assert str(path) in caught.value.message
    assert path.read_bytes() == content


def test_a_write_that_fails_leaves_the_last_state(tmp_path):
    path = tmp_path / "s.json"
    States.write_state(path, {"a": 1})
    with pytest.raises(TypeError):
        States.write_state(path, {"a": 2, "b": object()})
    assert States.read_state(path) == {"a": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == [".s.json.lock", "s.json"]


def test_two_writers_lose_nothing_of_each_other(tmp_path):
    path = tmp_path / "s.json"

    def write(name):
        for i in range(20):
            States.update_file_state(f"{name}{i}", "t", path)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(States.read_state(path)) == 60
