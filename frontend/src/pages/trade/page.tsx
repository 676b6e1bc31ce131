import { Planned } from "../planned";
import { says } from "./words";

/** Paper and live trading: not built yet, and says so. */
export default function TradePage() {
  const names = ["paper", "positions", "orders", "limits"] as const;
  const will = names.map((name) => ({ name: says(name), text: says(`${name}_is`) }));
  return (
    <Planned id="trade" title={says("title")} lead={says("lead")} will={will} pages={["overview", "map", "alerts"]} />
  );
}
