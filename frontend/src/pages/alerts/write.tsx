import { Panel } from "../../ui/panel";
import { says } from "./words";

const EXAMPLE = `[alert.big-longs]
title = "Longs forced out"
when = "long_liq_usd_5m > $2M and price_change_pct_5m < -0.8"
coins = ["BTC", "ETH"]
severity = "critical"
lasts_s = 0
cool_down_s = 900
expects = "fall_pct >= 0.5 in 30m"`;
const MEASURES = [
  "liq_usd_5m",
  "liq_events_5m",
  "price_change_pct_5m",
  "largest_liq_usd_5m",
  "price",
  "funding_8h_pct",
  "oi_usd",
  "oi_change_pct_1h",
  "cluster_above_pct",
  "cluster_above_usd",
  "cluster_below_pct",
  "cluster_below_usd",
  "pull",
  "sentiment",
  "risk",
  "cascade",
  "feed_age_s",
];
const COMMANDS = [
  { name: "write_score", command: "perpscope alerts score --since 30d" },
  { name: "write_test", command: "perpscope alerts test" },
  { name: "write_mute", command: "perpscope alerts mute big-longs 1h" },
] as const;

/** How a rule is written and tried. */
export function WritePanel() {
  return (
    <Panel id="write-rule" title={says("write")} kind={null} state={{ name: "ready" }} asOfMs={null}>
      <div class="write">
        <p>{says("write_lead")}</p>
        <pre>
          <code>{EXAMPLE}</code>
        </pre>
        <dl>
          <dt>
            <code>when</code>
          </dt>
          <dd>{says("write_when")}</dd>
          <dt>
            <code>expects</code>
          </dt>
          <dd>{says("write_expects")}</dd>
          <dt>{says("write_measures")}</dt>
          <dd>
            <span class="measures">
              {MEASURES.map((name) => (
                <code key={name}>{name}</code>
              ))}
            </span>
            <span class="dim">{says("write_windows")}</span>
          </dd>
        </dl>
        <dl>
          {COMMANDS.map(({ name, command }) => (
            <div key={name}>
              <dt>{says(name)}</dt>
              <dd>
                <code>{command}</code>
              </dd>
            </div>
          ))}
        </dl>
      </div>
    </Panel>
  );
}
