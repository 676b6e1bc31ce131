"""Every endpoint alike: what is not stored yet, what nobody knows, what is out of bounds, and bodies as promised."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import structlog
from tests.unit.faced_market import ENDPOINTS, Face, shared_market

from perpscope.analytics.liqmap.ladder import MAP_PROFILES
from perpscope.errors import ConfigError
from perpscope.settings import Collect, Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.web import fields
from perpscope.web.problem import Refused
from perpscope.web.query import Questions

#: Endpoints with a name of a coin, and what that is called.
NAMED = {
    "long_short": "symbol",
    "liquidations_24h": "symbol",
    "liquidations": "symbol",
    "market_sentiment": "symbol",
    "liquidation_map": "symbol",
    "liquidation_map_custom": "ticker",
    "liquidation_heatmap": "symbol",
    "candles": "symbol",
    "cascades": "symbol",
    "coverage": "symbol",
    "symbols": "symbols",
}
#: What ten hours are too short for.
NEED_A_DAY = {"alerts", "signals", "cascades", "market_sentiment"}
WITHOUT_WARMTH = {"map_score", "coverage", "runs", "backtests", "strategies", "trade", "positions"}
#: Endpoints of one thing, which has to be named.
OF_ONE = {"run", "tearsheet", "backtest", "trade_orders", "trade_fills", "trade_divergence"}
BY_THEMSELVES = sorted(ENDPOINTS.keys() - OF_ONE)


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Face:
    """A face of ten hours of two venues."""
    return Face(shared_market(tmp_path_factory))


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A store of which nothing is told yet."""
    path = tmp_path / "empty.db"
    with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)):
        return path


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_an_endpoint_answers_by_itself(face: Face, name: str) -> None:
    """Without a parameter each answers about BTC, in the type it promises, with where the data come from."""
    body = face.ask(name)
    assert body["meta"]["kind"] in {"model", "observed"}
    assert body["meta"]["data"] == "demo"
    assert body["meta"]["warming_up"] is (name in NEED_A_DAY)
    assert body["meta"]["heart"] == "none"


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_before_anything_is_stored_bodies_have_nulls(tmp_path: Path, empty: Path, name: str) -> None:
    """Without a database, and with one that is empty, each answers: warming up, with a word on what is missing."""
    for path in (tmp_path / "none.db", empty):
        body = Face(path).ask(name)
        if name not in WITHOUT_WARMTH or (not path.exists() and name == "coverage"):
            assert body["meta"]["warming_up"] is True
            assert body["meta"]["notes"]
            assert body["meta"]["as_of_ms"] is None or path == empty


@pytest.mark.parametrize("name", NAMED)
def test_a_coin_that_is_collected_and_not_stored_yet_is_awaited(face: Face, name: str) -> None:
    """SOL is of the default set, and nothing of it came yet: no error, and no zeros."""
    body = face.ask(name, "" if name == "long_short" else f"{NAMED[name]}=SOL", **_path(name, "SOL"))
    if name != "coverage":
        assert body["meta"]["warming_up"] is True
    for null in ("summary", "index", "total", "ratio", "instrument", "simulation"):
        assert body.get(null) is None


@pytest.mark.parametrize("name", NAMED)
def test_what_nobody_knows_is_refused_with_the_nearest(face: Face, name: str) -> None:
    """A name that is neither stored nor collected is an error that names the nearest."""
    with pytest.raises(ConfigError, match="BTCUST") as refused:
        face.ask(name, "" if name == "long_short" else f"{NAMED[name]}=BTCUST", **_path(name, "BTCUST"))
    assert refused.value.code == "symbol-unknown"
    assert refused.value.hint == "did you mean 'BTCUSDT'?"


def test_what_is_collected_is_known_before_it_is_stored(empty: Path) -> None:
    """The coins of the settings are known; others are not, where the settings name some."""
    mine = Face(empty, Settings(collect=Collect(symbols=("PEPE",))))
    assert mine.ask("market_sentiment", "symbol=pepe")["meta"]["warming_up"] is True
    with pytest.raises(ConfigError, match="SOL"):
        mine.ask("market_sentiment", "symbol=SOL")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("long_short", "hours=1e9"),
        ("liquidations_24h", "hours=1e9"),
        ("liquidations_24h", "largest=100000"),
        ("liquidations", "limit=10000"),
        ("liquidations", "min_usd=-1"),
        ("liquidations", "side=UP"),
        ("liquidations", "from=yesterday"),
        ("liquidations", "venue=" + ",".join(["binance"] * 21)),
        ("liquidation_map", "symbol=" + "B" * 49),
        ("liquidation_map", "symbol=BTC%27--"),
        ("liquidation_map", "prices=" + ",".join(["1"] * 21)),
        ("liquidation_map_custom", "bins=100000000"),
        ("liquidation_map_custom", "lookback_days=31"),
        ("liquidation_map_custom", "lookback_days=nan"),
        ("liquidation_map_custom", "profile=reckless"),
        ("liquidation_heatmap", "hours=168&every=5"),
        ("liquidation_heatmap", "every=1"),
        ("candles", "interval=2m"),
        ("candles", "limit=0"),
        ("coverage", "hours=1e9"),
        ("coverage", "channel=gossip"),
        ("cascades", "shocks_pct=0"),
        ("cascades", "shocks_pct=-100"),
        ("symbols", "symbols=" + ",".join(["BTC"] * 51)),
        ("signals", "limit=1001"),
        ("status", "verbose=1"),
    ],
    ids=str,
)
def test_questions_out_of_bounds_never_reach_the_store(name: str, query: str) -> None:
    """Abusive and mistaken questions are refused while they are read, before any store is opened."""
    with pytest.raises(Refused) as refused:
        Questions(ENDPOINTS[name].query).read(query.encode())
    assert refused.value.status == 422


def test_profiles_are_those_of_the_map() -> None:
    """The profiles a question may name are those a map can be made by."""
    (schema,), _ = msgspec.json.schema_components([fields.Profile])
    assert set(schema["enum"]) == set(MAP_PROFILES)


def test_every_path_is_there_once_and_documented() -> None:
    """The documents' paths come first, each with its twin below /api/v1. Keeps S0-37, S0-38, S0-40, S0-41."""
    paths = [path for endpoint in ENDPOINTS.values() for path in endpoint.paths]
    assert len(paths) == len(set(paths))
    assert {
        "/api/long-short/{symbol}",
        "/api/liquidations/24h",
        "/api/market-sentiment",
        "/api/liquidation-heatmap",
        "/api/status",
        "/api/liquidation-map",
        "/api/liquidation-map/custom",
    } <= set(paths)
    assert all(path.replace("/api/", "/api/v1/") in paths for path in paths if not path.startswith("/api/v1/"))


@pytest.mark.parametrize("name", ENDPOINTS)
def test_parameters_are_described_and_have_defaults(name: str) -> None:
    """Each parameter of each endpoint but the name of one thing has a default; text or numbers are bounded."""
    for field in msgspec.structs.fields(ENDPOINTS[name].query):
        assert field.required is (name in OF_ONE and field.name == "id"), f"{name}.{field.name}"
    msgspec.json.schema_components([ENDPOINTS[name].query, ENDPOINTS[name].body])


def _path(name: str, symbol: str) -> dict[str, str]:
    return {"symbol": symbol} if name == "long_short" else {}
