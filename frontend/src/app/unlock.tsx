/** Asks for a key where the face wants one. */
import { effect, type Signal, signal, useSignal } from "@preact/signals";
import { locked, setKey } from "../live/api";
import { Dialog } from "../ui/dialog";
import { tells } from "./dialog_words";

const isOpen: Signal<boolean> = signal(false);
effect(() => {
  isOpen.value = locked.value !== null;
});

function Ask() {
  const typed = useSignal("");
  const why = locked.value?.why;
  return (
    <form
      class="unlock"
      onSubmit={(event) => {
        event.preventDefault();
        if (typed.value.trim()) setKey(typed.value.trim());
      }}
    >
      {why ? <p class="bad">✕ {tells("locked_why", { why })}</p> : null}
      <p>{tells("locked_help")}</p>
      <code>perpscope keys add --label phone</code>
      <label>
        <span class="dim">{tells("key")}</span>
        <input
          autofocus
          type="password"
          name="key"
          autocomplete="off"
          placeholder="pps_…"
          value={typed.value}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
          }}
        />
      </label>
      <p class="row">
        <button type="submit">{tells("unlock")}</button>
        <span class="dim">{tells("locked_session")}</span>
      </p>
    </form>
  );
}

/** See above, as a dialog that stays until it has one. */
export function Unlock() {
  return (
    <Dialog id="unlock" title={tells("locked")} isOpen={isOpen} isFirm>
      <Ask />
    </Dialog>
  );
}
