// Draws the map or the heatmap that is in the page, and reads it out under the pointer.
const read = id => { const found = document.getElementById(id); return found && JSON.parse(found.textContent); };
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const usd = v => { const s = v >= 1e9 ? [1e9, "B"] : v >= 1e6 ? [1e6, "M"] : v >= 1e3 ? [1e3, "K"] : [1, ""]; return "$" + (v / s[0]).toPrecision(3) + s[1]; };
const price = v => v.toLocaleString("en-US", { maximumFractionDigits: Math.max(0, 5 - Math.floor(Math.log10(Math.abs(v) || 1))) });
const percent = (v, mark) => { const p = (v / mark - 1) * 100; return (p < 0 ? "−" : "+") + Math.abs(p).toFixed(2) + " %"; };
const step = (span, count) => { const raw = span / count, ten = 10 ** Math.floor(Math.log10(raw)); return ten * [1, 2, 5, 10].find(k => k * ten >= raw); };

function canvas(place) {
  const made = document.createElement("canvas"), k = devicePixelRatio || 1;
  made.width = place.clientWidth * k; made.height = place.clientHeight * k;
  const pen = made.getContext("2d");
  pen.scale(k, k);
  pen.font = "12px system-ui,sans-serif";
  pen.textBaseline = "middle";
  return [made, pen, place.clientWidth, place.clientHeight];
}

// Prices up the right side; what is drawn lies between the returned borders.
function frame(pen, W, H, low, high) {
  const right = W - 78, top = 8, bottom = H - 30, Y = v => bottom - (v - low) / (high - low) * (bottom - top);
  const by = step(high - low, H / 55);
  pen.textAlign = "left";
  for (let v = Math.ceil(low / by) * by; v <= high; v += by) {
    pen.fillStyle = css("--line"); pen.fillRect(0, Y(v), right, 1);
    pen.fillStyle = css("--dim"); pen.fillText(price(v), right + 8, Y(v));
  }
  return { right, top, bottom, Y, at: y => low + (bottom - y) / (bottom - top) * (high - low) };
}

function level(pen, f, v, color, dash) {
  pen.strokeStyle = color; pen.setLineDash(dash); pen.lineWidth = 1;
  pen.beginPath(); pen.moveTo(0, f.Y(v)); pen.lineTo(f.right, f.Y(v)); pen.stroke(); pen.setLineDash([]);
  pen.fillStyle = color; pen.fillRect(f.right + 2, f.Y(v) - 9, 76, 18);
  pen.fillStyle = color === "#f4f7fa" ? "#0b0e13" : css("--ontag"); pen.textAlign = "left"; pen.fillText(price(v), f.right + 8, f.Y(v));
}

// Pointer and arrow keys give a place in the plot.
function watch(place, onmove, onkey) {
  place.tabIndex = 0;
  place.onpointermove = e => { const box = place.getBoundingClientRect(); onmove(e.clientX - box.left, e.clientY - box.top); };
  place.onkeydown = e => {
    const by = { ArrowUp: [0, 1], ArrowDown: [0, -1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[e.key];
    if (by) e.preventDefault(), onkey(...by);
  };
}

function map(place, data) {
  const { mark, bins, clusters } = data, say = document.querySelector("#said");
  const low = bins[0][0], high = bins.at(-1)[1], most = Math.max(...bins.map(b => Math.max(b[2], b[3])), 1);
  // Dollars from the mark to a price: longs downwards, shorts upwards.
  const sum = to => bins.reduce((all, [a, b, long, short]) => {
    const [from, until, held] = to < mark ? [Math.max(a, to), Math.min(b, mark), long] : [Math.max(a, mark), Math.min(b, to), short];
    return until > from ? all + held * (until - from) / (b - a) : all;
  }, 0);
  const total = Math.max(sum(low), sum(high), 1);
  let at = mark;
  const draw = () => {
    const [made, pen, W, H] = canvas(place);
    if (!W) return;
    const f = frame(pen, W, H, low, high), wide = f.right - 10;
    for (const [a, b, long, short, , , measured] of bins) {
      const y = f.Y(b) + .5, h = Math.max(f.Y(a) - f.Y(b) - 1, 1);
      pen.fillStyle = css("--shortbar"); pen.fillRect(0, y, wide * short / most, h);
      pen.fillStyle = css("--longbar"); pen.fillRect(0, y, wide * long / most, h);
      if (measured) { pen.fillStyle = css("--ok"); pen.beginPath(); pen.arc(6, y + h / 2, 3.5, 0, 7); pen.fill(); }
    }
    for (const [side, end, color] of [[-1, low, "--long"], [1, high, "--short"]]) {
      pen.strokeStyle = css(color); pen.lineWidth = 2; pen.beginPath(); pen.moveTo(0, f.Y(mark));
      for (let k = 1; k <= 80; k++) { const v = mark + (end - mark) * k / 80; pen.lineTo(wide * sum(v) / total, f.Y(v)); }
      pen.stroke();
      const words = `${side < 0 ? "▼ longs below" : "▲ shorts above"} Σ ${usd(sum(end))}`, y = side < 0 ? f.bottom - 26 : f.top + 26, w = pen.measureText(words).width;
      pen.fillStyle = css("--card"); pen.fillRect(f.right - w - 10, y - 9, w + 8, 18);
      pen.fillStyle = css(color); pen.textAlign = "right"; pen.fillText(words, f.right - 6, y);
    }
    // Labels of the clusters, from the top; none over another.
    let taken = -99;
    for (const [peak, held] of [...clusters].sort((a, b) => b[0] - a[0])) {
      const words = `${price(peak)}  ${percent(peak, mark)}  ${usd(held)}`, y = taken = Math.max(f.Y(peak), taken + 19);
      pen.fillStyle = css("--card"); pen.fillRect(16, y - 9, pen.measureText(words).width + 12, 18);
      pen.fillStyle = css("--text"); pen.textAlign = "left"; pen.fillText(words, 22, y);
    }
    level(pen, f, mark, css("--text"), [6, 4]);
    if (at !== mark) level(pen, f, at, css("--model"), [3, 3]);
    pen.fillStyle = css("--dim"); pen.textAlign = "left";
    pen.fillText(W < 560 ? `bars to ${usd(most)} · lines to ${usd(total)}` : `bars: dollars a bin, up to ${usd(most)} · lines: summed from the price, up to ${usd(total)}`, 4, H - 12);
    place.replaceChildren(made);
    place.plot = f;
  };
  const pick = v => {
    at = Math.min(high, Math.max(low, v));
    const bin = bins.find(b => at >= b[0] && at < b[1]) || bins.at(-1), down = at < mark;
    const held = down ? bin[2] : bin[3], measured = bin[6] ? ` · measured ${usd(bin[6])} held` : "";
    say.textContent = `If the price ${down ? "falls" : "rises"} to ${price(at)} (${percent(at, mark)}): about ${usd(sum(at))} of ${down ? "longs" : "shorts"}. ` +
      `Bin ${price(bin[0])} – ${price(bin[1])}: ${usd(held)}, ${(down ? bin[4] : bin[5]).toLowerCase()}${measured}. ESTIMATE`;
    draw();
  };
  watch(place, (_, y) => place.plot && pick(place.plot.at(y)), (_, up) => pick(at + up * (bins[0][1] - bins[0][0])));
  new ResizeObserver(draw).observe(place);
}

// Dark violet to light yellow by the root of the dollars; what is below the threshold is left out.
const RAMP = [[11, 7, 36], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];
function heat(place, data) {
  const { first, width, bins, times, prices, ratio } = data, say = document.querySelector("#said"), knob = document.querySelector("#least");
  const raw = Uint8Array.from(atob(data.codes), c => c.charCodeAt(0)), codes = new Uint16Array(raw.buffer), worth = c => c ? ratio ** (c - 1) : 0;
  const most = codes.reduce((a, b) => Math.max(a, b), 1), count = times.length;
  const low = Math.max(first, data.view[0]), high = Math.min(first + width * bins, data.view[1]);
  const image = document.createElement("canvas");
  image.width = count; image.height = bins;
  const paint = () => {
    const pen = image.getContext("2d"), cells = pen.createImageData(count, bins), least = worth(most) * (Math.max(knob.value, 1) / 100) ** 2;
    for (let i = 0; i < count; i++) for (let j = 0; j < bins; j++) {
      const code = codes[i * bins + j], k = 4 * ((bins - 1 - j) * count + i);
      if (worth(code) < least) continue;
      const t = Math.min(4.999, 5 * Math.sqrt(worth(code) / worth(most))), n = Math.floor(t);
      for (let c = 0; c < 3; c++) cells.data[k + c] = RAMP[n][c] + (RAMP[n + 1][c] - RAMP[n][c]) * (t - n);
      cells.data[k + 3] = 255;
    }
    pen.putImageData(cells, 0, 0);
  };
  let at = null;
  const draw = () => {
    const [made, pen, W, H] = canvas(place);
    if (!W) return;
    pen.fillStyle = "#0b0e13"; pen.fillRect(0, 8, W - 78, H - 38);
    const f = frame(pen, W, H, low, high), X = i => i / count * f.right;
    const last = first + width * bins;
    pen.imageSmoothingEnabled = false;
    pen.drawImage(image, 0, (last - high) / width, count, (high - low) / width, 0, f.top, f.right, f.bottom - f.top);
    pen.strokeStyle = "#f4f7fa"; pen.lineWidth = 1.4; pen.beginPath();
    prices.forEach(([, , close], i) => pen[i ? "lineTo" : "moveTo"](X(i + .5), f.Y(close)));
    pen.stroke();
    pen.globalAlpha = .6; pen.fillStyle = "#f4f7fa";
    prices.forEach(([a, b], i) => pen.fillRect(X(i + .5) - .5, f.Y(b), 1, f.Y(a) - f.Y(b)));
    pen.globalAlpha = 1;
    const every = Math.max(1, Math.ceil(count / (W / 110)));
    pen.fillStyle = css("--dim"); pen.textAlign = "center";
    for (let i = Math.floor(every / 2); i < count; i += every) pen.fillText(when(times[i]).slice(5), Math.max(44, X(i + .5)), H - 12);
    level(pen, f, prices.at(-1)[2], "#f4f7fa", [6, 4]);
    if (at) {
      level(pen, f, at[1], css("--model"), [3, 3]);
      pen.strokeStyle = css("--model"); pen.setLineDash([3, 3]); pen.beginPath(); pen.moveTo(X(at[0] + .5), f.top); pen.lineTo(X(at[0] + .5), f.bottom); pen.stroke(); pen.setLineDash([]);
    }
    place.replaceChildren(made);
    place.plot = f;
  };
  const when = ms => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
  const pick = (i, v) => {
    at = [Math.max(0, Math.min(count - 1, i)), Math.max(low, Math.min(high - width / 2, v))];
    const j = Math.floor((at[1] - first) / width), near = n => n < 0 || n >= count ? "—" : usd(worth(codes[n * bins + j])), mark = prices[at[0]][2];
    say.textContent = `${when(times[at[0]])} UTC · ${price(first + j * width)} – ${price(first + (j + 1) * width)} (${percent(first + (j + .5) * width, mark)} from ${price(mark)}): ` +
      `about ${near(at[0])}; the column before ${near(at[0] - 1)}, after ${near(at[0] + 1)}. ESTIMATE`;
    draw();
  };
  watch(place, (x, y) => place.plot && pick(Math.floor(x / place.plot.right * count), place.plot.at(y)),
    (by, up) => pick((at ? at[0] : count - 1) + by, (at ? at[1] : prices.at(-1)[2]) + up * width));
  knob.oninput = () => { paint(); draw(); };
  document.querySelector("#most").textContent = `$0 – ${usd(worth(most))}`;
  paint();
  new ResizeObserver(draw).observe(place);
}

const place = document.querySelector(".plot"), ours = read("drawn");
if (place && ours) (ours.codes === undefined ? map : heat)(place, ours);
