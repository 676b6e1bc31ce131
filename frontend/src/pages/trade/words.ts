import { dictionary } from "../../words/words";

export const says = dictionary(
  {
    title: "Trade",
    lead: "This version cannot trade: it holds no exchange key, sends no order, and has no paper account.",
    paper: "Paper and live, never confused",
    paper_is:
      "each with its own name and frame colour; paper first, live only with a setting, a key without withdrawal right, and a typed confirmation",
    positions: "Positions",
    positions_is: "entry, size, profit and loss, and the distance to liquidation as a bar",
    orders: "Orders and fills",
    orders_is: "what was sent, what was filled, at which price and cost",
    limits: "Limits and the kill switch",
    limits_is:
      "risk limits that hold whatever a strategy wants, and one button, held for two seconds, that ends everything",
  },
  {
    title: "거래",
    lead: "이 버전은 거래할 수 없습니다. 거래소 키를 보관하지 않고, 주문을 보내지 않으며, 모의 계좌도 없습니다.",
    paper: "모의와 실거래를 혼동하지 않게",
    paper_is:
      "이름과 테두리 색으로 구분. 모의 거래가 먼저이며, 실거래는 설정, 출금 권한 없는 키, 직접 입력한 확인이 모두 있어야만 가능합니다",
    positions: "포지션",
    positions_is: "진입가, 수량, 손익, 청산가까지의 거리를 막대로 표시",
    orders: "주문과 체결",
    orders_is: "보낸 주문, 체결된 주문, 가격과 비용",
    limits: "한도와 비상 정지",
    limits_is: "전략과 무관하게 지켜지는 위험 한도, 그리고 2초간 눌러 모든 것을 멈추는 버튼",
  },
);
