"""Which files are new: told by size and time, and remembered past files that are gone."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.state.files import SeenFile, advance, fingerprint, select

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def seen(name, size=1, modified=NOON, version="v"):
    return SeenFile(id=name, size=size, modified=modified, version=version)


def test_without_a_cursor_every_file_is_new():
    assert select([seen("a"), seen("b")], None) == [seen("a"), seen("b")]


def test_a_cursor_has_the_shape_that_is_written_down():
    assert advance([seen("a")], None).value == {
        "files": {"a": {"last_modified": "2026-01-02T12:00:00+00:00", "size": 1}}
    }


@pytest.mark.parametrize(
    ("now", "new"),
    [
        (seen("a"), False),
        (seen("a", version="another"), False),
        (seen("a", size=2), True),
        (seen("a", modified=NOON + timedelta(microseconds=1)), True),
        (seen("a", modified=NOON - timedelta(days=1)), True),
        (seen("b"), True),
    ],
)
def test_a_file_is_new_when_size_or_time_differ(now, new):
    assert select([now], advance([seen("a")], None)) == ([now] if new else [])


def test_files_that_are_gone_stay_known():
    after = advance([seen("b")], advance([seen("a")], None))
    assert select([seen("a"), seen("b"), seen("c")], after) == [seen("c")]


names = st.lists(st.builds(seen, st.text(max_size=3), st.integers(0, 3)), max_size=6, unique_by=lambda f: f.id)


@given(names)
def test_nothing_is_new_after_its_commit(files):
    assert select(files, advance(files, None)) == []


@given(names, st.randoms())
def test_a_fingerprint_names_the_content_in_any_order(files, random):
    shuffled = list(files)
    random.shuffle(shuffled)
    assert fingerprint(shuffled) == fingerprint(files)


@given(names, names)
def test_other_files_have_another_fingerprint(some, others):
    facts = [{(f.id, f.size, f.version) for f in files} for files in (some, others)]
    assert (fingerprint(some) == fingerprint(others)) == (facts[0] == facts[1])
