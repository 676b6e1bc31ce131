"""The bot against the lab's Bot API: what chats show, what is answered, and what is told where things go wrong."""

import asyncio
import logging
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import structlog
from tests.unit.told import ALERT, alert, cleared, grown, recovery, silence

from perpscope.analytics.alerts.alert import Severity
from perpscope.app import logs
from perpscope.app.alerts.sink import Delivery
from perpscope.errors import ConfigError, NotifyError
from perpscope.lab.allowance import Rate
from perpscope.lab.telegram.chats import Person
from perpscope.lab.telegram.flood import FloodRules
from perpscope.lab.telegram.methods import TOKEN, Methods
from perpscope.lab.telegram.server import BotServer, Fault
from perpscope.notify.bot_api import BotApi
from perpscope.notify.commands import Commands
from perpscope.notify.credentials import Credential
from perpscope.notify.pace import Pace
from perpscope.notify.phrases import Language
from perpscope.notify.questions import Questions
from perpscope.notify.telegram import Telegram
from perpscope.settings import Log, Settings

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
CHAT = 42
SECRET = TOKEN.partition(":")[2]


class Alerts:
    """Controls that remember what they were asked."""

    def __init__(self) -> None:
        self.muted: dict[str, float] = {}

    def mute(self, rule: str, seconds: float) -> int:
        """Until 09:30."""
        if rule == "unknown":
            raise ConfigError("alert-rule", "there is no rule 'unknown'")
        self.muted[rule] = seconds
        return 1_795_167_000_000

    def unmute(self, rule: str) -> None:
        """Forget it."""
        self.muted.pop(rule, None)

    def rules(self) -> Sequence[str]:
        """One."""
        return ["big-liq"]


class Hasty(Pace):
    """A pace that knows no limits of its own: those are tested with the queue."""

    def sent(self, chat: int, now_s: float) -> None:
        """Forget it."""


PATIENT = FloodRules(per_chat=Rate(1000, 1.0), per_group=Rate(1000, 1.0), in_all=Rate(1000, 1.0))


class Stage:
    """A bot at work, the server it speaks to, and the person who reads it."""

    def __init__(
        self, server: BotServer, person: Person, *, chats: Sequence[int] = (CHAT,), token: str = TOKEN
    ) -> None:
        self.server, self.person = server, person
        self.alerts = Alerts()
        questions = Questions(None, Settings(), "en")
        commands = Commands(chats, questions, self.alerts, "en", lambda: float(server.bot.chats.wall_s()))
        bot = BotApi(Credential(token), server.url, timeout_s=5.0)
        self.bot = Telegram(bot, chats, "en", commands=commands, page="http://127.0.0.1:8000", pace=Hasty())
        self._running = asyncio.create_task(self.bot.run())

    async def aclose(self) -> None:
        """End it."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.bot.aclose()

    def texts(self) -> list[str]:
        """First lines of what the person sees."""
        return [message.text.splitlines()[0] for message in self.person.inbox]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """One person, one bot."""
    async with BotServer(Methods(rules=PATIENT)) as server:
        made = Stage(server, server.person(CHAT))
        yield made
        await made.aclose()


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Everything the program logs at any level, in the file and on stderr."""
    path, streams = tmp_path / "all.log", []
    logs.set_up(Log(level="debug", file=str(path)))
    logging.getLogger().setLevel(logging.DEBUG)

    def everything() -> str:
        streams.append(capsys.readouterr().err)
        return path.read_text("utf-8") + "".join(streams)

    yield everything
    logging.getLogger().setLevel(logging.WARNING)
    logs.set_up(Log())
    structlog.reset_defaults()


def kept(said: str, words: str) -> list[str]:
    """Lines of the log file that have these words."""
    return [line for line in said.splitlines() if words in line and re.search(r"Z (ERROR|WARNING)", line)]


async def test_an_alert_is_one_message_from_its_first_word_to_its_last(stage: Stage) -> None:
    """Raised, grown and over: the chat has one message, with a chart and a way to mute it while it lasts."""
    sent = await stage.bot.tell(ALERT)
    assert (sent.is_sent, sent.reference, sent.phase, sent.why) == (True, f"{CHAT}:1", "raised", None)
    message = stage.person.inbox[0]
    assert message.text.startswith("🔻 BTC long liquidations  $6.20M in 5 min")
    assert [[button["text"] for button in row] for row in message.buttons] == [["Chart (this machine)", "Mute 1h"]]
    assert message.buttons[0][0]["url"] == "http://127.0.0.1:8000/map?coin=BTC"
    assert not message.is_silent
    await stage.bot.tell(grown(ALERT, 9e6))
    over = await stage.bot.tell(cleared(ALERT))
    assert over.reference == f"{CHAT}:1"
    assert stage.texts() == ["✅ BTC long liquidations  $0 in 5 min"]
    assert [button["text"] for row in message.buttons for button in row] == ["Chart (this machine)"]


async def test_told_at_once_a_burst_is_merged(stage: Stage) -> None:
    """Twenty phases of one alert at once are one or two calls; each is told what became of it."""
    told = [ALERT, *(grown(ALERT, 7e6 + n, n) for n in range(1, 19)), cleared(ALERT)]
    deliveries = await asyncio.gather(*map(stage.bot.tell, told))
    assert all(delivery.is_sent and delivery.reference == f"{CHAT}:1" for delivery in deliveries)
    assert stage.texts() == ["✅ BTC long liquidations  $0 in 5 min"]
    assert stage.server.requests["sendmessage"] + stage.server.requests["editmessagetext"] <= 2


async def test_silence_is_edited_on_recovery(stage: Stage) -> None:
    """The dead-man's message becomes the news that all is well."""
    silent = silence()
    await stage.bot.say(silent)
    assert "no data for 74 s" in stage.person.inbox[0].text
    await stage.bot.say(recovery(silent))
    assert stage.texts() == ["✅ okx liquidations: back after 2 m 10 s, 3 gaps"]


async def test_a_429_is_waited_out(stage: Stage) -> None:
    """Told to wait a second, the bot sends the same message a second later, once."""
    stage.server.suffer(Fault("flood", 1.0, "sendMessage"))
    began = asyncio.get_running_loop().time()
    assert (await stage.bot.tell(ALERT)).is_sent
    assert asyncio.get_running_loop().time() - began >= 1.0
    assert len(stage.person.inbox) == 1


@pytest.mark.parametrize("kind", ["status", "garbage", "cut"])
async def test_a_telegram_in_trouble_is_tried_again(stage: Stage, kind: str, said: Callable[[], str]) -> None:
    """A 502 page, half an answer or a cut connection costs a second, one line of the log, and no message."""
    stage.server.suffer(Fault(kind, 502, "sendMessage"))  # type: ignore[arg-type]  # one of its words
    assert (await stage.bot.tell(ALERT)).is_sent
    assert len(stage.person.inbox) == 1
    assert len(kept(said(), "Telegram does not take messages")) == 1
    assert SECRET not in said()


async def test_after_a_restart_the_old_message_is_edited() -> None:
    """A new bot that is told of the deliveries goes on with their messages."""
    async with BotServer() as server:
        person = server.person(CHAT)
        first = Stage(server, person)
        sent = await first.bot.tell(ALERT)
        await first.aclose()
        second = Stage(server, person)
        second.bot.recall([Delivery(sink="log", alert_id="x", at_ms=0, is_sent=True), sent])
        await second.bot.tell(cleared(ALERT))
        assert second.texts() == ["✅ BTC long liquidations  $0 in 5 min"]
        await second.aclose()


async def test_what_was_not_sent_is_said_when_the_face_ends() -> None:
    """An alert that still waits at the end is a delivery that failed, so that the next face can send it."""
    async with BotServer() as server:
        server.suffer(*[Fault("status", 502, "sendMessage")] * 5)
        made = Stage(server, server.person(CHAT))
        telling = asyncio.create_task(made.bot.tell(alert(severity=Severity.CRITICAL)))
        while not server.requests["sendmessage"]:
            await asyncio.sleep(0.001)
        await made.aclose()
        found = await telling
        assert (found.is_sent, found.why) == (False, "the face ended before it was sent")


async def test_a_bot_that_is_blocked_says_so_and_writes_to_the_others(said: Callable[[], str]) -> None:
    """One chat that is lost costs the others nothing; the delivery names who has it."""
    async with BotServer() as server:
        server.person(7).blocks()
        made = Stage(server, server.person(CHAT), chats=(7, CHAT))
        found = await made.bot.tell(ALERT)
        assert (found.is_sent, found.reference) == (True, f"{CHAT}:1")
        again = await made.bot.tell(alert(coin="ETH"))
        assert again.is_sent
        assert server.requests["sendmessage"] == 3, "the blocked chat was tried once"
        await made.aclose()
        lonely = Stage(server, server.bot.person(8), chats=(8,))
        lonely.person.blocks()
        lost = await lonely.bot.tell(ALERT)
        assert not lost.is_sent
        assert lost.why is not None
        assert "bot was blocked by the user" in lost.why
        await lonely.aclose()
    assert "bot was blocked by the user" in said()


async def test_a_group_that_became_another_is_followed(said: Callable[[], str]) -> None:
    """Its messages go to the new id, and the log says what to set."""
    async with BotServer() as server:
        group = server.person(-5, kind="group", name="desk")
        server.bot.chats.migrate(group.chat, -1005)
        made = Stage(server, group, chats=(-5,))
        assert (await made.bot.tell(ALERT)).reference == "-1005:1"
        await made.aclose()
    assert "set it in telegram.chats" in said()


async def test_a_wrong_token_is_one_clear_error(said: Callable[[], str], eventually: Eventually) -> None:
    """Sending and listening both fail; people are told once, without the token, and nobody is held up."""
    wrong = "4839574812:" + "Z" * 35
    async with BotServer() as server:
        made = Stage(server, server.person(CHAT), token=wrong)
        telling = asyncio.create_task(made.bot.tell(ALERT))
        await eventually(lambda: "Telegram does not know this token" in said())
        for _ in range(50):
            await asyncio.sleep(0)
        assert not telling.done()
        await made.aclose()
        assert not (await telling).is_sent
    assert len(kept(said(), "Telegram does not know this token")) == 1
    assert "Z" * 35 not in said()


async def test_two_bots_with_one_token_do_not_fight(said: Callable[[], str], eventually: Eventually) -> None:
    """Whoever is told of another listener says so once and pauses; messages go out all the same."""
    async with BotServer() as server:
        made = Stage(server, server.person(CHAT))
        await eventually(lambda: server.requests["getupdates"] > 0)
        other = BotApi(Credential(TOKEN), server.url)
        await other.call("getUpdates", {"timeout": 0})
        await eventually(lambda: "another program asks with the same token" in said())
        assert (await made.bot.tell(ALERT)).is_sent
        assert server.requests["getupdates"] == 2
        await other.aclose()
        await made.aclose()


async def test_people_ask_and_are_answered(stage: Stage, eventually: Eventually) -> None:
    """Each command has an answer, also where there is no store, and those that are done on the host alone."""
    for command, answer in {
        "/help": "I read and tell; I can stop trading and never start it.",
        "/signals": "This face has no database of its own: ask one beside the collector.",
        "/positions": "This face has no database of its own: ask one beside the collector.",
        "/halt": "This face has no database of its own: ask one beside the collector.",
        "/resume@perpscope_lab_bot": "/resume: letting trading go on is done on the host alone (perpscope risk reset,"
        " perpscope trade arm).",
        "/frobnicate": "I do not know /frobnicate. /help",
        "/status": "This face has no database of its own: ask one beside the collector.",
        "/mute soon": "/mute wants a time such as 30m, 1h or 1d, or off.",
    }.items():
        before = len(stage.person.inbox)
        stage.person.says(command)
        await eventually(lambda before=before: len(stage.person.inbox) > before)  # type: ignore[misc]  # bound now
        assert stage.person.inbox[-1].text.splitlines()[0] == answer
    assert [command["command"] for command in stage.server.bot.commands][:2] == ["status", "map"]


async def test_a_press_mutes_the_rule_and_takes_the_button_away(stage: Stage, eventually: Eventually) -> None:
    """[Mute 1h] does what it says for that rule alone, answers whoever pressed, and cannot be pressed again."""
    await stage.bot.tell(ALERT)
    message = stage.person.inbox[0]
    stage.person.presses(message, "Mute 1h")
    await eventually(lambda: not message.buttons)
    assert stage.alerts.muted == {"big-liq": 3600.0}
    assert stage.server.bot.chats.answered[0]["text"] == "Rule big-liq is muted until 09:30 UTC."
    stage.person.says("/mute 30m")
    await eventually(lambda: len(stage.person.inbox) == 2)
    assert stage.alerts.muted["*"] == 1800.0
    stage.person.says("/mute off")
    await eventually(lambda: len(stage.person.inbox) == 3)
    assert "*" not in stage.alerts.muted


async def test_a_stranger_gets_no_answer(stage: Stage, said: Callable[[], str], eventually: Eventually) -> None:
    """Whoever finds the bot learns nothing from it, not even that it is there; the log has it once."""
    stranger = stage.server.person(666, name="Eve")
    for _ in range(3):
        stranger.says("/status")
    stage.person.says("/help")
    await eventually(lambda: len(stage.person.inbox) == 1)
    assert stranger.inbox == []
    assert len(kept(said(), "not in telegram.chats")) == 1


async def test_a_command_of_long_ago_is_not_answered(stage: Stage, eventually: Eventually) -> None:
    """What was asked while nobody was here is over."""
    wall_s = stage.server.bot.chats.wall_s
    stage.server.bot.chats.wall_s = lambda: wall_s() - 3600
    stage.person.says("/help")
    stage.server.bot.chats.wall_s = wall_s
    stage.person.says("/positions")
    await eventually(lambda: len(stage.person.inbox) == 1)
    assert "no database" in stage.person.inbox[0].text


#: Every way a call can fail, with the code it is told by.
FAILURES = [
    (Fault("status", 500, "getMe"), "telegram-unreachable"),
    (Fault("garbage", 0, "getMe"), "telegram-unreachable"),
    (Fault("cut", 0, "getMe"), "telegram-unreachable"),
    (Fault("slow", 5.0, "getMe"), "telegram-unreachable"),
    (Fault("flood", 7.0, "getMe"), "telegram-limited"),
]


@pytest.mark.parametrize(("fault", "code"), FAILURES, ids=[fault.kind for fault, _ in FAILURES])
async def test_the_token_is_in_no_error_and_no_log(fault: Fault, code: str, said: Callable[[], str]) -> None:
    """However a call fails, neither the error, its traceback, its causes nor any library's log has the token."""
    async with BotServer() as server:
        server.suffer(fault)
        bot = BotApi(Credential(TOKEN), server.url, timeout_s=0.2)
        with pytest.raises(NotifyError) as raised:
            await bot.call("getMe")
        await bot.aclose()
    error: BaseException | None = raised.value
    assert raised.value.code == code
    _log_all(raised.value)
    while error is not None:
        shown = f"{error!r} {error} {error.args} {''.join(traceback.format_exception(error))} {vars(error)}"
        assert SECRET not in shown
        error = error.__cause__ or error.__context__
    assert SECRET not in said() + repr(bot)


@pytest.mark.parametrize(
    "base",
    ["http://127.0.0.1:1", "http://nowhere.invalid", "http://127.0.0.1:99999", "gopher://127.0.0.1"],
    ids=["refused", "no-such-host", "no-such-port", "no-such-scheme"],
)
async def test_the_token_is_in_no_error_of_the_network(base: str, said: Callable[[], str]) -> None:
    """A wrong address of the API is told without the path, where the token is."""
    bot = BotApi(Credential(TOKEN), base, timeout_s=2.0)
    with pytest.raises(NotifyError) as raised:
        await bot.call("getMe")
    await bot.aclose()
    _log_all(raised.value)
    assert raised.value.__context__ is None
    assert SECRET not in said() + str(raised.value) + "".join(traceback.format_exception(raised.value))


def test_a_server_that_repeats_the_token_is_not_repeated() -> None:
    """What an answer says is scrubbed, too."""
    key = Credential(TOKEN)
    assert key.scrubbed(f"no bot{TOKEN} or {SECRET} here") == "no bot*** or *** here"
    assert SECRET not in f"{key!r} {key}"
    with pytest.raises(TypeError):
        key.__reduce__()


def _log_all(error: BaseException) -> None:
    """As careless code would."""
    log = structlog.get_logger()
    log.error("it failed", error=error, exc_info=error)
    logging.getLogger("somebody").error("it failed: %r", error, exc_info=error)


async def test_the_lab_knows_the_same_limits() -> None:
    """The whole way, quick: five messages at once to five chats are no flood."""
    async with BotServer(Methods()) as server:
        people = [server.person(chat) for chat in range(1, 6)]
        made = Stage(server, people[0], chats=[person.id for person in people])
        found = await made.bot.tell(ALERT)
        assert found.reference is not None
        assert len(found.reference.split()) == 5
        assert server.bot.flood.refused == 0
        await made.aclose()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_menu_is_in_both_languages(language: Language) -> None:
    """What Telegram shows as commands is what there is."""
    commands = Commands([], Questions(None, Settings(), language), None, language, lambda: 0.0)
    bot = Methods()
    bot.person(CHAT)
    assert bot.call("setMyCommands", {"commands": commands.menu()}).status == 200


async def test_an_answer_that_fails_is_told(said: Callable[[], str]) -> None:
    """A bug of ours in an answer is logged with its traceback, and whoever asked is told that there is none."""

    class Broken(Questions):
        def answer(self, name: str, words: Sequence[str]) -> str:
            raise ZeroDivisionError(name, words)

    commands = Commands([CHAT], Broken(None, Settings(), "en"), None, "en", lambda: 0.0)
    reply = await commands.reply({"message": {"chat": {"id": CHAT}, "date": 0, "text": "/map"}})
    assert reply is not None
    assert reply.text == "error internal: /map"
    assert "ZeroDivisionError" in said()


@pytest.mark.parametrize(
    "update",
    [
        {},
        {"message": None},
        {"message": {"chat": {"id": "42"}, "text": "/help"}},
        {"message": {"chat": {"id": CHAT}, "date": 0}},
        {"message": {"chat": {"id": CHAT}, "date": 0, "text": "hello"}},
        {"message": {"chat": {"id": CHAT}, "date": 0, "text": "/" + "x" * 4000}},
        {"callback_query": {"id": "1", "data": "mute:x"}},
        {"callback_query": {"id": "1", "message": {"chat": {"id": 7}}, "data": "mute:x"}},
    ],
    ids=["empty", "none", "chat-is-text", "no-text", "no-command", "long", "no-message", "stranger"],
)
async def test_odd_updates_get_no_answer(update: dict[str, object]) -> None:
    """Whatever comes as an update, the bot neither breaks nor speaks out of turn."""
    commands = Commands([CHAT], Questions(None, Settings(), "en"), Alerts(), "en", lambda: 0.0)
    assert await commands.reply(update) is None


async def test_a_press_on_a_rule_that_is_gone_is_told() -> None:
    """A button below an old message of a rule that was taken out says so to whoever pressed it."""
    commands = Commands([CHAT], Questions(None, Settings(), "en"), Alerts(), "en", lambda: 0.0)
    message = {"chat": {"id": CHAT}, "message_id": 3}
    reply = await commands.reply({"callback_query": {"id": "9", "message": message, "data": "mute:unknown"}})
    assert reply is not None
    assert (reply.query, reply.notice, reply.message) == ("9", "there is no rule 'unknown'", None)
    odd = await commands.reply({"callback_query": {"id": "9", "message": message, "data": "other"}})
    assert odd is not None
    assert (odd.query, odd.notice) == ("9", "")
