"""Silent streams told from quiet ones: bounds from their own history, one alarm for a venue, and gaps to the event."""

from collections.abc import Callable, Iterable

import pytest

from perpscope.engine.engine import Engine
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Completeness,
    ContractUpdate,
    Disconnected,
    Gap,
    Liquidation,
    MarketEvent,
    MarkPrice,
    PositionSide,
    Quote,
    Sampling,
    Side,
    Subscribed,
    Tick,
    Trade,
    Unheard,
)
from perpscope.model.stream import Channel, Stream

S = 1_000_000_000
START = 1_800_000_000 * S
BTC, SOL, XRP = (InstrumentId(f"{coin}-USDT-PERP.BINANCE") for coin in ("BTC", "SOL", "XRP"))
BYBIT_BTC, BYBIT_SOL = InstrumentId("BTC-USDT-PERP.BYBIT"), InstrumentId("SOL-USDT-PERP.BYBIT")
ONE, TWO = "binance/market/0", "binance/market/1"


class House:
    """An engine, its clock, and the gaps it told."""

    def __init__(self, silent_after_s: float = 5.0) -> None:
        self.gaps: list[Gap] = []
        self.engine = Engine(sinks=[self], silent_after_s=silent_after_s)
        self.now = 0

    def accept(self, event: MarketEvent) -> None:
        """Keep gaps."""
        if isinstance(event, Gap):
            self.gaps.append(event)

    def hear(self, *streams: Stream, connection: str = ONE, venue: str = "binance") -> None:
        """The venue acknowledges these."""
        self.engine.process(Subscribed(venue, connection, streams, self.ts()))

    def ts(self, s: float | None = None) -> int:
        """Ns UTC of a second of the story."""
        return START + round((self.now if s is None else s) * S)

    def run(self, until_s: int, *speakers: Callable[[int], Iterable[MarketEvent]]) -> None:
        """Let seconds pass, a Tick in each; every speaker is asked what comes in it."""
        while self.now < until_s:
            self.now += 1
            for speak in speakers:
                for event in speak(self.now):
                    self.engine.process(event)
            self.engine.process(Tick(self.ts()))

    @property
    def silent(self) -> list[Stream]:
        """What is silent now."""
        return [silent.stream for silent in self.engine.silent_streams]


def quote(ts: int, instrument: InstrumentId = BTC) -> Quote:
    """A best bid and ask."""
    return Quote(instrument, ts, ts, ts, 100.0, 1.0, 101.0, 1.0)


def trade(ts: int, instrument: InstrumentId = BTC) -> Trade:
    """A taker's buy."""
    return Trade(instrument, ts, ts, ts, 100.0, 1.0, Side.BUY, True)


def liquidation(ts: int, instrument: InstrumentId) -> Liquidation:
    """A long closed by force."""
    return Liquidation(instrument, ts, ts, PositionSide.LONG, 1.0, 100.0, None, Completeness.COMPLETE, Sampling.NONE)


def every(
    step_s: int, make: Callable[[int, InstrumentId], MarketEvent], instrument: InstrumentId = BTC, until_s: int = 10**9
) -> Callable[[int], Iterable[MarketEvent]]:
    """Somebody who speaks every so many seconds, half a second before the Tick."""

    def speak(second: int) -> Iterable[MarketEvent]:
        if second % step_s == 0 and second <= until_s:
            yield make(START + second * S - S // 2, instrument)

    return speak


QUOTES, TRADES = Stream(Channel.QUOTES, BTC), Stream(Channel.TRADES, BTC)


def test_a_busy_stream_is_found_silent_after_five_seconds_and_its_gap_is_exact() -> None:
    """From its last event to the next one; the others of the connection are left alone. Keeps B5."""
    house = House()
    house.hear(QUOTES, TRADES)
    house.run(200, every(1, quote), every(1, trade))
    house.run(240, every(1, trade))
    assert house.silent == [QUOTES]
    (found,) = house.gaps
    assert (found.streams, found.ts_from, found.ts_to, found.cause) == ((QUOTES,), house.ts(199.5), None, "silent")
    assert found.ts_recv == house.ts(205)
    house.run(245, every(1, quote), every(1, trade))
    assert house.silent == []
    assert (house.gaps[-1].ts_from, house.gaps[-1].ts_to) == (house.ts(199.5), house.ts(240.5))
    assert (house.engine.gaps, dict(house.engine.alarms)) == (1, {"binance": 1})
    assert house.engine.gaps_by_channel == {("binance", Channel.QUOTES): 1}


@pytest.mark.parametrize(
    ("instrument", "channel", "after_s"),
    [(BTC, Channel.QUOTES, 6), (SOL, Channel.QUOTES, 61), (SOL, Channel.BOOK, 61), (BTC, Channel.MARK_PRICES, 6)],
    ids=["btc-quotes", "sol-quotes", "sol-book", "btc-marks"],
)
def test_acknowledged_and_never_a_word(instrument: InstrumentId, channel: Channel, after_s: int) -> None:
    """Coins that never rest are missed after five seconds, the others after a minute; the gap begins at the answer."""
    house = House()
    house.hear(Stream(channel, instrument), Stream(Channel.TRADES, XRP))
    house.run(after_s - 1, every(1, trade, XRP))
    assert house.silent == []
    house.run(after_s, every(1, trade, XRP))
    assert house.silent == [Stream(channel, instrument)]
    assert house.gaps[0].ts_from == START


def test_the_bound_is_three_times_the_99th_percentile() -> None:
    """A word every eight seconds: 24 s of rest are usual, 25 are not (rounded up by less than a fifth)."""
    house = House()
    house.hear(QUOTES, TRADES)
    house.run(1_000, every(8, quote), every(1, trade))
    house.run(1_000 + 23, every(1, trade))
    assert house.silent == []
    house.run(1_000 + 30, every(1, trade))
    assert house.silent == [QUOTES]
    assert house.engine.silent_streams[0].bound_s == pytest.approx(24.0)


def test_a_stream_that_seldom_speaks_is_given_time() -> None:
    """Ten words in twenty minutes: two minutes without one are no wonder, an hour is. Keeps B5."""
    sparse = Stream(Channel.TRADES, SOL)
    house = House()
    house.hear(sparse, QUOTES)
    house.run(1_200, every(120, trade, SOL), every(1, quote))
    house.run(2_000, every(1, quote))
    assert house.silent == []
    house.run(1_200 + 5 * 3_600, every(1, quote))
    assert house.silent == [sparse]


def test_a_restless_coin_that_has_begun_slowly_is_given_a_minute() -> None:
    """A few words far apart do not make a bound of five seconds; sixty without one are too long all the same."""
    house = House()
    house.hear(QUOTES, Stream(Channel.QUOTES, XRP))
    house.run(21, every(3, quote), every(1, quote, XRP))
    house.run(70, every(1, quote, XRP))
    assert house.silent == []
    house.run(83, every(1, quote, XRP))
    assert house.silent == [QUOTES]


def test_a_restless_coin_known_for_ten_seconds_is_held_to_the_floor() -> None:
    """Fifteen words in fifteen seconds are enough to miss the sixteenth."""
    house = House()
    house.hear(QUOTES, Stream(Channel.QUOTES, XRP))
    house.run(16, every(1, quote), every(1, quote, XRP))
    house.run(22, every(1, quote, XRP))
    assert house.silent == [QUOTES]


def test_the_floor_follows_the_machine() -> None:
    """Where market time runs ten times as fast, fifty market seconds are what the machine needs for five."""
    house = House(silent_after_s=50.0)
    house.hear(QUOTES, TRADES)
    house.run(200, every(1, quote), every(1, trade))
    house.run(249, every(1, trade))
    assert house.silent == []
    house.run(251, every(1, trade))
    assert house.silent == [QUOTES]


def test_a_pause_of_the_whole_venue_is_one_alarm() -> None:
    """Every stream of forty falls silent, one after the other: each has its gap, the alarm is one. Keeps B5."""
    coins = [InstrumentId(f"C{n}-USDT-PERP.BINANCE") for n in range(18)] + [BTC, SOL]
    streams = [Stream(channel, coin) for coin in coins for channel in (Channel.QUOTES, Channel.TRADES)]
    house = House()
    house.hear(*streams[:20])
    house.hear(*streams[20:], connection=TWO)
    speakers = [every(1 + n % 7, make, coin) for n, coin in enumerate(coins) for make in (quote, trade)]
    house.run(900, *speakers)
    house.run(1_000)
    assert len(house.silent) == 40
    assert (dict(house.engine.alarms), house.engine.gaps) == ({"binance": 1}, 1)
    house.run(1_020, *speakers)
    assert house.silent == []
    assert {stream for gap in house.gaps if gap.ts_to for stream in gap.streams} == set(streams)
    house.run(1_100)
    assert house.engine.alarms["binance"] == 2  # it spoke in between


def test_a_halted_contract_owes_nobody_a_word() -> None:
    """Halted while silent: the gap ends there, and nothing is missed until it trades again."""
    house = House()
    house.hear(QUOTES, TRADES, Stream(Channel.QUOTES, XRP))
    house.run(200, every(1, quote), every(1, trade), every(1, quote, XRP))
    house.run(210, every(1, trade), every(1, quote, XRP))
    house.engine.process(ContractUpdate(BTC, house.ts(), house.ts(), False, ()))
    assert (house.gaps[-1].streams, house.gaps[-1].ts_to, house.silent) == ((QUOTES,), house.ts(210), [])
    house.run(400, every(1, quote, XRP))
    assert house.silent == []
    house.engine.process(ContractUpdate(BTC, house.ts(), house.ts(), True, ()))
    house.run(405, every(1, quote, XRP))
    assert house.silent == []
    house.run(410, every(1, quote, XRP))
    assert set(house.silent) == {QUOTES, TRADES}
    assert house.gaps[-1].ts_from == house.ts(400)


def test_a_program_that_stood_still_blames_nobody() -> None:
    """A Tick half a minute late: nobody is silent until the full bound has passed once more. Keeps B5."""
    house = House()
    house.hear(QUOTES, TRADES)
    house.run(200, every(1, quote), every(1, trade))
    house.now = 230
    house.engine.process(Tick(house.ts()))
    house.run(234, every(1, trade))
    assert house.silent == []
    house.run(240, every(1, trade))
    assert house.silent == [QUOTES]
    assert house.gaps[0].ts_from == house.ts(199.5)


def test_what_is_lost_with_its_connection_is_not_silent_as_well() -> None:
    """The gap of the silence ends where that of the connection begins, or goes on as the same; anew after the next."""
    house = House()
    house.hear(QUOTES, TRADES)
    house.run(20, every(1, trade))
    assert house.silent == [QUOTES]
    house.engine.process(Disconnected(ONE, "disconnect", house.ts()))
    assert house.silent == []
    house.run(100)
    assert house.silent == []
    house.hear(QUOTES, TRADES)
    house.run(110, every(1, trade))
    assert house.silent == [QUOTES]
    of_quotes = [(gap.ts_from, gap.ts_to, gap.cause) for gap in house.gaps if QUOTES in gap.streams]
    assert of_quotes[0] == (house.ts(0), None, "silent")
    assert of_quotes[-1] == (house.ts(100), None, "silent")


def test_a_stream_two_connections_carry_stays_silent_when_one_ends() -> None:
    """Its gap goes on through the change of connections, and ends when it speaks."""
    house = House()
    house.hear(QUOTES, TRADES)
    house.run(200, every(1, quote), every(1, trade))
    house.run(210, every(1, trade))
    house.hear(QUOTES, TRADES, connection=ONE + "b")
    house.run(212, every(1, trade))
    house.engine.process(Disconnected(ONE, "silent-stream", house.ts()))
    assert house.silent == [QUOTES]
    house.run(220, every(1, trade), every(1, quote))
    silences = [gap for gap in house.gaps if gap.cause == "silent"]
    assert [(gap.ts_from, gap.ts_to) for gap in silences] == [
        (house.ts(199.5), None),
        (house.ts(199.5), house.ts(212.5)),
    ]


def test_a_refused_stream_is_not_waited_for() -> None:
    """The venue takes a stream back while it is silent: that gap ends, the refusal's begins."""
    house = House()
    house.hear(QUOTES, TRADES)
    house.run(200, every(1, quote), every(1, trade))
    house.run(210, every(1, trade))
    house.engine.process(Unheard("binance", ONE, (QUOTES, Stream(Channel.CANDLES_1M, BTC)), "refused", house.ts()))
    house.run(300, every(1, trade))
    assert house.silent == []
    silence = [gap for gap in house.gaps if gap.cause == "silent"][-1]
    assert (silence.ts_from, silence.ts_to) == (house.ts(199.5), house.ts(210))


def test_what_is_polled_and_what_is_rare_have_no_clock() -> None:
    """Replies, candles, contracts and liquidations may stay out for hours without an alarm."""
    house = House()
    house.hear(Stream(Channel.MARK_PRICES, BTC), connection="binance/polls/mark_prices/BTC-USDT-PERP.BINANCE")
    house.hear(Stream(Channel.CANDLES_1M, BTC), Stream(Channel.CONTRACTS, None), Stream(Channel.LIQUIDATIONS, BTC))
    house.hear(Stream(Channel.MARK_PRICES, None), QUOTES)
    house.run(4 * 3_600, every(1, quote))
    assert (house.silent, house.gaps) == ([], [])


def test_books_speak_in_deltas_or_in_whole() -> None:
    """Either kind is a word; a copy that was asked for is none, as the stream did not send it."""
    house = House()
    book = Stream(Channel.BOOK, BTC)
    house.hear(book, TRADES)

    def delta(ts: int, instrument: InstrumentId) -> BookDelta:
        return BookDelta(instrument, ts, ts, ts, ts, ts - S, [(100.0, 1.0)], [])

    def whole(ts: int, instrument: InstrumentId) -> BookSnapshot:
        return BookSnapshot(instrument, ts, ts, ts, [(100.0, 1.0)], [(101.0, 1.0)], is_stream=ts % (4 * S) < 2 * S)

    house.run(120, every(1, whole), every(1, trade))
    house.run(240, every(1, delta), every(1, trade))
    assert house.silent == []
    house.run(260, every(1, trade), every(1, lambda ts, of: BookSnapshot(of, ts, ts, ts, [(1.0, 1.0)], [(2.0, 1.0)])))
    assert house.silent == [book]


def test_marks_are_held_to_their_history_too() -> None:
    """A mark price each second, then none for six."""
    house = House()
    marks = Stream(Channel.MARK_PRICES, SOL)
    house.hear(marks, QUOTES)
    tell = every(1, lambda ts, of: MarkPrice(of, ts, ts, 1.0, 1.0, 0.0001, None), SOL)
    house.run(50, tell, every(1, quote))
    house.run(105, every(1, quote))
    assert house.silent == []  # fifty words are not a history yet: a minute
    house.run(111, every(1, quote))
    assert house.silent == [marks]
    house.run(300, tell, every(1, quote))
    house.run(307, every(1, quote))
    assert house.silent == [marks]


@pytest.mark.unmeasured
def test_liquidations_are_held_to_those_of_other_venues() -> None:
    """A minute's liquidations here for every one there, for hours; then only there, for hours: found. Keeps B5."""
    here, there = Stream(Channel.LIQUIDATIONS, SOL), Stream(Channel.LIQUIDATIONS, BYBIT_SOL)
    house = House()
    house.hear(here, Stream(Channel.QUOTES, SOL))
    house.hear(there, connection="bybit/linear/0", venue="bybit")
    alive = (every(1, quote, SOL), every(1, quote, BYBIT_SOL))
    both = [every(120, liquidation, SOL), every(120, liquidation, BYBIT_SOL), *alive]
    house.run(3 * 3_600, *both)
    house.run(8 * 3_600, *alive)
    assert house.silent == []  # a quiet market
    house.run(9 * 3_600, every(120, liquidation, BYBIT_SOL), *alive)
    assert house.silent == []  # thirty of the sisters' minutes: chance e⁻¹⁰
    house.run(10 * 3_600, every(120, liquidation, BYBIT_SOL), *alive)
    assert house.silent == [here]
    (found,) = house.gaps
    assert found.ts_from == house.ts(3 * 3_600 - 0.5)
    assert house.engine.silent_streams[0].bound_s == 3_600.0
    house.run(10 * 3_600 + 130, *both)
    assert house.silent == []
    assert (house.gaps[-1].ts_from, house.gaps[-1].ts_to) == (found.ts_from, house.ts(10 * 3_600 + 119.5))


@pytest.mark.unmeasured
def test_a_single_venue_holds_its_liquidations_to_its_own_busy_minutes() -> None:
    """Liquidations come when trade does; when it does and they do not, they are missed."""
    here = Stream(Channel.LIQUIDATIONS, SOL)

    def bursts(second: int) -> Iterable[MarketEvent]:
        n = 20 if second // 60 % 5 == 4 else 1
        return [trade(START + second * S - S // 2 + i, SOL) for i in range(n)]

    def forced(second: int) -> Iterable[MarketEvent]:
        if second % 300 == 270 and second < 15_000:
            yield liquidation(START + second * S - S // 2, SOL)

    house = House()
    house.hear(here, Stream(Channel.TRADES, SOL))
    house.run(15_000, bursts, forced)
    assert house.silent == []
    house.run(15_000 + 50 * 300, bursts)
    assert house.silent == [here]


def test_a_feed_of_the_whole_market_has_every_other_venue_for_a_sister() -> None:
    """Without an instrument of its own it is held to any coin's liquidations elsewhere, and to nothing at home."""
    here = Stream(Channel.LIQUIDATIONS, None)
    house = House()
    house.hear(here)
    house.hear(Stream(Channel.LIQUIDATIONS, BYBIT_BTC), connection="bybit/linear/0", venue="bybit")
    there = [every(60, liquidation, BYBIT_BTC), every(30, quote, BYBIT_BTC)]
    house.run(3_600, every(60, liquidation, XRP), *there)
    house.run(3_600 + 60 * 60, *there)
    assert house.silent == [here]
