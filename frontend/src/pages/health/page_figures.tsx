import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { second } from "../../live/clock";
import { figures } from "../../live/figures";
import { connection } from "../../live/stream";
import { age, number, UNKNOWN } from "../../ui/format";
import { Panel } from "../../ui/panel";
import { quantile } from "./feeds";
import { says } from "./words";

const SAMPLE_MS = 1_000;
const EVERY_MS = 5_000;

/** Frames of one second, looked at each five. */
function useFramesPerSecond() {
  const found = useSignal<number | null>(null);
  useEffect(() => {
    let [frames, start, running] = [0, 0, 0];
    const count = (now: number) => {
      if (start === 0) start = now;
      frames += 1;
      if (now - start < SAMPLE_MS) running = requestAnimationFrame(count);
      else found.value = ((frames - 1) * 1_000) / (now - start);
    };
    const begin = () => {
      if (document.hidden) return;
      [frames, start] = [0, 0];
      cancelAnimationFrame(running);
      running = requestAnimationFrame(count);
    };
    begin();
    const timer = setInterval(begin, EVERY_MS);
    return () => {
      clearInterval(timer);
      cancelAnimationFrame(running);
    };
  }, []);
  return found;
}

/** Figures of this page: what an update costs, whether one was missed, how soon something was seen. */
export function PagePanel() {
  return (
    <Panel
      id="page-figures"
      title={says("page")}
      kind={null}
      state={{ name: "ready" }}
      csv={() => ({
        name: "page",
        columns: ["what", "value"],
        rows: [
          ["updates", figures.updates],
          ["handler_p50_ms", quantile(figures.handlerMs, 0.5)],
          ["handler_p95_ms", quantile(figures.handlerMs, 0.95)],
          ["holes", figures.holes],
          ["first_paint_ms", figures.firstPaintMs],
          ["first_map_ms", figures.firstMapMs],
          ...Object.entries(figures.seq).map(([name, seq]) => [`seq ${name}`, seq]),
        ],
      })}
    >
      <Figures />
    </Panel>
  );
}

function Figures() {
  second.value;
  const fps = useFramesPerSecond();
  const { phase, since } = connection.value;
  const half = quantile(figures.handlerMs, 0.5);
  const most = quantile(figures.handlerMs, 0.95);
  const ms = (value: number | null, places = 1) => (value === null ? UNKNOWN : `${number(value, places)} ms`);
  return (
    <>
      <dl class="facts numbers">
        <Fact name={says("connection")}>
          <span class={phase === "open" ? "ok" : "warn"}>
            {phase === "open" ? "●" : "◐"} {says(`phase_${phase}`)}
          </span>{" "}
          <span class="dim">{says("since", { age: age(performance.now() - since) })}</span>
        </Fact>
        <Fact name={says("updates")}>{number(figures.updates)}</Fact>
        <Fact name={says("handler")} title={says("handler_title")}>
          {ms(half, 2)} / {ms(most, 2)}
        </Fact>
        <Fact name={says("fps")}>{number(fps.value)}</Fact>
        <Fact name={says("holes")} title={says("holes_title")}>
          <span class={figures.holes > 0 ? "warn" : ""}>{number(figures.holes)}</span>
        </Fact>
        <Fact name={says("first_paint")}>{ms(figures.firstPaintMs, 0)}</Fact>
        <Fact name={says("first_map")}>{ms(figures.firstMapMs, 0)}</Fact>
      </dl>
      <p class="channels">
        <span class="dim">{says("channels")}</span>
        {Object.entries(figures.seq).map(([name, seq]) => (
          <span key={name} class="chip">
            {name} <b class="num">{number(seq)}</b>
          </span>
        ))}
      </p>
    </>
  );
}

function Fact({ name, title, children }: { name: string; title?: string; children: ComponentChildren }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd class="num">{children}</dd>
    </div>
  );
}
