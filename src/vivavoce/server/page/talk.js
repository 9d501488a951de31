// A plain Realtime client: the API's events over a WebSocket, sound through two AudioWorklets (worklet.js).
const TOOLS = {
  get_time: ["Tell the time and date.", {},
    () => ({ time: new Date().toTimeString().slice(0, 5), date: new Date().toLocaleDateString("en", { dateStyle: "full" }) })],
  roll_dice: ["Roll dice.", { count: { type: "integer", description: "How many dice, 1 to 20; 1 if not said." } },
    ({ count }) => ({ rolled: Array.from({ length: Math.min(20, count || 1) }, () => 1 + Math.floor(Math.random() * 6)) })],
};
const $ = (id) => document.getElementById(id);
const rows = new Map(), words = new Map(), running = new Set(), dropped = new Set();
let socket, connecting, session, context, player, track, askedAt = null, pressed = false, chunks = 0, rounds = 0;
let mode = "off"; // off | open | muted | hold (push to talk, waiting) | held (push to talk, speaking)
const pushes = (which) => which.startsWith("h");
const detection = (which) => (pushes(which) ? null : { type: "server_vad" });
const send = (event) => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(event)); };
const update = (fields) => send({ type: "session.update", session: { type: "realtime", ...fields } });
const play = (message) => player?.port.postMessage(message);
const show = (id, text) => { $(id).textContent = text; };

async function connect() {
  show("state", "connecting");
  const key = sessionStorage.getItem("vivavoce-key"); // a browser cannot see a refused handshake's status, so ask first
  const reply = await fetch("/v1/models", { headers: key ? { Authorization: `Bearer ${key}` } : {} }).catch(() => null);
  $("key-form").hidden = reply?.status !== 401;
  if (reply?.status === 401) return show("state", key ? "the key was refused" : "needs a key");
  const protocols = key ? ["realtime", `openai-insecure-api-key.${key}`] : ["realtime"];
  socket = new WebSocket(`${location.origin.replace("http", "ws")}/v1/realtime?model=gpt-realtime-2`, protocols);
  socket.onmessage = ({ data }) => { const event = JSON.parse(data); on[event.type]?.(event); };
  socket.onclose = ({ reason }) => {
    show("state", "not connected"); $("state").className = "";
    show("notice", `${(reason || "The server cannot be reached").replace(/^t/, "T")}. Speaking or typing connects again.`);
    play({ stop: true }); running.clear(); connecting = undefined;
  };
  await new Promise((done) => { socket.addEventListener("message", done); socket.addEventListener("close", done); });
}
const on = {
  "session.created"(event) {
    const { stt, llm, tts } = event.session.vivavoce ?? {};
    show("answers", stt ? `hears: ${stt} · thinks: ${llm} · speaks: ${tts}` : event.session.model);
    const tools = Object.entries(TOOLS).map(([name, [description, properties]]) =>
      ({ type: "function", name, description, parameters: { type: "object", properties, required: [] } }));
    update({ tools, audio: { input: { transcription: { model: "gpt-4o-mini-transcribe" }, turn_detection: detection(mode) } } });
    show("state", "connected"); show("notice", ""); $("state").className = "connected";
  },
  "session.updated"(event) { ({ session } = event); },
  "input_audio_buffer.speech_started"({ item_id }) { stopPlaying(); hearing(item_id); },
  "input_audio_buffer.speech_stopped"() { asked(session.audio.input.turn_detection?.silence_duration_ms ?? 0); },
  "input_audio_buffer.committed"({ item_id }) { hearing(item_id); },
  "conversation.item.input_audio_transcription.completed"({ item_id, transcript }) {
    row(item_id, "you", transcript.trim() || "(not understood)").classList.remove("live");
  },
  "response.created"({ response }) { running.add(response.id); },
  "response.output_audio_transcript.delta"({ response_id, item_id, delta }) {
    words.set(item_id, (words.get(item_id) ?? "") + delta);
    if (!dropped.has(response_id)) row(item_id, "agent", words.get(item_id));
  },
  "response.output_audio.delta"({ response_id, item_id: id, content_index: index, delta }) {
    const pcm = new Int16Array(Uint8Array.from(atob(delta), (char) => char.charCodeAt(0)).buffer);
    if (!dropped.has(response_id)) play({ take: { id, index, pcm } });
  },
  "response.output_audio.done"({ item_id }) { play({ complete: item_id }); },
  "response.done"({ response: { id, status, status_details, output } }) {
    running.delete(id);
    for (const item of output) play({ complete: item.id });
    if (status === "failed") show("notice", `The answer failed: ${status_details?.error?.message ?? "no reason was given"}`);
    const calls = status === "completed" ? output.filter(({ type }) => type === "function_call") : [];
    calls.forEach(runTool); if (calls.length && ++rounds <= 10) send({ type: "response.create" });
  },
  "conversation.item.truncated"({ item_id }) { send({ type: "conversation.item.retrieve", item_id }); },
  "conversation.item.retrieved"({ item }) { // what the server will remember of it; the rest was not heard
    const said = words.get(item.id) ?? "", kept = item.content.map((part) => part.transcript ?? "").join("").trimEnd();
    const [, gap, textContent] = said.slice(kept.length).match(/^(\s*)(.*)$/s);
    const lost = Object.assign(document.createElement("s"), { textContent, title: "not heard" });
    if (said.startsWith(kept) && textContent) row(item.id, "agent", kept + gap).querySelector("p").append(lost);
  },
  error({ error }) { if (error.code !== "response_cancel_not_active") show("notice", error.message); },
};
function row(id, who, text) {
  if (!rows.has(id)) {
    $("welcome")?.remove();
    rows.set(id, $("log").appendChild(Object.assign(document.createElement("article"), { className: who })));
    rows.get(id).innerHTML = `<h2>${{ you: "You", agent: "Agent", tool: "Tool" }[who]}</h2><p></p><small></small>`;
  }
  if (text !== undefined) rows.get(id).querySelector("p").textContent = text;
  $("log").scrollTop = $("log").scrollHeight;
  return rows.get(id);
}
function hearing(id) { if (!rows.has(id)) row(id, "you", "...").classList.add("live"); }
function runTool({ call_id, name, arguments: given }) {
  let output;
  try { output = JSON.stringify(TOOLS[name][2](JSON.parse(given || "{}"))); } catch (error) { output = JSON.stringify({ error: String(error) }); }
  row(call_id, "tool", `${name}(${given === "{}" ? "" : given})`).querySelector("small").textContent = output;
  send({ type: "conversation.item.create", item: { type: "function_call_output", call_id, output } });
}
function stopPlaying() { running.forEach((id) => dropped.add(id)); play({ stop: true }); }
function interrupt() { running.forEach((response_id) => send({ type: "response.cancel", response_id })); stopPlaying(); }
function asked(beforeMs = 0) { askedAt = performance.now() - beforeMs; rounds = 0; }
function fromPlayer({ data: { started, cut = [] } }) {
  if (started && askedAt !== null) {
    const textContent = `${Math.round(performance.now() - askedAt + 1000 * (context.outputLatency || 0))} ms`; askedAt = null;
    Object.assign(row(started, "agent").querySelector("small"), { textContent, title: "from the end of your turn to the first sound" });
  }
  for (const { id, index, played } of cut)
    send({ type: "conversation.item.truncate", item_id: id, content_index: index, audio_end_ms: Math.floor(played / 24) });
}
async function ready() { // from a click or a key only: before one, browsers let no page sound
  context ??= new AudioContext({ sampleRate: 24000 });
  await (connecting ??= connect());
  if (socket?.readyState !== WebSocket.OPEN) return false;
  if (!player) {
    await context.audioWorklet.addModule("/page/worklet.js");
    player = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    player.port.onmessage = fromPlayer;
    player.connect(context.destination);
  }
  await context.resume();
  return true;
}
async function openMicrophone() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 } });
  const attach = (to) => {
    const capture = new AudioWorkletNode(to, "capture", { numberOfOutputs: 0 });
    to.createMediaStreamSource(stream).connect(capture);
    capture.port.onmessage = ({ data }) => hear(new Uint8Array(data), new Int16Array(data));
  };
  try { attach(context); } catch { // some browsers want the microphone at its own rate
    const own = new AudioContext();
    await own.audioWorklet.addModule("/page/worklet.js");
    attach(own);
  }
  return stream.getAudioTracks()[0];
}
function hear(bytes, samples) {
  const loudest = mode === "hold" ? 0 : samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  $("mic").style.setProperty("--level", Math.sqrt(loudest / 32768).toFixed(2));
  if (mode !== "hold" && ++chunks) send({ type: "input_audio_buffer.append", audio: btoa(String.fromCharCode(...bytes)) });
}
async function become(next) {
  try { if (!await ready()) return; track ??= await openMicrophone(); } catch ({ message }) { show("notice", `No microphone (${message}). Typing works.`); }
  if (!track) return;
  if (pushes(mode) !== pushes(next)) update({ audio: { input: { turn_detection: detection(next) } } });
  mode = next; track.enabled = mode !== "muted"; // a muted track gives silence, in which the turn can end
  $("mic").title = $("mic").ariaLabel = { open: "Mute", muted: "Unmute", hold: "Hold to talk", held: "Release to send" }[mode];
  $("mic").dataset.mode = mode; $("hold").ariaPressed = String(pushes(mode));
}
async function press() {
  pressed = true;
  await become("held");
  interrupt(); send({ type: "input_audio_buffer.clear" }); chunks = 0;
  if (!pressed) become("hold"); // let go while the browser still asked for permission
}
async function release() {
  pressed = false;
  if (mode !== "held") return;
  await become(mode = "hold");
  if (chunks) { send({ type: "input_audio_buffer.commit" }); asked(); send({ type: "response.create" }); }
}
async function say(text) {
  if (!await ready()) return;
  interrupt();
  row(`typed ${performance.now()}`, "you", text);
  send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text }] } });
  asked(); send({ type: "response.create" });
}
$("mic").onclick = () => { if (!pushes(mode)) become(mode === "open" ? "muted" : "open"); };
$("mic").onpointerdown = () => { if (mode === "hold") press(); };
$("mic").onpointerup = $("mic").onpointerleave = onblur = release;
$("hold").onclick = () => become(pushes(mode) ? "open" : "hold");
for (const thing of document.querySelectorAll(".things button")) thing.onclick = () => say(thing.textContent);
$("typing").onsubmit = (event) => { event.preventDefault(); if ($("text").value.trim()) say($("text").value.trim()); event.target.reset(); };
$("key-form").onsubmit = (event) => { event.preventDefault(); sessionStorage.setItem("vivavoce-key", $("key").value); connecting = connect(); };
onclick = (event) => { if (event.detail) event.target.closest("button")?.blur(); }; // a clicked button must not keep the space key
onkeydown = (event) => {
  if (event.code === "Space" && !event.target.closest("input, button")) { event.preventDefault(); if (!event.repeat) press(); }
};
onkeyup = (event) => { if (event.code === "Space") release(); };
connecting = connect();
