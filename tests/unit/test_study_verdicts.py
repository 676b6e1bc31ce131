"""The verdicts that ship: what the file, the table of the document and a run made again say is one thing."""

import re
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from perpscope.app import strategies
from perpscope.app.strategies_told import shipped_verdicts
from perpscope.app.study import verdicts as study
from perpscope.cli.commands import app
from perpscope.errors import DataError
from perpscope.model.run import Verdict

PAGE = Path(__file__).resolve().parents[2] / "docs" / "strategies.md"


def judged(verdict: Verdict, net: float = -10.0, trades: int = 40) -> study.Judged:
    """A run that came to this."""
    return study.Judged(
        data="Binance BTCUSDT 1m, 2025",
        paths=["a"],
        given={"toward": "0"},
        days=30.0,
        trades=trades,
        win_rate=0.4 if trades else None,
        win_low=0.3 if trades else None,
        win_high=0.5 if trades else None,
        gross=net + 5.0,
        fees=4.0,
        funding=1.0,
        net=net,
        max_drawdown=0.1,
        near_misses={},
        refused={},
        coverage=1.0,
        verdict=verdict,
        why="",
        hash="0",
    )


def test_every_strategy_ships_with_its_verdict() -> None:
    """Losing or not, each has one, with its figures; the dashboard reads the same file. Keeps B25."""
    shipped = study.shipped()
    assert sorted(shipped) == strategies.names()
    assert {name: (v.verdict, v.why) for name, v in shipped_verdicts().items()} == {
        name: (v.verdict, v.why) for name, v in shipped.items()
    }
    for name, told in shipped.items():
        assert told == (
            study.verdict_of(name, told.runs, told.as_of) if told.runs else study.unjudged(name, told.as_of)
        )
        assert [(run.data, run.given) for run in told.runs] == [
            (one.data, one.given) for one in study.plan() if one.strategy == name
        ]


def test_the_document_has_the_table_that_ships() -> None:
    """docs/strategies.md shows every run, and each strategy's verdict, as the file has them."""
    text = PAGE.read_text("utf-8")
    found = re.search(r"<!-- verdicts -->\n(.*?)\n<!-- /verdicts -->", text, re.DOTALL)
    assert found
    assert found[1] == study.page(study.shipped())


@pytest.mark.unmeasured
@pytest.mark.timeout(300)
def test_a_run_made_again_comes_to_the_same(recordings: Path) -> None:
    """Two weeks of `magnet` on real candles, in plain Python: the row that ships, to its hash. Keeps B25."""
    kept = next(run for run in study.shipped()["magnet"].runs if run.data == study.piece().data)
    assert study.judged(recordings, study.piece()) == kept


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        pytest.param([Verdict.HOLDS, Verdict.LOSES, Verdict.TOO_FEW], Verdict.LOSES, id="loses"),
        pytest.param([Verdict.HOLDS, Verdict.FAILS_NULLS], Verdict.FAILS_NULLS, id="nulls"),
        pytest.param([Verdict.TOO_FEW, Verdict.HOLDS], Verdict.HOLDS, id="holds"),
        pytest.param([Verdict.TOO_FEW, Verdict.TOO_FEW], Verdict.TOO_FEW, id="too few"),
    ],
)
def test_the_least_favourable_run_speaks(runs: list[Verdict], verdict: Verdict) -> None:
    """A strategy holds only where every run that can say anything says so."""
    assert study.verdict_of("magnet", [judged(one) for one in runs], "2026-11-22").verdict is verdict


def test_a_table_tells_runs_without_trades() -> None:
    """A run that never traded has no share won and nothing a trade."""
    told = study.verdict_of("burst", [judged(Verdict.TOO_FEW, 0.0, 0), judged(Verdict.LOSES)], "2026-11-22")
    lines = study.table({"burst": told}).splitlines()
    assert "| 0 | – |" in lines[2]
    assert "| 40 | 40% [30%, 50%] | −5 | −4 | −1 | −10 | −2.5 | loses-after-costs |" in lines[3]
    assert "`burst` `toward=0`" in lines[3]


def test_a_torn_file_is_told(tmp_path: Path) -> None:
    """What cannot be read is an error in words."""
    file = tmp_path / "verdicts.json"
    file.write_bytes(study.written(study.shipped())[:-40])
    with pytest.raises(DataError, match="cannot be read"):
        study.shipped(file)
    file.write_bytes(study.written(study.shipped()))
    assert study.shipped(file) == study.shipped()


def test_the_command_prints_what_ships(tmp_path: Path) -> None:
    """`study verdicts` shows each verdict and its runs; `--json` the file itself; `--write` keeps it."""
    said = CliRunner().invoke(app, ["study", "verdicts", "--strategy", "magnet"])
    assert said.exit_code == 0
    assert said.stdout.startswith(f"- **`magnet`: {study.shipped()['magnet'].verdict.value}**")
    assert "toward=0" in said.stdout
    written = tmp_path / "verdicts.json"
    told = CliRunner().invoke(app, ["study", "verdicts", "--json", "--write", str(written)])
    assert msgspec.json.decode(told.stdout.splitlines()[-1], type=dict[str, study.StrategyVerdict]) == study.shipped()
    assert study.shipped(written) == study.shipped()
    assert CliRunner().invoke(app, ["study", "verdicts", "--strategy", "brust"]).exit_code != 0


def test_the_command_makes_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--data` it runs the plan over the folder's files, and says each; a missing file is told."""
    assert CliRunner().invoke(app, ["study", "verdicts", "--data", str(tmp_path), "--strategy", "burst"]).exit_code != 0
    data = tmp_path / "BTCUSDT_1m.csv"
    rows = [f"{1_751_328_000 + 60 * n},100,101,99,{100 + n % 2},{5 + n % 3}" for n in range(600)]
    data.write_text("timestamp,open,high,low,close,volume\n" + "\n".join(rows), "utf-8")
    one = study.Planned(strategy="hold", data="ten hours", paths=(data.name,), symbol="BTCUSDT", venue="binance")
    monkeypatch.setattr(study, "plan", lambda: [one])
    said = CliRunner().invoke(app, ["study", "verdicts", "--data", str(tmp_path)])
    assert said.exit_code == 0, said.output
    assert "hold on ten hours: 1 trades" in said.stderr
    assert "`inference`: too-few-trades" in said.stdout
