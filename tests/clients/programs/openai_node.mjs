// The openai package: its realtime socket (which dials nothing but TLS), its REST resources.
import fs from "node:fs";
import { on } from "node:events";
import OpenAI from "openai";
import { OpenAIRealtimeWS as BetaRealtimeWS } from "openai/beta/realtime/ws";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import WebSocket from "ws";
import { ORDER, ORDER_TOOL, check, main } from "./common.mjs";
import { casesFor } from "./conversation.mjs";

async function* unwrapped(events) {
  for await (const [event] of events) yield event;
}

const target = (query) => {
  const parameters = new URLSearchParams(query);
  return parameters.has("intent") ? { intent: parameters.get("intent") } : { model: parameters.get("model") };
};

async function dialled(realtime, opened) {
  realtime.on("error", (error) => check(false, `no error, but ${error.message}`));
  const events = on(realtime, "event");
  await new Promise((resolve) => opened(realtime.socket, resolve));
  return { send: (event) => realtime.send(event), events: unwrapped(events) };
}

const dial = (query, { beta = false } = {}) => {
  const Realtime = beta ? BetaRealtimeWS : OpenAIRealtimeWS;
  return dialled(new Realtime(target(query), new OpenAI()), (socket, resolve) => socket.once("open", resolve));
};

// Node has a WebSocket of its own from 22 on; that of ws is called the same way.
globalThis.WebSocket ??= WebSocket;

/** The class for browsers, over the platform's WebSocket: its key goes in a sub-protocol. */
const dialNative = (query) =>
  dialled(
    new OpenAIRealtimeWebSocket({ ...target(query), dangerouslyAllowBrowser: true }, new OpenAI()),
    (socket, resolve) => socket.addEventListener("open", resolve),
  );

async function rest() {
  const client = new OpenAI();
  const speech = await client.audio.speech.create({
    model: "gpt-4o-mini-tts",
    voice: "alloy",
    input: "Good morning.",
    response_format: "wav",
  });
  const sound = Buffer.from(await speech.arrayBuffer());
  check(sound.toString("latin1", 0, 4) === "RIFF" && sound.length > 20_000, "a WAV");
  const file = fs.createReadStream(process.env.QUESTION_WAV);
  const heard = await client.audio.transcriptions.create({ model: "gpt-4o-transcribe", file });
  check(heard.text.trim(), "words");
  const asked = await client.responses.create({ model: "gpt-5", input: ORDER, tools: [ORDER_TOOL] });
  const call = asked.output.find((item) => item.type === "function_call");
  check(call && JSON.parse(call.arguments).order_id === "A1001", "a call with the id");
  const said = await client.chat.completions.create({
    model: "gpt-5",
    messages: [{ role: "user", content: "Hello!" }],
  });
  check(said.choices[0].message.content, "an answer");
}

const { text, audio, tool, parallel, interruption, transcription, beta_parallel } = casesFor(dial);
const native_tool = casesFor(dialNative).tool;
await main({ text, audio, tool, parallel, interruption, transcription, beta_parallel, native_tool, rest });
