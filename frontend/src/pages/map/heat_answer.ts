/** The heatmap of the settings, asked for again as the map becomes another one. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Heat, heatOf } from "../../charts/heatmap";
import type { Answer } from "../../live/answers";
import { askBytes, Problem, Unreachable } from "../../live/api";
import type { Meta } from "../../live/shapes";

export interface HeatBody {
  heat: Heat | null;
  meta: Meta | null;
}

const AGAIN_MS = 120_000;

/** A heat for a query; asked again each two minutes while the tab is seen; the map's news are added to it in between. */
export function useHeat(query: Readonly<Record<string, string | number>>): ReadonlySignal<Answer<HeatBody>> {
  const answer = useSignal<Answer<HeatBody>>({
    body: null,
    problem: null,
    receivedAt: null,
    loadingSince: null,
    refresh: () => undefined,
  });
  const text = JSON.stringify(query);
  useEffect(() => {
    const ending = new AbortController();
    answer.value = { ...answer.peek(), body: null, problem: null, receivedAt: null };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      clearTimeout(timer);
      if (!document.hidden) {
        answer.value = { ...answer.peek(), loadingSince: performance.now(), refresh: () => void ask() };
        answer.value = { ...answer.peek(), ...(await asked(query, ending.signal)), loadingSince: null };
      }
      if (!ending.signal.aborted) timer = setTimeout(() => void ask(), AGAIN_MS);
    };
    void ask();
    const seen = (): void => void (document.hidden ? undefined : ask());
    document.addEventListener("visibilitychange", seen);
    return () => {
      ending.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [text]);
  return answer;
}

async function asked(query: object, signal: AbortSignal): Promise<Partial<Answer<HeatBody>>> {
  try {
    const { bytes, headers } = await askBytes("/api/v1/liquidation-heatmap", { ...query, format: "u8" }, { signal });
    const told = headers.get("X-Perpscope-Meta");
    const meta = told === null ? null : (JSON.parse(told) as Meta);
    return { body: { heat: heatOf(bytes, headers), meta }, problem: null, receivedAt: performance.now() };
  } catch (error) {
    if (signal.aborted) return {};
    return {
      problem: error instanceof Problem || error instanceof Unreachable ? error : new Unreachable(String(error)),
    };
  }
}
