"""What stands before every room of the service: who is let in, to what, how often, and what every answer carries.

A request walks through sizes, Host, TLS, secrets in its URL, Origin, key, rate and scope; the first of these that says
no answers with a problem. What is let in carries its `Grant` (None on the public pages) as `scope["state"]["grant"]`.
A ticket of a push connection is taken here: the routes find its grant in the same place. docs/security.md
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog
from starlette import types as asgi

from perpscope.app import dashboard
from perpscope.app.api_keys import LOCAL, ApiKeys, Grant, Scope
from perpscope.settings import Web
from perpscope.web import asked as reading
from perpscope.web import refusals
from perpscope.web import tickets as ticketing
from perpscope.web.asked import Asked
from perpscope.web.callers import Caller, Callers
from perpscope.web.exposure import is_loopback, refuse_exposed
from perpscope.web.problem import Refused, refuse
from perpscope.web.rates import Rates
from perpscope.web.tickets import Tickets

__all__ = ["Demand", "Guard", "is_loopback", "refuse_exposed"]

#: Only whether the process lives, and is ready: for load balancers, which know no key and may send any Host.
HEALTH = frozenset({"/healthz", "/readyz"})
_ALIVE = "/healthz"  # costs nothing, and is not counted
#: Pages that a browser asks for before it could send a key; none holds a figure.
PUBLIC = frozenset({*dashboard.PATHS, "/viewer", "/favicon.ico", "/docs", "/openapi.json", *HEALTH})
PUBLIC_FOLDERS = ("/static/", "/docs/")
#: Where a ticket opens a connection.
PUSH = frozenset({"/api/v1/stream", "/api/v1/liquidations/real-time", "/api/liquidations/real-time"})
FAILURES_PER_MIN = 10  #: wrong keys of one address that are answered with 401; more are answered with 429
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOG = structlog.get_logger("perpscope.web")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "connect", "font", "manifest")),
        "img-src 'self' data:",
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    )
).encode()
_POLICY_NAME = b"content-security-policy"
_SECURITY = (
    (_POLICY_NAME, _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_TLS = (b"strict-transport-security", b"max-age=31536000")
_LISTED = ((b"access-control-expose-headers", b"ETag, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"),)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", b"Authorization, X-API-Key, Content-Type, If-None-Match"),
    (b"access-control-max-age", b"600"),
)


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What one path asks of its caller."""

    scope: Scope = Scope.READ
    cost: float = 1.0  #: requests it counts as
    writes: bool = False  #: it takes more than GET: what changes something is refused everywhere else


_READ = Demand()


class Guard:
    """ASGI middleware over HTTP and WebSocket.

    Args:
        app: what is guarded.
        settings: `[web]`.
        keys: who may come in.
        tickets: those the ticket's route gives out.
        demands: path, or "/path/{name}" for whatever begins so → what it asks; others ask for reading.
        monotonic: real seconds; a test's own.

    Raises:
        ConfigError: "web-proxies", an entry that is no address.
    """

    def __init__(
        self,
        app: asgi.ASGIApp,
        settings: Web,
        keys: ApiKeys,
        *,
        tickets: Tickets | None = None,
        demands: Mapping[str, Demand] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        demands = {ticketing.PATH: Demand(writes=True), **(demands or {})}
        self._app = app
        self._keys = keys
        self._tickets = tickets
        self._callers = Callers(settings)
        self._demands = {path: demand for path, demand in demands.items() if "{" not in path}
        self._below = {path.partition("{")[0]: demand for path, demand in demands.items() if "{" in path}
        self._rates = Rates(settings.requests_per_min, monotonic=monotonic)
        self._failures = Rates(FAILURES_PER_MIN, monotonic=monotonic)
        self._origins = frozenset(origin.encode() for origin in settings.origins)
        self._keeping: asyncio.Future[None] | None = None
        self._fixed = [*_SECURITY, (b"ratelimit-policy", self._rates.policy)]
        if settings.certificate:
            self._fixed.append(_TLS)
        if self._origins:
            self._fixed.append((b"vary", b"Origin"))

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            self._keys.keep_used()
            return
        headers = list(self._fixed)
        try:
            asked = self._admit(scope, headers)
        except Refused as refused:
            await refuse(refused, scope, receive, _dressed(send, headers))
            return
        if asked is None:
            answer = {"type": "http.response.start", "status": 204, "headers": headers}
            await send(answer)
            await send({"type": "http.response.body", "body": b""})
            return
        if self._keys.is_use_due:
            self._keeping = asyncio.get_running_loop().run_in_executor(None, self._keys.keep_used)
        if scope["type"] == "websocket":
            await self._app(scope, _bounded_messages(receive), send)
        elif asked.has_body:
            await self._with_body(asked, scope, receive, _dressed(send, headers))
        else:
            await self._app(scope, receive, _dressed(send, headers))

    def _admit(self, scope: asgi.Scope, headers: list[tuple[bytes, bytes]]) -> Asked | None:
        """Every question in turn; None = a preflight, answered by the headers alone.

        Raises:
            Refused: the answer of the first that said no.
        """
        path: str = scope["path"]
        asked = reading.read(scope)
        if path not in HEALTH:
            self._callers.refuse_host(asked)
        caller = self._callers.who(scope, asked)
        if path not in HEALTH:
            self._callers.refuse_in_the_clear(caller)
        if scope["query_string"]:
            reading.refuse_secrets(scope["query_string"])
        self._origin(scope, asked, caller, headers)
        if asked.preflight and scope["type"] == "http" and scope["method"] == "OPTIONS" and asked.origin:
            return None
        demand = self._demands.get(path) or self._demand_below(path)
        grant = self._grant(scope, asked, caller, path)
        if path != _ALIVE:
            self._count(grant, caller, demand, headers)
        if grant is None and not _is_public(path):
            raise refusals.key_missing()
        if grant is not None and not grant.allows(demand.scope):
            raise Refused(403, "scope-missing", f"{path} asks for a key with the scope {demand.scope.value!r}")
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            _refuse_unsafe(scope["method"], demand, asked, is_keyed=grant is not None and grant.id is not None)
        scope.setdefault("state", {})["grant"] = grant
        return asked

    def _origin(self, scope: asgi.Scope, asked: Asked, caller: Caller, headers: list[tuple[bytes, bytes]]) -> None:
        """Pages of other origins are refused, but for the listed ones, whose CORS question is answered.

        Raises:
            Refused: "origin-refused".
        """
        if not asked.origin:
            is_ticket = scope["type"] == "websocket" and reading.ticket_of(scope["query_string"]) is not None
            is_embedded = asked.fetch_site == b"cross-site" and asked.fetch_mode != b"navigate"
            if is_ticket or is_embedded:
                raise refusals.origin_refused("no origin")
        elif asked.origin in self._origins:
            headers += ((b"access-control-allow-origin", asked.origin), *_LISTED)
            if asked.preflight:
                headers += _PREFLIGHT
        elif not self._callers.is_same_origin(asked, caller):
            raise refusals.origin_refused(repr(asked.origin.decode("latin-1")))

    def _grant(self, scope: asgi.Scope, asked: Asked, caller: Caller, path: str) -> Grant | None:
        """What the caller may do; None: no key was sent where one is needed.

        Raises:
            Refused: a wrong key or ticket.
        """
        bearer = asked.authorization[7:].strip() if asked.authorization[:7].lower() == b"bearer " else b""
        if bearer and asked.api_key and bearer != asked.api_key:
            raise Refused(400, "key-twice", "two different keys were sent", hint="Authorization or X-API-Key, not both")
        if text := bearer or asked.api_key:
            grant = self._keys.find(text)
            return grant if grant is not None else self._fail(caller, path, refusals.key_wrong())
        if path in PUSH and self._tickets is not None:
            ticket = reading.ticket_of(scope["query_string"])
            if ticket is not None:
                grant = self._tickets.take(ticket)
                return grant if grant is not None else self._fail(caller, path, refusals.ticket_wrong())
        return LOCAL if caller.is_local else None

    def _fail(self, caller: Caller, path: str, refused: Refused) -> Grant | None:
        """A wrong key; too many of one address are not even told that.

        Raises:
            Refused: always.
        """
        standing = self._failures.take(caller.group)
        if not standing.is_allowed:
            raise refusals.too_many(standing, "too many wrong keys came from this address")
        _LOG.warning(refused.code.replace("-", " "), address=caller.address, path=path)
        raise refused

    def _count(self, grant: Grant | None, caller: Caller, demand: Demand, headers: list[tuple[bytes, bytes]]) -> None:
        standing = self._rates.take((grant and grant.id) or caller.group, demand.cost)
        headers.append((b"ratelimit", standing.header()))
        if not standing.is_allowed:
            raise refusals.too_many(standing, "more requests than this service takes of one caller")

    def _demand_below(self, path: str) -> Demand:
        return next((demand for start, demand in self._below.items() if path.startswith(start)), _READ)

    async def _with_body(self, asked: Asked, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Pass a body on as far as it is allowed to go."""
        if asked.content_length.isdigit() and int(asked.content_length) > reading.MAX_BODY:
            await refuse(refusals.body_too_large(), scope, receive, send)
            return
        try:
            await self._app(scope, _bounded_body(receive), send)
        except Refused as refused:  # the app answers refusals by itself, unless it is a bare one
            await refuse(refused, scope, receive, send)


def _is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def _refuse_unsafe(method: str, demand: Demand, asked: Asked, *, is_keyed: bool) -> None:
    """What changes something wants a key in a header, or what only a program of this machine can send.

    Raises:
        Refused: "method-not-allowed" or "json-only".
    """
    if not demand.writes:
        raise Refused(405, "method-not-allowed", f"{method} is not answered here", headers={"allow": "GET, HEAD"})
    is_json = asked.content_type.partition(b";")[0].strip().lower() == b"application/json"
    if not is_keyed and not is_json:
        raise Refused(
            415, "json-only", "without a key, only application/json is taken: no page of another site can send it"
        )


def _dressed(send: asgi.Send, headers: list[tuple[bytes, bytes]]) -> asgi.Send:
    """Adds what every answer carries; a tear sheet has a stricter policy of its own."""

    def sending(message: asgi.Message) -> Awaitable[None]:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            own = list(message.get("headers", ()))
            has_policy = any(name == _POLICY_NAME for name, _ in own)
            message["headers"] = own + [one for one in headers if not (has_policy and one[0] == _POLICY_NAME)]
        return send(message)

    return sending


def _bounded_body(receive: asgi.Receive) -> asgi.Receive:
    """A body whose length nobody said, as far as it may go.

    Raises:
        Refused: "body-too-large", to whoever reads on.
    """
    seen = 0

    async def receiving() -> asgi.Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > reading.MAX_BODY:
            raise refusals.body_too_large()
        return message

    return receiving


def _bounded_messages(receive: asgi.Receive) -> asgi.Receive:
    """A longer message than anybody has reason to send ends the connection."""

    async def receiving() -> asgi.Message:
        message = await receive()
        if len(message.get("bytes") or message.get("text") or "") > reading.MAX_BODY:
            return {"type": "websocket.disconnect", "code": 1009, "reason": "too long"}
        return message

    return receiving
