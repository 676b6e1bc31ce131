"""One worker of many: asks a lab's Binance REST without rest, at three urgencies, and writes down what became of it.

Run as `python -m tests.acceptance.governed URL FOLDER PER_MINUTE FILE`, until killed; without a folder its budget is
its own, and blind to what the venue says that others use.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from perpscope.errors import PerpscopeError, RateLimited
from perpscope.feeds.governor import Governor
from perpscope.feeds.limits import open_governor
from perpscope.feeds.rest import RestClient
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.venues.binance import VENUE

#: Orders are light and seldom; data and the past are asked for as fast as it goes.
ORDER_EVERY_S = 0.5
ORDER_WEIGHT, OTHER_WEIGHT = 1, 10


class Record(msgspec.Struct, frozen=True):
    """One request, or one that was not sent; monotonic s, which all processes share."""

    urgency: str
    asked: float
    granted: float  #: 0 for one that was not sent
    status: str  #: "ok", "closed" (not sent), "limited" (the venue refused) or an error's code


def ask_for(urgency: Urgency) -> HttpRequest:
    """Something cheap to answer, of known weight, that tells the lab's witness how urgent it was."""
    if urgency is Urgency.ORDER:
        path, weight = "/fapi/v1/ping", ORDER_WEIGHT
    else:
        path, weight = "/fapi/v1/premiumIndex", OTHER_WEIGHT
    return HttpRequest(path=path, params=(("as", urgency.value),), weight=weight, urgency=urgency)


async def ask(url: str, governor: Governor, urgency: Urgency, file: Path) -> None:
    """One urgency's calls, one after the other, forever."""
    client = RestClient("binance", url, governor)
    granted = 0.0
    take = governor.take

    async def timed(request: HttpRequest) -> float | None:
        nonlocal granted
        mark = await take(request)
        granted = time.monotonic()
        return mark

    governor.take = timed  # type: ignore[method-assign]  # to see when leave is given
    with file.open("ab", buffering=0) as out:
        async with client as http:
            while True:
                asked, granted = time.monotonic(), 0.0
                try:
                    await http.get(ask_for(urgency))
                    status = "ok"
                except RateLimited:
                    status = "limited" if granted else "closed"
                except PerpscopeError as error:
                    status = error.code
                out.write(msgspec.json.encode(Record(urgency.value, asked, granted, status)) + b"\n")
                if urgency is Urgency.ORDER or status != "ok":
                    await asyncio.sleep(ORDER_EVERY_S)


async def main(url: str, folder: str, per_minute: float, file: Path) -> None:
    """All urgencies at once."""
    own = Governor("binance", per_minute)
    async with asyncio.TaskGroup() as group:
        for urgency in Urgency:
            governor = open_governor(VENUE, url, per_minute, folder=folder) if folder else own
            group.create_task(ask(url, governor, urgency, file))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])))
