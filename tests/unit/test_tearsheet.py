"""The tear sheet: everything it should hold is in it, it says what its data are, and it needs nothing else."""

import csv
import io
import json
import re
import time
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import matplotlib.image
import msgspec
import numpy as np
import pytest
from tests.unit.runs_made import walked

from perpscope.model.run import Run, RunCurve, RunKind, Verdict
from perpscope.reports.tearsheet import TearSheet, encoded, generated_schema, schema, tearsheet
from perpscope.reports.tearsheet_page import page
from perpscope.reports.tearsheet_pictures import NAMES, pictures
from perpscope.reports.tearsheet_significance import tests_of as asked_of
from perpscope.reports.tearsheet_words import FIGURES, base_of, named, places_of, quote_of, tags, written

_ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def run() -> Run:
    """A month of a walk, 120 trades."""
    return walked(trades=120)


@pytest.fixture(scope="module")
def files(run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Its sheet."""
    return tearsheet(run, tmp_path_factory.mktemp("sheet") / "deep")


def changed(run: Run, **fields: object) -> Run:
    """The run with some of its summary's fields otherwise."""
    return msgspec.structs.replace(run, summary=msgspec.structs.replace(run.summary, **fields))


def emptied(run: Run) -> Run:
    """A run in which nothing happened."""
    bare = changed(
        run, trades=0, refused={}, near_misses={}, notes=[], parameters={}, verdict=Verdict.TOO_FEW, version=""
    )
    curve = RunCurve(at_ms=[], equity=[], position=[])
    return msgspec.structs.replace(bare, trades=[], curve=curve, performance={}, months=[], economics={})


def test_a_folder_gets_every_file_and_the_same_again(run: Run, files: list[Path], tmp_path: Path) -> None:
    """Page, JSON, trades and six pictures; a second time the same bytes. Keeps S4-60."""
    again = tearsheet(run, tmp_path)
    names = {file.name.removeprefix("burst-b7f3c2a1") for file in files}
    assert names == {".html", ".json", "-trades.csv", *(f"-{name}.png" for name in NAMES)}
    assert files[0].suffix == ".html"
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]


def test_the_json_is_the_run_and_validates(run: Run) -> None:
    """What is written reads back as the same run, and is what the published schema says."""
    body = encoded(run)
    assert msgspec.json.decode(body, type=TearSheet).run == run
    checker = jsonschema.Draft202012Validator(json.loads(schema()))
    checker.validate(json.loads(body))
    checker.validate(json.loads(encoded(emptied(run))))
    broken = json.loads(body)
    broken["run"]["summary"]["verdict"] = "good"
    assert not checker.is_valid(broken)


def test_the_schema_of_runs_is_the_published_one() -> None:
    """The schema in the package, the one in the documents and the records say the same."""
    published = (_ROOT / "docs" / "schemas" / "tearsheet.schema.json").read_bytes()
    assert schema() == generated_schema() == published


def test_the_trades_as_csv_are_the_trades(run: Run, files: list[Path]) -> None:
    """A row each, to the last digit."""
    (file,) = (one for one in files if one.suffix == ".csv")
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [float(row["net"]) for row in rows] == [trade.net for trade in run.trades]
    assert {row["side"] for row in rows} == {"LONG", "SHORT"}


@pytest.mark.parametrize("data", ["observed", "demo", "replay"])
@pytest.mark.parametrize("kind", list(RunKind), ids=lambda kind: kind.value)
def test_what_it_met_and_what_its_data_are_is_always_said(run: Run, data: str, kind: RunKind) -> None:
    """BACKTEST, PAPER or LIVE, and OBSERVED, DEMO DATA or REPLAY: in the window's title and as labels."""
    met, label = tags(changed(run, data=data, kind=kind).summary)
    body = page(changed(run, data=data, kind=kind)).decode()
    assert re.search(rf"<title>[^<]*{met}, {label}", body)
    assert f">{met}</b>" in body
    assert f">{label}</b>" in body
    assert ("nothing in it happened" in body) is (data == "demo")


def test_the_page_needs_nothing_and_may_do_nothing_else(run: Run) -> None:
    """No address in it, no attribute the policy would refuse, and data that cannot end their element."""
    evil = changed(run, strategy="</script><script>alert(1)</script>", notes=["<img src=x onerror=alert(1)>"])
    body = page(evil).decode()
    assert "default-src &#x27;none&#x27;" in body
    visible = re.sub(r"<script.*?</script>|<style.*?</style>", "", body, flags=re.DOTALL)
    assert not re.findall(r'(?:src|href)="|style="|https?:|<img', visible)
    assert body.count("<script") == 2


def test_the_verdict_stands_before_every_figure(run: Run) -> None:
    """First the words and why, then what was assumed, then the figures."""
    body = page(run).decode()
    places = [body.index(words) for words in (run.summary.why, "What was assumed", "net PnL", "Every figure")]
    assert places == sorted(places)
    assert "It rests on few trades" not in body
    resting = msgspec.structs.replace(run, performance={**run.performance, "rests_on_few": 1.0})
    assert "It rests on few trades" in page(resting).decode()
    assert "<details open>" in body
    notes = [*(f"note {at}" for at in range(9)), "risk halted it at 09:00: drawdown"]
    halted = page(changed(run, notes=notes)).decode()
    assert "<p><b>Risk halted it at 09:00: drawdown.</b></p>" in halted
    assert "<details><summary><b>What was assumed</b> (9)</summary>" in halted
    held = changed(run, verdict=Verdict.HOLDS)
    assert 'class="verdict good"' in page(held).decode()


def test_every_figure_is_on_the_page(run: Run) -> None:
    """Each name has a label, each label its value; parameters, seed, version and both hashes are there."""
    body = page(run).decode()
    for name, value in run.performance.items():
        what = named(name)
        shown = written(value, what.unit).replace("\u2009", "\u202f")
        assert f"<td>{what.label}</td><td>{shown}</td>" in body, name
    summary = run.summary
    for said in (*summary.parameters, summary.hash, summary.data_hash, summary.version, "<td>7</td>", "momentum"):
        assert said in body


def test_every_figure_is_explained_in_the_documents(run: Run) -> None:
    """docs/backtest-figures.md has each name that can be measured, and the page has a label for each."""
    figures = (_ROOT / "docs" / "backtest-figures.md").read_text().partition("## Result")[2]
    documented = set(re.findall(r"^\| `(\w+)`", figures, re.MULTILINE))
    measured = {re.sub(r"(capacity_net_x).*", r"\1", name) for name in run.performance}
    assert measured == documented
    assert measured - {"capacity_net_x"} == set(FIGURES)


def test_a_run_without_anything_still_has_its_sheet(run: Run, tmp_path: Path) -> None:
    """No trades, no curve, no figures: page and pictures say so; and no name leads out of the folder."""
    bare = changed(emptied(run), strategy="../../etc/passwd")
    body = page(bare).decode()
    assert "What was assumed" not in body
    assert "What did not become a trade" not in body
    assert "of — days only" in body
    written_files = tearsheet(bare, tmp_path)
    assert len(written_files) == 9
    assert {file.parent for file in written_files} == {tmp_path}
    one = changed(run, near_misses={})
    assert "Near misses" not in page(one).decode()


def test_many_trades_are_shown_by_the_largest(run: Run) -> None:
    """Of 120 trades the hundred largest stand in the file as HTML, and it says so."""
    body = page(run).decode()
    rows = body[body.index('<section class="trades">') :]
    assert rows[: rows.index("</section>")].count("<tr>") == 101
    assert "The 100 largest of 120." in body
    few = msgspec.structs.replace(run, trades=[msgspec.structs.replace(run.trades[0], is_liquidated=True)])
    body = page(few).decode()
    assert "largest of" not in body
    assert "(liquidated)" in body


def test_tests_say_what_is_met_and_what_cannot_be_said(run: Run) -> None:
    """A figure that is not there is neither met nor failed."""
    words = {"✓ met", "✕ not met", "— cannot be said"}
    assert {test.verdict for test in asked_of(run)} == words
    good = {"placebo_p": 0.001, "placebo_mean": -5.0, "dsr": 0.99, "pbo": 0.1, "sharpe_low": 0.5, "top5_share": 0.4}
    fine = changed(msgspec.structs.replace(run, performance=good, trials=3), net=5.0)
    assert {test.verdict for test in asked_of(fine)} == {"✓ met"}
    assert any("3 trials" in test.name for test in asked_of(fine))
    assert {test.verdict for test in asked_of(emptied(run))} == words - {"✓ met"}


def test_names_and_units_come_from_the_instrument(run: Run) -> None:
    """BTC-USDT-PERP counts in USDT and BTC; a small account has more places; a figure without a label has its name."""
    assert (quote_of(run.summary), base_of(run.summary), places_of(run.summary)) == ("USDT", "BTC", 2)
    odd = changed(run, instrument="THING", deposit=70.0, data="other").summary
    assert (quote_of(odd), places_of(odd), tags(odd)[1]) == ("quote units", 4, "OTHER")
    assert named("some_new").label == "some new"
    assert [written(1.5, unit) for unit in ("days", "bps", "yes", "chance")] == ["1.50 d", "1.50 bps", "yes", "1.500"]
    assert written(0.0, "yes") == "no"


def test_pictures_are_pictures_with_something_on_them(run: Run, files: list[Path]) -> None:
    """Six of 1600 × 900, each with more than a few colours; with marks or liquidations missing too."""
    found = {file.stem.rpartition("-")[2]: file.read_bytes() for file in files if file.suffix == ".png"}
    assert set(found) == set(NAMES)
    without_marks = msgspec.structs.replace(run.curve, price=[], liquidation=[])
    without_prices = msgspec.structs.replace(run.curve, liquidation=[])
    for curve in (without_marks, without_prices):
        found[str(curve.price[:1])] = pictures(msgspec.structs.replace(run, curve=curve), ["leverage"])["leverage"]
    for days in (150, 30_000):
        long = changed(run, to_ms=run.summary.from_ms + days * 86_400_000)
        found[f"{days}"] = pictures(long, ["equity"])["equity"]
    years = msgspec.structs.replace(changed(run, data="observed"), months=[(f"20{y}-01", 0.0) for y in range(20, 26)])
    found |= {"years": pictures(years, ["months"])["months"]}
    assert len(found) == 11
    for name, picture in found.items():
        image = matplotlib.image.imread(io.BytesIO(picture))
        assert image.shape[:2] == (900, 1600), name
        assert len(np.unique((image[::4, ::4, :3] * 15).astype(int).reshape(-1, 3), axis=0)) > 5, name


def seconds_of_a_sheet(minutes: int, trades: int, folder: Path) -> float:
    """CPU seconds a sheet takes; fonts, which are looked for once a process, are not in it."""
    long = walked(minutes=minutes, trades=trades)
    pictures(long, ["costs"])
    begun = time.process_time()
    files = tearsheet(long, folder)
    assert len(long.curve.at_ms) <= 4000
    assert files[0].stat().st_size < 6e6
    return time.process_time() - begun


@pytest.mark.unmeasured
def test_a_run_of_weeks_has_its_sheet_in_three_seconds(tmp_path: Path) -> None:
    """1,000 trades, 50,000 minutes: at most 3 s of a core, and a curve of some thousand rows."""
    assert seconds_of_a_sheet(50_000, 1000, tmp_path) < 3.0


@pytest.mark.soak
@pytest.mark.unmeasured
def test_a_run_of_a_year_has_its_sheet_in_three_seconds(tmp_path: Path) -> None:
    """10,000 trades, 500,000 minutes: the same."""
    assert seconds_of_a_sheet(500_000, 10_000, tmp_path) < 3.0
