"""REST calls of one venue: the `Http` port over aiohttp, within the venue's weight limit, with a deadline each."""

from types import TracebackType

import aiohttp
import msgspec

from perpscope.errors import FrameError, RateLimited, VenueUnreachable
from perpscope.feeds.clock import Anchor
from perpscope.feeds.limits import WeightLimiter
from perpscope.model.stream import HttpRequest

_TIMEOUT_S = 10.0
_MAX_BYTES = 64 << 20
#: Longest wait a venue may ask for: Binance bans an address for three days at most.
_LONGEST_WAIT_S = 3 * 86_400.0
#: Bybit's words, with status 403, to an address that asks too often; it wants to be left alone for ten minutes.
_TOO_FREQUENT, _TOO_FREQUENT_S = b"too frequent", 600.0
#: Statuses that mean this place or address is refused, whatever is asked.
_REFUSED = {403: "forbidden", 451: "not available where you are"}


class RestClient:
    """A venue's REST interface.

    Args:
        venue: name, for errors.
        base_url: without a path.
        limiter: weight budget.
        timeout_s: deadline of one call.
    """

    def __init__(self, venue: str, base_url: str, limiter: WeightLimiter, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._venue = venue
        self._base_url = base_url.rstrip("/")
        self._limiter = limiter
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s))

    async def __aenter__(self) -> "RestClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, request: HttpRequest) -> bytes:
        """The body of a 200 answer.

        Raises:
            VenueUnreachable: no connection, no answer in time, or a refusal.
            RateLimited: the venue asked us to wait; nothing more is sent until then.
            FrameError: any other status.
        """
        await self._limiter.take(request.weight)
        url = self._base_url + request.path
        try:
            async with self._session.request(
                request.method, url, params=dict(request.params), data=request.body, headers=_headers(request)
            ) as response:
                body = await _whole(response)
                self._judge(response, body)
                return body
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            why = f"{type(error).__name__}: {error}" if str(error) else f"no answer in time ({type(error).__name__})"
            raise VenueUnreachable(
                f"{self._venue} at {self._base_url}: {why}",
                venue=self._venue,
                hint=f"check the network, or set [venue.{self._venue}] rest_url",
            ) from error

    def _judge(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        status = response.status
        if status == 200:
            return
        if status in (429, 418):
            wait_s = _seconds(response.headers.get("Retry-After"), 120.0 if status == 418 else 10.0)
            self._limiter.pause(wait_s)
            raise RateLimited(f"{self._venue} answered {status}", venue=self._venue, retry_after_s=wait_s)
        if status == 403 and _TOO_FREQUENT in body.lower():
            self._limiter.pause(_TOO_FREQUENT_S)
            raise RateLimited(
                f"{self._venue} answered 403: access too frequent", venue=self._venue, retry_after_s=_TOO_FREQUENT_S
            )
        if status in _REFUSED:
            raise VenueUnreachable(
                f"{self._venue} at {self._base_url} answered {status}: {_REFUSED[status]}",
                venue=self._venue,
                hint="this venue refuses your address; leave it out or use another network",
            )
        raise FrameError(f"HTTP {status} from {response.url.path}: {body[:200]!r}", venue=self._venue)


def _headers(request: HttpRequest) -> dict[str, str]:
    return {} if request.body is None else {"Content-Type": "application/json"}


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


def _seconds(header: str | None, otherwise: float) -> float:
    """Seconds to wait: those of `Retry-After`, where it gives seconds."""
    try:
        return min(max(0.0, float(header)), _LONGEST_WAIT_S) if header is not None else otherwise
    except ValueError:
        return otherwise
