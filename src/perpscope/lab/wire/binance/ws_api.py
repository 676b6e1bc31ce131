"""Binance's WebSocket API, `/ws-fapi/v1`: requests with an id, each answered like the REST route it stands for.

A request is signed over its parameters sorted by name, or by nobody once the session is logged on with an Ed25519 key.
User data events do not come here: a listen key got here is used on `/private`.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from perpscope.lab.dialect import Answer, Call, Floor, Frame, Goodbye, Heard
from perpscope.lab.wire.binance import limits
from perpscope.lab.wire.binance import streams as wire

PATH = "ws-fapi"
_OK = 200
_REST: Mapping[str, tuple[str, str]] = {
    "order.place": ("POST", "/fapi/v1/order"),
    "order.modify": ("PUT", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "account.status": ("GET", "/fapi/v2/account"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "account.position": ("GET", "/fapi/v2/positionRisk"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
    "depth": ("GET", "/fapi/v1/depth"),
    "ticker.price": ("GET", "/fapi/v2/ticker/price"),
    "ticker.book": ("GET", "/fapi/v1/ticker/bookTicker"),
    "ping": ("GET", "/fapi/v1/ping"),
    "time": ("GET", "/fapi/v1/time"),
}
_LOGON = ("GET", "/fapi/v1/positionSide/dual")  # any signed question will do to have a signature checked
_NO_HMAC = b'{"code":-4056,"msg":"HMAC_SHA256 API key is not supported."}'


class _Request(msgspec.Struct):
    id: int | str | None
    method: str
    params: dict[str, str | int | float | bool | None] = {}


_decode = msgspec.json.Decoder(_Request).decode


class WsApi:
    """One connection."""

    def __init__(self, floor: Floor) -> None:
        self.path = PATH
        self.topics: dict[str, None] = {}
        self.form = ""
        self._floor = floor
        self._key = ""  # the session is logged on with
        self._since_ms, self._opened_ms = 0, floor.now_ms

    def carries(self, topic: str) -> bool:  # noqa: ARG002 (no topic is carried here)
        """False."""
        return False

    def wrapped(self, topic: str, payload: bytes) -> bytes:  # noqa: ARG002 (there is one form)
        """As it is."""
        return payload

    def notice(self) -> bytes | None:
        """None: it closes without a word before."""
        return None

    def goodbye(self, cause: str) -> Goodbye:
        """The close frame."""
        return wire.GOODBYES.get(cause, wire.GOING_AWAY)

    def hear(self, message: bytes, now_s: float) -> Heard:
        """Answer a request; one whose answer is lost is not answered."""
        try:
            request = _decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Heard((Frame(_failed(None, 400, b'{"code":-1135,"msg":"Invalid JSON Request."}')),))
        params = {name: _text(value) for name, value in request.params.items() if value is not None}
        match request.method:
            case "session.logon":
                return self._log_on(request, params, now_s)
            case "session.status":
                return self._told(request, _OK, self._session())
            case "session.logout":
                self._key = ""
                return self._told(request, _OK, self._session())
            case method if method in _REST:
                return self._ask(request, params, now_s)
        unknown = b'{"code":-1001,"msg":"Unknown method."}'
        return Heard((Frame(_failed(request.id, 400, unknown)),))

    def _ask(self, request: _Request, params: dict[str, str], now_s: float) -> Heard:
        answer = self._floor.ask(self._call(_REST[request.method], params, now_s))
        if not answer.status:
            return Heard()
        return self._told(request, answer.status, answer.body, answer)

    def _call(self, route: tuple[str, str], params: dict[str, str], now_s: float) -> Call:
        own = {name: value for name, value in params.items() if name not in ("signature", "returnRateLimits")}
        text = "&".join(f"{name}={own[name]}" for name in sorted(own))
        key = params.get("apiKey") or self._key
        is_on = bool(self._key) and key == self._key and "signature" not in params
        return Call(
            *route,
            params,
            b"",
            now_s,
            raw_query=text,
            headers={"X-MBX-APIKEY": key},
            wall_ms=self._floor.wall_ms,
            session_key=self._key if is_on else "",
        )

    def _log_on(self, request: _Request, params: dict[str, str], now_s: float) -> Heard:
        """Only with an Ed25519 key; those are longer than a HMAC signature in another alphabet."""
        if _is_hex(params.get("signature", "")):
            return Heard((Frame(_failed(request.id, 400, _NO_HMAC)),))
        answer = self._floor.ask(self._call(_LOGON, params, now_s))
        if answer.status != _OK:
            return self._told(request, answer.status, answer.body, answer)
        self._key = params["apiKey"]
        self._since_ms = self._floor.now_ms
        return self._told(request, _OK, self._session())

    def _session(self) -> bytes:
        since = self._since_ms if self._key else None
        return msgspec.json.encode(
            {
                "apiKey": self._key or None,
                "authorizedSince": since,
                "connectedSince": self._opened_ms,
                "returnRateLimits": True,
                "serverTime": self._floor.now_ms,
            }
        )

    def _told(self, request: _Request, status: int, body: bytes, answer: Answer | None = None) -> Heard:
        told: dict[str, object] = {"id": request.id, "status": status}
        try:
            told["result" if status == _OK else "error"] = msgspec.json.decode(body)
        except msgspec.DecodeError:
            told["error"] = {"code": -1006, "msg": "An unexpected response was received from the message bus."}
        if request.params.get("returnRateLimits") is not False:
            told["rateLimits"] = _limits(answer)
        return Heard((Frame(msgspec.json.encode(told)),))


def dialogue(target: str, floor: Floor) -> WsApi | None:
    """A connection to `/ws-fapi/v1`; None for any other path."""
    return WsApi(floor) if urlsplit(target).path.strip("/") == f"{PATH}/v1" else None


def _limits(answer: Answer | None) -> list[dict[str, object]]:
    headers = {} if answer is None else answer.headers
    weight: dict[str, object] = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
    weight |= {"limit": limits.WEIGHT_LIMIT_1M, "count": int(headers.get("X-MBX-USED-WEIGHT-1M", 0))}
    told = [weight]
    for limit, name in zip(limits.ORDER_LIMITS, ("10S", "1M"), strict=True):
        count = headers.get(f"X-MBX-ORDER-COUNT-{name}")
        if count is not None:
            told.append({**limit, "count": int(count)})
    return told


def _failed(request_id: int | str | None, status: int, error: bytes) -> bytes:
    return msgspec.json.encode({"id": request_id, "status": status, "error": msgspec.Raw(error)})


def _is_hex(signature: str) -> bool:
    return len(signature) == 64 and all(letter in "0123456789abcdef" for letter in signature.lower())


def _text(value: str | float | bool | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
