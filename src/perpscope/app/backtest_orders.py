"""What is asked of the process that runs backtests, and how far it is.

An `Order` is checked against the catalogue of strategies before it waits; a `Job` is what became of it. A `Task` goes
to the process as one line of JSON, its `Step`s come back the same way.
"""

import enum
import math
from collections.abc import Iterator
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from perpscope.app.strategies_told import ParameterTold, StrategyTold
from perpscope.errors import PerpscopeError
from perpscope.settings import Settings

#: Longest time one order may be over.
MOST_DAYS: Final = 3_700
_DAY_MS: Final = 86_400_000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest that somebody wants, over the store's own data."""

    strategy: str
    instrument: Annotated[str, Meta(description="id of the contract")]
    from_ms: Annotated[int | None, Meta(description="epoch ms; null = from the first that is stored")] = None
    to_ms: Annotated[int | None, Meta(description="epoch ms; null = to the newest that is stored")] = None
    parameters: Annotated[dict[str, float], Meta(description="those that differ from what is configured")] = {}
    deposit: Annotated[float | None, Meta(description="quote units; null = as configured")] = None


class JobPhase(enum.Enum):
    """How far a job is."""

    WAITING = "waiting"
    GATHERING = "gathering"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens."""
        return self in {JobPhase.DONE, JobPhase.FAILED, JobPhase.CANCELLED}


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    code: str
    message: str
    hint: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """An order, and what became of it."""

    id: str
    order: Order
    phase: JobPhase
    ahead: Annotated[int, Meta(description="orders that come before it")] = 0
    asked_ms: Annotated[int, Meta(description="real time, epoch ms")]
    began_ms: int | None = None
    ended_ms: int | None = None
    run: Annotated[str | None, Meta(description="id of the run it made")] = None
    trouble: Annotated[Trouble | None, Meta(description="why it failed")] = None


class Listing(msgspec.Struct, frozen=True, kw_only=True, tag="strategies"):
    """Tell every strategy."""

    settings: Settings


class Working(msgspec.Struct, frozen=True, kw_only=True, tag="backtest"):
    """Run a backtest, and keep it."""

    settings: Settings
    database: str
    order: Order


class Drawing(msgspec.Struct, frozen=True, kw_only=True, tag="tearsheet"):
    """Write a kept run's tear sheet into a folder."""

    database: str
    run: str
    folder: str


class Diverging(msgspec.Struct, frozen=True, kw_only=True, tag="divergence"):
    """Run a run of paper or live again from its recording, beside the model."""

    database: str
    run: str


Task: TypeAlias = Listing | Working | Drawing | Diverging


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the process says: where it is; at the end what it made, or why not."""

    phase: JobPhase
    run: str | None = None
    files: list[str] = []
    told: msgspec.Raw = msgspec.Raw(b"null")
    trouble: Trouble | None = None


def failed(error: PerpscopeError) -> Step:
    """The last step of a task that could not be done."""
    return Step(phase=JobPhase.FAILED, trouble=Trouble(code=error.code, message=error.message, hint=error.hint))


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with an order."""

    pointer: str  #: JSON pointer into it
    message: str


def faults(order: Order, known: list[StrategyTold]) -> list[Fault]:
    """Everything that is wrong with an order; empty = it may be run.

    >>> faults(Order(strategy="moon", instrument="BTC-USDT-PERP.BINANCE"), [])[0].message
    "there is no strategy 'moon'; known: none"
    """
    return list(_faults(order, known))


def _faults(order: Order, known: list[StrategyTold]) -> Iterator[Fault]:
    start, end = order.from_ms, order.to_ms
    if start is not None and end is not None and not 0 < end - start <= MOST_DAYS * _DAY_MS:
        why = "is not after the beginning" if end <= start else f"is more than {MOST_DAYS} days after the beginning"
        yield Fault("/to", why)
    if order.deposit is not None and not 0.0 < order.deposit < 1e12:
        yield Fault("/deposit", f"must be above 0 and below 1e12, was {order.deposit:g}")
    strategy = next((one for one in known if one.name == order.strategy), None)
    if strategy is None:
        names = ", ".join(one.name for one in known) or "none"
        yield Fault("/strategy", f"there is no strategy {order.strategy!r}; known: {names}")
        return
    own = {one.name: one for one in strategy.parameters}
    for name, value in order.parameters.items():
        parameter = own.get(name)
        if parameter is None:
            yield Fault(f"/parameters/{name}", f"{strategy.name} has no such parameter; known: {', '.join(own)}")
        elif why := _out(parameter, value):
            yield Fault(f"/parameters/{name}", why)


def _out(parameter: ParameterTold, value: float) -> str:
    """Why a value is not in a parameter's range; empty = it is."""
    if not math.isfinite(value):
        return "must be a finite number"
    if parameter.is_whole and value != round(value):
        return f"must be a whole number, was {value:g}"
    least, most = parameter.least, parameter.most
    if least is not None and (value < least or (value == least and not parameter.is_least_in)):
        return f"must be {'at least' if parameter.is_least_in else 'above'} {least:g}, was {value:g}"
    if most is not None and (value > most or (value == most and not parameter.is_most_in)):
        return f"must be {'at most' if parameter.is_most_in else 'below'} {most:g}, was {value:g}"
    return ""


#: Forms a tear sheet is handed out in.
SheetFormat: TypeAlias = Literal["html", "json", "png"]
