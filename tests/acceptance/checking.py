"""The judge of the fault tests: holds what a collector kept against what the lab meant to tell, fault by fault.

In: the lab's ledger (its truth, its faults, its connections' marks), a store's file and, where they were kept, trades.
Out: a `Verdict`: every event stored once, or inside a recorded gap; the rest is unexplained. It knows each venue's wire
by its own few lines, not by the product's decoders.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from perpscope.lab.ledger import Injected, Ledger, Moment, Told
from perpscope.model.market import Trade
from perpscope.model.stream import Channel
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import CoverageRow

Key: TypeAlias = tuple[str, ...]  #: what tells an event from every other of its channel; the coin first
Frame: TypeAlias = Any  #: parsed JSON
Bar: TypeAlias = tuple[float, float, float, float, float]  #: open, high, low, close, base units

MINUTE_MS = 60_000
#: A minute's last word may come so much later: venues that do not say "closed" open the next one.
_LAST_WORD_MS = 3_000
_NS_PER_MS, _NS_PER_S = 1_000_000, 1_000_000_000

#: Topics whose truth is held against the store: trades, forced orders, minutes.
_JUDGED: dict[str, tuple[str, ...]] = {
    "binance": ("@aggTrade", "@forceOrder", "@kline_1m"),
    "bybit": ("publicTrade.", "allLiquidation.", "kline.1."),
    "okx": ("trades:", "liquidation-orders:", "candle1m:"),
    "bitget": (":publicTrade:", ":liquidation", ":kline:1m:"),
    "hyperliquid": ("trades:", "userFills:", "candle:BTC:1m", "candle:ETH:1m"),
}


def judged(venue: str) -> Callable[[str], bool]:
    """True for the topics whose truth has to be kept."""
    words = _JUDGED[venue]
    return lambda topic: any(word in topic for word in words)


class Meant(msgspec.Struct, frozen=True):
    """One event the venue published."""

    channel: Channel
    key: Key
    market_ns: int  #: ns UTC, when


class Row(msgspec.Struct):
    """What became of the events around one fault."""

    fault: Injected
    found_s: float | None = None  #: market seconds until the client did something about it
    repaired_s: float | None = None  #: market seconds from its end until the last gap it left was over
    meant: int = 0  #: events from its beginning to the next one's
    lost: int = 0  #: of them not stored, inside a gap
    unexplained: int = 0  #: not stored, in no gap


class Verdict(msgspec.Struct):
    """What the judge found."""

    venue: str
    rows: list[Row]
    meant: int = 0  #: events published while something was vouched for
    stored: int = 0
    lost: int = 0  #: inside a gap
    duplicated: list[Key] = []
    again: int = 0  #: trades that came more than once: passed on as they come, an archive counts them once
    unexplained: list[Meant] = []
    partial: int = 0  #: of the minutes in gaps, stored as far as they were heard: no venue without a "closed" says so
    wrong: list[tuple[Key, Bar, Bar]] = []  #: minutes outside gaps stored otherwise than told: as told, as stored
    invented: list[Key] = []  #: stored, and never told
    causes: Counter[str] = msgspec.field(default_factory=Counter)  #: of gaps

    @property
    def is_clean(self) -> bool:
        """True if nothing is silently missing, stored twice or made up."""
        return not (self.duplicated or self.unexplained or self.wrong or self.invented)

    def table(self) -> str:
        """The figures, one line a fault."""
        head = f"{self.venue}: {'fault':<16}{'target':<24}{'hit':>6}{'lasted':>8}{'found':>8}{'repaired':>9}"
        lines = [f"{head}{'events':>8}{'lost':>6}{'unexplained':>12}"]
        for row in self.rows:
            fault = row.fault
            lasted_s = (fault.market_to - fault.market_from) / _NS_PER_S
            lines.append(
                f"{'':{len(self.venue) + 2}}{fault.kind:<16}{fault.target[:23]:<24}{fault.hit:>6}{lasted_s:>7.1f}s"
                f"{_seconds(row.found_s):>8}{_seconds(row.repaired_s):>9}{row.meant:>8}{row.lost:>6}{row.unexplained:>12}"
            )
        lines.append(
            f"{self.venue}: {self.meant} events, {self.stored} stored, {self.lost} in gaps, "
            f"{len(self.duplicated)} twice ({self.again} trades came again), {len(self.unexplained)} unexplained, "
            f"{len(self.wrong)} minutes wrong ({self.partial} partial in gaps), {len(self.invented)} invented; "
            f"gaps: {dict(self.causes)}"
        )
        return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}s"


def judge(venue: str, ledger: Ledger, database: Path, trades: Iterable[Trade] | None = None) -> Verdict:
    """Hold a store against a ledger.

    Args:
        venue: whose.
        ledger: of the lab, with the truth of `judged` topics.
        database: the store's file.
        trades: every one that came in, where they were kept; without them trades are not judged.
    """
    with SqliteReader.open(database) as reader:
        rows = reader.coverage(venue)
        stored = _stored(reader, venue, trades)
        bars = _stored_bars(reader, venue)
    seen, gaps = _by_stream(rows, "covered"), _by_stream(rows, "gap")
    faults = sorted(ledger.injected, key=lambda fault: fault.market_from)
    verdict = Verdict(venue, [Row(fault) for fault in faults])
    verdict.causes.update(f"{row.channel.value}:{row.cause}" for row in rows if row.kind == "gap")
    known: Counter[tuple[Channel, Key]] = Counter()
    for meant in _meant(venue, ledger.truth):
        if meant.channel is Channel.TRADES and trades is None:
            continue
        known[meant.channel, meant.key] += 1
        at = _vouched(seen, meant)
        if at is None:
            continue
        verdict.meant += 1
        row = _row_at(verdict.rows, meant.market_ns)
        row.meant += 1
        if (meant.channel, meant.key) in stored:
            verdict.stored += 1
        elif _holds(gaps, meant):
            verdict.lost += 1
            row.lost += 1
        else:
            verdict.unexplained.append(meant)
            row.unexplained += 1
    for (channel, key), times in stored.items():
        if times > max(1, known[channel, key]) and channel is not Channel.TRADES:
            verdict.duplicated.append(key)
        verdict.again += times - 1 if channel is Channel.TRADES else 0
    verdict.invented = [what[1] for what in stored if what not in known]
    _judge_minutes(verdict, _told_bars(venue, ledger.truth), bars, seen, gaps)
    _time(verdict.rows, ledger, rows)
    return verdict


# what was stored ------------------------------------------------------------------------------------------------


def _stored(reader: SqliteReader, venue: str, trades: Iterable[Trade] | None) -> Counter[tuple[Channel, Key]]:
    found: Counter[tuple[Channel, Key]] = Counter()
    for event in reader.liquidations(limit=10_000_000):
        if _venue(event.instrument) == venue:
            key = (_coin(event.instrument), str(event.ts_event // _NS_PER_MS), repr(event.price))
            found[Channel.LIQUIDATIONS, key] += 1
    for trade in trades or ():
        if _venue(trade.instrument) == venue:
            found[Channel.TRADES, (_coin(trade.instrument), str(trade.trade_id))] += 1
    return found


def _stored_bars(reader: SqliteReader, venue: str) -> dict[Key, Bar]:
    query = "SELECT instrument, ts_open, open, high, low, close, volume FROM candles_1m WHERE venue = ?"
    rows = reader._connection.execute(query, (venue,))
    return {(_coin(row[0]), str(row[1] // _NS_PER_MS)): tuple(row[2:]) for row in rows}


# what was told --------------------------------------------------------------------------------------------------


def _meant(venue: str, truth: Iterable[Told]) -> Iterator[Meant]:
    """Trades and forced orders, as the venue's documents have them."""
    for told in truth:
        frame: Frame = json.loads(told.payload)
        for channel, key in _WIRES[venue](told.topic, frame):
            yield Meant(channel, key, told.market_ns)


def _binance(_: str, frame: Frame) -> Iterator[tuple[Channel, Key]]:
    if frame["e"] == "aggTrade":
        yield Channel.TRADES, (_coin(frame["s"]), str(frame["a"]))
    elif frame["e"] == "forceOrder":
        order = frame["o"]
        yield Channel.LIQUIDATIONS, (_coin(order["s"]), str(order["T"]), repr(float(order["ap"])))


def _bybit(topic: str, frame: Frame) -> Iterator[tuple[Channel, Key]]:
    for row in frame["data"]:
        if topic.startswith("publicTrade."):
            yield Channel.TRADES, (_coin(row["s"]), row["i"])
        elif topic.startswith("allLiquidation."):
            yield Channel.LIQUIDATIONS, (_coin(row["s"]), str(row["T"]), repr(float(row["p"])))


def _okx(topic: str, frame: Frame) -> Iterator[tuple[Channel, Key]]:
    for row in frame["data"]:
        if topic.startswith("trades:"):
            yield Channel.TRADES, (_coin(row["instId"]), row["tradeId"])
        elif topic.startswith("liquidation-orders:"):
            for detail in row["details"]:
                key = (_coin(row["instId"]), detail["ts"], repr(float(detail["bkPx"])))
                yield Channel.LIQUIDATIONS, key


def _bitget(topic: str, frame: Frame) -> Iterator[tuple[Channel, Key]]:
    for row in frame["data"]:
        if ":publicTrade:" in topic:
            yield Channel.TRADES, (_coin(frame["arg"]["symbol"]), row["i"])
        elif topic.endswith(":liquidation"):
            yield Channel.LIQUIDATIONS, (_coin(row["symbol"]), row["ts"], repr(float(row["price"])))


def _hyperliquid(topic: str, frame: Frame) -> Iterator[tuple[Channel, Key]]:
    if topic.startswith("trades:"):
        for row in frame["data"]:
            yield Channel.TRADES, (row["coin"], str(row["tid"]))
    elif topic.startswith("userFills:"):
        for row in frame["data"]["fills"]:
            if "liquidation" in row:
                yield Channel.LIQUIDATIONS, (row["coin"], str(row["time"]), repr(float(row["px"])))


_WIRES: dict[str, Callable[[str, Frame], Iterator[tuple[Channel, Key]]]] = {
    "binance": _binance,
    "bybit": _bybit,
    "okx": _okx,
    "bitget": _bitget,
    "hyperliquid": _hyperliquid,
}


def _told_bars(venue: str, truth: Sequence[Told]) -> dict[Key, Bar]:
    """The last word on each minute that was followed by another."""
    bars: dict[Key, Bar] = {}
    for told in truth:
        if "kline" in told.topic or "candle" in told.topic:
            for coin, open_ms, values in _minutes(venue, told.topic, json.loads(told.payload)):
                bars[coin, str(open_ms)] = tuple(float(value) for value in values)  # type: ignore[assignment]  # five
    newest: dict[str, int] = defaultdict(int)
    for coin, opened in bars:
        newest[coin] = max(newest[coin], int(opened))
    return {key: bar for key, bar in bars.items() if int(key[1]) < newest[key[0]]}


def _minutes(venue: str, topic: str, frame: Frame) -> Iterator[tuple[str, int, Sequence[str]]]:
    rows: list[Frame] = frame["data"] if isinstance(frame.get("data"), list) else [frame.get("data") or frame["k"]]
    for row in rows:
        match venue:
            case "binance":
                yield _coin(row["s"]), row["t"], [row[name] for name in "ohlcv"]
            case "okx":
                yield _coin(frame["arg"]["instId"]), int(row[0]), [*row[1:5], row[6]]
            case "hyperliquid":
                yield row["s"], row["t"], [row[name] for name in "ohlcv"]
            case _:
                coin = _coin(topic.rpartition(".")[2] if venue == "bybit" else frame["arg"]["symbol"])
                yield coin, int(row["start"]), [row[name] for name in ("open", "high", "low", "close", "volume")]


# what was vouched for --------------------------------------------------------------------------------------------

Stretch: TypeAlias = tuple[int, float]  #: from, to (infinite while it lasts), ns UTC


def _by_stream(rows: Sequence[CoverageRow], kind: str) -> dict[tuple[Channel, str], list[Stretch]]:
    found: dict[tuple[Channel, str], list[Stretch]] = defaultdict(list)
    for row in rows:
        if row.kind == kind and row.connection != "backfill":
            coin = "" if row.instrument is None else _coin(row.instrument)
            found[row.channel, coin].append((row.ts_from, math.inf if row.ts_to is None else row.ts_to))
    return found


def _stretches(by_stream: dict[tuple[Channel, str], list[Stretch]], channel: Channel, coin: str) -> list[Stretch]:
    return [*by_stream.get((channel, coin), ()), *by_stream.get((channel, ""), ())]


def _vouched(seen: dict[tuple[Channel, str], list[Stretch]], meant: Meant) -> Stretch | None:
    """From the first moment a stream was vouched for to the last, if the event is between them."""
    stretches = _stretches(seen, meant.channel, meant.key[0])
    if not stretches:
        return None
    whole = min(start for start, _ in stretches), max(end for _, end in stretches)
    return whole if whole[0] <= meant.market_ns <= whole[1] else None


def _holds(gaps: dict[tuple[Channel, str], list[Stretch]], meant: Meant) -> bool:
    return any(start <= meant.market_ns <= end for start, end in _stretches(gaps, meant.channel, meant.key[0]))


def _judge_minutes(
    verdict: Verdict,
    told: dict[Key, Bar],
    stored: dict[Key, Bar],
    seen: dict[tuple[Channel, str], list[Stretch]],
    gaps: dict[tuple[Channel, str], list[Stretch]],
) -> None:
    """Each minute told while its channel was vouched for: stored as it was told last, or touched by a gap."""
    for key, bar in told.items():
        open_ns = int(key[1]) * _NS_PER_MS
        closed_ns = open_ns + (MINUTE_MS + _LAST_WORD_MS) * _NS_PER_MS
        vouched = _stretches(seen, Channel.CANDLES_1M, key[0])
        if not vouched or open_ns < min(start for start, _ in vouched) or closed_ns > max(end for _, end in vouched):
            continue
        row = _row_at(verdict.rows, closed_ns)
        is_in_gap = any(
            start <= closed_ns and end >= open_ns for start, end in _stretches(gaps, Channel.CANDLES_1M, key[0])
        )
        verdict.meant += 1
        is_as_told = key in stored and all(
            math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in zip(bar, stored[key], strict=True)
        )
        if is_as_told:
            verdict.stored += 1
        elif is_in_gap:
            verdict.partial += key in stored
            verdict.lost += 1
            row.lost += 1
        elif key in stored:
            verdict.wrong.append((key, bar, stored[key]))
        else:
            verdict.unexplained.append(Meant(Channel.CANDLES_1M, key, closed_ns))
            row.unexplained += 1


def _row_at(rows: list[Row], market_ns: int) -> Row:
    """The fault that was the last to begin; before the first, the first."""
    at = [row for row in rows if row.fault.market_from <= market_ns]
    if at:
        return at[-1]
    return rows[0] if rows else Row(Injected(0, 0, "none", "", 0))


def _time(rows: list[Row], ledger: Ledger, coverage: Sequence[CoverageRow]) -> None:
    """How soon something was done about each fault, and how long after its end its gaps were over."""
    for at, row in enumerate(rows):
        fault = row.fault
        until = rows[at + 1].fault.market_from if at + 1 < len(rows) else math.inf
        acts = [
            mark.market_ns
            for mark in ledger.marks
            if mark.moment is not Moment.CLOSE and fault.market_from < mark.market_ns < until
        ]
        row.found_s = (min(acts) - fault.market_from) / _NS_PER_S if acts else None
        ends = [
            gap.ts_to
            for gap in coverage
            if gap.kind == "gap" and gap.ts_to is not None and fault.market_from <= gap.ts_to < until
        ]
        row.repaired_s = max(0.0, (max(ends) - fault.market_to) / _NS_PER_S) if ends else None


def _coin(name: str) -> str:
    """BTC of BTCUSDT, BTC-USDT-SWAP and BTC-USDT-PERP.OKX."""
    return name.partition("-")[0].removesuffix("USDT")


def _venue(instrument: str) -> str:
    return instrument.rpartition(".")[2].lower()
