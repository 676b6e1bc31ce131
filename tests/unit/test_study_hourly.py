"""`perpscope study hourly`: finds what is there, says so where nothing is, and holds on real hours. Keeps B1."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.hourly_sample import aimless, driven, market, write

import perpscope
from perpscope.analytics.hourly import grid as grids
from perpscope.analytics.hourly.gains import Gain
from perpscope.analytics.hourly.ledger import Ledger
from perpscope.analytics.hourly.scale import Scale
from perpscope.analytics.hourly.verdict import Ranks
from perpscope.app.study import hourly as study_hourly
from perpscope.app.study.boosting import boosting
from perpscope.app.study.hourly import Files, HourlyAnswer
from perpscope.cli.main import run
from perpscope.cli.study_hourly import print_hourly
from perpscope.errors import PerpscopeError

pytestmark = pytest.mark.timeout(300)  # one of these processes takes ten seconds of a processor of its own
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of these tests find the map's arithmetic compiled: by one whose lines nobody counts."""
    folder = tmp_path_factory.mktemp("numba")
    words = "from perpscope.app.liqmap.arithmetic import ENOUGH, arithmetic; arithmetic(ENOUGH)"
    subprocess.run([sys.executable, "-c", words], env=_uncounted(folder), check=True)
    return folder


def _outside(compiled: Path) -> dict[str, str]:
    """The environment of a process of its own, with the JIT on."""
    source = str(Path(perpscope.__file__).resolve().parents[1])
    told = {"NUMBA_DISABLE_JIT": "0", "NUMBA_CACHE_DIR": str(compiled), "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    return {**os.environ, **told}


def _uncounted(compiled: Path) -> dict[str, str]:
    """The same for a process whose lines are not counted: it is several times quicker."""
    return {name: value for name, value in _outside(compiled).items() if not name.startswith("COVERAGE_")}


def _asked(compiled: Path, *options: str) -> HourlyAnswer:
    """The command as people run it, in a process of its own: with the compiled arithmetic."""
    told = subprocess.run(
        [sys.executable, "-m", "perpscope", "study", "hourly", *options, "--json"],
        env=_uncounted(compiled),
        capture_output=True,
        check=True,
    )
    return msgspec.json.decode(told.stdout, type=HourlyAnswer)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> tuple[HourlyAnswer, bytes]:
    """The command on a made market in which positions are opened and passed: its answer and its picture."""
    folder = tmp_path_factory.mktemp("hourly")
    answer = _asked(compiled, *write(folder, driven()), "--png", str(folder / "h.png"))
    return answer, (folder / "h.png").read_bytes()


def test_positions_that_are_passed_are_found(made: tuple[HourlyAnswer, bytes]) -> None:
    """Liquidations of positions told one by one, without a map: the map adds to B1n on both sides and both targets."""
    found = made[0]
    assert (found.hours, found.split, found.side_hours) == (480, "2025-12-11", 480)
    assert found.primary.low > 0.05
    assert min(side.low for side in found.primary.by_side.values()) > 0.05
    assert found.primary.bits_low > 0.3
    assert found.secondary.low > 0.05
    assert found.over_b1.low > 0.1
    assert {check.point for check in found.checks if check.is_met} >= set("abcde")
    assert found.beside[0].r2 > max(rule.r2 for rule in found.beside[1:]) + 0.2
    assert found.residue < 1e-12
    assert len(found.classes) <= 11
    assert [(probe.hours, probe.largest_change) for probe in found.causality] == [(361, 0.0), (480, 0.0)]


def test_what_is_not_there_is_not_claimed(made: tuple[HourlyAnswer, bytes]) -> None:
    """Open interest has no part in that market, and the words say so; the placebos stay small."""
    found = made[0]
    assert found.increments["oi"][0] < 0.005
    assert not found.wording.open_interest_driven
    assert found.wording.beyond_1_pct == "not validated"
    assert all(abs(one.delta_r2) < 0.02 for one in found.placebos.values())


def test_the_json_is_the_contracts(made: tuple[HourlyAnswer, bytes]) -> None:
    """Every field of the contract under its name."""
    told = json.loads(msgspec.json.encode(made[0]))
    gain = {"delta_r2", "low", "high", "bits_per_hour", "bits_low", "bits_high", "by_side", "by_month"}
    assert gain <= set(told["primary"])
    assert gain <= set(told["secondary"])
    assert {side: set(rank) for side, rank in told["spearman"].items()} == {
        "long": {"map", "b1"},
        "short": {"map", "b1"},
    }
    assert {"long", "short", "daily_sd_ln", "coverage80"} <= set(told["scale"])
    assert set(told["placebos"]) == {"lagged", "swapped"}
    assert {name: len(ends) for name, ends in told["increments"].items()} == {"oi": 2, "far": 2}
    assert told["over_boosting"] is None or set(told["over_boosting"]) == {"delta_r2", "low"}
    assert isinstance(told["pass"], bool)


def test_every_figure_is_printed(made: tuple[HourlyAnswer, bytes], capsys: Captured) -> None:
    """In 82 columns, but for the points' own words; and what does not hold is printed as not holding."""
    print_hourly(made[0], sys.stdout)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if not line.startswith(("met", "MISSED", "FAIL"))) <= 82
    text = "\n".join(lines)
    for name in ("over B1n", "over boosting", "placebo: swapped", "open interest adds", "public rule (S3)", "(g)"):
        assert name in text
    assert ("FAIL" in text) is not made[0].passes
    worse = msgspec.structs.replace(made[0], passes=False, over_boosting=None, over_boosting_is="not installed")
    print_hourly(worse, sys.stdout)
    out = capsys.readouterr().out
    assert "FAIL: the map does not hold" in out
    assert "over boosting on B1n      not installed" in out
    driven_by = msgspec.structs.replace(worse.wording, open_interest_driven=True)
    print_hourly(msgspec.structs.replace(worse, passes=True, wording=driven_by, candles="x BTC"), sys.stdout)
    out = capsys.readouterr().out
    assert "may not be called" not in out
    assert "candles of x BTC" in out


def test_the_picture_is_one(made: tuple[HourlyAnswer, bytes]) -> None:
    """A PNG of some size."""
    assert made[1].startswith(b"\x89PNG")
    assert len(made[1]) > 20_000


@pytest.mark.soak
def test_where_nothing_is_nothing_is_found(tmp_path: Path, compiled: Path) -> None:
    """Liquidations of the excursion alone: the map adds nothing and fails (a) to (e)."""
    found = _asked(compiled, *write(tmp_path, aimless()))
    assert not found.passes
    assert [check.point for check in found.checks if not check.is_met] == list("abcde")


@pytest.mark.parametrize(
    ("hours", "split", "code", "exit_code", "says"),
    [
        pytest.param(400, None, "study-short", 5, "400 hours in common are too few", id="short"),
        pytest.param(480, "soon", "study-split", 2, "--split soon is no date", id="no-date"),
        pytest.param(480, "2025-12-03", "study-split", 2, "these files allow 2025-12-10 to 2025-12-11", id="early"),
        pytest.param(480, "2026-12-03", "study-split", 2, "leaves too little", id="late"),
    ],
)
def test_hours_that_will_not_do_are_named(
    hours: int, split: str | None, code: str, exit_code: int, says: str, tmp_path: Path, capsys: Captured
) -> None:
    """Too few hours, or a split that leaves none: the code, the exit code, and what would do."""
    options = write(tmp_path, market(2, hours))
    assert run(["study", "hourly", *options, *(["--split", split] if split else [])]) == exit_code
    error = capsys.readouterr().err
    assert f"error {code}" in error
    assert says in error


def test_a_split_is_a_date_of_utc() -> None:
    """The 21st day by default; a date, or a moment with its zone."""
    at = grids.grid(*market(2, 800))
    assert study_hourly._split(at, None) == 480
    assert study_hourly._split(at, "2025-12-11") == 240
    assert study_hourly._split(at, "2025-12-11T06:00:00+06:00") == 240
    assert study_hourly._split(grids.grid(*market(2, 500)), None) == 260


def test_holes_are_named(tmp_path: Path, capsys: Captured) -> None:
    """What the tables lack is an error of the data, exit code 3."""
    candles, interest, forced = market(2, 60)
    rows = np.setdiff1d(np.arange(interest.ts.size), np.arange(50, 70))
    columns = {name: getattr(interest, name)[rows] for name in ("ts", "base", "price")}
    options = write(tmp_path, (candles, msgspec.structs.replace(interest, **columns), forced))
    assert run(["study", "hourly", *options]) == 3
    assert "error study-holes: open interest: nothing for 1.7 hours" in capsys.readouterr().err


def test_a_map_that_looks_ahead_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that lets the last row in on earlier numbers fails the study by name."""
    options = write(tmp_path, market(2, 480))

    def foresees(bars: list[object], **_: object) -> Ledger:
        count = len(bars) // 12
        last = bars[-1].close  # type: ignore[attr-defined]  # a Bar
        return Ledger(
            passed=np.full((count, 2, 1), last),
            share=np.ones((count, 2, 1)),
            price=np.ones(count),
            distances=np.array([0.01]),
            residue=0.0,
        )

    monkeypatch.setattr(study_hourly, "ledger", foresees)
    with pytest.raises(PerpscopeError, match="when only later rows were changed") as found:
        study_hourly.study_hourly(Files(*(Path(options[at]) for at in (1, 3, 5))))
    assert found.value.code == "study-look-ahead"


def test_without_its_extra_boosting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No scikit-learn: no figure, and what to install."""
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    assert boosting() == (None, "scikit-learn is not installed: pip install 'perpscope[ml]'")


def _history(recordings: Path) -> list[Path]:
    folder = recordings / "history"
    names = (
        "seven_venues_1h_candles.parquet",
        "binance_usdm_btc_open_interest_5m.csv.gz",
        "coinglass_btc_1h_liquidations.csv.gz",
    )
    return [folder / name for name in names]


_DECEMBER = """
import sys
from pathlib import Path
import msgspec
import numpy as np
from perpscope.analytics.hourly import features, grid
from perpscope.analytics.hourly.ledger import ledger
from perpscope.analytics.hourly.scale import UNIT, scale
from perpscope.analytics.hourly.target import Target
from perpscope.app.liqmap.arithmetic import ENOUGH, arithmetic
from perpscope.app.study.hourly_files import read_candles, read_forced, read_interest

candles, interest, forced = (Path(word) for word in sys.argv[1:])
told = read_interest(interest)
table, which = read_candles(candles, told)
end = int(told.ts[0]) + 27 * 86_400 * 10**9
rows = table.ts < end
names = ("ts", "open", "high", "low", "close", "volume")
table = msgspec.structs.replace(table, **{name: getattr(table, name)[rows] for name in names})
at = grid.grid(table, told, read_forced(forced))
number = ledger(grid.bars(at), arithmetic=arithmetic(ENOUGH)).usd
target = Target(at, features.shape(at), np.log1p(at.usd / UNIT), 360)
found = target.gain(number), target.ranks(number), scale(number, at.usd, at.hours, 360)
print(msgspec.json.encode((which, *found)).decode())
"""


def test_real_hours_of_december(recordings: Path, compiled: Path) -> None:
    """On 27 days of real liquidations the map adds to B1n on both sides, and its dollars are of the right size."""
    told = subprocess.run(
        [sys.executable, "-c", _DECEMBER, *map(str, _history(recordings))],
        env=_uncounted(compiled),
        capture_output=True,
        check=True,
    )
    which, gain, ranks, scale = msgspec.json.decode(told.stdout, type=tuple[str, Gain, dict[str, Ranks], Scale])
    assert which == "binance BTC"
    assert gain.side_hours == 574
    assert gain.delta_r2 > 0.03
    assert gain.low > 0.01
    assert min(side.delta_r2 for side in gain.by_side.values()) > 0.01
    assert min(rank.map - rank.b1 for rank in ranks.values()) > 0.04
    assert 0.5 < scale.long < 2.0
    assert 0.5 < scale.short < 2.0


@pytest.mark.soak
def test_real_hours_pass(recordings: Path, compiled: Path) -> None:
    """METHOD 14b (a) to (g) on three months of real liquidations, by the command as people run it."""
    flags = ("--candles", "--open-interest", "--liquidations")
    options = [str(part) for pair in zip(flags, _history(recordings), strict=True) for part in pair]
    found = _asked(compiled, *options, "--split", "2025-12-21")
    assert [check for check in found.checks if not check.is_met] == []
    assert found.passes
    assert found.primary.delta_r2 > 0.036
    assert found.secondary.delta_r2 > 0.027
    assert found.over_b1.delta_r2 > 0.084
    assert not found.wording.open_interest_driven
