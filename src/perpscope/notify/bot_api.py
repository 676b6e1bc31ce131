"""The Bot API over aiohttp: one method, one call, one answer or one refusal in our words.

The token is a part of every URL there; so no URL, no exception of the client's and no answer's text leaves this room as
it is: a new error is raised outside of the old one's reach, with what the token was taken out of.
"""

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec

from perpscope.errors import NotifyError
from perpscope.feeds import way_out
from perpscope.feeds.redaction import redacted
from perpscope.notify.credentials import Credential

_TIMEOUT_S: Final = 15.0
_MOST_BYTES: Final = 4 << 20
_LONGEST_WAIT_S: Final = 86_400.0
_HOW_TO_CHAT: Final = "perpscope telegram setup finds the right one"
_UNAUTHORIZED: Final = frozenset({401, 404})


class _Parameters(msgspec.Struct):
    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class _Reply(msgspec.Struct):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: _Parameters | None = None


_decode: Final = msgspec.json.Decoder(_Reply).decode


class BotApi:
    """A bot's way to Telegram; close it when done.

    Args:
        token: of the bot.
        base: URL of the server, without a path.
        proxy: URL of the way out; empty = none.
        timeout_s: of one call.
    """

    def __init__(self, token: Credential, base: str, *, proxy: str = "", timeout_s: float = _TIMEOUT_S) -> None:
        self._token = token
        self._base = base.rstrip("/")
        self._proxy_url = proxy
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None

    def __repr__(self) -> str:
        return f"BotApi({redacted(self._base)})"

    async def aclose(self) -> None:
        """Let go of its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, method: str, arguments: Mapping[str, object] | None = None, *, wait_s: float = 0.0) -> Any:  # noqa: ANN401 -- a JSON value
        """What a method answers.

        Args:
            method: its name.
            arguments: JSON values.
            wait_s: how much longer than usual the server may take: a long poll's.

        Raises:
            NotifyError: "telegram-unauthorized", "telegram-chat", "telegram-conflict", "telegram-limited",
                "telegram-refused" or "telegram-unreachable".
        """
        status, body, why = await self._asked(method, msgspec.json.encode(arguments or {}), wait_s)
        if why is not None:
            raise NotifyError(
                "telegram-unreachable",
                f"{redacted(self._base)} does not answer {method}: {self._token.scrubbed(why)}",
                hint="check the network and any proxy (telegram.proxy), or telegram.api",
            )
        try:
            reply = _decode(body)
        except msgspec.MsgspecError:
            reply = None
        if reply is None:
            raise NotifyError(
                "telegram-unreachable",
                f"{redacted(self._base)} answered {method} with HTTP {status} and no Bot API's body",
            )
        if not reply.ok:
            raise self._refusal(method, reply)
        return msgspec.json.decode(reply.result)

    async def _asked(self, method: str, body: bytes, wait_s: float) -> tuple[int, bytes, str | None]:
        """Status and body, or why there is none. The client's exceptions end here: they may hold the URL."""
        if self._session is None:
            self._session, self._proxy = way_out.session(self._proxy_url, self._timeout_s)
        try:
            async with self._session.post(
                f"{self._base}/bot{self._token.reveal()}/{method}",
                data=body,
                headers={"Content-Type": "application/json"},
                proxy=self._proxy,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._timeout_s + wait_s),
            ) as response:
                return response.status, await _whole(response), None
        except TimeoutError:
            return 0, b"", f"no answer within {self._timeout_s + wait_s:g} s"
        except (aiohttp.ClientError, *way_out.FAILURES, OSError, ValueError) as error:
            return 0, b"", f"{type(error).__name__}: {redacted(str(error))}"

    def _refusal(self, method: str, reply: _Reply) -> NotifyError:
        said = self._token.scrubbed(reply.description[:300])
        parameters = reply.parameters or _Parameters()
        if reply.error_code in _UNAUTHORIZED and "method not found" not in said:
            return NotifyError(
                "telegram-unauthorized",
                f"Telegram does not know this token ({reply.error_code} {said})",
                hint="copy it again from @BotFather: /mybots, API Token",
            )
        if reply.error_code == 429 or parameters.retry_after is not None:
            wait_s = min(_LONGEST_WAIT_S, max(1.0, parameters.retry_after or 1.0))
            return NotifyError("telegram-limited", f"Telegram asks to wait {wait_s:g} s", retry_after_s=wait_s)
        if reply.error_code == 409:
            return NotifyError(
                "telegram-conflict",
                f"another program asks with the same token ({said})",
                hint="give each program a bot of its own, or end the other one",
            )
        if reply.error_code == 403 or "chat not found" in said or parameters.migrate_to_chat_id is not None:
            return NotifyError(
                "telegram-chat", f"{method}: {said}", hint=_HOW_TO_CHAT, moved_to=parameters.migrate_to_chat_id
            )
        if reply.error_code >= 500:
            return NotifyError("telegram-unreachable", f"Telegram answered {method} with {reply.error_code} {said}")
        return NotifyError("telegram-refused", f"{method}: {reply.error_code} {said}")


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MOST_BYTES:
            raise aiohttp.ClientPayloadError(f"the answer is longer than {_MOST_BYTES:,} bytes")
    return bytes(body)
