// On the audio thread. Capture gives 20 ms of PCM16 at 24 kHz per message; Player knows to the sample what was played.
class Capture extends AudioWorkletProcessor {
  chunk = new Int16Array(480); filled = 0; sum = 0; count = 0; phase = 0;

  process([[input]]) {
    for (const sample of input ?? []) {
      this.sum += sample; this.count += 1;
      this.phase += 24000 / sampleRate; // exactly 1 in a 24 kHz context; a faster microphone is averaged down
      if (this.phase < 1) continue;
      this.chunk[this.filled++] = Math.max(-1, Math.min(1, this.sum / this.count)) * 32767;
      this.phase -= 1; this.sum = this.count = 0;
      if (this.filled < this.chunk.length) continue;
      this.port.postMessage(this.chunk.buffer, [this.chunk.buffer]);
      this.chunk = new Int16Array(480); this.filled = 0;
    }
    return true;
  }
}
class Player extends AudioWorkletProcessor {
  tracks = [];
  constructor() {
    super();
    this.port.onmessage = ({ data: { take, complete, stop } }) => {
      let last = this.tracks.at(-1);
      if (take && (last?.id !== take.id || last.index !== take.index)) this.tracks.push(last = { ...take, chunks: [], at: 0, played: 0 });
      if (take) last.chunks.push(take.pcm);
      for (const track of this.tracks) if (track.id === complete) track.complete = true;
      if (stop) this.port.postMessage({ cut: this.tracks.splice(0).map(({ id, index, played }) => ({ id, index, played })) });
    };
  }
  process(_, [[output]]) {
    for (let n = 0; n < output.length; n += 1) {
      while (this.tracks[0]?.complete && !this.tracks[0].chunks.length) this.tracks.shift();
      const track = this.tracks[0];
      if (!track?.chunks.length) break;
      if (track.played++ === 0) this.port.postMessage({ started: track.id });
      output[n] = track.chunks[0][track.at++] / 32768;
      if (track.at === track.chunks[0].length) { track.chunks.shift(); track.at = 0; }
    }
    return true;
  }
}
registerProcessor("capture", Capture);
registerProcessor("player", Player);
