"""Strategies by name, by file and by the configuration; their parameters; what is refused, and in which words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perpscope.app import kept_code, strategies
from perpscope.errors import ConfigError
from perpscope.settings import Settings

OWN = '''"""Mine."""

from typing import Annotated

from msgspec import Meta, Struct

from perpscope.trading.compiling import loops
from perpscope.trading.layout import LONG, NOTE_STOP, NOTE_WHY, STAY
from perpscope.trading.strategy import Needs, Strategy
from perpscope.trading.watch import ret


class Mine(Struct, frozen=True):
    """`[strategy.mine]`."""

    drop: Annotated[float, Meta(gt=0, lt=1, description="fall that is bought, fraction")] = 0.03


@loops
def rule(w, account, p, notes):
    if account.size == 0 and ret(w, 15) <= -p[0]:
        notes[NOTE_WHY], notes[NOTE_STOP] = 1, 0.02
        return LONG
    return STAY


STRATEGY = Strategy(
    name="mine", summary="Buys a fall.", parameters=Mine, needs=Needs.CANDLES, reasons=("", "fall"), entry_rules=(),
    rule=rule,
)
'''


def written(folder: Path, text: str = OWN, name: str = "mine.py") -> Path:
    """A file of one's own."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def refused(name: str, settings: Settings | None = None) -> ConfigError:
    """What asking for it is answered with."""
    with pytest.raises(ConfigError) as caught:
        strategies.proven(strategies.find(name, settings))
    return caught.value


def test_a_shipped_one_is_found_by_name() -> None:
    """Each has the name of its file."""
    assert [strategies.find(name).name for name in strategies.names()] == strategies.names()


def test_ones_own_is_found_by_its_file(tmp_path: Path) -> None:
    """A path that ends in .py is run, and asked once to see that it works."""
    found = strategies.proven(strategies.find(str(written(tmp_path))))
    assert (found.name, found.numbers(found.parameters()).tolist()) == ("mine", [0.03])


def test_ones_own_is_found_by_name_where_the_configuration_has_its_file(tmp_path: Path) -> None:
    """`[strategy.mine] file = …` makes it one like the others, with parameters beside."""
    settings = Settings(strategy={"mine": {"file": str(written(tmp_path)), "drop": 0.05, "enabled": True}})
    found = strategies.find("mine", settings)
    assert strategies.parameters(found, settings) == found.parameters(drop=0.05)


def test_parameters_come_from_the_table_then_the_command_line() -> None:
    """The command line wins; what neither names is the default."""
    settings = Settings(strategy={"burst": {"bars": 30, "volume": 4.0}})
    found = strategies.find("burst", settings)
    told = strategies.parameters(found, settings, strategies.assigned(["volume=5", " stop = 0.02"]))
    assert told == found.parameters(bars=30, volume=5.0, stop=0.02)


@pytest.mark.parametrize(
    ("table", "given", "code", "words"),
    [
        pytest.param({"volum": 4}, [], "config-unknown-key", "'strategy.burst.volum'", id="table"),
        pytest.param({}, ["volum=4"], "config-unknown-key", "in command line", id="command line"),
        pytest.param({"stop": 2}, [], "config-value", "'strategy.burst.stop'", id="range"),
        pytest.param({}, ["stop=much"], "config-value", "(from command line)", id="no number"),
        pytest.param({}, ["stop"], "option-value", "key=value", id="no value"),
        pytest.param({}, ["=1"], "option-value", "key=value", id="no key"),
    ],
)
def test_a_parameter_that_is_none_is_refused(table: dict[str, object], given: list[str], code: str, words: str) -> None:
    """The house's own words: which key, from where, and the nearest."""
    settings = Settings(strategy={"burst": table})
    with pytest.raises(ConfigError) as caught:
        strategies.parameters(strategies.find("burst"), settings, strategies.assigned(given))
    assert caught.value.code == code
    assert words in str(caught.value)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """Or with all there are."""
    assert (refused("brust").code, refused("brust").hint) == ("strategy-unknown", "did you mean 'burst'?")
    assert "burst, hold, inference, magnet" in str(refused("zzz").hint)


def test_a_table_of_no_strategy_is_refused(tmp_path: Path) -> None:
    """A misspelt table would be silently without effect; one with a file, or of the file that is run, is not."""
    assert refused("burst", Settings(strategy={"magnt": {}})).hint == "did you mean 'strategy.magnet'?"
    assert "file" in str(refused("burst", Settings(strategy={"zzz": {}})).hint)
    own = str(written(tmp_path))
    assert strategies.find("burst", Settings(strategy={"mine": {"file": own}})).name == "burst"
    assert strategies.find(own, Settings(strategy={"mine": {"drop": 0.1}})).name == "mine"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        pytest.param("STRATEGY = 1\n", "strategy-file", "has no STRATEGY", id="none"),
        pytest.param("1 / 0\n", "strategy-file", "ZeroDivisionError", id="raises"),
        pytest.param("import\n", "strategy-file", "SyntaxError", id="syntax"),
        pytest.param(OWN.replace('"mine"', '"My One"'), "strategy-file", "'My One'", id="name"),
        pytest.param(OWN.replace('("", "fall")', '("fall",)'), "strategy-file", "begin with", id="reasons"),
        pytest.param(OWN.replace('"fall")', '"A fall")'), "strategy-file", "hyphens", id="words"),
        pytest.param(OWN.replace("gt=0, lt=1, ", ""), "strategy-file", "no bounds", id="bounds"),
        pytest.param(
            OWN.replace(', description="fall that is bought, fraction"', ""), "strategy-file", "no desc", id="d"
        ),
        pytest.param(
            OWN.replace("rule=rule", 'rule=rule, grid={"dorp": (1.0,)}'), "strategy-file", "'dorp'", id="grid"
        ),
        pytest.param(OWN.replace("ret(w, 15)", "w.nothing"), "strategy-rule", "nothing", id="field"),
    ],
)
def test_a_file_that_is_no_strategy_says_why(tmp_path: Path, text: str, code: str, words: str) -> None:
    """Whatever a stranger wrote is answered in words, not with a traceback."""
    error = refused(str(written(tmp_path, text)))
    assert error.code == code
    assert words in str(error)


def test_too_many_parameters_are_refused(tmp_path: Path) -> None:
    """A desk has room for thirty-two."""
    line = next(line for line in OWN.splitlines() if line.startswith("    drop"))
    many = "\n".join(line.replace("drop", f"drop{number}") for number in range(33))
    assert "33 parameters" in str(refused(str(written(tmp_path, OWN.replace(line, many)))))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """So is one that the configuration calls by another name than its own."""
    assert "no file" in str(refused(str(tmp_path / "none.py")))
    settings = Settings(strategy={"other": {"file": str(written(tmp_path))}})
    assert "'mine'" in str(refused("other", settings))


@pytest.mark.unmeasured
@pytest.mark.timeout(300)  # a compiler of its own: five seconds of a processor
def test_a_rule_that_cannot_be_compiled_says_so(tmp_path: Path) -> None:
    """With the compiler on: a plain function is told of @loops; what numba cannot do is told in its first line."""
    plain = written(tmp_path, OWN.replace("@loops\n", ""), "plain.py")
    wrong = written(tmp_path, OWN.replace("ret(w, 15)", "{}.get(w)"), "wrong.py")
    program = (
        "import sys\nfrom perpscope.app import strategies as s\nfrom perpscope.errors import ConfigError\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n        s.proven(s.find(path)); print('good')\n"
        "    except ConfigError as error:\n        print(error.code, error.hint)\n"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COVERAGE_", "NUMBA_"))}
    environment = kept | {"PYTHONPATH": "src", "XDG_DATA_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", program, str(plain), str(wrong), str(written(tmp_path))],
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["strategy-rule", "strategy-rule", "good"]
    assert "@loops above it" in lines[0]
    assert list((tmp_path / "perpscope" / "numba").rglob("*.nbc")), "what was compiled is not kept"


def test_compiled_code_goes_by_its_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is named by a hash of the sources; of other sources' folders the newest three stay."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    ours = kept_code.keep_compiled()
    assert os.environ["NUMBA_CACHE_DIR"] == str(ours)
    assert ours == kept_code.keep_compiled()
    for age in range(5):
        folder = ours.parent / f"of{age}"
        folder.mkdir(parents=True)
        os.utime(folder, (1000 - age, 1000 - age))
    (ours.parent / "a file").touch()
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    kept_code.keep_compiled()
    assert sorted(path.name for path in ours.parent.iterdir()) == ["a file", "of0", "of1", "of2"]
