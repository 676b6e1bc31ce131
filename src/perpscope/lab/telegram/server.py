"""A Bot API server on loopback: `/bot<token>/<method>` by GET or POST, with what goes wrong by script.

In: requests of bots in any form the API takes: query, form, multipart, JSON. Out: what `methods` answers, updates to
whoever polls for them, and faults on request: a status, a cut connection, slowness, 429 at will.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec
from aiohttp import web

from perpscope.lab.telegram.chats import Json, Person
from perpscope.lab.telegram.methods import TOKEN, Answer, Methods, refusal, too_many

_CONFLICT: Final = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
_LONGEST_POLL_S: Final = 50
_MOST_UPDATES: Final = 100
_TOLD_AT_ONCE: Final = 0.01


class Fault(msgspec.Struct, frozen=True):
    """What happens to the next request of a method."""

    kind: Literal["status", "cut", "lost", "slow", "flood", "garbage"]
    #: of status: the HTTP status; of slow: seconds; of flood: seconds to wait
    value: float = 0.0
    method: str = ""  #: in any case; empty = any but getUpdates


class BotServer:
    """A Bot API server. Use it as an async context manager, or call `start` and `aclose`.

    Args:
        methods: the bot; one of its own by default.
    """

    def __init__(self, methods: Methods | None = None) -> None:
        self.bot = Methods() if methods is None else methods
        self.requests: Counter[str] = Counter()  #: by method, in lower case
        self.asked: deque[tuple[str, Json]] = deque(maxlen=1000)  #: the newest requests
        self.url = ""  #: base, once started
        self.conflicts = 0  #: pollers that another one ended
        self._faults: deque[Fault] = deque()
        self._polling: asyncio.Event | None = None
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.bot.chats.told = self._news.set

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; returns the base URL.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application(client_max_size=20 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        app.router.add_route("*", "/{path:.*}", _nothing)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound: tuple[str, int] = self._runner.addresses[0]
        self.url = f"http://{host}:{bound[1]}"
        return self.url

    async def aclose(self) -> None:
        """Stop listening; whoever polls is cut off."""
        if self._polling is not None:
            self._polling.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def person(self, chat_id: int = 42, *, kind: str = "private", name: str = "Ada") -> Person:
        """Somebody who has started the bot, to act as."""
        return self.bot.person(chat_id, kind=kind, name=name)

    def suffer(self, *faults: Fault) -> None:
        """Let these happen, one after the other, each to the first request it means."""
        self._faults.extend(faults)

    def recover(self) -> None:
        """Let nothing more of that happen."""
        self._faults.clear()

    # requests ------------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        token, method = request.match_info["token"], request.match_info["method"].lower()
        if ":" not in token:
            return _written(refusal(404, "Not Found"))
        if token != self.bot.token:
            return _written(refusal(401, "Unauthorized"))
        asked = await _arguments(request)
        if asked is None:
            return _written(refusal(400, "Bad Request: can't parse request JSON object"))
        self.requests[method] += 1
        self.asked.append((method, asked))
        fault = self._fault(method)
        match fault:
            case Fault("status"):
                return web.Response(
                    status=round(fault.value), text="<html>Bad Gateway</html>", content_type="text/html"
                )
            case Fault("garbage"):
                return web.Response(body=b'{"ok":tr', content_type="application/json")
            case Fault("flood"):
                return _written(too_many(round(fault.value)))
            case Fault("cut"):
                return _cut(request)
            case Fault("slow"):
                await asyncio.sleep(fault.value)
        answer = await self._updates(asked) if method == "getupdates" else self.bot.call(method, asked)
        return _cut(request) if fault is not None and fault.kind == "lost" else _written(answer)

    def _fault(self, method: str) -> Fault | None:
        for fault in self._faults:
            if fault.method.lower() == method or (not fault.method and method != "getupdates"):
                self._faults.remove(fault)
                return fault
        return None

    async def _updates(self, asked: Mapping[str, Any]) -> Answer:
        """What is new to the bot, after up to `timeout` seconds; another poller ends this one."""
        if self._polling is not None:
            self._polling.set()
        mine = self._polling = asyncio.Event()
        try:
            self._confirm(_number(asked, "offset"))
            if not self.bot.chats.updates:
                await self._wait(min(_LONGEST_POLL_S, _number(asked, "timeout")), mine)
            if mine.is_set():
                self.conflicts += 1
                return refusal(409, _CONFLICT)
            most = min(_MOST_UPDATES, _number(asked, "limit") or _MOST_UPDATES)
            return Answer(200, {"ok": True, "result": self._wanted(asked)[:most]})
        finally:
            if self._polling is mine:
                self._polling = None

    def _confirm(self, offset: int) -> None:
        """Forget what the bot has had: ids below the offset; a negative one counts from the end."""
        updates = self.bot.chats.updates
        if offset < 0:
            del updates[:offset]
        else:
            updates[:] = [one for one in updates if one["update_id"] >= offset]

    async def _wait(self, timeout_s: float, ended: asyncio.Event) -> None:
        self._news.clear()
        waits = [asyncio.ensure_future(event.wait()) for event in (self._news, ended)]
        try:
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        await asyncio.sleep(_TOLD_AT_ONCE if not ended.is_set() and timeout_s else 0)

    def _wanted(self, asked: Mapping[str, Any]) -> list[Json]:
        wanted = asked.get("allowed_updates")
        if isinstance(wanted, str) and wanted:
            wanted = msgspec.json.decode(wanted)
        updates = self.bot.chats.updates
        return [one for one in updates if not wanted or set(wanted) & set(one)]


async def _arguments(request: web.Request) -> dict[str, Any] | None:
    """Of a request, in whatever form; None where it is no JSON that it says it is."""
    found: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        raw = await request.read()
        try:
            given = msgspec.json.decode(raw) if raw else {}
        except msgspec.DecodeError:
            return None
        if not isinstance(given, dict):
            return None
        return found | given
    for name, value in (await request.post()).items():
        found[name] = value.file.read() if isinstance(value, web.FileField) else value
    for name, value in found.items():  # "attach://NAME" stands for the part of that name
        if isinstance(value, str) and value.startswith("attach://"):
            found[name] = found.get(value.removeprefix("attach://"), value)
    return found


def _number(asked: Mapping[str, Any], name: str) -> int:
    try:
        return int(float(asked.get(name) or 0))
    except (TypeError, ValueError):
        return 0


def _written(answer: Answer) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer.body), status=answer.status, content_type="application/json")


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _nothing(_: web.Request) -> web.Response:
    return _written(refusal(404, "Not Found"))


__all__ = ["TOKEN", "BotServer", "Fault"]
