"""Where a question is taken and its answer handed out: the ASGI application of one endpoint.

The same URL asked again costs a look-up and two messages: neither the question is read again nor the body made.
"""

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from perpscope.web.answers import Answer, Answers, Key, key_of
from perpscope.web.endpoint import Endpoint
from perpscope.web.problem import answer_error, problem
from perpscope.web.query import Questions

_Asked: TypeAlias = tuple[Key, msgspec.Struct]
_MOST_REMEMBERED: Final = 512
METHODS: Final = ("GET", "HEAD")


class Desk:
    """Serves one endpoint.

    Args:
        endpoint: what is served.
        answers: of this face.
        in_path: the names that stand in the path.
        monotonic: real seconds, of the same origin as the answers'.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        answers: Answers,
        in_path: frozenset[str] = frozenset(),
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self._answers = answers
        self._questions = Questions(endpoint.query, in_path)
        self._has_path = bool(in_path)
        self._monotonic = monotonic
        self._asked: dict[tuple[str, bytes], _Asked] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["state"]["route"] = self.endpoint.name
        if scope["method"] not in METHODS:
            await refuse_method(scope["path"], ", ".join(METHODS))(scope, receive, send)
            return
        try:
            key, query = self._read(scope)
            fresh_s = self.endpoint.fresh_s
            answer = self._answers.fresh(key, fresh_s) or await self._answers.make(key, self.endpoint, query)
        except asyncio.CancelledError:  # uvicorn's way to say that the time to finish is over
            await _ending(scope["path"])(scope, receive, send)
            return
        except Exception as error:  # answered as a problem; ours is logged
            await answer_error(error, scope["path"])(scope, receive, send)
            return
        age_s = max(0, int(self._monotonic() - answer.made_at))
        await hand_out(answer, scope, send, (b"age", b"%d" % age_s))

    def _read(self, scope: Scope) -> _Asked:
        spelled = (scope["path"] if self._has_path else "", scope["query_string"])
        asked = self._asked.get(spelled)
        if asked is None:
            query = self._questions.read(spelled[1], scope["path_params"] if self._has_path else None)
            asked = key_of(self.endpoint, query), query
            if len(self._asked) >= _MOST_REMEMBERED:
                self._asked.clear()
            self._asked[spelled] = asked
        return asked


async def hand_out(answer: Answer, scope: Scope, send: Send, *more: tuple[bytes, bytes]) -> None:
    """Send an answer, packed where that is understood; 304 where it is what the asker has.

    Args:
        answer: is sent.
        scope: of the request.
        send: of the request.
        more: headers.
    """
    has, is_packed = None, False
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            has = value
        elif name == b"accept-encoding":
            is_packed = answer.gzip is not None and _takes_gzip(value)
    if has is not None and _is_same(has, answer.etag):
        await send({"type": "http.response.start", "status": 304, "headers": [*answer.same, *more]})
        await send({"type": "http.response.body", "body": b""})
        return
    headers, body = (answer.packed, answer.gzip or b"") if is_packed else (answer.plain, answer.body)
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


@lru_cache(256)
def _takes_gzip(accepted: bytes) -> bool:
    """Whether `Accept-Encoding` allows gzip."""
    for part in accepted.lower().split(b","):
        name, _, quality = part.partition(b";")
        if name.strip() in {b"gzip", b"x-gzip", b"*"}:
            return quality.replace(b" ", b"").rstrip(b"0.") != b"q="
    return False


def _is_same(has: bytes, etag: str) -> bool:
    """Whether `If-None-Match` names the answer, packed or not (weak comparison, RFC 9110 §13.1.2)."""
    digest = etag[1:-1].encode()
    if has.strip() == b"*":
        return True
    return any(tag.strip().removeprefix(b"W/").strip(b'"').removesuffix(b"-gz") == digest for tag in has.split(b","))


def _ending(path: str) -> Response:
    return problem(
        503,
        "face-ending",
        "this face is ending, and the answer is not made",
        instance=path,
        hint="ask again in some seconds",
        headers={"retry-after": "5"},
    )


def refuse_method(path: str, allowed: str) -> Response:
    """405, as a problem."""
    return problem(405, "method-not-allowed", f"only {allowed} here", instance=path, headers={"allow": allowed})
