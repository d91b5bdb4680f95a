from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dativo_dagster.secrets import Variables, decode, expect_map, literals, variables
from dativo_ingest.exceptions import ConfigurationError

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"user": "a"}', {"user": "a"}),
        ("[1]", [1]),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("A=1", "A=1"),
        ("{not json", "{not json"),
        ("-----BEGIN KEY-----\nMIIE==\n-----END KEY-----", "-----BEGIN KEY-----\nMIIE==\n-----END KEY-----"),
        ("", ""),
    ],
)
def test_auto_tells_the_format_from_the_text(text, value):
    assert decode(text, where="x") == value


def test_env_payloads_are_read_as_such_files_are_everywhere():
    text = '# a comment\n\nexport HOST = db \nQUOTED="a \\"b\\"\\n"\nLITERAL=\'$x ${HOST}\'\nURL=http://${HOST}:${PORT:-80}/\nEMPTY=\n'
    assert decode(text, "env", where="x") == {
        "HOST": "db",
        "QUOTED": 'a "b"\n',
        "LITERAL": "$x ${HOST}",
        "URL": "http://db:80/",
        "EMPTY": "",
    }


def test_env_payloads_take_variables_of_the_process(monkeypatch):
    monkeypatch.setenv("PASSWORD_FROM_OUTSIDE", CANARY)
    assert decode("P=${PASSWORD_FROM_OUTSIDE}", "env", where="x") == {"P": CANARY}


@pytest.mark.parametrize(
    ("text", "form", "says"),
    [
        (f"{CANARY}: [", "json", "secret acme/db cannot be read: it is not JSON (line 1, column 1)"),
        (f"A=1\n{CANARY}", "env", "secret acme/db cannot be read: line 2 is not NAME=value"),
        (f"A={CANARY}${{MISSING}}", "env", "secret acme/db, line 1 cannot be read: ${MISSING} is not set"),
    ],
)
def test_a_malformed_secret_is_named_and_not_quoted(text, form, says):
    with pytest.raises(ConfigurationError) as error:
        decode(text, form, where="acme/db")
    assert error.value.error_code == "SECRET_MALFORMED"
    assert says in error.value.message
    assert CANARY not in error.value.message


@given(st.text())
def test_text_and_raw_secrets_are_taken_as_they_are(text):
    assert decode(text, "text", where="x") == decode(text, "raw", where="x") == text


def test_a_bundle_is_a_map():
    assert expect_map({"a": 1}, "x") == {"a": 1}
    with pytest.raises(ConfigurationError, match="a bundle must be a map"):
        expect_map("text", "x")


def test_secrets_become_variables():
    secrets = {
        "pg": Variables(PGHOST="db"),
        "stripe-key": "sk",
        "db": {"password": "x", "port": 5432, "tls": {"ca": "y"}},
    }
    assert variables(secrets) == {
        "PGHOST": "db",
        "STRIPE_KEY": "sk",
        "DB": '{"password": "x", "port": 5432, "tls": {"ca": "y"}}',
        "DB_PASSWORD": "x",
        "DB_PORT": "5432",
        "DB_TLS": '{"ca": "y"}',
        "DB_TLS_CA": "y",
    }


def test_two_secrets_for_one_variable_are_refused():
    with pytest.raises(ConfigurationError, match=r"\$\{API_KEY\} different values") as error:
        variables({"api-key": CANARY, "api_key": "other"})
    assert CANARY not in error.value.message
    assert variables({"api-key": "same", "api_key": "same"}) == {"API_KEY": "same"}


def test_every_text_and_number_of_a_secret_is_collected_for_hiding():
    assert literals({"a": "x", "b": [1, {"c": "y"}], "d": None, "e": True, "f": Variables(G="z")}) == {
        "x",
        "1",
        "y",
        "z",
    }
    assert literals({}) == set()
