// Draws the charts, which are laid out already.
const data = JSON.parse(document.getElementById("charts").textContent);

function draw(place, chart, spans) {
  const W = place.clientWidth, H = place.clientHeight;
  if (!W) return;
  const { shape, long, short, both, boxes, spreads, at, why_empty: empty } = chart, sides = shape === "sides";
  const left = 84, right = W - 14, top = 24, bottom = H - 74, [x0, x1] = chart.x.range, [y0, y1] = chart.y.range;
  const X = v => left + (v - x0) / (x1 - x0) * (right - left), Y = v => bottom - (v - y0) / (y1 - y0) * (bottom - top);
  const make = (name, set, words = "", parent = svg) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in set) made.setAttribute(key, set[key]);
    made.textContent = words;
    parent?.append(made);
    return made;
  };
  const svg = make("svg", { viewBox: `0 0 ${W} ${H}`, tabindex: 0, role: "img", "aria-label": `${chart.title}. ${chart.reading} ${empty || "Arrow keys read it out."}` }, "", null);
  const line = (c, a, b, d, e) => make("line", { class: c, x1: a, y1: b, x2: d, y2: e });
  const rect = (c, a, b, w, h) => make("rect", { class: c, x: a, y: b, width: Math.max(w, .5), height: Math.max(h, 0) });
  const text = (words, a, b, anchor, c = "") => make("text", { class: c, x: a, y: b, "text-anchor": anchor }, words);
  const path = (c, d) => make("path", { class: c, d });
  const triangles = (c, s, values) => values.forEach((v, i) => v !== null && path(c, `M${X(at[i]) - 6} ${Y(v) + 5 * s}h12l-6 ${-11 * s}z`));

  // Axes, without labels that would touch the one before.
  let end = 0;
  for (const [v, label] of chart.x.marks) {
    const x = X(v), rows = label.split("\n"), half = rows[0].length * 4 + 6;
    if (sides && !empty) line("g", x, top, x, bottom);
    if (x - half < end) continue;
    end = x + half;
    rows.forEach((row, i) => text(row, Math.min(x, W - half), bottom + 17 + 15 * i, "middle"));
  }
  if (!empty) for (const [v, label] of chart.y.marks) {
    if (!sides) line("g", left, Y(v), right, Y(v));
    text(label, left - 8, Y(v) + 4, "end", sides ? (v ? "ps" : "pl") : "");
  }
  text(chart.x.title, right, bottom + 48, "end");
  text(chart.y.title, 4, 14, "start");

  // Marks; a spot is where one may be pointed at: [start, width].
  let spots = [];
  if (shape === "columns") {
    spots = long.map((v, i) => [X(at[i]), X(at[i + 1]) - X(at[i])]);
    spots.forEach(([a, w], i) => {
      const wide = Math.min(w - 1, (right - left) * (long[2] + 1 ? 1 : .15)), x = a + (w - wide) / 2;
      rect("s", x, Y(short[i]), wide, Y(0) - Y(short[i]));
      rect("l", x, Y(0), wide, Y(-long[i]) - Y(0));
    });
    if (!empty) line("z", left, Y(0), right, Y(0));
  } else if (shape === "points") {
    const wide = (right - left) / at.length;
    spots = at.map(t => [X(t) - wide / 2, wide]);
    path("b", at.map((t, i) => both[i] === null ? "" : `${(both[i - 1] ?? null) === null ? "M" : "L"}${X(t)} ${Y(both[i])}h0`).join(""));
    triangles("ps", 1, short);
    triangles("pl", -1, long);
  } else if (sides && !empty) {
    spots = [long[0], short[0]].map((v, i) => {
      const y = Y(i), x = v === null ? left : X(v), dot = v !== null && spreads[i], side = i ? "s" : "l";
      if (dot) {
        line("r" + side, X(dot[0]), y, X(dot[1]), y);
        make("circle", { class: "p" + side, cx: x, cy: y, r: 9 });
      } else rect(side, left, y - 17, x - left, 34);
      text(chart.labels[i], dot ? x : x + 8, dot ? y - 17 : y + 5, dot ? "middle" : "start", "t");
      text(chart.notes[i], left + 6, y + 37, "start");
      return [left, right - left];
    });
  } else boxes.forEach((b, i) => {
    const x = X(at[i]), w = Math.min(X(1) - X(0), 60) * .34;
    spots.push([x - w, 2 * w]);
    line("z", x, Y(b.low), x, Y(b.high));
    rect("box", x - w, Y(b.q3), 2 * w, Y(b.q1) - Y(b.q3));
    line("m", x - w, Y(b.median), x + w, Y(b.median));
    path("x", `M${x - 4} ${Y(b.top) - 4}l8 8m0 -8l-8 8`);
    if (w > 9) text(chart.labels[i], x, bottom - 5, "middle");
  });
  if (chart.level !== null && !empty) {
    const x = X(chart.level), y = Y(chart.level);
    line("d", sides ? x : left, sides ? top : y, sides ? x : right, sides ? bottom : y);
    text("- - " + chart.level_label, right, 14, "end");
  }

  // What was watched.
  const S = t => left + (t - spans[0][0]) / (spans.at(-1)[1] - spans[0][0]) * (right - left);
  for (const [a, b, kind] of spans) rect("w" + kind, S(a), H - 16, S(b) - S(a), kind - 1 ? 10 : 4);
  rect("w", left, H - 16, right - left, 10);
  text("watched", left - 8, H - 7, "end");

  // Pointer or arrow keys pick a mark; its table row is read out.
  const figure = place.parentNode, [head, ...rows] = [...figure.querySelectorAll("tr")].map(row => [...row.cells].map(cell => cell.textContent));
  const shade = rect("at", 0, top, 0, sides ? 78 : bottom - top);
  let picked = -1;
  const pick = i => {
    picked = Math.max(0, Math.min(spots.length - 1, i));
    const [a, w] = spots[picked];
    shade.setAttribute("x", a);
    shade.setAttribute("width", w);
    if (sides) shade.setAttribute("y", Y(picked) - 34);
    figure.querySelector(".read").textContent = rows[picked].map((cell, k) => `${head[k]} ${cell}`).join(" · ");
  };
  if (spots.length) {
    svg.onpointermove = e => {
      const box = svg.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
      const far = spots.map(([a, w], i) => Math.abs(sides ? y - Y(i) : x - a - w / 2));
      pick(far.indexOf(Math.min(...far)));
    };
    svg.onkeydown = e => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -1e9, End: 1e9 }[e.key];
      if (step) e.preventDefault(), pick(picked + step);
    };
  }
  place.replaceChildren(svg);
}

document.querySelectorAll(".instrument").forEach((section, k) => new ResizeObserver(() =>
  section.querySelectorAll(".chart").forEach((place, i) => draw(place, data[k].charts[i], data[k].spans))).observe(section));
