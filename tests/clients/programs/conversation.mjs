// Cases for clients that hand over plain events: ws and the openai package. `dial(query, headers)` gives {send, events, close}, where
// `events` is an async iterator over what the server says.
import {
  ACCOUNT, BOTH, BOTH_TOOLS, INSTRUCTIONS, LONG, MEETING, ORDER, ORDER_TOOL, OUTPUTS, check, question, sleep, speak,
} from "./common.mjs";

export class Line {
  constructor({ send, events }) {
    this.send = send;
    this.events = events[Symbol.asyncIterator]();
    this.seen = [];
  }
  async next() {
    const { value, done } = await this.events.next();
    check(!done, "the line stays open");
    this.seen.push(value);
    check(value.type !== "error", `no error, but ${JSON.stringify(value.error)}`);
    return value;
  }
  async until(type) {
    for (;;) {
      const event = await this.next();
      if (event.type === type) return event;
    }
  }
  ask(text) {
    const content = [{ type: "input_text", text }];
    this.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
    this.send({ type: "response.create" });
  }
  speak() {
    return speak(question(), (chunk) =>
      this.send({ type: "input_audio_buffer.append", audio: chunk.toString("base64") }),
    );
  }
  answer(call) {
    const output = OUTPUTS[call.name];
    this.send({
      type: "conversation.item.create",
      item: { type: "function_call_output", call_id: call.call_id, output },
    });
    this.send({ type: "response.create" });
  }
  bytes(type = "response.output_audio.delta") {
    return this.seen.filter((event) => event.type === type).reduce((sum, event) => sum + event.delta.length, 0);
  }
}

export function casesFor(dial) {
  const open = async (query, options) => new Line(await dial(query, options));
  const both = async (slow, session, options) => {
    const line = await open("?model=gpt-realtime-2", options);
    line.send({ type: "session.update", session });
    line.ask(BOTH);
    let said = "";
    let calls = 0;
    while (!(said.includes("12 minutes") && said.includes("blocker"))) {
      const event = await line.next();
      if (event.type === "response.function_call_arguments.done") {
        calls += 1;
        // One answer is asked for per tool, whatever else goes on: the handler most tutorials have.
        sleep(event.name === slow ? 300 : 0).then(() => line.answer(event));
      } else if (event.type.endsWith("audio_transcript.done")) said += event.transcript;
    }
    check(calls === 2, `two calls, not ${calls}`);
  };
  return {
    async text() {
      const line = await open("?model=gpt-realtime-2");
      line.send({ type: "session.update", session: { type: "realtime", instructions: "Be brief." } });
      line.ask("Hello!");
      const done = await line.until("response.done");
      check(done.response.status === "completed", "the response completes");
      check(line.bytes() > 10_000, "sound");
    },
    async audio() {
      const line = await open("?model=gpt-realtime-2");
      const transcription = { model: "gpt-4o-mini-transcribe" };
      line.send({ type: "session.update", session: { type: "realtime", audio: { input: { transcription } } } });
      const speaking = line.speak();
      await line.until("response.done");
      await speaking;
      const types = line.seen.map((event) => event.type);
      check(types.includes("conversation.item.input_audio_transcription.completed"), "a transcript");
      check(line.bytes() > 10_000, "sound");
    },
    async tool() {
      const line = await open("?model=gpt-realtime-2");
      line.send({ type: "session.update", session: { type: "realtime", tools: [ORDER_TOOL] } });
      line.ask(ORDER);
      const call = await line.until("response.function_call_arguments.done");
      check(JSON.parse(call.arguments).order_id === "A1001", `the id, not ${call.arguments}`);
      await line.until("response.done");
      line.answer(call);
      const spoken = await line.until("response.output_audio_transcript.done");
      check(spoken.transcript.includes("shipped"), "the tool's answer");
    },
    async parallel() {
      const session = { type: "realtime", tools: BOTH_TOOLS };
      await both("check_calendar", session);
      await both("get_crm_account", session);
    },
    async interruption() {
      const line = await open("?model=gpt-realtime-2");
      line.send({ type: "session.update", session: { type: "realtime", instructions: INSTRUCTIONS } });
      line.ask(LONG);
      const delta = await line.until("response.output_audio.delta");
      const speaking = line.speak();
      const cut = await line.until("response.done");
      check(cut.response.status === "cancelled", `cancelled, not ${cut.response.status}`);
      line.send({
        type: "conversation.item.truncate",
        item_id: delta.item_id,
        content_index: 0,
        audio_end_ms: 400,
      });
      await line.until("conversation.item.truncated");
      await line.until("response.done");
      await speaking;
    },
    async transcription() {
      const line = await open("?intent=transcription");
      const input = { transcription: { model: "gpt-4o-transcribe" }, turn_detection: { type: "server_vad" } };
      line.send({ type: "session.update", session: { type: "transcription", audio: { input } } });
      const speaking = line.speak();
      const done = await line.until("conversation.item.input_audio_transcription.completed");
      check(done.transcript.trim(), "words");
      await speaking;
    },
    async beta_parallel() {
      // The session and the handler as the tutorials of the beta wrote them.
      const session = {
        modalities: ["text", "audio"],
        voice: "alloy",
        input_audio_format: "pcm16",
        output_audio_format: "pcm16",
        input_audio_transcription: { model: "whisper-1" },
        turn_detection: { type: "server_vad", threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500 },
        tools: BOTH_TOOLS,
        tool_choice: "auto",
      };
      await both("check_calendar", session, { beta: true });
      await both("get_crm_account", session, { beta: true });
    },
  };
}
