"""Settings: precedence, refusal of unknown keys, and the words of every error."""

from pathlib import Path

import pytest

from perpscope.app import venues
from perpscope.config import Loaded, keys, load
from perpscope.errors import ConfigError
from perpscope.settings import Settings


def loaded(tmp_path: Path, text: str = "", environment: dict[str, str] | None = None) -> Loaded:
    """Settings of a project file and an environment alone."""
    (tmp_path / "perpscope.toml").write_text(text, "utf-8")
    return load(environment=environment or {}, home=tmp_path / "home", folder=tmp_path)


def test_later_sources_win(tmp_path: Path) -> None:
    """Defaults < home file < project file < environment < flags, and each value knows where it came from."""
    home = tmp_path / "home" / ".config" / "perpscope"
    home.mkdir(parents=True)
    (home / "config.toml").write_text("[feed]\nsilent_after_s = 1\nack_timeout_s = 2\nconnect_timeout_s = 3\n")
    found = load(
        environment={"PERPSCOPE_FEED__CONNECT_TIMEOUT_S": "33", "PERPSCOPE_COLLECT__SYMBOLS": "BTC, ETH"},
        flags={"collect.venues": ["binance"], "recording.folder": None},
        home=tmp_path / "home",
        folder=_project(tmp_path, "[feed]\nack_timeout_s = 22\n"),
    )
    feed = found.settings.feed
    assert (feed.silent_after_s, feed.ack_timeout_s, feed.connect_timeout_s) == (1.0, 22.0, 33.0)
    assert found.settings.collect.symbols == ("BTC", "ETH")
    assert found.origins["feed.connect_timeout_s"] == "environment"
    assert found.origins["collect.venues"] == "command line"
    assert found.origins["feed.silent_after_s"].endswith("config.toml")
    assert "recording.folder" not in found.origins


def _project(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "perpscope.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "code", "said", "hint"),
    [
        ("[feed]\nsilent_after = 3\n", "config-unknown-key", "feed.silent_after", "feed.silent_after_s"),
        ("[colect]\nbooks = true\n", "config-unknown-key", "colect", "collect"),
        ("[zzz]\n", "config-unknown-key", "zzz", "known here"),
        ("[feed]\nsilent_after_s = -1\n", "config-value", "feed.silent_after_s", "config show"),
        ("[feed]\nsilent_after_s = 'soon'\n", "config-value", "feed.silent_after_s", "config show"),
        ("[feed\n", "config-file", "perpscope.toml", "mend"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, text: str, code: str, said: str, hint: str) -> None:
    """An unknown key names its nearest neighbour; a wrong value names its rule. Keeps S4-25."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert caught.value.code == code
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_wrong_variables_are_refused(tmp_path: Path) -> None:
    """A misspelt PERPSCOPE_ variable is an error; the reserved ones are not settings."""
    with pytest.raises(ConfigError, match="feeed"):
        loaded(tmp_path, environment={"PERPSCOPE_FEEED__X": "1"})
    with pytest.raises(ConfigError, match="goes below"):
        loaded(tmp_path, environment={"PERPSCOPE_FEED": "1", "PERPSCOPE_FEED__X": "1"})
    assert loaded(tmp_path, environment={"PERPSCOPE_DATA": "/x", "PERPSCOPE_WEB": "skip"}).settings == Settings()


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """`--config` with no such file is an error; the default places may be empty."""
    with pytest.raises(ConfigError, match="does not exist"):
        load(file=tmp_path / "none.toml", environment={})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(file=tmp_path / "bytes.toml", environment={})


def test_venue_tables_stay_raw_until_their_owner_converts_them(tmp_path: Path) -> None:
    """`[venue.binance]` is checked by the venue's own Struct, with the same unknown-key error. Keeps S2-55."""
    raw = loaded(tmp_path, "[venue.binance]\nwebsocket_url = 'wss://example.test'\n").settings.venue
    assert venues.settings("binance", raw).websocket_url == "wss://example.test"
    wrong = loaded(tmp_path, "[venue.binance]\nwebsocket = 'x'\n").settings.venue
    with pytest.raises(ConfigError) as caught:
        venues.refuse_unknown(wrong)
    assert "venue.binance.websocket_url" in (caught.value.hint or "")
    with pytest.raises(ConfigError) as caught:
        venues.refuse_unknown(loaded(tmp_path, "[venue.binanse]\nrest_url = 'x'\n").settings.venue)
    assert "binance" in (caught.value.hint or "")


def test_every_setting_is_described() -> None:
    """`config init` and docs/config.md are made from these descriptions."""
    listed = list(keys())
    assert len(listed) >= 12
    assert all(description for _, _, description in listed)
