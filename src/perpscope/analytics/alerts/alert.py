"""An alert, as it goes from the rules to the sinks and into the log.

In: what `rules` decided. Out: values that a sink renders; nothing here knows a chat, a language or a clock. Dollars are
plain, `_pct` means 0–100, times are ms UTC of the market. `id` is made of rule, coin and start: the same alert has the
same id however often it is computed.
"""

import enum
from typing import Literal, TypeAlias

import msgspec

#: Whose rows the alert stands on: never shown without it.
Data: TypeAlias = Literal["observed", "demo", "replay"]
#: Whose positions an alert is about: LONG closed or LONG would be closed.
Side: TypeAlias = Literal["long", "short"]


class Severity(enum.Enum):
    """How much it matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Phase(enum.Enum):
    """Where an alert stands: one message is sent for RAISED, and edited for the others."""

    RAISED = "raised"
    UPDATED = "updated"  #: the same burst grew
    CLEARED = "cleared"


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The nearest cluster of the model's map: an estimate, never an observation."""

    price: float  #: quote per base
    usd: float  #: estimated liquidations there
    distance_pct: float  #: from the price; negative = below
    side: Side  #: whose positions would be closed: long below the price, short above


class AlertFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a message tells beside the measures of the rule; None = unknown."""

    price: float | None = None  #: quote per base, newest mark (last trade where there is no mark)
    move_pct: float | None = None  #: of the price over the last 5 min
    largest_usd: float | None = None  #: the largest single liquidation of the last 5 min, observed
    largest_venue: str | None = None
    cluster: Cluster | None = None  #: MODEL: the nearest one on the side the price is moving to
    age_ms: int | None = None  #: market time since the newest event the values stand on


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule has been worth so far, beside its alerts (B19)."""

    verdict: Literal["unproven", "better", "like chance", "worse"]
    n: int  #: alerts whose outcome is known
    hits: int
    chance: float | None = None  #: share of other minutes that were followed by the same
    lead_s: float | None = None  #: median seconds from the alert to what it was to precede


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing worth telling, about one coin."""

    id: str  #: "<rule>:<coin>:<start in ms>"; the same in all phases
    rule: str  #: its name in `[alert.<name>]`
    title: str  #: of the rule, as its author wrote it; empty = made of `measure`
    when: str  #: the rule's expression
    coin: str
    at_ms: int  #: of this phase, market time
    started_ms: int  #: when it was raised, market time
    severity: Severity
    phase: Phase
    measure: str  #: the measure the message leads with, e.g. "long_liq_usd_5m": a key of `values` and of `peak`
    side: Side | None  #: whose positions it is about: of `measure`, or two thirds and more of it; None = of neither
    values: dict[str, float]  #: the measures the rule names, as they are; with "long_" and "short_" of `measure`
    peak: float | None  #: the largest value of `measure` since it was raised
    updates: int  #: times the burst grew, with this one
    data: Data
    facts: AlertFacts
    record: Record | None  #: None where the rule expects nothing, or nothing is known yet
    is_silent: bool  #: no sound: quiet hours, or a severity that asks for none
    link: str | None  #: path of a page of the face, e.g. "/map?coin=BTC"
