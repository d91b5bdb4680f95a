from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dativo_ingest.adapters import guard
from dativo_ingest.adapters.guard import OneThread
from dativo_ingest.exceptions import PluginError
from dativo_ingest.model import PluginRef

REF = PluginRef(path="slow.py", name="Slow", kind="python")


@pytest.fixture
def busy(monkeypatch):
    """A plugin's thread, an event that is set once the plugin is busy, and one that lets it go on."""
    monkeypatch.setattr(guard, "PATIENCE_SECONDS", 0.1)
    inside, go_on = threading.Event(), threading.Event()
    yield OneThread(REF), inside, go_on
    go_on.set()


def _closed(error: BaseException | None) -> bool:
    return isinstance(error, PluginError) and error.error_code == "CANCELLED"


def test_who_waits_for_rows_of_a_plugin_that_is_closed_is_told_and_sees_no_end_of_the_rows(busy):
    thread, inside, go_on = busy

    def rows():
        inside.set()
        go_on.wait()
        yield 1

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: list(thread.iterate("read", rows)))
        inside.wait()
        thread.close(lambda: None)
        assert _closed(reading.exception(timeout=10))


def test_who_waits_for_an_answer_of_a_plugin_that_is_closed_is_told(busy):
    thread, inside, go_on = busy
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(thread.call, "write", lambda: (inside.set(), go_on.wait()))
        inside.wait()
        thread.close(lambda: None)
        assert _closed(answer.exception(timeout=10))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "ask", [lambda thread: thread.call("abort", list), lambda thread: next(thread.iterate("read", lambda: iter([1])))]
)
def test_a_plugin_that_is_closed_is_asked_nothing_more(ask):
    thread = OneThread(REF)
    thread.close(lambda: None)
    with pytest.raises(PluginError) as caught:
        ask(thread)
    assert _closed(caught.value)
