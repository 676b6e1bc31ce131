"""What of the data a run is asked for."""

from datetime import UTC, datetime
from typing import Literal, cast, get_args

import msgspec

from perpscope.errors import ConfigError
from perpscope.trading.strategy import Needs

Path = Literal["compiled", "events", "both"]
Way = Literal["one", "sweep", "walk-forward"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument, a time and what the strategy looks at."""

    venue: str | None = None
    symbol: str | None = None
    from_ns: int | None = None  #: ns UTC; None = from the first
    to_ns: int | None = None  #: ns UTC; None = to the last
    needs: Needs = Needs.CANDLES


def moment(text: str | None, flag: str) -> int | None:
    """A date (`2026-06-12`), a date and time, or epoch ms, as ns UTC.

    Raises:
        ConfigError: it is none ("option-value").
    """
    if text is None:
        return None
    if text.isdigit() and len(text) > 8:
        return int(text) * 1_000_000
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError("option-value", f"{flag} {text} is no time: {error}", hint="e.g. 2026-06-12T02:00") from error
    told = told if told.tzinfo is not None else told.replace(tzinfo=UTC)
    return int(told.timestamp()) * 1_000_000_000


def asked_of(
    venue: str | None, symbol: str | None, since: str | None, until: str | None, needs: Needs = Needs.CANDLES
) -> Asked:
    """What the flags `--venue --symbol --from --to` ask for.

    Raises:
        ConfigError: a time is none, or the end is not after the beginning ("option-value").
    """
    from_ns, to_ns = moment(since, "--from"), moment(until, "--to")
    if from_ns is not None and to_ns is not None and to_ns <= from_ns:
        raise ConfigError("option-value", f"--to {until} is not after --from {since}")
    return Asked(venue=venue, symbol=symbol, from_ns=from_ns, to_ns=to_ns, needs=needs)


def ways(path: str, *, sweep: bool, walk_forward: bool) -> tuple[Path, Way]:
    """How it is run: by which path, and whether one set of parameters or a grid.

    Raises:
        ConfigError: "option-value".
    """
    if path not in get_args(Path):
        raise ConfigError("option-value", f"--path {path} is none of {', '.join(get_args(Path))}", hint="--path both")
    if sweep and walk_forward:
        raise ConfigError("option-value", "--sweep and --walk-forward are two things", hint="ask for one of them")
    if path != "compiled" and (sweep or walk_forward):
        raise ConfigError("option-value", f"grids are walked by compiled loops, not with --path {path}")
    way: Way = "walk-forward" if walk_forward else "sweep" if sweep else "one"
    return cast("Path", path), way
