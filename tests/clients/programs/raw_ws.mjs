// The ws package and nothing else, in the manner of tutorials.
import { on } from "node:events";
import WebSocket from "ws";
import { key, main, wsUrl } from "./common.mjs";
import { casesFor } from "./conversation.mjs";

async function* parsed(messages) {
  for await (const [frame] of messages) yield JSON.parse(frame);
}

async function dial(query, { beta = false } = {}) {
  const headers = { Authorization: `Bearer ${key()}`, ...(beta && { "OpenAI-Beta": "realtime=v1" }) };
  const socket = new WebSocket(wsUrl() + query, { headers });
  const messages = on(socket, "message");
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return { send: (event) => socket.send(JSON.stringify(event)), events: parsed(messages) };
}

await main(casesFor(dial));
