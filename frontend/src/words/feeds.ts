/** Feeds by the names people know. */
import { dictionary } from "./words";

const says = dictionary(
  {
    trades: "trades",
    quotes: "quotes",
    book: "order book",
    candles: "candles",
    mark_prices: "mark prices",
    liquidations: "liquidations",
    open_interest: "open interest",
    account_ratios: "long/short ratios",
    taker_volume: "taker volume",
    contracts: "contracts",
    funding: "funding paid",
    positions: "positions",
  },
  {
    trades: "체결",
    quotes: "최우선 호가",
    book: "호가창",
    candles: "캔들",
    mark_prices: "마크 가격",
    liquidations: "청산",
    open_interest: "미결제약정",
    account_ratios: "롱/숏 비율",
    taker_volume: "테이커 거래량",
    contracts: "계약 정보",
    funding: "펀딩비 정산",
    positions: "포지션",
  },
);

type Known = Parameters<typeof says>[0];
const KNOWN: readonly string[] = [
  "trades",
  "quotes",
  "book",
  "mark_prices",
  "liquidations",
  "open_interest",
  "account_ratios",
  "taker_volume",
  "contracts",
  "funding",
  "positions",
] satisfies Known[];

/** `open interest` of `open_interest`, `candles 1m` of `candles_1m`; a feed that is not known as it is called. */
export function feedWord(channel: string): string {
  if (KNOWN.includes(channel)) return says(channel as Known);
  const candles = /^candles_(.+)$/.exec(channel);
  return candles ? `${says("candles")} ${candles[1]}` : channel.replaceAll("_", " ");
}
