import { globSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** A perpscope that runs elsewhere, for `npm run dev`: `PERPSCOPE_URL=http://127.0.0.1:8000 npm run dev`. */
const service = process.env.PERPSCOPE_URL ?? "http://127.0.0.1:8000";

interface Node {
  type: string;
  start: number;
  end: number;
  name?: string;
  init?: Node | null;
  declaration?: Node | null;
  declarations?: Node[];
  callee?: Node;
  arguments?: Node[];
  kind?: string;
  computed?: boolean;
  key?: Node;
  value?: unknown;
}

/** The second half of each `dictionary(…, …)` that stands at the top of a module. */
function koreanHalves(body: readonly Node[]): Node[] {
  return body
    .flatMap((statement) => (statement.declaration ?? statement).declarations ?? [])
    .map(({ init }) => init)
    .filter((init) => init?.type === "CallExpression" && init.callee?.name === "dictionary")
    .flatMap((call) => call?.arguments?.slice(1) ?? []);
}

/** Korean stands in files of its own: who reads English does not load them (`src/words/words.ts` takes it from there). */
function koreanApart(): Plugin {
  const texts = new Map<string, string>();
  return {
    name: "korean-apart",
    apply: "build",
    resolveId: (id) => (texts.has(`\0${id}`) ? `\0${id}` : null),
    load: (id) => texts.get(id) ?? null,
    transform: {
      order: "post",
      handler(code, id) {
        if (!id.includes("/src/") || !code.includes("dictionary(")) return null;
        const halves = koreanHalves(this.parse(code).body as unknown as Node[]);
        let made = code;
        for (const half of halves.reverse()) {
          const name = `korean:${id.split("/src/")[1]}:${half.start}`;
          texts.set(`\0${name}`, `export default ${code.slice(half.start, half.end)};`);
          made = `${made.slice(0, half.start)}() => import(${JSON.stringify(name)})${made.slice(half.end)}`;
        }
        return halves.length ? { code: made, map: null } : null;
      },
    },
  };
}

/** Of each method of a class and of what stands outside of them: the names in it. */
function namesByMethod(body: unknown): Map<Node | null, Set<string>> {
  const found = new Map<Node | null, Set<string>>([[null, new Set()]]);
  const look = (node: unknown, within: Node | null): void => {
    if (typeof node !== "object" || node === null) return;
    const { type, kind, computed, value, name } = node as Node;
    if (type === "MethodDefinition" && kind === "method" && !computed) {
      found.set(node as Node, new Set());
      look(value, node as Node);
      return;
    }
    if (type === "Identifier" && name) found.get(within)?.add(name);
    if (type === "Literal" && typeof value === "string") found.get(within)?.add(value);
    for (const part of Object.values(node)) look(part, within);
  };
  look(body, null);
  return found;
}

/** Methods nobody names: a bundler keeps every method of a class that it keeps. */
function unusedMethods(body: unknown, ours: readonly string[]): Node[] {
  const names = namesByMethod(body);
  const known = new Set([...ours, ...(names.get(null) ?? [])]);
  const left = new Set([...names.keys()].filter((method) => method !== null));
  for (let before = -1; before !== left.size; ) {
    before = left.size;
    for (const method of left) {
      if (!method.key?.name || !known.has(method.key.name)) continue;
      left.delete(method);
      for (const name of names.get(method) ?? []) known.add(name);
    }
  }
  return [...left].filter((method) => method.key?.name);
}

/** The chart library without what we do not use: its unnamed methods, and the logo (our footer has the link instead). */
function slimCharts(): Plugin {
  return {
    name: "slim-charts",
    apply: "build",
    transform(code, id) {
      if (!id.includes("lightweight-charts.production")) return null;
      const texts = globSync("src/**/*.{ts,tsx}", { cwd: import.meta.dirname, exclude: ["**/schema.d.ts"] });
      const ours = texts.flatMap(
        (file) => readFileSync(`${import.meta.dirname}/${file}`, "utf8").match(/[\w$]+/g) ?? [],
      );
      const made = unusedMethods(this.parse(code).body, ours)
        .sort((a, b) => b.start - a.start)
        .reduce((text, { start, end }) => text.slice(0, start) + text.slice(end), code);
      return { code: made.replace(/(['"`])<svg.*?<\/svg>\1/s, '""'), map: null };
    },
  };
}

/** Vite's way to load a chunk brings its style sheet and what it imports along: here it has neither. */
function plainImports(): Plugin {
  return {
    name: "plain-imports",
    apply: "build",
    enforce: "pre",
    load: (id) => (id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : null),
  };
}

/** What every page needs is one file: each file more is packed by itself. What is loaded later stays apart. */
const SHELL =
  /preload-helper|node_modules.@?preact|src.(live|theme|words.(words|vocabulary|feeds)|charts.ticks|app.(?!dialog|help|palette|settings_panel|unlock|found)|ui.(?!table|sheet|export|dialog|panel_list|instead))/;

export default defineConfig(({ command }) => ({
  base: command === "build" ? "/static/" : "/",
  plugins: [koreanApart(), slimCharts(), plainImports()],
  build: {
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0,
    // one style sheet and no preloading: the files are few and near
    modulePreload: false,
    cssCodeSplit: false,
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: "shell", test: SHELL }] },
      },
    },
  },
  server: { proxy: { "/api": { target: service, ws: true }, "/static": { target: service } } },
}));
