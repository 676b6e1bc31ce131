import { useEffect } from "preact/hooks";
import { coin, parameter } from "../../app/route";
import { useAnswer } from "../../live/answers";
import { useRows } from "../../live/stream";
import type { SignalRow } from "./figures";
import { LatencyPanel } from "./latency";
import { LogPanel } from "./log";
import { ModelPanel } from "./model";
import { EVERY_MS, RulesPanel } from "./rules";
import "./signals.css";
import { says } from "./words";

const KEPT = 20;

/** What strategies and models think of the coin, and why they did not act. */
export default function SignalsPage() {
  const before = parameter("before", "");
  const kind = parameter("kind", "all");
  const strategy = parameter("by", "all");
  const side = parameter("side", "all");
  const symbol = coin.value;
  const newest = useAnswer("/api/v1/signals", { symbol, limit: 500 }, { everyMs: EVERY_MS });
  const strategies = useAnswer("/api/v1/strategies", {});
  const candles = useAnswer("/api/v1/candles", { symbol, interval: "1m", limit: 420 }, { everyMs: EVERY_MS });
  const pushed = useRows<SignalRow>(`signals:${symbol}`, KEPT);
  const arrived = pushed.value.arrived;
  useEffect(() => {
    if (arrived > 0) newest.peek().refresh();
  }, [arrived]);
  return (
    <div class="signals-page">
      <h1 class="unseen">{says("title")}</h1>
      <RulesPanel strategies={strategies} signals={newest} candles={candles} />
      <div class="signals-halves">
        <ModelPanel answer={newest} />
        <LatencyPanel answer={newest} />
      </div>
      <LogPanel newest={newest} chosen={{ before, kind, strategy, side }} />
    </div>
  );
}
