"""Binance frames, quirk by quirk. All frames are hand-written after `docs/venues/binance.md`."""

import json
from typing import TypeAlias

import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument, InstrumentId, MarginTier
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    Completeness,
    ContractUpdate,
    Interval,
    Liquidation,
    MarketEvent,
    MarkPrice,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Trade,
)
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.binance.stream import Decoder
from perpscope.venues.binance.symbols import instrument_named

Json: TypeAlias = dict[str, object]

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
MS = 1_790_757_203_001
TS, TS_RECV = MS * 1_000_000, 1_790_757_203_100_000_000
FUNDING = 1_790_784_000_000

AGG_TRADE: Json = {
    "e": "aggTrade",
    "E": MS + 9,
    "s": "BTCUSDT",
    "a": 7,
    "p": "83003.8",
    "q": "0.12",
    "T": MS,
    "m": True,
}
TRADE: Json = {"e": "trade", "E": MS + 9, "s": "BTCUSDT", "t": 8, "p": "83003.8", "q": "0.12", "T": MS, "m": False} | {
    "X": "MARKET"
}
TICKER: Json = {"e": "bookTicker", "u": 9, "s": "BTCUSDT", "b": "83003.7", "B": "2", "a": "83003.8", "A": "3", "T": MS}
DEPTH: Json = {"e": "depthUpdate", "E": MS + 9, "T": MS, "s": "BTCUSDT", "U": 9501, "u": 9533, "pu": 9498} | {
    "b": [["83003.7", "2.51"]],
    "a": [["83004.0", "0"]],
}
BAR: Json = {"t": 1_790_757_180_000, "i": "1m", "o": "10", "c": "11", "h": "12", "l": "9", "v": "5", "n": 3} | {
    "x": False,
    "q": "50",
    "V": "2",
    "Q": "20",
}
KLINE: Json = {"e": "kline", "E": MS, "s": "BTCUSDT", "k": BAR}
MARK: Json = {"e": "markPriceUpdate", "E": MS, "s": "BTCUSDT", "p": "83000.5", "ap": "1", "P": "2", "i": "83001.5"} | {
    "r": "-0.0001",
    "T": FUNDING,
}
ORDER: Json = {
    "s": "BTCUSDT",
    "S": "SELL",
    "q": "0.020",
    "p": "82910.10",
    "ap": "83003.80",
    "X": "FILLED",
    "z": "0.014",
} | {"T": MS}
FORCE: Json = {"e": "forceOrder", "E": MS + 9, "o": ORDER}
BRACKET: Json = {"bs": 1, "bnf": 0, "bnc": 5000, "mmr": 0.01, "cf": 0, "mi": 21, "ma": 50}
NEXT_BRACKET: Json = {"bs": 2, "bnf": 5000, "bnc": 25000, "mmr": 0.025, "cf": 75, "mi": 1, "ma": 20}
CONTRACT: Json = {"e": "contractInfo", "E": MS, "s": "BTCUSDT", "ps": "BTCUSDT", "ct": "PERPETUAL", "cs": "TRADING"} | {
    "dt": 4_133_404_800_000,
    "ot": 1_569_398_400_000,
}
SNAPSHOT: Json = {"lastUpdateId": 9510, "E": MS + 9, "T": MS, "bids": [["83003.7", "1"]], "asks": [["83004", "2"]]}

TIERS = (MarginTier(0.0, 5000.0, 0.01, 50.0, 0.0), MarginTier(5000.0, 25000.0, 0.025, 20.0, 75.0))
THE_TRADE = Trade(BTC, TS, TS_RECV, 7, 83003.8, 0.12, Side.SELL, True)
THE_FILL = Trade(BTC, TS, TS_RECV, 8, 83003.8, 0.12, Side.BUY, False)
THE_QUOTE = Quote(BTC, TS, TS_RECV, 9, 83003.7, 2.0, 83003.8, 3.0)
THE_DELTA = BookDelta(BTC, TS, TS_RECV, 9501, 9533, 9498, [(83003.7, 2.51)], [(83004.0, 0.0)])
THE_MARK = MarkPrice(BTC, TS, TS_RECV, 83000.5, 83001.5, -0.0001, FUNDING * 1_000_000)


def candle(interval: Interval = Interval.M1, *, is_closed: bool = False) -> Candle:
    """What `KLINE` means."""
    opened = 1_790_757_180_000_000_000
    return Candle(BTC, TS, TS_RECV, interval, opened, 10.0, 12.0, 9.0, 11.0, 5.0, 50.0, 3, 2.0, 20.0, is_closed)


def liquidation(side: PositionSide, size: float = 0.014, fill: float | None = 83003.8) -> Liquidation:
    """What `FORCE` means."""
    return Liquidation(BTC, TS, TS_RECV, side, size, fill, 82910.1, Completeness.SAMPLED, Sampling.UNKNOWN)


def frame(data: object, stream: str = "btcusdt@anything") -> bytes:
    """A message of a combined stream."""
    return json.dumps({"stream": stream, "data": data}, ensure_ascii=False).encode()


def decode(raw: bytes, *catalogue: Instrument) -> Decoded:
    """Decode on a fresh connection."""
    return Decoder({instrument.symbol: instrument for instrument in catalogue}).decode(raw, TS_RECV)


def named(symbol: str) -> Instrument:
    """An instrument known by name."""
    instrument = instrument_named(symbol)
    assert instrument is not None
    return instrument


EVENTS: list[tuple[str, Json, MarketEvent]] = [
    ("m true: the taker sold", AGG_TRADE, THE_TRADE),
    ("m false: the taker bought", TRADE, THE_FILL),
    ("unknown fields, strings for ids", AGG_TRADE | {"nq": "0.1", "st": 1, "zz": [{}], "a": "7"}, THE_TRADE),
    ("best bid and ask", TICKER | {"ps": "BTCUSDT", "E": MS + 1, "st": 1}, THE_QUOTE),
    ("U is not pu + 1", DEPTH, THE_DELTA),
    ("forming candle", KLINE, candle()),
    ("closed candle", KLINE | {"k": BAR | {"x": True}}, candle(is_closed=True)),
    ("15 minutes", KLINE | {"k": BAR | {"i": "15m"}}, candle(Interval.M15)),
    ("an hour", KLINE | {"k": BAR | {"i": "1h", "B": "0"}}, candle(Interval.H1)),
    ("mark, index, funding", MARK, THE_MARK),
    ("r empty: no funding", MARK | {"r": ""}, MarkPrice(BTC, TS, TS_RECV, 83000.5, 83001.5, None, FUNDING * 10**6)),
    ("T 0: no funding", MARK | {"r": "0.0", "T": 0}, MarkPrice(BTC, TS, TS_RECV, 83000.5, 83001.5, None, None)),
    ("i 0: no index", MARK | {"i": "0"}, MarkPrice(BTC, TS, TS_RECV, 83000.5, None, -0.0001, FUNDING * 10**6)),
    ("sell order closes a long", FORCE, liquidation(PositionSide.LONG)),
    ("buy order closes a short", FORCE | {"o": ORDER | {"S": "BUY"}}, liquidation(PositionSide.SHORT)),
    ("st beside o", FORCE | {"st": 1, "ps": "BTCUSDT"}, liquidation(PositionSide.LONG)),
    ("st inside o", FORCE | {"o": ORDER | {"st": 1, "ps": "BTCUSDT"}}, liquidation(PositionSide.LONG)),
    ("partly filled", FORCE | {"o": ORDER | {"X": "PARTIALLY_FILLED"}}, liquidation(PositionSide.LONG)),
    ("z 0: ordered size", FORCE | {"o": ORDER | {"z": "0", "ap": "0"}}, liquidation(PositionSide.LONG, 0.02, None)),
    ("contract trades", CONTRACT, ContractUpdate(BTC, TS, TS_RECV, True, ())),
    ("contract halted", CONTRACT | {"cs": "SETTLING"}, ContractUpdate(BTC, TS, TS_RECV, False, ())),
    ("brackets", CONTRACT | {"bks": [BRACKET, NEXT_BRACKET]}, ContractUpdate(BTC, TS, TS_RECV, True, TIERS)),
    (
        "brackets of any order",
        CONTRACT | {"bks": [NEXT_BRACKET, BRACKET]},
        ContractUpdate(BTC, TS, TS_RECV, True, TIERS),
    ),
    ("brackets in part", CONTRACT | {"bks": [NEXT_BRACKET]}, ContractUpdate(BTC, TS, TS_RECV, True, ())),
    ("l above z", FORCE | {"o": ORDER | {"l": "0.015"}}, liquidation(PositionSide.LONG)),
]


@pytest.mark.parametrize(("data", "event"), [case[1:] for case in EVENTS], ids=[case[0] for case in EVENTS])
def test_messages_mean_these_events(data: Json, event: MarketEvent) -> None:
    """Each channel and quirk gives exactly this event, combined or raw, as bytes or a view of them.

    Keeps S2-24, S2-29, S2-33, S4-32, S4-34.
    """
    for raw in (frame(data), json.dumps(data).encode()):
        assert decode(raw) == [event]
        assert Decoder({}).decode(memoryview(raw), TS_RECV) == [event]


def test_notional_is_filled_size_at_the_fill_price() -> None:
    """USD value is z x ap; where nothing was filled it is q x p. Never the bankruptcy price of what was filled."""
    assert liquidation(PositionSide.LONG).notional_usd == pytest.approx(0.014 * 83003.8)
    assert liquidation(PositionSide.LONG, 0.02, None).notional_usd == pytest.approx(0.02 * 82910.1)


COIN_M = {"s": "BTCUSD_PERP"}
IGNORED: list[tuple[str, Json, str, str]] = [
    ("insurance fund", TRADE | {"X": "INSURANCE_FUND"}, "btcusdt@trade", "insurance-fund"),
    ("deleveraging", TRADE | {"X": "ADL"}, "btcusdt@trade", "adl"),
    ("not a trade, all zeros", TRADE | {"X": "NA", "p": "0", "q": "0"}, "btcusdt@trade", "not-market"),
    ("no bids", TICKER | {"b": "0", "B": "0"}, "btcusdt@bookTicker", "empty-book"),
    ("no asks", TICKER | {"a": "0.00", "A": "0"}, "btcusdt@bookTicker", "empty-book"),
    ("other interval", KLINE | {"k": BAR | {"i": "5m"}}, "btcusdt@kline_5m", "unlisted-channel"),
    ("partial depth", DEPTH, "btcusdt@depth20@100ms", "partial-depth"),
    ("order new", FORCE | {"o": ORDER | {"X": "NEW"}}, "!forceOrder@arr", "not-filled"),
    ("order expired", FORCE | {"o": ORDER | {"X": "EXPIRED"}}, "!forceOrder@arr", "not-filled"),
    ("coin-m, st beside o", FORCE | {"st": 2}, "!forceOrder@arr", "coin-m"),
    ("coin-m, st inside o", FORCE | {"o": ORDER | {"st": 2}}, "!forceOrder@arr", "coin-m"),
    ("coin-m, no st", FORCE | {"o": ORDER | COIN_M}, "!forceOrder@arr", "coin-m"),
    ("coin-m trade", AGG_TRADE | COIN_M, "btcusd_perp@aggTrade", "coin-m"),
    ("coin-m trade by st", AGG_TRADE | {"st": 2}, "btcusdt@aggTrade", "coin-m"),
    ("coin-m dated quote", TICKER | {"s": "BNBUSD_210924"}, "bnbusd_210924@bookTicker", "coin-m"),
    ("coin-m of another shape", {"e": "24hrTicker", "s": "BTCUSD_PERP"}, "btcusd_perp@ticker", "coin-m"),
    ("24 h ticker", {"e": "24hrTicker", "s": "BTCUSDT"}, "btcusdt@ticker", "unlisted-channel"),
    ("coin-m contract", CONTRACT | {"s": "APTUSD_PERP", "st": 2}, "!contractInfo", "coin-m"),
    ("coin-m contract, no st", CONTRACT | {"s": "APTUSD_PERP"}, "!contractInfo", "coin-m"),
    ("contract of no dollars", CONTRACT | {"s": "ETHBTC"}, "!contractInfo", "unknown-symbol"),
    ("unknown symbol", AGG_TRADE | {"s": "ETHBTC"}, "ethbtc@aggTrade", "unknown-symbol"),
    ("recorder's snapshot", {"lastUpdateId": 1, "bids": [], "asks": []}, "btcusdt@depthSnapshot", "pseudo-stream"),
    ("recorder's interest", {"symbol": "BTCUSDT", "openInterest": "1"}, "btcusdt@openInterest", "pseudo-stream"),
]


@pytest.mark.parametrize(
    ("data", "stream", "reason"), [case[1:] for case in IGNORED], ids=[case[0] for case in IGNORED]
)
def test_messages_that_are_none_of_our_business(data: Json, stream: str, reason: str) -> None:
    """Other products, other channels and non-trades are passed over with a reason, never priced. Keeps S4-33, S4-44."""
    assert decode(frame(data, stream)) == Ignored(reason)


def test_arrays_are_another_channel() -> None:
    """All-market arrays are not subscribed to; they are passed over, combined or raw."""
    assert decode(frame([MARK], "!markPrice@arr@1s")) == Ignored("unlisted-channel")
    assert decode(json.dumps([MARK]).encode()) == Ignored("unlisted-channel")


ANSWERS: list[tuple[Json, Control]] = [
    ({"result": None, "id": 1}, Control(1, None)),
    ({"result": None, "id": "6c8f"}, Control("6c8f", None)),
    ({"result": ["btcusdt@aggTrade"], "id": 3}, Control(3, None)),
    ({"code": 2, "msg": "Invalid request", "id": 4}, Control(4, "2: Invalid request")),
    ({"code": 3, "msg": "Invalid JSON"}, Control(None, "3: Invalid JSON")),
    ({"error": {"code": -1121, "msg": "Invalid symbol."}, "id": 5}, Control(5, "-1121: Invalid symbol.")),
    ({"id": 6, "status": 400, "error": {"code": 1, "msg": "x" * 500}}, Control(6, "1: " + "x" * 117)),
    ({"e": "serverShutdown", "E": MS}, Control(None, "server shutdown", is_closing=True)),
    ({"stream": "!shutdown", "data": {"e": "serverShutdown"}}, Control(None, "server shutdown", is_closing=True)),
]


@pytest.mark.parametrize(("answer", "control"), ANSWERS)
def test_answers_to_our_control_messages(answer: Json, control: Control) -> None:
    """Acknowledgements and refusals come back with the id we sent, a number or a string; a shutdown is told."""
    assert decode(json.dumps(answer).encode()) == control


BROKEN: list[tuple[str, Json, str]] = [
    ("no price", {key: AGG_TRADE[key] for key in AGG_TRADE if key != "p"}, "missing required field `p`"),
    ("price nan", AGG_TRADE | {"p": "nan"}, "$.data.p"),
    ("price inf", AGG_TRADE | {"p": "inf"}, "$.data.p"),
    ("price zero", AGG_TRADE | {"p": "0"}, "$.data.p"),
    ("size negative", AGG_TRADE | {"q": "-1"}, "$.data.q"),
    ("price words", AGG_TRADE | {"p": "many"}, "$.data.p"),
    ("seconds for ms", AGG_TRADE | {"T": 1_790_757_203}, "$.data.T"),
    ("microseconds for ms", AGG_TRADE | {"T": MS * 1000}, "$.data.T"),
    ("id negative", AGG_TRADE | {"a": -1}, "$.data.a"),
    ("id beyond 63 bits", AGG_TRADE | {"a": 2**63}, "$.data.a"),
    ("trade of no kind", {key: TRADE[key] for key in TRADE if key != "X"}, "Expected `X`"),
    ("bracket of no margin", CONTRACT | {"bks": [{key: BRACKET[key] for key in BRACKET if key != "mmr"}]}, "`mmr`"),
    ("bracket of 200 % margin", CONTRACT | {"bks": [BRACKET | {"mmr": 2}]}, "$.data.bks[0].mmr"),
    ("contract of no state", {key: CONTRACT[key] for key in CONTRACT if key != "cs"}, "`cs`"),
    ("market trade of nothing", TRADE | {"q": "0"}, "`p` and `q` > 0"),
    ("ids backwards", DEPTH | {"U": 9534}, "`U` <= `u`"),
    ("level without size", DEPTH | {"b": [["1"]]}, "$.data.b[0]"),
    ("level of negative size", DEPTH | {"b": [["1", "-1"]]}, "$.data.b[0][1]"),
    ("one-sided and broken", TICKER | {"b": "0", "T": 5}, "$.data.b"),
    ("high below low", KLINE | {"k": BAR | {"h": "8"}}, "`l` <= `o`, `c` <= `h`"),
    ("more bought than traded", KLINE | {"k": BAR | {"V": "6"}}, "`V` <= `v`"),
    ("funding of 500 %", MARK | {"r": "5"}, "$.data.r"),
    ("funding in seconds", MARK | {"T": 1_790_784_000}, "`T` = 0 or >="),
    ("funding in words", MARK | {"r": "x"}, "$.data.r"),
    ("side unknown", FORCE | {"o": ORDER | {"S": "LONG"}}, "$.data.o.S"),
    ("nothing to close", FORCE | {"o": ORDER | {"z": "0", "q": "0"}}, "`z` or `q` > 0"),
    ("product unknown", AGG_TRADE | {"st": 3}, "$.data.st"),
    ("kind is no word", AGG_TRADE | {"e": 5}, "$.data.e"),
    ("no kind", {"s": "BTCUSDT"}, "missing required field `e`"),
]


@pytest.mark.parametrize(("data", "reason"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_messages_are_refused_by_the_field(data: Json, reason: str) -> None:
    """What is not as documented is a FrameError that names the field and shows little. Keeps S4-33, S4-44."""
    with pytest.raises(FrameError, match=r"^binance sent a frame we cannot read") as caught:
        decode(frame(data))
    assert reason in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"id":1}',
        b'{"id":true,"result":null}',
        b'{"id":[1],"result":null}',
        b'{"error":"no","id":1}',
        b'{"stream":"x","data":7}',
        b'{"stream":"x","data":null}',
        b'{"data":{}}',
        b'{"e":"aggTrade"}',
        b'{"stream":"x","data":{"e":"aggTrade","s":"\xff"}}',
        b'{"lastUpdateId":1,"symbol":"BTCUSDT"}',
    ],
)
def test_frames_of_no_shape_are_refused(raw: bytes) -> None:
    """Anything that is neither message nor answer is a FrameError, never a guess. Keeps S4-33."""
    with pytest.raises(FrameError):
        decode(raw)


def test_a_bare_snapshot_belongs_to_the_only_book_seen() -> None:
    """A REST snapshot among a recording's frames carries no symbol: one book seen = that one, else none."""
    raw = json.dumps(SNAPSHOT).encode()
    decoder = Decoder({})
    assert decoder.decode(raw, TS_RECV) == Ignored("snapshot-without-symbol")
    decoder.decode(frame(DEPTH), TS_RECV)
    decoder.decode(frame(DEPTH), TS_RECV)
    decoder.decode(frame(TICKER | {"s": "ETHUSDT"}), TS_RECV)
    assert decoder.decode(raw, TS_RECV) == [BookSnapshot(BTC, TS, TS_RECV, 9510, [(83003.7, 1.0)], [(83004.0, 2.0)])]
    decoder.decode(frame(DEPTH | {"s": "ETHUSDT"}), TS_RECV)
    assert decoder.decode(raw, TS_RECV) == Ignored("snapshot-without-symbol")


def test_a_snapshot_with_a_symbol_is_placed_by_it() -> None:
    """COIN-M snapshots name their contract and are passed over; one of ours would be taken."""
    raw = json.dumps(SNAPSHOT | {"symbol": "BTCUSD_PERP"}).encode()
    assert decode(raw) == Ignored("coin-m")
    raw = json.dumps(SNAPSHOT | {"symbol": "BTCUSDT"}).encode()
    assert decode(raw) == [BookSnapshot(BTC, TS, TS_RECV, 9510, [(83003.7, 1.0)], [(83004.0, 2.0)])]


def test_a_catalogue_outranks_names() -> None:
    """With a catalogue, only its symbols are ours; COIN-M is still called by its name. Keeps S1-02."""
    btc = named("BTCUSDT")
    assert decode(frame(AGG_TRADE), btc) == [THE_TRADE]
    assert decode(frame(AGG_TRADE | {"s": "ETHUSDT"}), btc) == Ignored("unknown-symbol")
    assert decode(frame(AGG_TRADE | COIN_M), btc) == Ignored("coin-m")


def test_a_new_listing_is_named_but_not_traded() -> None:
    """News of a contract that the catalogue lacks is told by its name; its trades still wait for a catalogue."""
    btc, new = named("BTCUSDT"), named("1000NEWUSDT")
    decoder = Decoder({"BTCUSDT": btc})
    news = frame(CONTRACT | {"s": "1000NEWUSDT", "cs": "PENDING_TRADING"}, "!contractInfo")
    for _ in range(2):
        assert decoder.decode(news, TS_RECV) == [ContractUpdate(new.id, TS, TS_RECV, False, ())]
    assert decoder.named == {"1000NEWUSDT": new}
    assert decoder.decode(frame(AGG_TRADE | {"s": "1000NEWUSDT"}), TS_RECV) == Ignored("unknown-symbol")


def test_trades_of_2019_do_not_say_what_kind_they_are() -> None:
    """`X` was absent in 2019: those trades are the market's."""
    old = {key: TRADE[key] for key in TRADE if key != "X"} | {"T": 1_574_381_164_086}
    assert decode(frame(old)) == [Trade(BTC, 1_574_381_164_086_000_000, TS_RECV, 8, 83003.8, 0.12, Side.BUY, False)]


def test_prices_in_coins_are_not_taken_for_dollars() -> None:
    """A USD-M contract quoted in BTC would be booked as dollars: it is passed over, visibly."""
    ethbtc = Instrument(
        id=InstrumentId("ETH-BTC-PERP.BINANCE"), venue="binance", symbol="ETHBTC", base="ETH", quote="BTC"
    )
    assert decode(frame(AGG_TRADE | {"s": "ETHBTC"}), ethbtc) == Ignored("quote-not-dollars")


def test_names_remembered_are_bounded() -> None:
    """Without a catalogue names are remembered, but a flood of invented ones does not fill the memory."""
    decoder = Decoder({})
    for number in range(5_001):
        assert isinstance(decoder.decode(frame(AGG_TRADE | {"s": f"C{number}USDT"}), TS_RECV), list)
    assert len(decoder._ids) == 5_000
