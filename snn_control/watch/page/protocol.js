// The connection to a watched run: protocol version 1, docs/reference/watch_protocol.md.

/** @typedef {Record<string, any>} Header */
/** @typedef {{data: Float32Array|Float64Array|Int32Array|BigInt64Array|Uint16Array|Uint32Array|Uint8Array|Int8Array, shape: number[]}} Numbers */
/** @typedef {{header: Header, arrays: Map<string, Numbers>}} Frame */

const KINDS = {
  "<f4": Float32Array, "<f8": Float64Array, "<i4": Int32Array, "<i8": BigInt64Array, "<u2": Uint16Array,
  "<u4": Uint32Array, "|u1": Uint8Array, "|i1": Int8Array,
};
const RETRY_MS = [250, 500, 1000, 2000];

/** Header and arrays of a binary frame. @param {ArrayBuffer} frame @returns {Frame} */
export function decode(frame) {
  const size = new DataView(frame).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(frame, 4, size)));
  const arrays = new Map();
  let at = 4 + size;
  for (const [name, dtype, shape] of header.arrays) {
    const Kind = KINDS[/** @type {keyof typeof KINDS} */ (dtype)];
    const count = shape.reduce((/** @type {number} */ product, /** @type {number} */ n) => product * n, 1);
    arrays.set(name, { data: new Kind(frame, at, count), shape });
    at += Math.ceil((count * Kind.BYTES_PER_ELEMENT) / 8) * 8;
  }
  return { header, arrays };
}

/** The frames of a record, each after its length. @param {ArrayBuffer} file @returns {Frame[]} */
export function framesOf(file) {
  const view = new DataView(file), frames = [];
  for (let at = 0; at + 4 <= file.byteLength;) {
    const length = view.getUint32(at, true);
    frames.push(decode(file.slice(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return frames;
}

/** A connection that is opened again by itself when it is lost. */
export class Connection {
  /**
   * @param {{scene: (scene: Header) => void, frame: (header: Header, arrays: Map<string, Numbers>) => void,
   *   state: (connected: boolean, text: string) => void, say: (text: string) => void}} listener
   */
  constructor(listener) {
    this.listener = listener;
    this.tries = 0;
    this.number = 0;
    this.token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
    this.open();
  }

  open() {
    const query = this.token ? `?token=${encodeURIComponent(this.token)}` : "";
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/ws${query}`, "snn_control.watch.v1");
    this.socket.binaryType = "arraybuffer";
    let opened = false;
    this.socket.onopen = () => { this.tries = 0; opened = true; };
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = () => {
      const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)];
      this.listener.state(false, "connection lost; trying again");
      if (!opened && this.token) this.forgetToken();
      setTimeout(() => this.open(), wait);
    };
  }

  /** If the server answers but refuses the socket, the token is of an earlier run: then only look. */
  async forgetToken() {
    const there = await fetch("icon.svg").then((answer) => answer.ok, () => false);
    if (!there) return;
    this.token = "";
    this.listener.say("The token of this link is not valid any more: the page only looks. Open the newest link to act.");
  }

  /** @param {ArrayBuffer|string} data */
  take(data) {
    if (data instanceof ArrayBuffer) {
      const { header, arrays } = decode(data);
      this.listener.frame(header, arrays);
      return;
    }
    const said = JSON.parse(data);
    if (said.op === "scene") {
      this.listener.state(true, "connected");
      this.listener.scene(said);
    } else if (said.text) {
      this.listener.say(said.text);
    }
  }

  /** @param {Header} message */
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ ...message, id: ++this.number }));
  }

  /** @param {string} action @param {Header} values */
  act(action, values = {}) { this.send({ op: "act", action, ...values }); }
}
