/** Channels and kinds of data as people call them. */
import { dictionary } from "../../words/words";

const says = dictionary(
  {
    trades: "Trades",
    quotes: "Quotes",
    book: "Order books",
    candles_1m: "Candles 1 m",
    candles_15m: "Candles 15 m",
    candles_1h: "Candles 1 h",
    mark_prices: "Mark prices",
    liquidations: "Liquidations",
    open_interest: "Open interest",
    account_ratios: "Long/short ratios",
    taker_volume: "Taker volume",
    contracts: "Contracts",
    funding: "Funding paid",
    positions: "Positions",
    all_accounts: "all accounts",
    top_accounts: "top accounts",
    top_positions: "top positions",
    all_positions: "all positions",
  },
  {
    trades: "체결",
    quotes: "최우선 호가",
    book: "호가창",
    candles_1m: "캔들 1분",
    candles_15m: "캔들 15분",
    candles_1h: "캔들 1시간",
    mark_prices: "마크 가격",
    liquidations: "청산",
    open_interest: "미결제약정",
    account_ratios: "롱/숏 비율",
    taker_volume: "테이커 거래량",
    contracts: "계약 정보",
    funding: "펀딩비 정산",
    positions: "포지션",
    all_accounts: "전체 계정",
    top_accounts: "상위 계정",
    top_positions: "상위 포지션",
    all_positions: "전체 포지션",
  },
);

const CHANNELS = [
  "trades",
  "quotes",
  "book",
  "candles_1m",
  "candles_15m",
  "candles_1h",
  "mark_prices",
  "liquidations",
  "open_interest",
  "account_ratios",
  "taker_volume",
  "contracts",
  "funding",
  "positions",
] as const;
const KINDS = ["all_accounts", "top_accounts", "top_positions", "all_positions"] as const;

/** A channel as people call it. */
export function channelWord(name: string): string {
  const known = CHANNELS.find((one) => one === name);
  return known === undefined ? name : says(known);
}

/** A kind of account ratio. */
export function kindWord(name: string): string {
  const known = KINDS.find((one) => one === name);
  return known === undefined ? name : says(known);
}

/** Channels in the order they are shown. */
export const CHANNEL_ORDER: readonly string[] = [
  "liquidations",
  "mark_prices",
  "trades",
  "quotes",
  "book",
  "open_interest",
  "account_ratios",
  "taker_volume",
  "funding",
  "candles_1m",
  "candles_15m",
  "candles_1h",
  "contracts",
  "positions",
];
