// The openai package: its realtime socket (which dials nothing but TLS), its REST resources.
import fs from "node:fs";
import { on } from "node:events";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { ORDER, ORDER_TOOL, check, main } from "./common.mjs";
import { casesFor } from "./conversation.mjs";

async function* unwrapped(events) {
  for await (const [event] of events) yield event;
}

async function dial(query) {
  const parameters = new URLSearchParams(query);
  const client = new OpenAI();
  const realtime = new OpenAIRealtimeWS({ model: parameters.get("model") ?? "gpt-realtime-2" }, client);
  realtime.on("error", (error) => check(false, `no error, but ${error.message}`));
  const events = on(realtime, "event");
  await new Promise((resolve) => realtime.socket.once("open", resolve));
  return { send: (event) => realtime.send(event), events: unwrapped(events) };
}

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

const { text, audio, tool, parallel, interruption } = casesFor(dial);
await main({ text, audio, tool, parallel, interruption, rest });
