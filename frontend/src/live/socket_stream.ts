/** A stream over one WebSocket: holes, lost connections and silence are mended here (docs/streams.md). */
import { batch, type Signal, signal } from "@preact/signals";
import { locked, Problem } from "./api";
import { step } from "./channel_state";
import { figures } from "./figures";
import { Listening, STATE_KEPT } from "./listening";
import { SILENT_MS, waitMs } from "./reconnect";
import type { Message } from "./shapes";

export interface Connection {
  phase: "connecting" | "open" | "lost";
  /** Tries that have failed in a row. */
  attempt: number;
  /** When it is tried again, by `performance.now()`. */
  retryAt: number | null;
  /** When it became so, by `performance.now()`; a try does not begin anew what is lost. */
  since: number;
}

/** As much of a WebSocket as is used. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { data: string }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(): void;
}

/** What a stream stands in. */
export interface Surroundings {
  open: (channels: readonly string[], ticket: string | null) => Socket;
  ticket: () => Promise<string | null>;
  /** Run before the next paint, or soon where nothing is painted. */
  frame: (run: () => void) => void;
  random: () => number;
}

const LEFT_MS = 5_000;
const WATCH_MS = 1_000;
const KEY_ENDED = 4401;

export class Stream {
  readonly connection: Signal<Connection>;
  readonly holes: Signal<number> = signal(0);
  private readonly channels = new Map<string, Listening>();
  private readonly asked = new Set<string>();
  private waiting: Message[] = [];
  private isFramed = false;
  private isSpeaking = false;
  private parsedMs = 0;
  private socket: Socket | null = null;
  private isReady = false;
  private heardAt = 0;
  private tries = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly around: Surroundings) {
    this.connection = signal({ phase: "connecting", attempt: 0, retryAt: null, since: performance.now() });
    setInterval(() => this.watch(), WATCH_MS);
  }

  /** Somebody listens; the first asks for the channel. */
  join(name: string, user: object, keep = STATE_KEPT): Listening {
    const one = this.listening(name);
    clearTimeout(one.leaving);
    one.users.set(user, keep);
    this.speak();
    if (this.socket === null && this.timer === undefined && this.tries === 0) void this.connect();
    return one;
  }

  /** Nobody of theirs listens any more; the last one leaves the channel, a little later. */
  leave(name: string, user: object): void {
    const one = this.channels.get(name);
    one?.users.delete(user);
    if (!one || one.users.size) return;
    one.leaving = setTimeout(() => {
      this.channels.delete(name);
      this.speak();
    }, LEFT_MS);
  }

  listening(name: string): Listening {
    const known = this.channels.get(name);
    if (known) return known;
    const made = new Listening();
    this.channels.set(name, made);
    return made;
  }

  /** Try now, whatever was planned. */
  retryNow(): void {
    if (this.connection.peek().phase === "open") return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.drop();
    void this.connect();
  }

  /** Look whether the stream still speaks; one that slept is given up at once. */
  watch(): void {
    if (this.socket !== null && performance.now() - this.heardAt > SILENT_MS) this.lose(this.socket);
  }

  private async connect(): Promise<void> {
    this.tries++;
    const mine = this.tries;
    this.timer = undefined;
    this.heardAt = performance.now();
    if (this.connection.peek().phase === "lost") this.change({ phase: "connecting", retryAt: null });
    let pass: string | null;
    try {
      pass = await this.around.ticket();
    } catch {
      if (mine === this.tries) this.plan();
      return;
    }
    if (mine !== this.tries) return;
    this.asked.clear();
    const names = this.wanted();
    for (const name of names) this.asked.add(name);
    const socket = this.around.open(names, pass);
    this.socket = socket;
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.isReady = true;
      this.speak();
    };
    socket.onmessage = ({ data }) => socket === this.socket && this.hear(data);
    socket.onclose = ({ code, reason }) => {
      if (code === KEY_ENDED) locked.value = { why: reason };
      this.lose(socket);
    };
  }

  private wanted(): string[] {
    return [...this.channels].filter(([, one]) => one.users.size || one.leaving).map(([name]) => name);
  }

  private drop(): void {
    const old = this.socket;
    this.socket = null;
    this.isReady = false;
    if (old) {
      old.onclose = null;
      old.close();
    }
  }

  private lose(socket: Socket): void {
    if (socket !== this.socket) return;
    this.drop();
    for (const one of this.channels.values()) one.kept = { ...one.kept, isAwaiting: true };
    this.plan();
  }

  private plan(): void {
    const before = this.connection.peek();
    const attempt = before.attempt + 1;
    const wait = waitMs(attempt, this.around.random());
    const since = before.phase === "open" || before.attempt === 0 ? performance.now() : before.since;
    this.connection.value = { phase: "lost", attempt, retryAt: performance.now() + wait, since };
    this.timer = setTimeout(() => void this.connect(), wait);
  }

  private change(change: Partial<Connection>): void {
    this.connection.value = { ...this.connection.peek(), ...change };
  }

  private hear(text: string): void {
    const before = performance.now();
    this.heardAt = before;
    if (this.connection.peek().phase !== "open") {
      this.connection.value = { phase: "open", attempt: 0, retryAt: null, since: before };
    }
    this.waiting.push(JSON.parse(text) as Message);
    this.parsedMs += performance.now() - before;
    if (this.isFramed) return;
    this.isFramed = true;
    this.around.frame(() => this.apply());
  }

  /** All that came since the last frame, at once. */
  private apply(): void {
    const before = performance.now();
    const messages = this.waiting;
    const shown = new Set<Listening>();
    this.waiting = [];
    this.isFramed = false;
    batch(() => {
      for (const message of messages) {
        const one = this.take(message);
        if (one) shown.add(one);
      }
      for (const one of shown) one.show();
    });
    if (shown.size) figures.handled(this.parsedMs + performance.now() - before);
    this.parsedMs = 0;
  }

  private take(message: Message): Listening | undefined {
    if (message.type === "heartbeat") return this.beat(message);
    const refused = message.type === "error" ? (message.data as Refusal) : null;
    const one = this.channels.get(refused?.channel ?? message.ch);
    if (!one) return undefined;
    if (refused) {
      one.problem = new Problem(refused.code, 0, refused.detail, refused.hint ?? null, null, null);
      return one;
    }
    const { kept, isHole } = step(one.kept, message, one.keep);
    const isNew = kept !== one.kept && !kept.isAwaiting;
    one.kept = kept;
    if (isHole) this.again(message.ch);
    if (!isNew) return undefined;
    one.problem = null;
    one.receivedAt = performance.now();
    figures.seq[message.ch] = kept.seq;
    return one;
  }

  /** A heartbeat says how the heart does; `status` may be slower to. */
  private beat(message: Message): Listening | undefined {
    const one = this.channels.get("status");
    const state = (message.data as { heart_state?: string }).heart_state;
    const data = one?.kept.data as Record<string, unknown> | null | undefined;
    if (!one || !data || !state || data.heart_state === state) return undefined;
    one.kept = { ...one.kept, data: { ...data, heart_state: state } };
    return one;
  }

  private again(name: string): void {
    figures.holes = ++this.holes.value;
    this.asked.delete(name);
    this.speak();
  }

  /** Ask for what is wanted and leave what is not: once for all that changes at this moment. */
  private speak(): void {
    if (this.isSpeaking) return;
    this.isSpeaking = true;
    queueMicrotask(() => {
      this.isSpeaking = false;
      if (this.socket === null || !this.isReady) return;
      const wanted = this.wanted();
      const left = [...this.asked].filter((name) => !wanted.includes(name));
      const added = wanted.filter((name) => !this.asked.has(name));
      if (left.length) this.socket.send(JSON.stringify({ op: "unsubscribe", channels: left }));
      if (added.length) this.socket.send(JSON.stringify({ op: "subscribe", channels: added }));
      for (const name of left) this.asked.delete(name);
      for (const name of added) this.asked.add(name);
    });
  }
}

interface Refusal {
  code: string;
  detail: string;
  hint?: string | null;
  channel?: string;
}
