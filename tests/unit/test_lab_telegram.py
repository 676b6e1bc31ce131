"""The lab's Bot API, method by method: its answers and refusals are Telegram's."""

# ruff: noqa: E501, ANN401 -- tables of calls, one a line; arguments of any kind
import asyncio
import json
from typing import Any

import aiohttp
import pytest

from perpscope.lab.telegram.flood import Flood, FloodRules
from perpscope.lab.telegram.markup import BadMarkup, parse_html
from perpscope.lab.telegram.methods import TOKEN, Methods
from perpscope.lab.telegram.server import BotServer, Fault

CHAT = 42
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000003000000020802000000")


@pytest.fixture
def bot() -> Methods:
    """A bot with a chat, whose clock stands still."""
    made = Methods(now_s=lambda: 0.0, wall_s=lambda: 1_795_165_334)
    made.person(CHAT)
    return made


def said(bot: Methods, method: str, **asked: Any) -> str:
    """How a call is refused; empty if it is not."""
    answer = bot.call(method, {"chat_id": CHAT, **asked})
    assert (answer.status == 200) == answer.body["ok"]
    if answer.status != 200:
        assert answer.body["error_code"] == answer.status
    return "" if answer.body["ok"] else f"{answer.status} {answer.body['description']}"


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain &lt;&amp;&gt;&quot;&#128315;&#x1F53B;", 'plain <&>"🔻🔻', []),
        ("a &nbsp; b", "a &nbsp; b", []),
        ("🔻 <b>x</b>", "🔻 x", [{"type": "bold", "offset": 3, "length": 1}]),
        ("<i><b>x</b>y</i>", "xy", [{"type": "italic", "offset": 0, "length": 2}, {"type": "bold", "offset": 0, "length": 1}]),
        ("<A href='http://a.b/?x=1&amp;y=2'>x</a>", "x", [{"type": "text_link", "offset": 0, "length": 1, "url": "http://a.b/?x=1&y=2"}]),
        ("<a href='http://localhost/'>x</a>", "x", []),
        ('<code class="language-py">x</code>', "x", [{"type": "code", "offset": 0, "length": 1, "language": "py"}]),
        ('<span class="tg-spoiler">x</span>', "x", [{"type": "spoiler", "offset": 0, "length": 1}]),
        ("<b></b>x</", None, "Unexpected end tag at byte offset 8"),
        ("<b>x</>", "x", [{"type": "bold", "offset": 0, "length": 1}]),
        ("<br>", None, 'Unsupported start tag "br" at byte offset 0'),
        ("가<b", None, "Unclosed start tag at byte offset 3"),
        ("<b>x", None, 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>x</i>", None, 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b>x</b", None, "Unclosed end tag at byte offset 4"),
        ("<a =x>", None, 'Empty attribute name in the tag "a" at byte offset 0'),
        ("<a href>", None, 'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0'),
        ("<a href=x_y>", None, "Unexpected end of name token at byte offset 8"),
        ("<a href='x", None, "Unclosed start tag at byte offset 0"),
        ("<span>x</span>", None, 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("a < b", None, 'Unsupported start tag "" at byte offset 2'),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_html_is_read_as_tdlib_reads_it(source: str, text: str | None, entities: Any) -> None:
    """What the lab takes, Telegram takes; what it refuses, Telegram refuses in the same words."""
    if text is None:
        with pytest.raises(BadMarkup) as refused:
            parse_html(source)
        assert str(refused.value) == entities
        return
    found = parse_html(source)
    assert (found.text, found.entities) == (text, entities)


def test_a_message_is_sent_edited_and_deleted(bot: Methods) -> None:
    """A bot's message has what the documentation says, and can be changed while it is there."""
    keys = {"inline_keyboard": [[{"text": "Mute", "callback_data": "m"}]]}
    sent = bot.call(
        "sendMessage",
        {"chat_id": str(CHAT), "text": " <b>x</b> ", "parse_mode": "HTML", "reply_markup": json.dumps(keys)},
    )
    message = sent.body["result"]
    assert message == {
        "message_id": 1,
        "from": {"id": 4839574812, "is_bot": True, "first_name": "perpscope lab", "username": "perpscope_lab_bot"},
        "chat": {"id": CHAT, "type": "private", "first_name": "Ada"},
        "date": 1_795_165_334,
        "text": "x",
        "entities": [{"type": "bold", "offset": 0, "length": 1}],
        "reply_markup": keys,
    }
    edited = bot.call("EDITMESSAGETEXT", {"chat_id": CHAT, "message_id": 1, "text": "y"}).body["result"]
    assert (edited["text"], edited["edit_date"], "reply_markup" in edited) == ("y", 1_795_165_334, False)
    assert said(bot, "editMessageText", message_id=1, text="y").startswith("400 Bad Request: message is not modified: ")
    assert said(bot, "editMessageReplyMarkup", message_id=1, reply_markup=keys) == ""
    assert said(bot, "deleteMessage", message_id=1) == ""
    assert said(bot, "deleteMessage", message_id=1) == "400 Bad Request: message to delete not found"
    assert said(bot, "editMessageText", message_id=1, text="z") == "400 Bad Request: message to edit not found"


@pytest.mark.parametrize(
    ("method", "asked", "refusal"),
    [
        ("sendMessage", {"chat_id": ""}, "400 Bad Request: chat_id is empty"),
        ("sendMessage", {"chat_id": 7, "text": "x"}, "400 Bad Request: chat not found"),
        ("sendMessage", {"chat_id": "@nobody", "text": "x"}, "400 Bad Request: chat not found"),
        ("sendMessage", {"text": " "}, "400 Bad Request: message text is empty"),
        ("sendMessage", {"text": "x" * 4097}, "400 Bad Request: message is too long"),
        ("sendMessage", {"text": "🔻" * 2049}, "400 Bad Request: message is too long"),
        ("sendMessage", {"text": "<b>" + "x" * 4096 + "</b>", "parse_mode": "HTML"}, ""),
        ("sendMessage", {"text": "<x>", "parse_mode": "html"}, '400 Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 0'),
        ("sendMessage", {"text": "x", "parse_mode": "rtf"}, "400 Bad Request: unsupported parse_mode"),
        ("sendMessage", {"text": "x", "reply_markup": "{"}, "400 Bad Request: can't parse reply markup JSON object"),
        ("sendMessage", {"text": "x", "reply_markup": "[]"}, "400 Bad Request: object expected as reply markup"),
        ("sendMessage", {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "x" * 65}]]}}, "400 Bad Request: BUTTON_DATA_INVALID"),
        ("sendMessage", {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "url": "http://localhost:8000"}]]}}, "400 Bad Request: inline keyboard button URL 'http://localhost:8000' is invalid: Wrong HTTP URL"),
        ("sendMessage", {"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}}, "400 Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
        ("editMessageText", {"text": "x"}, "400 Bad Request: message identifier is not specified"),
        ("sendPhoto", {}, "400 Bad Request: there is no photo in the request"),
        ("sendPhoto", {"photo": b"text"}, "400 Bad Request: IMAGE_PROCESS_FAILED"),
        ("sendPhoto", {"photo": PNG, "caption": "x" * 1025}, "400 Bad Request: message caption is too long"),
        ("sendPhoto", {"photo": PNG, "caption": "map"}, ""),
        ("answerCallbackQuery", {"callback_query_id": "1"}, "400 Bad Request: query is too old and response timeout expired or query ID is invalid"),
        ("setMyCommands", {"commands": [{"command": "Bad", "description": "x"}]}, "400 Bad Request: BOT_COMMAND_INVALID"),
        ("setMyCommands", {"commands": [{"command": "good", "description": ""}]}, "400 Bad Request: BOT_COMMAND_DESCRIPTION_INVALID"),
        ("setMyCommands", {"commands": '[{"command": "map", "description": "x"}]'}, ""),
        ("getChat", {}, ""),
        ("getWebhookInfo", {}, ""),
        ("sendSticker", {}, "404 Not Found: method not found"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_wrong_call_is_refused_in_telegrams_words(
    bot: Methods, method: str, asked: dict[str, Any], refusal: str
) -> None:
    """A client that is wrong here is told what Telegram would tell it."""
    assert said(bot, method, **asked) == refusal


def test_a_chat_may_be_lost_or_move(bot: Methods) -> None:
    """People block bots, groups throw them out, groups become supergroups with another id."""
    person, group = bot.person(1), bot.person(-5, kind="group", name="desk")
    person.blocks()
    assert said(bot, "sendMessage", chat_id=1, text="x") == "403 Forbidden: bot was blocked by the user"
    person.blocks(is_blocked=False)
    assert said(bot, "sendMessage", chat_id=1, text="x") == ""
    group.blocks()
    assert said(bot, "sendMessage", chat_id=-5, text="x") == "403 Forbidden: bot was kicked from the group chat"
    bot.chats.migrate(group.chat, -100_5)
    moved = bot.call("sendMessage", {"chat_id": -5, "text": "x"})
    assert moved.body["description"] == "Bad Request: group chat was upgraded to a supergroup chat"
    assert moved.body["parameters"] == {"migrate_to_chat_id": -100_5}
    assert said(bot, "sendMessage", chat_id=-100_5, text="x") == ""


def test_a_flood_is_told_how_long_to_wait() -> None:
    """One message a second with a short burst to a chat, twenty a minute to a group, thirty a second in all."""
    now = 0.0
    bot = Methods(now_s=lambda: now)
    bot.person(CHAT)
    answers = [bot.call("sendMessage", {"chat_id": CHAT, "text": f"{n}"}) for n in range(7)]
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 2
    assert answers[-1].body["description"] == "Too Many Requests: retry after 5"
    assert answers[-1].body["parameters"] == {"retry_after": 5}
    now = 5.0
    assert bot.call("sendMessage", {"chat_id": CHAT, "text": "x"}).status == 200
    group = Flood(FloodRules())
    assert [group.take(-1, float(second)) for second in range(21)] == [0] * 20 + [40]
    crowd = Flood(FloodRules())
    assert [crowd.take(chat, 0.0) for chat in range(1, 32)] == [0] * 30 + [1]
    assert (crowd.refused, crowd.take(99, 1.0)) == (1, 0)


async def _asked(server: BotServer, method: str, token: str = TOKEN, **more: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/bot{token}/{method}", **more) as response,
    ):
        return response.status, json.loads(await response.read())


async def test_arguments_come_in_every_form() -> None:
    """Query, form, multipart and JSON mean the same; a file comes as a part."""
    async with BotServer() as server:
        person = server.person(CHAT)
        for more in (
            {"params": {"chat_id": CHAT, "text": "query"}},
            {"data": {"chat_id": str(CHAT), "text": "form"}},
            {"json": {"chat_id": CHAT, "text": "json"}},
        ):
            assert (await _asked(server, "sendMessage", **more))[0] == 200
        form = aiohttp.FormData()
        form.add_field("chat_id", str(CHAT))
        form.add_field("photo", "attach://file")
        form.add_field("file", PNG, filename="map.png")
        _, body = await _asked(server, "sendPhoto", data=form)
        assert body["result"]["photo"][0]["width"] == 3
        assert [message.text for message in person.inbox] == ["query", "form", "json", ""]
        status, body = await _asked(server, "sendMessage", data=b"{", headers={"Content-Type": "application/json"})
        assert (status, body["description"]) == (400, "Bad Request: can't parse request JSON object")


async def test_a_wrong_token_is_refused_before_anything() -> None:
    """401 for a token nobody has, 404 for what is none, and for any other path."""
    async with BotServer() as server:
        assert (await _asked(server, "getMe", "1:wrong"))[1] == {
            "ok": False,
            "error_code": 401,
            "description": "Unauthorized",
        }
        assert (await _asked(server, "getMe", "wrong"))[1]["description"] == "Not Found"
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}/else") as response:
            assert response.status == 404


async def test_updates_are_told_once_they_are_confirmed() -> None:
    """What a person does waits until the bot asks with a higher offset; a poll ends with the first news."""
    async with BotServer() as server:
        person = server.person(CHAT)
        waiting = asyncio.create_task(_asked(server, "getUpdates", json={"timeout": 20}))
        while not server.requests["getupdates"]:
            await asyncio.sleep(0)
        person.says("/status now")
        _, first = await waiting
        update = first["result"][0]
        assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 7}]
        _, again = await _asked(server, "getUpdates", json={"allowed_updates": ["message"]})
        assert again == first
        _, other = await _asked(server, "getUpdates", json={"allowed_updates": '["callback_query"]'})
        assert other["result"] == []
        _, none = await _asked(server, "getUpdates", json={"offset": update["update_id"] + 1})
        assert none["result"] == []
        for word in ("a", "b", "c"):
            person.says(word)
        _, last = await _asked(server, "getUpdates", json={"offset": -1})
        assert [one["message"]["text"] for one in last["result"]] == ["c"]


async def test_the_second_of_two_pollers_ends_the_first() -> None:
    """409 comes to whoever asked first, as at Telegram, and to nobody else."""
    async with BotServer() as server:
        first = asyncio.create_task(_asked(server, "getUpdates", json={"timeout": 20}))
        while not server.requests["getupdates"]:
            await asyncio.sleep(0)
        second = await _asked(server, "getUpdates", json={"timeout": 0})
        status, body = await first
        assert (status, body["error_code"]) == (409, 409)
        assert body["description"].startswith("Conflict: terminated by other getUpdates request")
        assert second[0] == 200
        assert server.conflicts == 1


async def test_a_press_is_told_and_answered_once() -> None:
    """A button's data comes with the message it is below; its query is answered once."""
    async with BotServer() as server:
        person = server.person(CHAT)
        keys = {"inline_keyboard": [[{"text": "Mute", "callback_data": "m:1"}, {"text": "Chart", "url": "http://a.b"}]]}
        await _asked(server, "sendMessage", json={"chat_id": CHAT, "text": "x", "reply_markup": keys})
        query = person.presses(person.inbox[0], "Mute")
        with pytest.raises(LookupError):
            person.presses(person.inbox[0], "Chart")
        _, found = await _asked(server, "getUpdates")
        press = found["result"][0]["callback_query"]
        assert (press["id"], press["data"], press["message"]["message_id"]) == (query, "m:1", 1)
        assert (await _asked(server, "answerCallbackQuery", json={"callback_query_id": query}))[0] == 200
        assert (await _asked(server, "answerCallbackQuery", json={"callback_query_id": query}))[0] == 400


async def test_faults_come_as_ordered() -> None:
    """Each fault happens once, to the method it means; "lost" has done what it was asked to."""
    async with BotServer() as server:
        person = server.person(CHAT)
        server.suffer(
            Fault("status", 502, "sendMessage"), Fault("flood", 9), Fault("garbage"), Fault("cut"), Fault("lost")
        )
        asked: dict[str, Any] = {"json": {"chat_id": CHAT, "text": "x"}}
        url = f"{server.url}/bot{TOKEN}/sendMessage"
        async with aiohttp.ClientSession() as session:
            async with session.post(url, **asked) as response:
                assert (response.status, response.content_type) == (502, "text/html")
            async with session.post(url, **asked) as response:
                assert (await response.json())["parameters"] == {"retry_after": 9}
            async with session.post(url, **asked) as response:
                assert await response.read() == b'{"ok":tr'
        for sent in (0, 1):
            with pytest.raises(aiohttp.ClientError):
                await _asked(server, "sendMessage", **asked)
            assert len(person.inbox) == sent
        server.suffer(Fault("slow", 0.01))
        assert (await _asked(server, "getMe"))[0] == 200
