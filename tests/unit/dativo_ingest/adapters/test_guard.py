from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dativo_ingest.adapters import guard
from dativo_ingest.adapters.guard import OneThread, guarded
from dativo_ingest.exceptions import ConfigurationError, PluginError, RateLimitError
from dativo_ingest.model import PluginRef

REF = PluginRef(path="slow.py", name="Slow", kind="python")


def _raised(error, *of):
    with pytest.raises(type(error)) as caught, guarded(REF, *of):
        raise error
    return caught.value


def test_an_error_of_ours_names_the_plugin_that_raised_it_and_is_else_as_it_was():
    told = _raised(RateLimitError("slow down", "SLOW", {"page": 3}, 7.0), "open", "orders")
    assert told.message == "plugin slow.py:Slow: open of stream 'orders': slow down"
    assert str(told) == f"RateLimitError(SLOW): {told.message}"
    assert (told.details, told.retryable, told.retry_after) == ({"page": 3, "retry_after": 7.0}, True, 7.0)


def test_what_names_the_plugin_already_does_not_name_it_twice():
    told = _raised(_raised(ConfigurationError("no key"), "open"), "read of stream 'orders'", "orders")
    assert told.message == "plugin slow.py:Slow: open: no key"


def test_a_message_that_is_no_text_is_named_too():
    told = _raised(ConfigurationError(KeyError("key")), "read of stream 'orders'", "orders")
    assert told.message == "plugin slow.py:Slow: read of stream 'orders': 'key'"


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
