"""For those who run a face: does the process live, is it ready, and the figures Prometheus collects."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from perpscope.app.face import Heart
from perpscope.errors import PerpscopeError
from perpscope.stores.reader import SqliteReader
from perpscope.web.answers import Answers
from perpscope.web.problem import Fault, problem
from perpscope.web.sources import Sources
from perpscope.web.trade_figures import trade_figures
from perpscope.web.traffic import BUCKETS_S, Traffic

_HEADERS: Final = {"cache-control": "no-store"}


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str = "ok"


class Ready(msgspec.Struct, frozen=True):
    """Everything this face needs is there."""

    status: str
    store: str  #: "ok", or "none" for a replica
    heart: str  #: "live", or "none" where this face never heard one
    bus: str  #: "connected", or "none"


class Ops:
    """`/healthz`, `/readyz` and `/metrics`.

    Args:
        sources: of this face.
        answers: of this face.
        traffic: of this face.
        push: names and values of the push's figures; those that end in `_total` only grow.
    """

    def __init__(
        self, sources: Sources, answers: Answers, traffic: Traffic, push: Callable[[], Mapping[str, float]]
    ) -> None:
        self._sources = sources
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(sources, answers, traffic, push))

    def routes(self) -> list[Route]:
        """Where they are found."""
        return [
            Route("/healthz", self._healthz, methods=["GET"]),
            Route("/readyz", self._readyz, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]

    async def _healthz(self, request: Request) -> Response:
        request.state.route = "healthz"
        return _json(Alive())

    async def _readyz(self, request: Request) -> Response:
        request.state.route = "readyz"
        live = self._sources.live
        heart, bus = live.heart, live.bus()
        faults = []
        store = "none" if self._sources.database is None else await asyncio.to_thread(self._store)
        if store not in {"ok", "none"}:
            faults.append(Fault("/store", store))
        if heart in {Heart.STALE, Heart.GONE}:
            faults.append(Fault("/heart", self._sources.stand().notes[0]))
        elif heart is Heart.NONE and self._sources.database is None:
            faults.append(Fault("/heart", "no heart was heard yet"))
        is_connected = bus is not None and bus.is_connected
        if self._sources.settings.redis.bus and not is_connected:
            faults.append(Fault("/bus", (bus and bus.why) or "not connected"))
        if faults:
            told = "; ".join(f"{fault.pointer[1:]}: {fault.message}" for fault in faults)
            return problem(503, "not-ready", told, instance="/readyz", errors=faults, headers={"retry-after": "5"})
        return _json(Ready("ready", store, heart.value, "connected" if is_connected else "none"))

    def _store(self) -> str:
        """Say "ok", or why the store cannot be read; in a worker thread."""
        try:
            with SqliteReader.open(self._sources.store()) as reader:
                reader.kind  # noqa: B018 -- reading it is the test
        except PerpscopeError as error:
            return error.message
        return "ok"

    async def _metrics(self, request: Request) -> Response:
        request.state.route = "metrics"
        return Response(generate_latest(self._registry), headers=_HEADERS, media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Figures(Collector):
    """What is told at each collection, from the counts that are kept anyway."""

    def __init__(
        self, sources: Sources, answers: Answers, traffic: Traffic, push: Callable[[], Mapping[str, float]]
    ) -> None:
        self._sources = sources
        self._answers = answers
        self._traffic = traffic
        self._push = push

    def collect(self) -> Iterable[Metric]:
        """Every figure of this moment."""
        yield from self._of_traffic()
        yield from self._of_answers()
        yield from self._of_sources()
        if self._sources.database is not None:
            yield from trade_figures(self._sources.database, self._sources.settings.trade)
        for name, value in self._push().items():
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield kind(f"perpscope_push_{name}", f"Push: {name.replace('_', ' ')}.", value=value)

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: names depend on what is there."""
        return []

    def _of_traffic(self) -> Iterable[Metric]:
        requests = CounterMetricFamily("perpscope_http_requests", "Requests.", labels=["route", "status"])
        for (route, status), count in self._traffic.requests.items():
            requests.add_metric([route, str(status)], count)
        seconds = HistogramMetricFamily("perpscope_http_seconds", "Seconds a request took.", labels=["route"])
        for route, took in self._traffic.seconds.items():
            bounds, total, buckets = (*map(str, BUCKETS_S), "+Inf"), 0, []
            for bound, count in zip(bounds, took.buckets, strict=True):
                total += count
                buckets.append((bound, total))
            seconds.add_metric([route], buckets, took.total_s)
        return requests, seconds

    def _of_answers(self) -> Iterable[Metric]:
        answers = CounterMetricFamily("perpscope_answers", "What became of questions.", labels=["how"])
        for how, count in msgspec.structs.asdict(self._answers.counts).items():
            answers.add_metric([how], count)
        kept = GaugeMetricFamily("perpscope_answers_bytes", "Kept answers.", value=self._answers.kept_bytes)
        return answers, kept

    def _of_sources(self) -> Iterable[Metric]:
        live, stand = self._sources.live, self._sources.stand()
        state = GaugeMetricFamily("perpscope_heart", "1 for the heart's state.", labels=["state"])
        for heart in Heart:
            state.add_metric([heart.value], float(live.heart is heart))
        yield state
        if live.heard_s is not None:
            yield GaugeMetricFamily("perpscope_heart_heard_seconds", "Since the heart was heard.", value=live.heard_s)
        age = GaugeMetricFamily("perpscope_feed_age_seconds", "Market time since it sent.", labels=["venue", "channel"])
        is_live = GaugeMetricFamily("perpscope_feed_live", "1 while it comes.", labels=["venue", "channel"])
        for line in stand.feeds:
            labels = [line.venue, line.channel.value]
            is_live.add_metric(labels, float(line.state.value in {"live", "replay"}))
            if line.age_ms is not None:
                age.add_metric(labels, line.age_ms / 1000)
        yield from (age, is_live)
        bus = live.bus()
        if bus is not None:
            yield GaugeMetricFamily("perpscope_bus_connected", "1 while it is.", value=float(bus.is_connected))
            for name in ("queued", "spilled", "dropped", "dead"):
                yield GaugeMetricFamily(f"perpscope_bus_{name}", f"Messages {name}.", value=getattr(bus, name))


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), headers=_HEADERS, media_type="application/json")
