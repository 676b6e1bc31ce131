import { dictionary } from "../../words/words";

export const says = dictionary(
  {
    title: "Backtest",
    lead: "No strategy can be tested on the past here yet; no run is stored, and no figure on this page is made up to fill it.",
    form: "A run",
    form_is: "strategy, contract, span, costs and leverage; a progress bar that can be left and found again",
    runs: "Runs beside each other",
    runs_is: "return, drawdown, trades and costs of each, and what differed between them",
    sheet: "Tear sheet",
    sheet_is:
      "equity and drawdown, months, every trade, costs split, distance to liquidation, parameters, data hash and seed",
    luck: "Skill or luck",
    luck_is: "says when a result cannot be told from chance, in numbers",
  },
  {
    title: "백테스트",
    lead: "아직 전략을 과거 데이터로 시험할 수 없습니다. 저장된 결과가 없으며, 빈자리를 채우려고 만들어 낸 수치도 없습니다.",
    form: "실행",
    form_is: "전략, 종목, 기간, 비용, 레버리지 설정. 자리를 떠나도 이어지는 진행 표시",
    runs: "결과 비교",
    runs_is: "실행별 수익률, 낙폭, 거래, 비용과 서로 다른 점",
    sheet: "상세 보고서",
    sheet_is: "자산 곡선과 낙폭, 월별 성과, 모든 거래, 비용 내역, 청산 거리, 파라미터, 데이터 해시와 시드",
    luck: "실력인가 운인가",
    luck_is: "결과가 우연과 구별되지 않으면 수치로 알려 줍니다",
  },
);
