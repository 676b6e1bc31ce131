"""What stands in every body: what kind of figure it is, how old, from whom, and what is wrong with its sources."""

from collections.abc import Collection, Sequence
from typing import Annotated, Final, Literal

import msgspec

from perpscope.app.status import FeedLine
from perpscope.stores.status import FeedState
from perpscope.web.sources import Sources

_WORST_FIRST: Final = (FeedState.DOWN, FeedState.SILENT, FeedState.STALE, FeedState.LIVE, FeedState.REPLAY)
_WRONG: Final = frozenset({FeedState.DOWN, FeedState.SILENT, FeedState.STALE})


class Source(msgspec.Struct, frozen=True):
    """One venue, as its worst feed is doing."""

    venue: str
    state: str  #: live, stale, silent, down or replay
    age_ms: int | None  #: market time since it sent anything; null if it never did


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """How far a body can be trusted."""

    kind: Annotated[
        Literal["model", "observed"], msgspec.Meta(description="an estimate of ours, or what venues reported")
    ]
    data: Annotated[
        Literal["observed", "demo", "replay"] | None, msgspec.Meta(description="where the market itself comes from")
    ]
    as_of_ms: Annotated[int | None, msgspec.Meta(description="market time of the figures, epoch ms")]
    age_ms: Annotated[int | None, msgspec.Meta(description="how old they were when this was made; add the Age header")]
    stale: Annotated[bool, msgspec.Meta(description="the heart or a feed is not doing well; notes say which")]
    warming_up: Annotated[bool, msgspec.Meta(description="too little was seen yet for the figures to mean much")] = (
        False
    )
    sources: list[Source] = []
    coverage: Annotated[
        float | None, msgspec.Meta(description="share of the time asked about that was seen, 0 to 1")
    ] = None
    truncated: Annotated[bool, msgspec.Meta(description="there is more than was given")] = False
    heart: Annotated[str, msgspec.Meta(description="live, stale, gone, or none where this face never heard one")]
    notes: list[str] = []


def meta(
    sources: Sources,
    *,
    kind: Literal["model", "observed"],
    as_of_ms: int | None,
    data: Literal["observed", "demo", "replay"] | None = None,
    coverage: float | None = None,
    warming_up: bool = False,
    truncated: bool = False,
    notes: Sequence[str] = (),
    venues: Collection[str] | None = None,
) -> Meta:
    """The meta of a body made now.

    Args:
        sources: of this face.
        kind: of the figures.
        as_of_ms: market time of the figures, epoch ms; None = there are none.
        data: where the market comes from; None = as the store or the heart says.
        coverage: share of the time asked about that was seen, or filled since.
        warming_up: too little was seen yet.
        truncated: there is more than was given.
        notes: for people, one sentence each.
        venues: whose feeds matter; None = all.
    """
    stand = sources.stand()
    lines = [line for line in stand.feeds if venues is None or line.venue in venues]
    named = dict.fromkeys(line.venue for line in lines)
    troubled = [_trouble(name, [line for line in lines if line.venue == name]) for name in named]
    wrong = [*stand.notes, *(trouble for trouble in troubled if trouble is not None and stand.is_fed)]
    return Meta(
        kind=kind,
        data=data or (None if stand.data is None else stand.data.value),
        as_of_ms=as_of_ms,
        age_ms=None if as_of_ms is None else max(0, stand.now_ms - as_of_ms),
        stale=bool(wrong),
        warming_up=warming_up,
        sources=[_source(name, [line for line in lines if line.venue == name]) for name in named],
        coverage=coverage,
        truncated=truncated,
        heart=sources.live.heart.value,
        notes=[*notes, *wrong],
    )


def _source(venue: str, lines: list[FeedLine]) -> Source:
    """A venue by its worst feed, and by the youngest thing it sent."""
    ages = [line.age_ms for line in lines if line.age_ms is not None]
    worst = min((line.state for line in lines), key=_WORST_FIRST.index)
    return Source(venue, worst.value, min(ages, default=None))


def _trouble(venue: str, lines: list[FeedLine]) -> str | None:
    """What is wrong with a venue, in a sentence."""
    wrong = [line for line in lines if line.state in _WRONG]
    if not wrong:
        return None
    if len(wrong) == len(lines):
        worst = min((line.state for line in wrong), key=_WORST_FIRST.index)
        return f"{venue} is {worst.value}"
    return f"{venue}: " + ", ".join(f"{line.channel.value} {line.state.value}" for line in wrong)
