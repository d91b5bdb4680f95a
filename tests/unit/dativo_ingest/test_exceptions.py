"""Errors keep the earlier system's classes, codes and flags, and lose nothing on the way."""

from __future__ import annotations

import ast
import gc
import pickle
import re
from pathlib import Path

import pytest

import dativo_ingest
from dativo_ingest import exceptions
from dativo_ingest.codes import CODES
from dativo_ingest.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionError,  # noqa: A004 - the kept name is under test
    DativoError,
    PluginError,
    PluginVersionError,
    RateLimitError,
    SandboxError,
    TransientError,
    ValidationError,
    get_error_code,
    is_retryable_error,
    wrap_exception,
)
from dativo_ingest.loader.syntax import tree_of

ROOT = Path(dativo_ingest.__file__).parents[1]


@pytest.mark.parametrize(
    ("cls", "parent", "code", "retryable"),
    [
        (DativoError, Exception, "DATIVOERROR", False),
        (ConnectionError, DativoError, "CONNECTION_FAILED", True),
        (AuthenticationError, ConnectionError, "AUTHENTICATION_FAILED", False),
        (ValidationError, DativoError, "VALIDATION_FAILED", False),
        (ConfigurationError, DativoError, "CONFIGURATION_ERROR", False),
        (TransientError, DativoError, "TRANSIENT_ERROR", True),
        (RateLimitError, TransientError, "RATE_LIMIT_EXCEEDED", True),
        (PluginError, DativoError, "PLUGIN_ERROR", False),
        (PluginVersionError, PluginError, "PLUGIN_VERSION_INCOMPATIBLE", False),
        (SandboxError, PluginError, "SANDBOX_ERROR", True),
    ],
)
def test_each_class_has_the_kept_parent_code_and_flag(cls, parent, code, retryable):
    error = cls("what happened")
    assert cls.__mro__[1] is parent
    assert (error.error_code, error.retryable) == (code, retryable)
    assert str(error) == f"{cls.__name__}({code}): what happened"


def test_the_subclass_of_a_retryable_class_may_say_no_and_the_author_may_overrule():
    assert not AuthenticationError("no").retryable
    assert ConnectionError("gone for good", retryable=False).retryable is False
    assert ConfigurationError("odd", retryable=True).retryable is True


def test_retry_after_is_in_the_details_and_in_the_data():
    error = RateLimitError("slow down", retry_after=7.5)
    assert error.details == {"retry_after": 7.5}
    assert error.to_dict()["retry_after"] == 7.5


def test_an_error_is_whole_after_it_crossed_a_process_border():
    error = PluginVersionError("old", plugin_version="1", required_version="2", details={"path": "p.py"})
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is PluginVersionError
    assert back.to_dict() == error.to_dict()
    assert back.plugin_version == "1"


def test_wrapping_keeps_our_errors_and_remembers_foreign_ones():
    ours = TransientError("again")
    assert wrap_exception(ours) is ours
    wrapped = wrap_exception(KeyError("k"), PluginError, "the plugin broke")
    assert (wrapped.message, wrapped.details["original_error"]) == ("the plugin broke", "KeyError")
    assert isinstance(wrapped.__cause__, KeyError)


def test_foreign_errors_are_not_retryable_and_have_no_code():
    assert not is_retryable_error(ValueError("x"))
    assert get_error_code(ValueError("x")) == "UNKNOWN_ERROR"
    assert is_retryable_error(TransientError("x"))


CODE = re.compile(r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$")
RAISED = {n for n in vars(exceptions) if n.endswith("Error")}


def tree(path: Path) -> ast.AST:
    """Parse a module; CPython 3.11 loses count (SystemError) when the collector runs code while it makes a tree."""
    gc.disable()
    try:
        return tree_of(path.read_text())
    finally:
        gc.enable()


def codes_in(path: Path) -> set[str]:
    """Give the codes that a module passes to a constructor of ours."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in RAISED:
            texts = [a for a in node.args[1:2] if isinstance(a, ast.Constant)]
            texts += [k.value for k in node.keywords if k.arg == "error_code" and isinstance(k.value, ast.Constant)]
            found |= {t.value for t in texts if isinstance(t.value, str) and CODE.match(t.value)}
    return found


def test_every_code_that_is_raised_is_explained():
    used = {c for f in ROOT.glob("dativo_*/**/*.py") for c in codes_in(f)}
    assert used, "the search found no code at all: it is broken"
    assert used - set(CODES) == set()


def test_every_default_code_is_explained():
    defaults = {getattr(exceptions, n).default_code for n in RAISED} - {None}
    assert defaults <= set(CODES)
