"""Where a face listens: the options, which of them wins, and the socket itself, opened before anything is started."""

import errno
import os
import socket
import sys
from typing import Annotated, Final

import msgspec
import typer

from perpscope.config import Loaded
from perpscope.errors import ConfigError
from perpscope.settings import Web

Host = Annotated[str | None, typer.Option("--host", help="Address the face listens at; default: this machine alone.")]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65_535, help="Port of the face; 0 = any free one; default: $PORT, else 8000."),
]
Open = Annotated[
    bool | None, typer.Option("--open/--no-open", help="Open a browser once it is ready; default: on a desktop.")
]
#: Ports after the default one that are tried where it is taken.
_NEXT: Final = 10
_BACKLOG: Final = 2048
_MOST_PORT: Final = 65_535


class Address(msgspec.Struct, frozen=True):
    """Where to listen."""

    host: str
    port: int  #: 0 = any free one
    is_asked: bool  #: somebody named the port: no other will do


def chosen(loaded: Loaded, host: str | None, port: int | None) -> Address:
    """The flags, else `$PORT`, else the settings.

    Raises:
        ConfigError: `$PORT` is no port.
    """
    web = loaded.settings.web
    told = os.environ.get("PORT", "")
    if port is None and told:
        if not (told.isascii() and told.isdigit() and int(told) <= _MOST_PORT):
            raise ConfigError("option-value", f"PORT={told!r} is no port", hint="a number from 0 to 65535")
        port = int(told)
    is_asked = port is not None or "web.port" in loaded.origins
    return Address(host or web.host, web.port if port is None else port, is_asked)


def listen(address: Address) -> socket.socket:
    """A socket that listens there; at the default port's neighbours where nobody asked for this very port.

    Raises:
        ConfigError: "port-taken", or "web-address": this machine cannot listen there.
    """
    last = address.port if address.is_asked or not address.port else min(address.port + _NEXT, _MOST_PORT)
    for port in range(address.port, last + 1):
        try:
            return _bound(address.host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise ConfigError(
                "web-address",
                f"cannot listen at {_joined(address.host, port)}: {error.strerror or error}",
                hint="--host 127.0.0.1, and a port above 1023",
            ) from error
    raise ConfigError(
        "port-taken",
        f"somebody else listens at {_joined(address.host, address.port)}"
        + (f", and at the {last - address.port} ports after it" if last > address.port else ""),
        hint="--port 0 takes any free one; end what has it, or name another",
    )


def url(listening: socket.socket, web: Web) -> str:
    """What to open in a browser on this machine."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 -- compared, not bound
        host = "127.0.0.1"
    return f"{'https' if web.certificate else 'http'}://{_joined(host, port)}"


def is_desktop() -> bool:
    """Whether a browser opened from here would be seen by whoever started this."""
    if not sys.stdout.isatty() or "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, name = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(name)
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
