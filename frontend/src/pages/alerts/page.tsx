import { coin, parameter } from "../../app/route";
import { useAnswer } from "../../live/answers";
import "./alerts.css";
import { DeliveriesPanel, RecentPanel } from "./recent";
import { RulesPanel } from "./rules";
import { says } from "./words";
import { WritePanel } from "./write";

/** Rules and what they have been worth, what was raised, who was told, and how to write one. */
export default function AlertsPage() {
  const of = parameter("of", "all");
  const query = of.value === "coin" ? { coin: coin.value.split("-")[0] ?? coin.value, limit: 100 } : { limit: 100 };
  const answer = useAnswer("/api/v1/alerts", query, { everyMs: 3_000 });
  return (
    <div class="alerts-page">
      <h1 class="unseen">{says("title")}</h1>
      <RulesPanel answer={answer} />
      <RecentPanel answer={answer} of={of} />
      <div class="alerts-side">
        <DeliveriesPanel answer={answer} />
        <WritePanel />
      </div>
    </div>
  );
}
