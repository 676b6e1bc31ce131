"""What a connection asked for and what became of it: acknowledged by id or by name, refused, mute, renewed."""

import json

import pytest

from perpscope.feeds.subscriptions import Lost, Subscriptions
from perpscope.model.instrument import InstrumentId
from perpscope.model.stream import Channel, Control, Stream, Topic
from perpscope.ports import Dialogue

DIALOGUE = Dialogue(
    subscribe=lambda names, number: json.dumps(["+", number, *names]).encode(),
    unsubscribe=lambda names, number: json.dumps(["-", number, *names]).encode(),
    topics_per_request=4,
    between_requests_s=0.0,
)
BTC = InstrumentId("BTC-USDT-PERP.OKX")


def stream(number: int) -> Stream:
    """A stream of its own for each number."""
    return Stream(Channel.BOOK, InstrumentId(f"COIN{number}-USDT-PERP.OKX"))


def made(*topics: Topic, retry_s: float = 60.0) -> Subscriptions:
    """Subscriptions of these topics, ten seconds of patience."""
    return Subscriptions(topics, DIALOGUE, ack_timeout_s=10.0, retry_s=retry_s)


def plain(count: int) -> list[Topic]:
    """That many topics of one stream each."""
    return [Topic(f"t{number}", (stream(number),)) for number in range(count)]


def said(subscriptions: Subscriptions, now: float = 0.0) -> list[list[object]]:
    """Everything there is to be sent at this moment."""
    messages = []
    while (message := subscriptions.next_message(now)) is not None:
        messages.append(json.loads(message))
    return messages


def test_topics_are_asked_for_in_even_runs_and_acknowledged_by_number() -> None:
    """Ten topics of at most four a message are three messages; an answer to one makes its streams heard, once."""
    subscriptions = made(*plain(10))
    asked = said(subscriptions)
    assert [len(message) - 2 for message in asked] == [3, 3, 4]
    assert [message[1] for message in asked] == [1, 2, 3]
    assert subscriptions.answered(Control(2, None), 0.0)
    assert subscriptions.take_heard() == tuple(stream(number) for number in (3, 4, 5))
    assert subscriptions.take_heard() == ()
    assert [subscriptions.is_answered] == [False]
    assert subscriptions.answered(Control(1, None), 0.0)
    assert subscriptions.answered(Control(3, None), 0.0)
    assert subscriptions.is_answered
    assert len(subscriptions.take_heard()) == 7


def test_a_stream_of_several_topics_is_heard_when_all_are() -> None:
    """Mark, index and funding are one stream: two of three acknowledged are not enough."""
    marks = Stream(Channel.MARK_PRICES, BTC)
    subscriptions = made(*(Topic(name, (marks,)) for name in ("mark", "index", "funding")))
    said(subscriptions)
    assert subscriptions.answered(Control(None, None, topic="mark"), 0.0)
    assert subscriptions.answered(Control(None, None, topic="index"), 0.0)
    assert subscriptions.take_heard() == ()
    assert subscriptions.answered(Control(None, None, topic="funding"), 0.0)
    assert subscriptions.take_heard() == (marks,)
    assert subscriptions.is_answered


def test_one_bad_topic_of_fifty_is_found_by_halves_and_set_aside() -> None:
    """A refusal that names only the message is narrowed down; the forty-nine others are heard. RELIABILITY A7."""
    subscriptions = Subscriptions(
        plain(50),
        Dialogue(
            subscribe=DIALOGUE.subscribe,
            unsubscribe=DIALOGUE.unsubscribe,
            topics_per_request=50,
            between_requests_s=0.0,
        ),
        ack_timeout_s=10.0,
        retry_s=60.0,
    )
    messages = 0
    while (message := subscriptions.next_message(0.0)) is not None:
        _, number, *names = json.loads(message)
        messages += 1
        refused = "t37" in names
        subscriptions.answered(Control(number, "no such topic" if refused else None), 0.0)
    assert messages <= 13
    assert set(subscriptions.take_heard()) == {stream(number) for number in range(50) if number != 37}
    assert subscriptions.take_lost() == [Lost((stream(37),), "refused", "no such topic")]
    assert subscriptions.take_lost() == []
    assert subscriptions.hopeless is None


def test_a_refusal_that_names_message_and_topic_costs_that_topic() -> None:
    """Bybit refuses a whole message for one bad topic, and says which: the rest is asked for again at once."""
    subscriptions = made(*plain(3))
    said(subscriptions)
    assert subscriptions.answered(Control(1, "handler not found", topic="t1"), 0.0)
    assert [lost.streams for lost in subscriptions.take_lost()] == [(stream(1),)]
    assert said(subscriptions) == [["+", 2, "t0", "t2"]]
    subscriptions.answered(Control(2, None), 0.0)
    assert set(subscriptions.take_heard()) == {stream(0), stream(2)}


def test_what_was_refused_is_tried_again_ever_less_often_and_heard_at_last() -> None:
    """Sixty seconds later, then after two minutes more; once acknowledged it is heard like the others."""
    subscriptions = made(*plain(2))
    said(subscriptions)
    subscriptions.answered(Control(None, "unknown", topic="t1"), 0.0)
    subscriptions.answered(Control(None, None, topic="t0"), 0.0)
    assert subscriptions.take_heard() == (stream(0),)
    assert said(subscriptions, 59.0) == []
    assert said(subscriptions, 61.0) == [["+", 2, "t1"]]
    subscriptions.answered(Control(None, "unknown", topic="t1"), 61.0)
    assert len(subscriptions.take_lost()) == 2
    assert said(subscriptions, 180.0) == []
    assert said(subscriptions, 182.0) == [["+", 3, "t1"]]
    subscriptions.answered(Control(3, None), 182.0)
    assert subscriptions.take_heard() == (stream(1),)


def test_what_is_not_answered_is_asked_again_alone_and_then_set_aside() -> None:
    """One topic of three is swallowed by the venue: asked again by itself, and lost by name when that is mute too."""
    subscriptions = made(*plain(3))
    said(subscriptions)
    subscriptions.answered(Control(None, None, topic="t0"), 1.0)
    subscriptions.answered(Control(None, None, topic="t2"), 1.0)
    subscriptions.look(9.0)
    assert said(subscriptions, 9.0) == []
    subscriptions.look(11.0)
    assert [lost.cause for lost in subscriptions.take_lost()] == ["unacknowledged"]
    assert subscriptions.hopeless is None
    assert subscriptions.is_answered


def test_a_message_of_several_that_is_not_answered_is_taken_apart() -> None:
    """Two of four topics unanswered: each is asked for by itself before it is given up."""
    subscriptions = made(*plain(4))
    said(subscriptions)
    subscriptions.answered(Control(None, None, topic="t0"), 1.0)
    subscriptions.answered(Control(None, None, topic="t1"), 1.0)
    subscriptions.look(11.0)
    assert said(subscriptions, 11.0) == [["+", 2, "t2"], ["+", 3, "t3"]]
    subscriptions.answered(Control(2, None), 12.0)
    subscriptions.answered(Control(3, None), 12.0)
    assert set(subscriptions.take_heard()) == {stream(number) for number in range(4)}


def test_a_venue_that_answers_nothing_is_overdue() -> None:
    """Then the connection is to blame, not a topic."""
    subscriptions = made(*plain(3))
    said(subscriptions)
    assert not subscriptions.is_overdue(10.0)
    assert subscriptions.is_overdue(10.1)
    subscriptions.answered(Control(None, None, topic="t0"), 10.2)
    assert not subscriptions.is_overdue(99.0)


def test_time_in_which_nobody_listened_does_not_count() -> None:
    """Asked, stood still for a minute, excused: the venue still has its ten seconds."""
    subscriptions = made(*plain(1))
    assert said(subscriptions)
    subscriptions.excuse(60.0)
    subscriptions.look(65.0)
    assert not subscriptions.is_overdue(65.0)
    assert subscriptions.unanswered == ["t0"]
    assert subscriptions.is_overdue(71.0)


def test_nothing_but_refusals_is_hopeless() -> None:
    """A connection on which no topic was accepted is of no use."""
    subscriptions = made(*plain(1))
    said(subscriptions)
    subscriptions.answered(Control(1, "forbidden"), 0.0)
    assert [lost.cause for lost in subscriptions.take_lost()] == ["refused"]
    assert subscriptions.hopeless == "refused"
    assert made().hopeless is None


def test_an_error_that_names_nothing_is_about_the_only_open_question() -> None:
    """With one message under way there is no doubt; with two, patience decides instead."""
    subscriptions = made(*plain(1))
    said(subscriptions)
    assert subscriptions.answered(Control(None, "bad request"), 0.0)
    assert [lost.why for lost in subscriptions.take_lost()] == ["bad request"]
    doubtful = made(*plain(8))
    said(doubtful)
    assert not doubtful.answered(Control(None, "bad request"), 0.0)


@pytest.mark.parametrize("control", [Control(99, None), Control("99", "x"), Control(None, None, topic="else")])
def test_answers_to_nothing_we_asked_are_told_apart(control: Control) -> None:
    """A number or a name that is not ours changes nothing."""
    subscriptions = made(*plain(2))
    said(subscriptions)
    assert not subscriptions.answered(control, 0.0)
    assert subscriptions.take_heard() == ()


def test_a_book_is_renewed_by_leaving_and_joining_its_topic() -> None:
    """Unsubscribe, subscribe; the stream is not announced a second time, it never ceased."""
    subscriptions = made(*plain(2))
    said(subscriptions)
    assert not subscriptions.renew(stream(1))
    subscriptions.answered(Control(1, None), 0.0)
    assert len(subscriptions.take_heard()) == 2
    assert subscriptions.renew(stream(1))
    assert subscriptions.renew(stream(1))
    assert subscriptions.away == set()
    assert said(subscriptions) == [["-", 2, "t1"], ["+", 3, "t1"]]
    assert subscriptions.away == {stream(1)}
    assert subscriptions.answered(Control(3, None), 0.0)
    assert subscriptions.away == set()
    assert subscriptions.take_heard() == ()
    assert not subscriptions.renew(stream(7))


def test_many_books_are_renewed_by_as_few_messages_as_the_venue_takes() -> None:
    """Fault B3: a hole in every book costs two messages a run of topics; each is rejoined before the next is left."""
    subscriptions = made(*plain(6))
    said(subscriptions)
    for number in (1, 2):
        subscriptions.answered(Control(number, None), 0.0)
    for number in range(6):
        assert subscriptions.renew(stream(number))
    first, second = ["t0", "t1", "t2", "t3"], ["t4", "t5"]
    assert json.loads(subscriptions.next_message(0.0) or b"null") == ["-", 3, *first]
    assert subscriptions.renew(stream(0)), "it is on its way"
    assert not subscriptions.is_answered
    assert said(subscriptions) == [["+", 4, *first], ["-", 5, *second], ["+", 6, *second]]
    for number in (4, 6):
        subscriptions.answered(Control(number, None), 0.0)
    assert subscriptions.unanswered == []
    assert subscriptions.take_lost() == []
