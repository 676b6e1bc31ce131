"""REST calls of one venue: the `Http` port over aiohttp, as the governor allows, each with a deadline.

`get` is for data: anything but a 200 is an error. `answer` is for orders: whatever the venue says is an answer, and an
error says whether the call may have reached it.
"""

from collections.abc import Callable
from types import SimpleNamespace, TracebackType
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from perpscope.errors import FrameError, RateLimited, VenueUnreachable
from perpscope.feeds import way_out
from perpscope.feeds.clock import Anchor
from perpscope.feeds.governor import Governor
from perpscope.feeds.redaction import redacted
from perpscope.model.stream import HttpRequest
from perpscope.ports.broker import HttpAnswer

_TIMEOUT_S = 10.0
_MAX_BYTES = 64 << 20
#: What goes wrong before anything of a call is sent: no connection to the venue, or to the proxy.
_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, *way_out.FAILURES)
#: Statuses that mean this place or address is refused, whatever is asked; and what to do.
_ELSEWHERE = "this venue refuses your address; leave it out or use another network"
_REFUSED = {
    403: ("forbidden", _ELSEWHERE),
    407: ("the proxy wants a user and a password", "put them into the proxy's URL: http://user:password@host:port"),
    451: ("not available where you are", _ELSEWHERE),
}


class RestClient:
    """A venue's REST interface.

    Args:
        venue: name, for errors.
        base_url: without a path.
        governor: says when a call may be made.
        proxy: URL of the way out; empty = none.
        timeout_s: deadline of one call, from when it may be made.
    """

    def __init__(
        self, venue: str, base_url: str, governor: Governor, *, proxy: str = "", timeout_s: float = _TIMEOUT_S
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.governor = governor
        self._venue = venue
        self._session, self._proxy = way_out.session(proxy, timeout_s, [_told_when_sent()])

    async def __aenter__(self) -> "RestClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.governor.close()
        await self._session.close()

    @property
    def used_weight(self) -> float | None:
        """Weight this address has used in the current minute, as the last reply told; None where none does."""
        return self.governor.used_weight

    async def before_connecting(self) -> None:
        """Wait until this address may try to open one more socket."""
        await self.governor.take_connection()

    async def get(self, request: HttpRequest) -> bytes:
        """The body of a 200 answer.

        Raises:
            VenueUnreachable: no connection, no answer in time, or a refusal.
            RateLimited: the venue asked us to wait; nothing more is sent until then.
            FrameError: any other status.
        """
        async with self.governor.leave(request) as granted:
            try:
                async with self._session.request(
                    request.method,
                    self.base_url + request.path,
                    params=dict(request.params),
                    data=request.body,
                    headers=_headers(request),
                    proxy=self._proxy,
                    allow_redirects=False,
                ) as response:
                    body = await _whole(response)
            except (aiohttp.ClientError, *way_out.FAILURES, OSError, TimeoutError) as error:
                raise self._unanswered(error, maybe_sent=_maybe_sent(request, error)) from error
        self._judge(response, body, granted)
        return body

    async def answer(
        self,
        request: HttpRequest,
        *,
        finish: Callable[[HttpRequest], HttpRequest] | None = None,
        on_sent: Callable[[], None] = lambda: None,
        timeout_s: float = _TIMEOUT_S,
    ) -> HttpAnswer:
        """What the venue answers, of any status; asked once, never again.

        Args:
            request: its urgency says who goes first.
            finish: makes the last changes when the call may be made: signs it with the time.
            on_sent: told as soon as it is on its way.
            timeout_s: deadline, from then on.

        Raises:
            VenueUnreachable: no answer; `maybe_sent` says whether the call may have reached the venue.
            RateLimited: it was not sent: the venue wants to be left alone.
        """
        async with self.governor.leave(request) as granted:
            sent = request if finish is None else finish(request)
            try:
                async with self._session.request(
                    sent.method,
                    URL(self._base_of(sent) + sent.path + (f"?{sent.query}" if sent.params else ""), encoded=True),
                    data=sent.body,
                    headers=_headers(sent),
                    proxy=self._proxy,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=timeout_s),
                    trace_request_ctx=on_sent,
                ) as response:
                    body = await _whole(response)
            except (aiohttp.ClientError, *way_out.FAILURES, OSError, TimeoutError) as error:
                raise self._unanswered(error, maybe_sent=_maybe_sent(sent, error)) from None  # its cause knows the URL
        headers = {name.lower(): value for name, value in response.headers.items()}
        self.governor.hear(response.status, headers, body, granted)
        return HttpAnswer(response.status, headers, body)

    def _base_of(self, request: HttpRequest) -> str:
        """The host of a call: its own site where that belongs to the venue we are pointed at, and else ours.

        So a key is never shown to the real exchange by a program that is pointed at a lab.
        """
        return request.site if request.site and _domain(request.site) == _domain(self.base_url) else self.base_url

    def _unanswered(self, error: Exception, *, maybe_sent: bool) -> VenueUnreachable:
        why = f"{type(error).__name__}: {error}" if str(error) else f"no answer in time ({type(error).__name__})"
        return VenueUnreachable(
            redacted(f"{self._venue} at {self.base_url}: {why}"),
            venue=self._venue,
            hint=f"check the network and any proxy, or set [venue.{self._venue}] rest_url",
            maybe_sent=maybe_sent,
        )

    def _judge(self, response: aiohttp.ClientResponse, body: bytes, granted: float | None) -> None:
        status = response.status
        headers = {name.lower(): value for name, value in response.headers.items()}
        wait_s = self.governor.hear(status, headers, body, granted)
        if wait_s is not None:
            raise RateLimited(f"{self._venue} answered {status}", venue=self._venue, retry_after_s=wait_s)
        if status == 200:
            return
        if status in _REFUSED:
            why, hint = _REFUSED[status]
            who = self._venue if status != 407 else f"a proxy before {self._venue}"
            raise VenueUnreachable(f"{who} at {self.base_url} answered {status}: {why}", venue=self._venue, hint=hint)
        raise FrameError(
            f"{self._venue} answered HTTP {status} from {response.url.path}: {body[:200]!r}", venue=self._venue
        )


def _headers(request: HttpRequest) -> dict[str, str]:
    usual = {} if request.body is None else {"Content-Type": "application/json"}
    return usual | dict(request.headers)


def _told_when_sent() -> aiohttp.TraceConfig:
    """Tells whoever wants to know when the whole of a call without a body has been handed to the socket."""

    async def tell(_: aiohttp.ClientSession, of: SimpleNamespace, __: aiohttp.TraceRequestHeadersSentParams) -> None:
        if of.trace_request_ctx is not None:
            of.trace_request_ctx()

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(tell)
    return trace


def _maybe_sent(request: HttpRequest, error: Exception) -> bool:
    """False if surely nothing was sent: there was no connection. Whatever is no POST, aiohttp may have sent before."""
    return request.method != "POST" or not isinstance(error, _UNSENT)


def _domain(url: str) -> str:
    """The last two labels of a URL's host: "binance.com"."""
    return ".".join((urlsplit(url).hostname or "").split(".")[-2:])


async def market_clock(url: str) -> Anchor:
    """The anchor of a lab's market clock.

    Raises:
        VenueUnreachable: no lab answers there, or with something else.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as session,
            session.get(url) as response,
        ):
            return msgspec.json.decode(await response.read(), type=Anchor)
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as error:
        why = str(error) or type(error).__name__
        raise VenueUnreachable(f"no market clock at {url}: {why}", venue="lab", hint="is the lab running?") from error


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body, in however many pieces it comes."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MAX_BYTES:
            raise aiohttp.ClientPayloadError(f"the answer is longer than {_MAX_BYTES:,} bytes")
    return bytes(body)
