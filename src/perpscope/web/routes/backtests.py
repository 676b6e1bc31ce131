"""`/api/v1/backtests`: start one over what is stored, see how far it is, cancel it.

A backtest moves no money and reads what its caller may read anyway, so that it asks for no more than reading; it costs
a processor, so that one runs at a time, a few wait, and the rest is refused. Jobs are in the memory of this face.
"""

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta as About
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perpscope.app.answers.known import meant, stored
from perpscope.app.backtest_orders import Job, Order, faults
from perpscope.errors import DataError
from perpscope.web.endpoint import Endpoint
from perpscope.web.fields import Symbol
from perpscope.web.guard import Demand
from perpscope.web.meta import Meta, meta
from perpscope.web.problem import Fault, Refused, answer_error
from perpscope.web.query import Moment, instant_ms, refused
from perpscope.web.routes.runs import StrategyName
from perpscope.web.sources import Sources

PATH: Final = "/api/v1/backtests"
CANCEL: Final = PATH + "/{id}/cancel"
#: What the guard is told: to start or cancel one takes a POST, and no more than reading.
DEMANDS: Final = {PATH: Demand(writes=True), PATH + "/{id}": Demand(writes=True)}
_HINT: Final = "/docs lists what an order may have, /api/v1/strategies the bounds of parameters"

JobId: TypeAlias = Annotated[
    str,
    About(min_length=8, max_length=8, pattern="^[0-9a-f]+$", description="id of a backtest", examples=["5b1c09ef"]),
]


class BacktestOrder(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}
):
    """A backtest that is wanted."""

    strategy: StrategyName
    symbol: Annotated[Symbol, About(description="id of a contract, or what means one alone")]
    since: Annotated[Moment | None, About(description="from when on; null = from the first candle")] = None
    until: Annotated[Moment | None, About(description="until when; null = to the newest candle")] = None
    parameters: Annotated[
        dict[Annotated[str, About(max_length=40)], float],
        About(max_length=64, description="those that differ from what is configured", examples=[{"volume": 3.0}]),
    ] = {}
    deposit: Annotated[
        Annotated[float, About(gt=0, lt=1e12)] | None,
        About(description="quote units it begins with; null = as configured"),
    ] = None


class JobsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is asked: there are few."""


class JobsBody(msgspec.Struct, frozen=True, kw_only=True):
    """The backtests this face was asked for, newest first."""

    backtests: list[Job]
    meta: Meta


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which backtest."""

    id: JobId


class JobBody(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest, and how far it is."""

    backtest: Job
    meta: Meta


#: What OpenAPI names beside the bodies of endpoints.
TOLD: Final = (BacktestOrder, JobBody)


def make_list(sources: Sources, _: JobsQuery) -> JobsBody:
    """What this face remembers."""
    return JobsBody(backtests=sources.backtests().all(), meta=_meta(sources))


def make_one(sources: Sources, asked: JobQuery) -> JobBody:
    """One of them."""
    return _body(sources, sources.backtests().get(asked.id), asked.id)


def order_of(sources: Sources, asked: BacktestOrder) -> Order:
    """What is run, once everything about it is right; takes seconds the first time.

    Raises:
        Refused: 422, with everything that is wrong.
        PerpscopeError: the symbol is unknown, or this face has no store.
    """
    path = sources.home()
    known = sources.backtests().catalogue()
    ids = sorted({str(instrument.id) for instrument in meant(stored(path), sources.settings, asked.symbol)})
    now_ms = sources.stand().now_ms
    order = Order(
        strategy=asked.strategy,
        instrument=ids[0],
        from_ms=None if asked.since is None else instant_ms(asked.since, now_ms),
        to_ms=None if asked.until is None else instant_ms(asked.until, now_ms),
        parameters=asked.parameters,
        deposit=asked.deposit,
    )
    wrong = [Fault(fault.pointer, fault.message) for fault in faults(order, known.strategies)]
    if len(ids) > 1:
        wrong.append(Fault("/symbol", f"means {len(ids)} contracts: {', '.join(ids)}; name one"))
    if wrong:
        raise refused(wrong)
    return order


def routes(sources: Sources) -> list[Route]:
    """What takes a POST."""

    async def start(request: Request) -> Response:
        try:
            asked = _read(await request.body())
            order = await run_in_threadpool(order_of, sources, asked)
            job = sources.backtests().submit(order)
        except Exception as error:  # answered as a problem; ours is logged
            return answer_error(error, PATH)
        return _answer(sources, job, 202, {"location": f"{PATH}/{job.id}"})

    async def cancel(request: Request) -> Response:
        job_id = request.path_params["id"]
        try:
            return _answer(sources, sources.backtests().cancel(job_id), 200, {}, job_id)
        except Exception as error:  # so
            return answer_error(error, request.url.path)

    return [
        Route(PATH, start, methods=["POST"], name="start_backtest"),
        Route(CANCEL, cancel, methods=["POST"], name="cancel_backtest"),
    ]


def _read(raw: bytes) -> BacktestOrder:
    """The order of a body.

    Raises:
        Refused: 422.
    """
    try:
        asked = msgspec.json.decode(raw, type=BacktestOrder)
        for text in (asked.since, asked.until):
            if text is not None:
                instant_ms(text, 0)
    except ValueError as error:  # msgspec's are ValueErrors
        message, _, where = str(error).partition(" - at `$")
        pointer = where.rstrip("`").replace(".", "/").replace("[...]", "")
        raise Refused(
            422, "query-invalid", f"the order: {message}", errors=[Fault(pointer, message)], hint=_HINT
        ) from None
    return asked


def _body(sources: Sources, job: Job | None, job_id: str) -> JobBody:
    if job is None:
        raise DataError(
            "backtest-unknown",
            f"this face knows no backtest {job_id!r}: it began anew since, or forgot it",
            hint="/api/v1/runs has what was kept",
        )
    return JobBody(backtest=job, meta=_meta(sources))


def _answer(sources: Sources, job: Job | None, status: int, headers: dict[str, str], job_id: str = "") -> Response:
    told = msgspec.json.encode(_body(sources, job, job_id))
    return Response(told, status, headers={"cache-control": "no-store", **headers}, media_type="application/json")


def _meta(sources: Sources) -> Meta:
    return meta(sources, kind="model", as_of_ms=sources.stand().now_ms, venues=())


def documented(operation: Any, told: Any) -> dict[str, Any]:  # noqa: ANN401 -- parts of a JSON document
    """What OpenAPI says of the POSTs.

    Args:
        operation: makes one of (id, tag, summary, body).
        told: makes the reference to a problem of a status.
    """
    start = operation("start_backtest", "backtest", "Start a backtest over what is stored", JobBody)
    start["responses"]["202"] = start["responses"].pop("200")
    start["responses"] |= {status: told(status) for status in ("400", "401", "403", "404", "409", "413", "415")}
    start["responses"] |= {status: told(status) for status in ("421", "422", "429", "503")}
    start["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BacktestOrder"}}},
    }
    cancel = operation("cancel_backtest", "backtest", "Cancel a backtest that runs or waits", JobBody)
    cancel["parameters"] = [
        {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "id of a backtest",
            "schema": {"type": "string", "minLength": 8, "maxLength": 8, "pattern": "^[0-9a-f]+$"},
            "example": "5b1c09ef",
        }
    ]
    cancel["responses"] |= {status: told(status) for status in ("400", "401", "403", "404", "415", "421", "429")}
    return {PATH: {"post": start}, CANCEL: {"post": cancel}}


ENDPOINTS = (
    Endpoint(
        name="backtests",
        paths=(PATH,),
        tag="backtest",
        summary="Backtests this face was asked for, and how far each is",
        description="They are in this face's memory: when it ends, what waits and runs is gone. Runs stay.",
        query=JobsQuery,
        body=JobsBody,
        make=make_list,
        fresh_s=0.2,
    ),
    Endpoint(
        name="backtest",
        paths=(PATH + "/{id}",),
        tag="backtest",
        summary="One backtest, and how far it is; `run` is the id of what it made",
        query=JobQuery,
        body=JobBody,
        make=make_one,
        fresh_s=0.2,
    ),
)
