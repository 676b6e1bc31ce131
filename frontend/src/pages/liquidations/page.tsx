import { coin } from "../../app/route";
import { useAnswer } from "../../live/answers";
import { Tape } from "../tape/tape";
import { HourlyPanel } from "./hourly";
import { LargestPanel } from "./largest";
import "./liquidations.css";
import { RowsPanel } from "./table";
import { hoursOf, scope, symbolOf, TotalsPanel } from "./totals";

const EVERY_MS = 10_000;
const LARGEST = 12;

/** What was liquidated: published beside estimated by venue and by hour, the largest, every one, and as they come. */
export default function LiquidationsPage() {
  const query = { symbol: symbolOf(), hours: hoursOf(), largest: LARGEST };
  const answer = useAnswer("/api/v1/liquidations/24h", query, { everyMs: EVERY_MS });
  return (
    <div class="liquidations-page">
      <TotalsPanel answer={answer} />
      <HourlyPanel answer={answer} />
      <LargestPanel answer={answer} />
      <RowsPanel />
      <Tape id="tape" symbol={scope.value === "all" ? null : coin.value} keep={500} />
    </div>
  );
}
