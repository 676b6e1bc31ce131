"""Run a face: uvicorn with our settings, our logging, and an orderly end."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvicorn
from msgspec.structs import replace
from starlette.types import ASGIApp

from perpscope.app.alerts.sink import SinkMaker
from perpscope.errors import ConfigError
from perpscope.settings import Settings, Web
from perpscope.web.app import create_app
from perpscope.web.exposure import refuse_exposed
from perpscope.web.patience import PatientHttp
from perpscope.web.push import wire
from perpscope.web.push.wire import Protocol

#: Real seconds open requests have when the service ends.
_END_S: Final = 3
_BACKLOG: Final = 2048


class Connections(PatientHttp, Protocol):
    """A client's: bounded in how long it may take to ask, and known to the streams."""


class Server(uvicorn.Server):
    """Says when it serves."""

    def __init__(self, settings: uvicorn.Config, ready: Callable[[str], None]) -> None:
        super().__init__(settings)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.should_exit:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        scheme = "https" if self.config.is_ssl else "http"
        self._ready(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")


def serve(
    settings: Settings,
    database: Path | None,
    *,
    host: str,
    port: int,
    sockets: Sequence[socket.socket] | None = None,
    ready: Callable[[str], None],
    sinks: SinkMaker | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        settings: the whole tree.
        database: the store; None = a replica, which has none.
        host: address to listen at.
        port: 0 = any free one.
        sockets: that listen already; None = host and port are opened.
        ready: called with the URL once it is served.
        sinks: makes what alerts are told by.

    Raises:
        ConfigError: a setting is wrong, or the address cannot be listened at ("web-address").
    """
    refuse_exposed(replace(settings.web, host=host))
    server = Server(configured(create_app(settings, database, sinks=sinks), settings.web, host=host, port=port), ready)
    try:
        server.run(sockets=list(sockets) if sockets else None)
    except SystemExit as stopped:
        if stopped.code in (0, None):
            raise
        raise ConfigError(
            "web-address", f"cannot listen at {host}:{port}", hint="another port: --port 0 takes any free one"
        ) from None


def configured(app: ASGIApp, web: Web, *, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    """How uvicorn runs a face.

    Args:
        app: is served.
        web: TLS.
        host: address to listen at.
        port: 0 = any free one.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="perpscope.feeds.event_loop:Loop",
        **{**wire.UVICORN, "http": Connections},
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the guard believes the proxies of the settings, and no other
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_END_S,
        ssl_certfile=web.certificate or None,
        ssl_keyfile=web.certificate_key or None,
    )
