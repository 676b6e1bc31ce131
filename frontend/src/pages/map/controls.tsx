/** What the page can be set to, in one row above the chart: all of it is in the address. */
import { type ReadonlySignal, signal, useComputed } from "@preact/signals";
import { ramp } from "../../app/settings";
import { type Heat, quantileUsd } from "../../charts/heatmap";
import { isDark } from "../../theme/colours";
import { rampOf } from "../../theme/ramps";
import { usd, venue } from "../../ui/format";
import { Picker, Segments } from "../../ui/picker";
import { limitsOf } from "./chart";
import {
  chosenVenues,
  effectiveInterval,
  held,
  hide,
  INTERVALS,
  interval,
  LOOKBACKS,
  lookback,
  PROFILES,
  profile,
  scale,
  VENUES,
  venues,
} from "./view";
import { says } from "./words";

const STEPS = 100;
const phone = matchMedia("(max-width: 640px)");
const isPhone = signal(phone.matches);
phone.addEventListener("change", (event) => {
  isPhone.value = event.matches;
});

function toggleVenue(name: string): void {
  const now = chosenVenues.value.length ? chosenVenues.value : [...VENUES];
  const next = now.includes(name) ? now.filter((one) => one !== name) : [...now, name];
  venues.value =
    next.length === 0 || next.length === VENUES.length ? "" : VENUES.filter((one) => next.includes(one)).join(",");
}

function Venues() {
  const chosen = chosenVenues.value;
  return (
    <details class="venue-filter">
      <summary>
        <span class="dim">{says("venues")}</span>{" "}
        <b>{chosen.length ? `${chosen.length}/${VENUES.length}` : says("all")}</b>
      </summary>
      <fieldset aria-label={says("venues")}>
        {VENUES.map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={chosen.length === 0 || chosen.includes(name)}
              onChange={() => toggleVenue(name)}
            />
            {venue(name)}
          </label>
        ))}
      </fieldset>
    </details>
  );
}

/** Interval, lookback, leverage, venues, logarithmic prices, colours, and what they mean. */
export function Toolbar({ heat }: { heat: ReadonlySignal<Heat | null> }) {
  const fitting = effectiveInterval.value;
  return (
    <div class="map-toolbar" role="toolbar" aria-label={says("settings")}>
      <fieldset class="segments" aria-label={says("interval")}>
        {INTERVALS.map((one) => (
          <button
            type="button"
            key={one}
            aria-pressed={fitting === one}
            onClick={() => {
              interval.value = one;
            }}
          >
            {one}
          </button>
        ))}
      </fieldset>
      <Segments
        label={says("lookback")}
        value={lookback}
        choices={LOOKBACKS.map((value) => ({ value, label: value }))}
      />
      {isPhone.value ? (
        <details class="more-settings">
          <summary>{says("settings")}</summary>
          <div class="map-toolbar">
            <Rarer heat={heat} />
          </div>
        </details>
      ) : (
        <Rarer heat={heat} />
      )}
    </div>
  );
}

/** What is set less often; on a phone it is folded away. */
function Rarer({ heat }: { heat: ReadonlySignal<Heat | null> }) {
  return (
    <>
      <span title={says("profile_title")}>
        <Picker
          label={says("profile")}
          value={profile}
          choices={PROFILES.map((value) => ({ value, label: says(value) }))}
        />
      </span>
      <Venues />
      <label class="check" title={says("log_title")}>
        <input
          type="checkbox"
          checked={scale.value === "log"}
          onChange={(event) => {
            scale.value = event.currentTarget.checked ? "log" : "linear";
          }}
        />
        {says("log")}
      </label>
      <Picker
        label={says("colours")}
        value={ramp}
        choices={(["inferno", "cividis", "grey"] as const).map((value) => ({ value, label: value }))}
      />
      <HeatControls heat={heat} />
    </>
  );
}

/** What is hidden, and what the colours mean in dollars. */
function HeatControls({ heat }: { heat: ReadonlySignal<Heat | null> }) {
  const limits = useComputed(() => (heat.value ? limitsOf(heat.value) : null));
  const gradient = useComputed(() => {
    const table = rampOf(ramp.value, isDark.value);
    const stops = Array.from({ length: 9 }, (_, at) => {
      const share = at / 8;
      const i = Math.round(Math.sqrt(share) * 255) * 3;
      return `rgb(${table[i]} ${table[i + 1]} ${table[i + 2]})`;
    });
    return `linear-gradient(90deg, ${stops.join(", ")})`;
  });
  const now = heat.value;
  const shown = limits.value;
  if (!now || !shown) return null;
  const ratio = Math.log(now.mostUsd / now.leastUsd);
  const place = shown.from <= now.leastUsd ? 0 : Math.round((STEPS * Math.log(shown.from / now.leastUsd)) / ratio);
  const isHeld = held.value !== "";
  return (
    <>
      <label class="picker">
        <span class="dim">{says("hide")}</span>
        <input
          type="range"
          min={0}
          max={STEPS}
          value={place}
          aria-valuetext={usd(shown.from)}
          onInput={(event) => {
            const at = Number(event.currentTarget.value);
            hide.value =
              at === 0 ? "0" : (now.leastUsd * Math.exp((ratio * at) / STEPS)).toPrecision(3).replace(/e\+?/, "e");
          }}
        />
      </label>
      <span class="legend" title={says("legend_title", { width: usd(now.width) })}>
        <i style={{ background: gradient.value }} />
        <span class="nowrap">{says("legend", { from: usd(shown.from), to: usd(shown.to) })}</span>
      </span>
      <label class="check" title={says("hold_title")}>
        <input
          type="checkbox"
          checked={isHeld}
          onChange={() => {
            held.value = isHeld ? "" : quantileUsd(now, 0.999).toFixed(0);
          }}
        />
        {says("hold")}
      </label>
    </>
  );
}
