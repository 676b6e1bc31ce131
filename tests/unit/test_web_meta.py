"""Meta, readiness and figures: what a face says of its heart, its feeds and itself."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from starlette.types import ASGIApp
from tests.unit.asking import Maker, ask, endpoint, sources

from perpscope.app.face import Live
from perpscope.app.status import Database, FeedLine, HeartLine, Status
from perpscope.feeds.clock import wall_ns
from perpscope.model.bulletin import BusHealth, Message, Topic
from perpscope.model.stream import Channel
from perpscope.settings import Redis, Settings, Web
from perpscope.stores.sqlite import open_writer
from perpscope.stores.status import EventCounts, FeedState, FeedStatus, HeartStatus, StoreKind
from perpscope.web import standing
from perpscope.web.app import create_app
from perpscope.web.meta import Source, meta
from perpscope.web.sources import Sources

_MS_NS = 1_000_000
_S_NS = 1_000_000_000


class Bus:
    """A bus that says what a test has it say, and then nothing."""

    def __init__(self, *statuses: Status) -> None:
        self.is_connected = True
        self._statuses = statuses

    async def messages(self) -> AsyncIterator[list[Message]]:
        """Each status once."""
        for seq, status in enumerate(self._statuses, 1):
            yield [Message(Topic.STATUS.value, msgspec.json.encode(status), seq, "run", "heart")]
        raise ConnectionError

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Nothing to do."""

    def health(self) -> BusHealth:
        """As the test has it."""
        return BusHealth(is_connected=self.is_connected, queued=3, why=None if self.is_connected else "refused")

    async def aclose(self) -> None:
        """Nothing to do."""


class Clock:
    """Real seconds, as a test has them."""

    now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look is a new one."""
    monkeypatch.setattr(standing, "_AGAIN_S", 0.0)


def status(*feeds: FeedLine, kind: StoreKind = StoreKind.DEMO, rate: float = 1.0) -> Status:
    """What a heart tells."""
    counts = EventCounts(0, 0, 0, {}, {"BUY": 0, "SELL": 0})
    heart = HeartLine(1, is_running=True, market_ms=5_000_000, wall_ms=wall_ns() // _MS_NS, rate=rate)
    return Status(counts, list(feeds), Database("x.db", 1), kind, heart=heart)


def line(venue: str, channel: Channel, state: FeedState = FeedState.LIVE, age_ms: int | None = 400) -> FeedLine:
    """How one feed is doing."""
    return FeedLine(venue, channel, state, age_ms, 1, 0)


async def heard(*statuses: Status, settings: Settings | None = None) -> tuple[Sources, Bus, Clock]:
    """Sources that have heard these, their bus and their clock."""
    bus, clock = Bus(*statuses), Clock()
    live = Live(bus, monotonic=clock)
    async for messages in bus.messages():
        live._take(messages[0])
        if live.version == len(statuses):
            break
    found = sources(settings=settings)
    found.live = live
    return found, bus, clock


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes a store whose heart reported so long ago, at market time 100 s; it is held open until the test ends."""
    with contextlib.ExitStack() as stack:

        def make(kind: StoreKind = StoreKind.DEMO, *, ago_s: float = 0.0, is_running: bool = True) -> Path:
            path = tmp_path / "market.db"
            store = stack.enter_context(contextlib.closing(open_writer(str(path), kind=kind)))
            heart = HeartStatus(1, 100 * _S_NS, wall_ns() - round(ago_s * _S_NS), 10.0, is_running)
            store.report([FeedStatus("okx", Channel.TRADES, FeedState.LIVE, 99 * _S_NS, 1, 0)], heart)
            store.flush()
            return path

        yield make


async def test_a_body_of_a_heart_at_work_is_not_stale() -> None:
    """Age is against the heart's market time, and each venue stands there by its worst feed and its youngest event."""
    told = status(
        line("binance", Channel.TRADES, age_ms=100),
        line("binance", Channel.LIQUIDATIONS, age_ms=9_000),
        line("okx", Channel.TRADES, age_ms=None),
    )
    of, _, _ = await heard(told)
    found = meta(of, kind="observed", as_of_ms=4_999_000, coverage=0.5, notes=["mind"])
    assert (found.data, found.stale, found.heart, found.notes) == ("demo", False, "live", ["mind"])
    assert found.age_ms is not None
    assert 1_000 <= found.age_ms < 30_000
    assert found.sources == [Source("binance", "live", 100), Source("okx", "live", None)]
    assert meta(of, kind="model", as_of_ms=None, venues=["okx"]).sources == [Source("okx", "live", None)]


async def test_a_feed_that_is_down_is_named() -> None:
    """Old data never looks new: the note names the venue, and the channel where it is not all of it."""
    told = status(
        line("binance", Channel.TRADES),
        line("binance", Channel.MARK_PRICES, FeedState.STALE),
        line("okx", Channel.TRADES, FeedState.SILENT),
    )
    of, _, _ = await heard(told)
    found = meta(of, kind="observed", as_of_ms=0)
    assert found.stale
    assert found.notes == [f"binance: {Channel.MARK_PRICES.value} stale", "okx is silent"]
    assert not meta(of, kind="observed", as_of_ms=0, venues=["bybit"]).stale


@pytest.mark.parametrize("is_gone", [False, True], ids=["stale", "gone"])
async def test_a_heart_that_is_silent_or_gone_is_named(is_gone: bool) -> None:
    """When the heart is killed every body says so, with since when; its feeds are no longer called live. Keeps G6."""
    of, bus, clock = await heard(status(line("okx", Channel.TRADES, age_ms=0)))
    clock.now += 12.0
    bus.is_connected = not is_gone
    found = meta(of, kind="observed", as_of_ms=0)
    assert (found.stale, found.heart) == (True, "gone" if is_gone else "stale")
    expected = "the heart is gone; it was heard 12 s ago" if is_gone else "the heart has told nothing for 12 s"
    assert found.notes == [expected]
    assert found.sources == [Source("okx", "down" if is_gone else "stale", 12_000)]


@pytest.mark.parametrize(
    ("kind", "ago_s", "is_running", "stale", "word"),
    [
        (StoreKind.DEMO, 0.0, True, False, None),
        (StoreKind.DEMO, 60.0, True, True, "demo is over"),
        (StoreKind.REPLAY, 0.0, False, True, "replay is over"),
        (StoreKind.OBSERVED, 60.0, True, True, "nothing is being collected"),
    ],
    ids=["at work", "lost", "ended", "observed"],
)
def test_a_store_alone_tells_by_its_last_report(
    kind: StoreKind, ago_s: float, is_running: bool, stale: bool, word: str | None, stored: Callable[..., Path]
) -> None:
    """A face on a store without a heart serves it under its own label, and says that nobody adds to it."""
    path = stored(kind, ago_s=ago_s, is_running=is_running)
    found = meta(sources(path), kind="observed", as_of_ms=90_000)
    assert (found.data, found.stale, found.heart) == (kind.value, stale, "none")
    assert found.notes == [] if word is None else word in found.notes[0]
    if kind is not StoreKind.OBSERVED:  # the market stands still with its heart
        assert found.age_ms is not None
        assert 10_000 <= found.age_ms < 10_000 + 30_000 * 10


def test_no_store_is_said_too(tmp_path: Path) -> None:
    """Before anything is collected, and on a replica that heard nothing, nothing is claimed."""
    for of in (sources(tmp_path / "none.db"), sources()):
        found = meta(of, kind="observed", as_of_ms=None)
        assert (found.data, found.stale, found.age_ms, found.sources) == (None, True, None, [])


def face(of: Sources, tmp_path: Path, database: Path | None) -> ASGIApp:
    """A face that listens as these sources do."""
    web = Web(keys=str(tmp_path / "keys.json"))
    settings = msgspec.structs.replace(of.settings, web=web)
    return create_app(settings, database, live=of.live, endpoints=[endpoint(Maker())])


async def test_ready_is_when_everything_needed_is_there(tmp_path: Path, stored: Callable[..., Path]) -> None:
    """200 with what there is; a load balancer needs no key for it."""
    path = stored()
    of, _, _ = await heard(status())
    app = face(of, tmp_path, path)
    told = await ask(app, "/readyz")
    assert (told.status, told.json) == (
        200,
        {"status": "ready", "store": "ok", "heart": "live", "bus": "connected"},
    )
    assert (await ask(app, "/healthz")).json == {"status": "ok"}
    alone = await ask(face(sources(path), tmp_path, path), "/readyz")
    assert alone.json == {"status": "ready", "store": "ok", "heart": "none", "bus": "none"}


async def test_not_ready_names_what_is_wrong(tmp_path: Path) -> None:
    """503 with store, heart and bus by name, and why each is not well; the process is healthy all the same."""
    of, bus, _ = await heard(status())
    bus.is_connected = False
    app = face(of, tmp_path, tmp_path / "none.db")
    told = await ask(app, "/readyz")
    assert (told.status, told.json["code"]) == (503, "not-ready")
    assert [fault["pointer"] for fault in told.json["errors"]] == ["/store", "/heart"]
    assert "retry-after" in told.headers
    assert (await ask(app, "/healthz")).status == 200
    silent = await ask(face(sources(), tmp_path, None), "/readyz")
    assert silent.json["errors"] == [{"pointer": "/heart", "message": "no heart was heard yet"}]


async def test_a_redis_that_is_gone_is_told(tmp_path: Path) -> None:
    """Where Redis joins heart and face, losing it makes the face not ready, and says so."""
    pytest.importorskip("redis")
    of, bus, _ = await heard(status(), settings=Settings(redis=Redis(bus="redis://127.0.0.1:1/0")))
    bus.is_connected = False
    told = await ask(face(of, tmp_path, None), "/readyz")
    assert {"pointer": "/bus", "message": "refused"} in told.json["errors"]


async def test_figures_for_prometheus(tmp_path: Path) -> None:
    """Requests, answers, heart, feeds, bus and push have figures, whose text Prometheus' own parser reads."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    of, _, _ = await heard(status(line("okx", Channel.TRADES, age_ms=1_500)))
    app = face(of, tmp_path, None)
    for target in ("/api/grid", "/api/grid", "/api/grid?x=1", "/nothing"):
        await ask(app, target)
    told = await ask(app, "/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(told.body.decode())
    found = {(s.name, *sorted(s.labels.values())): s.value for family in families for s in family.samples}
    assert found["perpscope_http_requests_total", "200", "grid"] == 2
    assert found["perpscope_http_requests_total", "422", "grid"] == 1
    assert found["perpscope_http_requests_total", "404", "other"] == 1
    assert found["perpscope_http_seconds_count", "grid"] == 3
    assert found["perpscope_answers_total", "made"] == found["perpscope_answers_total", "hit"] == 1
    assert (found["perpscope_heart", "live"], found["perpscope_heart", "gone"]) == (1, 0)
    assert found["perpscope_feed_age_seconds", "okx", "trades"] == 1.5
    assert (found[("perpscope_bus_connected",)], found[("perpscope_bus_queued",)]) == (1, 3)
    assert found[("perpscope_push_connections",)] == found[("perpscope_push_closed_slow_total",)] == 0
