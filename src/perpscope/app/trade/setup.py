"""All that a run's decisions rest on besides what it hears: written beside its recording, so that it can be run again.

In: what a person asked for, the settings, the contract. Out: a `RunSetup`, and from it the same desk and trader each
time, for the run itself and for its replay.
"""

import secrets
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from perpscope.analytics import margin_venues
from perpscope.analytics.margin_tiers import tier_table
from perpscope.app import strategies
from perpscope.app.risk_profiles import Chosen
from perpscope.config import convert
from perpscope.engine.gateway import Gateway
from perpscope.engine.telling import Told
from perpscope.engine.trader import Trader
from perpscope.errors import DataError, StoreError
from perpscope.model.instrument import Instrument, MarginTier
from perpscope.model.run import RunKind
from perpscope.settings import Costs, Risk
from perpscope.trading import risk
from perpscope.trading.desk import Desk, opened
from perpscope.trading.fees import costs_of
from perpscope.trading.strategy import Needs, Strategy
from perpscope.trading.units import Units

_VERSION: Final = 1
#: By `RISK.mode`.
PAPER, LIVE = 1, 2


class RunSetup(msgspec.Struct, frozen=True, kw_only=True):
    """One process' part of a run."""

    version: int = _VERSION
    run: str  #: id; the same for every process that goes on with it
    kind: RunKind
    account: str
    strategy: str
    named: str  #: how it is found again: its name, or the path of its file
    parameters: dict[str, float]
    instrument: Instrument
    tiers: tuple[MarginTier, ...]
    tiers_source: str
    risk: Risk  #: money in the quote
    is_strict: bool
    costs: Costs
    stop: float  #: of entries that name none, fraction; 0 = they have none
    seed: int  #: of latencies that are drawn
    silent_after_s: float  #: of the engine, market seconds
    data: str  #: "observed" or "demo"
    begun_ms: int  #: real time, epoch ms, of this process


def fresh_id() -> str:
    """A name for a new run: short, since an order's id has 36 characters."""
    return secrets.token_hex(4)


def strategy_of(setup: RunSetup) -> Strategy:
    """The strategy of a run.

    Raises:
        ConfigError: it cannot be found any more.
    """
    return strategies.find(setup.named)


def desk_of(setup: RunSetup, strategy: Strategy) -> Desk:
    """A desk with this run's contract, costs and limits; it begins with what `Resumed` tells."""
    instrument = setup.instrument
    costs = costs_of(instrument, setup.costs, setup.seed)
    costs["data_delay"] = 0  # frames tell when they came
    desk = opened(
        strategy,
        convert(dict(setup.parameters), strategy.parameters, f"strategy.{strategy.name}", {}),
        Units.of(instrument),
        tier_table(setup.tiers),
        costs,
        deposit=Decimal(repr(setup.risk.deposit)),
        leverage=setup.risk.leverage,
        closing_fee=margin_venues.terms_of(instrument.venue, instrument.contract).closing_fee,
        is_simulated=setup.kind is RunKind.PAPER,
    )
    risk.limited(
        desk,
        setup.risk,
        mode=PAPER if setup.kind is RunKind.PAPER else LIVE,
        needs_book=Needs.BOOK in strategy.needs,
        is_strict=setup.is_strict,
        stop=setup.stop,
    )
    return desk


def trader_of(
    setup: RunSetup, strategy: Strategy, tell: Callable[[Told], None], gateway: Gateway | None = None
) -> tuple[Trader, Desk]:
    """A trader that has heard nothing yet, and its desk.

    Raises:
        DataError: the contract cannot be traded.
    """
    desk = desk_of(setup, strategy)
    return Trader(strategy, setup.instrument, desk, tell, gateway, run=setup.run), desk


def place_of(recording: Path) -> Path:
    """Where the setup of a recorded run stands."""
    return recording.with_suffix(".json")


def write(setup: RunSetup, recording: Path) -> None:
    """Keep a setup beside its recording.

    Raises:
        StoreError: the folder cannot be written ("recording-folder").
    """
    file = place_of(recording)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(setup)) + b"\n")
    except OSError as error:
        raise StoreError(
            "recording-folder", f"cannot write {str(file)!r}: {error.strerror}", hint="choose another folder"
        ) from error


def read(recording: Path) -> RunSetup:
    """The setup of a recorded run.

    Raises:
        DataError: there is none, or of a later perpscope ("run-setup").
    """
    file = place_of(recording)
    try:
        found = msgspec.json.decode(file.read_bytes(), type=RunSetup)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(
            "run-setup",
            f"{str(recording)!r} is not known to be of a run: {error}",
            hint=f"beside it {file.name} tells whose it is",
        ) from error
    if found.version != _VERSION:
        raise DataError("run-setup", f"{file.name} is of version {found.version}, this perpscope knows {_VERSION}")
    return found


def limits_of(chosen: Chosen, strategy: Strategy, rate: float = 1.0) -> Risk:
    """The limits of a run: a baseline holds without leverage; how old data may be is real, told in market time.

    Args:
        chosen: the profile.
        strategy: whose.
        rate: market seconds per real second: more than 1 on a lab alone.
    """
    own = msgspec.structs.replace(chosen.risk, leverage=1.0) if strategy.is_baseline else chosen.risk
    ages = {name: getattr(own, name) * rate for name in ("mark_age_s", "book_age_s", "flatten_age_s", "clock_skew_s")}
    return msgspec.structs.replace(own, **ages) if rate > 1.0 else own
