"""One deployed function, as `functions.cloud` wants it: what boto3 answers is told in the words of its faults."""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING, Any

from dativo_dagster.functions import faults
from dativo_dagster.functions.cloud import Answer, Limits
from dativo_dagster.launchers.aws_lambda.refusals import DENIED, THROTTLED, action
from dativo_ingest.worker.errors import TRACEBACK
from dativo_ingest.worker.texts import parse_object

if TYPE_CHECKING:
    from dativo_dagster.functions.prices import Price
    from dativo_ingest.exceptions import DativoError

PAYLOAD_BYTES = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_BILLED = re.compile(r"Billed Duration: (\d+) ms")
_PEAK = re.compile(r"Max Memory Used: (\d+) MB")


class LambdaFunction:
    """Invokes one function; its client tries nothing twice."""

    place = "aws_lambda"

    def __init__(self, client: Any, function: str, limits: Limits, price: Price | None = None) -> None:
        self.client, self.function, self.limits, self.price = client, function, limits, price

    def invoke(self, payload: bytes) -> Answer:
        """Send a request and wait for its reply."""
        began = time.monotonic()
        said = self._call(payload)
        body, log = said["Payload"].read(), base64.b64decode(said.get("LogResult", "")).decode("utf-8", "replace")
        if said.get("FunctionError"):
            raise self._fault(parse_object(body), log)
        billed, peak = _BILLED.search(log), _PEAK.search(log)
        return Answer(
            payload=body,
            function=self.function,
            # The report is missing where the log is late.
            seconds=int(billed[1]) / 1000 if billed else time.monotonic() - began,
            peak_mb=int(peak[1]) if peak else None,
            started="Init Duration" in log if billed else None,
            log=log,
        )

    def _call(self, payload: bytes) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return dict(self.client.invoke(FunctionName=self.function, LogType="Tail", Payload=payload))
        except ClientError as error:
            raise self._refusal(error.response) from error
        except BotoCoreError as error:
            raise faults.unreachable(self.function, str(error)) from error

    def _refusal(self, response: dict[str, Any]) -> DativoError:
        code, message = response["Error"]["Code"], response["Error"].get("Message", "")
        if code in THROTTLED:
            after = response.get("retryAfterSeconds")
            return faults.throttled(self.function, float(after) if after else None, code=code)
        if code in DENIED:
            return faults.denied(self.function, f"{code}: {message}", code=code, **action(message))
        return faults.refused(self.function, f"{code}: {message}", code=code)

    def _fault(self, said: dict[str, Any], log: str) -> DativoError:
        """Tell of an end as the runtime does; a plugin may have said it instead."""
        kind, message = str(said.get("errorType", "")), str(said.get("errorMessage", ""))
        trace = said.get("stackTrace")
        told = "".join(map(str, trace)) if isinstance(trace, list) else ""
        details = {"remote_type": kind, "log": log, TRACEBACK: told}
        if kind == "Sandbox.Timedout" or "Task timed out" in message:
            return faults.timed_out(self.function, self.limits.seconds, **details)
        if kind in {"Runtime.OutOfMemory", "Runtime.ExitError"} and ("signal: killed" in message or "Memory" in kind):
            return faults.out_of_memory(self.function, self.limits.memory_mb, **details)
        # What cannot be imported, or answers too much, does so the next time, too.
        return faults.crashed(self.function, f"{kind}: {message}", retryable=kind == "Runtime.ExitError", **details)
