"""What went wrong, as RFC 9457 problems: a stable code, a sentence with the value, and where to read on.

A problem never shows a trace. Its `request_id` is the one of the log's line and of the `X-Request-ID` header.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Final

import msgspec
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from perpscope.errors import ConfigError, DataError, PerpscopeError, StoreError, TooLittle

MEDIA_TYPE: Final = "application/problem+json"
#: The request that is being answered; set by `web.traffic`.
REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
_RETRY_S: Final = 5
_log = structlog.get_logger()
#: Codes whose status is not that of their class.
_STATUS: Final[Mapping[str, int]] = {
    "symbol-unknown": 404,
    "symbol-not-trading": 404,
    "venue-unknown": 404,
    "store-missing": 503,
    "snapshots-none": 404,
    "window-empty": 404,
    "backup-missing": 404,
    "recording-missing": 404,
    "archive-missing": 404,
    "run-unknown": 404,
    "backtest-unknown": 404,
    "tearsheet-form": 404,
    "backtests-full": 503,
    "mode-rises": 409,
    "mode-file": 503,
    "trade-run-unknown": 404,
    "run-recordings": 404,
    "recording-removed": 410,
}


class Fault(msgspec.Struct, frozen=True):
    """One part of a request that was refused."""

    pointer: str  #: JSON pointer: "/symbol" is the query's `symbol`
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every answer that is none (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str = ""
    hint: str | None = None
    errors: list[Fault] = []


class Refused(Exception):
    """Ends a request with a problem.

    Args:
        status: of HTTP.
        code: stable, listed in `docs/errors.md`.
        detail: what happened, with the value.
        errors: the parts of the request that are wrong.
        hint: what to do about it.
        headers: besides the usual ones.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.hint = hint
        self.headers = dict(headers or {})


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    instance: str,
    errors: Sequence[Fault] = (),
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem as an answer.

    Args:
        status: of HTTP.
        code: stable, listed in `docs/errors.md`.
        detail: what happened, with the value.
        instance: path of the request.
        errors: the parts of the request that are wrong.
        hint: what to do about it.
        headers: besides the usual ones.
    """
    body = Problem(
        type=f"/docs/errors#{code}",
        title=code.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        instance=instance,
        code=code,
        request_id=REQUEST_ID.get(),
        hint=hint,
        errors=list(errors),
    )
    sent = {"cache-control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(body), status, headers=sent, media_type=MEDIA_TYPE)


def refusal(error: Exception) -> Refused | None:
    """What a request that met this error is refused with; None: the error is ours, and is nobody's to read."""
    match error:
        case Refused():
            return error
        case PerpscopeError():
            status = _STATUS.get(error.code) or _status(error)
            headers = {"retry-after": str(_RETRY_S)} if status == 503 else {}
            return Refused(status, error.code, error.message, hint=error.hint, headers=headers)
        case _:
            return None


def _status(error: PerpscopeError) -> int:
    match error:
        case ConfigError():
            return 422
        case TooLittle() | DataError():
            return 409
        case StoreError():
            return 503
        case _:
            return 502


def answer_error(error: Exception, instance: str) -> Response:
    """The problem for an error; one that is ours is logged with its trace, and told as 500 without it.

    Args:
        error: met while answering.
        instance: path of the request.
    """
    refused = refusal(error)
    if refused is None:
        _log.error("request failed", request_id=REQUEST_ID.get(), path=instance, exc_info=error)
        return problem(
            500,
            "internal",
            "this is our bug; the log has the line with this request_id",
            instance=instance,
        )
    return problem(
        refused.status,
        refused.code,
        refused.detail,
        instance=instance,
        errors=refused.errors,
        hint=refused.hint,
        headers=refused.headers,
    )


async def refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket's handshake, with its problem.

    A server that cannot answer a handshake by HTTP closes it with 1008 and the code as its reason.
    """
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refused.code})
        return
    await answer_error(refused, scope["path"])(scope, receive, send)
