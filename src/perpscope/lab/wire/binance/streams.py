"""Stream names and control messages of Binance USD-M: which stream stands on which route, what a request asks.

Since 2026-04-23 a stream lives on one of the routes /public, /market and /private. On the wrong one it is
acknowledged and stays silent, and the un-routed /ws and /stream carry public streams only; an unknown stream is
acknowledged and silent too. No error tells.
"""

import enum
import re
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from perpscope.lab.dialect import Goodbye

RequestId = int | str
#: How the venue closes a connection, by cause; GOING_AWAY for any other.
GOODBYES = {
    "no-pong": Goodbye(1008, b"Pong timeout"),
    "too-many-messages": Goodbye(1008, b"Too many requests"),
    "unsupported-frame": Goodbye(1003),
}
GOING_AWAY = Goodbye(1001)


class Route(enum.StrEnum):
    """The first part of a socket's path."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    UNROUTED = ""


_INTERVAL = r"(1s|1m|3m|5m|15m|30m|1h|2h|4h|6h|8h|12h|1d|3d|1w|1M)"
_PUBLIC = re.compile(
    r"!bookTicker|[^@!]+@(bookTicker|trade|rpiDepth@500ms|depth(5|10|20)?(@(0|100|250|500)ms)?)", re.UNICODE
)
_MARKET = re.compile(
    r"!(markPrice@arr(@1s)?|miniTicker@arr|ticker@arr|forceOrder@arr|contractInfo|assetIndex@arr)|tradingSession"
    rf"|[^@!]+@(aggTrade|markPrice(@1s)?|(continuousKline|kline)_{_INTERVAL}|miniTicker|ticker|forceOrder|compositeIndex)",
    re.UNICODE,
)


def route_of(stream: str) -> Route | None:
    """The route a stream is published on; None if there is no such stream. Symbols are lower case in stream names."""
    symbol, at, _ = stream.partition("@")
    if at and symbol.lower() != symbol and not symbol.startswith("!"):
        return None
    if _PUBLIC.fullmatch(stream):
        return Route.PUBLIC
    return Route.MARKET if _MARKET.fullmatch(stream) else None


def is_carried(stream: str, route: Route) -> bool:
    """True if a connection on `route` receives `stream`."""
    return route_of(stream) is (Route.PUBLIC if route is Route.UNROUTED else route)


class Opening(msgspec.Struct, frozen=True):
    """What a client's path asks for."""

    route: Route
    is_combined: bool  #: payloads come in the envelope {"stream":…,"data":…}
    streams: tuple[str, ...]


def opening(target: str) -> Opening | None:
    """Read `/<route>/ws[/<stream>…]` or `/<route>/stream[?streams=a/b]`; None if it is no such path.

    Args:
        target: path and query as requested, percent-encoded.
    """
    parts = urlsplit(target)
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    route = Route.UNROUTED
    if segments and segments[0] in {known.value for known in Route}:
        route = Route(segments.pop(0))
    match segments:
        case ["ws", *streams]:
            return Opening(route, False, tuple(streams))
        case ["stream"]:
            asked = parse_qs(parts.query).get("streams", [""])[0]
            return Opening(route, True, tuple(stream for stream in asked.split("/") if stream))
        case _:
            return None


class Request(msgspec.Struct, frozen=True):
    """A control message that makes sense."""

    method: str  #: SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY or GET_PROPERTY
    id: RequestId
    streams: tuple[str, ...] = ()
    is_combined: bool | None = None  #: of SET_PROPERTY


class Refusal(msgspec.Struct, frozen=True):
    """A control message that does not, and what to say."""

    code: int  #: 0 unknown property, 1 invalid value type, 2 invalid request, 3 invalid JSON
    message: str
    id: RequestId | None = None


class _Message(msgspec.Struct):
    method: str
    id: RequestId
    params: list[str | bool] = []


_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_decode_message = msgspec.json.Decoder(_Message).decode


def read_request(raw: bytes) -> Request | Refusal:
    """Understand a client's control message, or say what is wrong with it."""
    try:
        message = _decode_message(raw)
    except msgspec.ValidationError as error:
        return Refusal(2, f"Invalid request: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refusal(3, f"Invalid JSON: {error}")
    if isinstance(message.id, int) and message.id < 0:
        return Refusal(2, "Invalid request: request ID must be an unsigned integer")
    if message.method not in _METHODS:
        return Refusal(
            2, f"Invalid request: unknown variant `{message.method}`, expected one of {', '.join(_METHODS)}", message.id
        )
    if message.method.endswith("SUBSCRIBE"):
        return _subscription(message)
    return Request(message.method, message.id) if message.method == "LIST_SUBSCRIPTIONS" else _property(message)


def _subscription(message: _Message) -> Request | Refusal:
    streams = tuple(name for name in message.params if isinstance(name, str))
    if not streams or len(streams) < len(message.params):
        return Refusal(2, "Invalid request: params must be a list of stream names", message.id)
    return Request(message.method, message.id, streams)


def _property(message: _Message) -> Request | Refusal:
    name = message.params[0] if message.params else None
    if not isinstance(name, str):
        return Refusal(2, "Invalid request: property name must be a string", message.id)
    if name != "combined":
        return Refusal(0, "Unknown property", message.id)
    if message.method == "GET_PROPERTY":
        return Request(message.method, message.id)
    match message.params[1:]:
        case [bool(value)]:
            return Request(message.method, message.id, is_combined=value)
        case _:
            return Refusal(1, "Invalid value type: expected Boolean", message.id)


def answer(result: list[str] | bool | None, request_id: RequestId) -> bytes:
    """The acknowledgement of a request: `{"result":null,"id":…}`."""
    return msgspec.json.encode({"result": result, "id": request_id})


def refusal(refused: Refusal) -> bytes:
    """The error frame of a request: `{"code":2,"msg":"Invalid request: …"}`, with the id where one was read."""
    body: dict[str, RequestId] = {"code": refused.code, "msg": refused.message}
    if refused.id is not None:
        body["id"] = refused.id
    return msgspec.json.encode(body)


def enveloped(stream: str, payload: bytes) -> bytes:
    """The combined form of a payload; its bytes are not touched."""
    return b'{"stream":"%b","data":%b}' % (stream.encode(), payload)
