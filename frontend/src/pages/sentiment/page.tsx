import { useSignal } from "@preact/signals";
import { coin } from "../../app/route";
import { useAnswer } from "../../live/answers";
import { EventsPanel } from "./events";
import { IndexPanel } from "./index_panel";
import { MarketPanel } from "./market_day";
import { PartsPanel } from "./parts";
import { RatiosPanel } from "./ratios";
import { RiskPanel } from "./risk";
import { ShockPanel, useCascades } from "./shock";
import "./sentiment.css";
import { VenuesPanel } from "./venues_now";
import { says } from "./words";

const EVERY_MS = 10_000;

/** How people are positioned, and of what that is made: index, parts, ratios, funding, risk, cascades. */
export default function SentimentPage() {
  const cursor = useSignal<number | null>(null);
  const symbol = coin.value;
  const answer = useAnswer("/api/v1/market-sentiment", { symbol }, { everyMs: EVERY_MS });
  const ratios = useAnswer("/api/v1/long-short/{symbol}", { symbol, hours: 24 }, { everyMs: 3 * EVERY_MS });
  const { answer: cascades, shock, size } = useCascades();
  return (
    <div class="sentiment-page">
      <h1 class="unseen">{says("title")}</h1>
      <div class="column main">
        <IndexPanel answer={answer} cursor={cursor} />
        <PartsPanel answer={answer} />
      </div>
      <div class="column side">
        <RiskPanel answer={answer} />
        <VenuesPanel answer={answer} />
      </div>
      <RatiosPanel answer={ratios} cursor={cursor} />
      <MarketPanel answer={answer} cursor={cursor} />
      <ShockPanel answer={cascades} shock={shock} size={size} />
      <EventsPanel answer={cascades} />
    </div>
  );
}
