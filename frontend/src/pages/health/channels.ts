/** Channels and kinds of data where they begin a row. */
import { feedWord } from "../../words/feeds";
import { dictionary } from "../../words/words";

const says = dictionary(
  {
    all_accounts: "all accounts",
    top_accounts: "top accounts",
    top_positions: "top positions",
    all_positions: "all positions",
  },
  {
    all_accounts: "전체 계정",
    top_accounts: "상위 계정",
    top_positions: "상위 포지션",
    all_positions: "전체 포지션",
  },
);

const KINDS = ["all_accounts", "top_accounts", "top_positions", "all_positions"] as const;

/** A feed's word with a capital: `Order book` of `book`. */
export function channelWord(name: string): string {
  const word = feedWord(name);
  return word.charAt(0).toUpperCase() + word.slice(1);
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
