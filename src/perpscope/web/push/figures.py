"""Maps and sentiment for who listens: asked for as anybody would ask, told when the answer is another one.

Nothing is made while nobody listens; a map is asked for anew when the heart says that it was brought up to date.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from perpscope.web.endpoint import Endpoint
from perpscope.web.problem import Refused, refusal
from perpscope.web.push.channels import StateChannel

if TYPE_CHECKING:
    from perpscope.web.answers import Answers

#: Real seconds after which an answer is asked for anew without any news (by hand).
_AGAIN_S: Final = 5.0
#: Path of the endpoint whose answer a family of channels tells.
_PATHS: Final = {"map": "/api/liquidation-map", "sentiment": "/api/market-sentiment"}
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_log = structlog.get_logger()


def pushed(endpoints: Iterable[Endpoint]) -> dict[str, Endpoint]:
    """Of these endpoints, those whose answers are pushed, by family of channels."""
    by_path = {path: endpoint for endpoint in endpoints for path in endpoint.paths}
    return {family: by_path[path] for family, path in _PATHS.items() if path in by_path}


class Figures:
    """Keeps the channels of answers at the newest answer.

    Args:
        answers: of this face.
        endpoints: by family of channels.
        changed: called when a channel has changed.
        refused: called when a channel's first answer was refused.
    """

    def __init__(
        self,
        answers: "Answers",
        endpoints: Mapping[str, Endpoint],
        changed: Callable[[], None],
        refused: Callable[[StateChannel, Refused], None],
    ) -> None:
        self._answers, self._endpoints = answers, endpoints
        self._changed, self._refused = changed, refused
        self._kept: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}

    @property
    def families(self) -> list[str]:
        """What is offered."""
        return list(self._endpoints)

    def keep(self, channel: StateChannel, family: str, symbol: str) -> None:
        """Keep a channel at the newest answer from now on."""
        endpoint, news = self._endpoints[family], asyncio.Event()
        query = endpoint.query(symbol=symbol)
        task = asyncio.create_task(self._keep(channel, endpoint, query, news), name=f"push {channel.name}")
        self._kept[channel.name] = (task, news)

    def drop(self, channel: StateChannel) -> None:
        """Nobody listens to it any more."""
        task, _ = self._kept.pop(channel.name, (None, None))
        if task is not None:
            task.cancel()

    def news(self, name: str) -> None:
        """There is another answer by this name of a channel."""
        _, event = self._kept.get(name, (None, None))
        if event is not None:
            event.set()

    async def _keep(
        self, channel: StateChannel, endpoint: Endpoint, query: msgspec.Struct, news: asyncio.Event
    ) -> None:
        told = None
        while True:
            news.clear()
            try:
                answer = await self._answers.get(endpoint, query)
            except Exception as error:  # told to who listens; ours is logged
                why = refusal(error)
                if why is None:
                    _log.error("a figure that is pushed failed", channel=channel.name, exc_info=error)
                    why = Refused(500, "internal", "this is our bug; the log has it")
                if told is None:
                    told = ""
                    self._refused(channel, why)
            else:
                if answer.etag != told:
                    told = answer.etag
                    channel.change({name: bytes(value) for name, value in _members(answer.body).items()})
                    self._changed()
            try:
                async with asyncio.timeout(max(_AGAIN_S, endpoint.fresh_s)):
                    await news.wait()
            except TimeoutError:
                pass
