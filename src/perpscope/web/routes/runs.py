"""`/api/v1/runs`: runs of strategies that are kept, one of them whole, and its tear sheet."""

import tempfile
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.trade import ListedRun, listed
from perpscope.app.backtest_orders import SheetFormat
from perpscope.errors import DataError
from perpscope.model.run import Run, RunKind, RunSummary, Verdict
from perpscope.stores.runs import Runs
from perpscope.web.endpoint import Endpoint, Raw
from perpscope.web.fields import Limit, Symbol, next_page
from perpscope.web.meta import Meta, meta
from perpscope.web.query import Cursor, cursor_decode, cursor_encode
from perpscope.web.sources import Sources

StrategyName: TypeAlias = Annotated[
    str,
    About(
        min_length=1,
        max_length=40,
        pattern=r"^[A-Za-z0-9_\-]+$",
        description="strategy by name",
        examples=["burst"],
    ),
]
RunId: TypeAlias = Annotated[
    str,
    About(
        min_length=4,
        max_length=64,
        pattern=r"^[0-9a-f]+$",
        description="id of a run, or as much of it as no other begins with",
        examples=["b7f3c2a1"],
    ),
]
#: Runs that are looked through for what is asked; older ones have to be asked for by their id.
MOST: int = 10_000
_TYPES = {"html": "text/html; charset=utf-8", "json": "application/json", "png": "image/png"}
#: A page of its own, which needs nothing and may ask nobody: without the rights of the page that links to it.
_ALONE = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)


class RunsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs."""

    strategy: Annotated[StrategyName | None, About(description="none = all")] = None
    symbol: Annotated[Symbol | None, About(description="coin, or id of a contract; none = all")] = None
    kind: Annotated[Literal["backtest", "paper", "live"] | None, About(description="none = all")] = None
    verdict: Annotated[
        Literal["too-few-trades", "loses-after-costs", "fails-nulls", "in-sample-only", "holds"] | None,
        About(description="none = all"),
    ] = None
    limit: Limit = 100
    cursor: Cursor | None = None


class RunsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Runs, newest first."""

    runs: list[ListedRun]
    next: Annotated[str | None, About(description="`cursor` of the next page; null = these were the last")]
    meta: Meta


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which run."""

    id: RunId


class RunBody(msgspec.Struct, frozen=True, kw_only=True):
    """A run whole."""

    run: Run
    meta: Meta


class SheetQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which run's tear sheet, and in which form."""

    id: RunId
    format: Annotated[SheetFormat, About(description="html = a page that needs nothing else")] = "html"


class SheetBody(msgspec.Struct, frozen=True, kw_only=True):
    """What there is where the answer is no JSON."""

    meta: Meta


def make_list(sources: Sources, asked: RunsQuery) -> RunsBody:
    """A page of runs."""
    after = None if asked.cursor is None else cursor_decode(asked.cursor, tuple[int, str])
    with Runs(sources.home()) as runs:
        kept = runs.list(MOST)
    wanted = [run for run in kept if _is_wanted(run, asked) and (after is None or _place(run) > _after(after))]
    page = wanted[: asked.limit]
    is_more = len(wanted) > len(page)
    notes = [] if kept else ["no run is kept yet: perpscope backtest, or the page Backtest, makes one"]
    return RunsBody(
        runs=[listed(run) for run in page],
        next=cursor_encode((page[-1].made_ms, page[-1].id)) if is_more else None,
        meta=meta(sources, kind="model", as_of_ms=sources.stand().now_ms, truncated=is_more, notes=notes, venues=()),
    )


def make_one(sources: Sources, asked: RunQuery) -> RunBody:
    """A run whole."""
    run = _run(sources, asked.id)
    return RunBody(run=run, meta=_told(sources, run.summary))


def make_sheet(sources: Sources, asked: SheetQuery) -> Raw:
    """A run's tear sheet, as a process beside this face writes it."""
    run = _run(sources, asked.id).summary
    with tempfile.TemporaryDirectory(prefix="perpscope-") as folder:
        files = sources.backtests().draw(sources.home(), run.id, Path(folder))
        found = next((file for file in files if file.suffix == f".{asked.format}"), None)
        if found is None:
            raise DataError("tearsheet-form", f"this tear sheet has no {asked.format}", hint="format=html")
        content = found.read_bytes()
    headers = {"content-disposition": f'inline; filename="{run.strategy}-{run.id}.{asked.format}"'}
    if asked.format == "html":
        headers["content-security-policy"] = _ALONE
    return Raw(content=content, content_type=_TYPES[asked.format], headers=headers, meta=_told(sources, run))


def _run(sources: Sources, run_id: str) -> Run:
    """The run of an id.

    Raises:
        DataError: there is none ("run-unknown").
    """
    with Runs(sources.home()) as runs:
        found = runs.get(run_id)
    if found is None:
        raise DataError("run-unknown", f"there is no run {run_id!r}", hint="/api/v1/runs lists them")
    return found


def _told(sources: Sources, run: RunSummary) -> Meta:
    data: Literal["observed", "demo", "replay"] | None = next(
        (kind for kind in ("observed", "demo", "replay") if kind == run.data), None
    )
    notes, coverage = run.notes, run.coverage
    return meta(sources, kind="model", as_of_ms=run.to_ms, data=data, coverage=coverage, notes=notes, venues=())


def _is_wanted(run: RunSummary, asked: RunsQuery) -> bool:
    return (
        (asked.strategy is None or run.strategy == asked.strategy)
        and (asked.symbol is None or _is_of(run, asked.symbol.upper()))
        and (asked.kind is None or run.kind is RunKind(asked.kind))
        and (asked.verdict is None or run.verdict is Verdict(asked.verdict))
    )


def _is_of(run: RunSummary, name: str) -> bool:
    """Whether a name is of the run's contract, or of its coin."""
    return run.instrument == name or run.instrument.partition("-")[0] == name


def _place(run: RunSummary) -> tuple[int, str]:
    """Where a run stands in the list: the newest first, then by id."""
    return -run.made_ms, run.id


def _after(position: tuple[int, str]) -> tuple[int, str]:
    return -position[0], position[1]


_RAW = ("text/html", "image/png")
ENDPOINTS = (
    Endpoint(
        name="runs",
        paths=("/api/v1/runs",),
        tag="backtest",
        summary="Runs that are kept, newest first, page by page",
        description="A run is a strategy over some data: backtest, paper or live. Each carries its verdict.",
        query=RunsQuery,
        body=RunsBody,
        make=make_list,
        headers=next_page("/api/v1/runs"),
    ),
    Endpoint(
        name="run",
        paths=("/api/v1/runs/{id}",),
        tag="backtest",
        summary="A run whole: trades, equity, months, costs, verdict",
        query=RunQuery,
        body=RunBody,
        make=make_one,
        fresh_s=5.0,
        cost=2.0,
    ),
    Endpoint(
        name="tearsheet",
        paths=("/api/v1/runs/{id}/tearsheet",),
        tag="backtest",
        summary="A run's tear sheet: a page of its own, a picture, or JSON",
        query=SheetQuery,
        body=SheetBody,
        make=make_sheet,
        fresh_s=300.0,
        cost=10.0,
        raw=_RAW,
    ),
)
