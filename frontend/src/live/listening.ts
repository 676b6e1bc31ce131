/** A channel as those who listen to it see it. */
import { type Signal, signal } from "@preact/signals";
import type { Problem } from "./api";
import { type Kept, UNTOLD } from "./channel_state";

/** A channel's newest state. */
export interface Channel<T> {
  data: T | null;
  seq: number;
  /** When the message was made, epoch ms, real time. */
  tsMs: number | null;
  problem: Problem | null;
  /** By `performance.now()`. */
  receivedAt: number | null;
}

/** A channel's rows, newest first. */
export interface Rows<T> {
  rows: readonly T[];
  /** Rows that came as they happened, since the page was opened. */
  arrived: number;
  /** Rows that were not told. */
  dropped: number;
  seq: number;
  problem: Problem | null;
  receivedAt: number | null;
}

/** A state has one newest; events are kept as many as their users wish. */
export const STATE_KEPT = 1;

/** A channel somebody listens to, or has lately. */
export class Listening {
  readonly state: Signal<Channel<unknown>>;
  readonly rows: Signal<Rows<unknown>>;
  readonly users = new Map<object, number>();
  kept: Kept = UNTOLD;
  problem: Problem | null = null;
  receivedAt: number | null = null;
  leaving: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.state = signal({ data: null, seq: 0, tsMs: null, problem: null, receivedAt: null });
    this.rows = signal({ rows: [], arrived: 0, dropped: 0, seq: 0, problem: null, receivedAt: null });
  }

  get keep(): number {
    return Math.max(STATE_KEPT, ...this.users.values());
  }

  show(): void {
    const { data, seq, tsMs, arrived, dropped } = this.kept;
    const told = { seq, problem: this.problem, receivedAt: this.receivedAt };
    if (Array.isArray(data)) this.rows.value = { ...told, rows: data, arrived, dropped };
    else this.state.value = { ...told, data, tsMs };
    if (this.problem && data === null) this.rows.value = { ...this.rows.peek(), problem: this.problem };
  }
}
