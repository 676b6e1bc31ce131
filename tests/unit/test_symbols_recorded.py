"""Every instrument of recorded catalogues by its names; skipped, visibly, where the recordings are not at hand."""

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perpscope.app import venues
from perpscope.app.symbols import Names, everything, is_common, resolve
from perpscope.model.instrument import Instrument

pytestmark = pytest.mark.unmeasured


def _json(path: Path) -> Any:  # noqa: ANN401  # whatever was recorded
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)


def _decoded(venue: str, reply: object) -> list[Instrument]:
    return venues.find(venue).instruments(json.dumps(reply).encode()).instruments


def _named(venue: str, symbols: list[str]) -> list[Instrument]:
    """What the venue reads off symbols alone."""
    return [i for symbol in symbols if (i := venues.find(venue).instrument_named(symbol)) is not None]


def binance_2025(folder: Path) -> list[Instrument]:
    """An exchangeInfo of 25 contracts."""
    routes = _json(folder / "rest" / "binance_futures_http.json.gz")["routes"]
    return _decoded("binance", routes["/fapi/v1/exchangeInfo"]["GET"][0]["data"])


def binance_2026(folder: Path) -> list[Instrument]:
    """The 907 symbols of the margin brackets of September 2026, as `BASE/QUOTE:MARGIN[-EXPIRY]`."""
    symbols = []
    for name in _json(folder / "margin-tiers" / "binance_usdm_202609.json.gz"):
        pair, _, margin = name.partition(":")
        symbols.append(pair.replace("/", "") + margin.partition("-")[1].replace("-", "_") + margin.partition("-")[2])
    return _named("binance", symbols)


def bybit_2024(folder: Path) -> list[Instrument]:
    """The symbols of a ticker dump."""
    rows = _json(folder / "rest" / "bybit_tickers_linear.json.gz")["result"]["list"]
    return _named("bybit", [row["symbol"] for row in rows])


def hyperliquid_sample(folder: Path) -> list[Instrument]:
    """A few perpetuals of a `meta` reply."""
    return _decoded("hyperliquid", _json(folder / "rest" / "payloads" / "hyperliquid" / "http_meta_perp_sample.json"))


RECORDED = (binance_2025, binance_2026, bybit_2024, hyperliquid_sample)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.__name__)
def test_every_recorded_instrument_can_be_named(recordings: Path, recorded: Callable[[Path], list[Instrument]]) -> None:
    """Its id and its symbol mean it and nothing else, in any case, in whatever order the venue lists."""
    listed = recorded(recordings)
    assert len(listed) > 1
    shuffled = random.Random(7).sample(listed, len(listed))
    for names in (Names(listed), Names(shuffled)):
        for instrument in listed:
            for name in (instrument.id, instrument.symbol):
                assert names.find(name) == names.find(name.lower()) == names.find(name.upper()) == instrument
            if is_common(instrument):
                meant = names.find(instrument.asset)
                assert meant is not None
                assert meant.asset == instrument.asset
    for instrument in everything(listed):
        selection = resolve([instrument.symbol.lower()], {instrument.venue: shuffled})
        assert selection.instruments == {instrument.venue: [instrument]}


def test_a_coin_of_a_real_catalogue_is_found_whatever_its_unit(recordings: Path) -> None:
    """Binance's contracts on many coins at once are found under the coin, and those of another venue beside them."""
    listed = binance_2026(recordings)
    many = [i for i in everything(listed) if i.multiplier > 1 and is_common(i)]
    assert {"PEPE", "BONK", "FLOKI", "BABYDOGE"} <= {i.asset for i in many}
    others = _named("hyperliquid", ["kPEPE", "kBONK", "kFLOKI"])
    catalogues = {"binance": listed, "hyperliquid": others}
    for other in others:
        (found,), (beside,) = resolve([other.asset], catalogues).instruments.values()
        assert (found.asset, found.base) == (other.asset, f"1000{other.asset}")
        assert beside == other
