"""The account's key and secret: from the environment or from a file that its owner alone may read, and never shown.

In: `PERPSCOPE_TRADE_KEY` and `PERPSCOPE_TRADE_SECRET`, or the file named by `[trade] keys`. Out: `Keys`, for whoever
signs calls. Only a live trader asks for them; no message here has any of their text in it.
"""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from perpscope.config import TRADE_KEYS
from perpscope.errors import ConfigError
from perpscope.feeds.private_calls import Keys
from perpscope.settings import Trade

#: What venues give: letters, digits and a few signs; Binance 64 letters and digits, others PEM-like or with dashes.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{8,4096}")
_MOST_BYTES: Final = 16_384
#: Permissions a file with a secret may not give to anybody but its owner.
_TOO_OPEN: Final = 0o077


def keys_of(trade: Trade, environment: Mapping[str, str] | None = None) -> Keys:
    """The keys that are set; the environment goes before the file.

    Args:
        trade: `[trade]`.
        environment: defaults to `os.environ`.

    Raises:
        ConfigError: "trade-keys": none are set, or half of them, or what is set is none; "secret-file",
            "secret-open": the file is not to be used.
    """
    environment = os.environ if environment is None else environment
    told = [environment.get(name, "").strip() for name in TRADE_KEYS]
    if any(told):
        return _checked(told[0], told[1], "the environment")
    if trade.keys:
        path = Path(trade.keys).expanduser()
        found = _parsed(_read(path))
        return _checked(found.get("key", ""), found.get("secret", ""), f"trade.keys {str(path)!r}")
    raise ConfigError(
        "trade-keys",
        "no keys of an account are set",
        hint=f"set {' and '.join(TRADE_KEYS)}, or trade.keys: a file of mode 0600 with key=… and secret=…",
    )


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for processes that do not trade: the keys stay with the trader (RELIABILITY S15)."""
    return {name: value for name, value in environment.items() if name not in TRADE_KEYS}


def _checked(key: str, secret: str, where: str) -> Keys:
    for name, value in (("key", key), ("secret", secret)):
        if not value:
            raise ConfigError("trade-keys", f"{where} tells no {name}", hint="both are needed: key and secret")
        if not _TOKEN.fullmatch(value):
            raise ConfigError(
                "trade-keys",
                f"the {name} in {where} is none: {len(value)} characters, or some that no {name} has",
                hint="copy it again from the exchange",
            )
    return Keys(key, secret)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "secret-file",
            f"trade.keys {str(path)!r} cannot be read: {error.strerror}",
            hint=f"write it, chmod 600 {path}",
        ) from None
    if mode & _TOO_OPEN:
        raise ConfigError(
            "secret-open",
            f"trade.keys {str(path)!r} has mode {stat.S_IMODE(mode):04o}: others may read or change it",
            hint=f"chmod 600 {path}; whoever may have read it has the keys: make new ones",
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text.strip() or len(raw) > _MOST_BYTES:
        raise ConfigError(
            "secret-file", f"trade.keys {str(path)!r} holds no keys", hint="two lines: key=… and secret=…"
        )
    return text


def _parsed(text: str) -> dict[str, str]:
    """TOML, or lines `key=…` and `secret=…` without quotes."""
    try:
        return {name: value for name, value in tomllib.loads(text).items() if isinstance(value, str)}
    except tomllib.TOMLDecodeError:
        lines = [line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#")]
        return {name.strip(): value.strip().strip("\"'") for name, _, value in lines}
