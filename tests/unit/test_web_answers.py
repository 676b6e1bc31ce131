"""Answers: made once however many ask, kept within bounds, shared, and never more than so many at once."""

import asyncio
import gzip
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.asking import GridQuery, Maker, endpoint, sources, until

from perpscope.bus.memory import MemoryCache
from perpscope.errors import ConfigError, StoreError
from perpscope.settings import Redis, Settings
from perpscope.web.answers import Answers, encode, key_of, ready
from perpscope.web.problem import Refused
from perpscope.web.sources import Sources
from perpscope.web.workers import Workers

_SHARED = Settings(redis=Redis(cache="redis://127.0.0.1:1/0"))


class Clock:
    """Real seconds, as a test has them."""

    now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


@asynccontextmanager
async def opened(of: Sources | None = None, **bounds: float) -> AsyncIterator[Answers]:
    """Answers that are closed at the end."""
    answers = Answers(of or sources(), **bounds)  # type: ignore[arg-type]  # names of its own arguments
    try:
        yield answers
    finally:
        answers.close()


async def test_however_many_ask_an_answer_is_made_once() -> None:
    """A hundred who ask at once get the very same bytes, made once; who asks another question gets another."""
    make = Maker()
    make.go.clear()
    asked = endpoint(make)
    async with opened() as answers:
        waiting = [asyncio.create_task(answers.get(asked, GridQuery(rows=3))) for _ in range(100)]
        await until(lambda: make.made == 1)
        make.go.set()
        found = await asyncio.gather(*waiting)
        assert make.made == 1
        assert all(answer is found[0] for answer in found)
        assert json.loads(found[0].body)["rows"] == [[0.0, 0.5], [1.0, 0.5], [2.0, 0.5]]
        await answers.get(asked, GridQuery(rows=4))
        assert (make.made, answers.counts.made, answers.counts.joined) == (2, 2, 99)


async def test_an_answer_is_kept_for_as_long_as_it_is_fresh() -> None:
    """Within `fresh_s` the kept bytes are served; afterwards they are made anew."""
    clock, make = Clock(), Maker()
    asked = endpoint(make, fresh_s=2.0)
    answers = Answers(sources(), monotonic=clock)
    first = await answers.get(asked, GridQuery())
    clock.now += 1.9
    assert await answers.get(asked, GridQuery()) is first
    clock.now += 0.1
    second = await answers.get(asked, GridQuery())
    answers.close()
    assert (make.made, answers.counts.hit) == (2, 1)
    assert second.made_at == first.made_at + 2.0
    assert second.etag == first.etag  # the same bytes


async def test_what_was_not_asked_for_longest_goes_first() -> None:
    """What is kept stays below its bound in bytes, and an answer larger than that is served but not kept."""
    make = Maker()
    asked = endpoint(make, fresh_s=3600.0)
    async with opened(most_bytes=20_000) as answers:
        for rows in (300, 301, 302, 300, 303, 304):
            await answers.get(asked, GridQuery(rows=rows))
            assert answers.kept_bytes <= 20_000
        assert answers.counts.evicted > 0
        assert answers.fresh(key_of(asked, GridQuery(rows=301)), 3600.0) is None
        assert answers.fresh(key_of(asked, GridQuery(rows=304)), 3600.0) is not None
    async with opened(most_bytes=100) as answers:
        assert (await answers.get(asked, GridQuery())).body
        assert answers.kept_bytes == 0


async def test_more_than_the_bound_is_refused_at_once() -> None:
    """While so many answers are being made that more would only wait, the next is refused with 503. Security S19."""
    make = Maker()
    make.go.clear()
    asked = endpoint(make)
    async with opened(workers=1, waiting=2) as answers:
        waiting = [asyncio.create_task(answers.get(asked, GridQuery(rows=rows))) for rows in range(3)]
        await until(lambda: make.made == 1)
        with pytest.raises(Refused) as caught:
            await answers.get(asked, GridQuery(rows=9))
        assert (caught.value.status, caught.value.code) == (503, "face-busy")
        assert caught.value.headers["retry-after"] == "1"
        make.go.set()
        await asyncio.gather(*waiting)
        assert (await answers.get(asked, GridQuery(rows=9))).body
        assert answers.counts.refused == 1


async def test_one_who_asks_does_not_wait_for_ever() -> None:
    """After a bound the asker is told to come back; the answer is finished and then there. Security S37."""
    make = Maker()
    make.go.clear()
    asked = endpoint(make, fresh_s=3600.0)
    async with opened(longest_s=0.05) as answers:
        with pytest.raises(Refused) as caught:
            await answers.get(asked, GridQuery())
        assert (caught.value.status, caught.value.code) == (503, "answer-slow")
        make.go.set()
        await until(lambda: answers.fresh(key_of(asked, GridQuery()), 3600.0) is not None)
        assert make.made == 1


async def test_a_refusal_stands_for_a_second() -> None:
    """However often an unknown symbol is asked for, its store is looked at once a second."""
    clock, make = Clock(), Maker()
    make.fails = ConfigError("symbol-unknown", "nobody lists 'NOPE'")
    answers = Answers(sources(), monotonic=clock)
    for _ in range(5):
        with pytest.raises((ConfigError, Refused), match="NOPE"):
            await answers.get(endpoint(make), GridQuery())
    assert make.made == 1
    clock.now += 1.0
    with pytest.raises(ConfigError):
        await answers.get(endpoint(make), GridQuery())
    answers.close()
    assert make.made == 2


async def test_an_error_of_ours_is_not_kept() -> None:
    """A bug is told to everybody who meets it, and tried again by the next."""
    make = Maker()
    make.fails = ZeroDivisionError("ours")
    async with opened() as answers:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await answers.get(endpoint(make), GridQuery())
    assert make.made == 2


async def test_faces_share_what_one_of_them_made() -> None:
    """Two faces with one cache serve the same bytes, made once; a third that has no store serves them, too."""
    cache, make = MemoryCache(), Maker()
    asked = endpoint(make, fresh_s=60.0)
    async with (
        opened(sources(settings=_SHARED, cache=cache)) as one,
        opened(sources(settings=_SHARED, cache=cache)) as other,
    ):
        first, second = await one.get(asked, GridQuery()), await other.get(asked, GridQuery())
    assert (first.body, first.etag) == (second.body, second.etag)
    assert (make.made, other.counts.shared) == (1, 1)

    def stored(of: Sources, _: GridQuery) -> object:
        return of.store()

    async with opened(sources(settings=_SHARED, cache=cache)) as replica:
        assert (await replica.get(endpoint(stored, fresh_s=0.0), GridQuery())).body == first.body
        with pytest.raises(StoreError, match="no store") as caught:
            await replica.get(endpoint(stored), GridQuery(rows=7))
    assert caught.value.code == "replica-without-answer"


async def test_what_another_version_put_into_the_cache_is_made_anew() -> None:
    """A cache holding what cannot be read costs one making, not an error."""

    class Foreign(MemoryCache):
        async def get(self, key: str) -> bytes | None:
            return b"\xff" if await super().get(key) is None else None

    make = Maker()
    async with opened(sources(settings=_SHARED, cache=Foreign())) as answers:
        assert (await answers.get(endpoint(make), GridQuery())).body
    assert make.made == 1


class _Side(Enum):
    LONG = "long"


class _Figures(msgspec.Struct):
    values: list[float]
    of_numpy: object
    side: _Side


def test_no_body_holds_what_json_cannot_say() -> None:
    """NaN and infinities leave as null, arrays of numpy as lists; what has no JSON fails instead of being guessed."""
    array = np.array([1.5, math.nan, -math.inf])
    told = json.loads(
        encode(_Figures([math.nan, math.inf, 2.0], [array, np.float64(math.nan), np.int64(3)], _Side.LONG))
    )
    assert told == {"values": [None, None, 2.0], "of_numpy": [[1.5, None, None], None, 3], "side": "long"}
    with pytest.raises(NotImplementedError, match="PosixPath"):
        encode(Path("/"))


def test_an_answer_is_packed_and_hashed_once() -> None:
    """The packed body is the same body; its tag is another, as a strong tag has to be."""
    body = b'{"a":1}' * 1000
    answer = ready(body, own={"Link": '</next>; rel="next"'})
    assert answer.gzip is not None
    assert gzip.decompress(answer.gzip) == body
    tags = [dict(headers)[b"etag"] for headers in (answer.plain, answer.packed, answer.same)]
    assert tags[0] == tags[2] == answer.etag.encode()
    assert tags[1] == answer.etag[:-1].encode() + b'-gz"'
    assert dict(answer.plain)[b"link"] == b'</next>; rel="next"'
    assert ready(b"{}").gzip is None
    assert ready(b"{ }").etag != ready(b"{}").etag


def test_what_is_being_made_does_not_hold_up_the_end() -> None:
    """A face that is told to end while an answer takes its time ends at once. Security S37."""
    program = """
import asyncio, time
from perpscope.web.workers import Workers
async def main():
    workers = Workers(1)
    try:
        await asyncio.wait_for(workers.run(time.sleep, 60), 0.1)
    except TimeoutError:
        workers.close()
asyncio.run(main())
"""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)
    assert time.monotonic() - began < 30


async def test_workers_give_back_what_the_work_gave() -> None:
    """Results and errors come to whoever asked, with as few threads as are needed and never more than allowed."""
    workers = Workers(2)
    before = threading.active_count()
    assert [await workers.run(divmod, 7, 2) for _ in range(10)] == [(3, 1)] * 10
    assert threading.active_count() == before + 1
    together = threading.Barrier(2)
    waits = [workers.run(together.wait, 30) for _ in range(2)]
    assert sorted(await asyncio.gather(*waits)) == [0, 1]
    await asyncio.gather(*(workers.run(sum, (1, 2)) for _ in range(20)))
    assert threading.active_count() == before + 2
    with pytest.raises(ZeroDivisionError):
        await workers.run(divmod, 1, 0)
    workers.close()
    await until(lambda: threading.active_count() == before)
