import { useAnswer } from "../../live/answers";
import { AvailabilityPanel } from "./availability";
import { FeedsPanel } from "./feeds_panel";
import "./health.css";
import { LedgerPanel } from "./ledger";
import { PagePanel } from "./page_figures";
import { SocketsPanel } from "./sockets";
import { StandingPanel } from "./standing";
import { says } from "./words";

/** Whether what is shown anywhere can be believed: feeds, gaps, connections, the collector, and this page itself. */
export default function HealthPage() {
  const status = useAnswer("/api/v1/status", {}, { everyMs: 2_000 });
  return (
    <div class="health-page">
      <h1 class="unseen">{says("title")}</h1>
      <StandingPanel answer={status} />
      <PagePanel />
      <FeedsPanel answer={status} />
      <LedgerPanel />
      <SocketsPanel answer={status} />
      <AvailabilityPanel answer={status} />
    </div>
  );
}
