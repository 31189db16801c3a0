"""Headless Chromium for tests, driven through its own debugging pipe: no driver, no library, nothing downloaded."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
    "--disable-ipc-flooding-protection",  # else a page follows 200 changes of its hash in 10 s and no more
)
PATIENCE_S = 120.0


def program() -> str | None:
    """The browser of this machine, None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page in headless Chromium. `errors` are exceptions and console errors, `requests` all addresses asked for."""

    def __init__(self, process: subprocess.Popen[bytes], read: int, write: int) -> None:
        self._process, self._read, self._write = process, read, write
        self._waiting, self._number, self._session = b"", 0, ""
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._events: set[str] = set()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        still = [{"name": "prefers-reduced-motion", "value": "reduce"}]  # a click meets nothing that moves
        self.call("Emulation.setEmulatedMedia", features=still)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; events on the way are noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def open(self, address: str) -> float:
        """Load a page; seconds until its load event."""
        start = time.monotonic()
        self._events.discard("Page.loadEventFired")
        self.call("Page.navigate", url=address)
        while "Page.loadEventFired" not in self._events:
            self._message()
        return time.monotonic() - start

    def run(self, script: str) -> Any:
        """The value of an expression in the page (promises are awaited)."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:2000])
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """The first true value of an expression; fails after `PATIENCE_S`."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if value := self.run(script):
                return value
            time.sleep(0.05)
        raise TimeoutError(script)

    def key(self, key: str) -> None:
        """Press and release a key."""
        codes = {"Enter": 13, "Tab": 9, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, " ": 32}
        code = codes.get(key, ord(key[0].upper()))
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        about = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, script: str) -> None:
        """Press the element that an expression gives, with the mouse, in its middle."""
        self.run(f"{script}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y, width, height = self.run(f"(b => [b.x, b.y, b.width, b.height])({script}.getBoundingClientRect())")
        about = {"x": x + width / 2, "y": y + height / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **about)

    def size(self, width: int, height: int, scale: float = 1) -> None:
        """Size of the window in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def picture(self, path: Path, clip: dict[str, float] | None = None) -> None:
        """A PNG of the window, or of a rectangle of the page (x, y, width, height, scale)."""
        more = {"clip": clip, "captureBeyondViewport": True} if clip else {}
        found = self.call("Page.captureScreenshot", format="png", **more)
        path.write_bytes(base64.b64decode(found["data"]))

    def print(self, path: Path) -> None:
        """The page as PDF, as a printer would get it."""
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"]))

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            if not select.select([self._read], [], [], PATIENCE_S)[0]:
                raise TimeoutError("Chromium does not answer")
            more = os.read(self._read, 1 << 20)
            if not more:
                raise RuntimeError("Chromium has ended")
            self._waiting += more
        text, _, self._waiting = self._waiting.partition(b"\0")
        message = dict(json.loads(text))
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, about: dict[str, Any]) -> None:
        self._events.add(event)
        if event == "Network.requestWillBeSent" and not about["request"]["url"].startswith("data:"):
            self.requests.append(about["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(about["exceptionDetails"]))
        elif event == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.errors.append(json.dumps(about["entry"]))
        elif event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
            self.errors.append(json.dumps(about["args"]))


@contextlib.contextmanager
def opened(chromium: str) -> Iterator[Browser]:
    """Chromium with a profile of its own, ended and cleaned up afterwards."""
    (their_read, our_write), (our_read, their_write) = os.pipe(), os.pipe()
    # The shell puts the pipe where Chromium looks for it: it reads from 3 and writes to 4.
    theirs = [fcntl.fcntl(handle, fcntl.F_DUPFD, 10) for handle in (their_read, their_write)]
    os.close(their_read), os.close(their_write)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        line = f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
        command = ["bash", "-c", line, "bash", chromium, *FLAGS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(command, pass_fds=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for handle in theirs:
            os.close(handle)
        try:
            yield Browser(process, our_read, our_write)
        finally:
            process.terminate()
            process.wait(timeout=30)
            os.close(our_read), os.close(our_write)
