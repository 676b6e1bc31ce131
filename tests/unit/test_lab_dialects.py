"""One sweep over every wire the lab speaks, found by folder: what each dialect owes the generic exchange."""

import pkgutil
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import perpscope.lab.wire
from perpscope.lab.dialect import Goodbye, dialect
from perpscope.lab.rehearsal import Rehearsal
from perpscope.lab.symbols import CONTRACTS
from perpscope.model.market import Trade

VENUES = sorted(found.name for found in pkgutil.iter_modules(perpscope.lab.wire.__path__))
CAUSES = ("lifetime", "idle", "no-pong", "too-many-messages", "unsupported-frame")
_WORDS = st.sampled_from(
    [b"ping", b"subscribe", b"unsubscribe", b"op", b"args", b"method", b"type", b"coin", b"channel", b"topic"]
)
_TOKENS = st.sampled_from([b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"1", b"-1", b"BTC", b"\xff", b" "])


@pytest.mark.parametrize("venue", VENUES)
def test_names_and_units_are_complete(venue: str) -> None:
    """Card 1: the folder's name is the venue; each contract has its own name, a tick and a step, and writes numbers."""
    wire = dialect(venue)
    assert wire.venue == venue
    listings = [wire.listing(wire.instrument(contract)) for contract in CONTRACTS]
    assert len({listing.symbol for listing in listings}) == len(CONTRACTS)
    assert len({listing.instrument.id for listing in listings}) == len(CONTRACTS)
    for listing, contract in zip(listings, CONTRACTS, strict=True):
        instrument = listing.instrument
        assert instrument.venue == venue
        assert instrument.id.endswith(f".{venue.upper()}")
        assert instrument.tick_size
        assert instrument.step_size
        written = Decimal(listing.price(contract.price))
        assert float(written) == pytest.approx(contract.price, rel=1e-3)
        step = Decimal(listing.size(float(instrument.step_size)))
        assert step * instrument.contract_size == instrument.step_size


@pytest.mark.parametrize("venue", VENUES)
def test_the_same_seed_tells_the_same_trades(venue: str) -> None:
    """Card 2: seed and start decide the market, whatever the venue; its prices keep to the venue's tick."""
    stages = [Rehearsal(venue, 7, ("BTC", "ETH")) for _ in range(2)]
    told: list[list[Trade]] = []
    for stage in stages:
        stage.run(20.0)
        told.append([trade for listing in stage.listings for trade in stage.publisher.stand(listing.symbol).trades])
    assert told[0] == told[1]
    assert len(told[0]) > 20
    tick = stages[0].listings[0].instrument.tick_size
    assert tick is not None
    prices = [Decimal(str(trade.price)) for trade in stages[0].publisher.stand(stages[0].listings[0].symbol).trades]
    assert all(price % tick == 0 for price in prices)


@pytest.mark.parametrize("venue", VENUES)
def test_connections_open_on_known_paths_only(venue: str) -> None:
    """Card 3: each path opens a dialogue without topics, with a goodbye for every cause; any other path does not."""
    stage = Rehearsal(venue, symbols=("BTC",))
    assert stage.wire.paths
    for path in stage.wire.paths:
        talk = stage.dialogue(path)
        assert talk is not None
        assert talk.topics == {}
        assert all(isinstance(talk.goodbye(cause), Goodbye) for cause in CAUSES)
        assert (talk.notice() is not None) == (stage.rules.notice_s > 0)
        assert talk.carries("nothing") in (True, False)
    assert stage.dialogue("/nowhere") is None


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.lists(
        st.one_of(st.binary(max_size=30), st.lists(_WORDS | _TOKENS, max_size=12).map(b"".join)), max_size=5
    )
)
@pytest.mark.unmeasured
def test_any_bytes_are_heard(venue: str, messages: list[bytes]) -> None:
    """Card 4: whatever a client says, a dialogue answers or keeps silent, and never raises."""
    stage = _STAGES.setdefault(venue, Rehearsal(venue, symbols=("BTC",)))
    for path in stage.wire.paths:
        talk = stage.dialogue(path)
        for message in messages:
            stage.now_s += 1.0
            assert all(isinstance(frame, bytes) for frame in stage.say(talk, message))


_STAGES: dict[str, Rehearsal] = {}


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=100, deadline=None)
@given(path=st.text(max_size=20), name=st.text(max_size=8), value=st.text(max_size=8), body=st.binary(max_size=30))
@pytest.mark.unmeasured
def test_any_request_is_answered(venue: str, path: str, name: str, value: str, body: bytes) -> None:
    """Card 5: whatever is asked for, REST answers with a status, and never raises."""
    stage = _STAGES.setdefault(venue, Rehearsal(venue, symbols=("BTC",)))
    stage.now_s += 60.0
    assert stage.get(f"/{path}", **{name: value}).status >= 200
    assert stage.post(f"/{path}", body).status >= 200


@pytest.mark.parametrize("venue", VENUES)
def test_nothing_is_said_of_topics_nobody_has_heard_of(venue: str) -> None:
    """Card 6: no opening for an unknown topic, no frame for nobody, and words for who asks too often."""
    stage = Rehearsal(venue, symbols=("BTC",))
    stage.run(5.0)
    assert list(stage.opening("nothing")) == []
    assert stage.heard == []
    assert stage.side.throttled(1).body
    assert stage.side.budget.limit > 0
