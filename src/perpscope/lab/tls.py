"""The lab under TLS, by the venues' own names: a throw-away CA, a sealed door for each exchange, a CONNECT proxy.

Only for clients that insist (`wss://` or nothing, addresses in their source): whoever can be pointed at an address uses
the plain ports. The CA is made at each start; its certificate alone is written down, its key never leaves the process.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from perpscope.errors import ConfigError
from perpscope.lab.connect import ConnectProxy
from perpscope.lab.front import Front
from perpscope.lab.hosts import HOSTS, RETIRED, names
from perpscope.lab.pipes import LOOPBACK

CA_FILE = "ca.pem"


class Opened(Protocol):
    """An exchange that listens."""

    websocket_url: str  #: base URL
    rest_url: str  #: likewise


class Sealed(msgspec.Struct, frozen=True):
    """How the lab is reached under TLS."""

    proxy: ConnectProxy
    proxy_url: str  #: for `https_proxy`
    ca_file: str  #: for `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE` and their like
    venues: dict[str, str]  #: `127.0.0.1:port` of each: `https://…` and `wss://…` without the proxy


def authority(folder: Path, hosts: tuple[str, ...]) -> ssl.SSLContext:
    """Make a CA, write its certificate to `folder/ca.pem`, and return a server's context for these names.

    Args:
        folder: made if there is none.
        hosts: names and addresses the server's certificate is for.

    Raises:
        ConfigError: trustme is not installed, or the folder cannot be written to.
    """
    try:
        import trustme  # noqa: PLC0415 (an extra)
    except ImportError as missing:
        raise ConfigError(
            "extra-missing",
            "the lab makes its certificates with trustme, which is not installed",
            hint="pip install 'perpscope[lab]'",
        ) from missing
    ca = trustme.CA(organization_name="perpscope lab, DEMO DATA")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(*hosts).configure_cert(context)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ca.cert_pem.write_to_path(str(folder / CA_FILE))
    except OSError as error:
        raise ConfigError(
            "lab-tls-folder",
            f"the CA file cannot be written to {folder}: {error.strerror or error}",
            hint="name a folder of your own with --tls",
        ) from error
    return context


@contextlib.asynccontextmanager
async def sealed(labs: Mapping[str, Opened], folder: Path, *, legacy_routes: bool = False) -> AsyncIterator[Sealed]:
    """Listen under TLS for these exchanges until the context ends.

    Args:
        labs: by venue.
        folder: where the CA's certificate goes.
        legacy_routes: answer to retired host names and ports too.

    Raises:
        ConfigError: trustme is not installed, or the folder cannot be written to.
    """
    hosts = dict.fromkeys(name for venue in labs for name in names(venue))
    context = authority(folder, (LOOPBACK, "localhost", *hosts))
    async with contextlib.AsyncExitStack() as stack:
        ports: dict[str, int] = {}
        for venue, lab in labs.items():
            front = Front(_port(lab.websocket_url), _port(lab.rest_url))
            ports[venue] = await front.start(tls=context)
            stack.push_async_callback(front.aclose)
        retired = {host: port for venue, port in ports.items() for host in RETIRED.get(venue, ())}
        known = {host: port for venue, port in ports.items() for host in HOSTS.get(venue, ())}
        proxy = ConnectProxy(known | retired if legacy_routes else known, retired)
        url = await proxy.start()
        stack.push_async_callback(proxy.aclose)
        addresses = {venue: f"{LOOPBACK}:{port}" for venue, port in ports.items()}
        yield Sealed(proxy, url, str(folder / CA_FILE), addresses)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
