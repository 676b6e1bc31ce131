/** Questions to the face, typed by its OpenAPI document. */
import { type Signal, signal } from "@preact/signals";
import type { paths } from "./schema";

type Answering = {
  [P in keyof paths]: paths[P] extends { get: { responses: { 200: { content: { "application/json": unknown } } } } }
    ? P
    : never;
}[keyof paths];

/** A path that can be asked. */
export type Path = Answering;
/** The body of a path's answer. */
export type Body<P extends Path> = paths[P] extends {
  get: { responses: { 200: { content: { "application/json": infer B } } } };
}
  ? B
  : never;
type Of<P extends Path, Kind extends "query" | "path"> = paths[P] extends {
  get: { parameters: { [K in Kind]?: infer Q } };
}
  ? [NonNullable<Q>] extends [never]
    ? unknown
    : NonNullable<Q>
  : unknown;
/** What a path can be asked for: its query's members, and those of its path. */
export type Query<P extends Path> = Of<P, "query"> & Of<P, "path">;

/** The face refused: its `application/problem+json`. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly detail: string,
    readonly hint: string | null,
    readonly requestId: string | null,
    readonly retryAfterS: number | null,
  ) {
    super(`${code}: ${detail}`);
  }
}

/** No answer came: the face is not there, or nothing of it reaches this page. */
export class Unreachable extends Error {}

/** An answer with the time it was made at, as `performance.now()` tells it. */
export interface Told<T> {
  body: T;
  madeAt: number;
}

const TIMEOUT_MS = 20_000;
const KEPT = 24;
const KEY = "perpscope.key";
const bodies = new Map<string, { etag: string; body: unknown }>();

/** The face wants a key, and why the one it was given did not do (null: none was given). */
export const locked: Signal<{ why: string | null } | null> = signal(null);

/** The key of this session, if one was given. */
export function key(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Use this key until the tab is closed; null forgets it. */
export function setKey(value: string | null): void {
  bodies.clear();
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
  locked.value = null;
}

/** The address of a question: members of its path filled in, the others as its query, in alphabetical order. */
export function url(path: string, query: object): string {
  const left = new Map(Object.entries(query as Record<string, unknown>).filter(([, value]) => value != null));
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = left.get(name);
    left.delete(name);
    return encodeURIComponent(String(value));
  });
  const parts = [...left].sort(([a], [b]) => (a < b ? -1 : 1));
  const text = parts.map(([name, value]) => `${name}=${encodeURIComponent(String(value)).replaceAll("%2C", ",")}`);
  return text.length ? `${filled}?${text.join("&")}` : filled;
}

function headers(etag: string | undefined): Record<string, string> {
  const told: Record<string, string> = { Accept: "application/json" };
  const secret = key();
  if (secret) told["X-API-Key"] = secret;
  if (etag) told["If-None-Match"] = etag;
  return told;
}

async function problemOf(answer: Response): Promise<Problem> {
  const body = (await answer.json().catch(() => null)) as Record<string, unknown> | null;
  const text = (name: string): string | null => (typeof body?.[name] === "string" ? (body[name] as string) : null);
  const after = Number(answer.headers.get("Retry-After") ?? Number.NaN);
  return new Problem(
    text("code") ?? `http-${answer.status}`,
    answer.status,
    text("detail") ?? (answer.statusText || `HTTP ${answer.status}`),
    text("hint"),
    text("request_id") ?? answer.headers.get("X-Request-ID"),
    Number.isFinite(after) ? after : null,
  );
}

async function fetched(address: string, init: RequestInit): Promise<Response> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const signals = init.signal ? AbortSignal.any([limit, init.signal]) : limit;
  try {
    return await fetch(address, { ...init, signal: signals });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable(error instanceof Error ? error.message : String(error));
  }
}

function remember(address: string, etag: string | null, body: unknown): void {
  if (!etag) return;
  bodies.delete(address);
  bodies.set(address, { etag, body });
  const oldest = bodies.keys().next().value;
  if (bodies.size > KEPT && oldest !== undefined) bodies.delete(oldest);
}

/** Whoever has an answer's problem to tell: a face that wants a key is remembered. */
async function refuse(answer: Response): Promise<never> {
  const problem = await problemOf(answer);
  if (problem.status === 401) locked.value = { why: key() === null ? null : problem.detail };
  throw problem;
}

/** Ask, and be told with the answer when it was made. A body that has not changed is the very same object. */
export async function askTold<P extends Path>(
  path: P,
  query: Query<P>,
  init: RequestInit = {},
): Promise<Told<Body<P>>> {
  const address = url(path, query as object);
  const kept = bodies.get(address);
  const answer = await fetched(address, { ...init, headers: headers(kept?.etag), cache: "no-store" });
  const madeAt = performance.now() - 1000 * Number(answer.headers.get("Age") ?? 0);
  if (answer.status === 304 && kept) return { body: kept.body as Body<P>, madeAt };
  if (!answer.ok) return refuse(answer);
  const body = (await answer.json().catch((error: unknown) => {
    throw new Unreachable(String(error));
  })) as Body<P>;
  remember(address, answer.headers.get("ETag"), body);
  return { body, madeAt };
}

/** Ask for a body; throws `Problem` or `Unreachable`. */
export async function ask<P extends Path>(path: P, query: Query<P>, init: RequestInit = {}): Promise<Body<P>> {
  return (await askTold(path, query, init)).body;
}

/** A body that is not JSON (`format=u8`), with its headers. */
export async function askBytes(
  path: string,
  query: object,
  init: RequestInit = {},
): Promise<{ bytes: Uint8Array; headers: Headers }> {
  const told = { ...headers(undefined), Accept: "*/*" };
  const answer = await fetched(url(path, query), { ...init, headers: told });
  if (!answer.ok) return refuse(answer);
  return { bytes: new Uint8Array(await answer.arrayBuffer()), headers: answer.headers };
}

/** A ticket that opens the stream once; null where no key is used. */
export async function ticket(): Promise<string | null> {
  if (key() === null) return null;
  const answer = await fetched("/api/v1/stream/ticket", { method: "POST", headers: headers(undefined) });
  if (!answer.ok) return refuse(answer);
  return ((await answer.json()) as { ticket: string }).ticket;
}
