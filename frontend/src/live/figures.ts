/** Figures of this page itself, for people (Data health) and for tests: `window.perpscope`. */

export interface Figures {
  /** Updates applied: frames with news of the stream, and bodies. */
  updates: number;
  /** What the last 600 of them took, ms each. */
  handlerMs: number[];
  firstPaintMs: number | null;
  firstMapMs: number | null;
  /** Holes found in the counts of channels. */
  holes: number;
  /** Newest `seq` by channel. */
  seq: Record<string, number>;
  /** An update took so long, ms. */
  handled: (ms: number) => void;
  /** The map is drawn for the first time. */
  mapDrawn: () => void;
}

declare global {
  interface Window {
    perpscope: Figures;
  }
}

const KEPT = 600;

export const figures: Figures = {
  updates: 0,
  handlerMs: [],
  firstPaintMs: null,
  firstMapMs: null,
  holes: 0,
  seq: {},
  handled(ms) {
    figures.updates++;
    figures.handlerMs.push(ms);
    if (figures.handlerMs.length > KEPT) figures.handlerMs.shift();
  },
  mapDrawn() {
    figures.firstMapMs ??= performance.now();
  },
};

if (typeof window !== "undefined") window.perpscope = figures;
if (typeof PerformanceObserver !== "undefined" && PerformanceObserver.supportedEntryTypes?.includes("paint")) {
  new PerformanceObserver((list) => {
    const found = list.getEntriesByName("first-contentful-paint")[0];
    if (found) figures.firstPaintMs = found.startTime;
  }).observe({ type: "paint", buffered: true });
}
