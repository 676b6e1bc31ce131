// Draws /openapi.json and lets one try each GET. Text from the document is only ever set as text.
"use strict";

const at = (id) => document.getElementById(id);
function el(tag, text, cls) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (cls) made.className = cls;
  return made;
}

function bounds(schema) {
  const parts = schema.anyOf || [schema];
  return parts.map((part) => {
    const said = [part.type || ""];
    if (part.enum) said.push(part.enum.join(" | "));
    if (part.items) said.push("of " + bounds(part.items));
    for (const [key, sign] of [["minimum", "≥"], ["exclusiveMinimum", ">"], ["maximum", "≤"], ["exclusiveMaximum", "<"],
      ["maxLength", "length ≤"], ["maxItems", "items ≤"]]) {
      if (part[key] !== undefined) said.push(sign + " " + part[key]);
    }
    return said.join(" ").trim();
  }).join(" or ");
}

function form(path, operation) {
  const made = el("form"), inputs = new Map();
  const table = el("table"), head = el("tr");
  for (const title of ["Name", "Value", "What it is"]) head.append(el("th", title));
  table.append(head);
  for (const parameter of operation.parameters || []) {
    const row = el("tr"), cell = el("td"), input = el("input");
    input.setAttribute("aria-label", parameter.name);
    input.placeholder = parameter.schema.default === undefined ? "" : String(parameter.schema.default);
    if (parameter.in === "path") input.value = parameter.example;
    inputs.set(parameter, input);
    cell.append(input);
    const about = el("td", parameter.description || "");
    about.append(el("div", bounds(parameter.schema), "note"));
    row.append(el("td", parameter.name, "path"), cell, about);
    table.append(row);
  }
  const send = el("button", "GET");
  const curl = el("pre"), status = el("p", "", "note"), body = el("pre");
  for (const hidden of [curl, status, body]) hidden.hidden = true;
  made.append(...(inputs.size ? [table] : []), el("p"), send, curl, status, body);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    let url = path;
    const query = new URLSearchParams();
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") url = url.replace("{" + parameter.name + "}", encodeURIComponent(input.value));
      else if (input.value !== "") query.set(parameter.name, input.value);
    }
    if (query.size) url += "?" + query;
    curl.textContent = "curl " + (at("key").value ? "-H 'X-API-Key: …' " : "") + "'" + location.origin + url + "'";
    curl.hidden = status.hidden = body.hidden = false;
    status.textContent = "…";
    try {
      const began = performance.now();
      const got = await fetch(url, at("key").value ? { headers: { "X-API-Key": at("key").value } } : {});
      const text = await got.text();
      status.textContent = `${got.status} ${got.statusText} · ${text.length.toLocaleString("en")} characters · ` +
        `${Math.round(performance.now() - began)} ms · request ${got.headers.get("x-request-id")}`;
      status.className = got.ok ? "note" : "bad";
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 1); } catch { /* not JSON: as it came */ }
      body.textContent = shown.length > 60000 ? shown.slice(0, 60000) + "\n… (cut here; curl gives all of it)" : shown;
    } catch (error) {
      status.textContent = String(error);
      status.className = "bad";
    }
  });
  return made;
}

function draw(document_) {
  at("about").textContent = document_.info.description;
  const groups = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = (operation.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push([method, path, operation]);
    }
  }
  const all = at("operations");
  all.replaceChildren();
  for (const tag of [...groups.keys()].sort()) {
    const link = el("a", tag);
    link.href = "#tag-" + tag;
    at("index").append(link);
    const title = el("h2", tag);
    title.id = "tag-" + tag;
    all.append(title);
    for (const [method, path, operation] of groups.get(tag)) {
      const box = el("details"), head = el("summary"), inner = el("div");
      box.id = operation.operationId;
      head.append(el("span", method.toUpperCase() + " " + path, "path"), el("span", " – " + operation.summary, "dim"));
      if (operation.description) inner.append(el("p", operation.description));
      if (method === "get") inner.append(form(path, operation));
      const content = ((operation.responses["200"] || {}).content || {})["application/json"];
      if (content && content.example) {
        const sample = el("details");
        sample.append(el("summary", "Example of a body (invented figures)"), el("pre", JSON.stringify(content.example, null, 1)));
        inner.append(sample);
      }
      box.append(head, inner);
      all.append(box);
    }
  }
  const wanted = location.hash && at(location.hash.slice(1));
  if (wanted) { wanted.open = true; wanted.scrollIntoView(); }
}

fetch("/openapi.json").then((got) => got.json()).then(draw, (error) => {
  at("operations").replaceChildren(el("p", "The document could not be loaded: " + error, "bad"));
});
