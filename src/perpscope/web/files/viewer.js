// The page until the dashboard: what the face tells, drawn. Text from anywhere is only ever set as text.
"use strict";

const at = (id) => document.getElementById(id);
const LAMPS = { live: "●", replay: "●", stale: "◐", silent: "◐", down: "✕", gone: "✕", none: "◌" };
const LABELS = { demo: "DEMO DATA", replay: "REPLAY", observed: "OBSERVED" };
const state = { symbol: null, prices: {}, map: null, tape: [], lost: 0, told: null, errors: {} };

const number = (value, places) => value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
const signed = (value, places = 2) => (value < 0 ? "−" : "+") + number(Math.abs(value), places);
const price = (value) => (value == null ? "—" : number(value, value >= 10000 ? 0 : value >= 100 ? 2 : value >= 1 ? 4 : 6));
function usd(value) {
  if (value == null) return "—";
  for (const [size, unit] of [[1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
    if (value >= size * 0.9995) return "$" + Number((value / size).toPrecision(3)) + unit;
  }
  return "$" + number(value, 0);
}
function age(ms) {
  if (ms == null) return "—";
  const s = ms / 1000;
  if (s < 10) return s.toFixed(1) + " s";
  if (s < 120) return Math.round(s) + " s";
  return s < 7200 ? `${Math.floor(s / 60)} m ${Math.round(s % 60)} s` : Math.floor(s / 3600) + " h";
}
const clock = (ms) => (ms == null ? "—" : new Date(ms).toISOString().slice(11, 19));
function text(id, value, cls) {
  at(id).textContent = value;
  if (cls !== undefined) at(id).className = cls;
}
function row(cells, cls) {
  const made = document.createElement("tr");
  made.className = cls || "";
  for (const cell of cells) {
    const td = made.insertCell();
    cell instanceof Node ? td.append(cell) : (td.textContent = cell);
  }
  return made;
}

async function ask(path) {
  const key = sessionStorage.getItem("key");
  const got = await fetch(path, key ? { headers: { "X-API-Key": key } } : {});
  const body = await got.json();
  at("ask").hidden = got.status !== 401;
  if (!got.ok) throw Object.assign(new Error(body.detail), { problem: body });
  return body;
}
async function again(path, seconds, take) {
  const wanted = state.symbol;
  try {
    const body = await ask(path());
    delete state.errors[take.name];
    if (wanted === state.symbol) take(body);
  } catch (error) {
    state.errors[take.name] = error;
  }
  banner();
  setTimeout(() => again(path, seconds, take), seconds * 1000);
}

function banner() {
  const told = state.told, meta = told && told.meta, errors = Object.values(state.errors);
  const problem = errors.map((one) => one.problem).find(Boolean);
  let words = "", cls = "warn";
  if (errors.some((one) => !one.problem)) {
    state.lost += 1;
    words = `✕ Lost the connection to perpscope at ${location.host}; asking again (${state.lost})`;
    cls = "bad";
  } else {
    state.lost = 0;
    if (meta && meta.stale) words = `◐ ${meta.notes.join("; ")}`;
    else if (problem) words = `✕ ${problem.code}: ${problem.detail}`;
    else if (told && told.status === "INITIALIZING") words = `◌ Warming up: ${told.reason || "too little was seen yet"}`;
  }
  const is_old = cls === "bad" || Boolean(meta && meta.heart !== "live" && meta.stale);
  if (is_old && meta) words += ` · everything stands as of ${clock(meta.as_of_ms)} UTC`;
  document.body.classList.toggle("old", is_old);
  document.title = (is_old ? "⚠ " : "") + "perpscope";
  at("banner").hidden = !words;
  text("banner", words, cls);
  if (meta) {
    const heart = cls === "bad" ? "gone" : meta.heart === "none" && !meta.stale ? "live" : meta.heart;
    text("heart", `${LAMPS[heart]} heart ${heart}`, "lamp " + heart);
  }
}

function drawStatus(told) {
  state.told = told;
  text("data", LABELS[told.meta.data] || "", "tag " + told.meta.data);
  at("feeds").replaceChildren(...told.meta.sources.map((source) => {
    const made = document.createElement("span");
    made.className = source.state;
    made.textContent = `${source.venue} ${LAMPS[source.state]} ${source.state} ${age(source.age_ms)}`;
    return made;
  }));
}

function drawTotals(told) {
  for (const side of ["long", "short"]) {
    const sum = told.total && told.total[side];
    const estimate = sum && (sum.estimated_usd == null ? "no estimate" : `about ${usd(sum.estimated_usd)} in all, ${usd(sum.low_usd)} to ${usd(sum.high_usd)} (model)`);
    text(side, sum ? usd(sum.observed_usd) : "—");
    text(side + "-about", sum ? `${sum.observed_events} observed · ${estimate}` : told.meta.notes[0] || "");
  }
}

function now() {
  const marks = Object.values(state.prices).map((line) => line.mark ?? line.last).filter((mark) => mark != null).sort((a, b) => a - b);
  if (marks.length) return marks[Math.floor(marks.length / 2)];
  return state.map && state.map.summary ? state.map.summary.price : null;
}

function drawMap() {
  const map = state.map, mark = now(), reach = Number(at("reach").value) / 100;
  text("price", price(mark));
  const failed = state.errors.takeMap && state.errors.takeMap.problem;
  if (failed) text("map-about", `✕ ${failed.code}: ${failed.detail} · ${failed.hint || ""} (request ${failed.request_id})`);
  if (!map || failed) return;
  const pull = map.direction, body = at("map").tBodies[0];
  text("pull", pull ? `pull ${{ UP: "▲ up", DOWN: "▼ down" }[pull.bias] || "◆ even"} ${signed(pull.balance)}` : "");
  if (!map.summary || mark == null) {
    body.replaceChildren();
    text("map-about", `${map.meta.notes[0] || "No map yet"} · perpscope collect --symbols ${state.symbol}`);
    return;
  }
  text("what-if", map.what_if.map((one) => `${one.is_long ? "▼ to" : "▲ to"} ${price(one.price)}: about ${usd(one.usd)} of ${one.is_long ? "longs" : "shorts"}`).join(" · "));
  const near = map.bins.filter((bin) => bin.usd >= 1 && Math.abs(bin.mid_price / mark - 1) <= reach);
  const width = Math.max(near.length ? near[0].high - near[0].low : 1, (2 * reach * mark) / 40);
  const rows = new Map();
  for (const bin of near) {
    const slot = `${bin.side}${Math.floor(bin.mid_price / width)}`;
    const kept = rows.get(slot) || { low: bin.low, high: bin.high, usd: 0, is_long: bin.side === "LONG" };
    rows.set(slot, { ...kept, low: Math.min(kept.low, bin.low), high: Math.max(kept.high, bin.high), usd: kept.usd + bin.usd });
  }
  const most = Math.max(1, ...[...rows.values()].map((one) => one.usd));
  const drawn = [...rows.values()].sort((a, b) => b.low - a.low).map((one) => {
    const bar = document.createElement("span"), middle = (one.low + one.high) / 2;
    bar.className = "bar";
    bar.style.width = (100 * one.usd) / most + "%";
    const made = row([price(middle), signed(100 * (middle / mark - 1)) + " %", bar, `~${usd(one.usd)} ${one.is_long ? "▼ longs" : "▲ shorts"}`], one.is_long ? "long" : "short");
    return { middle, made };
  });
  const line = row([`┄ ${price(mark)} ┄`], "now");
  line.cells[0].colSpan = 4;
  const above = drawn.filter((one) => one.middle > mark).map((one) => one.made), below = drawn.filter((one) => one.middle <= mark).map((one) => one.made);
  body.replaceChildren(...above, line, ...below);
  const meta = map.meta, seen = meta.coverage == null ? "" : ` · ${number(100 * meta.coverage, 0)} % of the time was seen`;
  text("map-about", `An estimate, as of ${clock(meta.as_of_ms)} UTC · ${map.venues.length} venues${seen}${meta.warming_up ? " · warming up: levels mean little yet" : ""}`);
}

function takeMap(told) {
  state.map = told;
  drawMap();
}

function drawTape() {
  text("tape-about", state.tape.length ? "As venues reported them, newest first" : `None of ${state.symbol} yet; waiting for the next …`);
  at("tape").tBodies[0].replaceChildren(...state.tape.map((one) => {
    const is_long = (one.position_side || one.side).toUpperCase() === "LONG", worth = one.notional_usd ?? one.usd;
    return row([clock(one.ts_ms ?? one.time_ms), one.venue, is_long ? "▼ long" : "▲ short", price(one.price), usd(worth)], `${is_long ? "long" : "short"}${worth >= 100000 ? " big" : ""}`);
  }));
}

function take(message) {
  const [family] = message.ch.split(":"), is_whole = message.type === "snapshot";
  if (family === "market") state.prices = merged(is_whole ? {} : state.prices, message.data);
  else if (family === "liquidations") {
    if (is_whole) state.told_tape = message.data.length > 0;
    state.tape = [...[...message.data].reverse(), ...(is_whole && state.told_tape ? [] : state.tape)].slice(0, 40);
    drawTape();
  }
}
function merged(kept, told) {
  const made = { ...kept, ...told };
  for (const name of Object.keys(told)) if (told[name] === null && kept[name] !== undefined) delete made[name];
  return made;
}

let socket = null;
async function listen(wait = 500) {
  const symbol = state.symbol, key = sessionStorage.getItem("key");
  let ticket = "";
  try {
    if (key) {
      const got = await fetch("/api/v1/stream/ticket", { method: "POST", headers: { "X-API-Key": key } });
      ticket = "&ticket=" + (await got.json()).ticket;
    }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/api/v1/stream?channels=market:${symbol},liquidations:${symbol}${ticket}`);
  } catch {
    setTimeout(() => listen(Math.min(30000, wait * 2)), wait);
    return;
  }
  const mine = socket;
  mine.onmessage = (event) => {
    wait = 500;
    const message = JSON.parse(event.data);
    if (mine === socket && (message.type === "snapshot" || message.type === "delta")) take(message);
  };
  mine.onclose = () => {
    if (mine === socket) setTimeout(() => listen(Math.min(30000, wait * 2)), wait * (0.5 + Math.random()));
  };
}

function choose(symbol) {
  const known = state.symbol;
  Object.assign(state, { symbol, prices: {}, map: null, tape: [], told_tape: false, errors: {} });
  history.replaceState(null, "", "#" + symbol);
  at("map").tBodies[0].replaceChildren();
  drawTape();
  if (known === null) return fill();
  const old = socket;
  socket = null;
  if (old) old.close();
  listen();
  fill();
  text("map-about", "Loading the map …");
  for (const [path, draw] of POLLED.slice(1)) ask(path()).then(draw, () => {});
}

function fill() {
  const symbol = state.symbol;
  ask("/api/v1/liquidations?limit=40&symbol=" + encodeURIComponent(symbol)).then((told) => {
    if (state.symbol !== symbol || state.told_tape) return;
    state.tape = [...state.tape, ...told.liquidations].slice(0, 40);
    drawTape();
  }, () => {});
}

const POLLED = [
  [() => "/api/v1/status", drawStatus, 2],
  [() => "/api/v1/liquidation-map?symbol=" + encodeURIComponent(state.symbol), takeMap, 5],
  [() => "/api/v1/liquidations/24h?symbol=" + encodeURIComponent(state.symbol), drawTotals, 5],
];

async function begin() {
  let coins = ["BTC"];
  try {
    coins = (await ask("/api/v1/symbols")).coins.map((one) => one.coin);
  } catch { /* told by the banner */ }
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (wanted && !coins.includes(wanted)) coins.unshift(wanted);
  if (!coins.length) coins = ["BTC"];
  at("symbol").replaceChildren(...coins.map((coin) => new Option(coin, coin)));
  choose(wanted || (coins.includes("BTC") ? "BTC" : coins[0]));
  at("symbol").value = state.symbol;
  at("symbol").onchange = () => choose(at("symbol").value);
  at("reach").onchange = drawMap;
  at("ask").onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem("key", at("key").value);
    location.reload();
  };
  for (const [path, draw, seconds] of POLLED) again(path, seconds, draw);
  listen();
  setInterval(() => document.hidden || drawMap(), 500);
}
begin();
