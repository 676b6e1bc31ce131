"""ccxt's unified structures become our events, in base units, or are refused; nothing of it needs ccxt."""

import json
from decimal import Decimal

import pytest

from perpscope.errors import FrameError
from perpscope.feeds import ccxt_answers, ccxt_units
from perpscope.feeds.ccxt_dialect import OFFERED, CcxtVenue
from perpscope.feeds.ccxt_units import Unit, Units
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import Candle, MarkPrice, OpenInterest
from perpscope.model.stream import Channel
from perpscope.ports import Venue

MINUTE = 60_000_000_000
#: A whole hour, ns UTC.
HOUR = 1_800_000_000_000_000_000
TS_RECV = HOUR + 3 * MINUTE + 2_000_000_000

#: Made up after Gate's `quanto_multiplier`, and a contract margined in something else than its quote left out before.
MARKETS: list[dict[str, object]] = [
    {
        "symbol": "BTC/USDT:USDT",
        "base": "BTC",
        "quote": "USDT",
        "contract_size": 0.0001,
        "tick": 0.1,
        "step": 1.0,
        "min_cost": None,
        "active": True,
    },
    {"symbol": "1000PEPE/USDT:USDT", "base": "1000PEPE", "quote": "USDT", "contract_size": 10.0, "active": False},
    {"symbol": "ODD/USDT:USDT", "base": "ODD", "quote": "USDT", "contract_size": None},
]

GATE: Venue = CcxtVenue("gate")


def written(what: object) -> bytes:
    """As `ccxt_calls` hands it on."""
    return json.dumps(what).encode()


def btc() -> dict[str, Instrument]:
    """A catalogue of one."""
    return {"BTC/USDT:USDT": GATE.instruments(written(MARKETS)).instruments[0]}


def events(channel: Channel, answer: object, venue: Venue = GATE) -> list[object]:
    """What an answer about bitcoin means."""
    return [*venue.polled_events(f"{venue.name}/{channel.value}/BTC/USDT:USDT", written(answer), TS_RECV, btc())]


def test_markets_become_labelled_instruments() -> None:
    """The label is in the name; sizes are base units; a contract of unknown size is left out."""
    bitcoin, pepe = GATE.instruments(written(MARKETS)).instruments
    assert (bitcoin.id, bitcoin.venue, bitcoin.symbol) == ("BTC-USDT-PERP.CCXT-GATE", "ccxt-gate", "BTC/USDT:USDT")
    assert (bitcoin.contract_size, bitcoin.tick_size, bitcoin.step_size) == (
        Decimal("0.0001"),
        Decimal("0.1"),
        Decimal("0.0001"),
    )
    assert (pepe.asset, pepe.multiplier, pepe.is_trading, pepe.step_size) == ("PEPE", 1000, False, None)


def test_open_interest_in_contracts_becomes_base_units() -> None:
    """The sample in ccxt's own source: 2,851,725 contracts of 10 at 0.34619 are the dollars beside them."""
    market = {**MARKETS[0], "contract_size": 10.0}
    catalogue = {"BTC/USDT:USDT": GATE.instruments(written([market])).instruments[0]}
    answer = {"symbol": "BTC/USDT:USDT", "openInterestAmount": 2851725.0, "openInterestValue": 9872386.7775}
    raw = written(answer | {"timestamp": HOUR // 1_000_000})
    (event,) = GATE.polled_events("ccxt-gate/open_interest/BTC/USDT:USDT", raw, TS_RECV, catalogue)
    assert event == OpenInterest(InstrumentId("BTC-USDT-PERP.CCXT-GATE"), HOUR, TS_RECV, 28517250.0, 9872386.7775)
    assert pytest.approx(9872386.7775) == 28517250.0 * 0.34619


@pytest.mark.parametrize(
    ("moments", "next_funding"),
    [
        ({"fundingTimestamp": 5, "nextFundingTimestamp": 9}, 5),
        ({"fundingTimestamp": -1, "nextFundingTimestamp": 9}, 9),
        ({"fundingTimestamp": -1}, None),
        ({}, None),
    ],
    ids=["both-to-come", "one-is-over", "over", "untold"],
)
def test_the_next_funding_is_the_first_to_come(moments: dict[str, int], next_funding: int | None) -> None:
    """Exchanges differ in which of ccxt's two moments is the next payment: what is over is not."""
    ms = {name: TS_RECV // 1_000_000 + hours * 3_600_000 for name, hours in moments.items()}
    answer = {"symbol": "BTC/USDT:USDT", "markPrice": 100.0, "fundingRate": 0.0001, "interval": "4h"} | ms
    (event,) = events(Channel.MARK_PRICES, answer)
    assert isinstance(event, MarkPrice)
    assert (event.ts_event, event.mark, event.index, event.funding_rate) == (TS_RECV, 100.0, None, 0.0001)
    assert event.funding_interval_h == 4.0
    expected = None if next_funding is None else TS_RECV // 1_000_000 * 1_000_000 + next_funding * 60 * MINUTE
    assert event.ts_next_funding == expected


def test_only_closed_candles_are_taken() -> None:
    """Of four minutes the forming one is left, and the one that ended too lately to be sure of; sizes in base units."""
    rows = [[(HOUR + n * MINUTE) // 1_000_000, 10.0, 12.0, 9.0, 11.0, 5000.0] for n in (3, 0, 1, 2)]
    taken = events(Channel.CANDLES_1M, rows)
    assert [candle.ts_open for candle in taken if isinstance(candle, Candle)] == [HOUR, HOUR + MINUTE]
    first = taken[0]
    assert isinstance(first, Candle)
    assert (first.open, first.high, first.low, first.close, first.volume) == (10.0, 12.0, 9.0, 11.0, 0.5)
    assert first.is_closed
    assert first.ts_event == HOUR + MINUTE
    assert (first.quote_volume, first.trades, first.taker_buy_volume) == (None, None, None)


@pytest.mark.parametrize(
    ("channel", "answer"),
    [
        (Channel.OPEN_INTEREST, {"symbol": "ETH/USDT:USDT", "openInterestAmount": 1.0}),
        (Channel.OPEN_INTEREST, {"symbol": "BTC/USDT:USDT", "openInterestValue": 5.0}),
        (Channel.OPEN_INTEREST, {"symbol": "BTC/USDT:USDT", "openInterestAmount": -1.0}),
        (Channel.OPEN_INTEREST, {"symbol": "BTC/USDT:USDT", "openInterestAmount": 1.0, "timestamp": 1_800_000_000}),
        (Channel.MARK_PRICES, {"symbol": "BTC/USDT:USDT", "fundingRate": 0.0001}),
        (Channel.MARK_PRICES, {"symbol": "BTC/USDT:USDT", "markPrice": 0.0}),
        (Channel.CANDLES_1M, [[HOUR // 1_000_000 + 7, 10.0, 12.0, 9.0, 11.0, 1.0]]),
        (Channel.CANDLES_1M, [[HOUR // 1_000_000, 10.0, 10.5, 9.0, 11.0, 1.0]]),
        (Channel.CANDLES_1M, [[HOUR // 1_000_000, 10.0, 12.0, 9.0, None, 1.0]]),
        (Channel.CANDLES_1M, {}),
    ],
    ids=[
        *("another's", "no-amount", "negative", "seconds-for-ms", "no-mark", "zero-mark", "between-two-candles"),
        *("prices-out-of-order", "no-close", "no-rows"),
    ],
)
def test_what_is_not_the_structure_is_refused(channel: Channel, answer: object) -> None:
    """A wrong answer costs its poll and says whose it is; it never becomes an event."""
    with pytest.raises(FrameError) as caught:
        events(channel, answer)
    assert caught.value.venue == "ccxt-gate"


@pytest.mark.parametrize("raw", [b"", b"{}", b"[7]", b"\xff", b"[" * 100_000], ids=["empty", "{}", "[7]", "ff", "deep"])
def test_nonsense_is_refused_everywhere(raw: bytes) -> None:
    """Every reading of an answer refuses politely, whatever came."""
    for read in (GATE.instruments, GATE.turnover, lambda body: GATE.tiers(body, {})):
        with pytest.raises(FrameError):
            read(raw)
    with pytest.raises(FrameError):
        GATE.snapshot(raw, btc()["BTC/USDT:USDT"], TS_RECV)
    with pytest.raises(FrameError):
        GATE.decoder({}).decode(raw, TS_RECV)
    for poll in GATE.polls([*btc().values()], [*OFFERED]):
        with pytest.raises(FrameError):
            GATE.polled_events(poll.name, raw, TS_RECV, btc())
    with pytest.raises(FrameError, match="has no poll"):
        GATE.polled_events("ccxt-gate/trades/BTC/USDT:USDT", raw, TS_RECV, btc())


def test_nothing_is_streamed_and_sides_are_not_taken() -> None:
    """Trades, liquidations and books are never asked through ccxt; each thing polled has a name of its own."""
    assert GATE.channels == frozenset()
    assert (GATE.websocket_url, GATE.rest_url) == ("", "")
    assert GATE.weight_per_minute == float("inf")
    assert GATE.dialogue.subscribe(["x"], 1) == GATE.dialogue.unsubscribe(["x"], 1) == b""
    assert GATE.turnover_request().path == "/turnover"
    assert GATE.plan([*btc().values()], [*Channel]) == []
    assert not GATE.polled & {Channel.TRADES, Channel.LIQUIDATIONS, Channel.BOOK, Channel.QUOTES}
    polls = GATE.polls([*btc().values()], [*Channel])
    assert {poll.name for poll in polls} == {f"ccxt-gate/{channel.value}/BTC/USDT:USDT" for channel in GATE.polled}
    assert {poll.every_s for poll in polls} == {60.0, 300.0, 900.0}
    assert GATE.snapshot_request(btc()["BTC/USDT:USDT"]) is None
    assert GATE.tier_requests([*btc().values()]) == []
    assert GATE.decoder({}).named == {}


def test_without_a_catalogue_nothing_is_known() -> None:
    """A name alone does not tell the contract size: no event is made of it."""
    assert GATE.instrument_named("BTC/USDT:USDT") is None
    assert GATE.polled_events("ccxt-gate/candles_1m/BTC/USDT:USDT", b"[]", TS_RECV, {}) == []


def test_an_unknown_unit_leaves_the_channel_out() -> None:
    """What cannot be brought into base units is neither asked nor guessed, until a person says the unit."""
    stranger = CcxtVenue("somewhere")
    assert stranger.polled == {Channel.MARK_PRICES}
    assert stranger.unit_unknown == OFFERED - {Channel.MARK_PRICES}
    told = CcxtVenue("somewhere", units=Units(open_interest=Unit.BASE))
    assert told.polled == {Channel.MARK_PRICES, Channel.OPEN_INTEREST}
    assert CcxtVenue("kucoinfutures").unit_unknown == {
        *(Channel.CANDLES_1M, Channel.CANDLES_15M, Channel.CANDLES_1H),
    }
    less = CcxtVenue("gate", has=frozenset({Channel.MARK_PRICES}))
    assert less.polled == {Channel.MARK_PRICES}
    assert less.unit_unknown == frozenset()


def test_units_are_what_the_samples_come_out_with() -> None:
    """The sums in `ccxt_units`, done again: HTX counts thousandths of a bitcoin, XT's amount is bitcoin."""
    assert ccxt_units.UNITS["htx"].open_interest is Unit.CONTRACTS
    assert round(32476092 * 0.001, 3) == 32476.092
    assert 60_000 < 2063137924.9668 / 32476.092 < 70_000
    assert ccxt_units.UNITS["xt"] == Units(open_interest=Unit.BASE, candles=Unit.CONTRACTS)
    assert 50_000 < 1120726916.46709 / 21005.8646 < 60_000
    assert 22441.5 <= 702461.58895 / (312931 * 0.0001) <= 22450.0


@pytest.mark.parametrize(
    ("word", "expected"),
    [("8h", 8.0), ("30m", 0.5), ("28800000", None), ("0h", None), ("", None), (None, None)],
    ids=["8h", "30m", "milliseconds", "zero", "empty", "untold"],
)
def test_funding_intervals_are_read_or_not_known(word: str | None, expected: float | None) -> None:
    """An interval that is no word for hours or minutes is not guessed."""
    assert ccxt_answers.hours(word) == expected
