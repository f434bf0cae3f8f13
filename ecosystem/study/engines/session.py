"""Ray itself: found, begun and ended, or used as it is."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ecosystem.study.engines.base import THREADS
from ecosystem.study.engines.surroundings import environment, loopback

PATIENCE = 10.0  # seconds that somebody at an address may take to answer


def imported() -> Any:
    """Ray, which tells nobody that it is used."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ImportError(f"Ray is not there ({error}): pip install 'mesacosm[ray]', or engine='local'") from error
    return ray


@contextmanager
def session(ray: Any, address: str | None, runtime_env: dict[str, Any], cores: int) -> Iterator[bool]:
    """Ray, initialised; only what was begun here ends at the end. Gives whether its nodes were started here."""
    if ray.is_initialized():
        _check_initialised(ray, address, runtime_env)
        yield False
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    handler = signal.getsignal(signal.SIGTERM)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "runtime_env": runtime_env or None}
    # it would print a page about every worker that dies; this is the switch of its debugger, there is no other
    talk = getattr(ray._private.worker, "_worker_logs_enabled", True)
    ray._private.worker._worker_logs_enabled = False
    try:
        if address == "local":
            with loopback(ray):
                with environment(THREADS):
                    ray.init(address="local", num_cpus=max(cores, 1), include_dashboard=False, **quiet)
                yield True
        else:
            _connect(ray, address, quiet)
            yield False
    finally:
        ray.shutdown()
        ray._private.worker._worker_logs_enabled = talk
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGTERM, handler)  # Ray has put its own there


def _connect(ray: Any, address: str, quiet: dict[str, Any]) -> None:
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        if host and port.isdigit():  # somebody listens there? Ray itself would go on asking for minutes
            socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise ConnectionError(
            f"Ray(address={address!r}): no cluster can be reached there ({error}); give the address that "
            "`ray start --head` printed, 'auto' on a machine of the cluster, or none to start one here"
        ) from error


def _check_initialised(ray: Any, address: str | None, runtime_env: dict[str, Any]) -> None:
    """Refuse what would have to be said when Ray is initialised."""
    if address not in (None, "auto") and address != (here := ray.get_runtime_context().gcs_address):
        raise ValueError(
            f"Ray(address={address!r}): this process has initialised Ray already, at {here}; leave the address "
            "out to use that one, or call ray.shutdown() before"
        )
    if runtime_env:
        raise ValueError("Ray(runtime_env): this process has initialised Ray already; give it to ray.init() instead")
