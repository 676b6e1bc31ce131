"""Who asks, from where, and by which name: the peer's address, what a believed proxy says of it, and the Host.

In: a request's scope and headers. Out: a `Caller`. Of `X-Forwarded-For` and `-Proto` the right-most entry counts, the
one the proxy itself wrote, and of proxies named in `web.proxies` alone; `X-Forwarded-Host` counts never.
"""

import ipaddress
from functools import lru_cache

import msgspec
from starlette import types as asgi

from perpscope.settings import Web
from perpscope.web.asked import Asked, name_of
from perpscope.web.exposure import is_loopback, proxies
from perpscope.web.problem import Refused

_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 -- names that nobody goes by
_HOSTS_KEPT = 256


class Caller(msgspec.Struct, frozen=True):
    """Where a request came from."""

    address: str  #: the peer's, or what a believed proxy says; "unknown" on a socket without addresses
    group: str  #: what counts as one caller: an IPv4 address, or the /64 of an IPv6 one
    is_local: bool  #: from this machine, to a service for this machine: needs no key to read
    is_secure: bool  #: under TLS, ours or that of a proxy


class Callers:
    """Tells callers apart by the settings.

    Args:
        web: `[web]`.

    Raises:
        ConfigError: "web-proxies", an entry is no address.
    """

    def __init__(self, web: Web) -> None:
        self._serves_this_machine = is_loopback(web.host) and not web.behind_proxy
        self._behind_proxy = web.behind_proxy
        self._proxies = proxies(web)
        own = {web.host.lower()} - _WILDCARDS
        self._names = _OWN_NAMES | own | {host.lower().removesuffix(".") for host in web.hosts}
        self._hosts: set[bytes] = set()

    def refuse_host(self, asked: Asked) -> None:
        """A page that had its name resolve to this address still sends that name (DNS rebinding).

        Raises:
            Refused: "host-missing" or "host-refused".
        """
        if asked.host in self._hosts:
            return
        if not asked.host:
            raise Refused(400, "host-missing", "a request names the host it is for")
        name = name_of(asked.host)
        if name is None or name not in self._names:
            raise Refused(
                421,
                "host-refused",
                f"this service is not {asked.host.decode('latin-1')!r}",
                hint="the names it goes by are in the setting web.hosts",
            )
        if len(self._hosts) < _HOSTS_KEPT:
            self._hosts.add(asked.host)

    def who(self, scope: asgi.Scope, asked: Asked) -> Caller:
        """The caller of a request."""
        peer = scope["client"][0] if scope.get("client") else "unknown"
        is_secure = scope["scheme"] in ("https", "wss")
        if not asked.is_forwarded:
            is_local = self._serves_this_machine and _is_own(peer)
            return Caller(peer, _group(peer), is_local, is_secure or (self._behind_proxy and not is_local))
        address = peer
        if self._proxies and self._is_proxy(peer):
            address = _last(asked.forwarded_for) or peer
            is_secure = is_secure or _last(asked.forwarded_proto).lower() in (
                ("https", "wss", "") if self._behind_proxy else ("https", "wss")
            )
        else:
            is_secure = is_secure or self._behind_proxy
        return Caller(address, _group(address), False, is_secure)

    def refuse_in_the_clear(self, caller: Caller) -> None:
        """Whatever address the service was started on: others are answered under TLS alone.

        Raises:
            Refused: "tls-required".
        """
        if not caller.is_local and not caller.is_secure and not _is_own(caller.address):
            raise Refused(
                403,
                "tls-required",
                f"{caller.address} asks over a connection without TLS",
                hint="web.certificate, or web.behind_proxy where a proxy ends TLS; docs/security.md",
            )

    def is_same_origin(self, asked: Asked, caller: Caller) -> bool:
        """Whether the page that asks was served from here."""
        scheme, _, rest = asked.origin.partition(b"://")
        if rest.lower() != asked.host.lower():
            return False
        return scheme == (b"https" if caller.is_secure else b"http") or self._behind_proxy

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._proxies)


@lru_cache(maxsize=1024)
def _is_own(address: str) -> bool:
    return is_loopback(address)


@lru_cache(maxsize=1024)
def _group(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


def _last(entries: bytes) -> str:
    """The right-most entry of a list, without a port; "" if it is nothing an address or a scheme could be."""
    text = entries.rpartition(b",")[2].strip().decode("latin-1")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return text if len(text) <= 64 and text.isprintable() else ""
