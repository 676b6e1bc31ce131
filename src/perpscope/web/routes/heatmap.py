"""`/api/liquidation-heatmap`: the liquidation map as it was over the last hours, time by price."""

import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta as About

from perpscope.app.answers import heatmap
from perpscope.app.answers.known import Waiting, missing_venues, read_or_wait, stored
from perpscope.app.liqmap.answer import HeatAnswer
from perpscope.app.liqmap.parts import Question
from perpscope.web.endpoint import Endpoint, Raw
from perpscope.web.fields import Bins, Profile, Symbol, Venues, waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.sources import Sources

_MS_NS = 1_000_000
_MOST_COLUMNS = 1000
_OCTETS = "application/octet-stream"


class HeatmapQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which hours, and how they are told."""

    symbol: Symbol = "BTC"
    hours: Annotated[float, About(gt=0, le=168, description="that are shown")] = 24.0
    every: Annotated[float, About(ge=5, le=1440, description="minutes between columns")] = 15.0
    profile: Profile = "calibrated"
    bins: Bins | None = None
    exchanges: Venues = ()
    threshold: Annotated[
        float, About(ge=0, le=1, description="sparse cells of less than this share of the largest are left out")
    ] = 0.01
    format: Annotated[
        Literal["sparse", "json", "u8"],
        About(
            description=(
                "sparse: `cells` that hold something; json: the matrix `usd`; u8: a byte for each cell as"
                f" {_OCTETS}, column after column, with its scale in X-Heatmap-… headers"
            )
        ),
    ] = "sparse"

    def __post_init__(self) -> None:
        if self.hours * 60.0 > _MOST_COLUMNS * self.every:
            raise ValueError(f"hours and every make more than {_MOST_COLUMNS} columns")


class ColumnPrice(msgspec.Struct, frozen=True):
    """The price beside a column, quote per base."""

    time_ms: int
    low: float
    high: float
    close: float


class HeatmapBody(msgspec.Struct, frozen=True, kw_only=True):
    """Expected forced dollars, both sides together, each within 1 %; a column knows only what came before it."""

    symbol: str
    profile: str
    basis: Annotated[str, About(description="estimated: none of it is observed")]
    time_ms: Annotated[list[int], About(description="of each column, rising")]
    edges: Annotated[list[float], About(description="of the bins, one more than there are, quote per base")]
    prices: list[ColumnPrice]
    cells: Annotated[list[tuple[int, int, int]] | None, About(description="column, bin, dollars; format=sparse")]
    usd: Annotated[list[list[float]] | None, About(description="dollars by column and bin; format=json")]
    most_usd: Annotated[float | None, About(description="of the largest cell")]
    venues: list[str]
    meta: Meta


def make(sources: Sources, asked: HeatmapQuery) -> HeatmapBody | Raw:
    """The heatmap of one coin or contract."""
    path, settings = sources.store(), sources.settings
    if asked.exchanges:
        missing_venues(stored(path), settings, asked.exchanges)
    question = Question(
        name=asked.symbol,
        profile=asked.profile,
        bins=asked.bins,
        venues=tuple(dict.fromkeys(name.lower() for name in asked.exchanges)),
    )
    found = read_or_wait(
        path,
        settings,
        asked.symbol,
        lambda where: heatmap.read(where, question, hours=asked.hours, every_min=asked.every),
    )
    if isinstance(found, Waiting):
        body = _body(asked, None, waiting(sources, "model", found))
        return _octets(asked, None, body.meta) if asked.format == "u8" else body
    times = heatmap.times_ms(found)
    told = meta(
        sources,
        kind="model",
        as_of_ms=times[-1] if times else None,
        data=found.data.value,
        warming_up=not times,
        notes=found.notes,
        venues=found.venues,
    )
    return _octets(asked, found, told) if asked.format == "u8" else _body(asked, found, told)


def _body(asked: HeatmapQuery, found: HeatAnswer | None, told: Meta) -> HeatmapBody:
    has_cells, has_usd = asked.format == "sparse", asked.format == "json"
    largest = None if found is None or not found.heatmap.columns else float(found.heatmap.usd.max())
    return HeatmapBody(
        symbol=asked.symbol,
        profile=asked.profile,
        basis="estimated",
        time_ms=[] if found is None else heatmap.times_ms(found),
        edges=[] if found is None else found.heatmap.edges.tolist(),
        prices=[] if found is None else [ColumnPrice(ts // _MS_NS, *rest) for ts, *rest in found.prices],
        cells=heatmap.sparse(found, asked.threshold) if found is not None and has_cells else [] if has_cells else None,
        usd=heatmap.rounded(found.heatmap.usd).tolist() if found is not None and has_usd else [] if has_usd else None,
        most_usd=largest,
        venues=[] if found is None else found.venues,
        meta=told,
    )


def _octets(asked: HeatmapQuery, found: HeatAnswer | None, told: Meta) -> Raw:
    """A byte for each cell, and what it takes to read them."""
    headers = {"X-Heatmap-Columns": "0", "X-Heatmap-Bins": "0"}
    content = b""
    if found is not None and found.heatmap.columns:
        laid, edges = heatmap.grid(found, asked.every), found.heatmap.edges
        content = laid.cells
        headers = {
            "X-Heatmap-Columns": str(laid.columns),
            "X-Heatmap-Bins": str(laid.bins),
            "X-Heatmap-First-Ms": str(laid.first_ms),
            "X-Heatmap-Step-Ms": str(laid.step_ms),
            "X-Heatmap-Low": repr(float(edges[0])),
            "X-Heatmap-Width": repr(float(edges[1] - edges[0])),
            "X-Heatmap-Least-Usd": f"{laid.least_usd:.6g}",
            "X-Heatmap-Most-Usd": f"{laid.most_usd:.6g}",
        }
    headers["X-Perpscope-Meta"] = json.dumps(msgspec.to_builtins(told))  # ASCII, as headers must be
    return Raw(content=content, content_type=_OCTETS, headers=headers, meta=told)


ENDPOINTS = (
    Endpoint(
        name="liquidation_heatmap",
        paths=("/api/liquidation-heatmap", "/api/v1/liquidation-heatmap"),
        tag="map",
        summary="The liquidation map as it was over the last hours, time by price",
        description=(
            "Of u8, byte 0 is an empty cell and byte b tells least · (most ÷ least)^((b − 1) ÷ 254) dollars, by the"
            " headers X-Heatmap-Least-Usd and -Most-Usd; the columns follow one another from X-Heatmap-First-Ms on"
            " every X-Heatmap-Step-Ms, each with its lowest price first. X-Perpscope-Meta has the meta."
        ),
        query=HeatmapQuery,
        body=HeatmapBody,
        make=make,
        raw=(_OCTETS,),
        fresh_s=30.0,
        cost=10.0,
    ),
)
