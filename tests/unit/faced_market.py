"""A store of two venues with everything a face is asked about, and a face that answers from it without a socket."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.contract.store_events import NOON, SECOND
from tests.unit.kept_market import MINUTE, Market, contract

from perpscope.app.face import Live
from perpscope.bus.memory import MemoryCache
from perpscope.model.market import AccountRatio, Candle, Covered, Gap, Interval, RatioKind, TakerVolume
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Settings
from perpscope.web import routes
from perpscope.web.answers import encode
from perpscope.web.endpoint import Endpoint, Raw
from perpscope.web.query import Questions
from perpscope.web.sources import Sources

#: Ten hours; half an hour of candles was missed in the sixth.
MINUTES = 10 * 60
HOLE = (300, 330)
BINANCE, BYBIT = contract("binance"), contract("bybit")
ENDPOINTS: dict[str, Endpoint] = {
    endpoint.name: endpoint
    for module in pkgutil.iter_modules(routes.__path__)
    for endpoint in importlib.import_module(f"{routes.__name__}.{module.name}").ENDPOINTS
}


def shared_market(factory: pytest.TempPathFactory) -> Path:
    """A store that is made once, for tests that only read it."""
    path = factory.getbasetemp() / "faced-market.db"
    return path if path.exists() else made_market(path)


def made_market(path: Path) -> Path:
    """Prices, open interest, liquidations, ratios and coverage of BTC at Binance and Bybit."""
    market = Market(path, MINUTES)
    market.go_on(MINUTES)
    sink = market.store.sink()
    rng = np.random.default_rng(9)
    for of, level in ((BINANCE, 0.6), (BYBIT, 0.5)):
        for step in range(1, MINUTES // 5 + 1):
            ts = NOON + step * 5 * MINUTE
            share = level + 0.02 * float(np.sin(step / 11.0)) + 0.002 * float(rng.standard_normal())
            sink.accept(AccountRatio(of.id, ts, ts, RatioKind.ALL_ACCOUNTS, 300, share))
            if of is BINANCE:
                sink.accept(AccountRatio(of.id, ts, ts, RatioKind.TOP_POSITIONS, 300, 1.0 - share))
            sink.accept(TakerVolume(of.id, ts, ts, 300, 10.0 + float(rng.random()), 10.0))
        for hour in range(MINUTES // 60):
            ts_open = NOON + hour * 60 * MINUTE
            prices = (60_000.0, 60_100.0, 59_900.0, 60_050.0)
            ts = ts_open + 60 * MINUTE
            sink.accept(
                Candle(of.id, ts, ts, Interval.H1, ts_open, *prices, 100.0, None, None, None, None, is_closed=True)
            )
        streams = (Stream(Channel.CANDLES_1M, of.id),)
        sink.accept(Covered(of.venue, f"{of.venue}/0", streams, NOON, market.now, is_open=True, ts_recv=market.now))
        span = (NOON + HOLE[0] * MINUTE, NOON + HOLE[1] * MINUTE)
        sink.accept(Gap(of.venue, streams, *span, "disconnect", span[1]))
    market.store.flush()
    market.close()
    return path


class Face:
    """A face of one store, asked without a socket.

    Args:
        path: the store; None = a replica.
        settings: the whole tree.
    """

    def __init__(self, path: Path | None, settings: Settings | None = None) -> None:
        self.sources = Sources(settings=settings or Settings(), database=path, live=Live(None), cache=MemoryCache())
        self._asked: dict[object, dict[str, Any]] = {}

    def ask(self, name: str, query: str = "", **in_path: str) -> dict[str, Any]:
        """The body of an endpoint, as a client reads it, made once; it is checked against the endpoint's own type."""
        key = (name, query, *in_path.items())
        if key not in self._asked:
            self._asked[key] = self._made(name, query, in_path)
        return self._asked[key]

    def _made(self, name: str, query: str, in_path: dict[str, str]) -> dict[str, Any]:
        raw = encode(self.made(name, query, **in_path))
        msgspec.json.decode(raw, type=ENDPOINTS[name].body)
        found: dict[str, Any] = msgspec.json.decode(raw)
        return found

    def octets(self, name: str, query: str) -> Raw:
        """An answer that is no JSON."""
        found = self.made(name, query)
        assert isinstance(found, Raw)
        return found

    def headers(self, name: str, query: str) -> dict[str, str]:
        """The headers of its own that an answer has."""
        endpoint = ENDPOINTS[name]
        assert endpoint.headers is not None
        asked = Questions(endpoint.query).read(query.encode())
        return endpoint.headers(asked, endpoint.make(self.sources, asked))

    def made(self, name: str, query: str = "", **in_path: str) -> msgspec.Struct | Raw:
        """What an endpoint makes of a query string."""
        endpoint = ENDPOINTS[name]
        asked = Questions(endpoint.query, frozenset(in_path)).read(query.encode(), in_path)
        found: msgspec.Struct | Raw = endpoint.make(self.sources, asked)
        return found


def ms(minute: float) -> int:
    """Epoch ms of a minute of the market."""
    return (NOON + round(minute * 60) * SECOND) // 1_000_000
