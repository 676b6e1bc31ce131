"""What venues are asked and what is made of it: pages, turnover that cannot be had, margin, the choice."""

import json
import re
from collections.abc import Iterable

import pytest

from perpscope.app.catalogue import Listed, _tier_requests, ask, choose, margin_tables
from perpscope.app.margin_tiers import Quality
from perpscope.app.venues import find, names
from perpscope.errors import ConfigError, FrameError, VenueUnreachable
from perpscope.model.instrument import MarginTier, instrument_id
from perpscope.model.stream import HttpRequest
from perpscope.venues.binance import VENUE as BINANCE
from perpscope.venues.bitget import VENUE as BITGET
from perpscope.venues.bybit import VENUE as BYBIT


class Replies:
    """An `Http` that answers from a list of (path and query, reply); the first that fits, once each."""

    def __init__(self, replies: Iterable[tuple[str, object]]) -> None:
        self._left = list(replies)
        self.asked = 0

    async def get(self, request: HttpRequest) -> bytes:
        """The reply to a request, or no connection."""
        self.asked += 1
        asked = request.path + "".join(f" {name}={value}" for name, value in request.params)
        for at, (wanted, reply) in enumerate(self._left):
            if re.search(wanted, asked):
                del self._left[at]
                return json.dumps(reply).encode()
        raise VenueUnreachable(f"nobody answers {asked}", venue="none")


def bybit_row(base: str) -> dict[str, object]:
    """One row of instruments-info."""
    return {
        **{"symbol": f"{base}USDT", "contractType": "LinearPerpetual", "status": "Trading"},
        **{"baseCoin": base, "quoteCoin": "USDT", "fundingInterval": 480, "symbolType": ""},
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "50.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.01", "maxPrice": "1999999.8", "tickSize": "0.01"},
        "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.001", "minNotionalValue": "5"},
    }


def bybit(rows: list[dict[str, object]], cursor: str = "") -> dict[str, object]:
    """An answer in Bybit's envelope."""
    result = {"category": "linear", "list": rows, "nextPageCursor": cursor}
    return {"retCode": 0, "retMsg": "OK", "result": result, "time": 1_790_000_000_000}


def binance_row(base: str, status: str = "TRADING") -> dict[str, object]:
    """One row of exchangeInfo."""
    return {
        **{"symbol": f"{base}USDT", "contractType": "PERPETUAL", "status": status},
        **{"baseAsset": base, "quoteAsset": "USDT", "filters": []},
    }


BINANCE_LISTS = ("exchangeInfo", {"symbols": [binance_row("BTC"), binance_row("1000PEPE"), binance_row("LUNA", "X")]})
BINANCE_TRADED = [{"symbol": "BTCUSDT", "quoteVolume": "10.5"}, {"symbol": "1000PEPEUSDT", "quoteVolume": "99"}]


async def test_every_page_of_a_catalogue_is_asked_for() -> None:
    """The second with the first one's cursor; instruments stand in the venue's order."""
    http = Replies(
        [
            ("instruments-info.* cursor=next", bybit([bybit_row("ETH")])),
            ("instruments-info(?!.*cursor)", bybit([bybit_row("BTC")], "next")),
        ]
    )
    found = await ask(BYBIT, http, turnover=False)
    assert [instrument.symbol for instrument in found.instruments] == ["BTCUSDT", "ETHUSDT"]
    assert found.turnover is None


async def test_a_catalogue_without_an_end_is_given_up() -> None:
    """A venue whose pages go round in a circle is not asked forever."""
    http = Replies([("instruments-info", bybit([], "again"))] * 1000)
    with pytest.raises(FrameError, match="more than 100 pages"):
        await ask(BYBIT, http, turnover=False)


async def test_turnover_is_had_or_is_none() -> None:
    """A catalogue is of use without it."""
    told = await ask(BINANCE, Replies([BINANCE_LISTS, ("ticker/24hr", BINANCE_TRADED)]), turnover=True)
    assert told.turnover == {"BTCUSDT": 10.5, "1000PEPEUSDT": 99.0}
    for silent in ([BINANCE_LISTS], [BINANCE_LISTS, ("ticker/24hr", {"code": -1, "msg": "no"})]):
        answer = await ask(BINANCE, Replies(silent), turnover=True)
        assert (len(answer.instruments), answer.turnover) == (3, None)


async def test_an_unreachable_catalogue_is_the_venues_error() -> None:
    """The caller decides whether to wait or to go on without."""
    with pytest.raises(VenueUnreachable):
        await ask(BINANCE, Replies([]), turnover=True)


async def two_venues() -> dict[str, Listed]:
    """Binance and Bybit, both listing BTC, and one of them PEPE."""
    binance = await ask(BINANCE, Replies([BINANCE_LISTS, ("ticker/24hr", BINANCE_TRADED)]), turnover=True)
    bybit_lists = ("instruments-info", bybit([bybit_row("BTC"), bybit_row("SOL")]))
    return {"binance": binance, "bybit": await ask(BYBIT, Replies([bybit_lists]), turnover=True)}


async def test_names_are_chosen_on_both_and_wrong_ones_refused() -> None:
    """As the resolver says, with its notes; a venue that was not heard may know a name."""
    listed = await two_venues()
    choice = choose(["PEPE", "BTC"], listed)
    assert {venue: [i.symbol for i in found] for venue, found in choice.instruments.items()} == {
        "binance": ["1000PEPEUSDT", "BTCUSDT"],
        "bybit": ["BTCUSDT"],
    }
    assert choice.notes == ["bybit: does not list 'PEPE'"]
    assert choice.default is None
    with pytest.raises(ConfigError, match="'DOGE' on binance, bybit"):
        choose(["DOGE"], listed)
    assert choose(["DOGE"], listed, unheard=["okx"]).notes[-1] == "'DOGE' has to wait for okx"


async def test_without_names_the_default_set_is_taken_and_kept_for_who_comes_late() -> None:
    """A venue that answers late gets the coins that were chosen, whatever it would have changed."""
    listed = await two_venues()
    first = choose([], {"binance": listed["binance"]}, unheard=["bybit"])
    assert first.default is not None
    assert first.default.names == ["PEPE", "BTC"]
    assert first.notes == [first.default.how]
    later = choose([], listed, default=first.default)
    assert [instrument.symbol for instrument in later.instruments["bybit"]] == ["BTCUSDT"]
    assert later.instruments["binance"] == first.instruments["binance"]
    assert later.notes[1:] == ["bybit: not listed or not trading, left out: PEPE"]
    together = choose([], listed)
    assert together.default is not None
    assert together.default.names == ["BTC"]


async def test_margin_is_the_venues_else_what_ships_else_assumed() -> None:
    """Each table says which; one refused call costs only its own instruments."""
    listed = await two_venues()
    row = {
        **{"id": 1, "symbol": "BTCUSDT", "riskLimitValue": "2000000", "maintenanceMargin": "0.005"},
        **{"initialMargin": "0.01", "maxLeverage": "100.00", "mmDeduction": ""},
    }
    http = Replies([("risk-limit.* symbol=BTCUSDT", bybit([row]))])
    tables = await margin_tables(BYBIT, http, listed["bybit"].instruments)
    told, missing = (tables[instrument_id("bybit", coin, "USDT")] for coin in ("BTC", "SOL"))
    assert told.quality is Quality.PUBLISHED
    assert told.tiers == (MarginTier(0.0, None, 0.005, 100.0),)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", told.as_of or "")
    assert (missing.quality, missing.tiers[0].max_leverage) == (Quality.ASSUMED, 50.0)
    shipped = await margin_tables(BINANCE, Replies([]), listed["binance"].instruments)
    assert {table.quality for table in shipped.values()} == {Quality.DATED, Quality.ASSUMED}
    assert shipped[instrument_id("binance", "BTC", "USDT")].quality is Quality.DATED


@pytest.mark.parametrize("name", names())
async def test_a_venue_tells_margin_in_its_own_number_of_calls(name: str) -> None:
    """Each call is made with the instruments it is about: one where it is one's own, all where it is for all."""
    venue = find(name)
    symbols = ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTCUSDT", "ETHUSDT", "BTC", "ETH"]
    listed = [instrument for symbol in symbols if (instrument := venue.instrument_named(symbol)) is not None]
    asked = _tier_requests(venue, {instrument.symbol: instrument for instrument in listed})
    about = [[*catalogue] for _, catalogue in asked]
    everybody = [instrument.symbol for instrument in listed]
    assert about in ([], [everybody], [[symbol] for symbol in everybody])
    assert len(listed) == 2


async def test_bitgets_tiers_find_their_instrument() -> None:
    """A reply that does not say whose it is belongs to the one that was asked about."""
    instruments = [i for symbol in ("BTCUSDT", "ETHUSDT") if (i := BITGET.instrument_named(symbol)) is not None]
    row = {"tier": "1", "minTierValue": "0", "maxTierValue": "150000", "leverage": "125", "mmr": "0.004"}
    envelope = {"code": "00000", "msg": "success", "requestTime": 1_790_000_000_000}
    replies = [
        (f"position-tier.* symbol={symbol}", envelope | {"data": [row | {"mmr": mmr}]})
        for symbol, mmr in (("BTCUSDT", "0.004"), ("ETHUSDT", "0.005"))
    ]
    tables = await margin_tables(BITGET, Replies(replies), instruments)
    assert [table.tiers[0].mmr for table in tables.values()] == [0.004, 0.005]
    assert {table.quality for table in tables.values()} == {Quality.PUBLISHED}


async def test_a_venue_that_fails_is_not_asked_for_each_of_its_contracts() -> None:
    """Three failures in a row are enough; what is not told stays assumed."""
    named = [BYBIT.instrument_named(f"C{n}USDT") for n in range(20)]
    http = Replies([])
    tables = await margin_tables(BYBIT, http, [instrument for instrument in named if instrument is not None])
    assert http.asked == 3
    assert len(tables) == 20
    assert {table.quality for table in tables.values()} == {Quality.ASSUMED}
