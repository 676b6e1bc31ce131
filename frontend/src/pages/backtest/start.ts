/** Start and cancel backtests: what a page may ask of a face beside reading. */
import { key, locked, Problem, Unreachable } from "../../live/api";
import type { components } from "../../live/schema";
import type { Job } from "./figures";

export type Order = components["schemas"]["BacktestOrder"];
/** One thing that is wrong with an order: where, and what. */
export interface Fault {
  pointer: string;
  message: string;
}

/** The face took no order: its problem, with everything that is wrong. */
export class Refusal extends Problem {
  constructor(
    told: Record<string, unknown>,
    status: number,
    readonly faults: readonly Fault[],
  ) {
    const text = (name: string): string | null => (typeof told[name] === "string" ? (told[name] as string) : null);
    super(text("code") ?? `http-${status}`, status, text("detail") ?? "", text("hint"), text("request_id"), null);
  }
}

async function posted(path: string, body: unknown): Promise<Job> {
  const secret = key();
  const headers = { "Content-Type": "application/json", ...(secret ? { "X-API-Key": secret } : {}) };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch((error: unknown) => {
    throw new Unreachable(String(error));
  });
  const told = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
  if (answer.ok) return told.backtest as Job;
  const refusal = new Refusal(told, answer.status, (told.errors as Fault[] | undefined) ?? []);
  if (refusal.status === 401) locked.value = { why: secret === null ? null : refusal.detail };
  throw refusal;
}

/** Start one; throws `Refusal` or `Unreachable`. */
export const start = (order: Order): Promise<Job> => posted("/api/v1/backtests", order);

/** End one that runs or waits; throws as `start`. */
export const cancel = (id: string): Promise<Job> => posted(`/api/v1/backtests/${id}/cancel`, {});
