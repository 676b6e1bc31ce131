"""What venues tell of their traders: in any order, repeated and split anyhow, the rows are those of the set."""

import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.store_events import BTC, ETH, KPEPE, MINUTE, open_interest, position, ratio, taker_volume, tick

from perpscope.model.market import MarketEvent, OpenInterest, PublicPosition, RatioKind
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind

#: Each moment has one truth: the figure follows from the second, so that the same event always tells the same.
SECONDS = st.integers(0, 400)
EVENTS = st.one_of(
    st.builds(
        lambda s, of: open_interest(s, 1.0 + s, of=of), s=SECONDS, of=st.sampled_from([BTC.id, ETH.id, KPEPE.id])
    ),
    st.builds(lambda s, kind: ratio(s, s / 401, kind), s=SECONDS, kind=st.sampled_from(RatioKind)),
    st.builds(lambda s: taker_volume(s, 1.0 + s), s=SECONDS),
    st.builds(lambda s, account: position(s, 1.0 + s, account=account), s=SECONDS, account=st.sampled_from("ab")),
)


def minute_of(event: OpenInterest | PublicPosition) -> int:
    """The minute an event belongs to."""
    return event.ts_event // MINUTE


def newest(events: list[MarketEvent], kind: type[OpenInterest | PublicPosition]) -> set[MarketEvent]:
    """By definition: of each instrument, account and minute the event with the latest time."""
    found: dict[tuple[object, ...], OpenInterest | PublicPosition] = {}
    for event in events:
        if isinstance(event, kind):
            key = (event.instrument, getattr(event, "account", None), minute_of(event))
            if key not in found or event.ts_event > found[key].ts_event:
                found[key] = event
    return set(found.values())


@settings(deadline=None, max_examples=40)  # a loaded machine is no failure
@given(st.lists(EVENTS, max_size=60), st.data())
def test_rows_are_those_of_the_set(events: list[MarketEvent], data: st.DataObject) -> None:
    """Keeps S2-47, S2-48. Every figure once; of open interest and positions the newest of each minute."""
    again = data.draw(st.permutations(events))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "market.db"
        for run in (events, again):
            with closing(SqliteStore.open(path, kind=StoreKind.OBSERVED)) as store:
                store.register([BTC, ETH, KPEPE])
                for number, event in enumerate(run):
                    store.sink().accept(event)
                    if data.draw(st.integers(0, 9)) == 0:
                        store.sink().accept(tick(500 + number))
        with SqliteReader.open(path) as reader:
            counts, history = reader.open_interest(), reader.position_history("a") + reader.position_history("b")
            told = {*reader.long_short_ratio(), *reader.taker_volume()}
            held = reader.public_positions()
    assert (set(counts), len(counts)) == (expected := newest(events, OpenInterest), len(expected))
    assert (set(history), len(history)) == (expected := newest(events, PublicPosition), len(expected))
    assert told == {event for event in events if not isinstance(event, OpenInterest | PublicPosition)}
    latest = {event.account: max(e.ts_event for e in history if e.account == event.account) for event in history}
    assert {event.account: event.ts_event for event in held} == latest
