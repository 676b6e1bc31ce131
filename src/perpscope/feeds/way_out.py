"""The way out: no proxy, an HTTP proxy or a SOCKS one, the same for REST and WebSocket.

Names are resolved by the proxy, except with `socks4://`, which carries addresses only. A password in the URL is for the
proxy alone: what people read goes through `feeds.redaction`.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

from perpscope.errors import ConfigError
from perpscope.feeds.redaction import redacted

#: In a venue's settings: no proxy, although there is one for the others.
NONE = "none"
#: Connections a client keeps to one host; a server that hangs holds each no longer than a call's deadline.
CONNECTIONS_PER_HOST = 16
#: What a session raises where a SOCKS proxy fails; an HTTP one's are aiohttp's own.
FAILURES = (ProxyError, ProxyConnectionError, ProxyTimeoutError)
_SCHEMES = ("http", "https", "socks4", "socks5", "socks5h")


def chosen(own: str, general: str) -> str:
    """The proxy of a venue, "" for none: its own, else the general one.

    Raises:
        ConfigError: it is no URL of a proxy.
    """
    url = "" if own == NONE else own or general
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in _SCHEMES and parts.hostname and parts.port
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ConfigError(
            "config-value", f"proxy {redacted(url)!r} is not scheme://host:port", hint=f"schemes: {', '.join(_SCHEMES)}"
        )
    return url


def for_sockets(url: str) -> str | None:
    """The proxy as picows wants it: it knows no `socks5h`, as it always lets a SOCKS5 proxy resolve names."""
    return url.replace("socks5h://", "socks5://", 1) or None


def for_ccxt(url: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Settings of an exchange asked through ccxt, with this proxy unless they name one of their own.

    >>> for_ccxt("socks5://h:1", {})
    {'socksProxy': 'socks5://h:1'}
    """
    names_one = any("proxy" in name.lower() for name in settings)
    added = {"socksProxy" if url.startswith("socks") else "httpsProxy": url} if url and not names_one else {}
    return {**settings, **added}


def session(
    url: str, timeout_s: float, traces: Sequence[aiohttp.TraceConfig] = ()
) -> tuple[aiohttp.ClientSession, str | None]:
    """A session that goes out this way, told of by these, and what each of its requests needs as `proxy`."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    if url.startswith("socks"):
        connector = ProxyConnector.from_url(
            url.replace("socks5h://", "socks5://", 1),
            rdns=not url.startswith("socks4"),
            limit_per_host=CONNECTIONS_PER_HOST,
        )
        return aiohttp.ClientSession(connector=connector, timeout=timeout, trace_configs=list(traces)), None
    direct = aiohttp.TCPConnector(limit_per_host=CONNECTIONS_PER_HOST)
    return aiohttp.ClientSession(connector=direct, timeout=timeout, trace_configs=list(traces)), url or None
