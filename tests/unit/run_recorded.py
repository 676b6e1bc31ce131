"""Recordings of runs for tests: a market that rises evenly, as Binance tells it, and an exchange that is late.

Books come each tenth of a second in the first three of a minute, and once a second from then on.

The strategy of `flipping` goes in and out at each candle. Live, its orders are filled from the book of the market some
milliseconds after the decision, and told a while later; orders are found out by running the recording again.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec.structs import replace
from tests.unit import flipping
from tests.unit.desk_histories import BTC

from perpscope.app.trade import setup as setups
from perpscope.app.trade.replaying import replayed
from perpscope.app.trade.setup import RunSetup
from perpscope.feeds.recording import Header, Kind, Record, Recorder
from perpscope.model.instrument import MarginTier
from perpscope.model.market import Connected, Disconnected, Side, Subscribed, Tick
from perpscope.model.order import Fill, OrderKind, OrderRequest, OwnEvent, Resumed, Standing
from perpscope.model.run import RunKind
from perpscope.model.stream import Channel, Stream
from perpscope.settings import Costs, Risk

MS, SECOND = 1_000_000, 1_000_000_000
START = 1_700_000_040 * SECOND
#: Real exchanges send: seconds; frames reach us so much later.
_EVERY_MS, LATE_MS = 100, 20
_SIZE = 5.0
_BOOK, _MARKET = "binance/public/0", "binance/market/0"
#: The mid moves by so many ticks in a tenth of a second.
SLOPE = 2
FEE = Decimal("0.0004")
#: Funding is settled so long after a market's start.
SETTLES_S = 90


def bid_ticks(ts: int) -> int:
    """The best bid of the exchange's book at a time: whole ticks; the ask is one above."""
    return 600_000 + SLOPE * ((ts - START) // (_EVERY_MS * MS))


def worth(ts: int, side: int) -> Decimal:
    """What taking gives at a time: quote per base."""
    return Decimal(bid_ticks(ts) + (side > 0)) / 10


class Market:
    """The records of a market, in order of receipt.

    Args:
        minutes: so long.
        silent: seconds from its start in which no book comes, (from, to).
        after: minutes from `START` at which it begins.
    """

    def __init__(self, minutes: int, silent: tuple[int, int] = (0, 0), after: int = 0) -> None:
        self.records: list[Record] = []
        self.start = START + after * 60 * SECOND
        self._update = 1
        self._bid = bid_ticks(self.start)  # as it was told last
        names = [Channel.BOOK, Channel.MARK_PRICES, Channel.CANDLES_1M]
        for name, streams in ((_BOOK, names[:1]), (_MARKET, names[1:])):
            carried = tuple(Stream(channel, BTC.id) for channel in streams)
            self._mark(Connected("binance", name, self.start))
            self._mark(Subscribed("binance", name, carried, self.start))
        for tenth in range(1, minutes * 600 + 5):
            ts = self.start + tenth * _EVERY_MS * MS
            is_due = tenth % 600 < 30 or tenth % 10 == 0
            if is_due and not silent[0] * 10 <= tenth < silent[1] * 10:
                self._depth(ts)
            if tenth == 2:
                self._snapshot(ts)
            if tenth % 10 == 0:
                self._second(ts)
        end = self.records[-1].ts_recv
        self._mark(Disconnected(_BOOK, "stopped", end))
        self._mark(Tick(end))

    def _second(self, ts: int) -> None:
        price = f"{bid_ticks(ts) / 10:.1f}"
        at = ts // MS
        mark = f'"e":"markPriceUpdate","E":{at},"s":"BTCUSDT","p":"{price}","P":"{price}","i":"{price}","r":"0.0001"'
        settles = self.start // MS + SETTLES_S * 1000
        self._frame(_MARKET, ts, "btcusdt@markPrice@1s", f'{{{mark},"T":{settles + 28_800_000 * (at >= settles)}}}')
        if (ts - START) % (60 * SECOND) == 0:
            prices = f'"o":"{price}","c":"{price}","h":"{price}","l":"{price}","v":"100"'
            rest = '"f":1,"L":9,"n":9,"x":true,"q":"100","V":"50","Q":"50","B":"0"'
            kline = f'"t":{at - 60_000},"T":{at - 1},"s":"BTCUSDT","i":"1m",{prices},{rest}'
            self._frame(_MARKET, ts, "btcusdt@kline_1m", f'{{"e":"kline","E":{at},"s":"BTCUSDT","k":{{{kline}}}}}')
        self._mark(Tick(ts + LATE_MS * MS))

    def _snapshot(self, ts: int) -> None:
        bid = bid_ticks(ts)
        body = {
            "lastUpdateId": self._update,
            "E": ts // MS,
            "T": ts // MS,
            "bids": [[f"{bid / 10:.1f}", str(_SIZE)]],
            "asks": [[f"{(bid + 1) / 10:.1f}", str(_SIZE)]],
        }
        self.records.append(Record(Kind.REPLY, ts + LATE_MS * MS, BTC.id, msgspec.json.encode(body)))

    def _depth(self, ts: int) -> None:
        before, bid = self._bid, bid_ticks(ts)
        self._bid = bid
        bids = f'["{before / 10:.1f}","0"],["{bid / 10:.1f}","{_SIZE}"]'
        asks = f'["{(before + 1) / 10:.1f}","0"],["{(bid + 1) / 10:.1f}","{_SIZE}"]'
        at, first = ts // MS, self._update + 1
        told = f'"e":"depthUpdate","E":{at},"T":{at},"s":"BTCUSDT","U":{first},"u":{first},"pu":{first - 1}'
        self._update += 1
        self._frame(_BOOK, ts, "btcusdt@depth@100ms", f'{{{told},"b":[{bids}],"a":[{asks}]}}')

    def _frame(self, connection: str, ts: int, stream: str, data: str) -> None:
        raw = f'{{"stream":"{stream}","data":{data}}}'.encode()
        self.records.append(Record(Kind.FRAME, ts + LATE_MS * MS, connection, raw))

    def _mark(self, mark: Connected | Subscribed | Disconnected | Tick) -> None:
        self.records.append(Record(Kind.EVENT, mark.ts_recv, "", msgspec.msgpack.encode(mark)))


def setup_of(kind: RunKind, **changes: object) -> RunSetup:
    """All that such a run rests on."""
    made = RunSetup(
        run="r7",
        kind=kind,
        account="test",
        strategy="flipping",
        named=flipping.__file__,
        parameters={"stop": 0.02},
        instrument=replace(BTC, funding_interval_h=8.0),
        tiers=(MarginTier(floor=0.0, cap=None, mmr=0.004, max_leverage=125.0),),
        tiers_source="made for tests",
        risk=Risk(leverage=5.0, cooldown_s=0.0, streak=1000, target=6000.0, per_trade=1.0),
        is_strict=True,
        costs=Costs(taker=float(FEE), latency_ms=50.0, latency_p99_ms=50.0, latency_tail=0.0),
        stop=0.1,
        seed=7,
        silent_after_s=60.0,
        data="demo",
        begun_ms=1,
    )
    return replace(made, **changes)


def begun(kind: RunKind, at: int = START) -> list[OwnEvent]:
    """What a run is told first."""
    return [
        Resumed(instrument=BTC.id, ts_recv=at, wallet=Decimal(10_000)),
        Standing(ts_recv=at, mode=2 if kind is RunKind.LIVE else 1),
    ]


def written(path: Path, setup: RunSetup, records: list[Record], told: list[OwnEvent]) -> Path:
    """A recording with its setup beside it; what the run was told stands where its time is."""
    path.unlink(missing_ok=True)
    recorder = Recorder(path, Header(venue="binance", data="demo"))
    recorder.instruments("binance", START, [setup.instrument])
    own = [Record(Kind.OWN, event.ts_recv, "", msgspec.msgpack.encode(event)) for event in told]
    for record in sorted([*own, *records], key=lambda record: record.ts_recv):
        recorder._put(record)
    recorder.close()
    setups.write(setup, path)
    return path


def filled(request: OrderRequest, late_ms: int) -> Fill:
    """An order, filled whole from the book so long after it was decided, or its trigger reached; told 20 ms later."""
    begin = request.ts_recv if request.price is None else reached(request)
    ts = begin + late_ms * MS
    price = worth(ts, 1 if request.side is Side.BUY else -1)
    return Fill(
        order=request.id,
        instrument=BTC.id,
        ts_event=ts,
        ts_recv=ts + LATE_MS * MS,
        side=request.side,
        price=price,
        size=request.size,
        fee=price * request.size * FEE,
        is_maker=False,
        role=request.role,
    )


def reached(request: OrderRequest) -> int:
    """When a mark first triggers a stop: ns UTC, a whole second; that of a long position never."""
    ts = request.ts_recv // SECOND * SECOND
    if request.price is None or request.side is not Side.BUY:
        return 2**62
    while Decimal(bid_ticks(ts)) / 10 < request.price:
        ts += SECOND
    return ts


def live(
    path: Path,
    market: Market,
    late_ms: int,
    made: Callable[[Fill], list[OwnEvent]] = lambda fill: [fill],
    setup: RunSetup | None = None,
) -> Path:
    """A live run on a market: each market order it decides is filled, so late, and each stop of a short position.

    Args:
        path: of the recording.
        market: it trades on.
        late_ms: decision, or trigger, to fill, market milliseconds.
        made: of each fill what the run is told.
        setup: another than `setup_of`.
    """
    own, told = setup or setup_of(RunKind.LIVE), begun(RunKind.LIVE)
    known: set[str] = set()
    while True:
        again = replayed(written(path, own, market.records, told))
        fresh = [one for one in again.told if isinstance(one, OrderRequest) and one.id not in known]
        due = [one for one in fresh if one.kind is OrderKind.MARKET or reached(one) < market.records[-1].ts_recv]
        if not due:
            return path
        known |= {one.id for one in due}
        told += [event for request in due for event in made(filled(request, late_ms))]


def paper(path: Path, market: Market, told: list[OwnEvent] | None = None, **changes: object) -> Path:
    """A paper run on a market."""
    own = begun(RunKind.PAPER, market.start) if told is None else told
    return written(path, setup_of(RunKind.PAPER, **changes), market.records, own)
