"""Hyperliquid frames, quirk by quirk. All frames are hand-written after `docs/venues/hyperliquid.md`."""

import json
from typing import TypeAlias

import msgspec
import pytest

from perpscope.errors import FrameError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    BookSnapshot,
    Candle,
    Completeness,
    Interval,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Trade,
)
from perpscope.model.stream import Control, Ignored
from perpscope.ports import Decoded
from perpscope.venues.hyperliquid import VENUE
from perpscope.venues.hyperliquid.stream import Decoder
from perpscope.venues.hyperliquid.symbols import instrument_named

Json: TypeAlias = dict[str, object]

BTC = InstrumentId("BTC-USDC-PERP.HYPERLIQUID")
MS = 1_790_757_203_001
TS, TS_RECV = MS * 1_000_000, 1_790_757_203_400_000_000
MINUTE = 1_790_757_180_000
ME, OTHER = "0x" + "a1" * 20, "0x" + "b2" * 20
BACKSTOP = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14"

ROW: Json = {"coin": "BTC", "side": "A", "px": "83003.0", "sz": "0.12", "hash": "0x0", "time": MS, "tid": 7} | {
    "users": [ME, OTHER]
}
BBO: Json = {"coin": "BTC", "time": MS, "bbo": [{"px": "83003", "sz": "2", "n": 1}, {"px": "83004", "sz": "3", "n": 2}]}
BOOK: Json = {"coin": "BTC", "time": MS} | {
    "levels": [[{"px": "83003.0", "sz": "2", "n": 1}, {"px": "83002", "sz": "1", "n": 1}], [{"px": "83004", "sz": "3"}]]
}
BAR: Json = {"t": MINUTE, "T": MINUTE + 59_999, "s": "BTC", "i": "1m", "n": 3} | {
    "o": "10",
    "c": "11",
    "h": "12",
    "l": "9",
    "v": "5",
}
CTX: Json = {"funding": "-0.0000125", "openInterest": "21012.5", "oraclePx": "83055.0", "markPx": "83022.0"}
FILL: Json = {"coin": "BTC", "px": "82653.0", "sz": "0.5", "side": "A", "time": MS, "dir": "Open Short", "tid": 99}

THE_TRADE = Trade(BTC, TS, TS_RECV, 7, 83003.0, 0.12, Side.SELL, False)
THE_QUOTE = Quote(BTC, TS, TS_RECV, MS, 83003.0, 2.0, 83004.0, 3.0)
THE_BOOK = BookSnapshot(BTC, TS, TS_RECV, MS, [(83003.0, 2.0), (83002.0, 1.0)], [(83004.0, 3.0)], True)


def frame(channel: str, data: object) -> bytes:
    """A message of the venue."""
    return json.dumps({"channel": channel, "data": data}).encode()


def decode(channel: str, data: object) -> Decoded:
    """Decode on a fresh connection, every coin known by its name."""
    return VENUE.decoder({}).decode(frame(channel, data), TS_RECV)


def trades(*rows: Json) -> bytes:
    """A frame of trades."""
    return frame("trades", [ROW | row for row in rows])


def asked(method: str, subscription: Json) -> bytes:
    """The venue's echo of one of our messages."""
    return frame("subscriptionResponse", {"method": method, "subscription": subscription})


def forced(user: str | None, method: str = "market") -> Json:
    """What marks a fill as part of a liquidation."""
    return {"liquidation": {"liquidatedUser": user, "markPx": "82607.0", "method": method}}


def fills(*rows: Json, user: str = ME) -> Json:
    """Fills of an account."""
    return {"user": user, "fills": [FILL | row for row in rows]}


def the_liquidation(side: PositionSide, size: float = 0.5, tid: int = 99) -> Liquidation:
    """What a forced fill means."""
    watched = (Completeness.WATCHLIST, Sampling.NONE)
    return Liquidation(BTC, TS, TS_RECV, side, size, 82653.0, None, *watched, venue_id=str(tid))


# --- trades ---


def test_the_side_of_a_trade_is_the_takers() -> None:
    """A = the taker sold at a bid, B = he bought at an ask; two fills of a block are two trades. Keeps S4-32."""
    assert VENUE.decoder({}).decode(trades({}), TS_RECV) == [THE_TRADE]
    bought = Trade(BTC, TS, TS_RECV, 8, 83004.0, 0.5, Side.BUY, False)
    raw = trades({}, {"side": "B", "px": "83004.0", "sz": "0.5", "tid": 8})
    assert VENUE.decoder({}).decode(raw, TS_RECV) == [THE_TRADE, bought]


def test_trades_before_a_subscription_are_history() -> None:
    """The venue sends the last trades first, unmarked: frames of several blocks, until the first of one block."""
    decoder = VENUE.decoder({})
    decoder.decode(asked("subscribe", {"type": "trades", "coin": "BTC"}), TS + 5)
    assert decoder.decode(trades({"time": MS - 40_000}, {}), TS_RECV) == Ignored("history")
    assert decoder.decode(trades({"time": MS - 90_000}, {"time": MS - 80_000}), TS_RECV) == Ignored("history")
    assert decoder.decode(trades({}), TS_RECV) == [THE_TRADE]
    later = Trade(BTC, TS + 10_000_000, TS_RECV, 7, 83003.0, 0.12, Side.SELL, False)
    assert decoder.decode(trades({}, {"time": MS + 10}), TS_RECV) == [THE_TRADE, later]


@pytest.mark.parametrize("ahead_s", [-3600, -2, 0, 2, 3600])
def test_a_clock_that_is_ahead_makes_no_live_trade_history(ahead_s: int) -> None:
    """Our receipt is never compared with the venue's time: whatever our clock says, a trade of one block is news."""
    decoder = VENUE.decoder({})
    ts_recv = TS + ahead_s * 1_000_000_000
    decoder.decode(asked("subscribe", {"type": "trades", "coin": "BTC"}), ts_recv)
    decoded = decoder.decode(trades({}), ts_recv)
    assert decoded == [msgspec.structs.replace(THE_TRADE, ts_recv=ts_recv)]


def test_subscribing_anew_brings_history_anew() -> None:
    """After leaving and joining again, what was before the second acknowledgement is not counted a second time."""
    decoder = VENUE.decoder({})
    trades_of_btc: Json = {"type": "trades", "coin": "BTC"}
    decoder.decode(asked("subscribe", trades_of_btc), TS - 10_000_000)
    assert decoder.decode(trades({}), TS_RECV) == [THE_TRADE]
    assert decoder.decode(asked("unsubscribe", trades_of_btc), TS_RECV) == Control(None, None)
    decoder.decode(asked("subscribe", trades_of_btc), TS + 5)
    assert decoder.decode(trades({"time": MS - 40_000}, {}), TS_RECV) == Ignored("history")


def test_another_topics_acknowledgement_makes_no_history() -> None:
    """Only a trades subscription of the coin itself begins its trades anew."""
    decoder = VENUE.decoder({})
    decoder.decode(asked("subscribe", {"type": "bbo", "coin": "BTC"}), TS_RECV)
    decoder.decode(asked("subscribe", {"type": "trades", "coin": "ETH"}), TS_RECV)
    assert decoder.decode(trades({}), TS_RECV) == [THE_TRADE]


def test_without_an_acknowledgement_a_first_frame_of_several_blocks_is_history() -> None:
    """In a recording without answers, the opening list spans blocks; live frames, of one block each, do not."""
    decoder = VENUE.decoder({})
    assert decoder.decode(trades({"time": MS - 40_000}, {}), TS_RECV) == Ignored("history")
    assert decoder.decode(trades({}), TS_RECV) == [THE_TRADE]
    assert len(list_of(decoder.decode(trades({"time": MS - 400}, {}), TS_RECV))) == 2


def list_of(decoded: Decoded) -> list[object]:
    """The events of a frame."""
    assert isinstance(decoded, list)
    return [*decoded]


def test_a_frame_of_no_trades_or_of_two_coins() -> None:
    """Nothing is nothing; two coins in one coin's topic are refused."""
    assert decode("trades", []) == Ignored("no-trades")
    with pytest.raises(FrameError, match="trades of both BTC and ETH"):
        VENUE.decoder({}).decode(trades({}, {"coin": "ETH"}), TS_RECV)


# --- quotes, books, contexts ---


def test_a_quote_is_numbered_by_its_time() -> None:
    """The venue has no update ids; milliseconds take their place, alike for quotes and books."""
    assert decode("bbo", BBO) == [THE_QUOTE]


@pytest.mark.parametrize("side", [0, 1], ids=["bid", "ask"])
def test_a_missing_side_is_no_quote(side: int) -> None:
    """A book without orders on a side has no best price there: passed over, never zero."""
    bbo: list[Json | None] = [{"px": "83003", "sz": "2", "n": 1}, {"px": "83004", "sz": "3", "n": 2}]
    bbo[side] = None
    assert decode("bbo", BBO | {"bbo": bbo}) == Ignored("empty-book")


def test_each_book_replaces_the_last() -> None:
    """A book is whole, in place of changes: `is_stream`, best first, an empty side allowed."""
    assert decode("l2Book", BOOK) == [THE_BOOK]
    assert decode("l2Book", BOOK | {"levels": [[], []]}) == [BookSnapshot(BTC, TS, TS_RECV, MS, [], [], True)]


def test_books_out_of_order_are_refused() -> None:
    """Levels that are not best first are not what is documented."""
    levels = [[{"px": "83002", "sz": "1"}, {"px": "83003", "sz": "2"}], []]
    with pytest.raises(FrameError, match="Expected bids falling"):
        decode("l2Book", BOOK | {"levels": levels})


def test_a_context_is_a_mark_price_and_an_open_interest() -> None:
    """Funding is of an hour; the oracle is the index; the message has no time: the receipt. Keeps S2-29, S3-18."""
    assert decode("activeAssetCtx", {"coin": "BTC", "ctx": CTX}) == [
        MarkPrice(BTC, TS_RECV, TS_RECV, 83022.0, 83055.0, -0.0000125, None, 1.0),
        OpenInterest(BTC, TS_RECV, TS_RECV, 21012.5, None),
    ]


def test_what_has_no_price_has_no_mark() -> None:
    """A contract before its first price is passed over; an oracle that says nothing is no index."""
    assert decode("activeAssetCtx", {"coin": "BTC", "ctx": CTX | {"markPx": "0.0"}}) == Ignored("unpriced")
    (mark, _) = list_of(decode("activeAssetCtx", {"coin": "BTC", "ctx": CTX | {"oraclePx": "0.0"}}))
    assert isinstance(mark, MarkPrice)
    assert mark.index is None


# --- candles ---


def candle(number: int, close: float, *, is_closed: bool, ts_recv: int) -> Candle:
    """The state of the n-th minute."""
    ts_open = (MINUTE + number * 60_000) * 1_000_000
    ts_event = min(ts_recv, ts_open + 59_999_000_000)
    prices = (10.0, 12.0, 9.0, close, 5.0)
    return Candle(BTC, ts_event, ts_recv, Interval.M1, ts_open, *prices, None, 3, None, None, is_closed)


def bar(number: int, close: str, **changes: object) -> bytes:
    """A frame of the n-th minute."""
    begin = MINUTE + number * 60_000
    return frame("candle", BAR | {"t": begin, "T": begin + 59_999, "c": close} | changes)


def test_a_candle_is_closed_by_the_next() -> None:
    """The last state of a bar is told once more, closed, when a later one begins; not before, and not twice."""
    decoder, late = VENUE.decoder({}), TS_RECV + 60_000_000_000
    assert decoder.decode(bar(0, "11"), TS_RECV) == [candle(0, 11.0, is_closed=False, ts_recv=TS_RECV)]
    assert decoder.decode(bar(0, "11.5"), TS_RECV) == [candle(0, 11.5, is_closed=False, ts_recv=TS_RECV)]
    closed, forming = list_of(decoder.decode(bar(1, "10.5"), late))
    assert isinstance(closed, Candle)
    assert (closed.is_closed, closed.close, closed.ts_recv) == (True, 11.5, late)
    assert closed.ts_open == MINUTE * 1_000_000
    assert forming == candle(1, 10.5, is_closed=False, ts_recv=late)
    assert decoder.decode(bar(1, "10.6"), late) == [candle(1, 10.6, is_closed=False, ts_recv=late)]
    assert decoder.decode(bar(0, "11.7"), late) == Ignored("history")


def test_coins_and_intervals_close_for_themselves() -> None:
    """A new minute of one coin says nothing of another's, nor of the quarter hour."""
    decoder = VENUE.decoder({})
    for raw in (bar(0, "11"), bar(0, "11", s="ETH"), bar(0, "11", i="15m"), bar(0, "11", i="1h")):
        assert len(list_of(decoder.decode(raw, TS_RECV))) == 1
    assert len(list_of(decoder.decode(bar(1, "11", s="ETH"), TS_RECV))) == 2
    assert len(list_of(decoder.decode(bar(0, "11", i="15m"), TS_RECV))) == 1


def test_a_list_of_candles_is_read_like_each_by_itself() -> None:
    """The documentation says a list where the venue's clients read an object: both are taken."""
    bars = [BAR, BAR | {"t": MINUTE + 60_000, "T": MINUTE + 119_999}, BAR | {"i": "5m"}]
    states = [event for event in list_of(decode("candle", bars)) if isinstance(event, Candle)]
    assert [(state.ts_open // 1_000_000 - MINUTE, state.is_closed) for state in states] == [
        (0, False),
        (0, True),
        (60_000, False),
    ]
    assert decode("candle", [BAR | {"i": "5m"}]) == Ignored("unlisted-channel")


# --- fills ---


@pytest.mark.parametrize(
    ("side", "direction", "liquidated", "expected"),
    [
        ("A", "Open Short", OTHER, PositionSide.SHORT),
        ("A", "Close Long", OTHER, PositionSide.SHORT),
        ("B", "Open Long", OTHER, PositionSide.LONG),
        ("B", "Close Short", OTHER, PositionSide.LONG),
        ("A", "Close Long", ME, PositionSide.LONG),
        ("B", "Close Short", ME, PositionSide.SHORT),
        ("A", "Close Long", ME.upper().replace("X", "x"), PositionSide.LONG),
        ("B", "Liquidated Cross Long", OTHER, PositionSide.LONG),
        ("A", "Liquidated Isolated Short", OTHER, PositionSide.SHORT),
        ("A", "Liquidated Cross Long", ME, PositionSide.LONG),
        ("B", "Liquidated Isolated Short", ME, PositionSide.SHORT),
        ("B", "Auto-Deleveraging", OTHER, PositionSide.LONG),
    ],
    ids=[
        *("sold-to-a-short", "sold-and-left", "bought-from-a-long", "bought-and-left"),
        *("own-long", "own-short", "own-in-capitals"),
        *("vault-took-a-long", "vault-took-a-short", "own-long-taken", "own-short-taken", "deleveraged-against-a-long"),
    ],
)
def test_whose_position_was_closed(side: str, direction: str, liquidated: str, expected: PositionSide) -> None:
    """From a counterparty's fill the side is the opposite of the forced one, from one's own the same. Keeps S4-33."""
    told = decode("userFills", fills({"side": side, "dir": direction} | forced(liquidated)))
    assert told == [the_liquidation(expected)]


def test_one_forced_fill_is_read_alike_from_both_sides() -> None:
    """One forced fill seen by two accounts followed is one position, under one id."""
    seen_by_maker = decode("userFills", fills({"side": "A"} | forced(OTHER)))
    seen_by_owner = decode("userFills", fills({"side": "B", "dir": "Close Short"} | forced(OTHER), user=OTHER))
    assert decode("userFills", fills({"side": "B", "dir": "Close Short"} | forced(OTHER), user=OTHER.upper())) == (
        seen_by_owner
    )
    assert seen_by_maker == seen_by_owner == [the_liquidation(PositionSide.SHORT)]


def test_fills_before_the_subscription_are_history() -> None:
    """A snapshot's liquidations happened before anybody looked: they are not counted as live."""
    told = fills(forced(OTHER))
    assert decode("userFills", told | {"isSnapshot": True}) == Ignored("history")
    assert decode("userFills", told | {"isSnapshot": False}) == [the_liquidation(PositionSide.SHORT)]


def test_only_forced_fills_of_our_coins_are_told() -> None:
    """Ordinary fills, other products and what the backstop vault gets rid of are passed over, each by its name."""
    assert decode("userFills", fills({}, {"liquidation": None})) == Ignored("no-liquidation")
    assert decode("userFills", fills()) == Ignored("no-liquidation")
    assert decode("userFills", fills({"coin": "xyz:CRWV"} | forced(OTHER))) == Ignored("builder-dex")
    unwound = {"dir": "Auto-Deleveraging", "side": "B"} | forced(BACKSTOP, "backstop")
    assert decode("userFills", fills(unwound)) == Ignored("adl")
    mixed = fills({}, unwound, {"coin": "@107"} | forced(OTHER), {"sz": "0.25", "tid": 100} | forced(OTHER))
    assert decode("userFills", mixed) == [the_liquidation(PositionSide.SHORT, 0.25, 100)]


def test_a_liquidation_of_nobody_is_refused() -> None:
    """Without `liquidatedUser` the side cannot be told, unless the direction names it: nothing is guessed."""
    with pytest.raises(FrameError, match="without `liquidatedUser`"):
        decode("userFills", fills(forced(None)))
    named = {"dir": "Liquidated Cross Long", "side": "B"} | forced(None)
    assert decode("userFills", fills(named)) == [the_liquidation(PositionSide.LONG)]


# --- what is refused and what is passed over ---


@pytest.mark.parametrize(
    ("channel", "data", "at"),
    [
        ("trades", [ROW | {"px": "nan"}], "px"),
        ("trades", [ROW | {"sz": "0"}], "sz"),
        ("trades", [ROW | {"sz": "-1"}], "sz"),
        ("trades", [ROW | {"side": "buy"}], "side"),
        ("trades", [ROW | {"time": MS // 1000}], "time"),
        ("trades", [{key: ROW[key] for key in ROW if key != "tid"}], "tid"),
        ("bbo", BBO | {"bbo": [{"px": "inf", "sz": "1"}, None]}, "bbo"),
        ("bbo", BBO | {"bbo": [None]}, "bbo"),
        ("l2Book", BOOK | {"levels": [[]]}, "levels"),
        ("l2Book", BOOK | {"levels": [[{"px": "1"}], []]}, "sz"),
        ("candle", BAR | {"h": "8"}, "Expected `l` <= `o`"),
        ("candle", BAR | {"v": "-1"}, r"\.v"),
        ("candle", BAR | {"T": MINUTE}, "Expected `T` > `t`"),
        ("activeAssetCtx", {"coin": "BTC", "ctx": CTX | {"funding": "1.5"}}, "funding"),
        ("activeAssetCtx", {"coin": "BTC", "ctx": CTX | {"openInterest": "-1"}}, "openInterest"),
        ("activeAssetCtx", {"coin": "BTC"}, "ctx"),
        ("userFills", fills(forced(OTHER) | {"px": "0"}), "Expected `px` and `sz` > 0"),
        ("userFills", {"fills": []}, "user"),
        ("subscriptionResponse", {"method": "subscribe"}, "subscription"),
        ("error", {"code": 1}, "data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_broken_frames_of_ours_are_refused(channel: str, data: object, at: str) -> None:
    """What should have been ours and is broken is a FrameError that names the field. Keeps S4-33."""
    with pytest.raises(FrameError, match=at) as caught:
        decode(channel, data)
    assert caught.value.venue == "hyperliquid"


@pytest.mark.parametrize(
    "raw",
    [
        b"null",
        b"7",
        b"[]",
        b"{}",
        b'{"channel":7}',
        b'{"channel":null,"data":{}}',
        b'{"channel":"trades"}',
        b'{"channel":"trades","data":[{"coin":"\xff"}]}',
        b"Websocket connection",
    ],
    ids=["null", "number", "list", "empty", "channel-number", "channel-null", "no-data", "bad-utf8", "half-a-greeting"],
)
def test_frames_of_no_shape_are_refused(raw: bytes) -> None:
    """Anything that is neither message nor answer is a FrameError, never a guess. Keeps S4-33."""
    with pytest.raises(FrameError, match="hyperliquid sent a frame we cannot read"):
        VENUE.decoder({}).decode(raw, TS_RECV)


@pytest.mark.parametrize("channel", ["allMids", "user", "webData2", "activeSpotAssetCtx", "notification"])
def test_channels_we_did_not_ask_for_are_passed_over(channel: str) -> None:
    """Other kinds of messages are none of our business, whatever is in them."""
    assert decode(channel, {"anything": 1}) == Ignored("unlisted-channel")


@pytest.mark.parametrize(
    ("coin", "reason"),
    [
        ("@107", "spot"),
        ("PURR/USDC", "spot"),
        ("xyz:CRWV", "builder-dex"),
        ("hyna:BTC", "builder-dex"),
        ("btc", "unknown-symbol"),
    ],
)
def test_other_products_are_passed_over_on_every_channel(coin: str, reason: str) -> None:
    """Spot and exchanges built by others never become events, though their messages look like ours."""
    for channel, data in [
        ("trades", [ROW | {"coin": coin}]),
        ("bbo", BBO | {"coin": coin}),
        ("l2Book", BOOK | {"coin": coin}),
        ("candle", BAR | {"s": coin}),
        ("activeAssetCtx", {"coin": coin, "ctx": CTX}),
        ("userFills", fills({"coin": coin} | forced(OTHER))),
    ]:
        assert decode(channel, data) == Ignored(reason)


def test_a_catalogue_outranks_names() -> None:
    """With a catalogue, only its coins are ours. Keeps S1-02."""
    btc = instrument_named("BTC")
    assert btc is not None
    decoder = VENUE.decoder({"BTC": btc})
    assert decoder.decode(trades({}), TS_RECV) == [THE_TRADE]
    assert decoder.decode(trades({"coin": "ETH"}), TS_RECV) == Ignored("unknown-symbol")
    assert decoder.decode(frame("bbo", BBO | {"coin": "ETH"}), TS_RECV) == Ignored("unknown-symbol")
    assert decoder.named == {}


def test_names_remembered_are_bounded() -> None:
    """Without a catalogue names are remembered, but a flood of invented ones does not fill the memory."""
    decoder = Decoder({})
    for number in range(5_001):
        name = f"C{number}"
        assert isinstance(decoder.decode(trades({"coin": name}), TS_RECV), list)
        assert isinstance(decoder.decode(frame("bbo", BBO | {"coin": name}), TS_RECV), list)
        assert isinstance(decoder.decode(bar(0, "11", s=name), TS_RECV), list)
    assert len(decoder.named) == 5_000
    assert len(decoder._bars) == len(decoder._flowing) == 5_000


def test_keys_come_in_any_order() -> None:
    """The venue writes `channel` first; another order, and spaces, mean the same."""
    raw = json.dumps({"data": dict(reversed(BBO.items())), "extra": 1, "channel": "bbo"}, indent=1).encode()
    assert VENUE.decoder({}).decode(raw, TS_RECV) == [THE_QUOTE]
    assert VENUE.decoder({}).decode(memoryview(raw), TS_RECV) == [THE_QUOTE]
