from __future__ import annotations

import io
import json
import logging
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster import telemetry
from dativo_dagster.owner import running
from dativo_dagster.telemetry import MASK, Redactor, configure_logging, event, one_command, secrets_in, warn_once

CANARY = "canary-7f3a-hunter2"
log = logging.getLogger("dativo_dagster.test")


def logged(act, **options) -> list[dict]:
    stream = io.StringIO()
    configure_logging(stream=stream, **options)
    act()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_kept_fields_and_the_place_of_the_call():
    [line] = logged(lambda: event(log, "job_started", "job orders", tenant_id="acme"))
    assert line["event_type"] == "job_started"
    assert line["tenant_id"] == "acme"
    assert line["message"] == "job orders"
    assert line["level"] == "INFO"
    assert line["module"] == "test_telemetry"
    assert line["function"] == "<lambda>"
    assert line["line"] > 0
    assert line["timestamp"].endswith("+00:00")


def test_extra_fields_of_a_plain_logging_call_are_not_dropped():
    [line] = logged(lambda: log.info("done", extra={"rows": 3, "files": ["a"], "cursor": {"x": None}}))
    assert (line["rows"], line["files"], line["cursor"]) == (3, ["a"], {"x": None})


def test_a_field_may_have_the_name_of_a_logging_attribute():
    [line] = logged(lambda: event(log, "check_complete", "checked", name="n", args=1, msg="m", module="x"))
    assert (line["name"], line["args"], line["msg"], line["module_"]) == ("n", 1, "m", "x")
    assert line["module"] == "test_telemetry"


def test_the_level_is_heeded_and_a_second_call_replaces_the_first():
    lost = io.StringIO()
    configure_logging(stream=lost)
    lines = logged(lambda: (log.info("quiet"), log.warning("loud")), level="WARNING")
    assert [x["message"] for x in lines] == ["loud"]
    assert lost.getvalue() == ""


def test_an_exception_is_one_line_with_its_traceback():
    def act():
        try:
            int(CANARY)
        except ValueError:
            log.exception("it broke")

    [line] = logged(act, secrets=[CANARY])
    assert "ValueError" in line["exception"]
    assert CANARY not in json.dumps(line)


@pytest.mark.parametrize(
    "text",
    [
        f"password={CANARY}",
        f"password = '{CANARY} with blanks'",
        f'{{"db_password": "{CANARY} \\" {CANARY}"}}',
        f"API-KEY: {CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"aws_secret_access_key={CANARY}&x=1",
        f"refused postgresql://reader:{CANARY}@db:5432/shop",
        f"refused postgresql://reader:{CANARY}@@/{CANARY}@db:5432/shop",
    ],
)
def test_redaction_keeps_the_key_and_hides_the_value(text):
    shown = Redactor(patterns=True).text(text)
    assert CANARY not in shown
    assert MASK in shown
    assert text.split("=")[0].split(":")[0] in shown


@pytest.mark.parametrize(
    "text", ["1,000 rows read", "internationalisation20", "orders 2024-01-01T00:00:00Z s3://lake/x"]
)
def test_redaction_leaves_innocent_text_alone(text):
    assert Redactor(["hunter2secret"], patterns=True).text(text) == text


def test_redaction_hides_the_values_of_secret_keys_at_any_depth():
    shown = Redactor(patterns=True).value(
        {"source": [{"api_key": CANARY, "path": "x"}], "client_secret": {"a": CANARY}}
    )
    assert shown == {"source": [{"api_key": MASK, "path": "x"}], "client_secret": MASK}


def test_loaded_secrets_are_hidden_even_without_redaction():
    [line] = logged(lambda: event(log, "job_error", f"got {CANARY}!", url=f"http://h/{CANARY}"), secrets=[CANARY])
    assert CANARY not in json.dumps(line)
    assert line["message"] == f"got {MASK}!"


def test_a_warning_of_somebody_elses_logger_is_a_line_without_secrets():
    # A plugin in `place: local` has its own loggers, and Python prints their warnings when nobody else does.
    other = logging.getLogger("plugin_of_somebody")
    [line] = logged(lambda: other.warning("sent %s", CANARY), secrets=[CANARY])
    assert line["message"] == f"sent {MASK}"


def test_a_secret_is_hidden_by_line_and_percent_encoded():
    redactor = Redactor(["line-one-of-key\nline-two-of-key", "p@ss/word"])
    assert redactor.text("x line-two-of-key y") == f"x {MASK} y"
    assert redactor.text("s3://k:p%40ss%2Fword@h") == f"s3://k:{MASK}@h"


def test_a_short_secret_is_hidden_only_where_it_stands_alone():
    redactor = Redactor(["test", "ab"])
    assert redactor.text("the latest test of ab") == f"the latest {MASK} of ab"


@given(st.text(min_size=8).filter(lambda s: len(s.strip()) >= 8), st.text(), st.text())
def test_no_text_around_a_secret_lets_it_through(secret, before, after):
    shown = Redactor([secret]).value({"x": [before + secret + after]})
    assert secret not in shown["x"][0] or secret in before + MASK + after


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_a_value_without_secrets_is_shown_as_it_is(value):
    assert Redactor().value(value) == value


def test_plain_lines_are_for_people():
    stream = io.StringIO()
    configure_logging("WARNING", stream=stream, plain=True, secrets=[CANARY])
    log.warning("careful with %s", CANARY)
    assert stream.getvalue() == f"\r\x1b[KWARNING careful with {MASK}\n"


def test_options_whose_key_says_so_are_secret():
    options = {"connection": {"password": "hunter22", "host": "db"}, "files": [{"api_token": "t0ken"}], "secret": None}
    assert list(secrets_in(options)) == ["hunter22", "t0ken"]


def test_a_run_is_told_a_warning_once_and_whoever_has_no_run_each_time():
    one, other = str(uuid.uuid4()), str(uuid.uuid4())

    def act():
        for run in (one, one, other, "", ""):
            with running(run):
                warn_once(log, "plugin %s is slow (%s)", "a", run)
                warn_once(log, "plugin %s is slow (%s)", "b", run)

    lines = logged(act)
    said = [f"plugin {name} is slow ({run})" for run in (one, other, "", "") for name in "ab"]
    assert [line["message"] for line in lines] == said
    assert {line["module"] for line in lines} == {"test_telemetry"}


def test_a_command_without_a_run_is_told_a_warning_once():
    def act():
        for _ in range(2):
            with one_command():
                warn_once(log, "slow")
                warn_once(log, "slow")

    assert [line["message"] for line in logged(act)] == ["slow", "slow"]


def test_what_was_told_is_not_remembered_for_ever(monkeypatch):
    monkeypatch.setattr(telemetry, "MOST_TOLD", 2)
    monkeypatch.setattr(telemetry, "_told", {})
    with running(str(uuid.uuid4())):
        lines = logged(lambda: [warn_once(log, "%s", name) for name in "abcab"])
    assert [line["message"] for line in lines] == ["a", "b", "c", "a", "b"]
