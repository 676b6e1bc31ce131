"""The queue before Telegram, on a clock of its own: its pace, what it merges, what it drops, how it takes refusals.

Whether a pace is right is judged by the lab's limits, which were written from Telegram's words and not from the queue.
"""

import math

import pytest

from perpscope.errors import NotifyError
from perpscope.lab.telegram.methods import Methods
from perpscope.notify.messages import left_out_text
from perpscope.notify.pace import Pace
from perpscope.notify.queue import BURST_S, STALE_S, Outbox, Post

CHAT, GROUP = 42, -100


class Desk:
    """An outbox before the lab's bot, on one clock that a test moves."""

    def __init__(self, most: int = 200, pace: Pace | None = None) -> None:
        self.now = 0.0
        self.bot = Methods(now_s=lambda: self.now, wall_s=lambda: round(self.now))
        self.inbox = {chat: self.bot.person(chat, kind=kind) for chat, kind in ((CHAT, "private"), (GROUP, "group"))}
        self.outbox = Outbox(most, lambda count: left_out_text(count, "en"), pace)
        self.sent_at: list[tuple[int, float]] = []
        self.limited = 0

    def put(self, name: str, *, chat: int = CHAT, **more: object) -> list[Post]:
        """Let a message wait."""
        fields = {"phase": "raised", "root": name, "subject": "", "text": name, **more}
        return self.outbox.put(Post(chat=chat, id=name, **fields), self.now)  # type: ignore[arg-type]  # of Post

    def work(self, until_s: float = math.inf) -> None:
        """Let time pass from one post to the next, until nothing waits."""
        while self.now <= until_s:
            post, at = self.outbox.next(self.now)
            if post is None:
                if at == math.inf or at > until_s:
                    return
                self.now = at
            else:
                self._send(post)

    def _send(self, post: Post) -> None:
        self.outbox.tried(post, self.now)
        method = "sendMessage" if post.message is None else "editMessageText"
        asked = {"chat_id": post.chat, "text": post.text, "parse_mode": "HTML", "message_id": post.message}
        answer = self.bot.call(method, asked)
        if answer.status == 200:
            self.sent_at.append((post.chat, self.now))
            self.outbox.sent(post, answer.body["result"]["message_id"], self.now)
            return
        assert answer.status == 429, answer.body
        self.limited += 1
        wait_s = answer.body["parameters"]["retry_after"]
        self.outbox.refused(post, NotifyError("telegram-limited", "", retry_after_s=wait_s), self.now)

    def texts(self, chat: int = CHAT) -> list[str]:
        """What the chat shows."""
        return [message.text for message in self.inbox[chat].inbox]


class Hasty(Pace):
    """A pace that knows no limits of its own, only what it is told."""

    def sent(self, chat: int, now_s: float) -> None:
        """Forget it."""


def test_nothing_is_ever_too_much_for_telegram() -> None:
    """300 messages to a person and a group pass without one 429, as fast as the limits let them."""
    desk = Desk(most=1000)
    for number in range(150):
        desk.put(f"p{number}")
        desk.put(f"g{number}", chat=GROUP)
    desk.work()
    assert desk.limited == desk.bot.flood.refused == 0
    assert desk.texts() == [f"p{number}" for number in range(150)]
    assert desk.texts(GROUP) == [f"g{number}" for number in range(150)]
    people = [at for chat, at in desk.sent_at if chat == CHAT]
    assert people[-1] == pytest.approx(149.0)
    assert desk.now == pytest.approx(7 * 60.0 + 9.0)


def test_a_429_is_obeyed_to_the_second() -> None:
    """Told to wait, nothing is sent to that chat until then; nothing is lost, doubled or out of order."""
    desk = Desk(pace=Hasty())
    for number in range(12):
        desk.put(f"{number}")
    desk.work(4.9)
    assert len(desk.texts()) == 5
    assert desk.limited == 1
    desk.work()
    assert desk.texts() == [f"{number}" for number in range(12)]
    times = [at for _, at in desk.sent_at]
    assert times[5] == pytest.approx(5.0)
    assert desk.limited == 2


def test_one_chat_that_must_wait_holds_up_no_other() -> None:
    """A group over its limit does not delay the person's message."""
    desk = Desk()
    for number in range(25):
        desk.put(f"g{number}", chat=GROUP)
    desk.work(30.0)
    desk.now = 30.0
    desk.put("urgent", rank=2)
    desk.work(31.0)
    assert desk.texts() == ["urgent"]
    assert len(desk.texts(GROUP)) == 20


def test_a_burst_is_one_message_that_is_edited() -> None:
    """An alert that grows while it waits is sent once as it is; what comes later edits that message."""
    desk = Desk()
    desk.put("first")
    desk.work()
    for size in (1, 2, 3):
        desk.put("a", text=f"size {size}", phase="raised" if size == 1 else "updated", rank=1)
    desk.work()
    assert desk.texts() == ["first", "size 3"]
    for size in (4, 5):
        desk.put("a", text=f"size {size}", phase="updated", rank=1)
    desk.put("a", text="over", phase="cleared", rank=1)
    desk.work()
    assert desk.texts() == ["first", "over"]
    assert desk.inbox[CHAT].inbox[1].versions == ["size 3"]
    assert desk.outbox.merged == 4


def test_alerts_of_one_rule_and_coin_share_a_message_for_a_minute() -> None:
    """Another alert of the same rule and coin edits the last one's message, unless it weighs more or comes later."""
    desk = Desk()
    desk.put("a1", subject="rule:BTC", rank=1)
    desk.work()
    desk.now += BURST_S / 2
    desk.put("a2", subject="rule:BTC", rank=1)
    desk.put("b1", subject="rule:ETH", rank=1)
    desk.work()
    assert desk.texts() == ["a2", "b1"]
    desk.put("a2", subject="rule:BTC", text="a2 over", phase="cleared", rank=1)
    desk.work()
    assert desk.texts() == ["a2 over", "b1"]
    desk.put("a3", subject="rule:BTC", rank=2)
    desk.work()
    assert desk.texts() == ["a2 over", "b1", "a3"], "a critical one makes a sound"
    desk.now += BURST_S + 1
    desk.put("a4", subject="rule:BTC", rank=1)
    desk.work()
    assert desk.texts()[-1] == "a4"
    waiting = Desk()
    waiting.put("x")
    waiting.put("c1", subject="rule:SOL")
    waiting.put("c2", subject="rule:SOL", rank=1)
    waiting.work()
    assert waiting.texts() == ["c2", "x"], "the heavier goes first"


def test_over_the_bound_old_and_light_ones_go_and_that_is_said() -> None:
    """A full queue keeps the critical ones; how many were left out is a message of its own."""
    desk = Desk(most=5)
    desk.put("critical", rank=2)
    gone = [post.id for number in range(8) for post in desk.put(f"info {number}")]
    gone += [post.id for number in range(3) for post in desk.put(f"warning {number}", rank=1)]
    assert gone == [f"info {number}" for number in range(7)]
    desk.work()
    assert desk.texts() == [
        "critical",
        "warning 0",
        "warning 1",
        "warning 2",
        "info 7",
        "⚠️ 7 less important messages were left out: more came than Telegram takes.",
    ]


def test_silence_and_recovery_are_one_message() -> None:
    """What edits an earlier saying changes its message; while that still waits, only the newer is sent."""
    desk = Desk()
    desk.put("silent", rank=2)
    desk.work()
    desk.put("back", root="silent", phase="back", rank=1)
    desk.work()
    assert desk.texts() == ["back"]
    desk.put("silent2", rank=2)
    desk.put("back2", root="silent2", phase="back", rank=1)
    desk.work()
    assert desk.texts() == ["back", "back2"]


def test_what_was_sent_before_a_restart_is_edited_after_it() -> None:
    """A new queue that is told of the old one's messages goes on with them."""
    desk = Desk()
    desk.put("a", text="before")
    desk.work()
    number = desk.outbox.message_of(CHAT, "a")
    assert number is not None
    desk.outbox = Outbox(10, str)
    desk.outbox.known(CHAT, "a", number)
    desk.put("a", text="after", phase="cleared")
    desk.work()
    assert desk.texts() == ["after"]


def post_of(desk: Desk) -> Post:
    """The next post, when its turn has come."""
    post, desk.now = desk.outbox.next(desk.now)
    if post is None:
        post, desk.now = desk.outbox.next(desk.now)
    assert post is not None
    return post


def test_an_unreachable_telegram_is_tried_less_and_less() -> None:
    """1, 2, 4 … 60 s between tries; the first success forgets that."""
    desk = Desk()
    desk.put("x")
    waits = []
    for _ in range(8):
        post = post_of(desk)
        assert desk.outbox.refused(post, NotifyError("telegram-unreachable", "no"), desk.now) is None
        _, at = desk.outbox.next(desk.now)
        waits.append(at - desk.now)
        desk.now = at
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    desk.work()
    assert desk.texts() == ["x"]
    desk.put("y")
    post = post_of(desk)
    desk.outbox.refused(post, NotifyError("telegram-unreachable", "no"), desk.now)
    assert desk.outbox.next(desk.now)[1] - desk.now == 1


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_what_waited_too_long_is_not_sent(rank: int) -> None:
    """After an outage nobody is told of what has long been over; what is critical is told for a day."""
    desk = Desk()
    desk.put("x", rank=rank)
    post = post_of(desk)
    assert desk.outbox.drop_why(post, STALE_S[rank]) is None
    assert "too late" in str(desk.outbox.drop_why(post, STALE_S[rank] + 1))


def test_a_chat_that_blocked_the_bot_is_left_alone() -> None:
    """It costs no more calls for an hour, or until somebody there speaks."""
    desk = Desk()
    desk.put("x")
    blocked = NotifyError("telegram-chat", "Forbidden: bot was blocked by the user")
    assert desk.outbox.refused(post_of(desk), blocked, desk.now) == "Forbidden: bot was blocked by the user"
    desk.put("y")
    post = post_of(desk)
    assert "blocked" in str(desk.outbox.drop_why(post, 1.0))
    assert desk.outbox.drop_why(post, 3601.0) != desk.outbox.drop_why(post, 1.0)
    desk.outbox.heard(CHAT)
    assert desk.outbox.drop_why(post, 1.0) is None


def test_a_group_that_moved_is_followed() -> None:
    """Its new id is taken for whatever waits and comes; its messages are still known."""
    desk = Desk()
    desk.outbox.known(GROUP, "old", 7)
    desk.put("x", chat=GROUP)
    desk.put("y", chat=GROUP)
    moved = NotifyError("telegram-chat", "upgraded", moved_to=-100_5)
    assert desk.outbox.refused(post_of(desk), moved, desk.now) is None
    assert post_of(desk).chat == -100_5
    desk.put("z", chat=GROUP)
    assert [post_of(desk).chat for _ in range(2)] == [-100_5, -100_5]


def test_other_refusals_cost_that_message_alone() -> None:
    """A message to edit that is gone is sent anew; one that cannot be parsed is given up, with the reason."""
    desk = Desk()
    desk.put("a")
    desk.work()
    desk.put("a", text="b", phase="updated")
    post = post_of(desk)
    assert post.message is not None
    gone = NotifyError("telegram-refused", "editMessageText: 400 Bad Request: message to edit not found")
    assert desk.outbox.refused(post, gone, desk.now) is None
    desk.work()
    assert desk.texts() == ["a", "b"]
    desk.put("c")
    bad = NotifyError("telegram-refused", "sendMessage: 400 Bad Request: can't parse entities")
    assert desk.outbox.refused(post_of(desk), bad, desk.now) == bad.message
    assert len(desk.outbox) == 0


def test_a_token_nobody_knows_is_tried_again_after_minutes() -> None:
    """A wrong token is no flood of requests."""
    desk = Desk()
    desk.put("x")
    assert desk.outbox.refused(post_of(desk), NotifyError("telegram-unauthorized", "no"), desk.now) is None
    assert desk.outbox.next(desk.now)[1] == 600.0
