"""Messages as people read them: what each says in both languages, and that Telegram's own parser takes every one."""

import string

import pytest
from tests.unit.told import ALERT, AT_MS, RECORD, alert, cleared, grown, recovery, silence

from perpscope.analytics.alerts.alert import Alert, AlertFacts, Data, Record, Severity
from perpscope.analytics.alerts.measures import MEASURES
from perpscope.analytics.alerts.saying import (
    Digest,
    DigestCoin,
    DigestRule,
    Muted,
    Saying,
    Silent,
    Told,
    Trial,
    Unmuted,
)
from perpscope.analytics.alerts.shipped import SHIPPED
from perpscope.analytics.sentiment import LABELS, WEIGHTS
from perpscope.lab.telegram.markup import parse_html, units
from perpscope.model.stream import Channel
from perpscope.notify import phrases
from perpscope.notify.messages import LONGEST, alert_text, left_out_text, plain, saying_text
from perpscope.notify.phrases import Language
from perpscope.stores.status import FeedState

BOTH: tuple[Language, ...] = ("en", "ko")
DAY = Digest(
    day="2026-11-20",
    coins=[
        DigestCoin(
            coin="BTC",
            price=65_077.0,
            move_pct=1.7,
            liquidated_long_usd=84.1e6,
            liquidated_short_usd=51.7e6,
            funding_8h_pct=0.01,
            oi_change_pct=-1.2,
        ),
        DigestCoin(coin="NEW"),
    ],
    rules=[DigestRule(rule="big-liq", alerts=4, held_back=2), DigestRule(rule="quiet", alerts=0, held_back=0)],
    uptime=0.9998,
    outages=1,
)


def saying(told: Told, kind: str = "digest", data: Data = "observed") -> Saying:
    """Something said."""
    return Saying(id="x", at_ms=AT_MS, told=told, data=data, kind=kind)  # type: ignore[arg-type]  # one of its words


def shown(text: str) -> str:
    """What a chat shows of a message: parsed as Telegram does, which also says that it may be sent."""
    found = parse_html(text).text
    assert units(found) <= LONGEST
    return found.replace("\u2009", " ")


def test_an_alert_reads_as_designed() -> None:
    """The first message people see of us has every fact, its age, its rule, and says what is a model's."""
    assert shown(alert_text(ALERT, "en")).splitlines() == [
        "🔻 BTC long liquidations  $6.20M in 5 min",
        "price 64,120 (−1.40 % 5 min) · largest $819K Bybit",
        "next model cluster 62,528 (−2.48 %, ~$86.7M) MODEL",
        "09:02:14 UTC · age 1.0 s · rule big-liq · OBSERVED",
    ]


def test_an_alert_reads_as_designed_in_korean() -> None:
    """Korean traders read their own words for the same facts."""
    assert shown(alert_text(ALERT, "ko")).splitlines() == [
        "🔻 BTC 롱 청산  5분간 $6.20M",
        "가격 64,120 (5분 −1.40 %) · 최대 $819K Bybit",
        "가까운 청산 밀집 구간 62,528 (−2.48 %, 약 $86.7M) MODEL 추정",
        "09:02:14 UTC · 1.0초 전 데이터 · 규칙 big-liq · OBSERVED 관측",
    ]


@pytest.mark.parametrize("language", BOTH)
def test_made_up_data_is_said_first(language: Language) -> None:
    """Nobody takes a demo's alert, silence or digest for the market's."""
    for text in (
        alert_text(alert(data="demo"), language),
        saying_text(saying(DAY, data="demo"), language),
        saying_text(saying(Trial(), "trial", data="demo"), language),
    ):
        assert shown(text).startswith("DEMO DATA")
    assert shown(alert_text(alert(data="replay"), language)).startswith("REPLAY")
    assert "OBSERVED" not in alert_text(alert(data="demo"), language)


def test_a_burst_that_grew_and_one_that_is_over() -> None:
    """The one message of a burst says how large it got, and that it has ended."""
    grew = shown(alert_text(grown(ALERT, 9_000_000.0, 3), "en"))
    assert "$9.00M in 5 min" in grew
    assert "grew 3×, peak $9.00M" in grew
    over = shown(alert_text(cleared(ALERT), "en"))
    assert over.startswith("✅")
    assert "over after 4 m 0 s · peak $6.20M" in over
    assert shown(alert_text(alert(severity=Severity.CRITICAL), "en")).startswith("🚨 🔻")


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize("measure", sorted(MEASURES.keys() - {"coin"}))
def test_every_measure_has_words_and_its_kind(measure: str, language: Language) -> None:
    """Whatever a rule names first, its message has a value, and MODEL stands where it is a model's."""
    text = shown(alert_text(alert(measure=measure, values={measure: 12.0}, peak=None), language))
    head, foot = text.splitlines()[0], text.splitlines()[-1]
    assert "_" not in head, "it has no phrase of its own"
    assert ("MODEL" in foot) == (MEASURES[measure].kind == "model")
    assert "12" in head or measure == "cascade"
    unknown = shown(alert_text(alert(measure=measure, values={}, peak=None), language))
    assert "—" in unknown or measure == "cascade"


def test_what_is_not_known_is_left_out() -> None:
    """A coin without a price yet has a message all the same, and no zeros in it."""
    text = shown(alert_text(alert(facts=AlertFacts()), "en"))
    assert text.splitlines() == ["🔻 BTC long liquidations  $6.20M in 5 min", "09:02:14 UTC · rule big-liq · OBSERVED"]


def test_a_rules_score_is_told_with_its_chance() -> None:
    """A reader sees what the rule has been worth, beside what luck would give. Keeps B19."""
    text = shown(alert_text(alert(record=RECORD), "en"))
    assert "this rule: 30 of 48 came true; by chance 41.00 %, 3 m 10 s ahead (median) (better than chance)" in text
    unproven = shown(alert_text(alert(record=Record(verdict="unproven", n=2, hits=1)), "en"))
    assert "unproven yet" in unproven


def test_a_silence_and_its_end() -> None:
    """The dead-man's message names the feed and how long; its edit says that it is back, and what was lost."""
    silent = silence()
    assert shown(saying_text(silent, "en")) == (
        "⚠️ okx liquidations: no data for 74 s (stale) — its figures stand still"
    )
    assert shown(saying_text(recovery(silent), "en")) == "✅ okx liquidations: back after 2 m 10 s, 3 gaps"
    assert shown(saying_text(recovery(silent, gaps=1), "en")).endswith("1 gap")
    assert shown(saying_text(silent, "ko")) == "⚠️ okx 청산: 74초 동안 데이터 없음 (지연) — 수치 갱신 중단"
    assert shown(saying_text(recovery(silent), "ko")) == "✅ okx 청산: 2분 10초 만에 복구, 누락 구간 3개"
    of_all = saying(Silent(silent_s=74.0, why="gone"), "silent")
    assert "all feeds: no data for 74 s (the collector has ended)" in shown(saying_text(of_all, "en"))


def test_the_digest_of_a_day() -> None:
    """One silent message has the day; what is not known of a coin is a dash, never 0."""
    assert shown(saying_text(saying(DAY), "en")).splitlines() == [
        "📊 Daily 2026-11-20",
        "BTC 65,077 +1.70 %",
        "liquidated ▼ $84.1M ▲ $51.7M · funding +0.0100 % · OI −1.20 %",
        "NEW — —",
        "liquidated ▼ — ▲ —",
        "alerts: big-liq 4 (2 held back)",
        "uptime 99.98 % · outages 1",
    ]
    korean = shown(saying_text(saying(DAY), "ko"))
    assert korean.startswith("📊 일일 요약 2026-11-20")
    assert "청산 ▼롱 $84.1M ▲숏 $51.7M · 펀딩비 +0.0100 % · 미결제약정 −1.20 %" in korean


def test_a_rule_that_is_worse_than_chance_is_muted_in_words() -> None:
    """Whoever wrote the rule is told why it fell silent, with the figures. Keeps B19."""
    record = Record(verdict="worse", n=60, hits=12, chance=0.31)
    text = shown(saying_text(saying(Muted(rule="decoy", record=record), "muted"), "en"))
    assert text.startswith("🔇 Rule decoy is muted: 12 of 60 alerts came true, by chance it would be 31.00 %.")
    korean = shown(saying_text(saying(Muted(rule="decoy", record=record), "muted"), "ko"))
    assert "60번 중 12번 적중" in korean
    assert "heard again" in shown(saying_text(saying(Unmuted(rule="decoy", record=record), "unmuted"), "en"))


@pytest.mark.parametrize("language", BOTH)
def test_nothing_from_elsewhere_is_markup(language: Language) -> None:
    """A title, coin or venue with tags or control characters is shown as it is: no link of a stranger's gets in."""
    evil = '<a href="http://evil.example">x</a> & <b>\x1b[31m\u202e'
    made: list[Alert] = [
        alert(title=evil, coin=evil, rule=evil, facts=AlertFacts(largest_usd=1.0, largest_venue=evil)),
        alert(measure=evil, values={}, peak=None),
    ]
    texts = [
        *(alert_text(one, language) for one in made),
        saying_text(saying(Silent(silent_s=1.0, venue=evil, channel=evil, why=evil), "silent"), language),
        saying_text(saying(Trial(text=evil), "trial"), language),
        saying_text(saying(Digest(day=evil, coins=[DigestCoin(coin=evil)], rules=[]), "digest"), language),
    ]
    for text in texts:
        parsed = parse_html(text)
        assert {entity["type"] for entity in parsed.entities} <= {"bold"}
        assert '<a href="http://evil.example">x</a> & <b>' in parsed.text
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_the_longest_message_is_short_enough() -> None:
    """However many rules and coins a day has, Telegram takes its digest."""
    coins = [DigestCoin(coin=f"COIN{n}", price=1.0) for n in range(500)]
    rules = [DigestRule(rule="r" * 40 + str(n), alerts=9, held_back=9) for n in range(500)]
    text = saying_text(saying(Digest(day="2026-11-20", coins=coins, rules=rules)), "ko")
    assert "그 밖에 492개 코인" in shown(text)
    assert units(shown(alert_text(alert(title="제" * 80), "ko"))) < LONGEST
    assert "3 less important messages" in shown(left_out_text(3, "en"))


def test_a_shipped_rules_title_is_in_the_readers_language() -> None:
    """The first line names the coin and what happened, in the reader's words; a title of one's own stays as it is."""
    for name, shipped in SHIPPED.items():
        if shipped.title:
            ours = alert(rule=name, title=shipped.title)
            assert shown(alert_text(ours, "en")).splitlines()[0] == f"🔻 BTC · {shipped.title}"
            assert shipped.title not in alert_text(ours, "ko")
    cascade = alert(rule="cascade", title=SHIPPED["cascade"].title)
    assert shown(alert_text(cascade, "ko")).startswith("🔻 BTC · 연쇄 청산\n롱 청산  5분간")
    assert shown(alert_text(alert(rule="cascade", title="Mine"), "ko")).startswith("🔻 BTC · Mine\n")


def test_a_log_line_has_no_markup() -> None:
    """The log's line is the message, on one line."""
    line = plain(alert_text(alert(title="a & b"), "en"))
    assert line.startswith("🔻 BTC · a & b / long liquidations")
    assert "\n" not in line


def test_every_channel_and_state_has_a_word() -> None:
    """No message shows a name out of the program where people have a word for it."""
    names = [
        *(channel.value for channel in Channel),
        *(state.value for state in FeedState if state is not FeedState.REPLAY),
    ]
    names += [*LABELS, *WEIGHTS]
    assert [name for name in names if phrases.word("ko", name) is None] == []
    text = saying_text(saying(Silent(silent_s=9.0, venue="okx", channel="funding", why="down"), "silent"), "ko")
    assert shown(text).startswith("⚠️ okx 펀딩비: 9.0초 동안 데이터 없음 (연결 끊김)")


@pytest.mark.parametrize("name", sorted(phrases.every()))
def test_both_languages_have_the_same_places(name: str) -> None:
    """A phrase that forgets a value in one language would hide it; one with a stray brace would fail a message."""
    english, korean = phrases.every()[name]
    places = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in (english, korean)]
    optional = {"day", "hour"}
    assert places[0] == places[1] or places[0] ^ places[1] <= optional
    for text in (english, korean):
        parse_html(text)
