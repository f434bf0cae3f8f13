"""The server of the page: on this machine alone, and for no page but its own."""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
import warnings
import webbrowser
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecosystem.explore.controls import Control
from ecosystem.scenario import Scenario

HOST = "127.0.0.1"
MISSING = 'the living page needs Solara, which is not installed: pip install "mesacosm[ui]"'


@dataclass(frozen=True)
class Subject:
    """What is explored: the function of a scenario ``file`` with its controls, or the folder of a ``study``."""

    title: str
    description: str = ""
    file: str = ""
    build: Callable[..., Scenario] | None = None
    controls: tuple[Control, ...] = ()
    study: Path | None = None


_subjects: list[Subject] = []


def subject() -> Subject:
    """What this process shows."""
    if not _subjects:
        raise RuntimeError("nothing is explored here; `ecosystem explore FILE` begins it")
    return _subjects[-1]


def serve(what: Subject, port: int, show: bool, ready: Callable[[str], object]) -> None:
    """Serve the page of ``what`` until Ctrl-C; ``ready`` is told its address once it answers, ``show`` opens a browser.

    Raises
    ------
    ValueError
        If Solara is missing, or the port is taken.
    """
    if any(importlib.util.find_spec(name) is None for name in ("solara", "uvicorn", "vl_convert")):
        raise ValueError(MISSING)
    listening = _socket(port)
    _subjects.append(what)
    os.environ.setdefault("SOLARA_TELEMETRY_MIXPANEL_ENABLE", "False")  # it would tell its makers of every start
    os.environ["SOLARA_APP"] = "ecosystem.explore.page"

    import solara.server.settings as settings
    import uvicorn

    if not any(settings.assets.proxy_cache_dir.glob("*")):
        listening.close()
        raise ValueError("the page's scripts are not installed, and none is fetched: pip install solara-assets")
    settings.main.mode = "production"
    settings.theme.variant = settings.ThemeVariant.light  # the page follows the system: "auto" shows nothing
    settings.theme.show_banner = False
    settings.theme.title = f"{what.title} – ecosystem"
    from solara.server.starlette import app

    warnings.filterwarnings("ignore", message="Cookies with samesite=none")  # for pages within other pages
    address = f"http://{HOST}:{listening.getsockname()[1]}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready(address)
            if show:
                threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    Server(uvicorn.Config(Guard(app, listening.getsockname()[1]), log_level="warning")).run(sockets=[listening])


def _socket(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise ValueError(
            f"port {port} of this machine is taken ({error.strerror}); choose another: --port 0"
        ) from error
    return found


class Guard:
    """Refuses what does not come from this machine's own page: other hosts' names, other pages' requests."""

    def __init__(self, app: Callable[..., Awaitable[Any]], port: int) -> None:
        self.app = app
        self.hosts = {f"{name}:{port}" for name in (HOST, "localhost")}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket") and not self._own(scope["headers"]):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"this page answers to its own machine alone"})
            return
        await self.app(scope, receive, send)

    def _own(self, headers: list[tuple[bytes, bytes]]) -> bool:
        said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        origin = said.get("origin")
        return said.get("host") in self.hosts and (origin is None or origin.removeprefix("http://") in self.hosts)
