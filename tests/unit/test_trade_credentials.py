"""Keys of an account: where they may come from, and that nothing shows them."""

import os
from pathlib import Path

import pytest

from perpscope.app.trade.credentials import keys_of, without_keys
from perpscope.config import load
from perpscope.errors import ConfigError
from perpscope.feeds.private_calls import Keys
from perpscope.settings import Trade

KEY, SECRET = "k" * 30 + "ey" * 17, "s" * 30 + "ecret7" * 5
ENVIRONMENT = {"PERPSCOPE_TRADE_KEY": KEY, "PERPSCOPE_TRADE_SECRET": SECRET, "PATH": "/bin"}


def kept(folder: Path, text: str, mode: int = 0o600) -> Trade:
    """Settings that name a file of that text."""
    file = folder / "keys"
    file.write_text(text, "utf-8")
    file.chmod(mode)
    return Trade(keys=str(file))


def refused(trade: Trade, environment: dict[str, str] | None = None) -> ConfigError:
    """The error, which says what to do and has nothing of the secret in it."""
    with pytest.raises(ConfigError) as caught:
        keys_of(trade, environment or {})
    assert caught.value.hint
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    return caught.value


def test_keys_come_from_the_environment(tmp_path: Path) -> None:
    """Before any file; half of them is none (RELIABILITY S13)."""
    found = keys_of(kept(tmp_path, f"key={'o' * 20}\nsecret={'p' * 20}\n"), ENVIRONMENT)
    assert found == Keys(KEY, SECRET)
    assert refused(Trade(), {"PERPSCOPE_TRADE_KEY": KEY}).code == "trade-keys"
    assert refused(Trade(), {"PERPSCOPE_TRADE_SECRET": SECRET}).code == "trade-keys"
    assert refused(Trade()).code == "trade-keys"


@pytest.mark.parametrize(
    "text",
    [
        f"key={KEY}\nsecret={SECRET}\n",
        f"# of the account\n key = {KEY}\n secret = '{SECRET}'\n",
        f'key = "{KEY}"\nsecret = "{SECRET}"\nnumber = 3\n',
    ],
    ids=["lines", "lines with spaces", "toml"],
)
def test_keys_come_from_a_file(tmp_path: Path, text: str) -> None:
    """As two lines or as TOML, from a file that its owner alone may read."""
    assert keys_of(kept(tmp_path, text), {}) == Keys(KEY, SECRET)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Its group included, and the message says what to do (RELIABILITY S13)."""
    error = refused(kept(tmp_path, f"key={KEY}\nsecret={SECRET}\n", mode))
    assert error.code == "secret-open"
    assert f"{mode:04o}" in error.message
    assert str(error.hint).startswith("chmod 600")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "secret-file"),
        ("x" * 20_000, "secret-file"),
        (f"key={KEY}\n", "trade-keys"),
        (f"secret={SECRET}\n", "trade-keys"),
        (f"key={KEY}\nsecret={SECRET} and more\n", "trade-keys"),
        ("key=short\nsecret=short\n", "trade-keys"),
        ("nothing of the kind", "trade-keys"),
    ],
    ids=["empty", "too long", "no secret", "no key", "with spaces", "too short", "no lines"],
)
def test_a_file_that_holds_no_keys_is_refused(tmp_path: Path, text: str, code: str) -> None:
    """And what stands in it is not repeated."""
    assert refused(kept(tmp_path, text)).code == code


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """There is none, or its bytes are no text."""
    assert refused(Trade(keys=str(tmp_path / "none"))).code == "secret-file"
    trade = kept(tmp_path, "x")
    Path(trade.keys).write_bytes(b"\xff\xfe\xff")
    assert refused(trade).code == "secret-file"


def test_keys_are_no_settings(tmp_path: Path) -> None:
    """Their variables are not taken for settings, `repr` hides them, and no child process gets them (S15)."""
    loaded = load(environment=ENVIRONMENT, home=tmp_path, folder=tmp_path)
    assert KEY not in repr(loaded)
    assert loaded.origins == {}
    assert KEY not in repr(Keys(KEY, SECRET))
    assert SECRET not in f"{Keys(KEY, SECRET)} {[Keys(KEY, SECRET)]!r}"
    assert without_keys(ENVIRONMENT) == {"PATH": "/bin"}
    assert without_keys(os.environ) == {n: v for n, v in os.environ.items() if "PERPSCOPE_TRADE_" not in n}
