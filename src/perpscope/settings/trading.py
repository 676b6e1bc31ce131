"""Settings of whatever trades: what a decision may cost, how far decisions go, and what orders cost on paper."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may cost. `perpscope risk profile` shows what these come to."""

    profile: Annotated[
        str, Meta(pattern="^(careful|seed)$", description="careful = these bind; seed = the documents' own numbers")
    ] = "careful"
    deposit: Annotated[float, Meta(gt=0, description="quote units an account begins with, but for live")] = 10_000.0
    target: Annotated[float, Meta(ge=0, description="quote units of an entry; 0 = as much as risk allows")] = 0.0
    per_trade: Annotated[float, Meta(gt=0, le=1, description="fraction of equity lost at the stop")] = 0.01
    leverage: Annotated[float, Meta(ge=1, le=200, description="leverage of a position")] = 5.0
    depth_share: Annotated[float, Meta(gt=0, le=1, description="fraction of the depth within 10 bps")] = 0.02
    kelly: Annotated[float, Meta(ge=0, le=1, description="fraction of Kelly's size; 0 = not asked")] = 0.25
    daily_loss: Annotated[float, Meta(gt=0, le=1, description="fraction of a day's equity: flat until 00:00")] = 0.05
    drawdown: Annotated[float, Meta(gt=0, le=1, description="fraction of the peak: halted until reset")] = 0.15
    streak: Annotated[int, Meta(ge=1, description="stops in a row until entries pause")] = 3
    pause_h: Annotated[float, Meta(ge=0, description="hours of that pause")] = 4.0
    cooldown_s: Annotated[float, Meta(ge=0, description="seconds after a close without an entry")] = 60.0
    mark_age_s: Annotated[float, Meta(gt=0, description="seconds; no entry with an older mark")] = 3.0
    book_age_s: Annotated[float, Meta(gt=0, description="seconds; none with an older book, if one is needed")] = 2.0
    flatten_age_s: Annotated[float, Meta(gt=0, description="seconds; flat with older data")] = 15.0
    clock_skew_s: Annotated[float, Meta(gt=0, description="seconds; no entry while clocks differ by more")] = 0.5
    spread: Annotated[float, Meta(gt=1, description="no entry beyond this multiple of the usual spread")] = 5.0
    stop_room: Annotated[float, Meta(ge=1, description="stop distances that liquidation is away at least")] = 2.0
    errors: Annotated[float, Meta(gt=0, le=1, description="live: fraction of calls that failed: halted")] = 0.2
    rejects: Annotated[int, Meta(ge=1, description="live: orders refused in a row: halted")] = 3
    krw_per_usdt: Annotated[float, Meta(gt=0, description="won for a USDT; by default an example")] = 1400.0
    krw_as_of: Annotated[str, Meta(pattern=r"^$|^\d{4}-\d{2}-\d{2}$", description="day of that rate; empty = none")] = (
        ""
    )
    krw_max_age_days: Annotated[int, Meta(ge=0, description="days after which that rate is called old")] = 7


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """How far decisions go."""

    mode: Annotated[str, Meta(pattern="^(observe|paper)$", description="mode a database begins in")] = "paper"
    live_enabled: Annotated[bool, Meta(description="real orders may be armed; beside --live and the symbol typed")] = (
        False
    )
    naked_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds a position may be without a confirmed stop before it is closed")
    ] = 5.0
    local_stop_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds the mark may stand beyond a stop that did not fill; then: closed")
    ] = 1.0
    stop: Annotated[
        float, Meta(ge=0, lt=1, description="distance of the stop of a strategy that names none, fraction; 0 = none")
    ] = 0.1
    reconcile_s: Annotated[
        float, Meta(gt=0, le=600, description="seconds between two comparisons with what the exchange says")
    ] = 10.0
    orders_per_minute: Annotated[int, Meta(ge=1, description="orders of one run within a minute; more are halted")] = 30
    orders_per_day: Annotated[int, Meta(ge=1, description="orders of one run within a day; more are halted")] = 500
    max_notional: Annotated[
        float, Meta(ge=0, description="quote units a position may be worth; 0 = as much as `[risk]` allows")
    ] = 0.0
    on_exit: Annotated[
        str,
        Meta(pattern="^(leave|flatten)$", description="at the end: leave the position and its stops, or flatten"),
    ] = "leave"
    keys: Annotated[
        str, Meta(description="file with the account's key and secret, readable by its owner alone; empty = none")
    ] = ""
    recordings_gb: Annotated[
        float,
        Meta(ge=0, description="gigabytes of recordings of paper and live runs; oldest go first; 0 = no limit"),
    ] = 20.0
    armed_h: Annotated[float, Meta(gt=0, le=168, description="hours until live has to be armed again")] = 12.0
    lease_s: Annotated[
        float,  # longer than an exchange takes an order that was signed before (5 s): a lost account orders nothing
        Meta(ge=6, le=300, description="seconds after which an account is free whose trader is gone"),
    ] = 10.0


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What orders of a backtest or on paper cost, and how late they are; METHOD 12.4."""

    taker: Annotated[
        float, Meta(ge=-1, le=0.1, description="taker fee, fraction of notional; -1 = what the venue charges")
    ] = -1.0
    maker: Annotated[
        float, Meta(ge=-1, le=0.1, description="maker fee, fraction; below 0 a rebate; -1 = what the venue charges")
    ] = -1.0
    liquidation: Annotated[
        float, Meta(ge=-1, le=0.1, description="fee of the liquidation engine, fraction; -1 = what the venue charges")
    ] = -1.0
    spread_bps: Annotated[
        float, Meta(ge=-1, le=1000, description="spread in basis points where no book is known; -1 = 1 for BTC, else 3")
    ] = -1.0
    impact: Annotated[
        float, Meta(ge=0, le=100, description="Y of Y·σ_day·√(notional ÷ daily volume), where no book is known")
    ] = 1.0
    latency_ms: Annotated[float, Meta(ge=0, le=60_000, description="decision to exchange, median, milliseconds")] = 60.0
    latency_p99_ms: Annotated[
        float, Meta(ge=0, le=60_000, description="its 99th percentile, milliseconds; the median if that is more")
    ] = 400.0
    latency_tail: Annotated[float, Meta(ge=0, le=1, description="fraction of orders that take five times as long")] = (
        0.05
    )
    data_delay_ms: Annotated[
        float,
        Meta(ge=0, le=60_000, description="exchange to us, milliseconds, where the data does not tell when it came"),
    ] = 60.0
