"""What people are told of each strategy: what it does, what can be set and within which bounds, and what it came to.

In: the strategies that ship and those of `[strategy.NAME]`. Out: `StrategyTold`s. Finding them imports the compiler, so
a face has it done in a process of its own (`backtest_worker`).
"""

import importlib.resources
from typing import Annotated, get_args, get_type_hints

import msgspec
from msgspec import Meta

from perpscope.app import strategies
from perpscope.errors import PerpscopeError
from perpscope.model.run import Verdict
from perpscope.settings import Settings

#: Verdicts of the shipped strategies on shipped parameters: docs/strategies.md says how they were come to.
_VERDICTS = "verdicts.json"


class ShippedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy came to, with the parameters it ships with, before anybody here ran it."""

    verdict: Verdict
    why: Annotated[str, Meta(description="in a sentence, with its figures")]
    data: Annotated[str, Meta(description="over which data")] = ""
    as_of: Annotated[str, Meta(description="day it was run on, 2026-11-22")] = ""


class ParameterTold(msgspec.Struct, frozen=True, kw_only=True):
    """One number a strategy is run with."""

    name: str
    about: Annotated[str, Meta(description="what it does, with its unit")]
    value: Annotated[float, Meta(description="what it is run with unless told otherwise: the configuration's, or own")]
    default: Annotated[float, Meta(description="what it ships with")]
    least: Annotated[float | None, Meta(description="smallest value; null = none")]
    most: Annotated[float | None, Meta(description="largest value; null = none")]
    is_least_in: Annotated[bool, Meta(description="whether `least` itself is allowed")]
    is_most_in: Annotated[bool, Meta(description="whether `most` itself is allowed")]
    is_whole: Annotated[bool, Meta(description="whole numbers alone")]


class StrategyTold(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy."""

    name: str
    summary: str
    needs: Annotated[list[str], Meta(description="of the market: candles, trades, book, map, forecast")]
    entry_rules: Annotated[list[str], Meta(description="each must be met; names stand in `failed` of a signal")]
    reasons: Annotated[list[str], Meta(description="why it enters and leaves, as runs tell it")]
    parameters: list[ParameterTold]
    grid: Annotated[dict[str, list[float]], Meta(description="values worth a sweep; each point is a trial")]
    is_baseline: Annotated[bool, Meta(description="what others are compared with")]
    is_asked_each_second: bool
    is_enabled: Annotated[bool, Meta(description="it decides while collecting: [strategy.NAME] enabled")]
    verdict: Annotated[ShippedVerdict | None, Meta(description="what it shipped with; null = none was told")]


class NotFound(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy of the configuration that cannot be used."""

    name: str
    code: str
    message: str


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Every strategy there is."""

    strategies: list[StrategyTold]
    faults: list[NotFound]


def catalogue(settings: Settings) -> Catalogue:
    """The shipped strategies, and those of one's own that the configuration names.

    Args:
        settings: the configuration.
    """
    named = [*strategies.names(), *(name for name in settings.strategy if name not in strategies.names())]
    verdicts = shipped_verdicts()
    told, faults = [], []
    for name in named:
        try:
            told.append(_told(name, settings, verdicts.get(name)))
        except PerpscopeError as error:
            faults.append(NotFound(name=name, code=error.code, message=error.message))
    return Catalogue(strategies=told, faults=faults)


def shipped_verdicts() -> dict[str, ShippedVerdict]:
    """What each strategy shipped with came to, by its name; empty where nothing was told."""
    file = importlib.resources.files("perpscope.strategies").joinpath(_VERDICTS)
    return msgspec.json.decode(file.read_bytes(), type=dict[str, ShippedVerdict]) if file.is_file() else {}


def _told(name: str, settings: Settings, verdict: ShippedVerdict | None) -> StrategyTold:
    found = strategies.find(name, settings)
    own = strategies.parameters(found, settings)
    shipped = found.parameters()
    hints = get_type_hints(found.parameters, include_extras=True)
    table = settings.strategy.get(name, {})
    return StrategyTold(
        name=found.name,
        summary=found.summary,
        needs=[str(need.name).lower() for need in found.needs],
        entry_rules=list(found.entry_rules),
        reasons=[reason for reason in found.reasons if reason],
        parameters=[
            _parameter(field, hints[field], float(getattr(own, field)), float(getattr(shipped, field)))
            for field in found.parameters.__struct_fields__
        ],
        grid={key: list(values) for key, values in found.grid.items()},
        is_baseline=found.is_baseline,
        is_asked_each_second=found.is_asked_each_second,
        is_enabled=msgspec.convert(table.get("enabled", False), bool, strict=False),  # the environment's is text
        verdict=verdict,
    )


def _parameter(name: str, hint: object, value: float, default: float) -> ParameterTold:
    type_, *rest = get_args(hint) or (hint,)
    about = next((one for one in rest if isinstance(one, Meta)), Meta())
    return ParameterTold(
        name=name,
        about=about.description or "",
        value=value,
        default=default,
        least=_number(about.ge if about.gt is None else about.gt),
        most=_number(about.le if about.lt is None else about.lt),
        is_least_in=about.gt is None,
        is_most_in=about.lt is None,
        is_whole=type_ is int,
    )


def _number(bound: float | None) -> float | None:
    return None if bound is None else float(bound)
