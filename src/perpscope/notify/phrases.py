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
    # what became of a trade
    "trade fill buy": ("bought {size} at {price}", "{size} 매수 체결, 가격 {price}"),
    "trade fill sell": ("sold {size} at {price}", "{size} 매도 체결, 가격 {price}"),
    "trade stop": ("stop hit: closed {size} at {price}", "손절 체결: {size}, 가격 {price}"),
    "trade profit": ("take-profit: closed {size} at {price}", "익절 체결: {size}, 가격 {price}"),
    "trade liquidated": (
        "the exchange closed {size} at {price}: liquidated, deleveraged or settled",
        "거래소가 {size} 강제 종료, 가격 {price}: 강제청산, ADL 또는 정산",
    ),
    "trade naked": (
        "NAKED: for {seconds} no stop has been confirmed; the trader closes if it stays so",
        "무방비: {seconds} 동안 확인된 손절 주문 없음, 계속되면 포지션을 종료합니다",
    ),
    "trade covered": ("protected again, or closed", "손절 주문이 확인되었거나 포지션이 종료되었습니다"),
    "trade mismatch": (
        "MISMATCH: the exchange holds something else{why}; nothing is opened",
        "불일치: 거래소 포지션이 기록과 다릅니다{why}. 신규 진입을 멈춥니다",
    ),
    "trade agrees": ("the exchange holds what we hold again", "거래소 포지션이 다시 일치합니다"),
    "trade halted": ("HALTED{why}: nothing opens, all is closed", "HALT{why}: 신규 진입 중단, 모두 종료"),
    "trade lifted": ("not halted any more", "HALT 해제"),
    "trade gone": (
        "the trader has been silent for {seconds} and holds a position",
        "트레이더가 {seconds} 동안 응답이 없고 포지션을 보유 중입니다",
    ),
    "trade back": ("the trader is back, or holds nothing any more", "트레이더가 복구되었거나 보유 포지션이 없습니다"),
    "trade run": ("{strategy} on {instrument}, run {run}", "{instrument}, 전략 {strategy}, 실행 {run}"),
    "trade fee": ("fee {fee}", "수수료 {fee}"),
    "trade realised": ("realised {realised} before fees", "실현손익 {realised} (수수료 제외)"),
    "held flat": ("flat", "포지션 없음"),
    "held": (
        "{side} {size} from {entry}, mark {mark} ({unrealised})",
        "{side} {size}, 진입 {entry}, 마크 {mark} ({unrealised})",
    ),
    "held stop": ("stop {stop}", "손절 {stop}"),
    "held naked": ("⚠️ no stop is confirmed", "⚠️ 확인된 손절 주문 없음"),
    "held orders": ("{n} orders work", "대기 주문 {n}건"),
    "held silent": ("its trader is silent for {age}", "트레이더 {age} 무응답"),
    "held fills": ("fills today: {n}", "오늘 체결 {n}건"),
    "mode line": ("mode {mode}", "모드 {mode}"),
    "nothing held": ("Nobody trades, and nothing is held.", "실행 중인 매매와 보유 포지션이 없습니다."),
    "equity line": (
        "equity {equity} of {deposit}: realised {realised}, fees {fees}, funding {funding}",
        "자산 {equity} / 원금 {deposit}: 실현손익 {realised}, 수수료 {fees}, 펀딩 {funding}",
    ),
    "no_runs": ("No run is kept here.", "저장된 실행 기록이 없습니다."),
    "run line": ("{trades} trades, net {net}: {verdict}", "거래 {trades}건, 순손익 {net}: {verdict}"),
    # the switch
    "ask pause": (
        "Pause? Nothing is opened any more; positions keep their stops. It is lifted on the host alone.",
        "일시 중지할까요? 신규 진입만 멈추고 기존 포지션과 손절은 유지합니다. 해제는 호스트에서만 가능합니다.",
    ),
    "ask halt": (
        "HALT? Nothing is opened, everything is closed at the market. It is lifted on the host alone.",
        "전부 중단할까요? 신규 진입을 멈추고 모든 포지션을 시장가로 종료합니다. 해제는 호스트에서만 가능합니다.",
    ),
    "or type": (
        "Press within a minute, or type: {command} yes",
        "1분 안에 버튼을 누르거나 {command} yes 라고 입력하세요",
    ),
    "press pause": ("Pause", "일시 중지"),
    "press halt": ("HALT: close everything", "HALT: 모두 종료"),
    "press no": ("No", "아니요"),
    "paused": (
        "Paused: mode {mode}. /positions shows what is held.",
        "일시 중지했습니다: 모드 {mode}. /positions 로 확인하세요.",
    ),
    "halting": (
        "HALTED: {why}. Traders close what is held; /positions shows how far they are.",
        "HALT: {why}. 보유 포지션을 종료하는 중입니다. /positions 로 확인하세요.",
    ),
    "left as it is": ("Nothing was changed.", "변경하지 않았습니다."),
    "too late": ("Too late: ask again.", "시간이 지났습니다. 다시 입력해 주세요."),
    "on the host": (
        "{command}: letting trading go on is done on the host alone (perpscope risk reset, perpscope trade arm).",
        "{command}: 매매를 다시 허용하는 작업은 호스트에서만 가능합니다 (perpscope risk reset, perpscope trade arm).",
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
        "I read and tell; I can stop trading and never start it.\n/status feeds and counts\n/map BTC liquidation map\n"
        "/liq 1h what was liquidated\n/sentiment BTC how people are positioned\n/signals /positions /pnl /runs\n/pause"
        " nothing new\n/halt close everything\n/mute 1h no alerts for a while",
        "조회하고 매매를 멈출 수 있지만 시작하지는 않습니다.\n/status 데이터 상태\n/map BTC 청산 맵\n/liq 1h 최근 청산"
        "\n/sentiment BTC 시장 심리\n"
        "/signals /positions /pnl /runs\n/pause 신규 진입 중지\n/halt 모두 종료\n/mute 1h 알림 잠시 끄기",
    ),
    "unknown_command": ("I do not know {command}. /help", "모르는 명령입니다: {command}. /help"),
    "signals": ("Signals", "시그널"),
    "near_miss": ("near miss {side}", "조건 하나 미달 {side}"),
    "no_signals": ("nothing was thought yet", "아직 시그널이 없습니다"),
    "opinions": ("opinions, no orders", "의견이며 주문이 아닙니다"),
    "positions": ("Positions", "포지션"),
    "pnl": ("Profit and loss", "손익"),
    "runs": ("Runs", "실행 기록"),
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
