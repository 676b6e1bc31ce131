"""Maps and sentiment that are pushed: made while somebody listens, told when they are others, refused by name."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Annotated

import msgspec
import pytest
from starlette.applications import Starlette

from perpscope.bus.memory import MemoryCache
from perpscope.errors import DataError
from perpscope.model.bulletin import MapNews, Topic
from perpscope.settings import Settings, Web
from perpscope.web.answers import Answers
from perpscope.web.endpoint import Endpoint
from perpscope.web.meta import Meta, meta
from perpscope.web.push import Hub, figures, routes
from perpscope.web.push.wire import UVICORN
from perpscope.web.sources import Sources
from tests.acceptance.test_push import reading
from tests.pushing import NOW, Heart, running, serving

Wait = Callable[[Callable[[], bool]], Awaitable[None]]


class Question(msgspec.Struct, frozen=True):
    """Of which coin."""

    symbol: Annotated[str, msgspec.Meta(description="a coin")] = "BTC"


class Body(msgspec.Struct, frozen=True):
    """A map with one figure."""

    meta: Meta
    strength: int


class Maker:
    """Makes maps, and counts them."""

    def __init__(self) -> None:
        self.made = 0
        self.strength = 1
        self.trouble: Exception | None = None

    def make(self, sources: Sources, query: Question) -> Body:
        """One answer."""
        self.made += 1
        if self.trouble is not None:
            raise self.trouble
        if query.symbol == "NONE":
            raise DataError("symbol-unknown", "there is no NONE")
        return Body(meta(sources, kind="model", as_of_ms=1), self.strength)


def endpoint(maker: Maker, path: str = "/api/liquidation-map") -> Endpoint:
    """The map's."""
    return Endpoint(
        name="liquidation_map",
        paths=(path,),
        tag="map",
        summary="A map",
        query=Question,
        body=Body,
        make=maker.make,
        fresh_s=0.0,
    )


async def test_a_map_is_told_anew_when_the_heart_says_so(eventually: Wait) -> None:
    """Nothing is made before anybody listens, one is made for all who do, and news brings the members that changed."""
    heart, maker = Heart(), Maker()
    answers = Answers(Sources(Settings(), None, heart.live, MemoryCache()))
    hub = Hub(Web(), heart.live, answers, [endpoint(maker), endpoint(maker, "/api/market-sentiment")])
    async with running(hub, heart), serving(Starlette(routes=routes(hub)), **UVICORN) as where:
        heart.tells(Topic.MAPS, MapNews("BTC", NOW), "BTC")
        await eventually(lambda: heart.live.version == 1)
        assert maker.made == 0
        async with reading(where, "map:btc") as one, reading(where, "map:BTC") as two:
            await eventually(lambda: "map:BTC" in one.state and "map:BTC" in two.state)
            assert one.state["map:BTC"]["strength"] == 1
            assert one.state["map:BTC"]["meta"]["kind"] == "model"
            assert maker.made == 1
            maker.strength = 2
            heart.tells(Topic.MAPS, MapNews("BTC", NOW + 1), "BTC")
            await eventually(lambda: all(told.state["map:BTC"]["strength"] == 2 for told in (one, two)))
            assert maker.made == 2
        await eventually(lambda: hub.connections == 0)
        assert hub.channels == ["liquidations", "gaps", "signals"]
    answers.close()


async def test_a_map_that_cannot_be_made_is_refused_by_name(eventually: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    """What will never be is told and dropped; what is our trouble is told, and comes once it is over."""
    monkeypatch.setattr(figures, "_AGAIN_S", 0.05)
    heart, maker = Heart(), Maker()
    answers = Answers(Sources(Settings(), None, heart.live, MemoryCache()))
    hub = Hub(Web(), heart.live, answers, [endpoint(maker)])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(hub, heart))
        where = await stack.enter_async_context(serving(Starlette(routes=routes(hub)), **UVICORN))
        told = await stack.enter_async_context(reading(where, "map:NONE,sentiment:BTC"))
        await eventually(lambda: len(told.errors) == 2)
        assert {error["code"] for error in told.errors} == {"channel-unknown", "symbol-unknown"}
        assert hub.channels == ["liquidations", "gaps", "signals"]
        maker.trouble = ZeroDivisionError("a bug of ours")
        await told.says("subscribe", "map:ETH")
        await eventually(lambda: len(told.errors) == 3)
        assert told.errors[2]["code"] == "internal"
        assert "bug of ours" not in str(told.errors[2])
        maker.trouble = None
        await eventually(lambda: "map:ETH" in told.state)
    answers.close()
