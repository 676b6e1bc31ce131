"""What is told beside alerts: a feed that fell silent, the digest of a day, a rule muted, what became of a trade.

Values only; `notify.messages` has the words. A saying that `edits` another replaces its message where a sink can edit.
"""

from typing import Literal, TypeAlias

import msgspec

from perpscope.analytics.alerts.alert import Data, Record


class Silent(msgspec.Struct, frozen=True, kw_only=True, tag="silent"):
    """No data: of everything (`venue` None: the heart), or of one feed."""

    silent_s: float  #: real seconds without data so far
    venue: str | None = None
    channel: str | None = None  #: "liquidations", "mark" …
    why: str | None = None  #: "stale", "gone", "down" …


class Back(msgspec.Struct, frozen=True, kw_only=True, tag="back"):
    """Data again, after it had been told that there was none; always edits that saying."""

    silent_s: float  #: real seconds it lasted
    gaps: int  #: holes noticed in what was collected meanwhile
    venue: str | None = None
    channel: str | None = None


class DigestCoin(msgspec.Struct, frozen=True, kw_only=True):
    """A coin's day; None = unknown."""

    coin: str
    price: float | None = None
    move_pct: float | None = None
    liquidated_long_usd: float | None = None  #: observed
    liquidated_short_usd: float | None = None
    funding_8h_pct: float | None = None  #: per 8 h, weighted by open interest
    oi_change_pct: float | None = None


class DigestRule(msgspec.Struct, frozen=True, kw_only=True):
    """How often a rule spoke."""

    rule: str
    alerts: int
    held_back: int  #: silent in quiet hours, muted, or merged
    record: Record | None = None


class Digest(msgspec.Struct, frozen=True, kw_only=True, tag="digest"):
    """A day in one message."""

    day: str  #: "2026-11-20": the day it is about
    coins: list[DigestCoin]
    rules: list[DigestRule]
    uptime: float | None = None  #: share of the day that was seen, over all feeds
    outages: int = 0  #: silences told


class Muted(msgspec.Struct, frozen=True, kw_only=True, tag="muted"):
    """A rule was muted by its score: told once."""

    rule: str
    record: Record


class Unmuted(msgspec.Struct, frozen=True, kw_only=True, tag="unmuted"):
    """A rule that had been muted by its score is heard again."""

    rule: str
    record: Record


class Traded(msgspec.Struct, frozen=True, kw_only=True, tag="traded"):
    """Something happened to a run of paper or live; sizes are base units, amounts quote units."""

    what: Literal[
        "fill",
        "stop",
        "profit",
        "liquidated",
        "naked",
        "covered",
        "mismatch",
        "agrees",
        "halted",
        "lifted",
        "gone",
        "back",
    ]
    label: Literal["PAPER", "LIVE", "DEMO"]  #: whose money: nobody's, yours, or a made-up exchange's
    run: str
    strategy: str
    instrument: str
    side: Literal["buy", "sell"] | None = None  #: of a fill
    size: float | None = None
    price: float | None = None  #: average, quote per base
    fee: float | None = None  #: below 0 = a rebate
    realised: float | None = None  #: gross profit of what it closed
    seconds: float | None = None  #: real: without a stop, or without a word
    why: str = ""


class Trial(msgspec.Struct, frozen=True, kw_only=True, tag="trial"):
    """A message sent to see whether it arrives."""

    text: str = ""


Told: TypeAlias = Silent | Back | Digest | Muted | Unmuted | Traded | Trial


class Saying(msgspec.Struct, frozen=True, kw_only=True):
    """Something said that is no alert."""

    id: str  #: deterministic, e.g. "silent:okx:liquidations:1763712000000"
    at_ms: int  #: real time for silences, digests and trials; market time for mutes
    told: Told
    data: Data
    is_silent: bool = False
    edits: str | None = None  #: id of the saying whose message this one replaces
    kind: Literal["silent", "back", "digest", "muted", "unmuted", "traded", "trial"]
