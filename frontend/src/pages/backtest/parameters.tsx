import type { Signal } from "@preact/signals";
import { number } from "../../ui/format";
import { plain } from "../../words/verdicts";
import { boundsText, flawOf, type Parameter, type Strategy } from "./figures";
import { says } from "./words";

/** Parameters that were changed, by name, as they were typed. */
export type Own = Signal<Readonly<Record<string, string>>>;

interface ParametersProps {
  strategy: Strategy;
  own: Own;
  fault: (pointer: string) => string | null;
}

/** Every parameter with its bounds and what it does; folded until one is changed. */
export function Parameters({ strategy, own, fault }: ParametersProps) {
  const changed = Object.keys(own.value).length;
  if (strategy.parameters.length === 0) return null;
  return (
    <details class="parameters" open={changed > 0}>
      <summary>
        {says("parameters")} <span class="dim">{strategy.parameters.length}</span>
        {changed > 0 ? <span class="warn"> · {says("parameters_set", { n: changed })}</span> : null}
      </summary>
      <div class="parameter-grid">
        {strategy.parameters.map((one) => (
          <Number_ key={one.name} one={one} own={own} fault={fault(`/parameters/${one.name}`)} />
        ))}
      </div>
      {changed > 0 ? (
        <button
          type="button"
          onClick={() => {
            own.value = {};
          }}
        >
          {says("reset")}
        </button>
      ) : null}
    </details>
  );
}

function Number_({ one, own, fault }: { one: Parameter; own: Own; fault: string | null }) {
  const text = own.value[one.name];
  const flaw = text === undefined ? null : flawOf(one, text);
  const said = flaw === null ? fault : says(`bad_${flaw}`, { bounds: boundsText(one) });
  const set = (value: string): void => {
    const { [one.name]: _, ...rest } = own.peek();
    own.value = value === String(one.value) ? rest : { ...rest, [one.name]: value };
  };
  return (
    <div class={`parameter ${text === undefined ? "" : "changed"}`}>
      <label title={one.about}>
        <span>{plain(one.name.replaceAll("_", " "))}</span>
        <input
          type="number"
          inputMode="decimal"
          step={one.is_whole ? 1 : "any"}
          value={text ?? String(one.value)}
          aria-invalid={flaw !== null}
          aria-describedby={`about-${one.name}`}
          onInput={(event) => set(event.currentTarget.value)}
        />
      </label>
      <p id={`about-${one.name}`} class="dim" lang="en">
        {one.about} <span class="num nowrap">{boundsText(one)}</span>{" "}
        <span class="num nowrap">{says("ships", { value: number(one.default, decimals(one.default)) })}</span>
      </p>
      {said === null ? null : <p class="bad">{said}</p>}
    </div>
  );
}

const decimals = (value: number): number => Math.min(6, (String(value).split(".")[1] ?? "").length);
