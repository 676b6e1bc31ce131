"""`serve`: a face alone, on a store, beside a running heart, or on Redis."""

import contextlib
import io
import os
import signal
import socket
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from msgspec.structs import replace

from perpscope.cli.addresses import Host, Open, Port, chosen, is_desktop, listen, url
from perpscope.cli.options import Config, Db, settings

Redis = Annotated[
    str | None, typer.Option("--redis", help="redis:// URL to hear hearts by and share answers; '' = none.")
]
Linger = Annotated[
    float | None,
    typer.Option("--linger", min=0.0, help="End so many seconds after stdin was closed; demo and live say so."),
]
Fd = Annotated[
    int | None, typer.Option("--fd", min=3, help="Descriptor of a listening socket to serve at; demo and live say so.")
]


def serve(
    db: Db = None,
    host: Host = None,
    port: Port = None,
    redis: Redis = None,
    open_: Open = False,
    linger: Linger = None,
    fd: Fd = None,
    config: Config = None,
) -> None:
    """Serve what a store holds and a heart tells, over HTTP, until Ctrl-C."""
    from perpscope.app import places

    signal.signal(signal.SIGTERM, _end)
    if linger is not None:
        _outlive_stderr()
        threading.Thread(target=_linger, args=(linger,), name="linger", daemon=True).start()
    loaded = settings(config=config, db=db, more={"redis.bus": redis, "redis.cache": redis})
    path, why = places.database(loaded.settings.database.path, loaded.origins.get("database.path", "configuration"))
    store: Path | None = path
    if loaded.settings.redis.bus and not path.is_file() and "database.path" not in loaded.origins:
        store = None
    if linger is None:
        _say(_found(store, why))
    address = chosen(loaded, host, port)
    from perpscope.web.exposure import refuse_exposed

    refuse_exposed(replace(loaded.settings.web, host=address.host))
    listening = socket.socket(fileno=fd) if fd is not None else listen(replace(address, is_asked=True))
    bound = int(listening.getsockname()[1])
    tree = replace(loaded.settings, web=replace(loaded.settings.web, host=address.host, port=bound))
    at = url(listening, tree.web)

    def ready(_: str) -> None:
        print(at, flush=True)
        if open_ or (open_ is None and is_desktop()):
            webbrowser.open(at)

    from perpscope.notify.sinks import make_sinks
    from perpscope.web import serve as web_serve

    web_serve.serve(tree, store, host=address.host, port=bound, sockets=[listening], ready=ready, sinks=make_sinks)


def _end(*_: object) -> NoReturn:
    """SIGTERM before it serves, and once more when it has ended in good order: that is what was asked for."""
    raise SystemExit(0)


def _found(store: Path | None, why: str) -> str:
    """What is served, in words."""
    if store is None:
        return "no store: what the heart tells by Redis is served"
    is_there = "" if store.is_file() else "; there is no such file yet, it is served once a heart makes it"
    return f"database {store} ({why}){is_there}"


def _linger(seconds: float) -> None:
    """Wait for the end of stdin, which whoever started this holds; then so long; then end in good order."""
    with contextlib.suppress(OSError):
        while os.read(0, 1):
            pass
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGTERM)


def _outlive_stderr() -> None:
    """Whoever reads our stderr may go before us: a line nobody reads must not fail what wrote it."""
    sys.stderr = _Unbroken(sys.stderr.buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)


class _Unbroken(io.TextIOWrapper):
    """A text stream whose reader may be gone."""

    def write(self, text: str) -> int:
        """Write, or not."""
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        with contextlib.suppress(OSError):
            super().flush()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
