"""Real Binance REST replies through the real decoders; skipped, visibly, where the recordings are not at hand.

Of the 21 USD-M routes of the dump 14 have a decoder here; the rest (`indexInfo`, `bookTicker`, `price`, `time`, raw
`trades`, `basis`, COIN-M's `takerBuySellVol`) tell nothing that we ask for. COIN-M's rows of the shared routes, which
name a `pair` and no symbol, are refused.
"""

import gzip
import json
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from tests.unit.test_binance_recordings import payload, routes

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import AccountRatio, RatioKind, Side
from perpscope.venues.binance import VENUE, Binance, figures, history
from perpscope.venues.binance.symbols import coin_of, instrument_named

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
TS_RECV = 1_800_000_000_000_000_000


#: Bases of the 907 symbols of September 2026 that begin with a digit, as a person reads them.
COUNTED = {
    "1000BONK": ("BONK", 1000),
    "1000CAT": ("CAT", 1000),
    "1000CHEEMS": ("CHEEMS", 1000),
    "1000FLOKI": ("FLOKI", 1000),
    "1000LUNC": ("LUNC", 1000),
    "1000PEPE": ("PEPE", 1000),
    "1000RATS": ("RATS", 1000),
    "1000SATS": ("SATS", 1000),
    "1000SHIB": ("SHIB", 1000),
    "1000WHY": ("WHY", 1000),
    "1000X": ("X", 1000),
    "1000XEC": ("XEC", 1000),
    "1000000BOB": ("BOB", 1_000_000),
    "1000000MOG": ("MOG", 1_000_000),
    "1MBABYDOGE": ("BABYDOGE", 1_000_000),
    "0G": ("0G", 1),
    "1INCH": ("1INCH", 1),
    "2Z": ("2Z", 1),
    "4": ("4", 1),
    "42": ("42", 1),
}


def test_every_recorded_base_is_read_as_a_person_reads_it(recordings: Path) -> None:
    """858 bases: 15 are many of a coin, and 843 are coins, among them five that begin with a digit."""
    table = json.loads(gzip.decompress((recordings / "margin-tiers" / "binance_usdm_202609.json.gz").read_bytes()))
    bases = {name.partition("/")[0] for name in table}
    assert len(bases) == 858
    assert {base for base in bases if base[0].isdigit()} == set(COUNTED)
    assert {base: coin_of(base) for base in bases} == {base: COUNTED.get(base, (base, 1)) for base in bases}


def asked(query: str) -> Instrument:
    """The instrument a recorded query was about, or BTCUSDT where it was about another product's."""
    instrument = instrument_named("".join(parse_qs(query).get("symbol", ["BTCUSDT"])))
    assert instrument is not None
    return instrument


def test_recorded_trades_decode(recordings: Path) -> None:
    """Aggregate trades come in order of their ids, with the taker's side."""
    replies = [raw for _, raw in routes(recordings, "/fapi/v1/aggTrades")]
    decoded = [(history.trades(raw, BTC, TS_RECV), json.loads(raw)) for raw in replies]
    assert [len(trades) for trades, _ in decoded] == [500, 5, 6]
    for trades, rows in decoded:
        assert [(trade.trade_id, trade.price, trade.size) for trade in trades] == [
            (row["a"], float(row["p"]), float(row["q"])) for row in rows
        ]
        assert [trade.side is Side.SELL for trade in trades] == [row["m"] for row in rows]
    assert len(history.trades(payload(recordings, "futures_market_agg_trades"), BTC, TS_RECV)) == 1


def test_recorded_fundings_decode(recordings: Path) -> None:
    """Fundings are eight hours apart; what is no list (an answer to nanoseconds) is refused."""
    symbols = {"BTCUSDT": BTC, "LTCUSDT": InstrumentId("LTC-USDT-PERP.BINANCE")}
    counts = []
    for _, raw in routes(recordings, "/fapi/v1/fundingRate"):
        if raw == b"null":
            with pytest.raises(FrameError):
                history.fundings_paid(raw, symbols, 1)
            continue
        paid = history.fundings_paid(raw, symbols, 1)
        counts.append(len(paid))
        hours = {round((late.ts_event - early.ts_event) / 3.6e12) for early, late in pairwise(paid)}
        assert hours <= {8}
    assert counts == [1, 100, 1, 6, 1, 1]
    assert len(history.fundings_paid(payload(recordings, "futures_market_funding_rate"), symbols, 1)) == 2


def test_recorded_funding_intervals_decode(recordings: Path) -> None:
    """25 adjusted contracts of the dump, of 4 and 8 hours; its catalogue's own take theirs, the others 8."""
    ((_, raw),) = routes(recordings, "/fapi/v1/fundingInfo")
    listed = [instrument for row in json.loads(raw) if (instrument := instrument_named(row["symbol"]))]
    told = Binance().with_funding([*listed, asked("")], raw)
    assert len(told) == 26
    assert {one.symbol: one.funding_interval_h for one in told[:-1]} == {
        row["symbol"]: float(row["fundingIntervalHours"]) for row in json.loads(raw)
    }
    assert told[-1].funding_interval_h == 8.0


def test_recorded_turnover_decodes(recordings: Path) -> None:
    """Quote volume of every listed symbol; a reply about one is not the reply that was asked for."""
    whole = gzip.decompress((recordings / "rest" / "binance_tickers_24h.json.gz").read_bytes())
    rows = {row["symbol"]: float(row["quoteVolume"]) for row in json.loads(whole)}
    assert VENUE.turnover(whole) == rows
    assert max(rows, key=lambda symbol: rows[symbol]) in ("BTCUSDT", "ETHUSDT")
    refused, one, several = (raw for _, raw in routes(recordings, "/fapi/v1/ticker/24hr"))
    assert len(VENUE.turnover(several)) == 5
    for raw, reason in ((refused, "refused: Invalid symbol"), (one, "cannot read")):
        with pytest.raises(FrameError, match=reason):
            VENUE.turnover(raw)


def test_recorded_open_interest_decodes(recordings: Path) -> None:
    """Now and in the past: base units and dollars as they stand; COIN-M's rows, in contracts, are refused."""
    ((query, raw),) = routes(recordings, "/fapi/v1/openInterest")
    now = figures.open_interest(raw, asked(query), TS_RECV)
    assert (now.open_interest, now.ts_event) == (83782.317, 1_702_244_985_273_000_000)
    counts = []
    for query, raw in routes(recordings, "/futures/data/openInterestHist"):
        if "pair=" in query:
            with pytest.raises(FrameError, match="`symbol`"):
                figures.past_open_interest(raw, asked(query), TS_RECV)
            continue
        told = [(one.open_interest, one.open_interest_usd) for one in figures.past_open_interest(raw, asked(query), 1)]
        rows = json.loads(raw)
        assert told == [(float(row["sumOpenInterest"]), float(row["sumOpenInterestValue"])) for row in rows]
        counts.append(len(told))
    assert counts == [10, 1, 10]
    examples = (
        payload(recordings, "futures_market_open_interest"),
        payload(recordings, "futures_market_open_interest_historical"),
    )
    assert figures.open_interest(examples[0], asked(""), TS_RECV).open_interest == 10659.509
    assert len(figures.past_open_interest(examples[1], asked(""), TS_RECV)) == 2


@pytest.mark.parametrize(
    ("kind", "route", "example", "counts"),
    [
        (RatioKind.ALL_ACCOUNTS, "globalLongShortAccountRatio", "global_long_short_account_ratio", [30, 10, 10, 3, 28]),
        (RatioKind.TOP_ACCOUNTS, "topLongShortAccountRatio", "top_long_short_account_ratio", [2, 2, 2]),
        (RatioKind.TOP_POSITIONS, "topLongShortPositionRatio", "top_long_short_position_ratio", [30, 3, 5]),
    ],
    ids=["all-accounts", "top-accounts", "top-positions"],
)
def test_recorded_ratios_decode(recordings: Path, kind: RatioKind, route: str, example: str, counts: list[int]) -> None:
    """The fraction that is long gives the recorded ratio back, to its rounding; the stamp stays; COIN-M is refused."""
    decoded: list[list[AccountRatio]] = []
    for query, raw in routes(recordings, f"/futures/data/{route}"):
        if "pair=" in query:
            with pytest.raises(FrameError, match="`symbol`"):
                figures.account_ratios(raw, asked(query), kind, TS_RECV)
            continue
        decoded.append(figures.account_ratios(raw, asked(query), kind, TS_RECV))
        for ratio, row in zip(decoded[-1], json.loads(raw), strict=True):
            stated = float(row["longShortRatio"])
            assert ratio.long_fraction / (1 - ratio.long_fraction) == pytest.approx(stated, rel=1e-3)
            assert (ratio.ts_event, ratio.kind) == (row["timestamp"] * 1_000_000, kind)
    assert [len(ratios) for ratios in decoded] == counts
    assert len(figures.account_ratios(payload(recordings, f"futures_market_{example}"), asked(""), kind, TS_RECV)) == 2


def test_recorded_taker_volumes_decode(recordings: Path) -> None:
    """What takers bought and sold, five minutes after the stamp, gives the recorded ratio back."""
    ((query, raw),) = routes(recordings, "/futures/data/takerlongshortRatio")
    volumes = figures.taker_volumes(raw, asked(query), TS_RECV)
    assert len(volumes) == 10
    for volume, row in zip(volumes, json.loads(raw), strict=True):
        assert volume.buy_volume / volume.sell_volume == pytest.approx(float(row["buySellRatio"]), rel=1e-3)
        assert volume.ts_event == (row["timestamp"] + 300_000) * 1_000_000
    example = payload(recordings, "futures_market_taker_long_short_ratio")
    assert len(figures.taker_volumes(example, asked(""), TS_RECV)) == 2
