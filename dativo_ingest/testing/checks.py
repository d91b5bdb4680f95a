"""What a check is, how one is carried out, and what can come of it."""

from __future__ import annotations

import inspect
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from dativo_ingest.exceptions import ConfigurationError, DativoError
from dativo_ingest.model import Value

Status = Literal["passed", "failed", "not applicable", "exempt"]
CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
LONGEST_MESSAGE = 600


class Failed(Exception):  # noqa: N818 - an outcome, not an error of ours
    """A check did not hold: ``reason`` says what was seen, ``todo`` what the author can do."""

    def __init__(self, reason: str, todo: str) -> None:
        super().__init__(reason)
        self.reason, self.todo = reason, todo


class NotApplicable(Exception):  # noqa: N818 - an outcome, not an error of ours
    """A check has nothing to look at here; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Outcome(Value):
    """What came of one check. ``remark`` says what was seen, or why there was nothing to see."""

    name: str
    sentence: str
    status: Status
    remark: str = ""
    todo: str = ""
    why: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One promise of a plugin, as a function that takes a case and gives a remark or raises.

    ``sentence`` and ``why`` are the first line and the rest of the function's docstring. A check is only carried out
    when those that it ``needs`` passed: what they look at, it takes for granted.
    """

    name: str
    sentence: str
    why: str
    needs: tuple[str, ...]
    look: Callable[[Any], str]


def check(*needs: Check) -> Callable[[Callable[[Any], str]], Check]:
    """Make a function a check."""

    def make(look: Callable[[Any], str]) -> Check:
        sentence, _, why = (inspect.getdoc(look) or look.__name__).partition("\n")
        return Check(
            name=look.__name__,
            sentence=sentence.rstrip("."),
            why=" ".join(why.split()),
            needs=tuple(c.name for c in needs),
            look=look,
        )

    return make


@dataclass
class _Ending:
    remark: str = ""
    raised: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


def carry_out(check: Check, case: Any, *, seconds: float, secrets: tuple[str, ...] = ()) -> Outcome:
    """Carry a check out in a thread of its own, which is left behind when it takes longer than ``seconds``."""
    ending, started = _Ending(), time.monotonic()

    def work() -> None:
        try:
            ending.remark = check.look(case)
        except BaseException as error:  # noqa: BLE001 - a check's boundary: `_judged` makes an outcome of it
            ending.raised = error
        ending.done.set()

    threading.Thread(target=work, name=f"check-{check.name}", daemon=True).start()
    if not ending.done.wait(seconds):
        ending.raised = Failed(
            f"no end after {seconds:g} s",
            "let every call and every batch end in bounded time: give calls to the source a timeout; if the test data "
            "is simply large, test with less of it or allow more seconds",
        )
    status, remark, todo = _judged(ending)
    return Outcome(
        name=check.name,
        sentence=check.sentence,
        status=status,
        remark=_masked(remark, secrets),
        todo=_masked(todo, secrets),
        why=check.why,
        seconds=round(time.monotonic() - started, 3),
    )


def _judged(ending: _Ending) -> tuple[Status, str, str]:
    error = ending.raised
    if error is None:
        return "passed", ending.remark, ""
    if isinstance(error, Failed):
        return "failed", error.reason, error.todo
    if isinstance(error, NotApplicable):
        return "not applicable", str(error), ""
    if isinstance(error, ConfigurationError):
        todo = "mend what the message names; what a plugin lacks `--config JOB` or `--option NAME=YAML` gives it"
        return "failed", f"raised {error.error_code}: {error.message}", todo
    if isinstance(error, DativoError):
        return "failed", f"raised {error.error_code}: {error.message}", "mend what the message names, then test again"
    return (
        "failed",
        f"raised {type(error).__name__}, which is no error of dativo: {error}",
        "raise errors of dativo_ingest.exceptions, which say with a code what was wrong and whether to try again",
    )


def coded(error: BaseException, secrets: tuple[str, ...] = ()) -> str:
    """Give the code of an error that a plugin raised.

    Raises:
        Failed: The error is not one of ours, has no proper code or message, or tells a secret.
    """
    if not isinstance(error, DativoError):
        raise Failed(
            f"raised {type(error).__name__}, which is no error of dativo: {error}",
            "catch it where it comes up and raise one of dativo_ingest.exceptions from it",
        )
    proper(error.error_code, error.message, secrets)
    return error.error_code


def proper(code: str | None, message: str, secrets: tuple[str, ...] = ()) -> None:
    """Hold what is said of a failure against the rules.

    Raises:
        Failed: The code is not in upper snake case, the message is empty, or one of the secrets is in it.
    """
    if not code or not CODE.fullmatch(code):
        raise Failed(
            f"the error code {code!r} is not in upper snake case", "use a stable code such as CONNECTION_FAILED"
        )
    if not message.strip():
        raise Failed(f"the error {code} has no message", "say what was wrong, where, and what to do")
    if any(secret in message for secret in secrets if secret):
        raise Failed(f"the message of {code} tells a secret", "leave credentials out of messages and details")


def _masked(text: str, secrets: tuple[str, ...]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"
