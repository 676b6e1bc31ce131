"""`perpscope.open`: the store for Python programs, and light as long as nothing heavy is asked of it."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.contract.store_events import BTC, ETH, at, heart, liquidation, tick

import perpscope
from perpscope.errors import ConfigError, DataError, PerpscopeError
from perpscope.facade import Perpscope
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("numpy", "matplotlib", "pandas", "aiohttp", "picows", "uvloop", "asyncio", "structlog", "rich", "typer")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A demo store with a liquidation a minute for three hours, alternating between two symbols."""
    path = tmp_path / "market.db"
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([BTC, ETH])
        for minute in range(180):
            store.sink().accept(liquidation(60 * minute, of=ETH.id if minute % 2 else BTC.id))
        store.report([], heart(3 * 3600))
        store.sink().accept(tick(3 * 3600))
    return path


def test_what_the_documents_ask_of_it(path: Path, tmp_path: Path) -> None:
    """Recent liquidations by symbol, hours and limit, the status, cleanup by days, backup: synchronous and typed.

    Keeps S1-59, S1-60, S1-61, S1-62.
    """
    with perpscope.open(path) as store:
        recent = store.liquidations(symbol="BTCUSDT", hours=1, limit=1000)
        assert [event.ts_event for event in recent] == [at(60 * minute) for minute in range(120, 180, 2)]
        assert {event.instrument for event in recent} == {BTC.id}
        assert [event.ts_event for event in store.liquidations(hours=48, limit=2)] == [at(178 * 60), at(179 * 60)]
        assert store.liquidations(symbol="XYZ") == []
        status = store.status()
        assert (status.events.total, status.data) == (180, StoreKind.DEMO)
        assert store.cleanup(days=30) == 0
        made = store.backup(tmp_path / "copy.db")
        assert made.rows["liquidation_events"] == 180
        assert store.backup(str(tmp_path), keep=1).removed == [str(tmp_path / "copy.db")]
    assert perpscope.open(str(path)).cleanup(days=1) == 0


def test_cleanup_tells_how_many_went(path: Path) -> None:
    """The number of rows of all tables. Keeps S1-59."""
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.report([], heart(2 * 86_400))
        store.sink().accept(tick(2 * 86_400))
    with perpscope.open(path) as opened:
        assert opened.cleanup(days=1) == 180 + 180 + 6
        assert opened.liquidations(hours=1000) == []


def test_analysis(path: Path, tmp_path: Path) -> None:
    """The comprehensive report, and with a folder its files."""
    with perpscope.open(path) as store:
        report = store.analyze("BTCUSDT", hours=3)
        assert report.instruments[0].symbol == "BTCUSDT"
        again = store.analyze("BTCUSDT", hours=3, out=tmp_path / "charts", wanted=["report"])
        assert again.instruments[0].symbol == "BTCUSDT"
        assert list((tmp_path / "charts").iterdir())
        with pytest.raises(PerpscopeError):
            store.analyze("XYZ")


def test_the_store_the_commands_use(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path: the setting, else the document's place where it exists, else the user's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(DataError, match=r"share/perpscope/market\.db"):
        perpscope.open()
    (tmp_path / "data").mkdir()
    path.rename(tmp_path / "data" / "liquidations.db")
    with perpscope.open() as store:
        assert store.path == Path("data/liquidations.db")
    monkeypatch.setenv("PERPSCOPE_DATABASE__PATH", "elsewhere.db")
    with pytest.raises(DataError, match=r"elsewhere\.db"):
        perpscope.open()
    (tmp_path / "perpscope.toml").write_text("[nonsense]\n")
    with pytest.raises(ConfigError):
        perpscope.open()


@pytest.mark.parametrize("bad", [{"hours": 0}, {"hours": -1}, {"hours": float("nan")}, {"limit": 0}])
def test_questions_without_sense(bad: dict[str, float], path: Path) -> None:
    """Told by their values."""
    with perpscope.open(path) as store:
        with pytest.raises(ValueError, match="must be above 0"):
            store.liquidations(**bad)  # type: ignore[arg-type]  # that is the point
        with pytest.raises(ValueError, match="days must be above 0"):
            store.cleanup(days=0)


def test_closed_is_closed(path: Path, tmp_path: Path) -> None:
    """After the `with` every call says that it is closed; closing again does nothing."""
    with perpscope.open(path) as store:
        pass
    store.close()
    for call in (store.liquidations, store.status, store.cleanup, store.analyze, lambda: store.backup(tmp_path)):
        with pytest.raises(ValueError, match="was closed"):
            call()


def test_nothing_heavy_is_imported(path: Path) -> None:
    """`import perpscope` and `perpscope.open` bring no numpy, no plots, no network and no event loop."""
    program = f"""
import sys, perpscope
first = len(sys.modules)
store = perpscope.open({str(path)!r})
loaded = sorted(set({HEAVY!r}) & set(sys.modules))
print(loaded, "perpscope.facade" in sys.modules)
store.liquidations()
print(sorted({{"numpy", "matplotlib", "aiohttp", "picows"}} & set(sys.modules)))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["[] True", "[]"]


def test_the_class_is_reachable() -> None:
    """For annotations."""
    assert Perpscope.open.__doc__
    assert perpscope.open.__doc__
