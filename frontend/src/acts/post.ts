/** What a page may ask of a face beside reading: a POST with the key of this session, and what was refused. */
import { key, locked, Problem, Unreachable } from "../live/api";

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

/** Post an order; its answer's body. Throws `Refusal` or `Unreachable`. */
export async function post(path: string, order: unknown): Promise<Record<string, unknown>> {
  const secret = key();
  const headers = { "Content-Type": "application/json", ...(secret ? { "X-API-Key": secret } : {}) };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(order) }).catch((error: unknown) => {
    throw new Unreachable(String(error));
  });
  const told = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
  if (answer.ok) return told;
  const refusal = new Refusal(told, answer.status, (told.errors as Fault[] | undefined) ?? []);
  if (refusal.status === 401) locked.value = { why: secret === null ? null : refusal.detail };
  throw refusal;
}
