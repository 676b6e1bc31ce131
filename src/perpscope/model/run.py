"""What a run of a strategy came to: in a backtest, on paper, or live. Amounts are quote units, fractions are of 1."""

import enum

import msgspec

from perpscope.model.instrument import InstrumentId


class RunKind(enum.Enum):
    """What the orders of a run met."""

    BACKTEST = "backtest"
    PAPER = "paper"
    LIVE = "live"


class Verdict(enum.Enum):
    """What may be said of a strategy on this data."""

    TOO_FEW = "too-few-trades"  #: fewer than 30: nothing can be said
    LOSES = "loses-after-costs"  #: net expectancy is below zero
    FAILS_NULLS = "fails-nulls"  #: no better than entries at random, or than luck and the number of trials explain
    IN_SAMPLE = "in-sample-only"  #: what it earned, it earned where its parameters were chosen
    HOLDS = "holds"


class RunTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One position from its opening until nothing of it was left."""

    opened_ms: int
    closed_ms: int
    side: str  #: LONG or SHORT
    size: float  #: base units, at most held
    entry: float  #: average, quote per base
    exit: float
    gross: float
    fees: float
    funding: float  #: paid; below 0 = received
    slippage: float  #: against the mid at the decision; contained in gross already
    net: float  #: gross - fees - funding
    worst: float  #: largest loss on the way, fraction of entry (MAE), <= 0
    best: float  #: largest gain on the way, fraction of entry (MFE), >= 0
    why_in: str
    why_out: str
    is_liquidated: bool = False


class RunCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Equity over time; columns of equal length, thinned to a few thousand points that keep every extreme."""

    at_ms: list[int]
    equity: list[float]
    position: list[float]  #: base units, signed
    price: list[float] = []  #: quote per base, the mark; empty = not kept
    liquidation: list[float | None] = []  #: price at which the position would be liquidated; None while flat


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in one row."""

    id: str  #: short, e.g. "b7f3c2a1"
    kind: RunKind
    made_ms: int  #: real time, epoch ms
    strategy: str
    parameters: dict[str, float]
    instrument: InstrumentId
    data: str  #: observed, demo or replay
    sources: list[str]  #: names of the files, without folders, or "store"
    path: str  #: "compiled" or "events"
    from_ms: int
    to_ms: int
    hash: str  #: sha256 of decisions, fills and settings: the same run has the same
    data_hash: str  #: sha256 of the data
    deposit: float
    net: float  #: equity at the end - deposit
    gross: float
    fees: float
    funding: float
    slippage: float
    equity_error: float  #: |cash + margin - (deposit + realised - fees - funding)|; 0 to the last digit
    trades: int
    wins: int
    win_rate: float | None  #: None without trades
    win_low: float | None  #: Wilson, 95 %
    win_high: float | None
    max_drawdown: float  #: fraction of the peak
    sharpe: float | None  #: of daily returns, a year
    liquidations: int
    refused: dict[str, int]  #: orders risk did not let pass, by reason
    near_misses: dict[str, int]  #: entries that failed in one rule alone, by rule
    coverage: float  #: fraction of the time that was seen
    verdict: Verdict
    why: str  #: the verdict in one sentence, with its figures
    notes: list[str] = []  #: what was assumed
    seed: int = 0  #: of whatever was drawn
    version: str = ""  #: of perpscope


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run whole."""

    summary: RunSummary
    trades: list[RunTrade]
    curve: RunCurve
    performance: dict[str, float | None]  #: METHOD 12.6, by name: see docs/backtest.md
    economics: dict[str, float | None] = {}  #: METHOD 12.2 and B20, by name
    months: list[tuple[str, float]] = []  #: ("2026-06", net return, fraction)
    trials: int = 1  #: parameter sets tried before this one was shown
