"""`config show` tells everything but the password of a proxy."""

import pytest
from typer.testing import CliRunner

from perpscope.cli.commands import app
from perpscope.feeds.redaction import redacted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("through http://me:secret@10.0.0.1:3128", "through http://***@10.0.0.1:3128"),
        ("socks5h://me@host:1 and ws://x:2/p", "socks5h://***@host:1 and ws://x:2/p"),
        ("http://me:p/w@rd@host:1", "http://***@host:1"),
        ('{"a":"http://h:1","b":"c@d"}', '{"a":"http://h:1","b":"c@d"}'),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_user_and_password_are_left_out(text: str, told: str) -> None:
    """Of every URL in a text, and nothing else of it. Keeps B14."""
    assert redacted(text) == told


@pytest.mark.parametrize("words", [["config", "show"], ["config", "show", "--origin"], ["config", "show", "--json"]])
def test_settings_are_shown_without_the_proxys_password(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The general proxy and a venue's own, as text and as JSON. Keeps B14."""
    monkeypatch.setenv("PERPSCOPE_PROXY__URL", "http://me:hunter2@10.0.0.1:3128")
    monkeypatch.setenv("PERPSCOPE_VENUE__BINANCE__PROXY", "socks5://me:hunter2@10.0.0.2:1080")
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert "hunter2" not in done.output
    assert "http://***@10.0.0.1:3128" in done.output
    assert "socks5://***@10.0.0.2:1080" in done.output
