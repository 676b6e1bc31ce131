"""What a kept run says about going on: reports and reviews from a store, and the command that prints them."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from tests.unit.runs_made import DAY_MS, walked

from perpscope.app import risk_report
from perpscope.app.risk_profiles import chosen, economics_of, plan_of
from perpscope.cli.main import run
from perpscope.errors import ConfigError, DataError
from perpscope.model.run import Run, RunKind
from perpscope.settings import Risk
from perpscope.stores.runs import Runs

Captured = pytest.CaptureFixture[str]
_WALKED = walked(minutes=14 * 1440, trades=120)
_SEED = economics_of(
    plan_of(chosen(Risk(profile="seed")), fee=0.0005), min_notional=100.0, step=0.001, price=60_000.0, mmr=0.004
)


def made(digit: str, *, kind: RunKind = RunKind.PAPER, later_days: int = 0, **figures: float) -> Run:
    """A run with a hash of its own, so many days later."""
    old = _WALKED.summary
    summary = msgspec.structs.replace(
        old,
        hash=digit * 64,
        kind=kind,
        made_ms=old.made_ms + later_days * DAY_MS,
        from_ms=old.from_ms + later_days * DAY_MS,
        to_ms=old.to_ms + later_days * DAY_MS,
    )
    performance = _WALKED.performance | figures
    return msgspec.structs.replace(_WALKED, summary=summary, performance=performance, economics=_SEED)


@pytest.fixture(name="store")
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where two paper runs and a backtest are kept, on a machine without settings."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "market.db"
    with Runs(path) as kept:
        kept.add(made("1", slippage_modelled=20.0, incidents_unsettled=0.0))
        kept.add(made("2", later_days=20, slippage_modelled=20.0, incidents_unsettled=1.0))
        kept.add(made("3", kind=RunKind.BACKTEST))
    yield path
    structlog.reset_defaults()


def test_a_report_says_all_before_money_is_put_behind_it(store: Path) -> None:
    """Economics, honesty and gate of one run, with what is wrong in words. Keeps B20, S4-60."""
    (told,) = risk_report.reports(store, ["1"])
    assert told.run == "11111111"
    assert told.honesty.trades == 120
    assert told.honesty.break_even_move == pytest.approx(0.001)
    assert not told.is_open
    assert {one.name for one in told.gate if one.is_met} >= {"incidents"}
    red = " | ".join(told.warnings)
    assert "a position of 714.29 cannot be opened: 710.73 at most" in red
    assert "one stop loses 50.5% of equity; after two 24.5% is left" in red
    assert "are needed to lose nothing" in red


def test_a_report_of_a_run_without_economics_says_what_its_fills_tell() -> None:
    """Nothing reckoned before: capital is the deposit, fees what was paid; nothing is warned of that is not known."""
    told = risk_report.report(msgspec.structs.replace(made("4"), economics={}))
    assert told.honesty.break_even_move == pytest.approx(0.001, rel=0.01)
    assert told.honesty.ruin_floor == pytest.approx(1e-6)
    assert not any("cannot be opened" in one for one in told.warnings)
    nothing = msgspec.structs.replace(made("5"), economics={}, trades=[], performance={})
    assert risk_report.report(nothing).honesty.break_even_move == 0.0


def test_wins_that_may_be_luck_are_called_so() -> None:
    """More wins than are needed, but so few that chance brings them too."""
    lucky = [
        msgspec.structs.replace(one, net=net) for one, net in zip(_WALKED.trades, [2.0] * 6 + [-2.0] * 4, strict=False)
    ]
    red = risk_report.report(msgspec.structs.replace(made("8"), trades=lucky)).warnings
    assert "its wins may be luck: who wins just as often as needed does as well in 37.7% of cases" in red
    clear = [msgspec.structs.replace(one, net=2.0 if k % 3 else -2.0) for k, one in enumerate(_WALKED.trades)]
    assert not any(
        "luck" in one for one in risk_report.report(msgspec.structs.replace(made("9"), trades=clear)).warnings
    )


def test_what_cannot_be_traded_and_what_ruins_is_said() -> None:
    """A minimum above what risk allows, and a strategy that loses its account, stand in red. Keeps S4-74."""
    small = economics_of(
        plan_of(chosen(Risk(deposit=50.0)), fee=0.0005), min_notional=100, step=0.001, price=1e5, mmr=0
    )
    heavy = [msgspec.structs.replace(one, net=one.net * 50) for one in _WALKED.trades]
    red = " | ".join(risk_report.report(msgspec.structs.replace(made("6"), economics=small, trades=heavy)).warnings)
    assert "the exchange takes nothing below 100.00" in red
    assert "risk of ruin within" in red


def test_a_review_takes_what_ran_last(store: Path) -> None:
    """No run named: all on paper and live of the strategy that ran last, in order; never backtests. Keeps S4-68."""
    found = risk_report.review(store)
    assert found.runs == ["11111111", "22222222"]
    assert found.kinds == ["paper"]
    assert [goal.promise for goal in found.goals] == ["S4-64", "S4-65", "S4-66", "S4-67"]
    incidents = next(one for one in found.gate if one.name == "incidents")
    assert incidents.figure == 1.0
    named = risk_report.review(store, ["3"])
    assert named.kinds == ["backtest"]
    assert next(one for one in named.gate if one.name == "slippage").figure is None


def test_what_cannot_be_reviewed_is_told(store: Path, tmp_path: Path) -> None:
    """Unknown, overlapping or different runs, and a store without any, are errors with a way out."""
    for ids, code in ((["9"], "run-unknown"), (["1", "3"], "runs-overlap")):
        with pytest.raises((DataError, ConfigError)) as caught:
            risk_report.review(store, ids)
        assert caught.value.code == code
    other = made("7", later_days=50)
    with Runs(store) as kept:
        kept.add(msgspec.structs.replace(other, summary=msgspec.structs.replace(other.summary, strategy="magnet")))
    with pytest.raises(ConfigError, match=r"burst on .*, magnet on") as differing:
        risk_report.review(store, ["1", "7"])
    assert differing.value.code == "runs-differ"
    with pytest.raises(DataError, match="no run on paper or live"):
        risk_report.review(tmp_path / "empty.db")
    with pytest.raises(ConfigError, match="wants the id of a run"):
        risk_report.reports(store, [])


def said(capsys: Captured, *words: str) -> tuple[int, str, str]:
    """Exit code, and what was printed where."""
    capsys.readouterr()
    code = run(["risk", *words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.usefixtures("store")
def test_the_documents_profile_is_printed_in_red(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its numbers as they are, and beside them what they come to.

    Keeps S4-10, S4-11, S4-12, S4-13, S4-14, S4-74, B20.
    """
    monkeypatch.setenv("PERPSCOPE_RISK__PROFILE", "seed")
    code, out, err = said(capsys, "profile", "--price", "60000")
    assert code == 0
    assert "profile seed: limits on money are told, not enforced" in out
    for words in ("995,024.88", "990,099.01", "50.5%", "24.5%"):
        assert words in err
    assert "660" in out
    code, out, _ = said(capsys, "profile", "--price", "100000", "--json")
    told = json.loads(out)
    assert told["economics"]["taken_notional"] == pytest.approx(700.0)
    assert told["economics"]["stop_loss"] == pytest.approx(0.505, abs=5e-4)
    assert [round(row["needed"], 3) for row in told["break_even"]] == [0.525, 0.413, 0.512]
    assert not told["is_strict"]


def test_reports_and_reviews_are_printed(store: Path, capsys: Captured) -> None:
    """As text and as one object on one line. Keeps B20, S4-68."""
    code, out, err = said(capsys, "report", "1", "--db", str(store))
    assert code == 0
    assert "gate: " in out
    assert "✕ days-on-paper" in out
    assert "cannot be opened" in err
    code, out, _ = said(capsys, "report", "1", "2", "--db", str(store), "--json")
    assert [one["run"] for one in json.loads(out)["reports"]] == ["11111111", "22222222"]
    code, out, _ = said(capsys, "review", "--db", str(store), "--report", "review.html")
    assert Path("review.html").read_text("utf-8").startswith("<!doctype html>")
    assert (code, "capital: " in out, "S4-67" in out) == (0, True, True)
    code, out, _ = said(capsys, "review", "--db", str(store), "--json")
    assert json.loads(out)["way"] in {"up", "hold", "down"}
    assert said(capsys, "report", "nope", "--db", str(store))[0] == 3


def test_the_mode_and_the_kill_switch_by_command(store: Path, capsys: Captured) -> None:
    """Falls at a word, rises with --yes alone, halts and is reset. Keeps S2-62."""
    db = ("--db", str(store))
    assert said(capsys, "mode", *db)[1] == "mode paper\n"
    assert said(capsys, "mode", "observe", *db)[1].startswith("mode observe\n  observe by ")
    code, _, err = said(capsys, "mode", "paper", *db)
    assert (code, "error confirmation: let the mode rise from observe to paper?" in err) == (2, True)
    assert said(capsys, "mode", "paper", "--yes", *db)[1].startswith("mode paper")
    code, out, _ = said(capsys, "halt", "--why", "news", *db)
    assert (code, out.splitlines()[0]) == (0, "mode paper, HALTED: news")
    assert out.endswith("UTC: news\n")
    assert said(capsys, "mode", "paper", "--yes", *db)[0] == 0  # it does not rise, and stays halted
    assert said(capsys, "reset", *db)[0] == 2
    code, out, _ = said(capsys, "reset", "--yes", "--json", *db)
    told = json.loads(out)
    assert (told["mode"], told["halted"], told["acts"][-1]["what"]) == ("paper", "", "reset")
    code, _, err = said(capsys, "mode", "live", *db)
    assert (code, "perpscope trade arm" in err) == (2, True)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("no\n", 2)], ids=["yes", "no"])
def test_somebody_who_is_there_is_asked(
    store: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    """At a terminal the mode rises by a typed yes, and by nothing else. Keeps S2-62."""
    assert said(capsys, "mode", "observe", "--db", str(store))[0] == 0
    monkeypatch.setattr("sys.stdin", _Typed(answer))
    assert said(capsys, "mode", "paper", "--db", str(store))[0] == code


class _Typed:
    """A terminal at which somebody types one line."""

    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        """Somebody is there."""
        return True

    def readline(self) -> str:
        """What was typed."""
        return self._line
