const fixed = (v) => (v === null || v === undefined ? "–" : v.toFixed(3));
const signed = (v) => (v >= 0 ? "+" : "−") + Math.abs(v).toFixed(3);
const has = (v) => v !== null && v !== undefined;

const SETS = "Against the set of objects meant";
const measures = [...data.measures, { name: "kernel_distance", title: "kernel distance ×100", up: false, level: SETS },
  ...data.distances.map((name) => ({ name, title: name.startsWith("KD") ? name + " ×100" : name, up: false, level: SETS }))];
const levels = [...data.levels, SETS];
const titled = (m) => (m.judge ? "by " + m.judge : m.title);
const shown = new Set(data.systems.keys());
let sorted = null;

// ---- head
document.title = $("title").textContent = data.title;
for (const note of data.notes) $("notes").append(el("p", {}, note));

// ---- results: a row per measure, a column per system
const numbersOf = (system, part) => (part ? system.categories[part] || { objects: 0, intervals: {}, changes: {} } : system);
const intervalOf = (system, m, part) => { const i = numbersOf(system, part).intervals[m.name]; return i && has(i.value) ? i : null; };

function order(part) {
  const columns = [...data.systems.keys()].filter((i) => shown.has(i));
  if (!sorted) return columns;
  const value = (i) => { const found = intervalOf(data.systems[i], sorted, part); return found ? found.value * (sorted.up ? -1 : 1) : Infinity; };
  return columns.sort((a, b) => (value(a) === value(b) ? 0 : value(a) - value(b)));
}

function plot(m, columns, part) {
  const found = columns.map((i) => [i, intervalOf(data.systems[i], m, part)]).filter(([, v]) => v);
  if (!found.length) return "";
  const ends = found.flatMap(([, v]) => [v.value, v.low, v.high]).filter(has), low = Math.min(...ends), high = Math.max(...ends);
  const X = (v) => 8 + (154 * (v - low)) / (high - low || 1), tall = 10 * found.length + 4;
  const marks = found.map(([i, v], row) => {
    const y = 7 + 10 * row, line = has(v.low) ? `<path d="M${X(v.low)},${y}H${X(v.high)}" stroke="${color(i)}" stroke-width="2" opacity=".55"/>` : "";
    return `${line}<circle cx="${X(v.value)}" cy="${y}" r="3.6" fill="${color(i)}"/>`;
  });
  return `<svg viewBox="0 0 170 ${tall}" role="img" aria-label="${m.title.replaceAll('"', "")}: intervals side by side">${marks.join("")}</svg>`;
}

function cellOf(system, m, part) {
  const i = intervalOf(system, m, part), c = numbersOf(system, part).changes[m.name];
  const cell = el("td", {}, i ? el("b", {}, fixed(i.value)) : "–");
  if (i && has(i.low)) cell.append(el("small", {}, `[${fixed(i.low)}, ${fixed(i.high)}]`));
  if (c) {
    const sure = has(c.low) && (c.low > 0 || c.high < 0), better = (c.value > 0) === m.up;
    const range = has(c.low) ? ` [${fixed(c.low)}, ${fixed(c.high)}]` : "";
    cell.append(el("small", { className: sure ? (better ? "up" : "down") : "" }, `${signed(c.value)}${range}, p ${c.p < 0.001 ? "< 0.001" : "= " + c.p.toFixed(3)}`));
  }
  return cell;
}

function results() {
  const part = $("part").value, columns = order(part);
  const head = el("tr", {}, el("th", { scope: "col" }, "measure"), el("th", { className: "plot" }, ""));
  for (const i of columns) {
    const s = data.systems[i], n = numbersOf(s, part);
    head.append(el("th", { scope: "col" }, dot(i), s.name, el("small", {}, `${n.objects} objects of ${s.suite}`)));
  }
  const body = [];
  for (const level of levels) {
    const rows = measures.filter((m) => m.level === level && columns.some((i) => intervalOf(data.systems[i], m, part)));
    if (rows.length) body.push(el("tr", { className: "level" }, el("th", { colSpan: columns.length + 2 }, level)));
    for (const m of rows) {
      const press = el("button", { title: "best system first" }, titled(m) + (m.up ? " ↑" : " ↓"));
      const name = el("th", { scope: "row" }, press), range = el("td", { className: "plot" });
      if (sorted && sorted.name === m.name) name.setAttribute("aria-sort", m.up ? "descending" : "ascending");
      press.addEventListener("click", () => { sorted = sorted && sorted.name === m.name ? null : m; results(); });
      range.innerHTML = plot(m, columns, part);
      body.push(el("tr", {}, name, range, ...columns.map((i) => cellOf(data.systems[i], m, part))));
    }
  }
  $("summary").replaceChildren(el("thead", {}, head), el("tbody", {}, ...body));
}

// ---- failures and worst answers
const picture = (answer) => {
  const last = Object.entries(answer.pictures).pop();
  if (last && last[1]) return el("img", { src: "data:image/webp;base64," + last[1], alt: "", loading: "lazy" });
  return el("div", { className: "none" }, answer.fault ? "failed" : "no picture here");
};

function failures() {
  const lines = [...shown].sort().map((i) => {
    const bad = data.failures[i], reasons = new Map();
    for (const one of bad) { const why = (one.fault || "no reason given").split(":")[0]; reasons.set(why, (reasons.get(why) || 0) + 1); }
    const line = el("p", {}, dot(i), el("b", {}, data.systems[i].name), ` failed on ${bad.length} of ${data.systems[i].objects} prompts. `);
    if (!bad.length) return line;
    const list = el("ul", {}, ...bad.map((one) => el("li", {}, `${one.id}: ${one.text} `, el("span", { className: "down" }, one.fault))));
    return el("div", {}, line, el("details", { open: bad.length <= 5 }, el("summary", {}, [...reasons].map(([why, count]) => `${count} × ${why}`).join(", ")), list));
  });
  $("failed").replaceChildren(...lines);
  const m = data.measures.find((one) => one.name === $("worst").value);
  $("strips").replaceChildren(...[...shown].sort().map((i) => {
    const value = (o) => o.answers[i].values[m.name];
    const rows = data.objects.filter((o) => has(value(o))).sort((a, b) => (value(a) - value(b)) * (m.up ? 1 : -1)).slice(0, 8);
    const figures = rows.map((o) => el("figure", {}, picture(o.answers[i]), el("figcaption", { title: o.text }, el("b", {}, fixed(value(o))), o.text)));
    return el("div", {}, el("h3", {}, dot(i), data.systems[i].name), el("div", { className: "strip" }, ...figures));
  }));
}

// ---- judges
function judges() {
  if (!data.panels.some((p) => p.levels.length)) return $("judges").remove();
  const interval = (i) => (has(i.value) ? fixed(i.value) + (has(i.low) ? ` [${fixed(i.low)}, ${fixed(i.high)}]` : "") : "–");
  for (const [i, panel] of data.panels.entries()) {
    if (!panel.levels.length) continue;
    const rows = panel.levels.map((l) => el("tr", {}, el("th", { scope: "row" }, l.title),
      el("td", {}, ...l.judges.map((j) => el("small", {}, `${j.name}: ${interval(j.mean)}, ${j.missing} of ${j.asked} missing`))),
      el("td", {}, ...(l.pairs.length ? l.pairs.map((p) => el("small", {}, `${p.judges.join(" – ")}: ${interval(p.spearman)}, n = ${p.spearman.n}`)) : ["one judge alone"])),
      el("td", {}, fixed(l.alpha))));
    const head = el("tr", {}, ...["level", "mean score", "rank correlation", "α"].map((t) => el("th", { scope: "col" }, t)));
    $("panels").append(el("h3", {}, dot(i), data.systems[i].name), el("div", { className: "wide" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))));
  }
}

// ---- training
function training() {
  const runs = data.runs.filter((r) => Object.keys(r.curves).length);
  if (!runs.length) return $("training").remove();
  $("legend").append(...runs.map((r, i) => el("span", {}, dot(i + 1), r.name)));
  curveGroups($("curves"), data.groups, runs.map((r, i) => ({ ...r, color: color(i + 1) })));
}

// ---- answers
let stop = null;
async function turn(object) {
  const turned = object.answers.map((a, i) => [data.systems[i].name, a.mesh, i]).filter(([, mesh, i]) => mesh && shown.has(i));
  const glbs = await Promise.all(turned.map(([, mesh]) => glbBase64(mesh)));
  $("turned").textContent = object.text;
  $("stage").style.minWidth = `${200 * turned.length}px`;
  $("names").replaceChildren(...turned.map(([name]) => el("span", {}, name)));
  $("downloads").replaceChildren(...turned.map(([name], i) => el("a", { href: "data:model/gltf-binary;base64," + glbs[i], download: `${object.id}-${name}.glb` }, `${name}.glb `)));
  $("viewer").showModal();
  stop = await maquetteViewer.show($("viewer").querySelector("canvas"), glbs);
}
$("viewer").addEventListener("close", () => {
  if (stop) stop();
  $("viewer").querySelector("canvas").replaceWith(document.createElement("canvas"));
});

const HEADLINE = ["alignment", "clip", "attributes", "iou"];
function answerBlock(answer, i) {
  const pictures = el("div", { className: "pictures" });
  for (const [stage, image] of Object.entries(answer.pictures))
    if (image) pictures.append(el("figure", {}, el("img", { src: "data:image/webp;base64," + image, alt: stage, loading: "lazy" }), stage));
  const block = el("div", {}, el("h4", {}, dot(i), data.systems[i].name), pictures);
  if (answer.fault) block.append(el("p", { className: "fault" }, "failed: " + answer.fault));
  const known = data.measures.filter((m) => has(answer.values[m.name]));
  const list = (wanted) => el("dl", {}, ...wanted.flatMap((m) => [el("dt", {}, m.title), el("dd", {}, fixed(answer.values[m.name]))]));
  block.append(list(known.filter((m) => HEADLINE.includes(m.name))));
  for (const [judge, said] of Object.entries(answer.words)) {
    const scores = known.filter((m) => m.judge.startsWith(judge + " (")).map((m) => `${m.name.split(": ").pop()} ${answer.values[m.name].toFixed(2)}`);
    if (said || scores.length) block.append(el("blockquote", {}, el("b", {}, [judge, ...scores].join(" · ")), said));
  }
  const rest = known.filter((m) => !HEADLINE.includes(m.name) && !m.judge);
  if (rest.length) block.append(el("details", {}, el("summary", {}, "all figures"), list(rest)));
  const thoughts = answer.reasoning.filter((t) => t);
  if (thoughts.length) block.append(el("details", { className: "thought" }, el("summary", {}, "reasoning"), ...thoughts.map((t) => el("p", {}, t))));
  return block;
}

const orders = {
  "as in the suite": () => 0,
  "worst first": (a, b, v, up) => (v(a) - v(b)) * up,
  "best first": (a, b, v, up) => (v(b) - v(a)) * up,
  "largest gain over the first": (a, b, v, up, g) => (g(b) - g(a)) * up,
  "largest loss to the first": (a, b, v, up, g) => (g(a) - g(b)) * up,
};
let limit = 24;
function gallery() {
  const wanted = $("search").value.toLowerCase(), category = $("category").value, system = +$("of").value;
  const m = data.measures.find((one) => one.name === $("by").value), rule = orders[$("order").value];
  const value = (o, i = system) => { const v = o.answers[i].values[m.name]; return has(v) ? v : NaN; };
  const gain = (o) => value(o) - value(o, 0), key = $("order").value.includes("the first") ? gain : value, plain = $("order").selectedIndex === 0;
  const chosen = data.objects.filter((o) => (!category || o.category === category) && o.text.toLowerCase().includes(wanted) && (!$("only").checked || o.answers.some((a, i) => a.failed && shown.has(i))));
  // Without the measure: last, whatever the direction.
  if (!plain) chosen.sort((a, b) => (isNaN(key(a)) || isNaN(key(b)) ? isNaN(key(a)) - isNaN(key(b)) : rule(a, b, value, m.up ? 1 : -1, gain)));
  $("cards").replaceChildren(...chosen.slice(0, limit).map((o) => {
    const tag = el("div", { className: "tag" }, el("span", {}, [o.id, o.category, o.family].filter(Boolean).join(" · ")));
    if (o.answers.some((a, i) => a.mesh && shown.has(i))) tag.append(el("button", { onclick: () => turn(o) }, "Turn in 3D"));
    const side = el("div", { className: "side" }, ...o.answers.map((a, i) => (shown.has(i) ? answerBlock(a, i) : "")).filter(Boolean));
    return el("article", { className: "card" }, el("p", { className: "text" }, o.text), tag, side);
  }));
  const some = (what) => chosen.filter((o) => o.answers.some(what)).length, solid = some((a) => a.mesh), made = some((a) => !a.failed);
  $("shown").textContent = chosen.length ? `${Math.min(limit, chosen.length)} of ${chosen.length}` + (solid < made ? `; ${solid} can be turned in 3D, more would not fit the page` : "") : "none";
  $("more").hidden = limit >= chosen.length;
}

// ---- provenance
function flat(value, name = "", found = {}) {
  if (value && typeof value === "object" && !Array.isArray(value)) for (const [k, v] of Object.entries(value)) flat(v, name ? `${name} · ${k}` : k, found);
  else found[name] = Array.isArray(value) ? value.join(", ") : typeof value === "number" && !Number.isInteger(value) ? String(+value.toPrecision(4)) : String(value ?? "–");
  return found;
}
function provenance() {
  const records = data.systems.map((s) => ({ system: s.name, suite: s.suite, seed: s.seed, ...s.provenance, ...(Object.keys(s.compat).length ? { "numbers of the published script": s.compat } : {}) }));
  const rows = records.map((r) => flat(r)), names = [...new Set(rows.flatMap((r) => Object.keys(r)))].filter((n) => n !== "system");
  const head = el("tr", {}, el("th", {}, ""), ...data.systems.map((s, i) => el("th", { scope: "col" }, dot(i), s.name)));
  $("made").append(el("thead", {}, head), el("tbody", {}, ...names.map((name) => {
    const differs = new Set(rows.map((r) => r[name])).size > 1 ? "differs" : "";
    return el("tr", {}, el("th", { scope: "row" }, name), ...rows.map((r) => el("td", { className: differs }, r[name] === undefined ? "–" : r[name] === "" ? "none" : r[name])));
  })));
  $("record").textContent = JSON.stringify(records, null, 1);
}

// How far the recognisers behind "attribute accuracy" are right themselves.
function recognisers() {
  const own = data.systems.map((s) => s.provenance.evaluators).find(Boolean) || {};
  const known = [["category", "family_accuracy"], ["counts", "count_accuracy"], ["colours", "color_accuracy"]].filter(([, key]) => has(own[key]));
  if (known.length) $("recognisers").textContent = ` that are themselves right about held-out objects in ${known.map(([what, key]) => `${fixed(own[key])} (${what})`).join(", ")}`;
}

// ---- everything together
choices("part", [["", "all categories"], ...[...new Set(data.systems.flatMap((s) => Object.keys(s.categories)))].map((c) => [c, c])]);
choices("worst", data.measures.map((m) => [m.name, m.title]));
choices("order", Object.keys(orders).filter((name) => data.systems.length > 1 || !name.includes("the first")).map((name) => [name, name]));
choices("by", data.measures.map((m) => [m.name, m.title]));
choices("of", data.systems.map((s, i) => [i, s.name]));
choices("category", [["", "all"], ...[...new Set(data.objects.map((o) => o.category))].filter(Boolean).map((c) => [c, c])]);
$("cards").style.setProperty("--least", `${Math.max(560, 250 * data.systems.length)}px`);
$("of").value = String(data.systems.length - 1);
data.systems.forEach((s, i) => {
  const box = el("input", { type: "checkbox", checked: true, oninput: () => { shown[box.checked ? "add" : "delete"](i); results(); failures(); gallery(); } });
  $("systems").append(el("label", {}, box, dot(i), s.name));
});
$("part").addEventListener("input", results);
$("worst").addEventListener("input", failures);
for (const id of ["order", "by", "of", "category", "only", "search"]) $(id).addEventListener("input", () => { limit = 24; gallery(); });
$("more").addEventListener("click", () => { limit += 48; gallery(); });
results();
failures();
judges();
training();
gallery();
provenance();
recognisers();
$("contents").append(...[...document.querySelectorAll("main > section")].map((s) => el("a", { href: "#" + s.id }, s.querySelector("h2").textContent)));
