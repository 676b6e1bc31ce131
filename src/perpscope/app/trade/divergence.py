"""A run beside itself: run again from its own recordings, and its orders filled by the modelled exchange (B11).

In: the recordings of a run. Out: whether it decided the same again, or the first decision that differs; and the money
its fills brought beside what the model says of the same orders, split into latency, price, missing data, size, fee
and funding. The parts add up to the whole to the last digit.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any, Final

import msgspec

from perpscope.app.answers.trade import label_of, label_words
from perpscope.app.run_names import Known
from perpscope.app.trade.attribution import Parts, Taken, attributed
from perpscope.app.trade.recordings import of_run
from perpscope.app.trade.rehearing import Followed, Reheard, modelled, reheard, then
from perpscope.app.trade.witness import decisions_of, difference, encoded
from perpscope.errors import DataError
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Spread
from perpscope.stores.journal_reader import JournalReader
from perpscope.stores.journal_rows import place
from perpscope.trading.units import Units

#: Orders told one by one: those that differ most.
_MOST: Final = 200
_MS: Final = 1_000_000


class OrderSplit(msgspec.Struct, frozen=True, kw_only=True):
    """One order, really and as modelled. Prices are averages, quote per base."""

    id: str
    role: str
    side: str  #: "buy" or "sell"
    decided_ms: int  #: market time, epoch ms
    size: Decimal  #: base units, really filled
    size_modelled: Decimal
    price: Decimal | None  #: None = not filled
    price_modelled: Decimal | None
    latency_ms: float | None  #: decision to fill, market time
    latency_modelled_ms: float | None
    parts: Parts
    whole: Decimal  #: quote units; above 0 = the run did better than the model


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """A run and the model."""

    run: str
    kind: RunKind
    data: str  #: "observed" or "demo"
    label: str  #: PAPER, LIVE or DEMO
    strategy: str
    instrument: str
    recordings: list[str]  #: names of the files
    decisions: int
    orders: int  #: that the strategy decided
    is_identical: bool | None  #: it decided the same again; None = the run kept neither decisions nor their hash
    hash: str  #: of the decisions of the last recording, run again
    first_difference: str  #: empty = none
    matched: int  #: orders that both filled
    only_run: int  #: filled by the run alone
    only_model: int  #: filled by the model alone
    unseen: int  #: whose book was not seen
    whole: Decimal  #: quote units
    parts: Parts
    latency_ms: dict[str, Spread]  #: "run" and "modelled": decision to fill, market milliseconds
    splits: list[OrderSplit]  #: those that differ most, by the size of the difference
    notes: list[str]


def divergence(
    recordings: Sequence[Path],
    hashes: Mapping[str, str] | None = None,
    booked: Mapping[str, Taken] | None = None,
) -> Divergence:
    """A run beside itself.

    On paper the run's own exchange is the modelled one: what it booked then is held against what it fills again.

    Args:
        recordings: of its processes, in order.
        hashes: by name of a recording, the hash of its decisions as the run told it.
        booked: of a run on paper: by id of an order, what its journal has of it. None = it is not asked.

    Raises:
        DataError: one is no recording of a run.
        ConfigError: the strategy or venue is not there any more.
    """
    heard = [reheard(recording) for recording in recordings]
    splits = [split for one in heard for split in _splits(one, heard[-1].end, booked)]
    parts = Parts(funding=sum((one.due - one.paid for one in heard), Decimal(0)))
    for split in splits:
        parts = parts.plus(split.parts)
    same, first = _decided(recordings, heard, hashes or {})
    setup = heard[-1].again.setup
    return Divergence(
        run=setup.run,
        kind=setup.kind,
        data=setup.data,
        label=label_of(setup.kind, setup.data),
        strategy=setup.strategy,
        instrument=setup.instrument.id,
        recordings=[path.name for path in recordings],
        decisions=sum(one.again.decisions for one in heard),
        orders=sum(one.again.orders for one in heard),
        is_identical=same,
        hash=heard[-1].again.hash,
        first_difference=first,
        **_counted(splits),
        whole=parts.whole,
        parts=parts,
        splits=sorted(splits, key=lambda split: -abs(split.whole))[:_MOST],
        notes=_notes(heard),
    )


def _counted(splits: Sequence[OrderSplit]) -> dict[str, Any]:
    """What a report counts of all its orders."""
    return {
        "matched": sum(bool(split.size and split.size_modelled) for split in splits),
        "only_run": sum(bool(split.size and not split.size_modelled) for split in splits),
        "only_model": sum(bool(split.size_modelled and not split.size) for split in splits),
        "unseen": sum(split.parts.missing != 0 for split in splits),
        "latency_ms": {
            "run": _spread([split.latency_ms for split in splits]),
            "modelled": _spread([split.latency_modelled_ms for split in splits]),
        },
    }


def of_journal(database: Path, run: str, folder: Path | None = None) -> Divergence:
    """A run beside itself, found by its journal.

    Args:
        database: beside which the journals are.
        run: its id.
        folder: in which its recordings are; None = where its journal says.

    Raises:
        DataError: no journal has the run ("trade-run-unknown"), or no recording is of it.
        ConfigError: the strategy or venue is not there any more.
        StoreError: the journal cannot be read.
    """
    for kind in (RunKind.PAPER, RunKind.LIVE):
        with JournalReader(place(database, kind)) as reader:
            told = [status for status in reader.statuses() if status.run == run]
            if not told:
                continue
            booked = _booked(reader, run) if kind is RunKind.PAPER else None
        recordings = of_run(folder or Path(told[0].recording).parent, run)
        hashes = {Path(one.recording).name: one.decision_hash for one in told if one.is_over}
        return divergence(recordings, hashes, booked)
    raise DataError("trade-run-unknown", f"no journal has a run {run!r}", hint="perpscope positions lists them")


def known(database: Path) -> list[Known]:
    """The runs on paper and live that journals tell of, as they are named.

    Args:
        database: beside which the journals are.

    Raises:
        StoreError: a journal cannot be read.
    """
    found = []
    for kind in (RunKind.PAPER, RunKind.LIVE):
        with JournalReader(place(database, kind)) as reader:
            for one in reader.statuses():
                words = f"{label_words(one.kind, one.data)} {one.strategy} on {one.instrument}"
                found.append(Known(id=one.run, at_ms=one.begun_ms, words=words))
    return found


def _booked(reader: JournalReader, run: str) -> dict[str, Taken]:
    """What a journal has of each order."""
    found: dict[str, Taken] = {}
    for fill in reader.fills(run):
        one, before = fill.trade, found.get(fill.order, Taken(ts=fill.trade.ts_event))
        found[fill.order] = msgspec.structs.replace(
            before,
            size=before.size + one.size,
            value=before.value + one.size * one.price,
            fee=before.fee + one.fee,
        )
    return found


def lines(found: Divergence) -> list[str]:
    """A report for people."""
    parts = found.parts
    same = {True: "decided the same again", False: "DECIDED OTHERWISE", None: "its decisions were not kept"}
    told = [
        f"{label_words(found.kind, found.data)} · run {found.run} · {found.strategy} on {found.instrument}"
        f" · {len(found.recordings)} recording{'s' if len(found.recordings) > 1 else ''}",
        f"{found.decisions:,} decisions, {found.orders:,} orders: {same[found.is_identical]}",
        *([found.first_difference] if found.first_difference else []),
        f"orders filled: {found.matched:,} by both, {found.only_run:,} by the run alone,"
        f" {found.only_model:,} by the model alone; {found.unseen:,} without a book then",
        f"against the model {found.whole:+,.2f} = latency {parts.latency:+,.2f} · price {parts.price:+,.2f}"
        f" · missing data {parts.missing:+,.2f} · size {parts.size:+,.2f} · fees {parts.fee:+,.2f}"
        f" · funding {parts.funding:+,.2f}",
    ]
    for name, spread in found.latency_ms.items():
        if spread.p50 is not None and spread.p95 is not None and spread.p99 is not None:
            told.append(
                f"decision to fill, {name}: {spread.p50:,.0f} ms, 95 % within {spread.p95:,.0f},"
                f" 99 % within {spread.p99:,.0f} (market time, {spread.count:,} orders)"
            )
    return told + found.notes


def _splits(heard: Reheard, end: Decimal, booked: Mapping[str, Taken] | None) -> list[OrderSplit]:
    """Every order that either filled."""
    setup = heard.again.setup
    units = Units.of(setup.instrument)
    taker = int(heard.again.desk[0]["costs"]["taker"])
    found = []
    for order in heard.orders:
        if setup.kind is RunKind.LIVE:
            real, model, at = order.real, modelled(order, units, taker), then(order, units)
        else:
            model = order.real
            real = model if booked is None or not order.is_modelled else booked.get(order.id, Taken())
            at = model.value if real.size >= model.size else real.value
        if real.size or model.size:
            found.append(_split(order, real, model, attributed(order.side, real, model, at, end)))
    return found


def _split(order: Followed, real: Taken, model: Taken, parts: Parts) -> OrderSplit:
    is_timed = order.is_modelled and not order.is_conditional
    return OrderSplit(
        id=order.id,
        role=order.role,
        side="buy" if order.side > 0 else "sell",
        decided_ms=order.decided // _MS,
        size=real.size,
        size_modelled=model.size,
        price=real.price,
        price_modelled=model.price,
        latency_ms=max(0, real.ts - order.decided) / _MS if is_timed and real.size else None,
        latency_modelled_ms=(order.arrives - order.decided) / _MS if is_timed else None,
        parts=parts,
        whole=parts.whole,
    )


def _decided(
    recordings: Sequence[Path], heard: Sequence[Reheard], hashes: Mapping[str, str]
) -> tuple[bool | None, str]:
    """Whether everything was decided the same again, and the first difference."""
    known = False
    for recording, one in zip(recordings, heard, strict=True):
        kept, told = _kept(recording), hashes.get(recording.name)
        if kept is not None:
            known = True
            again = [line for told in one.again.told if (line := encoded(told)) is not None]
            if first := difference(kept, again):
                return False, f"{recording.name}: {first}"
        if told is not None:
            known = True
            if told != one.again.hash:
                return False, f"{recording.name}: its decisions hash to {one.again.hash}, the run told {told}"
    return (True if known else None), ""


def _kept(recording: Path) -> list[bytes] | None:
    """What the run kept of its decisions, a line each; one that was torn off is left out. None = nothing."""
    try:
        text = decisions_of(recording).read_bytes()
    except OSError:
        return None
    return text.split(b"\n")[:-1]


def _notes(heard: Sequence[Reheard]) -> list[str]:
    """What the figures rest on."""
    notes = ["sizes that only one of the two filled are valued at the last price"]
    for one in heard:
        if one.again.is_torn:
            notes.append("a recording breaks off: what came after is not compared")
    late = sum(order.is_conditional and bool(order.fills) and not order.triggered for order in _orders(heard))
    if late:
        notes.append(f"{late} conditional orders were filled without a mark that reached their trigger")
    unknown = sum(one.fees_unknown for one in heard)
    if unknown:
        notes.append(f"the fees of {unknown} fills are not known in the quote: the part for fees leaves them out")
    return notes


def _orders(heard: Sequence[Reheard]) -> list[Followed]:
    """The orders of all recordings."""
    return [order for one in heard for order in one.orders]


def _spread(told: Sequence[float | None]) -> Spread:
    """Quantiles by nearest rank."""
    known = sorted(ms for ms in told if ms is not None)
    if not known:
        return Spread()
    p50, p95, p99 = (known[ceil(share * len(known)) - 1] for share in (0.5, 0.95, 0.99))
    return Spread(p50=p50, p95=p95, p99=p99, count=len(known))
