import { dictionary } from "../../words/words";

export const says = dictionary(
  {
    title: "Signals",
    lead: "No strategy runs in this version, so there are no signals. The list below fills as soon as one does.",
    rules: "Entry rules as lamps",
    rules_is:
      "volume against its usual, imbalance of buys and sells, momentum: each with its threshold, and which one failed",
    near: "Near misses",
    near_is: "what almost became a signal, and what it lacked",
    latency: "Latency",
    latency_is: "from the venue’s stamp to the decision",
    list: "Signals so far",
    time: "Time",
    strategy: "Strategy",
    instrument: "Contract",
    side: "Side",
    why: "Why",
    none: "None. Nothing is hidden here: the service itself says that no strategy has run.",
  },
  {
    title: "시그널",
    lead: "이 버전에서는 전략이 실행되지 않으므로 시그널이 없습니다. 전략이 실행되면 아래 목록이 채워집니다.",
    rules: "진입 조건 램프",
    rules_is: "평소 대비 거래량, 매수·매도 불균형, 모멘텀. 각 기준값과 충족되지 않은 조건을 표시",
    near: "아쉽게 빗나간 신호",
    near_is: "거의 시그널이 될 뻔한 순간과 부족했던 조건",
    latency: "지연",
    latency_is: "거래소 시각에서 판단까지 걸린 시간",
    list: "지금까지의 시그널",
    time: "시각",
    strategy: "전략",
    instrument: "종목",
    side: "방향",
    why: "이유",
    none: "없음. 숨긴 것이 아니라, 실행된 전략이 없다고 서비스가 답합니다.",
  },
);
