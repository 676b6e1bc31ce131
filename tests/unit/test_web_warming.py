"""Warming: what the Map page asks first is there before it asks, of a coin that is collected, and once."""

import asyncio

import msgspec
from tests.unit.asking import sources, until

from perpscope.app.face import Heart, Live
from perpscope.errors import DataError
from perpscope.model.bulletin import MarketLine
from perpscope.model.instrument import InstrumentId
from perpscope.web.answers import Answers
from perpscope.web.app import found
from perpscope.web.endpoint import Endpoint
from perpscope.web.sources import Sources
from perpscope.web.warming import warm


class Heard(Live):
    """A live heart that tells of these instruments."""

    def __init__(self, *names: str) -> None:
        super().__init__(None)
        self.state = Heart.NONE
        self._market = {InstrumentId(name): MarketLine(instrument=InstrumentId(name), ts_market=0) for name in names}

    @property
    def heart(self) -> Heart:
        """As the test says."""
        return self.state


class Made:
    """Stands where the heatmap is made, and remembers what was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[msgspec.Struct] = []

    def __call__(self, _: Sources, query: msgspec.Struct) -> object:
        """One answer."""
        self.asked.append(query)
        raise self.error or DataError("too-little-data", "nothing is stored")


def heatmap(make: Made) -> Endpoint:
    """The heatmap's own endpoint with another maker."""
    real = next(endpoint for endpoint in found() if endpoint.name == "liquidation_heatmap")
    return msgspec.structs.replace(real, make=make)


async def test_the_first_heatmap_is_made_when_a_heart_is_heard() -> None:
    """Not before; then of BTC where it is collected, as the page asks; a refusal ends it without a noise."""
    made, live, answers = Made(), Heard("ETH-USDT-PERP.OKX", "BTC-USDT-PERP.BINANCE"), Answers(sources())
    task = asyncio.create_task(warm(live, answers, [heatmap(made)], after_s=0.0))
    await asyncio.sleep(0)
    assert made.asked == []
    live.state = Heart.LIVE
    await until(task.done)
    assert task.exception() is None
    (query,) = made.asked
    asked = msgspec.to_builtins(query)
    wanted = ("BTC", 24.0, 10.0, "u8", "calibrated")
    assert tuple(asked[name] for name in ("symbol", "hours", "every", "format", "profile")) == wanted
    answers.close()


async def test_another_coin_is_taken_where_btc_is_not_collected() -> None:
    """The first by name; other endpoints are left alone."""
    made, live, answers = Made(), Heard("SOL-USDT-PERP.OKX", "ETH-USDT-PERP.OKX"), Answers(sources())
    live.state = Heart.LIVE
    other = next(endpoint for endpoint in found() if endpoint.name == "status")
    await warm(live, answers, [other, heatmap(made)], after_s=0.0)
    assert [msgspec.to_builtins(query)["symbol"] for query in made.asked] == ["ETH"]
    answers.close()
