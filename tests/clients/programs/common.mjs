// What the Node programs share; see common.py.
import fs from "node:fs";

export const ORDER = "Where is order A1001?";
export const SHIPPED = "Order A1001 has shipped and arrives on Tuesday.";
export const BOTH = "Please check my calendar and look up Sable Crust Robotics in the CRM.";
export const MEETING = "You have a meeting with Sable Crust Robotics in 12 minutes.";
export const ACCOUNT =
  "Sable Crust Robotics launched warehouse automation this morning. Security review is the blocker.";
export const LONG = "Please explain your return policy.";
export const INSTRUCTIONS =
  "You help callers with their orders. Return policy: every item can be returned within thirty days of the day it arrived, " +
  "as long as it is unused and in its own box, and the money goes back to the card it came from within five business days.";

const parameters = (properties) => ({ type: "object", properties, required: Object.keys(properties) });
export const ORDER_TOOL = {
  type: "function",
  name: "get_order_status",
  description: "Looks up where an order is.",
  parameters: parameters({ order_id: { type: "string", pattern: "^[A-Z][0-9]{4}$" } }),
};
export const BOTH_TOOLS = [
  {
    type: "function",
    name: "check_calendar",
    description: "Looks up the next meeting in the caller's calendar.",
    parameters: parameters({}),
  },
  {
    type: "function",
    name: "get_crm_account",
    description: "Looks up an account in the CRM.",
    parameters: parameters({ account: { type: "string", description: "name of the company" } }),
  },
];
export const OUTPUTS = { get_order_status: SHIPPED, check_calendar: MEETING, get_crm_account: ACCOUNT };

export const httpUrl = () => process.env.OPENAI_BASE_URL;
export const wsUrl = () => httpUrl().replace(/^http/, "ws") + "/realtime";
export const key = () => process.env.OPENAI_API_KEY;
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The spoken question and a silence that ends the turn, PCM16 at 24 kHz. The WAV's samples begin after its 44 bytes of header. */
export function question(silenceS = 1.2) {
  const file = fs.readFileSync(process.env.QUESTION_WAV);
  if (file.toString("latin1", 36, 40) !== "data") throw new Error("not a plain WAV");
  return Buffer.concat([file.subarray(44), Buffer.alloc(Math.round(silenceS * 24_000) * 2)]);
}

/** Hands over the sound at the speed of sound, 20 ms a piece. */
export async function speak(sound, append) {
  const begin = performance.now();
  for (let number = 0; number * 960 < sound.length; number++) {
    await sleep(Math.max(0, begin + number * 20 - performance.now()));
    append(sound.subarray(number * 960, (number + 1) * 960));
  }
}

/** Ends the program with a line that says what did not happen. */
export function check(holds, what) {
  if (!holds) {
    console.error(`not so: ${what}`);
    process.exit(1);
  }
}

/** Runs the case named on the command line. */
export async function main(cases) {
  const name = process.argv[2];
  if (!(name in cases)) {
    console.error(`usage: ${process.argv[1]} ${Object.keys(cases).join("|")}`);
    process.exit(2);
  }
  const late = setTimeout(() => check(false, "done in time"), 60_000);
  await cases[name]();
  clearTimeout(late);
  process.exit(0);
}
