"""The token and the webhook's secret: where they may stand, that they are never shown, and what is made of settings."""

from pathlib import Path

import pytest
import structlog
from tests.unit.test_notify_telegram import Alerts

from perpscope.app.face import Live
from perpscope.cli.main import run
from perpscope.config import MASK, load
from perpscope.errors import ConfigError
from perpscope.notify import credentials
from perpscope.notify.sinks import make_sinks, page_of
from perpscope.settings import Settings, Telegram, Web, Webhook

TOKEN = "4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qcK"
SET = {"PERPSCOPE_TELEGRAM__TOKEN": TOKEN, "PERPSCOPE_WEBHOOK__SECRET": "hush-hush"}


@pytest.mark.parametrize(
    ("text", "key"),
    [(f'[telegram]\ntoken = "{TOKEN}"\n', "telegram.token"), ('[webhook]\nsecret = "hush-hush"\n', "webhook.secret")],
    ids=["token", "secret"],
)
def test_a_secret_in_a_file_of_settings_is_refused(tmp_path: Path, text: str, key: str) -> None:
    """Such files are copied and committed; the refusal says where it belongs and does not repeat it."""
    file = tmp_path / "perpscope.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(file=file, environment={})
    assert refused.value.code == "config-secret"
    assert refused.value.message.startswith(f"{key} stands in {file}")
    assert "PERPSCOPE_" in str(refused.value.hint)
    assert TOKEN not in f"{refused.value.message} {refused.value.hint}"
    assert "hush" not in f"{refused.value.message} {refused.value.hint}"


def test_the_tree_of_settings_never_holds_it() -> None:
    """Whatever prints, logs or sends settings cannot leak what is not in them; that it is set can be seen."""
    loaded = load(environment=SET, home=Path("/nowhere"), folder=Path("/nowhere"))
    assert (loaded.settings.telegram.token, loaded.settings.webhook.secret) == (MASK, MASK)
    assert loaded.origins["telegram.token"] == "environment"
    assert TOKEN not in repr(loaded)
    assert "hush" not in repr(loaded)


def test_config_show_masks_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`config show` says that a token is set and by whom, in both forms, and never which."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in SET.items():
        monkeypatch.setenv(name, value)
    assert run(["config", "show", "--origin"]) == 0
    out = capsys.readouterr().out
    assert 'telegram.token = "••••"   # environment' in out
    assert run(["config", "show", "--json"]) == 0
    out += capsys.readouterr().out
    assert TOKEN not in out
    assert "hush" not in out
    structlog.reset_defaults()


def test_the_token_comes_from_the_environment_or_a_file_of_its_own(tmp_path: Path) -> None:
    """The environment goes first; a file is taken where only its owner reads it."""
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    settings = Telegram(token_file=str(file))
    found = credentials.bot_token(settings, {})
    assert found is not None
    assert found.reveal() == TOKEN
    other = credentials.bot_token(settings, {"PERPSCOPE_TELEGRAM__TOKEN": f" {TOKEN[:-1]}x "})
    assert other is not None
    assert other.reveal() == f"{TOKEN[:-1]}x"
    assert credentials.bot_token(Telegram(), {}) is None
    key = credentials.webhook_key(Webhook(secret_file=str(file)), {})
    assert key is not None


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (TOKEN.encode(), 0o644, "secret-open"),
        (b"", 0o600, "secret-file"),
        (b"a\nb", 0o600, "secret-file"),
        ("비밀".encode(), 0o600, "secret-file"),
        (b"12:short", 0o600, "telegram-token"),
        (None, 0o600, "secret-file"),
    ],
    ids=["readable-by-others", "empty", "two-lines", "no-ascii", "no-token", "missing"],
)
def test_a_file_that_is_not_to_be_trusted_is_refused(
    tmp_path: Path, content: bytes | None, mode: int, code: str
) -> None:
    """Each with its own code, and without what is in it."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(ConfigError) as refused:
        credentials.bot_token(Telegram(token_file=str(file)), {})
    assert refused.value.code == code
    assert TOKEN not in refused.value.message
    assert "short" not in refused.value.message


def test_sinks_are_those_that_are_set_up(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The log always; a webhook with an address; a bot with a token and a chat; one that is wrong is left out, once."""

    def names(settings: Settings) -> list[str]:
        return [sink.name for sink in make_sinks(settings, None, Live(None), Alerts())]

    monkeypatch.delenv("PERPSCOPE_TELEGRAM__TOKEN", raising=False)
    assert names(Settings()) == ["log"]
    assert names(Settings(webhook=Webhook(url="http://127.0.0.1:9/x"))) == ["log", "webhook"]
    assert names(Settings(telegram=Telegram(chats=(42,)))) == ["log"]
    assert "no token" in "".join(capsys.readouterr())  # wherever an earlier test has led the log
    monkeypatch.setenv("PERPSCOPE_TELEGRAM__TOKEN", TOKEN)
    assert names(Settings(telegram=Telegram(chats=(42,), commands=False))) == ["log", "telegram"]
    assert names(Settings()) == ["log"]
    assert "perpscope telegram setup" in "".join(capsys.readouterr())
    monkeypatch.setenv("PERPSCOPE_TELEGRAM__TOKEN", "wrong")
    assert names(Settings(telegram=Telegram(chats=(42,)))) == ["log"]
    told = "".join(capsys.readouterr())
    assert "telegram-token" in told
    assert "wrong" not in told.replace("wrong token", "")


@pytest.mark.parametrize(
    ("web", "page"),
    [
        (Web(), "http://127.0.0.1:8000"),
        (Web(host="localhost", port=9), "http://127.0.0.1:9"),
        (Web(public_url="https://desk.example/p/"), "https://desk.example/p"),
        (Web(host="0.0.0.0"), ""),  # nobody could follow it
        (Web(port=0), ""),
    ],
    ids=["loopback", "localhost", "public", "everywhere", "any-port"],
)
def test_links_lead_where_somebody_can_follow(web: Web, page: str) -> None:
    """A button leads to the page as people reach it; where that is not known, there is none."""
    assert page_of(Settings(web=web)) == page
