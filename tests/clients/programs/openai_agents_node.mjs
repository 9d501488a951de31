// @openai/agents: realtime agents with tools, approvals and handoffs.
import { hostedMcpTool } from "@openai/agents";
import { RealtimeAgent, RealtimeSession, tool as makeTool } from "@openai/agents/realtime";
import { z } from "zod";
import {
  ACCOUNT, BOTH, INSTRUCTIONS, LONG, MEETING, ORDER, SHIPPED, check, key, main, question, sleep, speak, wsUrl,
} from "./common.mjs";

const getOrderStatus = makeTool({
  name: "get_order_status",
  description: "Looks up where an order is.",
  parameters: z.object({ order_id: z.string() }),
  execute: async ({ order_id }) => SHIPPED.replace("A1001", order_id),
});
const refundOrder = makeTool({
  name: "refund_order",
  description: "Refunds an order.",
  parameters: z.object({ order_id: z.string() }),
  needsApproval: true,
  execute: async ({ order_id }) => `Order ${order_id} was refunded, the money has shipped.`,
});

async function connected(agent) {
  const session = new RealtimeSession(agent, { transport: "websocket", tracingDisabled: true });
  session.on("error", ({ error }) => check(false, `no error, but ${JSON.stringify(error)}`));
  await session.connect({ apiKey: key(), url: `${wsUrl()}?model=gpt-realtime-2` });
  return session;
}

const once = (session, name) => new Promise((resolve) => session.once(name, (...args) => resolve(args)));

/** Resolves when a turn has ended and all of the words were said. */
function answered(session, ...words) {
  let said = "";
  return new Promise((resolve) => {
    session.on("agent_end", (context, agent, answer) => {
      said += answer;
      if (said && words.every((word) => said.includes(word))) resolve(said);
    });
  });
}

const say = (session) => speak(question(), (chunk) => session.sendAudio(new Uint8Array(chunk).buffer));

async function text() {
  const session = await connected(new RealtimeAgent({ name: "Support", instructions: "Be brief." }));
  const sound = once(session, "audio");
  const answer = answered(session);
  session.sendMessage("Hello!");
  check((await sound)[0].data.byteLength > 0, "sound");
  check(await answer, "words");
}

async function audio() {
  const session = await connected(new RealtimeAgent({ name: "Support", instructions: "Be brief." }));
  const answer = answered(session);
  const speaking = say(session);
  await answer;
  await speaking;
  check(session.history.length >= 2, "a history of both sides");
}

async function tool() {
  const agent = new RealtimeAgent({
    name: "Support",
    instructions: "You help with orders.",
    tools: [getOrderStatus],
  });
  const session = await connected(agent);
  const answer = answered(session, "shipped");
  session.sendMessage(ORDER);
  await answer;
}

async function parallel() {
  for (const slow of ["check_calendar", "get_crm_account"]) {
    const make = (name, description, parameters, output) =>
      makeTool({
        name,
        description,
        parameters,
        execute: async () => {
          await sleep(name === slow ? 300 : 0);
          return output;
        },
      });
    const tools = [
      make("check_calendar", "Looks up the next meeting in the caller's calendar.", z.object({}), MEETING),
      make("get_crm_account", "Looks up an account in the CRM.", z.object({ account: z.string() }), ACCOUNT),
    ];
    const session = await connected(
      new RealtimeAgent({ name: "Support", instructions: "You help callers.", tools }),
    );
    const answer = answered(session, "12 minutes", "blocker");
    session.sendMessage(BOTH);
    await answer;
    session.close();
  }
}

async function interruption() {
  const session = await connected(new RealtimeAgent({ name: "Support", instructions: INSTRUCTIONS }));
  const sound = once(session, "audio");
  session.sendMessage(LONG);
  await sound;
  const interrupted = once(session, "audio_interrupted");
  const speaking = say(session);
  await interrupted;
  const answer = answered(session);
  await answer;
  await speaking;
}

async function approval() {
  const agent = new RealtimeAgent({
    name: "Support",
    instructions: "You refund orders.",
    tools: [refundOrder],
  });
  const session = await connected(agent);
  const asked = once(session, "tool_approval_requested");
  session.sendMessage("Please refund order A1001.");
  const [, , request] = await asked;
  const answer = answered(session, "shipped");
  await session.approve(request.approvalItem);
  await answer;
}

async function mcp() {
  const shop = hostedMcpTool({
    serverLabel: "shop",
    serverUrl: process.env.MCP_URL,
    requireApproval: "always",
  });
  const agent = new RealtimeAgent({ name: "Support", instructions: "You help with orders.", tools: [shop] });
  const session = await connected(agent);
  const listed = once(session, "mcp_tools_changed");
  const asked = once(session, "tool_approval_requested");
  const called = once(session, "mcp_tool_call_completed");
  const answer = answered(session, "shipped");
  await listed;
  session.sendMessage(ORDER);
  const [, , request] = await asked;
  await session.approve(request.approvalItem);
  const [, , call] = await called;
  check(call.output.includes("shipped"), `the tool's output, not ${call.output}`);
  await answer;
}

async function handoff() {
  const billing = new RealtimeAgent({
    name: "billing",
    handoffDescription: "Handles billing questions.",
    instructions: "You handle billing.",
  });
  const support = new RealtimeAgent({
    name: "Support",
    instructions: "You greet callers and hand billing questions over to billing.",
    handoffs: [billing],
  });
  const session = await connected(support);
  const handed = once(session, "agent_handoff");
  const answer = answered(session);
  session.sendMessage("I have a billing question, please transfer me to billing.");
  const [, , to] = await handed;
  check(to.name === "billing", "billing took over");
  await answer;
}

await main({ text, audio, tool, parallel, interruption, approval, mcp, handoff });
