"""Every test vector of METHOD 1.2 by the command line, to the digits it is printed with; `-s` prints the table."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
import structlog

from perpscope.cli.main import run

Captured: TypeAlias = pytest.CaptureFixture[str]
Show: TypeAlias = Callable[[str], None]

_DATED = "--venue binance --symbol BTCUSDT --table 2024-10"
_ETH = "--venue binance --symbol ETHUSDT --side long --entry 1456.84 --size 3683.979 --table 0.1:135365"
_BTC = "--venue binance --symbol BTCUSDT --side long --entry 32481.98 --size 109.488 --table 0.025:16300"
_BYBIT = "--venue bybit --symbol BTCUSDT --side long --entry 20000 --size 1 --leverage 50 --table 0.005:0"
_OKX = "--venue okx --symbol BTC-USDT-SWAP --entry 100000 --size 1 --leverage 10 --fee 0.0005 --table 0.004:0"
_LIQUID = "--venue hyperliquid --table"
_INVERSE = "--venue bybit --symbol BTCUSD --inverse --entry 50000 --size 60000 --leverage 10 --table 0.005:0"
_WALLET = "--cross --wallet 1535443.01"

#: number, what is typed (a table as rate:deduction), the price as METHOD prints it
VECTORS = (
    ("1", f"{_ETH} --margin 1535443.01", "1114.78"),
    ("2", f"{_BTC} --margin 1535443.01", "18778.73"),
    ("3", f"{_ETH} {_WALLET} --other=-56354.57:71200.81144", "1153.26"),
    ("4", f"{_BTC} {_WALLET} --other=-448192.89:356512.508", "26316.89"),
    ("5 by entry", f"{_BYBIT} --formula entry", "19700"),
    ("5 by mark", _BYBIT, "19698.4925"),
    (
        "6",
        "--venue binance --symbol XRPUSDT --side long --entry 0.4 --size 500 --margin 40.096 --fee 0.0006"
        " --table 0.01:0",
        "0.3232343",
    ),
    ("7 long", f"{_OKX} --side long", "90406.8307"),
    ("7 short", f"{_OKX} --side short", "109507.2175"),
    ("13", f"{_DATED} --side long --entry 100000 --size 6.05 --leverage 50", "98484.1563"),
    ("13 seed", f"{_DATED} --side long --entry 100000 --size 6.05 --leverage 50 --formula seed", "98650"),
    ("14", f"{_DATED} --side short --entry 100000 --size 5.95 --leverage 50", "101499.9144"),
    ("15", f"{_DATED} --side long --entry 60000 --size 100 --leverage 10", "54429.7980"),
    ("15 seed", f"{_DATED} --side long --entry 60000 --size 100 --leverage 10 --formula seed", "54600"),
    ("16 long", f"{_DATED} --side long --entry 60000 --size 0.1 --leverage 20", "57228.9157"),
    ("16 short", f"{_DATED} --side short --entry 60000 --size 0.1 --leverage 20", "62749.0040"),
    ("17 long", f"{_INVERSE} --side long --formula entry", "45662.1005"),
    ("17 short", f"{_INVERSE} --side short --formula entry", "55248.6188"),
    ("17 long by mark", f"{_INVERSE} --side long", "45681.8182"),
    ("the one others have wrong", f"{_DATED} --side short --entry 67000 --size 0.5 --leverage 25", "69402.3904"),
)
#: what Hyperliquid's engine itself printed, which had rounded the margin: to 2e-8
ENGINE = (
    ("8", f"{_LIQUID} 0.01:0 --symbol BTC --side long --size 0.00077 --entry 62739 --margin 24.137992", 31708.03843631),
    ("9", f"{_LIQUID} 0.01:0 --symbol ETH --side short --size 0.019 --entry 2642.8 --margin 25.091876", 3924.18322043),
    ("10", f"{_LIQUID} 0.025:0 --symbol SOL --side long --size 0.6 --entry 173.06 --margin 20.735658", 142.05186667),
    ("11", f"{_LIQUID} 0.025:0 --symbol DOGE --side short --size 351 --entry 0.14333 --margin 25.136807", 0.20970228),
    (
        "12",
        f"{_LIQUID} 0.01:0 --symbol BTC --side short --size 0.00099 --entry 65536 --margin 21.604172",
        86493.46174617,
    ),
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty home and working folder, and the log as it was."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    structlog.reset_defaults()


@pytest.fixture
def show(capsys: Captured, request: pytest.FixtureRequest) -> Show:
    """Print a line, where `-s` asks for it."""

    def print_line(line: str) -> None:
        if request.config.getoption("capture") == "no":
            with capsys.disabled():
                print(f"\n  {line}", end="")

    return print_line


def _price(words: str, capsys: Captured) -> float:
    """What the command gives; a table of one tier is written first."""
    typed = words.split()
    place = typed.index("--table") + 1
    rate, is_flat, deduction = typed[place].partition(":")
    if is_flat:
        typed[place] = f"{typed[typed.index('--side') + 1]}.json"
        tier = {"floor": 0, "cap": None, "mmr": float(rate), "max_leverage": 125, "deduction": float(deduction)}
        Path(typed[place]).write_text(json.dumps([tier]))
    assert run(["margin", *typed, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found.keys() >= {
        "liquidation_price",
        "bankruptcy_price",
        "tier",
        "maintenance_rate",
        "formula",
        "table_date",
    }
    price = found["liquidation_price"]
    assert isinstance(price, float)
    return price


@pytest.mark.parametrize(("number", "words", "printed"), VECTORS, ids=[row[0] for row in VECTORS])
def test_a_vector_comes_out_as_it_is_printed(
    number: str, words: str, printed: str, capsys: Captured, show: Show
) -> None:
    """The venues' worked examples and METHOD's own, digit for digit. Keeps B8."""
    price = _price(words, capsys)
    show(f"{number:<26} METHOD {printed:>14}   {price:.10g}")
    assert f"{price:.{len(printed.partition('.')[2])}f}" == printed


@pytest.mark.parametrize(("number", "words", "told"), ENGINE, ids=[row[0] for row in ENGINE])
def test_an_engines_own_figure_is_met(number: str, words: str, told: float, capsys: Captured, show: Show) -> None:
    """What Hyperliquid gave five accounts, within what it rounds. Keeps B8."""
    price = _price(words, capsys)
    show(f"{number:<26} engine {told:>14}   {price:.10g}")
    assert price == pytest.approx(told, rel=2e-8)
