/** Which of its named states a panel is in, from what is known: pure (ux §3.6). */
import { Problem, type Unreachable } from "../live/api";
import type { Meta } from "../live/shapes";
import { isTroubled, type Standing } from "../live/standing";
import type { Connection } from "../live/stream";

/** What a panel knows of its own figures. */
export interface Known {
  hasBody: boolean;
  meta: Meta | null;
  problem: Problem | Unreachable | null;
}

export interface Evidence {
  answer: Known | null;
  connection: Connection;
  heart: Pick<Standing, "heart" | "venues">;
  /** The figures are there and there are none. */
  empty: boolean;
}

/** A venue that does not send as it should, and for how long (ms, market time; null = never did). */
export interface Missing {
  venue: string;
  ageMs: number | null;
  /** Its feeds that do not; none named = all of it. */
  feeds: readonly string[];
}

export type PanelState =
  | { name: "ready" }
  | { name: "loading" }
  | { name: "empty"; notes: readonly string[] }
  | { name: "warming"; notes: readonly string[] }
  | { name: "partial"; missing: readonly Missing[]; of: number }
  | { name: "stale"; cause: "heart" | "gone" | "over" | "venues"; missing: readonly Missing[]; note: string | null }
  | { name: "stale"; cause: "problem"; missing: readonly Missing[]; note: string | null; code: string }
  | { name: "disconnected"; attempt: number; retryAt: number | null }
  | { name: "error"; code: string; detail: string; hint: string | null; requestId: string | null };

const READY: PanelState = { name: "ready" };
const LOADING: PanelState = { name: "loading" };

/** The connection is lost, or was and is being tried again. */
export const isLost = (connection: Connection): boolean => connection.phase === "lost" || connection.attempt > 0;

function troubledOf(known: Known | null, heart: Evidence["heart"]): { missing: Missing[]; of: number } {
  const sources = known?.meta?.sources ?? [];
  const named = sources.map((source) => source.venue);
  const told = heart.venues.length
    ? heart.venues
    : sources.map(({ venue, state, age_ms: ageMs }) => ({ venue, ageMs, state, troubled: [], isPartly: false }));
  const feeding = named.length ? told.filter(({ venue }) => named.includes(venue)) : told;
  const missing = feeding
    .filter(({ state }) => isTroubled(state))
    .map(({ venue, ageMs, troubled, isPartly }) => ({ venue, ageMs, feeds: isPartly ? troubled : [] }));
  return { missing, of: feeding.length };
}

function staleOf(known: Known | null, heart: Evidence["heart"]): PanelState | null {
  const { missing, of } = troubledOf(known, heart);
  const note = known?.meta?.notes[0] ?? null;
  if (heart.heart === "gone") return { name: "stale", cause: "gone", missing: [], note };
  if (heart.heart === "stale") return { name: "stale", cause: "heart", missing: [], note };
  if (known?.problem instanceof Problem) {
    return { name: "stale", cause: "problem", missing: [], note: known.problem.detail, code: known.problem.code };
  }
  if (heart.heart !== "live" && known?.meta?.stale && known.meta.heart !== "live") {
    return { name: "stale", cause: "over", missing: [], note };
  }
  if (missing.length === 0) return null;
  const isAll = missing.length === of && missing.every((one) => one.feeds.length === 0);
  return isAll ? { name: "stale", cause: "venues", missing, note } : { name: "partial", missing, of };
}

/** The state of a panel; the worst that is true of it. */
export function panelState({ answer, connection, heart, empty }: Evidence): PanelState {
  const hasBody = answer === null || answer.hasBody;
  const problem = answer?.problem ?? null;
  if (!hasBody && problem instanceof Problem) {
    const { code, detail, hint, requestId } = problem;
    return { name: "error", code, detail, hint, requestId };
  }
  if (isLost(connection) || (problem !== null && !(problem instanceof Problem))) {
    return { name: "disconnected", attempt: connection.attempt, retryAt: connection.retryAt };
  }
  if (!hasBody) return LOADING;
  const notes = answer?.meta?.notes ?? [];
  if (empty && heart.heart !== "gone") return { name: "empty", notes };
  const stale = staleOf(answer, heart);
  if (stale?.name === "stale") return stale;
  if (answer?.meta?.warming_up) return { name: "warming", notes };
  return stale ?? READY;
}
