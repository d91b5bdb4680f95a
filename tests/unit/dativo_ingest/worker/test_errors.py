"""An error crosses to the host as it was raised."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from dativo_ingest import exceptions
from dativo_ingest.exceptions import (
    AuthenticationError,
    PluginError,
    PluginVersionError,
    RateLimitError,
    SandboxError,
    TransientError,
    ValidationError,
)
from dativo_ingest.worker.errors import LONGEST_TEXT, TRACEBACK, error_from_json, error_to_json


def _crossed(error):
    return error_from_json(json.loads(json.dumps(error_to_json(error, "api.py:Api"))))


ERRORS = [
    AuthenticationError("key refused", "AUTH_FAILED", {"status": 401}),
    TransientError("later", retry_after=2.5),
    RateLimitError("slow down", retry_after=30, details={"calls": 5}),
    PluginVersionError("too old", "1.0.0", ">=2"),
    ValidationError("bad", retryable=True),
    SandboxError("ended", "PLUGIN_HUNG"),
    exceptions.ConnectionError("nobody there"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_of_ours_keeps_its_class_and_all_that_it_carries(error):
    found = _crossed(error)
    assert type(found) is type(error)
    told = found.to_dict()
    assert told["details"].pop(TRACEBACK)
    assert told == error.to_dict()
    assert vars(found).keys() == vars(error).keys()
    assert str(found) == str(error)


def test_a_class_of_the_plugins_own_arrives_as_the_nearest_that_everybody_has():
    class ShopClosedError(TransientError):
        pass

    found = _crossed(ShopClosedError("closed", "SHOP_CLOSED"))
    assert type(found) is TransientError
    assert (found.error_code, found.retryable) == ("SHOP_CLOSED", True)


def test_any_other_exception_becomes_an_error_that_names_the_plugin():
    found = _crossed(KeyError("id"))
    assert type(found) is PluginError
    assert found.message == "plugin api.py:Api: KeyError: 'id'"
    assert found.details["original_error"] == "KeyError"


def test_the_traceback_of_the_plugin_arrives():
    try:
        {}["id"]
    except KeyError as error:
        found = _crossed(error)
    assert '{}["id"]' in found.details[TRACEBACK]


def test_details_that_are_no_json_arrive_as_text():
    found = _crossed(PluginError("odd", details={"when": dt.date(2020, 1, 2)}))
    assert found.details["when"] == "2020-01-02"


def test_a_plugin_that_calls_exit_has_crashed():
    found = _crossed(SystemExit(0))
    assert (type(found), found.error_code) == (PluginError, "PLUGIN_CRASHED")
    assert "SystemExit(0)" in found.message


def test_want_of_memory_is_told_as_such_and_not_tried_again():
    found = _crossed(MemoryError())
    assert (type(found), found.error_code, found.retryable) == (SandboxError, "PLUGIN_OUT_OF_MEMORY", False)


def test_of_a_flood_the_beginning_and_the_end_are_kept_and_no_half_of_a_secret():
    secret = "canary-" + "s" * 40
    found = _crossed(PluginError("first " + f"{secret} " * 20_000 + "last", details={"rows": ["r" * 1000] * 1000}))
    assert len(found.message) < LONGEST_TEXT + 100
    assert "characters are left out" in found.message
    assert found.message.startswith("first")
    assert found.message.endswith("last")
    assert "canary" not in found.message.replace(secret, "")
    assert "bytes of details are left out" in found.details["left_out"]
    assert found.details[TRACEBACK]


STATE = {"message": "m", "error_code": "CODE", "details": {}, "retryable": False}


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {"class": "annotations", "state": STATE},
        {"class": "is_retryable_error", "state": STATE},
        {"class": 7, "state": STATE},
        {"class": "DativoError", "state": None},
        {"class": "DativoError", "state": {**STATE, "message": 7}},
        {"class": "DativoError", "state": {**STATE, "details": "no"}},
        {"class": "DativoError", "state": {**STATE, "retryable": "yes"}},
        {"class": "TransientError", "state": {**STATE, "retry_after": "soon"}},
    ],
)
def test_what_is_no_error_is_an_error_that_says_so(told):
    found = error_from_json(told)
    assert found.error_code == "PLUGIN_BAD_RESULT"
    assert found.to_dict()


@pytest.mark.parametrize("depth", [100, 480, 900])
def test_details_that_are_nested_without_end_are_cut(depth):
    told = json.loads('{"a": ' + "[" * depth + "]" * depth + "}")
    found = error_from_json({"class": "PluginError", "state": {**STATE, "details": told}})
    assert found.error_code in {"CODE", "PLUGIN_BAD_RESULT"}
    assert len(json.dumps(found.to_dict())) < 500


def test_an_error_takes_no_method_from_the_other_side():
    found = error_from_json({"class": "TransientError", "state": {**STATE, "to_dict": "x", "__reduce__": 1}})
    assert found.to_dict()["retry_after"] is None
