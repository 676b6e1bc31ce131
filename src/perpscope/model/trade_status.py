"""How a paper or live run is doing at this moment: one page that faces show. Amounts are quote units."""

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.run import RunKind


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How long something takes, milliseconds of real time."""

    p50: float | None = None  #: None = never happened yet
    p95: float | None = None
    p99: float | None = None
    count: int = 0


class WorkingNow(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is not over."""

    id: str
    role: str  #: of `model.order.Role`
    kind: str
    side: str  #: "buy" or "sell"
    size: str | None  #: base units; None = whatever is held
    filled: str
    price: str | None  #: limit or trigger
    state: str  #: "intended", "sent", "working", "unknown" or "cancelling"
    since_ms: int  #: market time, epoch ms
    wished: str | None = None  #: what was decided, base units, where more than was sent
    bound: str = ""  #: what made it smaller: "largest" = the largest order that the exchange takes


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The position."""

    side: str | None  #: "LONG", "SHORT"; None = flat
    size: float  #: base units, >= 0
    entry_price: float | None
    mark: float | None
    margin: float
    liquidation_price: float | None
    unrealised: float
    stop: float | None  #: trigger of the protective stop that the exchange has confirmed


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """The account."""

    deposit: float  #: when the run began
    equity: float
    realised: float
    fees: float
    funding: float  #: paid; below 0 = received
    fees_elsewhere: float = 0.0  #: of the fees, what was paid in other coins: the exchange's wallet of the quote has it
    fees_unknown: int = 0  #: fills whose fee was paid in a coin of unknown worth, and is in no figure


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """How the exchange answers. Live only."""

    is_streaming: bool  #: its user stream is open and speaks
    calls: int  #: within the last minute
    errors: int
    skew_ms: float | None
    reconciled_ms: int | None  #: market time of the last comparison that agreed, epoch ms
    is_mismatched: bool
    why: str = ""  #: what does not agree, in words


class TradeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as of its last Tick."""

    run: str
    kind: RunKind
    strategy: str
    instrument: InstrumentId
    data: str  #: "observed" or "demo"
    pid: int
    begun_ms: int  #: real time, epoch ms
    at_ms: int  #: real time of this page, epoch ms
    market_ms: int  #: market time, epoch ms
    is_over: bool  #: it ended in order
    mode: str  #: "observe", "paper" or "live"
    halted: str  #: why; empty = it runs
    armed_until_ms: int | None = None  #: real time; live only
    decisions: int
    orders: int
    fills: int
    refused: dict[str, int] = {}  #: entries that risk did not let pass, by reason
    duplicate_orders: int = 0  #: orders of one intent beyond the first, as the exchange has them
    naked_seconds_now: float = 0.0  #: real seconds that a position has been without a confirmed stop
    naked_seconds_max: float = 0.0
    held: Held
    money: Money
    working: list[WorkingNow] = []
    contact: Contact | None = None
    latency_ms: dict[str, Spread] = {}  #: by stage; see docs/trading.md
    decision_hash: str = ""
    recording: str = ""  #: file, empty = none
    warnings: list[str] = []
