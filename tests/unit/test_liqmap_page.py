"""The map and the heatmap as one HTML file: nothing is fetched, every figure is in it, each panel says what it is."""

import base64
import itertools
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import structlog
from tests.unit.kept_market import Market

from perpscope.analytics.liqmap import heat
from perpscope.app.liqmap.answer import MapAnswer
from perpscope.app.liqmap.keeper import MapKeeper
from perpscope.app.liqmap.pages import heat_html, map_html
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_heatmap, read_map
from perpscope.cli.main import run
from perpscope.errors import ConfigError
from perpscope.reports.liqmap_page import Drawn, Sheet, map_page
from perpscope.settings import Map
from perpscope.stores.status import StoreKind


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo store, an hour of which is kept."""
    market = Market(tmp_path_factory.mktemp("page") / "market.db")
    market.go_on(70)
    kept = MapKeeper(Map(), market.path, threading.Event())
    for _ in range(4):
        market.go_on(5)
        kept.keep()
    kept.close()
    market.close()
    return market.path


@pytest.fixture(scope="module")
def answer(store: Path) -> MapAnswer:
    """Its map."""
    return read_map(store, Question(name="BTC"))


def element(page: str, name: str) -> dict[str, object]:
    """The data of an element."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    told: dict[str, object] = json.loads(found[1])
    return told


def assert_alone(page: str) -> None:
    """It may run what is in it, and has nothing to load."""
    assert "default-src &#x27;none&#x27;" in page
    assert page.count("<script>") == 1
    for word in ("http:", "https:", "//cdn", " src=", "<link", "@import", "url(", "fetch(", "XMLHttp", "import("):
        assert word not in page


def test_a_page_of_a_map_has_every_figure(answer: MapAnswer) -> None:
    """The answer as JSON, its tables, and labels: what is estimated, what observed, that it is a demo. Keeps S3-04."""
    page = map_html(answer).decode()
    assert_alone(page)
    told = element(page, "answer")
    assert told["name"] == "BTC"
    assert len(answer.bins) == page.count("<td>▼ longs</td>") + page.count("<td>▲ shorts</td>") - len(
        answer.clusters
    )  # fmt: skip
    assert page.count('<b class="tag">DEMO DATA</b>') == 2, "of the page, and of what the venues of a demo told"
    assert page.count('<b class="tag model">ESTIMATE</b>') == 5
    assert "OBSERVED" not in page
    assert "This is a generated market" in page
    assert "whether the price goes there" in re.sub(r"\s+", " ", page)
    for note in answer.notes:
        assert note.split(":")[0][:20] in page


def test_what_is_drawn_is_what_was_answered(answer: MapAnswer) -> None:
    """Bins by price without holes, both sides; their sums are the answer's but for faint ones at the ends."""
    drawn = element(map_html(answer).decode(), "drawn")
    bins = drawn["bins"]
    assert isinstance(bins, list)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(bins))
    for side, column in (("LONG", 2), ("SHORT", 3)):
        total = sum(one.usd for one in answer.bins if one.side == side)
        assert sum(row[column] for row in bins) == pytest.approx(total, rel=0.05)
    assert drawn["mark"] == answer.summary.price


def test_a_page_of_a_heatmap_has_every_cell(store: Path) -> None:
    """Its codes are the heatmap's own, and decode to the same dollars."""
    found = read_heatmap(store, Question(name="BTC"), hours=0.4, every_min=5.0)
    page = heat_html(found).decode()
    assert_alone(page)
    drawn = element(page, "drawn")
    raw = base64.b64decode(str(drawn["codes"]))
    codes = np.frombuffer(raw, "<u2").reshape(len(found.prices), -1)
    np.testing.assert_allclose(heat.decoded(codes), found.heatmap.usd)
    assert drawn["ratio"] == heat.RATIO
    assert drawn["times"] == [ts // 10**6 for ts, *_ in found.prices]
    assert page.count("<tr>") > len(found.prices)
    assert page.count('<b class="tag">DEMO DATA</b>') == 1


def test_a_heatmap_of_one_column_is_no_page(store: Path) -> None:
    """It says what to do instead."""
    found = read_heatmap(store, Question(name="BTC"), hours=0.4, every_min=600.0)
    with pytest.raises(ConfigError, match="two columns or more"):
        heat_html(found)


def test_a_map_of_one_side_is_drawn() -> None:
    """One bin, and bins that hold nothing at all."""
    sheet = Sheet(
        title="<b>", subject="", data=StoreKind.OBSERVED, facts=[], panels=[], notes=["a < b"], body=b"{}"
    )  # fmt: skip
    page = map_page([Drawn(low=1.0, high=2.0), Drawn(low=2.0, high=3.0)], 2.0, [], sheet).decode()
    assert "DEMO" not in page
    assert "a &lt; b" in page
    assert "&lt;b&gt;" in page
    assert len(json.loads(json.dumps(element(page, "drawn")["bins"]))) == 2


@pytest.mark.parametrize("command", ["map", "heatmap"])
def test_a_page_is_written_where_it_is_asked_for(
    store: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `--html`; a folder that is not there is an error that says so."""
    hours = ["--hours", "0.4", "--every", "5"] if command == "heatmap" else []
    assert run([command, "BTC", "--db", str(store), *hours, "--html", str(tmp_path / "x.html")]) == 0
    assert (tmp_path / "x.html").read_bytes().startswith(b"<!doctype html>")
    assert run([command, "BTC", "--db", str(store), *hours, "--html", str(tmp_path / "no" / "x.html")]) != 0
    assert "x.html" in capsys.readouterr().err


def test_the_viewer_of_maps_is_small() -> None:
    """As much as a page can carry without being slow to open."""
    viewer = Path(__file__).parents[2] / "src/perpscope/reports/viewer"
    assert len((viewer / "liqmap.js").read_bytes()) <= 12_000
