"""What the Map page asks for first, made before anybody asks: the first heatmap of a process takes seconds.

It is made once, when a heart has been heard for a moment, of one coin; from then on what is kept makes the next cheap.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from perpscope.app.face import Heart, Live
from perpscope.errors import PerpscopeError
from perpscope.web.answers import Answers
from perpscope.web.endpoint import Endpoint
from perpscope.web.problem import Refused

#: A face has other things to do in its first seconds.
AFTER_S: Final = 5.0
_LOOK_S: Final = 0.5
_FIRST: Final = "BTC"
#: By the name of the endpoint: how `frontend/src/pages/map` asks at first.
_QUERIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "liquidation_heatmap": {"hours": 24.0, "every": 10.0, "format": "u8"},
}
_log = structlog.get_logger()


async def warm(live: Live, answers: Answers, endpoints: Sequence[Endpoint], after_s: float = AFTER_S) -> None:
    """Wait for a heart and its coins, and make the answers once. Never raises for what cannot be made."""
    while live.heart is not Heart.LIVE or not live.market:
        await asyncio.sleep(_LOOK_S)
    await asyncio.sleep(after_s)
    coins = sorted({instrument.partition("-")[0] for instrument in live.market})
    symbol = _FIRST if _FIRST in coins else coins[0]
    for endpoint in endpoints:
        if endpoint.name in _QUERIES:
            query: msgspec.Struct = endpoint.query(symbol=symbol, **_QUERIES[endpoint.name])
            try:
                await answers.get(endpoint, query)
            except (PerpscopeError, Refused) as error:
                _log.info("not made before anybody asked", endpoint=endpoint.name, why=str(error))
