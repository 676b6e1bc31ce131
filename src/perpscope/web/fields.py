"""What questions have in common: names, venues, hours, with their bounds; and the meta of a body that has to wait."""

from collections.abc import Callable
from typing import Annotated, Literal, Protocol, TypeAlias
from urllib.parse import urlencode

import msgspec
from msgspec import Meta as About

from perpscope.app.answers.known import Waiting
from perpscope.web.meta import Meta, meta
from perpscope.web.query import instant_ms
from perpscope.web.sources import Sources

#: A month, hours.
MOST_HOURS = 24.0 * 31.0
Symbol: TypeAlias = Annotated[
    str,
    About(
        min_length=1,
        max_length=48,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]*$",
        description="coin (BTC: all venues together), symbol (BTCUSDT) or id (BTC-USDT-PERP.BINANCE), in any case",
        examples=["BTC"],
    ),
]
VenueName: TypeAlias = Annotated[
    str,
    About(
        min_length=2, max_length=32, pattern=r"^[A-Za-z0-9_]+$", description="exchange by name", examples=["binance"]
    ),
]
Venues: TypeAlias = Annotated[
    tuple[VenueName, ...], About(max_length=20, description="exchanges, with commas; none = every one that is stored")
]
Limit: TypeAlias = Annotated[int, About(ge=1, le=1000, description="rows at most")]
Profile: TypeAlias = Annotated[
    Literal["calibrated", "hl_empirical", "cex_default", "conservative", "neutral", "aggressive", "dynamic"],
    About(description="leverage that is assumed"),
]

Bins: TypeAlias = Annotated[int, About(ge=2, le=2000, description="about so many; none = by the price")]


def waiting(sources: Sources, kind: Literal["model", "observed"], found: Waiting) -> Meta:
    """The meta of a body whose figures cannot be told yet."""
    return meta(sources, kind=kind, as_of_ms=None, warming_up=True, notes=[found.why])


def moment_ms(sources: Sources, text: str | None) -> int | None:
    """Epoch ms of an instant in a question, None where there is none; "24h" counts from the market's now."""
    return None if text is None else instant_ms(text, sources.stand().now_ms)


class _Paged(Protocol):
    @property
    def next(self) -> str | None: ...


def next_page(path: str) -> Callable[[msgspec.Struct, _Paged], dict[str, str]]:
    """What makes the header that names the next page (RFC 8288) of a question and a body with `next`."""

    def link(asked: msgspec.Struct, body: _Paged) -> dict[str, str]:
        if body.next is None:
            return {}
        told = {name: value for name, value in msgspec.to_builtins(asked).items() if value not in (None, [], ())}
        told["cursor"] = body.next
        pairs = {name: ",".join(value) if isinstance(value, list | tuple) else value for name, value in told.items()}
        return {"Link": f'<{path}?{urlencode(pairs)}>; rel="next"'}

    return link
