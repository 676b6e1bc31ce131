/** Choices: a select with its label, and a row of buttons of which one is pressed. */
import type { Signal } from "@preact/signals";

export interface Choice<T extends string = string> {
  value: T;
  label: string;
  title?: string;
}

interface PickerProps<T extends string> {
  label: string;
  value: Signal<T>;
  choices: readonly Choice<T>[];
  /** The label is only read aloud. */
  isBare?: boolean;
}

/** A select. */
export function Picker<T extends string>({ label, value, choices, isBare = false }: PickerProps<T>) {
  const isKnown = choices.some((choice) => choice.value === value.value);
  return (
    <label class="picker">
      <span class={isBare ? "unseen" : "dim"}>{label}</span>
      <select
        value={value.value}
        onChange={(event) => {
          value.value = event.currentTarget.value as T;
        }}
      >
        {isKnown ? null : <option value={value.value}>{value.value}</option>}
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value} title={choice.title}>
            {choice.label}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Buttons beside each other, one of them pressed. */
export function Segments<T extends string>({ label, value, choices }: PickerProps<T>) {
  return (
    <fieldset class="segments" aria-label={label}>
      {choices.map((choice) => (
        <button
          type="button"
          key={choice.value}
          title={choice.title}
          aria-pressed={choice.value === value.value}
          onClick={() => {
            value.value = choice.value;
          }}
        >
          {choice.label}
        </button>
      ))}
    </fieldset>
  );
}
