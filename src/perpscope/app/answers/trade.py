"""What is traded from a database: its journals of paper and of live, and how far decisions may go now.

In: the database, whose journals lie beside it. Out: each run as it told last, its orders and fills, and the mode. It is
read alone; a trader that is gone is told by its age, in real time, whatever the market's clock is.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

import msgspec

from perpscope.app import trading_mode
from perpscope.app.trading_mode import Act, Armed
from perpscope.errors import DataError, StoreError
from perpscope.model.run import RunKind, RunSummary
from perpscope.model.trade_status import Spread, TradeStatus
from perpscope.settings import Trade
from perpscope.stores.journal import JournalFill, JournalOrder, JournalReader, place

#: A trader tells how it is doing every real second; after so many without a word it is not running.
GONE_AFTER_MS: Final = 5_000
_KINDS: Final = (RunKind.LIVE, RunKind.PAPER)
_MS_NS: Final = 1_000_000
#: What is said beside a label of a market that did not happen now.
_MARKETS: Final = {"demo": "DEMO DATA", "replay": "REPLAY"}
_MONEY: Final = {
    "PAPER": "simulated orders, no money moves",
    "DEMO": "orders to a made-up exchange, no money moves",
    "LIVE": "real orders, YOUR MONEY",
}


class RunNow(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it told last, and how long ago that was."""

    label: Literal["PAPER", "LIVE", "DEMO"]  #: whose money: nobody's, yours, or a made-up exchange's
    is_running: bool  #: its trader told something within the last five seconds, and has not ended
    age_ms: int  #: real time since it told
    status: TradeStatus


class ModeNow(msgspec.Struct, frozen=True, kw_only=True):
    """How far decisions may go."""

    mode: Literal["observe", "paper", "live"]
    most: Literal["observe", "paper", "live"]  #: what the settings allow
    halted: str  #: why nothing may be opened and all is to be closed; empty = it may
    armed: Armed | None  #: what may trade live, and until when; null = nothing
    acts: list[Act]  #: what was done to it, newest first


class TradeNow(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is traded from one database."""

    runs: list[RunNow]  #: those that run first, live before paper, then the newest
    mode: ModeNow
    faults: list[str]  #: journals that cannot be read, and why


class OrderTold(msgspec.Struct, frozen=True, kw_only=True):
    """An order of a run. Sizes and prices are decimals, exactly as they were sent."""

    id: str
    at_ms: int  #: market time of the decision, epoch ms
    side: str  #: "buy" or "sell"
    role: str
    kind: str
    size: str
    filled: str
    price: str | None  #: limit, or trigger on the mark; null of a market order
    is_reducing: bool
    state: str
    venue_id: str
    reason: str  #: of the decision
    why: str  #: why it ended as it did
    is_own: bool  #: the strategy's decision; false = the trader made it by itself, to protect or to close
    wished: str | None = None  #: what was decided, where more than was sent
    bound: str = ""  #: what made it smaller: "largest" = the largest order that the exchange takes
    changed_ms: int  #: of its state, epoch ms


class FillTold(msgspec.Struct, frozen=True, kw_only=True):
    """A fill of a run. Sizes, prices and fees are decimals, exactly as the exchange told them."""

    trade_id: int
    order: str  #: empty of one that no order of ours explains
    at_ms: int  #: the exchange's time, epoch ms
    side: str  #: "buy" or "sell"
    price: str
    size: str
    fee: str  #: quote units; below 0 = a rebate; "0" where it was paid in a coin whose worth is not known
    realised: str  #: gross profit of what it closed, quote units
    is_maker: bool
    paid_in: str | None = None  #: what was paid as the fee where that was another coin: "0.00045 BNB"


class PartsTold(msgspec.Struct, frozen=True, kw_only=True):
    """A difference of money, split; quote units."""

    latency: float  #: the book moved between the modelled arrival and the fill
    price: float  #: the book of that very moment would have given another price
    missing: float  #: the book was not seen then
    size: float  #: one of the two filled what the other did not
    fee: float
    funding: float


class DivergenceTold(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was decided again from its recording, and its orders filled by the model."""

    run: str
    decisions: int
    orders: int
    is_identical: bool | None  #: it decided the same again; null = what it decided was not kept
    first_difference: str  #: empty = none
    matched: int  #: orders that both filled
    only_run: int
    only_model: int
    unseen: int  #: whose book was not seen
    whole: float  #: quote units, the sum of the parts; above 0 = the run did better than the model
    parts: PartsTold
    latency_ms: dict[str, Spread]  #: "run" and "modelled": decision to fill, market milliseconds
    notes: list[str]


def read_trade(database: Path, trade: Trade, now_ms: int) -> TradeNow:
    """Every run of the journals beside a database, and the mode.

    Args:
        database: whose.
        trade: `[trade]`.
        now_ms: real time, epoch ms.
    """
    runs: list[RunNow] = []
    faults: list[str] = []
    for kind in _KINDS:
        path = place(database, kind)
        try:
            with JournalReader(path) as reader:
                runs += [run_now(status, now_ms) for status in reader.statuses()]
        except StoreError as error:
            faults.append(f"{path.name}: {error.message}")
    return TradeNow(runs=sorted(runs, key=_rank), mode=read_mode(database, trade), faults=faults)


def read_mode(database: Path, trade: Trade) -> ModeNow:
    """How far decisions may go at a database."""
    return mode_told(trading_mode.read(database, trade), trade)


def mode_told(state: trading_mode.State, trade: Trade) -> ModeNow:
    """A mode as faces tell it."""
    most = trading_mode.ceiling(trade)
    return ModeNow(
        mode=_word(state.mode), most=_word(most), halted=state.halted, armed=state.armed, acts=state.acts[::-1]
    )


def read_orders(database: Path, run: str, limit: int) -> list[OrderTold]:
    """Orders of a run, the newest first.

    Raises:
        DataError: no journal has it ("trade-run-unknown").
        StoreError: a journal cannot be read, and no other has it.
    """
    with _having(database, run) as reader:
        return [_order(order) for order in reader.orders(run, limit)[::-1]]


def read_fills(database: Path, run: str, limit: int) -> list[FillTold]:
    """Fills of a run, the newest first.

    Raises:
        DataError: no journal has it ("trade-run-unknown").
        StoreError: a journal cannot be read, and no other has it.
    """
    with _having(database, run) as reader:
        return [_fill(fill) for fill in reader.fills(run, limit)[::-1]]


def _having(database: Path, run: str) -> JournalReader:
    """The journal that has a run.

    Raises:
        DataError: none has.
        StoreError: none that can be read has, and one cannot be read.
    """
    fault: StoreError | None = None
    for kind in _KINDS:
        reader = JournalReader(place(database, kind))
        try:
            if any(one.id == run for one in reader.runs()):
                return reader
        except StoreError as error:
            fault = error
        reader.close()
    if fault is not None:
        raise fault
    raise DataError("trade-run-unknown", f"no journal has a run {run!r}", hint="/api/v1/trade lists them")


def run_now(status: TradeStatus, now_ms: int) -> RunNow:
    """A page, and how old it is at `now_ms` (real time, epoch ms)."""
    age_ms = max(0, now_ms - status.at_ms)
    return RunNow(
        label=label_of(status.kind, status.data),
        is_running=not status.is_over and age_ms <= GONE_AFTER_MS,
        age_ms=age_ms,
        status=status,
    )


def label_of(kind: RunKind, data: str) -> Literal["PAPER", "LIVE", "DEMO"]:
    """Live is said of real money alone: an exchange that is made up, too, takes orders."""
    if kind is RunKind.LIVE:
        return "LIVE" if data == "observed" else "DEMO"
    return "PAPER"


class ListedRun(RunSummary, frozen=True, kw_only=True):
    """A run in a list: its row, and what it is to be called wherever it is shown."""

    label: str  #: backtest, paper, live or demo, and of which market; see `label_words`


def listed(told: RunSummary) -> ListedRun:
    """A run as a list shows it, on every face."""
    return ListedRun(label=label_words(told.kind, told.data), **msgspec.structs.asdict(told))


def label_words(kind: RunKind, data: str) -> str:
    """The label of a run where people read it, with what is to be known of the market beside it.

    >>> [label_words(RunKind.PAPER, data) for data in ("observed", "demo")]
    ['PAPER', 'PAPER, DEMO DATA']
    >>> [label_words(RunKind.LIVE, data) for data in ("observed", "demo")]
    ['LIVE', 'DEMO']
    >>> label_words(RunKind.BACKTEST, "demo")
    'BACKTEST, DEMO DATA'
    """
    label = "BACKTEST" if kind is RunKind.BACKTEST else label_of(kind, data)
    return label if label == "DEMO" or data not in _MARKETS else f"{label}, {_MARKETS[data]}"


def money_words(label: str) -> str:
    """What orders under a label do to money, in words."""
    return _MONEY[label]


def _rank(run: RunNow) -> tuple[bool, bool, int]:
    return not run.is_running, run.status.kind is not RunKind.LIVE, -run.status.begun_ms


def _word(mode: trading_mode.Mode) -> Literal["observe", "paper", "live"]:
    match mode:
        case trading_mode.Mode.OBSERVE:
            return "observe"
        case trading_mode.Mode.PAPER:
            return "paper"
        case trading_mode.Mode.LIVE:
            return "live"


def _order(order: JournalOrder) -> OrderTold:
    asked = order.request
    return OrderTold(
        id=asked.id,
        at_ms=asked.ts_recv // _MS_NS,
        side=asked.side.value.lower(),
        role=asked.role.value,
        kind=asked.kind.value,
        size=_text(asked.size),
        filled=_text(order.filled),
        price=None if asked.price is None else _text(asked.price),
        is_reducing=asked.is_reducing,
        state=order.state,
        venue_id=order.venue_id,
        reason=asked.why,
        why=order.why,
        is_own=order.is_own,
        wished=None if order.wished is None else _text(order.wished),
        bound=order.bound,
        changed_ms=order.ts // _MS_NS,
    )


def _fill(fill: JournalFill) -> FillTold:
    told = fill.trade
    return FillTold(
        trade_id=told.trade_id,
        order=fill.order,
        at_ms=told.ts_event // _MS_NS,
        side=told.side.value.lower(),
        price=_text(told.price),
        size=_text(told.size),
        fee=_text(told.fee),
        paid_in=None if told.other is None else f"{_text(told.other.amount)} {told.other.asset}",
        realised=_text(told.realised),
        is_maker=told.is_maker,
    )


def _text(amount: Decimal) -> str:
    """Without an exponent."""
    return f"{amount:f}"
