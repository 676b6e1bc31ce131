"""What messages say, in English and in Korean as traders there write it; placeholders stand in braces.

Every phrase is HTML with nothing to escape; what is put into it is escaped by whoever puts it there.
"""

from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["en", "ko"]

_PHRASES: Final[dict[str, tuple[str, str]]] = {
    # what a measure is, after the coin
    "liq_usd": ("{side}liquidations  {value} in {window}", "{side}청산  {window} {value}"),
    "liq_events": ("{side}liquidations: {value} in {window}", "{side}청산 {window} {value}건"),
    "largest_liq_usd": ("largest liquidation {value} in {window}", "{window} 최대 청산 {value}"),
    "price_change_pct": ("price {value} in {window}", "가격 {window} {value}"),
    "price": ("price {value}", "가격 {value}"),
    "funding_8h_pct": ("funding {value} per 8 h", "펀딩비 {value} (8시간)"),
    "oi_usd": ("open interest {value}", "미결제약정 {value}"),
    "oi_change_pct": ("open interest {value} in {window}", "미결제약정 {window} {value}"),
    "cluster_above_pct": ("short cluster about {value} above", "약 {value} 위에 숏 청산 밀집 구간"),
    "cluster_above_usd": ("short cluster above: ~{value}", "위쪽 숏 청산 밀집 구간 약 {value}"),
    "cluster_below_pct": ("long cluster about {value} below", "약 {value} 아래에 롱 청산 밀집 구간"),
    "cluster_below_usd": ("long cluster below: ~{value}", "아래쪽 롱 청산 밀집 구간 약 {value}"),
    "pull": ("liquidation map leans {value}", "청산 맵 쏠림 {value}"),
    "sentiment": ("sentiment about {value} of 100", "심리 지수 약 {value}/100"),
    "risk": ("liquidation risk about {value} of 100", "청산 위험 약 {value}/100"),
    "cascade": ("liquidation cascade", "연쇄 청산"),
    "feed_age_s": ("nothing heard for {value}", "{value} 동안 데이터 없음"),
    "other": ("{measure} {value}", "{measure} {value}"),
    "long": ("long ", "롱 "),
    "short": ("short ", "숏 "),
    "s": ("{n} s", "{n}초간"),
    "m": ("{n} min", "{n}분간"),
    "h": ("{n} h", "{n}시간"),
    # titles of the rules that come with perpscope
    "title cascade": ("Cascade", "연쇄 청산"),
    "title price-shock": ("Price shock", "가격 급변"),
    "title open-interest-flush": ("Open interest falls", "미결제약정 급감"),
    "title near-long-cluster": ("Close to a cluster of longs", "롱 청산 밀집 구간 근접"),
    "title near-short-cluster": ("Close to a cluster of shorts", "숏 청산 밀집 구간 근접"),
    "title funding-extreme": ("Funding is extreme", "펀딩비 극단"),
    # an alert's other lines
    "price_line": ("price {price}{move}", "가격 {price}{move}"),
    "move": (" ({move} 5 min)", " (5분 {move})"),
    "largest": ("largest {usd}{venue}", "최대 {usd}{venue}"),
    "cluster": (
        "next model cluster {price} ({distance}, ~{usd}) {tag}",
        "가까운 청산 밀집 구간 {price} ({distance}, 약 {usd}) {tag}",
    ),
    "age": ("age {age}", "{age} 전 데이터"),
    "rule": ("rule {rule}", "규칙 {rule}"),
    "grew": ("grew {n}×, peak {peak}", "{n}번 커짐, 최대 {peak}"),
    "over": ("over after {lasted}", "{lasted} 만에 끝남"),
    "peak": ("peak {peak}", "최대 {peak}"),
    "record": (
        "this rule: {hits} of {n} came true; by chance {chance}{lead}",
        "이 규칙: {n}번 중 {hits}번 적중, 우연이면 {chance}{lead}",
    ),
    "lead": (", {lead} ahead (median)", ", 중앙값 {lead} 앞서"),
    "verdict_unproven": ("unproven yet", "아직 검증 안 됨"),
    "verdict_better": ("better than chance", "우연보다 나음"),
    "verdict_like chance": ("no better than chance", "우연과 차이 없음"),
    "verdict_worse": ("worse than chance", "우연보다 못함"),
    # buttons
    "chart": ("Chart", "차트"),
    "chart_here": ("Chart (this machine)", "차트 (이 컴퓨터)"),
    "mute": ("Mute 1h", "1시간 끄기"),
    # sayings
    "silent": (
        "{what}: no data for {silent}{why} — its figures stand still",
        "{what}: {silent} 동안 데이터 없음{why} — 수치 갱신 중단",
    ),
    "back": ("{what}: back after {silent}, {gaps}", "{what}: {silent} 만에 복구, {gaps}"),
    "gaps": ("{n} gaps", "누락 구간 {n}개"),
    "gap": ("1 gap", "누락 구간 1개"),
    "no_gaps": ("no gaps", "누락 없음"),
    "everything": ("all feeds", "모든 데이터"),
    "daily": ("Daily {day}", "일일 요약 {day}"),
    "liquidated": ("liquidated ▼ {long} ▲ {short}", "청산 ▼롱 {long} ▲숏 {short}"),
    "funding": ("funding {rate}", "펀딩비 {rate}"),
    "interest": ("OI {change}", "미결제약정 {change}"),
    "alerts": ("alerts: {rules}", "알림: {rules}"),
    "no_alerts": ("no alerts", "알림 없음"),
    "held_back": (" ({n} held back)", " (보류 {n}건)"),
    "uptime": ("uptime {share}", "수집률 {share}"),
    "outages": ("outages {n}", "중단 {n}회"),
    "more_coins": ("and {n} more coins", "그 밖에 {n}개 코인"),
    "muted": (
        "Rule {rule} is muted: {hits} of {n} alerts came true, by chance it would be {chance}. It is not told any more"
        " until its score is better.",
        "규칙 {rule} 알림을 껐습니다: {n}번 중 {hits}번 적중, 우연이면 {chance}. 성적이 나아질 때까지 보내지 않습니다.",
    ),
    "unmuted": (
        "Rule {rule} is heard again: {hits} of {n} alerts came true, by chance it would be {chance}.",
        "규칙 {rule} 알림을 다시 켰습니다: {n}번 중 {hits}번 적중, 우연이면 {chance}.",
    ),
    "trial": (
        "This is a test: messages of perpscope arrive here.",
        "테스트입니다: perpscope 메시지가 이 채팅으로 옵니다.",
    ),
    "left_out": (
        "{n} less important messages were left out: more came than Telegram takes.",
        "덜 중요한 메시지 {n}건을 생략했습니다: 텔레그램 전송 한도를 넘었습니다.",
    ),
    "observed": ("OBSERVED", "OBSERVED 관측"),
    "model": ("MODEL", "MODEL 추정"),
    "demo": ("DEMO DATA", "DEMO DATA 가상 데이터"),
    "replay": ("REPLAY", "REPLAY 재생"),
    # commands
    "help": (
        "I read and tell, I never trade.\n/status feeds and counts\n/map BTC liquidation map\n/liq 1h what was"
        " liquidated\n/sentiment BTC how people are positioned\n/signals /positions /pnl /runs\n/mute 1h no alerts for"
        " a while",
        "조회만 하고 매매는 하지 않습니다.\n/status 데이터 상태\n/map BTC 청산 맵\n/liq 1h 최근 청산"
        "\n/sentiment BTC 시장 심리\n"
        "/signals /positions /pnl /runs\n/mute 1h 알림 잠시 끄기",
    ),
    "unknown_command": ("I do not know {command}. /help", "모르는 명령입니다: {command}. /help"),
    "not_yet": ("{what}: not there yet, no strategy runs.", "{what}: 아직 없습니다. 실행 중인 전략이 없습니다."),
    "signals": ("Signals", "시그널"),
    "near_miss": ("near miss {side}", "조건 하나 미달 {side}"),
    "no_signals": ("nothing was thought yet", "아직 시그널이 없습니다"),
    "opinions": ("opinions, no orders", "의견이며 주문이 아닙니다"),
    "positions": ("Positions", "포지션"),
    "pnl": ("Profit and loss", "손익"),
    "runs": ("Runs", "실행 기록"),
    "off": ("{command} is off: this bot only reads.", "{command} 명령은 꺼져 있습니다: 조회 전용 봇입니다."),
    "muted_all": (
        "No alerts until {until} UTC; silences of feeds are told all the same.",
        "{until} UTC까지 알림을 끕니다. 데이터 중단은 계속 알립니다.",
    ),
    "muted_rule": ("Rule {rule} is muted until {until} UTC.", "규칙 {rule} 알림을 {until} UTC까지 끕니다."),
    "heard_again": ("Alerts are on.", "알림을 켰습니다."),
    "duration_bad": (
        "/mute wants a time such as 30m, 1h or 1d, or off.",
        "/mute 30m, 1h, 1d 또는 off 형식으로 적어 주세요.",
    ),
    "busy": ("Still working on the last question.", "앞선 질문을 처리하고 있습니다."),
    "trouble": ("error {code}: {why}", "오류 {code}: {why}"),
    "no_store": (
        "This face has no database of its own: ask one beside the collector.",
        "이 서버에는 데이터베이스가 없습니다.",
    ),
    "heart": ("collector {state}", "수집기 {state}"),
    "running": ("running", "실행 중"),
    "not_running": ("not running", "꺼져 있음"),
    "stored": (
        "liquidations stored: {n}, last 24 h {day}, last 1 h {hour}",
        "저장된 청산: {n}건, 24시간 {day}건, 1시간 {hour}건",
    ),
    "map_head": ("{coin} {price} · liquidation map", "{coin} {price} · 청산 맵"),
    "what_if_down": ("if the price falls {move} → about {usd} of longs", "{move} 하락하면 롱 약 {usd} 청산"),
    "what_if_up": ("if it rises {move} → about {usd} of shorts", "{move} 상승하면 숏 약 {usd} 청산"),
    "longs": ("longs", "롱"),
    "shorts": ("shorts", "숏"),
    "no_forecast": ("an estimate, no forecast of the price", "추정치이며 가격 예측이 아닙니다"),
    "liq_head": ("Liquidations of the last {hours}{coin}", "최근 {hours} 동안의 청산{coin}"),
    "liq_line": ("▼ longs {long} · ▲ shorts {short}", "▼롱 {long} · ▲숏 {short}"),
    "liq_floor": ("as venues publish them: a floor", "거래소 공개분 기준: 최소치"),
    "liq_estimated": ("estimated in all about {usd} ({low} – {high})", "전체 추정 약 {usd} ({low} – {high})"),
    "sentiment_head": ("{coin} sentiment about {value} of 100: {label}", "{coin} 심리 지수 약 {value}/100: {label}"),
    "sentiment_risk": ("liquidation risk about {value} of 100{level}", "청산 위험 약 {value}/100{level}"),
}

#: Words of the program that stand in messages: channels, states, labels, figures.
_WORDS: Final[dict[str, tuple[str, str]]] = {
    "trades": ("trades", "체결"),
    "quotes": ("quotes", "최우선 호가"),
    "book": ("order book", "호가창"),
    "candles_1m": ("1 min candles", "1분봉"),
    "candles_15m": ("15 min candles", "15분봉"),
    "candles_1h": ("1 h candles", "1시간봉"),
    "mark_prices": ("mark prices", "시장평균가"),
    "liquidations": ("liquidations", "청산"),
    "open_interest": ("open interest", "미결제약정"),
    "account_ratios": ("long/short ratios", "롱숏 비율"),
    "taker_volume": ("taker volume", "테이커 거래량"),
    "positions": ("positions", "공개 포지션"),
    "contracts": ("contracts", "계약 정보"),
    "funding": ("funding", "펀딩비"),
    "live": ("live", "정상"),
    "stale": ("stale", "지연"),
    "silent": ("silent", "무응답"),
    "down": ("down", "연결 끊김"),
    "gone": ("the collector has ended", "수집기 종료됨"),
    "none": ("none was heard", "수집기 없음"),
    "extreme fear": ("extreme fear", "극단적 공포"),
    "fear": ("fear", "공포"),
    "neutral": ("neutral", "중립"),
    "greed": ("greed", "탐욕"),
    "extreme greed": ("extreme greed", "극단적 탐욕"),
    "LOW": ("low", "낮음"),
    "ELEVATED": ("elevated", "다소 높음"),
    "HIGH": ("high", "높음"),
    "EXTREME": ("extreme", "매우 높음"),
    "ls_accounts": ("long/short accounts", "롱숏 계정 비율"),
    "top_positions": ("top traders", "상위 트레이더"),
    "taker": ("taker flow", "테이커 매수세"),
    "basis": ("basis", "베이시스"),
    "oi_trend": ("open interest trend", "미결제약정 추세"),
    "liq_imbalance": ("liquidation imbalance", "청산 쏠림"),
    "momentum": ("momentum", "모멘텀"),
    "volatility": ("volatility", "변동성"),
}


def word(language: Language, text: str) -> str | None:
    """A word of the program in the reader's language; None where it is none.

    >>> word("ko", "open_interest"), word("en", "nonsense")
    ('미결제약정', None)
    """
    found = _WORDS.get(text)
    return None if found is None else found[language == "ko"]


def phrase(language: Language, name: str, **values: object) -> str:
    """A phrase with its places filled; `name` itself where there is none.

    >>> phrase("ko", "price", value="64,120"), phrase("en", "gaps", n=3)
    ('가격 64,120', '3 gaps')
    """
    found = _PHRASES.get(name)
    return name if found is None else found[language == "ko"].format(**values)


def is_known(name: str) -> bool:
    """Whether there is such a phrase."""
    return name in _PHRASES


def every() -> dict[str, tuple[str, str]]:
    """Name → English, Korean."""
    return dict(_PHRASES)
