"""The webhook sink: each alert as JSON to one address of the user's own, signed, tried again, never led elsewhere.

The body is `{"kind": "alert" | "saying", "alert" | "saying": …, "text": …}`. `X-Perpscope-Signature` is
`t=<epoch s>,v1=<hex HMAC-SHA256 of "<t>.<body>">` with the secret of the settings, so that a receiver can refuse what
is forged or old. The address is the user's to choose, loopback included: it comes from the settings alone, never from
what a venue or a visitor sent, and a redirect is an error, not followed.
"""

import asyncio
import hashlib
import hmac
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from perpscope.analytics.alerts.alert import Alert
from perpscope.analytics.alerts.saying import Saying
from perpscope.app.alerts.sink import Delivery
from perpscope.feeds import way_out
from perpscope.feeds.clock import wall_ns
from perpscope.feeds.redaction import redacted
from perpscope.notify.credentials import Credential
from perpscope.notify.messages import alert_text, plain, saying_text
from perpscope.notify.phrases import Language

SIGNATURE: Final = "X-Perpscope-Signature"
_MS_NS, _S_NS = 1_000_000, 1_000_000_000
_TRIES: Final = 4
_AGAIN_FIRST_S: Final = 1.0
_LONGEST_WAIT_S: Final = 60.0
_AT_ONCE: Final = 4  #: posts under way; the others wait
_MOST_WAITING: Final = 200
#: Statuses by which a receiver says: not now.
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class WebhookSink:
    """Posts.

    Args:
        url: where to.
        key: that posts are signed with; None = they are not.
        language: of `text`.
        proxy: URL of the way out; empty = none.
        timeout_s: of one try.
        sleep: waits between tries.
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        key: Credential | None,
        language: Language,
        *,
        proxy: str = "",
        timeout_s: float = 10.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._key = key
        self._language = language
        self._proxy_url, self._timeout_s = proxy, timeout_s
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self._lanes = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def tell(self, alert: Alert) -> Delivery:
        """Post it, in whatever phase it is."""
        text = plain(alert_text(alert, self._language))
        return await self._posted(alert.id, alert.phase.value, {"kind": "alert", "alert": alert, "text": text})

    async def say(self, saying: Saying) -> Delivery:
        """Post it."""
        text = plain(saying_text(saying, self._language))
        return await self._posted(saying.id, saying.kind, {"kind": "saying", "saying": saying, "text": text})

    def recall(self, told: Sequence[Delivery]) -> None:
        """A post is never edited."""

    async def run(self) -> None:
        """Nothing to do in between."""

    async def aclose(self) -> None:
        """Let go of its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _posted(self, name: str, phase: str, body: dict[str, object]) -> Delivery:
        why: str | None = f"{_MOST_WAITING} others wait"
        if self._waiting < _MOST_WAITING:
            self._waiting += 1
            try:
                async with self._lanes:
                    why = await self._post(msgspec.json.encode(body), f"{name}:{phase}")
            finally:
                self._waiting -= 1
        return Delivery(
            sink=self.name, alert_id=name, at_ms=wall_ns() // _MS_NS, is_sent=why is None, phase=phase, why=why
        )

    async def _post(self, body: bytes, name: str) -> str | None:
        """Try until it is taken or refused for good; why it was not."""
        why, wait_s = "", _AGAIN_FIRST_S
        for attempt in range(_TRIES):
            if attempt:
                await self._sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 -- jitter
                wait_s = min(_LONGEST_WAIT_S, wait_s * 4.0)
            status, asked_s, why = await self._try(body, name)
            if 200 <= status < 300:
                return None
            if status and status not in _LATER:
                return why
            wait_s = min(_LONGEST_WAIT_S, max(wait_s, asked_s))
        return f"{why}, {_TRIES} times"

    async def _try(self, body: bytes, name: str) -> tuple[int, float, str]:
        """Status (0: no answer), seconds the receiver asks to wait, and what went wrong."""
        if self._session is None:
            self._session, self._proxy = way_out.session(self._proxy_url, self._timeout_s)
        headers = {"Content-Type": "application/json", "Idempotency-Key": name, "User-Agent": "perpscope"}
        if self._key is not None:
            headers[SIGNATURE] = signature(self._key, body, wall_ns() // _S_NS)
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, proxy=self._proxy, allow_redirects=False
            ) as response:
                await response.content.read(1024)  # enough to let the connection be used again, where it is short
                asked = response.headers.get("Retry-After", "")
                where = " (a redirect, which is not followed)" if 300 <= response.status < 400 else ""
                return response.status, float(asked) if asked.isdigit() else 0.0, f"HTTP {response.status}{where}"
        except TimeoutError:
            return 0, 0.0, f"no answer within {self._timeout_s:g} s"
        except (aiohttp.ClientError, *way_out.FAILURES, OSError, ValueError) as error:
            return 0, 0.0, self._harmless(f"{type(error).__name__}: {error}")

    def _harmless(self, text: str) -> str:
        """Without the address's path and query, which may be a secret, and without the key."""
        parts = urlsplit(self._url)
        rest = self._url.partition(parts.netloc)[2]
        text = text.replace(rest, "/…") if len(rest) > 1 else text
        return redacted(text if self._key is None else self._key.scrubbed(text))


def signature(key: Credential, body: bytes, at_s: int) -> str:
    """The header's value.

    >>> signature(Credential("k"), b"{}", 0)[:14]
    't=0,v1=c847cd2'
    """
    signed = hmac.new(key.reveal().encode(), b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={signed}"
