// What every page of Maquette is built with: elements, colours, curves.
const palette = ["#64798c", "#c8632f", "#2f78bd", "#2f9161", "#8d63cc", "#b48a16", "#bd4f80", "#2c9399"];
const color = (i) => palette[i % palette.length];
const $ = (id) => document.getElementById(id);
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) key in node ? (node[key] = value) : node.setAttribute(key, value);
  node.append(...children);
  return node;
}
const dot = (i) => { const node = el("i", { className: "dot" }); node.style.background = color(i); return node; };
const choices = (id, pairs) => $(id).append(...pairs.map(([value, text]) => el("option", { value }, text)));

function chart(name, series) {
  const all = series.flatMap((s) => s.points), xs = all.map((p) => p[0]), ys = all.map((p) => p[1]);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const X = (x) => 36 + (264 * (x - x0)) / (x1 - x0 || 1), Y = (y) => 98 - (86 * (y - y0)) / (y1 - y0 || 1);
  // Few points, as of evaluators that look on now and then, are shown as they are, each by a dot: one alone draws no line.
  const smooth = (points) => { let mean = null; return points.length < 12 ? points : points.map(([x, y]) => [x, (mean = mean === null ? y : 0.8 * mean + 0.2 * y)]); };
  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${X(x).toFixed(1)},${Y(y).toFixed(1)}`).join("");
  const short = (v) => (v && (Math.abs(v) >= 1e5 || Math.abs(v) < 0.001) ? v.toExponential(0) : String(+v.toPrecision(Math.abs(v) >= 1000 ? 4 : 3)));
  const dots = (s) => (s.points.length < 12 ? s.points.map(([x, y]) => `<circle cx="${X(x).toFixed(1)}" cy="${Y(y).toFixed(1)}" r="2.2" fill="${s.color}"/>`).join("") : "");
  const lines = series.map((s) => dots(s) + `<path d="${path(s.points)}" fill="none" stroke="${s.color}" opacity=".28"/><path d="${path(smooth(s.points))}" fill="none" stroke="${s.color}" stroke-width="1.9" stroke-linejoin="round"/>`).join("");
  const axes = `<text x="31" y="15" text-anchor="end">${short(y1)}</text><text x="31" y="100" text-anchor="end">${short(y0)}</text><text x="36" y="112">${x0}</text><text x="300" y="112" text-anchor="end">step ${x1}</text><path class="axis" d="M36,8V98H300"/>`;
  const reading = el("em"), box = el("div", { className: "curve" }, reading, el("b", {}, name));
  const latest = () => { reading.textContent = series.filter((s) => s.points.length).map((s) => short(s.points[s.points.length - 1][1])).join(" · "); };
  box.insertAdjacentHTML("beforeend", `<svg viewBox="0 0 304 116">${axes}${lines}<path class="axis rule" d=""/></svg>`);
  const svg = box.querySelector("svg"), rule = box.querySelector(".rule");
  svg.addEventListener("pointermove", (event) => {
    const at = x0 + (((event.offsetX / svg.clientWidth) * 304 - 36) / 264) * (x1 - x0), near = (points) => points.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
    const found = series.filter((s) => s.points.length).map((s) => near(s.points));
    rule.setAttribute("d", `M${X(found[0][0])},8V98`);
    reading.textContent = `step ${found[0][0]}: ` + found.map((p) => short(p[1])).join(" · ");
  });
  svg.addEventListener("pointerleave", () => { rule.setAttribute("d", ""); latest(); });
  latest();
  return box;
}

/** Groups of curves, folded as each group says, into `place`; runs: [{ name, curves, color }]. Drawn when first unfolded. */
function curveGroups(place, groups, runs) {
  place.replaceChildren(...groups.map((group) => {
    const grid = el("div", { className: "grid" });
    const short = (name) => name.replace(/^(reward|evaluator|seconds)\//, "").replaceAll("_", " ").replaceAll("/", " · ");
    const draw = () => { if (!grid.childNodes.length) grid.append(...group.names.map((name) => chart(short(name), runs.map((r) => ({ points: r.curves[name] || [], color: r.color }))))); };
    const fold = el("details", { className: "group", open: group.open }, el("summary", {}, group.title, el("small", {}, `${group.names.length} curve${group.names.length > 1 ? "s" : ""}`)), grid);
    fold.addEventListener("toggle", draw);
    if (group.open) draw();
    return fold;
  }));
}
