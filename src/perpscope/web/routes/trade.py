"""`/api/v1/trade`, `/api/v1/positions`: what is traded, and two ways to make it less.

A face never talks to an exchange: it reads the journals beside its database, and what it changes is the mode file that
every trader reads each second. Over HTTP the mode falls and the kill switch is pulled, by a key with the scope `trade`;
to arm, to raise the mode or to lift a halt there is the command line of the host alone.
"""

from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
import structlog
from msgspec import Meta as About
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perpscope.app import trading_mode
from perpscope.app.answers.trade import (
    DivergenceTold,
    FillTold,
    ModeNow,
    OrderTold,
    RunNow,
    mode_told,
    read_fills,
    read_orders,
    read_trade,
)
from perpscope.app.api_keys import LOCAL, Grant, Scope
from perpscope.errors import DataError
from perpscope.feeds.clock import wall_ns
from perpscope.model.run import RunKind
from perpscope.model.trade_status import Held
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Limit
from perpscope.web.guard import Demand
from perpscope.web.meta import Meta, meta
from perpscope.web.problem import Fault, Refused, answer_error
from perpscope.web.sources import Sources

PATH: Final = "/api/v1/trade"
MODE, HALT, RIGHTS = f"{PATH}/mode", f"{PATH}/halt", f"{PATH}/rights"
#: What is done on the host alone, and how.
ON_THE_HOST: Final = {
    f"{PATH}/reset": ("lifting a halt", "perpscope risk reset, on the host"),
    f"{PATH}/arm": ("arming", "perpscope trade arm, on the host"),
}
_CHANGES: Final = Demand(scope=Scope.TRADE, writes=True)
#: What the guard is told.
DEMANDS: Final = dict.fromkeys((MODE, HALT, *ON_THE_HOST), _CHANGES)
_MOST_WHY: Final = 200
_log = structlog.get_logger()
_T = TypeVar("_T")

TradeRunId: TypeAlias = Annotated[
    str,
    About(
        min_length=1,
        max_length=36,
        pattern=r"^[A-Za-z0-9._:\-]+$",
        description="id of a run of paper or live",
        examples=["7c1f09ab"],
    ),
]
Why: TypeAlias = Annotated[str, About(min_length=1, max_length=_MOST_WHY, description="why, for the audit")]


class TradeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is asked: there are few."""


class TradeBody(msgspec.Struct, frozen=True, kw_only=True):
    """Every run of paper and live, as it told last, and how far decisions may go."""

    runs: list[RunNow]
    mode: ModeNow
    faults: Annotated[list[str], About(description="journals that cannot be read, and why")]
    meta: Meta


class TradeRunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which run, and how much of it."""

    id: TradeRunId
    limit: Limit = 100


class TradeOrdersBody(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of a run, newest first."""

    orders: list[OrderTold]
    meta: Meta


class TradeFillsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Fills of a run, newest first."""

    fills: list[FillTold]
    meta: Meta


class TradeRunOnly(msgspec.Struct, frozen=True, kw_only=True):
    """Which run."""

    id: TradeRunId


class DivergenceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A run beside the model."""

    divergence: DivergenceTold
    meta: Meta


class PositionTold(msgspec.Struct, frozen=True, kw_only=True):
    """What a run holds, as it told last."""

    run: str
    label: Literal["PAPER", "LIVE", "DEMO"]
    is_running: bool
    age_ms: Annotated[int, About(description="real time since it told")]
    strategy: str
    instrument: str
    held: Held
    naked_seconds: Annotated[float, About(description="real seconds without a stop that the exchange confirmed")]


class PositionsBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is held, live before paper; runs that hold nothing are left out."""

    positions: list[PositionTold]
    meta: Meta


class ModeOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mode that is wanted: it may fall, or stay."""

    mode: Annotated[Literal["observe", "paper"], About(description="no higher than it is")]


class HaltOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kill switch: nothing opens, all is closed, until somebody lifts it on the host."""

    why: Why


class ModeBody(msgspec.Struct, frozen=True, kw_only=True):
    """How far decisions may go from now on."""

    mode: ModeNow
    meta: Meta


class RightsBody(msgspec.Struct, frozen=True, kw_only=True):
    """What its caller may do here beside looking."""

    key: Annotated[str | None, About(description="id of the key it was asked with; null = none was needed")]
    may: Annotated[list[Literal["lower", "halt"]], About(description="none without a key of the scope trade")]


#: What OpenAPI names beside the bodies of endpoints.
TOLD: Final = (ModeOrder, HaltOrder, ModeBody, RightsBody)


def make(sources: Sources, _: TradeQuery) -> TradeBody:
    """What the journals and the mode file say."""
    found = read_trade(sources.home(), sources.settings.trade, _now_ms())
    notes = [] if found.runs else ["nothing is traded from this database: perpscope paper STRATEGY begins"]
    return TradeBody(
        runs=found.runs, mode=found.mode, faults=found.faults, meta=_meta(sources, found.runs, [*notes, *found.faults])
    )


def make_orders(sources: Sources, asked: TradeRunQuery) -> TradeOrdersBody:
    """Its newest orders."""
    return TradeOrdersBody(orders=read_orders(sources.home(), asked.id, asked.limit), meta=_meta(sources, [], []))


def make_fills(sources: Sources, asked: TradeRunQuery) -> TradeFillsBody:
    """Its newest fills."""
    return TradeFillsBody(fills=read_fills(sources.home(), asked.id, asked.limit), meta=_meta(sources, [], []))


def make_divergence(sources: Sources, asked: TradeRunOnly) -> DivergenceBody:
    """As a process beside this face works it out, of a run that is over: one that runs needs the processor.

    Raises:
        DataError: it runs ("trade-run-runs"), or there is none.
    """
    path = sources.home()
    runs = read_trade(path, sources.settings.trade, _now_ms()).runs
    if any(run.is_running and run.status.run == asked.id for run in runs):
        raise DataError("trade-run-runs", f"run {asked.id} has not ended", hint="ask again once it has")
    found = sources.backtests().divergence(path, asked.id)
    return DivergenceBody(divergence=found, meta=_meta(sources, [], found.notes))


def make_positions(sources: Sources, _: TradeQuery) -> PositionsBody:
    """What is held by runs that run, and was left by those that do not."""
    found = read_trade(sources.home(), sources.settings.trade, _now_ms())
    held = [run for run in found.runs if run.status.held.side is not None]
    return PositionsBody(positions=[_position(run) for run in held], meta=_meta(sources, found.runs, found.faults))


def routes(sources: Sources) -> list[Route]:
    """What takes a POST, and what depends on who asks."""

    async def mode(request: Request) -> Response:
        try:
            asked = _read(await request.body(), ModeOrder)
            wanted = trading_mode.Mode[asked.mode.upper()]
            return await run_in_threadpool(_lowered, sources, wanted, _who(request))
        except Exception as error:  # answered as a problem; ours is logged
            return answer_error(error, MODE)

    async def halt(request: Request) -> Response:
        try:
            asked = _read(await request.body(), HaltOrder)
            return await run_in_threadpool(_halted, sources, asked.why, _who(request))
        except Exception as error:  # so
            return answer_error(error, HALT)

    async def on_the_host(request: Request) -> Response:
        path = request.url.path
        what, how = ON_THE_HOST[path]
        return answer_error(Refused(403, "trade-on-host", f"{what} is not done over HTTP", hint=how), path)

    async def rights(request: Request) -> Response:
        grant = _grant(request)
        may: list[Literal["lower", "halt"]] = ["lower", "halt"] if grant.allows(Scope.TRADE) else []
        return _answer(RightsBody(key=grant.id, may=may))

    return [
        Route(MODE, mode, methods=["POST"], name="lower_mode"),
        Route(HALT, halt, methods=["POST"], name="halt_trading"),
        Route(RIGHTS, rights, methods=["GET"], name="trade_rights"),
        *(Route(path, on_the_host, methods=["POST"], name="trade_on_host") for path in ON_THE_HOST),
    ]


def _lowered(sources: Sources, mode: trading_mode.Mode, who: str) -> Response:
    trade = sources.settings.trade
    state = trading_mode.lowered(sources.home(), mode, who=who, now_ms=_now_ms(), trade=trade)
    _log.warning("the mode was lowered over http", mode=state.mode.word, who=who)
    return _answer(ModeBody(mode=mode_told(state, trade), meta=_meta(sources, [], [])))


def _halted(sources: Sources, why: str, who: str) -> Response:
    trade = sources.settings.trade
    state = trading_mode.halted(sources.home(), who=who, why=why, now_ms=_now_ms(), trade=trade)
    _log.warning("trading was halted over http", why=why, who=who)
    return _answer(ModeBody(mode=mode_told(state, trade), meta=_meta(sources, [], [])))


def _read(raw: bytes, kind: type[_T]) -> _T:
    """The order of a body.

    Raises:
        Refused: 422.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except ValueError as error:  # msgspec's are ValueErrors
        message, _, where = str(error).partition(" - at `$")
        fault = Fault(where.rstrip("`").replace(".", "/"), message)
        raise Refused(422, "query-invalid", f"the order: {message}", errors=[fault], hint="see /docs") from None


def _who(request: Request) -> str:
    """Under whose name it is written down."""
    return f"key {_grant(request).id or 'none'} over http"


def _grant(request: Request) -> Grant:
    grant: Grant = getattr(request.state, "grant", None) or LOCAL
    return grant


def _answer(body: ModeBody | RightsBody) -> Response:
    return Response(msgspec.json.encode(body), headers={"cache-control": "no-store"}, media_type="application/json")


def _position(run: RunNow) -> PositionTold:
    told = run.status
    return PositionTold(
        run=told.run,
        label=run.label,
        is_running=run.is_running,
        age_ms=run.age_ms,
        strategy=told.strategy,
        instrument=told.instrument,
        held=told.held,
        naked_seconds=told.naked_seconds_now,
    )


def _meta(sources: Sources, runs: list[RunNow], notes: list[str]) -> Meta:
    """Of the youngest word of any run; each run says its own age, in real time."""
    at_ms = max((run.status.market_ms for run in runs if run.is_running), default=None)
    is_observed = bool(runs) and all(run.status.kind is RunKind.LIVE for run in runs)
    return meta(sources, kind="observed" if is_observed else "model", as_of_ms=at_ms, notes=notes, venues=())


def _now_ms() -> int:
    return wall_ns() // 1_000_000


def documented(operation: Any, told: Any) -> dict[str, Any]:  # noqa: ANN401 -- parts of a JSON document
    """What OpenAPI says of what is no Endpoint.

    Args:
        operation: makes one of (id, tag, summary, body).
        told: makes the reference to a problem of a status.
    """
    made: dict[str, Any] = {}
    for path, name, summary, order in (
        (MODE, "lower_mode", "Let the mode fall: nothing is opened beyond it from the next second on", "ModeOrder"),
        (HALT, "halt_trading", "Pull the kill switch: nothing opens, all is closed", "HaltOrder"),
    ):
        made[path] = operation(name, "trade", summary, ModeBody)
        made[path]["responses"] |= {
            status: told(status) for status in ("400", "401", "403", "413", "415", "421", "422", "429", "503")
        }
        made[path]["security"] = [{"bearer": []}, {"apiKey": []}]
        made[path]["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{order}"}}},
        }
    rights = operation("trade_rights", "trade", "What the key it is asked with may do here", RightsBody)
    rights["responses"] |= {status: told(status) for status in ("400", "401", "403", "421", "429")}
    return {**{path: {"post": one} for path, one in made.items()}, RIGHTS: {"get": rights}}


ENDPOINTS = (
    Endpoint(
        name="trade",
        paths=(PATH,),
        tag="trade",
        summary="Every run of paper and live as it told last, and how far decisions may go",
        description="`age_ms` of a run is real time. To follow it ask once a second: an answer is kept half as long.",
        query=TradeQuery,
        body=TradeBody,
        make=make,
        fresh_s=0.5,
    ),
    Endpoint(
        name="trade_orders",
        paths=(PATH + "/{id}/orders",),
        tag="trade",
        summary="Orders of a run, newest first, as its journal has them",
        query=TradeRunQuery,
        body=TradeOrdersBody,
        make=make_orders,
        fresh_s=0.5,
    ),
    Endpoint(
        name="trade_fills",
        paths=(PATH + "/{id}/fills",),
        tag="trade",
        summary="Fills of a run, newest first, as its journal has them",
        query=TradeRunQuery,
        body=TradeFillsBody,
        make=make_fills,
        fresh_s=0.5,
    ),
    Endpoint(
        name="trade_divergence",
        paths=(PATH + "/{id}/divergence",),
        tag="trade",
        summary="A run that is over, decided again from its recording and filled by the model",
        description="Takes seconds: it runs again in a process of its own. The parts add up to the whole.",
        query=TradeRunOnly,
        body=DivergenceBody,
        make=make_divergence,
        fresh_s=300.0,
        cost=20.0,
    ),
    Endpoint(
        name="positions",
        paths=("/api/v1/positions",),
        tag="trade",
        summary="What is held by runs of paper and live",
        query=TradeQuery,
        body=PositionsBody,
        make=make_positions,
        fresh_s=0.5,
    ),
)
