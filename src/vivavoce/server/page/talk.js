// A plain Realtime client: events of the API over a WebSocket, sound through two AudioWorklets (worklet.js).
const RATE = 24000;
const VAD = { type: "server_vad" };
const TOOLS = {
  get_time: [{}, "Tells the current time and date.", () => ({ time: new Date().toTimeString().slice(0, 5), date: new Date().toDateString() })],
  roll_dice: [{ count: { type: "integer", minimum: 1, maximum: 20, description: "How many dice; 1 if not said." } },
    "Rolls dice and tells what came up.", ({ count = 1 }) => {
      const rolled = Array.from({ length: Math.min(20, Math.max(1, count)) }, () => 1 + Math.floor(Math.random() * 6));
      return { rolled, total: rolled.reduce((a, b) => a + b, 0) };
    }],
};
const $ = (id) => document.getElementById(id);
const rows = new Map(), words = new Map(), running = new Set(), dropped = new Set();
let socket, session, player, context, track, chunks = 0, askedAt = null;
let mode = "off"; // off | open | muted | hold (push to talk, silent) | held (push to talk, speaking)

const send = (event) => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify(event));
const notice = (text = "") => { $("notice").textContent = text; };
const state = (name, text = name) => { $("state").dataset.state = name; $("state").textContent = text; };

async function connect() {
  state("connecting");
  const key = sessionStorage.getItem("vivavoce-key");
  const reply = await fetch("/v1/models", key ? { headers: { Authorization: `Bearer ${key}` } } : {}).catch(() => null);
  $("key-form").hidden = reply?.status !== 401;
  if (reply?.status === 401) return state("closed", key ? "the key was refused" : "needs a key");
  const protocols = key ? ["realtime", `openai-insecure-api-key.${key}`] : ["realtime"];
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/realtime?model=gpt-realtime-2`, protocols);
  socket.onmessage = ({ data }) => { const event = JSON.parse(data); on[event.type]?.(event); };
  socket.onclose = ({ reason }) => {
    state("closed", "not connected");
    notice(`${reason || "The server does not answer."} Speaking or typing connects again.`);
    socket = undefined; running.clear(); player?.port.postMessage({ stop: true });
  };
  return new Promise((done) => { socket.addEventListener("open", done); socket.addEventListener("close", done); });
}

const on = {
  "session.created": (event) => {
    session = event.session;
    const { stt, llm, tts } = session.vivavoce ?? {};
    $("answers").textContent = stt ? `hears: ${stt} · thinks: ${llm} · speaks: ${tts}` : session.model;
    state("connected"); notice();
    const tools = Object.entries(TOOLS).map(([name, [properties, description]]) =>
      ({ type: "function", name, description, parameters: { type: "object", properties, required: [] } }));
    const input = { transcription: { model: "gpt-4o-mini-transcribe" }, turn_detection: mode.startsWith("h") ? null : VAD };
    send({ type: "session.update", session: { type: "realtime", tools, audio: { input } } });
  },
  "session.updated": (event) => { session = event.session; },
  "input_audio_buffer.speech_started": ({ item_id }) => { stopPlaying(); row(item_id, "you", "...").classList.add("live"); },
  "input_audio_buffer.speech_stopped": () => {
    askedAt = performance.now() - (session.audio.input.turn_detection?.silence_duration_ms ?? 0);
  },
  "input_audio_buffer.committed": ({ item_id }) => { row(item_id, "you", "..."); },
  "conversation.item.input_audio_transcription.completed": ({ item_id, transcript }) => {
    row(item_id, "you", transcript.trim() || "(not understood)").classList.remove("live");
  },
  "response.created": ({ response }) => { running.add(response.id); },
  "response.output_audio_transcript.delta": (event) => addWords(event),
  "response.output_text.delta": (event) => addWords(event),
  "response.output_audio.delta": ({ response_id, item_id, content_index, delta }) => {
    if (dropped.has(response_id) || !player) return;
    const pcm = new Int16Array(Uint8Array.from(atob(delta), (char) => char.charCodeAt(0)).buffer);
    player.port.postMessage({ take: { id: item_id, index: content_index, pcm } });
  },
  "response.output_audio.done": ({ item_id }) => { player?.port.postMessage({ complete: item_id }); },
  "response.done": ({ response }) => {
    running.delete(response.id);
    for (const { id } of response.output) player?.port.postMessage({ complete: id });
    if (response.status === "failed") notice(`The answer failed: ${response.status_details?.error?.message ?? "no reason given"}`);
    const calls = response.status === "completed" ? response.output.filter(({ type }) => type === "function_call") : [];
    calls.forEach(runTool);
    if (calls.length) send({ type: "response.create" });
  },
  "conversation.item.truncated": ({ item_id }) => { send({ type: "conversation.item.retrieve", item_id }); },
  "conversation.item.retrieved": ({ item }) => {
    const said = words.get(item.id) ?? "", kept = item.content.map((part) => part.transcript ?? "").join("").trimEnd();
    if (!said.startsWith(kept) || kept.length >= said.trimEnd().length) return;
    const lost = Object.assign(document.createElement("s"), { textContent: said.slice(kept.length), title: "not heard" });
    row(item.id, "agent", kept).querySelector("p").append(lost);
  },
  error: ({ error }) => { if (error.code !== "response_cancel_not_active") notice(error.message); },
};

function row(id, who, text) {
  if (!rows.has(id)) {
    $("welcome")?.remove();
    const made = document.createElement("article");
    made.className = who;
    made.innerHTML = "<h2></h2><p></p><small></small>";
    made.querySelector("h2").textContent = { you: "You", agent: "Agent", tool: "Tool" }[who];
    $("log").append(made); rows.set(id, made);
  }
  if (text !== undefined && !(text === "..." && rows.get(id).textContent.length > 3)) rows.get(id).querySelector("p").textContent = text;
  $("log").scrollTop = $("log").scrollHeight;
  return rows.get(id);
}
function addWords({ response_id, item_id, delta }) {
  if (dropped.has(response_id)) return;
  words.set(item_id, (words.get(item_id) ?? "") + delta);
  row(item_id, "agent", words.get(item_id));
}
function runTool({ call_id, name, arguments: given }) {
  let output;
  try { output = TOOLS[name][2](JSON.parse(given || "{}")); } catch (error) { output = { error: String(error) }; }
  row(call_id, "tool", `${name}(${given === "{}" ? "" : given})`).querySelector("small").textContent = JSON.stringify(output);
  send({ type: "conversation.item.create", item: { type: "function_call_output", call_id, output: JSON.stringify(output) } });
}
function stopPlaying() {
  running.forEach((id) => dropped.add(id));
  player?.port.postMessage({ stop: true });
}
function interrupt() {
  running.forEach((response_id) => send({ type: "response.cancel", response_id }));
  stopPlaying();
}
function fromPlayer({ data: { started, cut = [] } }) {
  if (started && askedAt !== null) {
    const heard = performance.now() - askedAt + 1000 * (context.outputLatency || 0);
    const shown = row(started, "agent").querySelector("small");
    [shown.textContent, shown.title, askedAt] = [`${Math.round(heard)} ms`, "from the end of your turn to the first sound", null];
  }
  for (const { id, index, played } of cut)
    send({ type: "conversation.item.truncate", item_id: id, content_index: index, audio_end_ms: Math.floor(played / RATE * 1000) });
}

async function ready() { // called from a click or a key, because browsers let no page sound before one
  if (!player) {
    context = new AudioContext({ sampleRate: RATE });
    await context.audioWorklet.addModule("/page/worklet.js");
    player = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    player.port.onmessage = fromPlayer;
    player.connect(context.destination);
  }
  await context.resume();
  if (socket?.readyState !== WebSocket.OPEN) await connect();
}
async function openMicrophone() {
  if (track) return;
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const attach = (to) => {
    const capture = new AudioWorkletNode(to, "capture", { numberOfOutputs: 0 });
    to.createMediaStreamSource(stream).connect(capture);
    capture.port.onmessage = ({ data }) => hear(data);
  };
  try { attach(context); } catch { // some browsers want the microphone at its own rate
    const own = new AudioContext();
    await own.audioWorklet.addModule("/page/worklet.js");
    attach(own);
  }
  [track] = stream.getAudioTracks();
}
function hear(pcm) {
  const loudest = new Int16Array(pcm).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  $("mic").style.setProperty("--level", mode === "open" || mode === "held" ? Math.sqrt(loudest / 32768).toFixed(2) : 0);
  if (mode === "hold") return;
  chunks += 1;
  send({ type: "input_audio_buffer.append", audio: btoa(String.fromCharCode(...new Uint8Array(pcm))) });
}
async function setMode(next) {
  try { await ready(); await openMicrophone(); } catch (error) { return notice(`No microphone (${error.message}). Typing works.`); }
  if (mode.startsWith("h") !== next.startsWith("h")) {
    send({ type: "session.update", session: { type: "realtime", audio: { input: { turn_detection: next.startsWith("h") ? null : VAD } } } });
  }
  mode = next;
  track.enabled = mode !== "muted"; // a muted track gives silence, which lets the turn end
  const label = { open: "Mute", muted: "Unmute", hold: "Hold to talk", held: "Release to send" }[mode];
  Object.assign($("mic"), { ariaPressed: String(mode === "open" || mode === "held"), ariaLabel: label, title: label });
  $("mic").dataset.mode = mode; $("hold").ariaPressed = String(mode.startsWith("h"));
}
async function press() {
  await setMode("held");
  interrupt(); chunks = 0;
  send({ type: "input_audio_buffer.clear" });
}
async function release() {
  if (mode !== "held") return;
  await setMode("hold");
  if (!chunks) return;
  send({ type: "input_audio_buffer.commit" });
  ask();
}
function ask() { askedAt = performance.now(); send({ type: "response.create" }); }
async function say(text) {
  await ready();
  interrupt();
  row(`typed ${performance.now()}`, "you", text);
  send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text }] } });
  ask();
}

$("mic").onclick = () => { if (!mode.startsWith("h")) setMode(mode === "open" ? "muted" : "open"); };
$("mic").onpointerdown = () => { if (mode === "hold") press(); };
$("mic").onpointerup = $("mic").onpointerleave = release;
$("hold").onclick = () => setMode(mode.startsWith("h") ? "open" : "hold");
document.querySelectorAll("[data-say]").forEach((button) => { button.onclick = () => say(button.textContent); });
$("typing").onsubmit = (event) => {
  event.preventDefault();
  if ($("text").value.trim()) say($("text").value.trim());
  $("text").value = "";
};
$("key-form").onsubmit = (event) => { event.preventDefault(); sessionStorage.setItem("vivavoce-key", $("key").value.trim()); connect(); };
const isSpace = (event) => event.code === "Space" && !event.target.closest("input, button");
addEventListener("keydown", (event) => { if (isSpace(event)) { event.preventDefault(); if (!event.repeat) press(); } });
addEventListener("keyup", (event) => { if (event.code === "Space") release(); });
addEventListener("blur", release);
connect();
