import { type Signal, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { useKeys } from "../../app/keyboard";
import { refreshAll, useAnswer } from "../../live/answers";
import { setKey } from "../../live/api";
import { second } from "../../live/clock";
import { Dialog } from "../../ui/dialog";
import { age, datetime, iso } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { Table } from "../../ui/table";
import { halt, lower } from "./act";
import { steady, type TradeAnswer } from "./card";
import type { ModeNow } from "./figures";
import { says } from "./words";

const GLYPHS = { observe: "◌", paper: "◇", live: "◆" } as const;
/** Typed by hand before everything is closed: the same in every language. */
const WORD = "HALT";

/** How far decisions may go, and two buttons that make it less. */
export function ModePanel({ answer, isLive }: { answer: TradeAnswer; isLive: boolean }) {
  const rights = useAnswer("/api/v1/trade/rights", {});
  const asks = useSignal(false);
  const trouble = useSignal<string | null>(null);
  const mode = answer.value.body?.mode ?? null;
  const may = rights.value.body?.may ?? [];
  const wanted = useMemo(
    () => ({
      h: {
        label: says("halt_is"),
        run: () => {
          asks.value = rights.peek().body?.may.includes("halt") ?? false;
        },
      },
    }),
    [rights],
  );
  useKeys(wanted);
  const done = async (what: Promise<unknown>): Promise<void> => {
    trouble.value = null;
    await what.catch((error: unknown) => {
      trouble.value = error instanceof Error ? error.message : String(error);
    });
    answer.peek().refresh();
  };
  return (
    <Panel
      id="trade-mode"
      title={says("how_far")}
      kind={null}
      answer={answer}
      asOfMs={null}
      {...steady(answer)}
      csv={() => ({
        name: "trade-acts",
        columns: ["at", "who", "what", "why"],
        rows: (mode?.acts ?? []).map((act) => [iso(act.at_ms), act.who, act.what, act.why]),
      })}
      footer={<p>{says("never_here")}</p>}
    >
      {mode === null ? null : (
        <div class="trade-mode" data-mode={mode.mode} data-halted={mode.halted !== ""}>
          {mode.halted === "" ? null : <Halted mode={mode} />}
          <p class="mode-word">
            <b>
              <span aria-hidden="true">{GLYPHS[mode.mode]}</span> {says(mode.mode)}
            </b>
            <span>{says(`${mode.mode}_is`)}</span>
            <span class="dim">{says("most", { mode: says(mode.most) })}</span>
            {mode.armed === null ? null : (
              <span class="warn">{says("armed_for", { ...mode.armed, at: datetime(mode.armed.until_ms) })}</span>
            )}
          </p>
          {may.includes("halt") ? (
            <Buttons mode={mode} isLive={isLive} asks={asks} done={done} />
          ) : rights.value.body === null ? null : (
            <MayNot />
          )}
          {trouble.value === null ? null : (
            <p class="bad" role="alert">
              ✕ {trouble.value}
            </p>
          )}
          <Acts mode={mode} />
        </div>
      )}
      <Dialog id="halt" title={says("halt_title")} isOpen={asks}>
        <Confirm
          done={(why) => {
            asks.value = false;
            void done(halt(why));
          }}
          cancel={() => {
            asks.value = false;
          }}
        />
      </Dialog>
    </Panel>
  );
}

function Halted({ mode }: { mode: ModeNow }) {
  second.value;
  const act = mode.acts.find((one) => one.what === "halt");
  return (
    <div class="halted" role="alert">
      <b>
        ✕ {says("halted")}: {mode.halted}
      </b>
      {act === undefined ? null : <span>{says("by", { who: act.who, age: age(Date.now() - act.at_ms) })}</span>}
      <span>
        {says("halted_is")} <code>perpscope risk reset</code>
      </span>
    </div>
  );
}

interface ButtonsProps {
  mode: ModeNow;
  isLive: boolean;
  asks: Signal<boolean>;
  done: (what: Promise<unknown>) => Promise<void>;
}

function Buttons({ mode, isLive, asks, done }: ButtonsProps) {
  return (
    <p class="row mode-buttons">
      <button
        type="button"
        title={says("pause_is")}
        disabled={mode.mode === "observe"}
        onClick={() => void done(lower("observe"))}
      >
        {says("pause")}
      </button>
      {mode.mode === "live" ? (
        <button type="button" onClick={() => void done(lower("paper"))}>
          {says("to_paper")}
        </button>
      ) : null}
      <button
        type="button"
        class={`danger${isLive ? " firm" : ""}`}
        title={says("halt_is")}
        disabled={mode.halted !== ""}
        onClick={() => {
          asks.value = true;
        }}
      >
        {says("halt")} <kbd>h</kbd>
      </button>
    </p>
  );
}

function Confirm({ done, cancel }: { done: (why: string) => void; cancel: () => void }) {
  const typed = useSignal("");
  const why = useSignal(says("halt_by_page"));
  const isMeant = typed.value.trim().toUpperCase() === WORD && why.value.trim() !== "";
  return (
    <form
      class="halt-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (isMeant) done(why.value.trim());
      }}
    >
      <p>{says("halt_asks", { word: WORD })}</p>
      <label>
        <span class="dim">{says("halt_word", { word: WORD })}</span>
        <input
          autofocus
          autocomplete="off"
          spellcheck={false}
          name="word"
          value={typed.value}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
          }}
        />
      </label>
      <label>
        <span class="dim">{says("halt_why")}</span>
        <input
          name="why"
          maxLength={200}
          value={why.value}
          onInput={(event) => {
            why.value = event.currentTarget.value;
          }}
        />
      </label>
      <p class="row">
        <button type="submit" class="danger firm" disabled={!isMeant}>
          {says("halt_now")}
        </button>
        <button type="button" onClick={cancel}>
          {says("cancel")}
        </button>
      </p>
    </form>
  );
}

/** Who may only look is told how it is done on the host, and may give a key. */
function MayNot() {
  const typed = useSignal("");
  return (
    <div class="may-not">
      <p class="dim">{says("may_not")}</p>
      <p class="row">
        <span class="dim">{says("by_hand")}</span>
        <code>perpscope halt</code>
        <code>perpscope risk mode observe</code>
      </p>
      <details>
        <summary>{says("key_made")}</summary>
        <form
          class="row"
          onSubmit={(event) => {
            event.preventDefault();
            if (!typed.value.trim()) return;
            setKey(typed.value.trim());
            refreshAll();
          }}
        >
          <code>{says("key_is")}</code>
          <input
            type="password"
            name="trade-key"
            aria-label={says("key")}
            autocomplete="off"
            placeholder="pps_…"
            value={typed.value}
            onInput={(event) => {
              typed.value = event.currentTarget.value;
            }}
          />
          <button type="submit">{says("key_use")}</button>
        </form>
      </details>
    </div>
  );
}

function Acts({ mode }: { mode: ModeNow }) {
  if (mode.acts.length === 0) return null;
  return (
    <details class="acts">
      <summary>
        {says("acts")} ({mode.acts.length})
      </summary>
      <Table
        caption={says("acts")}
        rows={mode.acts}
        rowKey={(act) => `${act.at_ms}${act.what}`}
        columns={[
          { key: "at", label: says("at"), show: (act) => <span class="nowrap">{datetime(act.at_ms)}</span> },
          { key: "what", label: says("what"), show: (act) => <b>{act.what}</b> },
          { key: "who", label: says("who"), show: (act) => act.who },
          { key: "why", label: says("why"), show: (act) => act.why },
        ]}
      />
    </details>
  );
}
