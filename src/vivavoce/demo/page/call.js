"use strict";

const { recording, events, levels } = JSON.parse(document.getElementById("call").textContent);
const total = recording.duration_ms;
const $ = (id) => document.getElementById(id);

/* An element with a class, properties and children; text is always set as text. */
function el(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}.${Math.floor(ms / 100) % 10}`;
const share = (ms, whole) => `${Math.max(0, Math.min(100, (ms / whole) * 100)).toFixed(3)}%`;
const seconds = (ms) => (ms < 10000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);

/* --- sound ---------------------------------------------------------------------------------------------------------------- */

const bytes = Uint8Array.from(atob($("sound").textContent), (letter) => letter.charCodeAt(0));
const audio = new Audio(URL.createObjectURL(new Blob([bytes], { type: "audio/flac" })));
audio.preload = "auto";
const position = () => audio.currentTime * 1000;

function seek(ms) {
  audio.currentTime = Math.max(0, Math.min(total - 1, ms)) / 1000;
  show();
}
function toggle() {
  if (audio.paused) audio.play(); else audio.pause();
}
function state() {
  const playing = !audio.paused;
  $("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  $("play-shape").setAttribute("d", playing ? "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z" : "M8 5.5v13l11-6.5z");
  if (playing) requestAnimationFrame(run);
}
function run() {
  show();
  if (!audio.paused) requestAnimationFrame(run);
}
for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, state);
audio.addEventListener("seeked", show);
$("play").addEventListener("click", toggle);
$("rate").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });

/* --- top ------------------------------------------------------------------------------------------------------------------- */

function fillTop() {
  const names = recording.answering;
  const alone = names.llm && names.llm === names.stt && names.llm === names.tts;
  $("answering").textContent = alone ? names.llm : [
    names.stt && `hears with ${names.stt}`, names.llm && `thinks with ${names.llm}`, names.tts && `speaks with ${names.tts}`,
  ].filter(Boolean).join(", ") || names.engine;
  const passed = recording.checks.filter((check) => check.passed).length;
  const wait = recording.voice_to_voice_p50_ms;
  figure("answered", `${passed}`, ` of ${recording.checks.length}`, passed < recording.checks.length);
  figure("voice to voice, median", wait === null ? "–" : `${wait}`, " ms");
  figure("tool calls", `${recording.tools.length}`);
  figure("interruptions", `${recording.truncations.length}`);
  figure("length", clock(total).replace(/\.\d$/, ""));
  $("length").textContent = `of ${clock(total)}`;
  $("version").textContent = `vivavoce ${recording.version}${recording.seed === null ? "" : `, seed ${recording.seed}`}`;
}
function figure(name, value, unit = "", bad = false) {
  const dd = el("dd", "", value);
  if (unit) dd.append(el("small", "", unit));
  $("figures").append(el("div", bad ? "bad" : "", el("dt", "", name), dd));
}

/* --- transcript ------------------------------------------------------------------------------------------------------------- */

const words = [];
const entries = [
  ...recording.turns.map((turn) => ({ from: turn.start_ms, to: turn.end_ms, turn })),
  ...toolGroups().map((tools) => ({ from: tools[0].called_ms, to: Math.max(...tools.map((tool) => tool.answered_ms ?? total)), tools })),
  ...silences(),
].sort((a, b) => a.from - b.from);

/* Calls of one response belong together: they were made at once. */
function toolGroups() {
  const groups = new Map();
  for (const tool of recording.tools) groups.set(tool.response_id, [...(groups.get(tool.response_id) || []), tool]);
  return [...groups.values()];
}
/* Where the caller spoke and rightly heard nothing. */
function silences() {
  const callers = recording.turns.filter((turn) => turn.role === "caller");
  return recording.latencies
    .filter((latency) => latency.voice_to_voice_ms === null && latency.responses.length)
    .map((latency) => {
      const next = callers.find((turn) => turn.start_ms > latency.speech_end_ms);
      return { from: latency.speech_end_ms, to: next ? next.start_ms : total, silent: true };
    });
}
function fillTranscript() {
  for (const entry of entries) {
    entry.node = entry.turn ? turnNode(entry) : entry.tools ? toolsNode(entry.tools) : silentNode(entry);
    $("turns").append(entry.node);
  }
}
function silentNode(entry) {
  return el("li", "quiet", el("span", ""), el("p", "", `The agent listens and says nothing, ${seconds(entry.to - entry.from)}`));
}
function toolsNode(tools) {
  const when = el("button", "when", clock(tools[0].called_ms));
  when.type = "button";
  when.setAttribute("aria-label", `Play from ${clock(tools[0].called_ms)}, ${tools.length > 1 ? "tools" : "tool"}`);
  when.addEventListener("click", () => seek(tools[0].called_ms));
  const cards = el("div", `cards${tools.length > 1 ? " several" : ""}`, ...tools.map(cardNode));
  if (tools.length > 1) cards.prepend(el("p", "together", `${tools.length} tools at once, answered in the order they were done`));
  return el("li", "tool", when, cards);
}
function turnNode({ turn }) {
  const when = el("button", "when", clock(turn.start_ms));
  when.type = "button";
  when.setAttribute("aria-label", `Play from ${clock(turn.start_ms)}, ${turn.role}`);
  const who = el("p", "who", turn.role === "caller" ? "Caller" : "Agent");
  if (turn.kind === "preamble") who.append(el("em", "", "preamble"));
  const body = el("div", "body", who, wordsNode(turn));
  if (turn.role === "caller") {
    const same = plain(turn.understood || "") === plain(turn.text);
    const heard = turn.understood === null ? "not transcribed" : turn.understood === "" ? "nothing recognised" : `understood: ${turn.understood}`;
    if (!same) body.append(el("p", "understood", heard));
  }
  const node = el("li", `turn ${turn.role} ${turn.kind}${turn.cut ? " cut" : ""}`, when, body);
  node.addEventListener("click", (event) => {
    if (String(getSelection())) return;
    const word = words.find((one) => one.node === event.target);
    seek(word ? word.from : turn.start_ms);
  });
  return node;
}
const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, " ").trim();

function wordsNode(turn) {
  const line = el("p", "words");
  const lost = turn.words.filter((word) => !word.heard);
  for (const word of turn.words.filter((one) => one.heard)) {
    const node = el("span", "", word.text);
    words.push({ from: word.start_ms, to: word.end_ms, node });
    line.append(node, " ");
  }
  if (turn.cut) {
    const told = recording.truncations.find((one) => one.item_id === turn.item_id);
    line.append(el("span", "cutmark", told ? `cut here, ${seconds(told.heard_ms)} heard` : "cut here"));
    if (lost.length) line.append(" ", el("s", "", lost.map((word) => word.text).join(" ")));
  }
  return line;
}
function cardNode(tool) {
  const given = Object.entries(tool.arguments).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ");
  const took = tool.answered_ms === null ? "no answer" : `${tool.answered_ms - tool.called_ms} ms`;
  const call = el("code", "", el("span", "name", tool.name), `(${given})`);
  return el("div", "card", el("header", "", call, el("span", "took", took)), el("p", "result", tool.result || "–"), el("p", "id", tool.call_id));
}

/* --- results ------------------------------------------------------------------------------------------------------------------ */

const NS = "http:/" + "/www.w3.org/2000/svg";
function icon(path) {
  const svg = document.createElementNS(NS, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" })) svg.setAttribute(key, value);
  const shape = document.createElementNS(NS, "path");
  for (const [key, value] of Object.entries({ d: path, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round" })) shape.setAttribute(key, value);
  svg.append(shape);
  return svg;
}
function fillChecks() {
  for (const check of recording.checks) {
    const mark = icon(check.passed ? "M3 8.5l3.2 3.2L13 5" : "M4 4l8 8M12 4l-8 8");
    const name = el("span", "", check.name.charAt(0).toUpperCase() + check.name.slice(1), el("span", "hidden", check.passed ? ", answered" : ", not answered"));
    const text = el("div", "", name, el("p", "", check.found));
    text.lastChild.title = check.found;
    $("checks").append(el("li", check.passed ? "passed" : "failed", mark, text));
  }
}

const STAGES = [
  ["vad_stop", "silence window", "--window"],
  ["stt_final", "recognising", "--recognise"],
  ["llm_first_token", "thinking", "--think"],
  ["first_audio", "first speech", "--voice"],
  ["heard", "to the caller's ear", "--wire"],
];
function fillWaits() {
  for (const [, label, colour] of STAGES) $("legend").append(legend(label, `background: var(${colour})`));
  const longest = Math.max(500, ...recording.latencies.map((one) => one.voice_to_voice_ms ?? 0));
  const scale = Math.ceil(longest / 250) * 250;
  for (const latency of recording.latencies) $("falls").append(waitNode(latency, scale));
  $("falls").append(axisNode(scale, 250));
  const late = recording.latencies.filter((one) => one.answer_ms !== null && one.answer_ms !== one.voice_to_voice_ms);
  $("tooled").hidden = !late.length;
  const last = Math.ceil(Math.max(1000, ...late.map((one) => one.answer_ms)) / 1000) * 1000;
  for (const latency of late) $("spanned").append(tooledNode(latency, last));
  $("spanned").append(axisNode(last, 1000));
}
function legend(label, style) {
  const swatch = el("i");
  swatch.style.cssText = style;
  return el("li", "", swatch, label);
}
function rowOf(latency, value, ...bars) {
  const turn = recording.turns.find((one) => one.role === "caller" && one.end_ms === latency.speech_end_ms);
  const node = el("li", "", el("div", "label", el("span", "", turn ? turn.text : latency.line), value), ...bars);
  node.addEventListener("click", () => seek(latency.speech_end_ms - 400));
  return node;
}
function waitNode(latency, scale) {
  if (latency.voice_to_voice_ms === null) return rowOf(latency, el("b", "silent", "silent"));
  const bar = el("div", "bar");
  const first = recording.responses.find((one) => one.response_id === latency.responses[0]);
  const reached = { ...(first ? first.stages : {}), heard: latency.voice_to_voice_ms };
  let from = 0;
  for (const [stage, label, colour] of STAGES) {
    if (reached[stage] === undefined) continue;
    const to = Math.max(from, reached[stage]);
    const early = reached[stage] < from ? ", ready before the turn was over" : "";
    bar.append(piece(from, to, scale, `background: var(${colour})`, `${label}: ${to - from} ms${early}`));
    from = to;
  }
  return rowOf(latency, el("b", "", `${latency.voice_to_voice_ms} ms`), bar);
}
/* What was heard and done until the answer began, where tools had to be asked first. */
function tooledNode(latency, scale) {
  const since = latency.speech_end_ms;
  const bar = el("div", "bar");
  for (const turn of recording.turns.filter((one) => one.kind === "preamble" && latency.responses.includes(one.response_id))) {
    bar.append(piece(turn.start_ms - since, turn.end_ms - since, scale, "background: var(--voice)", `preamble: ${turn.text}`));
  }
  const mark = piece(latency.answer_ms, latency.answer_ms, scale, "", `the answer begins after ${latency.answer_ms} ms`);
  mark.className = "mark";
  mark.style.width = "";
  bar.append(mark);
  const under = recording.tools
    .filter((tool) => latency.responses.includes(tool.response_id))
    .map((tool) => {
      const from = tool.called_ms - since;
      const to = (tool.answered_ms ?? total) - since;
      return el("div", "under", piece(from, to, scale, "", `${tool.name}: ${to - from} ms`));
    });
  return rowOf(latency, el("b", "", `${latency.answer_ms} ms`), bar, ...under);
}
function piece(from, to, scale, style, title) {
  const made = el("i");
  made.style.cssText = `left: ${share(from, scale)}; width: ${share(to - from, scale)}; ${style}`;
  made.title = title;
  return made;
}
function axisNode(scale, step) {
  // On a machine that is too slow for the call the labels would stand on top of each other.
  while (scale / step > 8) step *= 2;
  const axis = el("div", "axis");
  for (let at = 0; at <= scale; at += step) {
    const label = el("span", "", `${at}`);
    label.style.left = share(at, scale);
    axis.append(label);
  }
  const node = el("li", "", axis);
  node.setAttribute("aria-hidden", "true");
  return node;
}

/* --- waveform ------------------------------------------------------------------------------------------------------------------- */

const wave = $("wave");
const canvas = $("canvas");
let hover = null;
const full = Math.max(1, ...levels.caller, ...levels.agent);

function draw() {
  const box = wave.getBoundingClientRect();
  const dense = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(box.width));
  const height = Math.round(box.height);
  if (canvas.width !== width * dense || canvas.height !== height * dense) {
    canvas.width = width * dense;
    canvas.height = height * dense;
  }
  const ink = getComputedStyle(document.documentElement);
  const colour = (name) => ink.getPropertyValue(name).trim();
  const paint = canvas.getContext("2d");
  paint.setTransform(dense, 0, 0, dense, 0, 0);
  paint.clearRect(0, 0, width, height);
  const room = (height - 8) / 2;
  const middle = room;
  const played = (position() / total) * width;
  const step = width > 500 ? 3 : 2;
  for (const [side, name, up] of [["caller", "--caller", true], ["agent", "--agent", false]]) {
    paint.fillStyle = colour(name);
    const values = levels[side];
    for (let x = 0; x < width; x += step) {
      const from = Math.floor((x / width) * values.length);
      const to = Math.max(from + 1, Math.floor(((x + step) / width) * values.length));
      let loudest = 0;
      for (let at = from; at < to; at++) loudest = Math.max(loudest, values[at] || 0);
      const size = loudest ? Math.max(1.2, Math.pow(loudest / full, 0.8) * (room - 2)) : 0.75;
      paint.globalAlpha = x < played ? 1 : 0.42;
      paint.fillRect(x, up ? middle - 1 - size : middle + 1, step - 1, size);
    }
  }
  paint.globalAlpha = 1;
  paint.fillStyle = colour("--ink");
  paint.fillRect(Math.min(width - 1.5, played), 0, 1.5, height - 8);
  if (hover !== null) {
    paint.globalAlpha = 0.3;
    paint.fillRect(hover, 0, 1, height - 8);
    paint.globalAlpha = 1;
  }
}
function fillSpans() {
  for (const tool of recording.tools) {
    const span = piece(tool.called_ms, tool.answered_ms ?? total, total, "", `${tool.name}`);
    $("spans").append(span);
  }
  for (const cut of recording.truncations) {
    const mark = el("b");
    mark.style.left = share(cut.at_ms, total);
    $("spans").append(mark);
  }
}
function pointed(event) {
  const box = wave.getBoundingClientRect();
  return ((event.clientX - box.left) / box.width) * total;
}
wave.addEventListener("pointerdown", (event) => { wave.setPointerCapture(event.pointerId); seek(pointed(event)); });
wave.addEventListener("pointermove", (event) => {
  hover = event.clientX - wave.getBoundingClientRect().left;
  if (event.buttons) seek(pointed(event)); else draw();
});
wave.addEventListener("pointerleave", () => { hover = null; draw(); });
new ResizeObserver(draw).observe(wave);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

/* --- following the sound ------------------------------------------------------------------------------------------------------------ */

let current = null;
let speaking = null;

function show() {
  const now = position();
  $("now").textContent = clock(now);
  wave.setAttribute("aria-valuemax", Math.round(total / 1000));
  wave.setAttribute("aria-valuenow", Math.round(now / 1000));
  wave.setAttribute("aria-valuetext", clock(now));
  draw();
  for (const entry of entries) {
    const is = entry.from <= now && now < entry.to;
    entry.node.classList.toggle("current", is);
    if (is && entry.turn) entry.node.setAttribute("aria-current", "true"); else entry.node.removeAttribute("aria-current");
  }
  const word = words.find((one) => one.from <= now && now < one.to) || null;
  if (word !== speaking) {
    speaking?.node.classList.remove("now");
    word?.node.classList.add("now");
    speaking = word;
  }
  follow(entries.findLast((entry) => entry.turn && entry.from <= now && now < entry.to) || null);
}
function follow(entry) {
  if (entry === null || entry === current) return;
  current = entry;
  if (!$("follow").checked || audio.paused) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  entry.node.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

/* --- events --------------------------------------------------------------------------------------------------------------------------- */

const rows = events.map((event) => ({ event, text: JSON.stringify(event).toLowerCase(), node: null }));

function fillTypes() {
  const counts = new Map();
  for (const event of events) counts.set(event.type, (counts.get(event.type) || 0) + event.count);
  for (const [type, count] of [...counts].sort()) {
    const option = el("option", "", `${type} (${count})`);
    option.value = type;
    $("type").append(option);
  }
}
function noteOf({ event, type, count, audio_ms, until_ms }) {
  if (audio_ms) return `${count} events until ${clock(until_ms)}, ${seconds(audio_ms)} of sound`;
  if (type.endsWith(".delta")) return event.delta;
  if (type.includes("function_call_arguments.done")) return `${event.name}(${event.arguments})`;
  if (type.includes("transcription.completed")) return event.transcript;
  if (type === "conversation.item.truncate" || type === "conversation.item.truncated") return `${event.audio_end_ms} ms of ${event.item_id}`;
  if (type === "error") return event.error?.message;
  if (type === "response.done") return [event.response?.status, event.response?.status_details?.reason].filter(Boolean).join(", ");
  if (event.item) return [event.item.type, event.item.role, event.item.name, event.item.output].filter(Boolean).join(" ");
  return event.item_id || event.response_id || event.response?.id || "";
}
function rowNode(row) {
  const { event } = row;
  const cells = [el("span", "t", clock(event.at_ms)), el("span", "d", event.sender === "client" ? "↑" : "↓"), el("code", "", event.type), el("span", "n", noteOf(event) || "")];
  cells[1].title = event.sender === "client" ? "client to server" : "server to client";
  const node = el("details", `${event.sender}${event.type === "error" ? " error" : ""}`, el("summary", "", ...cells));
  node.addEventListener("toggle", () => {
    if (node.open && node.children.length === 1) node.append(el("pre", "", JSON.stringify(event.event, null, 2)));
  });
  return node;
}
function filterRows() {
  const sender = $("sender").value;
  const type = $("type").value;
  const wanted = $("search").value.trim().toLowerCase();
  const shown = rows.filter(({ event, text }) => (!sender || event.sender === sender) && (!type || event.type === type) && (!wanted || text.includes(wanted)));
  for (const row of shown) row.node ??= rowNode(row);
  $("rows").replaceChildren(...(shown.length ? shown.map((row) => row.node) : [el("p", "none", "No event matches.")]));
  $("count").textContent = `${shown.length} of ${rows.length}`;
}
$("filters").addEventListener("input", filterRows);
$("filters").addEventListener("submit", (event) => event.preventDefault());

/* --- keys ------------------------------------------------------------------------------------------------------------------------------- */

const spoken = entries.filter((entry) => entry.turn);
function step(direction) {
  const now = position();
  const place = spoken.findLastIndex((entry) => entry.from <= now + 20);
  const next = spoken[Math.max(0, Math.min(spoken.length - 1, place + direction))];
  seek(next.from);
  next.node.scrollIntoView({ block: "nearest" });
  next.node.querySelector(".when").focus({ preventScroll: true });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input[type=search], select");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const pressing = event.target.closest("button, summary, input");
  const keys = {
    " ": () => toggle(),
    j: () => step(1),
    k: () => step(-1),
    ArrowLeft: () => seek(position() - 3000),
    ArrowRight: () => seek(position() + 3000),
    "/": () => $("search").focus(),
  };
  // A focused button that is not a time keeps its own meaning of space.
  if (!(event.key in keys) || (event.key === " " && pressing && !pressing.matches(".when"))) return;
  event.preventDefault();
  keys[event.key]();
});

fillTop();
fillTranscript();
fillChecks();
fillWaits();
fillSpans();
fillTypes();
filterRows();
show();

/* call.html#38.5 opens the call at 38.5 seconds. */
function openAtHash() {
  const at = Number(location.hash.slice(1));
  if (!(at > 0)) return;
  if (audio.readyState) seek(at * 1000); else audio.addEventListener("loadedmetadata", () => seek(at * 1000), { once: true });
}
addEventListener("hashchange", openAtHash);
openAtHash();
