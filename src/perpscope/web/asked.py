"""What a request says of itself, read in one pass over its headers, with bounds.

In: an ASGI scope. Out: `Asked`, or the refusal of a request that is too long or says one thing twice.
"""

import re
from urllib.parse import urlsplit

import msgspec
from starlette import types as asgi

from perpscope.web.problem import Refused

MAX_URL = 8_192  #: bytes of path and query
MAX_BODY = 65_536  #: bytes of a request, and of one message of a WebSocket
MAX_HEADERS = 100
MAX_HEADER_BYTES = 16_384
#: Names of query parameters that would hold a secret, and the beginning of every key of ours.
_SECRET = re.compile(
    rb"(?:^|[&;])(?:(?:x-)?api[_-]?key|key|(?:access_?)?token|auth(?:orization)?|bearer|secret|password)=|pps_[0-9a-f]{8}_",
    re.IGNORECASE,
)
_TICKET = re.compile(rb"(?:^|&)ticket=([^&]*)")
#: Header → field of `Asked`; a second one of the same name is refused.
_SINGLE = {
    b"host": "host",
    b"origin": "origin",
    b"authorization": "authorization",
    b"x-api-key": "api_key",
    b"content-length": "content_length",
    b"content-type": "content_type",
    b"transfer-encoding": "transfer_encoding",
    b"sec-fetch-site": "fetch_site",
    b"sec-fetch-mode": "fetch_mode",
    b"access-control-request-method": "preflight",
}
#: Headers of a proxy: `x-forwarded-for` and -`proto` may come in several lines, which are one list.
_FORWARDED = frozenset({b"forwarded", b"x-real-ip", b"x-forwarded-host", b"x-forwarded-for", b"x-forwarded-proto"})

#: Headers that were read already; a few clients ask most of the time.
_KNOWN: "dict[tuple[tuple[bytes, bytes], ...], Asked]" = {}
_MOST_KNOWN = 256


class Asked(msgspec.Struct, frozen=True):
    """A request's own words; b"" = not said."""

    host: bytes = b""
    origin: bytes = b""
    authorization: bytes = b""
    api_key: bytes = b""
    content_length: bytes = b""
    content_type: bytes = b""
    transfer_encoding: bytes = b""
    fetch_site: bytes = b""
    fetch_mode: bytes = b""
    preflight: bytes = b""
    forwarded_for: bytes = b""
    forwarded_proto: bytes = b""
    is_forwarded: bool = False  #: some proxy says that it passed this on

    @property
    def has_body(self) -> bool:
        """Whether a body may follow."""
        return bool(self.transfer_encoding) or self.content_length not in (b"", b"0")


def read(scope: asgi.Scope) -> Asked:
    """Read the headers; those of a client's next request are mostly the same, and known.

    Raises:
        Refused: "url-too-long", "headers-too-large" or "header-repeated".
    """
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL:
        raise Refused(414, "url-too-long", f"a URL may have {MAX_URL} bytes")
    headers = tuple(scope["headers"])
    asked = _KNOWN.get(headers)
    if asked is None:
        asked = _read(headers)
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[headers] = asked
    return asked


def _read(headers: tuple[tuple[bytes, bytes], ...]) -> Asked:
    said: dict[str, bytes | bool] = {}
    total = 0
    for name, value in headers:
        total += len(name) + len(value)
        if (field := _SINGLE.get(name)) is not None:
            if field in said:
                raise Refused(400, "header-repeated", f"the header {name.decode('latin-1')} stands there twice")
            said[field] = value
        elif name in _FORWARDED:
            said["is_forwarded"] = True
            if name == b"x-forwarded-for":
                said["forwarded_for"] = value
            elif name == b"x-forwarded-proto":
                said["forwarded_proto"] = value
    if len(headers) > MAX_HEADERS or total > MAX_HEADER_BYTES:
        raise Refused(
            431, "headers-too-large", f"a request may have {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes together"
        )
    return Asked(**said)  # type: ignore[arg-type]  # names and kinds are those of the fields


def refuse_secrets(query: bytes) -> None:
    """A URL ends up in logs, histories and Referer headers.

    Raises:
        Refused: "key-in-url".
    """
    if _SECRET.search(query):
        raise Refused(
            400,
            "key-in-url",
            "a key never goes into a URL: this one may stand in logs by now",
            hint="send it as Authorization: Bearer, or X-API-Key; perpscope keys revoke ends the one sent",
        )


def ticket_of(query: bytes) -> str | None:
    """The ticket in a query, if there is one."""
    match = _TICKET.search(query)
    return None if match is None else match[1].decode("latin-1")


def name_of(host: bytes) -> str | None:
    """The name in a Host header, lower case and without its port; None if it is none.

    >>> name_of(b"LocalHost:8000"), name_of(b"[::1]:80"), name_of(b"a/b"), name_of(b"127.0.0.1:x")
    ('localhost', '::1', None, None)
    """
    try:
        text = host.decode("ascii")
        parts = urlsplit(f"//{text}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.netloc != text or "@" in text or not name:
        return None
    return name.removesuffix(".")
