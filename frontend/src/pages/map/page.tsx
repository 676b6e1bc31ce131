/** Where positions would be closed by force: over time beneath the candles, and now beside them; who closed last. */
import { coin } from "../../app/route";
import { later } from "../../ui/later";
import { Panel } from "../../ui/panel";
import { Tape } from "../tape/tape";
import { Chart, useHeatNow } from "./chart";
import { Toolbar } from "./controls";
import { useHeat } from "./heat_answer";
import { useMapKeys } from "./keys";
import "./map.css";
import { ProfilePanel } from "./profile_panel";
import { Rests } from "./rests";
import { useCandles, useMap } from "./source";
import { tableOf, takeAway } from "./taking";
import { chosenVenues, every, explained, hours, profile } from "./view";
import { says } from "./words";

const MINUTE_MS = 60_000;
const profileCanvas = (): HTMLCanvasElement | null => document.querySelector("#map canvas.profile");

const Why = later(async () => (await import("./why")).Why);

function Explained({ symbol }: { symbol: string }) {
  return explained.value === "" ? null : <Why symbol={symbol} />;
}

/** The map page. */
export default function MapPage() {
  const symbol = coin.value;
  const map = useMap(symbol);
  const candles = useCandles(symbol);
  const chosen = chosenVenues.value;
  const answer = useHeat({
    symbol,
    hours: hours.value,
    every: every.value,
    profile: profile.value,
    ...(chosen.length ? { exchanges: chosen.join(",") } : {}),
  });
  const heat = useHeatNow(answer, map.body);
  useMapKeys(map.model, heat);
  const { body, problem, loadingSince } = answer.value;
  return (
    <div class="map-page">
      <Toolbar heat={heat} />
      <Panel
        id="heatmap"
        title={says("heat")}
        kind="model"
        answer={candles.answer}
        what={says("candles")}
        empty={candles.answer.value.body?.candles.length === 0}
        asOfMs={map.body.value?.at_ms ?? body?.meta?.as_of_ms ?? null}
        expectedMs={3 * MINUTE_MS}
        csv={async () => (await takeAway()).heatSheet(heat.peek())}
        table={() => tableOf((made) => made.heatSheet(heat.peek()))}
        png={async () => (await takeAway()).pictureOf(profileCanvas())}
      >
        <Chart candles={candles} heat={heat} model={map.model} />
        {heat.value || (!loadingSince && !problem) ? null : (
          <p class="heat-state" role="status">
            {problem
              ? says("heat_failed", { code: "code" in problem ? problem.code : problem.message })
              : says("heat_making")}
          </p>
        )}
      </Panel>
      <ProfilePanel map={map} mark={candles.mark} />
      <Tape id="tape" symbol={symbol} keep={200} />
      <Rests body={map.body} />
      <Explained symbol={symbol} />
    </div>
  );
}
