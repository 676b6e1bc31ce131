/** Answers that are kept current while somebody looks at them; equal questions are asked once. */
import { batch, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { askTold, type Body, locked, type Path, Problem, type Query, Unreachable, url } from "./api";
import { figures } from "./figures";
import { useNewest } from "./newest";

export interface Answer<T> {
  /** The newest body; it stays while a newer one is fetched, or fails. */
  body: T | null;
  problem: Problem | Unreachable | null;
  /** When the body was made, by `performance.now()`. */
  receivedAt: number | null;
  /** Since when it is being asked, by `performance.now()`; null = it is not. */
  loadingSince: number | null;
  refresh: () => void;
}

export interface Often {
  /** Ask again so many ms after an answer; without it only when asked to. */
  everyMs?: number;
}

const KEPT_MS = 60_000;
const NEVER = Number.POSITIVE_INFINITY;
const nothing: ReadonlySignal<Answer<never>> = signal({
  body: null,
  problem: null,
  receivedAt: null,
  loadingSince: null,
  refresh: () => undefined,
});

/** One question and who looks at its answer. */
class Question<P extends Path> {
  readonly answer: Signal<Answer<Body<P>>>;
  private readonly users = new Map<object, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isAsking = false;
  private dueAt = 0;
  private failures = 0;
  leftAt = performance.now();

  constructor(
    private readonly path: P,
    private readonly query: Query<P>,
  ) {
    const refresh = (): void => void this.ask();
    this.answer = signal({ body: null, problem: null, receivedAt: null, loadingSince: null, refresh });
  }

  get isUsed(): boolean {
    return this.users.size > 0;
  }

  join(user: object, everyMs: number): void {
    this.users.set(user, everyMs);
    const wasNeverAsked = this.answer.peek().receivedAt === null && this.answer.peek().problem === null;
    if (wasNeverAsked || everyMs < NEVER) this.plan();
    else void this.ask();
  }

  leave(user: object): void {
    this.users.delete(user);
    this.leftAt = performance.now();
    if (!this.isUsed) clearTimeout(this.timer);
  }

  /** Ask when it is due, now if that was missed (the tab was hidden, the connection lost). */
  plan(isDueNow = false): void {
    clearTimeout(this.timer);
    if (isDueNow) this.dueAt = 0;
    if (!this.isUsed || document.hidden || this.isAsking || this.dueAt === NEVER || locked.peek()) return;
    const wait = this.dueAt - performance.now();
    if (wait <= 0) void this.ask();
    else this.timer = setTimeout(() => void this.ask(), wait);
  }

  private async ask(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    clearTimeout(this.timer);
    this.tell({ loadingSince: performance.now() });
    try {
      const { body, madeAt } = await askTold(this.path, this.query);
      this.failures = 0;
      this.tell({ body, problem: null, receivedAt: madeAt, loadingSince: null });
    } catch (error) {
      this.failures++;
      const problem = error instanceof Problem || error instanceof Unreachable ? error : new Unreachable(String(error));
      this.tell({ problem, loadingSince: null });
    }
    this.isAsking = false;
    this.dueAt = performance.now() + this.waitMs();
    this.plan();
  }

  /** How long until it is asked again: as its users wish; sooner after a failure that may pass, never against a limit. */
  private waitMs(): number {
    const wanted = Math.min(NEVER, ...this.users.values());
    const problem = this.answer.peek().problem;
    if (problem === null) return wanted;
    const backOff = Math.min(30_000, 1_000 * 2 ** Math.min(this.failures, 6));
    if (problem instanceof Unreachable) return backOff;
    if (problem.retryAfterS !== null) return Math.max(1_000, problem.retryAfterS * 1_000);
    return problem.status >= 500 ? backOff : wanted;
  }

  private tell(change: Partial<Answer<Body<P>>>): void {
    const before = performance.now();
    this.answer.value = { ...this.answer.peek(), ...change };
    if (change.body) figures.handled(performance.now() - before);
  }
}

const questions = new Map<string, Question<Path>>();

function question<P extends Path>(path: P, query: Query<P>): Question<P> {
  const address = url(path, query as object);
  const known = questions.get(address);
  if (known) return known as unknown as Question<P>;
  for (const [old, one] of questions) {
    if (!one.isUsed && performance.now() - one.leftAt > KEPT_MS) questions.delete(old);
  }
  const made = new Question(path, query);
  questions.set(address, made as unknown as Question<Path>);
  return made;
}

/** The answer to a question, kept current while the component is mounted; a query of null asks nothing. */
export function useAnswer<P extends Path>(
  path: P,
  query: Query<P> | null,
  often: Often = {},
): ReadonlySignal<Answer<Body<P>>> {
  const address = query === null ? null : url(path, query as object);
  const asked = useMemo(() => (query === null ? null : question(path, query)), [address]);
  const everyMs = often.everyMs ?? NEVER;
  useEffect(() => {
    const user = {};
    asked?.join(user, everyMs);
    return () => asked?.leave(user);
  }, [asked, everyMs]);
  return useNewest(asked?.answer ?? nothing);
}

/** Ask everything anew that somebody looks at. */
export function refreshAll(): void {
  batch(() => {
    for (const one of questions.values()) one.plan(true);
  });
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) for (const one of questions.values()) one.plan();
});
let wasLocked = false;
effect(() => {
  const isLocked = locked.value !== null;
  if (wasLocked && !isLocked) refreshAll();
  wasLocked = isLocked;
});
