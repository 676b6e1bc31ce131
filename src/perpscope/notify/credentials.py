"""The token of a bot and the key of a webhook: from the environment or from a file of their own, and never shown.

What is read here goes to the wire and nowhere else: its `repr` has none of it, and `scrubbed` takes it out of whatever
others say.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from perpscope.app.key_file import too_open
from perpscope.errors import ConfigError
from perpscope.settings import Telegram, Webhook

#: What BotFather gives: the bot's id and 35 characters; newer ones may grow.
_TOKEN: Final = re.compile(r"[1-9]\d{2,18}:[A-Za-z0-9_-]{20,80}")
_MOST_BYTES: Final = 4096
_HIDDEN: Final = "***"


class Credential:
    """A secret that does not show itself."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"Credential({_HIDDEN})"

    def __reduce__(self) -> str:
        raise TypeError("a credential is not written down")

    def reveal(self) -> str:
        """For the wire."""
        return self._value

    def scrubbed(self, text: str) -> str:
        """A text without it, and without the part of a token that is secret."""
        return text.replace(self._value, _HIDDEN).replace(self._value.rpartition(":")[2], _HIDDEN)


def bot_token(settings: Telegram, environment: Mapping[str, str] | None = None) -> Credential | None:
    """The bot's token; None where none is set.

    Raises:
        ConfigError: "telegram-token": it is none; "secret-file", "secret-open": the file is not to be used.
    """
    found = _found("PERPSCOPE_TELEGRAM__TOKEN", "telegram.token_file", settings.token_file, environment)
    if found is not None and not _TOKEN.fullmatch(found):
        raise ConfigError(
            "telegram-token",
            f"what is set as the bot's token is none: {len(found)} characters that do not look like 123456789:AAE…",
            hint="copy it again from @BotFather: /mybots, API Token",
        )
    return None if found is None else Credential(found)


def webhook_key(settings: Webhook, environment: Mapping[str, str] | None = None) -> Credential | None:
    """What a webhook's posts are signed with; None where they are not. Raises as `bot_token`."""
    found = _found("PERPSCOPE_WEBHOOK__SECRET", "webhook.secret_file", settings.secret_file, environment)
    return None if found is None else Credential(found)


def _found(variable: str, setting: str, file: str, environment: Mapping[str, str] | None) -> str | None:
    environment = os.environ if environment is None else environment
    if told := environment.get(variable, "").strip():
        return told
    return _read(Path(file).expanduser(), setting) if file else None


def _read(path: Path, setting: str) -> str:
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            raw = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "secret-file",
            f"{setting} {str(path)!r} cannot be read: {error.strerror}",
            hint=f"write it, chmod 600 {path}",
        ) from None
    if (why := too_open(path, mode)) is not None:
        raise ConfigError("secret-open", f"{setting} {why}", hint=f"chmod 600 {path}")
    try:
        text = raw.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(raw) > _MOST_BYTES or "\n" in text:
        raise ConfigError(
            "secret-file", f"{setting} {str(path)!r} does not hold one line of text", hint="write it anew"
        )
    return text
