"""One sweep over every strategy, found by its file: it compiles, is documented, and never trades on nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.strategy_answers import answers, watched

from perpscope.app import strategies
from perpscope.settings import Settings
from perpscope.trading.compiling import blank
from perpscope.trading.layout import (
    ACCOUNT,
    EXIT,
    LONG,
    NOTE_EDGE,
    NOTE_FAILED,
    NOTE_SIDE,
    NOTE_STOP,
    NOTE_TAKE,
    NOTE_WHY,
    NUMBERS,
    SHORT,
    STAY,
    WATCH,
)
from perpscope.trading.strategy import Needs, Record, Strategy

ROOT = Path(__file__).resolve().parents[2]
NAMES = strategies.names()
MANY = 200


def strategy(name: str) -> Strategy:
    """By its name."""
    return strategies.find(name)


def asked(found: Strategy, watch: Record, account: Record) -> tuple[int, list[float]]:
    """An answer, and what was noted with it."""
    numbers, notes = np.zeros(NUMBERS), np.zeros(NUMBERS)
    own = found.numbers(found.parameters())
    numbers[: own.size] = own
    notes[NOTE_EDGE] = np.nan
    return int(found.rule(watch, account, numbers, notes)), notes.tolist()


def test_there_are_four() -> None:
    """The built-in strategies are these."""
    assert NAMES == ["burst", "hold", "inference", "magnet"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_sound(name: str) -> None:
    """Its name is its file's; parameters have bounds and descriptions, words are kebab-case, the grid is in bounds."""
    found = strategy(name)
    assert found.name == name
    assert not strategies.flaws(found)
    assert found.summary.endswith(".")
    defaults = found.parameters()
    for key, values in found.grid.items():
        assert float(getattr(defaults, key)) in values, f"{key}: the default is no point of its grid"
        for value in values:
            strategies.parameters(found, Settings(), {key: f"{value:g}"})


@pytest.mark.parametrize("name", NAMES)
def test_it_is_documented(name: str) -> None:
    """docs/strategies.md has a chapter on it: every reason, entry rule and parameter, and its verdict. Keeps B25."""
    text = (ROOT / "docs" / "strategies.md").read_text("utf-8")
    chapter = re.search(rf"^## `{name}`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert chapter, f"no chapter ## `{name}`"
    found = strategy(name)
    for word in (*found.reasons[1:], *found.entry_rules, *found.parameters.__struct_fields__):
        assert f"`{word}`" in chapter[1], word
    assert "Verdict" in chapter[1]


@pytest.mark.parametrize("name", NAMES)
def test_it_never_trades_on_nothing(name: str) -> None:
    """With every figure unknown it stays, flat or not, and tells no near miss; only time may end a position."""
    found = strategy(name)
    for size in (0, 5, -5):
        watch, account = blank(WATCH)[0], blank(ACCOUNT)[0]
        for field in WATCH.names or ():
            if WATCH[field].base.kind == "f":
                watch[field] = np.nan
        for field in ("now", "map_at", "forecast_at", "forecast_for", "bar_at"):
            watch[field] = 10**18
        watch["bars"], watch["seconds"], watch["bar_ns"], watch["is_bar"], watch["is_promoted"] = (
            500,
            500,
            60 * 10**9,
            1,
            1,
        )
        account["size"], account["opened_at"] = size, 10**18
        answer, notes = asked(found, watch, account)
        assert answer == STAY
        assert notes[NOTE_FAILED] == 0.0


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_what_it_says_is_within_its_words(name: str, seed: int) -> None:
    """Reasons and rules have words, distances are fractions, and what is held is never added to."""
    found = strategy(name)
    watch, account = watched(np.random.default_rng(seed))
    watch["is_bar"] = 1
    answer, notes = asked(found, watch, account)
    assert answer in (STAY, LONG, SHORT, EXIT)
    assert 0 <= int(notes[NOTE_WHY]) < len(found.reasons)
    assert 0 <= int(notes[NOTE_FAILED]) < 2 ** len(found.entry_rules)
    assert notes[NOTE_SIDE] in (STAY, LONG, SHORT)
    if account["size"]:
        assert answer in (STAY, EXIT)
    elif answer != STAY:
        assert answer != EXIT
        assert notes[NOTE_FAILED] == 0.0
        assert 0.0 <= notes[NOTE_STOP] < 1.0
        assert notes[NOTE_TAKE] >= 0.0
        assert found.is_baseline or notes[NOTE_STOP] > 0.0
    if answer != STAY:
        assert notes[NOTE_WHY] > 0.0


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_needs(name: str) -> None:
    """Each looks at candles; what is asked each second, or at a book, says so."""
    found = strategy(name)
    assert Needs.CANDLES in found.needs
    assert not (Needs.BOOK in found.needs and not found.is_asked_each_second)


@pytest.mark.unmeasured
@pytest.mark.timeout(300)  # a compiler of its own: ten seconds of a processor
def test_compiled_rules_answer_alike(tmp_path: Path) -> None:
    """Every rule compiles, and answers in compiled code as in plain Python, notes to the last bit. Keeps S4-28."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COVERAGE_", "NUMBA_"))}
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "NUMBA_CACHE_DIR": str(tmp_path)}
    script = [sys.executable, "-m", "tests.contract.strategy_answers", str(MANY)]
    run = subprocess.run(script, env=kept | paths, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    is_compiled, *lines = run.stdout.splitlines()
    assert is_compiled == "True"
    plain = [f"{name} {line}" for name in NAMES for line in answers(strategy(name), MANY, 1)]
    assert lines == plain
    for name in NAMES:
        said = {line.split()[1] for line in lines if line.startswith(f"{name} ")}
        assert len(said) > 1, f"{name} was asked nothing worth an answer"
