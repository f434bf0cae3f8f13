"""A real browser for tests: Chromium by its own protocol (Chrome DevTools), so that no driver need be installed."""

from __future__ import annotations

import base64
import json
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.browser import CHROMIUM


class Browser:
    """One page of a headless browser.

    ``requests`` are the addresses that it asked for, ``errors`` what was thrown, ``said`` its warnings and errors.
    """

    def __init__(self, folder: Path, width: int = 1440, height: int = 1000, dark: bool = False) -> None:
        from websockets.sync.client import connect

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"]
        flags += [f"--user-data-dir={folder}", f"--window-size={width},{height}", "--disable-dev-shm-usage"]
        self.open = ExitStack()
        process = self.open.enter_context(
            subprocess.Popen([str(CHROMIUM), *flags, "about:blank"], stderr=subprocess.DEVNULL)
        )
        self.open.callback(process.terminate)
        port = wait_for(lambda: _port(folder / "DevToolsActivePort"), 60)
        pages = wait_for(lambda: _pages(port), 60)
        self.socket = self.open.enter_context(connect(pages[0]["webSocketDebuggerUrl"], max_size=None))
        self.number, self.requests, self.errors, self.said = 0, [], [], []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height, dark)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol; what happens meanwhile is noted."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"])
            if answer.get("method") == "Log.entryAdded":
                self.said.append(answer["params"]["entry"]["text"])
            if answer.get("method") == "Runtime.consoleAPICalled" and answer["params"]["type"] in ("warning", "error"):
                self.said.append(" ".join(str(part.get("value")) for part in answer["params"]["args"]))

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def go(self, address: str) -> None:
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """What an expression of JavaScript is worth."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, script: str, seconds: float = 60) -> Any:
        """What an expression is worth as soon as it is worth something; True for an element that is there."""
        return wait_for(lambda: self.run(f"(x => x instanceof Element || x)({script})"), seconds, script)

    def drag(self, selector: str, dx: float, steps: int = 8) -> None:
        """Press on the middle of an element, move by ``dx`` pixels, let go."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{element}.scrollIntoView({{block: 'center'}})")
        where = f"(b => [b.x + b.width / 2, b.y + b.height / 2])({element}.getBoundingClientRect())"
        x, y = self.run(where)
        mouse = {"button": "left", "clickCount": 1, "pointerType": "mouse"}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **mouse)
        for step in range(1, steps + 1):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + dx * step / steps, y=y, buttons=1, **mouse)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x + dx, y=y, **mouse)

    def picture(self, path: Path, whole: bool = True) -> None:
        """A screenshot, of all that the page holds."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        self.open.close()


def wait_for(ask: Any, seconds: float = 60, what: str = "") -> Any:
    """What a question is answered as soon as that is something; AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"nothing after {seconds} s: {what or ask}")


def _port(file: Path) -> int:
    return int(file.read_text().split()[0]) if file.exists() and file.read_text() else 0


def _pages(port: int) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
            return [page for page in json.loads(answer.read()) if page["type"] == "page"]
    except OSError:
        return []
