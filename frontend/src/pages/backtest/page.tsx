import { Planned } from "../planned";
import { says } from "./words";

/** Strategies on the past: not built yet, and says so. */
export default function BacktestPage() {
  const will = (["form", "runs", "sheet", "luck"] as const).map((name) => ({
    name: says(name),
    text: says(`${name}_is`),
  }));
  return (
    <Planned
      id="backtest"
      title={says("title")}
      lead={says("lead")}
      will={will}
      pages={["map", "sentiment", "liquidations"]}
    />
  );
}
