"""Headless Chromium, driven over the DevTools protocol: open a page, wait for words, click, take a picture."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websocket

from tests.servers.process import free_port, running

PROGRAMS = ("chromium", "google-chrome", "chromium-browser")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-allow-origins=*",
)


@dataclass
class Page:
    """One tab."""

    socket: websocket.WebSocket
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def open(self, url: str) -> None:
        """Go to a page; it may still be loading when this returns."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Evaluate JavaScript and give its value.

        Raises:
            RuntimeError: It threw.
        """
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", str(answer)))
        return answer["result"].get("value")

    def text(self) -> str:
        """Give the visible words of the page."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def wait(self, script: str, timeout: float = 60) -> Any:
        """Wait until a script gives something true, and give that.

        Raises:
            TimeoutError: It never did; the message has what the page shows.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError):  # the page is between two documents
                if found := self.run(script):
                    return found
            time.sleep(0.1)
        msg = f"{script!r} was not true within {timeout} s; the page shows:\n{self.text()[:2000]}"
        raise TimeoutError(msg)

    def wait_for(self, words: str, timeout: float = 60) -> None:
        """Wait until the page shows some words, in whatever case."""
        self.wait(f"(document.body?.innerText || '').toLowerCase().includes({json.dumps(words.lower())})", timeout)

    def click(self, words: str, timeout: float = 60) -> None:
        """Click the button or link that says exactly these words, once it is there and enabled."""
        self.wait(
            "(() => {const e = [...document.querySelectorAll('button, a, [role=tab]')].find("
            f"b => b.innerText.trim() === {json.dumps(words)} && !b.disabled); if (e) e.click(); return !!e;}})()",
            timeout,
        )

    def picture(self, path: Path) -> None:
        """Save a screenshot."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the protocol and give its answer; events in between are dropped."""
        number = next(self._numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])


def program() -> str | None:
    """Find a Chromium."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@contextlib.contextmanager
def browse(folder: Path, *, width: int = 1600, height: int = 1000, scale: float = 1) -> Iterator[Page]:
    """Run a browser with an empty profile in ``folder`` and give its tab."""
    port = free_port()
    command = [
        program() or PROGRAMS[0],
        *OPTIONS,
        f"--remote-debugging-port={port}",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},{height}",
        f"--force-device-scale-factor={scale}",
        "about:blank",
    ]
    with running(command, folder / "chromium.log", ready=lambda: _tab(port)):
        socket = websocket.create_connection(_tab(port), timeout=60)
        try:
            page = Page(socket)
            size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
            page.call("Emulation.setDeviceMetricsOverride", **size)
            yield page
        finally:
            socket.close()


def _tab(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
        tabs = json.loads(answer.read())
    return next(str(tab["webSocketDebuggerUrl"]) for tab in tabs if tab["type"] == "page")
