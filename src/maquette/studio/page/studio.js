// The studio: asks, waits, shows. All that comes from outside is set as text, never as markup.
const POLL = 700, RUNS = 5000;
const rooms = [...document.querySelectorAll("main > section")];
let shownId = null, shownState = "", runName = null, stopViewer = null;

async function call(path, options = {}) {
  const response = await fetch(path, options).catch(() => { throw new Error("The studio does not answer; is it still running?"); });
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(data.error || `The studio answered ${response.status}.`);
  return data;
}
const fileOf = (making, stem, suffix) => `/files/${making.id}/${stem}.${suffix}`;
const open = (making) => ["waiting", "running"].includes(making.state);
const figure = (value) => (value === null || value === undefined ? "not judged" : value.toFixed(3));
const plain = (name) => name.replaceAll("_", " ").replaceAll("/", " · ");

// ---- rooms
function enter() {
  const wanted = rooms.find((room) => "#" + room.id === location.hash) || rooms[0];
  for (const room of rooms) room.hidden = room !== wanted;
  for (const link of document.querySelectorAll("nav a")) link.hash === "#" + wanted.id ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  offers();
}
window.addEventListener("hashchange", enter);

async function offers() {
  const found = await call("/api/offers").catch(() => null);
  if (!found) return;
  if ([...$("model").options].map((o) => o.value).join() !== found.models.join()) {
    const before = $("model").value;
    $("model").replaceChildren();
    choices("model", found.models.map((name) => [name, name]));
    if (found.models.includes(before)) $("model").value = before;
  }
  const none = (what) => [el("p", { className: "empty" }, what)];
  $("links").replaceChildren(...(found.pages.length ? found.pages.map((page) => el("li", {}, el("a", { href: "/runs/" + page.split("/").map(encodeURIComponent).join("/"), target: "_blank", rel: "noopener" }, page))) : none("None yet.")));
  $("runs").replaceChildren(...(found.trainings.length ? found.trainings.map((run) => {
    const button = el("button", { onclick: () => { runName = run.name; training(); offers(); } }, el("span", {}, run.name, el("small", {}, run.steps ? `step ${run.step} of ${run.steps}` : `step ${run.step}`)));
    if (run.name === runName) button.setAttribute("aria-current", "true");
    return button;
  }) : none("None yet: maquette train configs/hi-grpo.yaml begins one.")));
  if (!runName && found.trainings.length) { runName = found.trainings[0].name; training(); offers(); }
}

// ---- making
$("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("refused").textContent = "";
  const request = { text: $("text").value, model: $("model").value, answers: $("count").valueAsNumber, seed: $("seed").valueAsNumber };
  if ($("temperature").value) request.temperature = $("temperature").valueAsNumber;
  try {
    const making = await call("/api/makings", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) });
    show(making.id);
  } catch (error) { $("refused").textContent = error.message; }
});
$("text").addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); $("ask").requestSubmit(); } });

async function show(id) {
  shownId = id;
  shownState = "";
  await follow();
  list();
}
async function follow() {
  const id = shownId;
  if (!id) return;
  const making = await call("/api/makings/" + id).catch((error) => { $("refused").textContent = error.message; return null; });
  if (!making || id !== shownId) return;
  const state = JSON.stringify(making);
  if (state !== shownState) draw(making); // an open answer is not closed under its reader
  shownState = state;
  if (open(making)) setTimeout(follow, POLL); else list();
}

function draw(making) {
  const { request } = making, doing = { waiting: "waits its turn", running: "at work", failed: "failed", stopped: "stopped", done: "" }[making.state];
  const tag = el("p", { className: "tag" }, el("span", {}, [request.model, `seed ${request.seed}`, request.temperature && `temperature ${request.temperature}`].filter(Boolean).join(" · ")));
  if (doing && making.state === "running") tag.append(el("span", { className: "waits" }, making.share ? `${making.stages.length ? "next stage" : "first stage"} ${Math.round(100 * making.share)} %` : doing));
  else if (doing) tag.append(el("span", { className: open(making) ? "waits" : "" }, doing));
  if (making.state === "done") tag.append(el("span", {}, Object.entries(making.seconds).map(([what, s]) => `${what} ${s.toFixed(1)} s`).join(" · ")));
  if (open(making)) tag.append(el("button", { onclick: () => call("/api/makings/" + making.id, { method: "DELETE" }).then(follow) }, "Stop"));
  else tag.append(el("button", { onclick: () => { $("text").value = request.text; $("model").value = request.model; $("count").value = request.answers; $("seed").value = request.seed + 1; $("temperature").value = request.temperature ?? ""; $("text").focus(); } }, "Ask again with another seed"));
  const order = making.order.length ? making.order : [...Array(request.answers).keys()];
  const cards = making.stages.length || open(making) ? order.map((answer, rank) => card(making, answer, rank)) : [];
  const notes = [...making.warnings, making.error].filter(Boolean).map((text) => el("p", { className: "fault" }, text));
  $("current").replaceChildren(el("p", { className: "text" }, request.text), tag, ...notes, el("div", { className: "answers" }, ...cards));
}

function card(making, answer, rank) {
  const stages = making.stages.map((stage) => ({ name: stage.name, ...stage.answers[answer] })), last = stages[stages.length - 1];
  const pictures = stages.map((stage) => {
    if (stage.failed) return el("figure", {}, el("div", { className: "none" }, "no shape"), stage.name);
    const image = el("img", { src: fileOf(making, stage.stem, "webp"), alt: `${stage.name} shape of answer ${answer + 1}` });
    return el("figure", {}, el("button", { title: "Turn in 3D", onclick: () => turn(making, answer) }, image), stage.name);
  });
  if (open(making)) pictures.push(el("figure", {}, el("div", { className: "none waits" }, "…"), making.stages.length ? "next stage" : "first stage"));
  const head = el("div", { className: "tag" }, el("span", {}, `answer ${answer + 1}`));
  if (making.order.length > 1 && !rank && !last.failed) head.firstChild.append(" · ", el("b", {}, "best by its rewards"));
  if (stages.some((stage) => !stage.failed)) head.append(el("button", { onclick: () => turn(making, answer) }, "Turn in 3D"));
  const article = el("article", { className: "card" }, head, el("div", { className: "pictures" }, ...pictures));
  for (const stage of stages) if (stage.reasoning) article.append(el("p", { className: "thought" }, el("b", {}, stage.name), stage.reasoning));
  const rewards = Object.entries(making.rewards[answer] || {});
  if (rewards.length) article.append(el("details", {}, el("summary", {}, "rewards"), el("dl", {}, ...rewards.flatMap(([name, value]) => [el("dt", {}, plain(name)), el("dd", {}, figure(value))]))));
  if (last && !last.failed && !open(making)) article.append(el("p", { className: "links" }, "Save as ", ...["glb", "obj", "ply", "stl"].map((suffix) => el("a", { href: fileOf(making, last.stem, suffix), download: `${last.stem}.${suffix}` }, "." + suffix))));
  return article;
}

async function turn(making, answer) {
  const stages = making.stages.filter((stage) => !stage.answers[answer].failed);
  const base64 = async (url) => {
    const raw = new Uint8Array(await (await fetch(url)).arrayBuffer()), pieces = [];
    for (let i = 0; i < raw.length; i += 32768) pieces.push(String.fromCharCode(...raw.subarray(i, i + 32768)));
    return btoa(pieces.join(""));
  };
  const glbs = await Promise.all(stages.map((stage) => base64(fileOf(making, stage.answers[answer].stem, "glb"))));
  $("turned").textContent = `${making.request.text}, answer ${answer + 1}`;
  $("names").replaceChildren(...stages.map((stage) => el("span", {}, stage.name)));
  $("viewer").showModal();
  stopViewer = await maquetteViewer.show($("viewer").querySelector("canvas"), glbs);
}
$("viewer").addEventListener("close", () => {
  if (stopViewer) stopViewer();
  $("viewer").querySelector("canvas").replaceWith(document.createElement("canvas"));
});

async function list() {
  const makings = await call("/api/makings").catch(() => []);
  $("before").replaceChildren(...(makings.length ? makings.map((making) => {
    const stage = making.stages[making.stages.length - 1], best = making.order.length ? making.order[0] : 0, answer = stage && stage.answers[best];
    const image = answer && !answer.failed ? el("img", { src: fileOf(making, answer.stem, "webp"), alt: "", loading: "lazy" }) : el("div", { className: "none" }, making.state === "done" ? "–" : making.state);
    const button = el("button", { onclick: () => show(making.id) }, image, el("span", {}, el("b", {}, making.request.text), el("small", {}, making.request.model)));
    if (making.id === shownId) button.setAttribute("aria-current", "true");
    return button;
  }) : [el("p", { className: "empty" }, "Nothing yet.")]));
  if (!shownId && makings.length) show(makings[0].id);
}

// ---- scoring
$("judge").addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = $("mesh").files[0];
  $("unread").textContent = "";
  $("verdict").replaceChildren(el("p", { className: "waits" }, "judging …"));
  try {
    const headers = { "content-type": "application/octet-stream", "x-file-name": encodeURIComponent(file.name) };
    const rewards = await call("/api/score?prompt=" + encodeURIComponent($("meant").value), { method: "POST", headers, body: file });
    $("verdict").replaceChildren(el("dl", {}, ...Object.entries(rewards).flatMap(([name, value]) => [el("dt", {}, plain(name)), el("dd", {}, figure(value))])));
  } catch (error) { $("verdict").replaceChildren(); $("unread").textContent = error.message; }
});

// ---- trainings
let drawnRun = "";
async function training() {
  const run = await call("/api/trainings/" + runName.split("/").map(encodeURIComponent).join("/")).catch(() => null);
  const state = JSON.stringify(run);
  if (!run || run.name !== runName || state === drawnRun) return;
  drawnRun = state;
  const place = el("div"), path = run.name.split("/").map(encodeURIComponent).join("/");
  curveGroups(place, run.groups, [{ name: run.name, curves: run.curves, color: color(1) }]);
  const samples = run.samples.flatMap((name) => [el("h3", {}, name.replace(/\.png$/, "")), el("img", { src: `/samples/${path}/${encodeURIComponent(name)}`, alt: `Views of ${name}`, loading: "lazy" })]);
  $("run").replaceChildren(el("h3", {}, run.name), place, ...samples);
}
setInterval(() => { if (!document.hidden && location.hash === "#trainings") { offers(); if (runName) training(); } }, RUNS);

enter();
list();
