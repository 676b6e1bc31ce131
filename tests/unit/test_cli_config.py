"""`config`: written once, shown with its origins, checked, and read back as it was written."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from perpscope.cli.main import run
from perpscope.config import SECRETS, keys, load
from perpscope.settings import Settings

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty home, an empty working folder, and the log as it was."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    yield
    structlog.reset_defaults()


def test_a_written_file_is_all_comments_and_says_every_setting(capsys: Captured) -> None:
    """`config init` changes nothing by itself; with its comments taken off it says exactly the defaults."""
    assert run(["config", "init"]) == 0
    text = Path("perpscope.toml").read_text()
    out, err = capsys.readouterr()
    assert (out.splitlines()[0], err) == ("wrote perpscope.toml", "")
    assert load(environment={}).settings == Settings()
    names = {key.rpartition(".")[2] for key, _, _ in keys()}
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    settings = [line for line in lines if line.startswith("[") or line.partition(" = ")[0] in names]
    Path("perpscope.toml").write_text("\n".join(settings))
    loaded = load(environment={})
    assert loaded.settings == Settings()
    assert set(loaded.origins) == {key for key, _, _ in keys()} - SECRETS.keys(), "a file is no place for a secret"


def test_nothing_is_overwritten(capsys: Captured) -> None:
    """An existing file, or a place that cannot be written, is told by name."""
    Path("perpscope.toml").write_text("# mine\n")
    assert run(["config", "init"]) == 2
    assert "error config-exists: 'perpscope.toml'" in capsys.readouterr().err
    assert Path("perpscope.toml").read_text() == "# mine\n"
    assert run(["config", "init", "--config", "no/such/folder.toml"]) == 2
    assert "error config-file: cannot write" in capsys.readouterr().err


def test_settings_are_shown_with_where_they_came_from(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, environment and defaults, the venues' own tables too; what is shown is TOML."""
    Path("x.toml").write_text('[collect]\nsymbols = ["BTC", "ETH"]\n[venue.binance]\nrest_url = "http://x"\n')
    monkeypatch.setenv("PERPSCOPE_FEED__SILENT_AFTER_S", "7.5")
    assert run(["config", "show", "--config", "x.toml", "--origin"]) == 0
    out = capsys.readouterr().out
    assert 'collect.symbols = ["BTC", "ETH"]   # x.toml' in out
    assert "feed.silent_after_s = 7.5   # environment" in out
    assert "collect.books = true   # default" in out
    assert 'venue.binance.rest_url = "http://x"   # x.toml' in out
    assert run(["config", "show", "--config", "x.toml"]) == 0
    shown = tomllib.loads(capsys.readouterr().out)
    assert shown["feed"]["silent_after_s"] == 7.5
    assert shown["venue"]["binance"]["rest_url"] == "http://x"


def test_settings_as_json(capsys: Captured) -> None:
    """One object on one line, for programs."""
    assert run(["config", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found = json.loads(out)
    assert found["settings"]["collect"]["venues"] == ["binance", "bybit", "okx", "bitget", "hyperliquid"]
    assert found["origins"] == {}


@pytest.mark.parametrize(("words", "said"), [([], "configuration ok\n"), (["--json"], '{"ok":true}\n')])
def test_a_check_says_that_all_is_well(capsys: Captured, words: list[str], said: str) -> None:
    """In words or as JSON."""
    assert run(["config", "check", *words]) == 0
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[feed]\nsilent_after = 3\n", "did you mean 'feed.silent_after_s'?"),
        ("[feed]\nsilent_after_s = 'soon'\n", "error config-value"),
        ("[venue.binance]\nrest = 'x'\n", "did you mean 'venue.binance.rest_url'?"),
        ("[venue.binanse]\n", "did you mean 'binance'?"),
        ("[feed", "error config-file"),
    ],
)
def test_a_check_finds_what_is_wrong(capsys: Captured, text: str, said: str) -> None:
    """Exit 2, nothing on stdout, the mend on stderr. Keeps S4-25."""
    Path("perpscope.toml").write_text(text)
    assert run(["config", "check"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_a_table_takes_the_place_of_a_value(capsys: Captured) -> None:
    """A later file says `[feed]` where an earlier one says `feed = 1`: the later one counts."""
    home = Path("home/.config/perpscope")
    home.mkdir(parents=True)
    (home / "config.toml").write_text("feed = 1\n")
    assert run(["config", "check"]) == 2
    assert "error config-value" in capsys.readouterr().err
    Path("perpscope.toml").write_text("[feed]\nsilent_after_s = 3\n")
    assert run(["config", "check"]) == 0
