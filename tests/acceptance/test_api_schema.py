"""The API against its own description: schemathesis makes requests of every kind, and no answer breaks the contract."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perpscope.app import demo_past
from perpscope.feeds.clock import wall_ns
from perpscope.lab.agents.past import Making
from perpscope.lab.dialect import VENUES
from tests.acceptance.facing import face

SEED = "20261122"
_HOUR_NS = 3_600_000_000_000
#: What no answer may do, whatever was asked.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"

#: Requests made of every rule of the description in turn cost most: of all operations they are left to the soak.
PHASES = ("--phases", "coverage,fuzzing")
FUZZING = ("--phases", "fuzzing")

#: Operations whose answers cost next to nothing: of the others only what is refused is asked for every day.
QUICK = ("candles", "liquidations", "long_short", "map_score", "signals", "symbols", "status")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A face on a store with some demo hours in it, that lets one caller ask often."""
    database = tmp_path_factory.mktemp("schema") / "demo.db"
    making = Making(7, ("BTC",), wall_ns() // _HOUR_NS * _HOUR_NS, 0.25, processes=1)
    try:
        demo_past.fill(database, making.result(), VENUES, lambda: False)
    finally:
        making.close()
    with face(database, PERPSCOPE_WEB__REQUESTS_PER_MIN="1000000") as at:
        yield at


def examined(url: str, tmp_path: Path, *words: str) -> int:
    """How many requests schemathesis made; fails with its own words where an answer breaks the description."""
    asked = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--checks", CHECKS),
            *("--seed", SEED, "--generation-database", "none", "--no-color"),
            *("--suppress-health-check", "all", "--request-timeout", "60", "--continue-on-failure", *words),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stdout[-12_000:] + asked.stderr[-2_000:]
    made = re.search(r"([\d,]+) generated", asked.stdout)
    assert made, asked.stdout[-3_000:]
    return int(made[1].replace(",", ""))


def test_no_request_breaks_the_description(url: str, tmp_path: Path) -> None:
    """Hundreds of requests, right and wrong: no 5xx, every body as the description says. Keeps S0-42."""
    quick = [f"--include-operation-id={name}" for name in QUICK]
    wrong = examined(url, tmp_path, *FUZZING, "--mode", "negative", "--max-examples", "4")
    wrong += examined(url, tmp_path, *PHASES, "--mode", "negative", "--max-examples", "2", *quick)
    right = examined(url, tmp_path, *PHASES, "--mode", "positive", "--max-examples", "2", *quick)
    assert wrong + right >= 200


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_thousands_of_requests_break_nothing(url: str, tmp_path: Path) -> None:
    """The same of every path, with 2,000 requests and more."""
    assert examined(url, tmp_path, *PHASES, "--max-examples", "60") >= 2000
