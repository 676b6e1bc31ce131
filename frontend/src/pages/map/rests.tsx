/** One line beneath the map: how good such maps were measured to be, and what this one rests on. */
import type { ReadonlySignal } from "@preact/signals";
import type { MapBody } from "../../charts/map_model";
import { useAnswer } from "../../live/answers";
import { share, usd, venue } from "../../ui/format";
import { says as tapeSays } from "../tape/words";
import { says } from "./words";

const HOUR_MS = 3_600_000;

/** The score as it was measured, the venues with the share of their liquidations that was seen, notes, the method. */
export function Rests({ body }: { body: ReadonlySignal<MapBody | null> }) {
  const score = useAnswer("/api/v1/map-score", {}, { everyMs: HOUR_MS });
  const map = body.value;
  const told = score.value.body?.told ?? map?.score ?? "";
  const total = map?.venues.reduce((sum, one) => sum + one.open_interest * (one.mark ?? 0), 0) ?? 0;
  return (
    <div class="rests dim">
      {told ? (
        <span>
          <b>{says("score")}</b> {told}
        </span>
      ) : null}
      {map?.venues.length ? (
        <span>
          <b>{says("rests_on")}</b>{" "}
          {[...map.venues]
            .sort((a, b) => b.open_interest - a.open_interest)
            .map((one) => {
              const of = total > 0 ? share((one.open_interest * (one.mark ?? 0)) / total, 0) : "";
              return says("rests_venue", {
                venue: venue(one.venue),
                share: of,
                word: tapeSays(one.completeness ?? "unknown"),
              });
            })
            .join(" · ")}
          {map.summary ? ` · ${says("rests_oi", { usd: usd(map.summary.total_oi_usd) })}` : ""}
        </span>
      ) : null}
      {map?.notes.length ? (
        <details>
          <summary>{says("notes", { n: map.notes.length })}</summary>
          <ul>
            {map.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </details>
      ) : null}
      <a href="/docs#liquidation_map">{says("method")}</a>
    </div>
  );
}
