"""Whether the service may be opened at an address: what must be there before anybody else can reach it.

In: `settings.Web` and the keys. Out: nothing, or the `ConfigError` that says what is missing. Looked at before a socket
is opened; the guard looks again at each request, for a service that was started without asking here.
"""

import ipaddress
import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

from perpscope.app import api_keys, key_file
from perpscope.app.api_keys import ApiKeys
from perpscope.errors import ConfigError
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Web

_UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x17, 0x18, 0xA0  # tags of X.690


def is_loopback(host: str) -> bool:
    """Whether an address to listen at, or a peer's, can be reached from this machine alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "", "192.168.0.7")]
    [True, True, True, False, False, False, False]
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def refuse_exposed(web: Web, keys: ApiKeys | None = None) -> None:
    """Look at what must be right before the service listens at `web.host`.

    Args:
        web: the settings, with the address that will really be used.
        keys: those of the settings if not given.

    Raises:
        ConfigError: "exposed-no-key" or "exposed-no-tls", for an address others can reach; "web-origins",
            "web-hosts" or "web-proxies", an entry that cannot be meant; "certificate-…", or the keys' own.
    """
    _check_lists(web)
    if web.certificate or web.certificate_key:
        check_certificate(web)
    keys = keys or api_keys.of(web)
    keys.check()
    if is_loopback(web.host) and not web.behind_proxy:
        return
    where = f"{web.host!r} can be reached by others" if not is_loopback(web.host) else "web.behind_proxy lets others in"
    if not keys.has_any:
        raise ConfigError(
            "exposed-no-key", f"{where}, and there is no API key", hint="perpscope keys add, or web.host = 127.0.0.1"
        )
    if not web.certificate and not web.behind_proxy:
        raise ConfigError(
            "exposed-no-tls",
            f"{where}, and keys would cross the network in the clear",
            hint="set web.certificate and web.certificate_key, or web.behind_proxy where a proxy ends TLS",
        )


def check_certificate(web: Web) -> None:
    """Look at the certificate and its key, as they will be used.

    Raises:
        ConfigError: "certificate-file", missing, unreadable, or the two do not belong together; "certificate-open",
            others may read the key; "certificate-expired", with the date.
    """
    for name, path in (("certificate", web.certificate), ("certificate_key", web.certificate_key)):
        if not path:
            raise ConfigError("certificate-file", f"web.{name} is empty", hint="TLS wants a certificate and its key")
        if not os.access(path, os.R_OK):
            raise ConfigError("certificate-file", f"web.{name} {path!r} cannot be read", hint="look at its permissions")
    key = Path(web.certificate_key)
    if (why := key_file.too_open(key, key.stat().st_mode)) is not None:
        raise ConfigError("certificate-open", f"the private key {why}", hint=f"chmod 600 {key}")
    try:
        first, until = _validity(web.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(web.certificate, web.certificate_key, password=lambda: "")
    except (ssl.SSLError, ValueError, IndexError) as error:
        raise ConfigError(
            "certificate-file",
            f"web.certificate {web.certificate!r} and its key cannot be used: {error}",
            hint="both as PEM, the server's certificate first, the key without a passphrase",
        ) from error
    now = datetime.fromtimestamp(wall_ns() / 1e9, UTC)
    if not first <= now < until:
        word = "expired" if now >= until else "is not valid before"
        raise ConfigError(
            "certificate-expired",
            f"web.certificate {web.certificate!r} {word} {until if now >= until else first:%Y-%m-%d %H:%M} UTC",
            hint="renew it, or look at this machine's clock",
        )


def _check_lists(web: Web) -> None:
    for origin in web.origins:
        scheme, _, rest = origin.partition("://")
        if scheme not in {"http", "https"} or not rest or set(rest) & set("/*?#@ ") or origin != origin.lower():
            raise ConfigError(
                "web-origins",
                f"web.origins: {origin!r} is no origin",
                hint="scheme, host and port as a browser sends them, e.g. https://desk.example; no path, no *",
            )
    for host in web.hosts:
        if not host or set(host) & set("/*?#@ "):
            raise ConfigError(
                "web-hosts", f"web.hosts: {host!r} is no host name", hint="e.g. perpscope.example, without a port"
            )
    proxies(web)


def proxies(web: Web) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """The addresses of `web.proxies`; each may be a network.

    Raises:
        ConfigError: "web-proxies", one is no address.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in web.proxies)
    except ValueError as error:
        raise ConfigError("web-proxies", f"web.proxies: {error}", hint="e.g. 127.0.0.1 or 10.0.0.0/24") from error


def _validity(path: str) -> tuple[datetime, datetime]:
    """From when until when the first certificate of a PEM file is valid (RFC 5280, 4.1).

    Raises:
        ValueError: it is no certificate.
    """
    text = Path(path).read_text("ascii", errors="replace")
    start = text.find(ssl.PEM_HEADER)
    end = text.find(ssl.PEM_FOOTER, start)
    if start < 0 or end < 0:
        raise ValueError("no certificate in PEM form")
    der = ssl.PEM_cert_to_DER_cert(text[start : end + len(ssl.PEM_FOOTER)])
    (certificate,) = (value for _, value in _elements(der))
    (_, signed), *_ = _elements(certificate)
    fields = [
        (tag, value) for tag, value in _elements(signed) if tag != _VERSION
    ]  # serial, algorithm, issuer, validity
    (first_tag, first), (until_tag, until) = _elements(fields[3][1])
    return _time(first_tag, first), _time(until_tag, until)


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """The elements of one DER value: tag and content."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            n = length & 0x7F
            length, at = int.from_bytes(der[at : at + n], "big"), at + n
        found.append((tag, der[at : at + length]))
        at += length
    return found


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a date of the certificate is none")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
