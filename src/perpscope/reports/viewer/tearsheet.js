// Draws a run and lets its trades be sorted; every figure stands in the page already.
const { run } = JSON.parse(document.getElementById("run").textContent), { summary, trades, curve, performance: figures } = run;
const minus = text => text.replace(/^-/, "−"), money = v => (v < 0 ? "−" : v > 0 ? "+" : "") + plain(Math.abs(v));
const plain = v => minus(Math.abs(v) >= 1 || !v ? v.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : String(+v.toPrecision(4)));
const percent = (v, digits = 2) => minus((v * 100).toFixed(digits)) + " %", when = ms => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
const places = summary.deposit >= 1000 ? 2 : 4, fixed = v => minus(v.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places })), signed = v => (v > 0 ? "+" : "") + fixed(v);
const brief = v => { const n = Math.abs(v), [unit, by] = n >= 1e9 ? ["B", 1e9] : n >= 1e6 ? ["M", 1e6] : n >= 1e5 ? ["K", 1e3] : ["", 1]; return minus((+(v / by).toPrecision(unit ? 4 : 6)).toLocaleString("en", { maximumFractionDigits: 8 }) + unit); };
const rough = v => { const n = Math.abs(v), [unit, by] = n >= 1e6 ? ["M", 1e6] : n >= 1e3 ? ["K", 1e3] : ["", 1]; return minus(String(+(v / by).toPrecision(3)) + unit); };

// An empty drawing that fills its place.
function drawing(place, height = place.clientHeight) {
  const W = place.clientWidth, space = "http://www.w3.org/2000/svg";
  const make = (name, set, words = "") => {
    const made = document.createElementNS(space, name);
    for (const key in set) made.setAttribute(key, set[key]);
    made.textContent = words;
    svg.append(made);
    return made;
  };
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${W} ${height}`);
  place.replaceChildren(svg);
  return {
    W, H: height, make,
    line: (c, a, b, d, e) => make("line", { class: c, x1: a, y1: b, x2: d, y2: e }),
    rect: (c, a, b, w, h) => make("rect", { class: c, x: a, y: b, width: Math.max(w, .5), height: Math.max(h, 0) }),
    text: (words, a, b, anchor = "start", c = "", size = 13) => make("text", { class: c, x: a, y: b, "text-anchor": anchor, "font-size": size }, words),
    path: (c, d) => make("path", { class: c, d }),
  };
}

// Round numbers within a range.
function marks(low, high, most = 5) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].find(k => k * power >= rough * .999) * power, found = [];
  for (let k = Math.ceil(low / step - 1e-9); k <= high / step + 1e-9; k++) found.push(+(k * step).toPrecision(12));
  return found;
}

// Round times within a range, UTC: minutes, hours, days, or first days of months.
function moments(from, to, most) {
  const days = (to - from) / 864e5, found = [], step = [1 / 1440, 1 / 288, 1 / 96, 1 / 48, 1 / 24, 1 / 8, 1 / 4, 1, 2, 7, 14].find(s => days / s <= most);
  if (step) {
    for (let ms = Math.ceil(from / (step * 864e5)) * step * 864e5; ms <= to; ms += step * 864e5) found.push([ms, step < 1 ? when(ms).slice(5, 16) : when(ms).slice(5, 10)]);
    return found;
  }
  const months = [1, 2, 3, 6, 12, 24, 60].find(m => days / 30.4 / m <= most) || 120, year = new Date(from).getUTCFullYear();
  for (let k = 0, ms; (ms = Date.UTC(year, k)) <= to; k += months) if (ms >= from) found.push([ms, when(ms).slice(0, 7)]);
  return found;
}

// Equity and what goes with it, one pane under the other, read at one moment.
const at = [summary.from_ms, ...curve.at_ms], equity = [summary.deposit, ...curve.equity];
let peak = -Infinity;
const below = equity.map(v => v / (peak = Math.max(peak, v)) - 1);
const priced = curve.price.length ? [curve.price[0], ...curve.price] : null, position = [0, ...curve.position];
const leverage = priced && position.map((v, i) => equity[i] > 0 ? v * priced[i] / equity[i] : null);
const room = priced && curve.liquidation.length ? [null, ...curve.liquidation].map((v, i) => v === null ? null : Math.abs(v / priced[i] - 1)) : null;
const panes = [
  { name: `equity, ${summary.instrument.split("-")[1] || "quote"}`, values: equity, kind: "e", share: 5, least: 1, label: brief, level: summary.deposit },
  { name: "below the peak", values: below, kind: "u", share: 2.4, least: .01, label: v => percent(v, 1), level: 0 },
  leverage && { name: "position ÷ equity, long above 0", values: leverage, kind: "v", share: 2.4, least: 1, label: v => minus(String(v)) + "×", level: 0 },
  room && room.some(v => v !== null) && { name: "mark to liquidation", values: room, kind: "r", share: 2.4, least: .01, label: v => percent(v, 1), level: 0 },
].filter(Boolean);

function time(place) {
  const d = drawing(place), left = 68, right = d.W - 10, foot = 24, gap = 26;
  const whole = panes.reduce((sum, pane) => sum + pane.share, 0), high = (d.H - foot - gap * panes.length) / whole;
  const from = at[0], to = Math.max(summary.to_ms, from + 1), X = ms => left + (ms - from) / (to - from) * (right - left);
  for (const [ms, words] of moments(from, to, d.W / 95)) {
    if (X(ms) < left + 20 || X(ms) > right - 24) continue;
    d.line("g", X(ms), 20, X(ms), d.H - foot);
    d.text(words, X(ms), d.H - foot + 18, "middle");
  }
  let y = 0;
  for (const pane of panes) {
    const known = pane.values.filter(v => v !== null), top = y + gap - 6, bottom = top + pane.share * high + 6;
    let a = Math.min(...spread(known), pane.level), b = Math.max(...spread(known), pane.level);
    const air = (b - a) * .05 || Math.abs(b) * .01 || pane.least, isFlat = a === b;
    [a, b] = [a - (pane.level === 0 && a === 0 && !isFlat ? 0 : air), b + (pane.level === 0 && b === 0 && pane.kind !== "v" ? 0 : air)];
    const Y = v => bottom - (v - a) / (b - a) * (bottom - top);
    for (const mark of marks(a, b, pane.share > 3 ? 6 : 5)) {
      d.line("g", left, Y(mark), right, Y(mark));
      d.text(pane.label(mark), left - 6, Y(mark) + 4, "end");
    }
    d.text(pane.name, left, y + 13);
    if (pane.level >= a && pane.level <= b) d.line(pane.kind === "e" ? "d" : "z", left, Y(pane.level), right, Y(pane.level));
    let steps = "", was = null;
    pane.values.forEach((v, i) => {
      if (v !== null) steps += was === null ? `M${X(at[i])} ${Y(v)}` : `H${X(at[i])}V${Y(v)}`;
      if (v === null && was !== null) steps += `H${X(at[i])}`;
      was = v;
    });
    if (was !== null) steps += `H${right}`;
    d.path(pane.kind, pane.kind === "u" ? `${steps}V${Y(0)}H${left}Z` : steps);
    y = bottom;
  }
  const cursor = d.line("c", left, 18, left, y), say = place.parentNode.querySelector(".read");
  cursor.setAttribute("visibility", "hidden");
  let picked = at.length;
  const pick = i => {
    picked = Math.max(0, Math.min(at.length - 1, i));
    for (const key of ["x1", "x2"]) cursor.setAttribute(key, X(at[picked]));
    cursor.setAttribute("visibility", "visible");
    const rest = [leverage && leverage[picked] !== null && `leverage ${minus(leverage[picked].toFixed(2))}×`, room && room[picked] !== null && `${percent(room[picked], 1)} to liquidation`];
    say.textContent = [`${when(at[picked])} UTC`, `equity ${plain(equity[picked])}`, `${percent(below[picked])} from the peak`, ...rest].filter(Boolean).join(" · ");
  };
  place.onpointermove = e => {
    const ms = from + (e.clientX - place.getBoundingClientRect().left - left) / (right - left) * (to - from);
    let low = 0, high = at.length - 1;
    while (low < high) { const mid = (low + high + 1) >> 1; if (at[mid] <= ms) low = mid; else high = mid - 1; }
    pick(low);
  };
  place.onkeydown = e => {
    const by = { ArrowRight: 1, ArrowLeft: -1, PageUp: -50, PageDown: 50, Home: -1e9, End: 1e9 }[e.key];
    if (by) e.preventDefault(), pick(picked + by);
  };
}
// Extremes without spreading thousands of arguments.
const spread = values => values.length ? [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))] : [0];

// Bars with labels: each [name, begin, end, class].
function bars(place, rows, title, write = brief) {
  const d = drawing(place), top = 40, bottom = d.H - 24, left = 8, right = d.W - 8, wide = (right - left) / rows.length;
  const ends = rows.flatMap(([, a, b]) => [a, b]), low = Math.min(0, ...ends), high = Math.max(0, ...ends), Y = v => bottom - (v - low) / (high - low || 1) * (bottom - top);
  d.text(title, left, 14);
  rows.forEach(([name, a, b, kind], i) => {
    const x = left + (i + .17) * wide;
    d.rect(kind, x, Math.min(Y(a), Y(b)), wide * .66, Math.abs(Y(a) - Y(b)));
    d.text(write(b - a), x + wide * .33, Math.min(Y(a), Y(b)) - 5, "middle", "t", wide < 56 ? 11 : 13);
    d.text(name, x + wide * .33, bottom + 17, "middle", "", wide < 56 ? 11 : 13);
  });
  d.line("z", left, Y(0), right, Y(0));
}

function costs(place) {
  let level = figures.before_costs || 0;
  const rows = [["before", 0, level, "k"]];
  for (const name of ["slippage", "fees", "funding"]) {
    const next = level - (figures[name] || 0);
    rows.push([name, level, next, next < level ? "s" : "l"]);
    level = next;
  }
  bars(place, [...rows, ["net", 0, level, level > 0 ? "o" : "n"]], "each step begins where the last one ended", v => place.clientWidth < 480 ? rough(v) : money(v));
}

function capacity(place) {
  const sizes = Object.entries(figures).filter(([name, net]) => name.startsWith("capacity_net_x") && net !== null).map(([name, net]) => [name.slice(14), net]);
  if (!sizes.length) return drawing(place).text("the cost model says nothing of other sizes", 8, 20);
  bars(place, sizes.map(([k, net]) => [`${k}×`, 0, net, net > 0 ? "l" : "s"]), "net, were every trade larger by this much", rough);
}

function nets(place) {
  const d = drawing(place), values = trades.map(t => t.net / (t.size * t.entry)), order = [...values].sort((a, b) => a - b), left = 40, right = d.W - 10, top = 26, bottom = d.H - 40;
  d.text("trades by net return on their notional", left, 14);
  if (!values.length) return d.text("no trade", d.W / 2, d.H / 2, "middle", "t");
  const reach = Math.max(Math.abs(order[Math.floor(order.length * .005)]), Math.abs(order[Math.floor((order.length - 1) * .995)]), 1e-8), n = 20, counts = Array(2 * n).fill(0);
  for (const v of values) counts[Math.max(0, Math.min(2 * n - 1, Math.floor(v / reach * n) + n))]++;
  const most = Math.max(...counts), X = k => left + k / (2 * n) * (right - left), Y = v => bottom - v / most * (bottom - top);
  for (const mark of marks(0, most, 4)) if (Number.isInteger(mark)) d.line("g", left, Y(mark), right, Y(mark)), d.text(String(mark), left - 6, Y(mark) + 4, "end");
  counts.forEach((count, k) => d.rect(k < n ? "s" : "l", X(k) + .5, Y(count), X(1) - X(0) - 1, bottom - Y(count)));
  d.line("z", X(n), top, X(n), bottom);
  const mean = values.reduce((a, b) => a + b) / values.length, x = Math.max(left, Math.min(right, X(n + mean / reach * n)));
  d.line("d", x, top, x, bottom);
  for (const v of marks(-reach, reach, 4)) d.text(percent(v), Math.max(left + 16, Math.min(right - 20, X(n + v / reach * n))), bottom + 17, "middle");
  d.text(`dashed: mean ${percent(mean, 3)}${d.W > 440 ? "; the outermost hold all beyond" : ""}`, right, bottom + 34, "end");
}

function ways(place) {
  const d = drawing(place), left = 56, right = d.W - 10, top = 26, bottom = d.H - 40;
  d.text("furthest for it (up) and against it (left)", left, 14);
  if (!trades.length) return d.text("no trade", d.W / 2, d.H / 2, "middle", "t");
  const shown = trades.length > 4000 ? trades.filter((_, i) => i % Math.ceil(trades.length / 4000) === 0) : trades;
  const [low] = spread(shown.map(t => t.worst)), high = spread(shown.map(t => t.best)).at(-1) || 1e-6, X = v => right - v / (low || -1e-6) * (right - left), Y = v => bottom - v / high * (bottom - top);
  for (const mark of marks(0, high, 4)) d.line("g", left, Y(mark), right, Y(mark)), d.text(percent(mark), left - 6, Y(mark) + 4, "end");
  for (const mark of marks(low || -1e-6, 0, 4)) d.line("g", X(mark), top, X(mark), bottom), X(mark) < right - 14 && d.text(percent(mark), Math.max(left + 18, X(mark)), bottom + 17, "middle");
  for (const t of shown) d.make("circle", { class: t.net > 0 ? "pl" : "ps", cx: X(t.worst), cy: Y(t.best), r: 2.4 });
  d.text("● won", right - 80, bottom + 34, "end", "pl");
  d.text("● did not", right, bottom + 34, "end", "ps");
}

// All trades: sorted by a column, by reason, a page at a time.
function list(section) {
  const body = section.querySelector("tbody"), head = [...section.querySelectorAll("th")], note = section.querySelector(".picks"), lines = 100;
  const held = t => t.closed_ms - t.opened_ms, keys = [t => t.opened_ms, t => t.side, t => t.size, t => t.entry, t => t.exit, held, t => t.net, t => t.gross, t => t.fees, t => t.funding, t => t.slippage, t => t.worst, t => t.best, t => t.why_in, t => t.why_out];
  const span = ms => { const s = ms / 1000; return s < 120 ? `${s.toFixed(0)} s` : s < 7200 ? `${(s / 60).toFixed(0)} min` : s < 172800 ? `${(s / 3600).toFixed(1)} h` : `${(s / 86400).toFixed(1)} d`; };
  const price = v => v.toLocaleString("en", { maximumSignificantDigits: 7 });
  const cells = t => [when(t.opened_ms), t.side === "LONG" ? "▲ long" : "▼ short", String(+t.size.toPrecision(8)), price(t.entry), price(t.exit), span(held(t)), signed(t.net), signed(t.gross), fixed(t.fees), fixed(t.funding), fixed(t.slippage), percent(t.worst), percent(t.best), t.why_in, t.why_out + (t.is_liquidated ? " (liquidated)" : "")];
  const make = (name, words = "", parent = note) => { const made = document.createElement(name); made.textContent = words; parent.append(made); return made; };
  let sorted = 0, down = false, first = 0, why = "";
  note.textContent = "";
  const pick = make("select"), back = make("button", "‹ earlier"), said = make("span"), on = make("button", "later ›");
  pick.setAttribute("aria-label", "which trades");
  const reasons = new Map();
  for (const t of trades) for (const key of [`in: ${t.why_in}`, `out: ${t.why_out}`, t.net > 0 ? "won" : "did not win", t.side === "LONG" ? "long" : "short"]) reasons.set(key, (reasons.get(key) || 0) + 1);
  for (const [key, count] of [["", trades.length], ...[...reasons].sort()]) make("option", `${key || "all trades"} (${count.toLocaleString("en")})`, pick).value = key;
  const fits = t => !why || [`in: ${t.why_in}`, `out: ${t.why_out}`, t.net > 0 ? "won" : "did not win", t.side === "LONG" ? "long" : "short"].includes(why);
  const show = () => {
    const key = keys[sorted], chosen = trades.filter(fits).sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (down ? -1 : 1));
    first = Math.max(0, Math.min(first, Math.floor((chosen.length - 1) / lines) * lines));
    body.replaceChildren(...chosen.slice(first, first + lines).map(t => { const row = document.createElement("tr"); for (const words of cells(t)) make("td", words, row); return row; }));
    said.textContent = chosen.length ? `${first + 1} – ${Math.min(first + lines, chosen.length)} of ${chosen.length.toLocaleString("en")}` : "none";
    back.disabled = !first;
    on.disabled = first + lines >= chosen.length;
    head.forEach((cell, i) => cell.setAttribute("aria-sort", i === sorted ? (down ? "descending" : "ascending") : "none"));
    buttons.forEach((button, i) => { button.textContent = names[i] + (i === sorted ? (down ? " ↓" : " ↑") : ""); });
  };
  const names = head.map(cell => cell.textContent), buttons = head.map((cell, i) => {
    cell.textContent = "";
    const button = make("button", names[i], cell);
    button.onclick = () => { down = i === sorted ? !down : i > 5 && i < 13; sorted = i; first = 0; show(); };
    return button;
  });
  pick.onchange = () => { why = pick.value; first = 0; show(); };
  back.onclick = () => { first -= lines; show(); };
  on.onclick = () => { first += lines; show(); };
  show();
}

const drawn = [[".time", time], [".bars", costs], [".capacity", capacity], [".nets", nets], [".ways", ways]];
for (const [place, draw] of drawn) for (const one of document.querySelectorAll(place)) new ResizeObserver(() => one.clientWidth && draw(one)).observe(one);
if (trades.length) list(document.querySelector(".trades"));
