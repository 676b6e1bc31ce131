"""What the board makes of what the heart tells, channel by channel."""

import asyncio

import msgspec
import pytest
from tests.pushing import BTC, ETH, NOW, STATUS, Heart, line, liquidated

from perpscope.model.bulletin import MapNews, Message, Topic
from perpscope.model.market import Candle, Interval, OpenInterest
from perpscope.web.problem import Refused
from perpscope.web.push.board import Board
from perpscope.web.push.channels import EventChannel, StateChannel
from perpscope.web.push.rows import candle_row, liquidation_row
from perpscope.web.push.wire import framed, unframed

CANDLE = Candle(BTC, NOW, NOW, Interval.M1, NOW, 1, 3, 1, 2, 5, 7, 9, 4, 6, is_closed=True)


class Ear:
    """A face's ears, and a board that hears with them."""

    def __init__(self) -> None:
        self.heart = Heart()
        self.changes = 0
        self.board = Board(self.heart.live, self._changed)
        self.heart.live.follow(self.board.told)

    def _changed(self) -> None:
        self.changes += 1

    def hears(self, topic: Topic, payload: object, run: str = "a") -> None:
        """The heart tells something, now."""
        encode = msgspec.json.encode if topic is Topic.STATUS else msgspec.msgpack.encode
        self.heart.live._take(Message(topic.value, encode(payload), 1, run, None))


@pytest.fixture
async def ear() -> Ear:
    """On a loop, as a face is."""
    await asyncio.sleep(0)
    return Ear()


def members(board: Board, name: str) -> dict[str, object]:
    """The state of a channel once its news was told."""
    channel = board.open(name)
    assert isinstance(channel, StateChannel)
    channel.turn(0)
    return {member: msgspec.json.decode(value) for member, value in channel.members.items()}


async def test_an_instrument_a_new_heart_does_not_tell_of_is_gone(ear: Ear) -> None:
    """Another heart, other instruments: what the old one told is taken back."""
    ear.board.open("market")
    ear.hears(Topic.MARKET, line(1))
    ear.hears(Topic.STATUS, STATUS)
    assert set(members(ear.board, "market")) == {BTC}
    ear.hears(Topic.MARKET, line(1, ETH), run="b")
    ear.hears(Topic.STATUS, STATUS, run="b")
    assert set(members(ear.board, "market")) == {ETH}


async def test_a_candle_channel_knows_what_was_told_before(ear: Ear) -> None:
    """Who comes late gets the newest candle at once."""
    ear.hears(Topic.MARKET, msgspec.structs.replace(line(1), candle=CANDLE))
    assert set(members(ear.board, f"candles:{BTC.lower()}")) == {"1m", "1m_closed"}
    assert msgspec.json.decode(candle_row(CANDLE, "replay"))["taker_buy_volume"] == 4


async def test_what_has_no_channel_is_passed_over(ear: Ear) -> None:
    """Open interest as an event and a map nobody offers change nothing; a status without a listener neither."""
    ear.hears(Topic.EVENTS, [OpenInterest(BTC, NOW, NOW, 1.0, None)])
    ear.hears(Topic.MAPS, MapNews("BTC", NOW))
    ear.board.look()
    assert not ear.board.turn(0)
    with pytest.raises(Refused, match="there is no channel 'map:BTC'"):
        ear.board.open("map:BTC")


async def test_the_status_says_what_was_lost_on_its_way(ear: Ear) -> None:
    """Messages of the heart that went missing are counted for whoever listens."""
    channel = ear.board.open("status")
    ear.heart.live.missed = 3
    ear.board.look()
    assert members(ear.board, "status")["missed"] == 3
    ear.board.close(channel)
    ear.board.close(channel)
    assert "status" not in ear.board.names


async def test_the_two_channels_of_events_stay(ear: Ear) -> None:
    """They are kept though nobody listens: who comes is told what was before."""
    channel = ear.board.open("liquidations")
    ear.board.close(channel)
    ear.hears(Topic.EVENTS, [liquidated(1)])
    assert ear.board.turn(0)
    assert ear.board.open("liquidations") is channel
    assert isinstance(channel, EventChannel)
    ((_, frame),) = channel.owed(None, 0)
    assert len(msgspec.json.decode(unframed(frame))["data"]) == 1


def test_a_liquidation_without_a_price_has_null_and_not_nought() -> None:
    """Unknown is null: neither a price nor dollars are made up."""
    row = msgspec.json.decode(liquidation_row(msgspec.structs.replace(liquidated(1), fill_price=None), "demo"))
    assert (row["price"], row["usd"], row["price_is"]) == (None, None, None)
    priced = msgspec.structs.replace(liquidated(1), fill_price=None, bankruptcy_price=5.0)
    assert msgspec.json.decode(liquidation_row(priced, None))["price_is"] == "bankruptcy"


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_holds_its_text(size: int) -> None:
    """Each of the three lengths a frame can be written with is read back."""
    text = b"x" * size
    assert unframed(framed(text)) == text
