"""Answers as bytes: made once however many ask, kept within a bound, shared with other faces where there is a Redis.

A body is encoded, packed and hashed in the thread that makes it; whoever asks within `fresh_s` gets the same bytes.
"""

import asyncio
import gzip
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import wall_ns
from perpscope.web.endpoint import Endpoint, Raw
from perpscope.web.problem import Refused, refusal
from perpscope.web.sources import Sources
from perpscope.web.workers import Workers

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
#: (endpoint's name, the question in its canonical form)
Key: TypeAlias = tuple[str, bytes]

_WORKERS: Final = 3
_WAITING: Final = 32
_KEPT_BYTES: Final = 64 * 1024 * 1024
_PACKED_FROM: Final = 1024
_PACKING: Final = 4  #: 100 kB of JSON in 1.5 ms, a tenth larger than at 9
_LONGEST_S: Final = 30.0
_REFUSED_S: Final = 1.0
_MOST_REFUSED: Final = 1024
_SHARED_S: Final = 60.0
_JSON: Final = "application/json"
_ALWAYS: Final = {"cache-control": "no-cache", "vary": "accept-encoding"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A body, ready to be sent."""

    body: bytes  #: JSON
    gzip: bytes | None  #: the same, packed; None where that does not pay
    etag: str  #: strong, with its quotes; the packed body's ends in `-gz`
    as_of_ms: int | None  #: of its meta
    made_at: float  #: real seconds, monotonic, of this process
    plain: Headers  #: of a 200 with `body`
    packed: Headers  #: of a 200 with `gzip`
    same: Headers  #: of a 304

    @property
    def bytes(self) -> int:
        """What it takes to keep."""
        return len(self.body) + len(self.gzip or b"") + 1024


class _Shared(msgspec.Struct, frozen=True, array_like=True):
    """An answer as it lies in a cache that faces share."""

    body: bytes
    as_of_ms: int | None
    made_ns: int  #: ns UTC, wall time of the face that made it
    own: dict[str, str]


class Counts(msgspec.Struct):
    """What became of the questions, since the start."""

    hit: int = 0  #: served from what was kept
    made: int = 0
    shared: int = 0  #: taken from the cache that faces share
    joined: int = 0  #: waited for one that was being made
    refused: int = 0  #: because too much was being made
    evicted: int = 0


class Answers:
    """Whatever was asked lately. Belongs to one event loop.

    Args:
        sources: answers are made from.
        workers: answers made at once.
        waiting: answers that may wait to be made before more are refused.
        most_bytes: kept at most; what was not asked for longest goes first.
        longest_s: real seconds one who asks waits at most.
        monotonic: real seconds from any origin.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        workers: int = _WORKERS,
        waiting: int = _WAITING,
        most_bytes: int = _KEPT_BYTES,
        longest_s: float = _LONGEST_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._sources = sources
        self._room = workers + waiting
        self._most_bytes = most_bytes
        self._longest_s = longest_s
        self._monotonic = monotonic
        self._workers = Workers(workers)
        self._kept: OrderedDict[Key, Answer] = OrderedDict()
        self._bytes = 0
        self._making: dict[Key, asyncio.Task[Answer]] = {}
        self._refused: dict[Key, tuple[float, Refused]] = {}

    async def get(self, endpoint: Endpoint, query: msgspec.Struct) -> Answer:
        """The answer, made anew where the kept one is older than `fresh_s`.

        Raises:
            PerpscopeError: it cannot be made.
            Refused: so; or too much is being made already, or it takes too long.
        """
        key = key_of(endpoint, query)
        return self.fresh(key, endpoint.fresh_s) or await self.make(key, endpoint, query)

    def fresh(self, key: Key, fresh_s: float) -> Answer | None:
        """The answer that is kept; None where there is none of less than `fresh_s` seconds."""
        answer = self._kept.get(key)
        if answer is None or self._monotonic() - answer.made_at >= fresh_s:
            return None
        self.counts.hit += 1
        self._kept.move_to_end(key)
        return answer

    async def make(self, key: Key, endpoint: Endpoint, query: msgspec.Struct) -> Answer:
        """The answer made now, or the one that is being made already. Raises as `get`."""
        until, refused = self._refused.get(key, (0.0, None))
        if refused is not None and self._monotonic() < until:
            raise refused.with_traceback(None)
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._found(key, endpoint, query))
            task.add_done_callback(lambda done: self._settle(key, done))
            self._making[key] = task
        else:
            self.counts.joined += 1
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._longest_s)
        except TimeoutError:
            if task.done():  # its own
                raise
            raise Refused(
                503,
                "answer-slow",
                f"this took longer than {self._longest_s:g} s; it is still being made",
                hint="ask again in a moment, or for less",
                headers={"retry-after": "10"},
            ) from None

    def close(self) -> None:
        """Make nothing more."""
        self._workers.close()

    @property
    def kept_bytes(self) -> int:
        """What is kept takes."""
        return self._bytes

    async def _found(self, key: Key, endpoint: Endpoint, query: msgspec.Struct) -> Answer:
        """From another face where it is fresh there, else made."""
        there = await self._from_others(key)
        if there is not None and wall_ns() - there.made_ns < endpoint.fresh_s * 1e9:
            self.counts.shared += 1
            return self._keep(key, self._of_others(there))
        if len(self._making) > self._room:
            self.counts.refused += 1
            raise Refused(
                503,
                "face-busy",
                f"{self._room} answers are being made already",
                hint="ask again in a moment",
                headers={"retry-after": "1"},
            )
        try:
            answer, own = await self._workers.run(self._made, endpoint, query)
        except PerpscopeError as error:
            if there is not None and error.code == "replica-without-answer":
                self.counts.shared += 1
                return self._keep(key, self._of_others(there))
            raise
        self.counts.made += 1
        if self._shares:
            told = _Shared(answer.body, answer.as_of_ms, wall_ns(), own)
            ttl_s = max(_SHARED_S, 2 * endpoint.fresh_s)
            await self._sources.cache.put(_name(key), msgspec.msgpack.encode(told), ttl_s)
        return self._keep(key, answer)

    def _made(self, endpoint: Endpoint, query: msgspec.Struct) -> tuple[Answer, dict[str, str]]:
        """In a worker thread: the body, encoded and packed, and its own headers."""
        body = endpoint.make(self._sources, query)
        if isinstance(body, Raw):
            own = {**body.headers, "content-type": body.content_type}
            return ready(body.content, as_of_ms=body.meta.as_of_ms, made_at=self._monotonic(), own=own), own
        own = {} if endpoint.headers is None else endpoint.headers(query, body)
        return ready(encode(body), as_of_ms=body.meta.as_of_ms, made_at=self._monotonic(), own=own), own

    @property
    def _shares(self) -> bool:
        return bool(self._sources.settings.redis.cache)

    async def _from_others(self, key: Key) -> _Shared | None:
        raw = await self._sources.cache.get(_name(key)) if self._shares else None
        try:
            return None if raw is None else msgspec.msgpack.decode(raw, type=_Shared)
        except msgspec.MsgspecError:  # of another version of perpscope
            return None

    def _of_others(self, there: _Shared) -> Answer:
        age_s = max(0.0, (wall_ns() - there.made_ns) / 1e9)
        return ready(there.body, as_of_ms=there.as_of_ms, made_at=self._monotonic() - age_s, own=there.own)

    def _keep(self, key: Key, answer: Answer) -> Answer:
        if (old := self._kept.pop(key, None)) is not None:
            self._bytes -= old.bytes
        if answer.bytes > self._most_bytes:
            return answer
        self._kept[key] = answer
        self._bytes += answer.bytes
        while self._bytes > self._most_bytes:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= gone.bytes
            self.counts.evicted += 1
        return answer

    def _settle(self, key: Key, task: asyncio.Task[Answer]) -> None:
        """Forget a task that is done; what it was refused with stands for a second, however many ask."""
        del self._making[key]
        if task.cancelled() or (error := task.exception()) is None:
            return
        refused = refusal(error) if isinstance(error, Exception) else None
        if refused is not None and refused.code != "face-busy":
            if len(self._refused) >= _MOST_REFUSED:
                self._refused.clear()
            self._refused[key] = (self._monotonic() + _REFUSED_S, refused)


def key_of(endpoint: Endpoint, query: msgspec.Struct) -> Key:
    """What an answer is kept by."""
    return endpoint.name, msgspec.json.encode(query)


def encode(body: object) -> bytes:
    """JSON of a body; numbers that are none become null."""
    return msgspec.json.encode(body, enc_hook=_plain)


def _plain(value: object) -> object:
    """Arrays and numbers of numpy as lists and numbers."""
    tolist: Callable[[], object] | None = getattr(value, "tolist", None)
    if tolist is None:
        raise NotImplementedError(f"{type(value).__name__} cannot be told in JSON")
    return tolist()


def ready(
    body: bytes,
    *,
    as_of_ms: int | None = None,
    made_at: float = 0.0,
    own: Mapping[str, str] | None = None,
    content_type: str = _JSON,
    packing: int = _PACKING,
) -> Answer:
    """An answer of a body: packed, hashed, with its headers.

    Args:
        body: as it is sent.
        as_of_ms: of its meta.
        made_at: real seconds, monotonic.
        own: headers of its own, which go before the usual ones.
        content_type: of the body.
        packing: 1 = fast … 9 = small.
    """
    packed = gzip.compress(body, packing, mtime=0) if len(body) >= _PACKED_FROM else None
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    said = {**_ALWAYS, "content-type": content_type, **{name.lower(): text for name, text in (own or {}).items()}}
    kind = (b"content-type", said.pop("content-type").encode())
    told = tuple((name.encode(), text.encode("latin-1")) for name, text in said.items())
    plain_tag, packed_tag = (b"etag", f'"{digest}"'.encode()), (b"etag", f'"{digest}-gz"'.encode())
    long, short = (b"content-length", b"%d" % len(body)), (b"content-length", b"%d" % len(packed or b""))
    return Answer(
        body=body,
        gzip=packed,
        etag=f'"{digest}"',
        as_of_ms=as_of_ms,
        made_at=made_at,
        plain=(kind, long, plain_tag, *told),
        packed=(kind, short, (b"content-encoding", b"gzip"), packed_tag, *told),
        same=(plain_tag, *told),
    )


def _name(key: Key) -> str:
    """Where an answer lies in a cache that faces share."""
    digest = hashlib.blake2b(key[1], digest_size=16).hexdigest()
    return f"answer:{key[0]}:{digest}"
