import { useComputed } from "@preact/signals";
import { useAnswer } from "../../live/answers";
import { NowPanel } from "./cards";
import { CoinsPanel } from "./coins";
import { AlertsPanel, CascadesPanel, FeedsPanel, UnseenPanel } from "./lately";
import { isComing, useLive } from "./live";
import "./overview.css";

/** Every coin at a glance: the chosen one in cards, all in a table, and what happened lately. */
export default function OverviewPage() {
  const answer = useAnswer("/api/v1/overview", {}, { everyMs: 5_000 });
  const isWhole = useComputed(() => answer.value.body?.coins.every((row) => !row.notes.some(isComing)) ?? false);
  const live = useLive();
  useAnswer("/api/v1/overview", isWhole.value ? null : {}, { everyMs: 2_000 });
  return (
    <div class="overview-page">
      <NowPanel answer={answer} live={live} />
      <CoinsPanel answer={answer} live={live} />
      <AlertsPanel />
      <CascadesPanel />
      <UnseenPanel />
      <FeedsPanel />
    </div>
  );
}
