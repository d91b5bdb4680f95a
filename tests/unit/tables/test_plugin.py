from __future__ import annotations

import pytest

from dativo_dagster.tables.plugin import Config, Table
from dativo_ingest.exceptions import ConfigurationError, PluginError
from tests.fakes.lake import KEY, ROWS, batch, put, spec, stage, token
from tests.fakes.plugins import Recorder


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def table(recorder, tmp_path):
    def made() -> Table:
        return Table(Config(path=str(tmp_path / "out")), spec(plugin=recorder.opened))

    return made


def test_rows_go_to_the_writer_and_its_commit_is_called_once(table, recorder):
    snapshot = put(table(), table().spec, ROWS, token("a"), cursor=7)
    assert [row["id"] for row in recorder.written] == [1, 2, 3]
    assert recorder.committed == [(token("a"), 1)]
    assert (snapshot.rows, snapshot.fresh) == (3, True)
    assert table().state(KEY).cursor.value == {"at": 7}


def test_a_token_that_was_committed_is_not_committed_again(table, recorder):
    staged = stage(table(), table().spec, ROWS, token("a"))
    assert table().commit(staged).fresh
    assert not table().commit(staged).fresh
    assert len(recorder.committed) == 1
    assert table().committed(token("a")).rows == 3


def test_the_writer_that_wrote_is_the_one_that_commits_and_is_closed_then(table, recorder):
    staged = stage(table(), table().spec, ROWS, token("a"))
    assert recorder.open == 1, "it stays open between the two steps"
    table().commit(staged)
    assert recorder.open == 0


def test_a_writer_that_failed_is_closed(table, recorder):
    writer = table().writer(token("a"))
    writer.close(failed=True)
    assert recorder.open == 0


def test_an_attempt_that_is_repeated_closes_the_first_writer(table, recorder):
    table().writer(token("a"))
    writer = table().writer(token("a"))
    assert recorder.open == 1
    writer.close(failed=True)


def test_a_commit_that_the_writer_refuses_is_not_in_the_ledger(table, recorder):
    staged = stage(table(), table().spec, ROWS, token("a"))
    recorder.refuse = PluginError("no")
    with pytest.raises(PluginError):
        table().commit(staged)
    assert table().committed(token("a")) is None
    recorder.refuse = None
    assert table().commit(staged).fresh, "the step may run again"


def test_a_window_without_rows_is_noted_and_the_writer_is_not_asked_to_commit(table, recorder):
    put(table(), table().spec, [], token("a"), cursor=1)
    assert recorder.committed == []
    assert table().state(KEY).cursor.value == {"at": 1}


def test_aborted_files_are_the_writers_to_remove(table, recorder):
    writer = table().writer(token("a"))
    writer.abort(writer.write([batch(table().spec, ROWS)], "unit"))
    writer.close(failed=True)
    assert len(recorder.aborted) == 1


def test_the_check_is_the_writers(table, recorder):
    assert table().check().passed
    assert recorder.open == 0


@pytest.mark.parametrize("mode", ["overwrite", "overwrite_partitions"])
def test_a_writer_that_commits_by_itself_only_appends(recorder, mode):
    with pytest.raises(ConfigurationError, match="only appends") as caught:
        Table(Config(), spec(plugin=recorder.opened, mode=mode))
    assert caught.value.error_code == "PLUGIN_MODE"


def test_a_writer_that_wrote_nothing_is_closed_because_nobody_may_come_to_commit(table, recorder):
    writer = table().writer(token("a"))
    assert writer.write(iter(()), "unit") == []
    writer.close(failed=False)
    assert recorder.open == 0


@pytest.mark.parametrize(("retryable", "still_open"), [(True, 1), (False, 0)])
def test_a_writer_whose_commit_failed_stays_open_only_for_another_try(table, recorder, retryable, still_open):
    staged = stage(table(), table().spec, ROWS, token("r" if retryable else "f"))
    recorder.refuse = PluginError("no", retryable=retryable)
    with pytest.raises(PluginError):
        table().commit(staged)
    assert recorder.open == still_open
    recorder.refuse = None
    table().commit(staged)
    assert recorder.open == 0
