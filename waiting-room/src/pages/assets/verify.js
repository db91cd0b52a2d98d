// Checks the public log of a draw: the chain of its lines, the secrets and what was committed to, every number joined
// and drawn once, nobody called before the draw, and receipts. Nothing here touches the page: fairness.js shows it.
// It does not check the beacon's signature, only that its hash went into the seed: `waiting-room verify` does.

// --- SHA-256: the browser's own, or, on a page that came over plain HTTP and has none, this one

const primes = [];
for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
const K = primes.map((prime) => fraction(Math.cbrt(prime)));
const H = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const turn = (x, n) => (x >>> n) | (x << (32 - n));

function block(state, view, at, w) {
  for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const [x, y] = [w[i - 15], w[i - 2]];
    const low = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
    const high = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
    w[i] = (w[i - 16] + low + w[i - 7] + high) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
    const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  return [a, b, c, d, e, f, g, h].map((word, i) => (word + state[i]) | 0);
}

export function ownSha256(bytes) {
  const padded = new Uint8Array(64 * Math.ceil((bytes.length + 9) / 64));
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  let state = H;
  const w = new Int32Array(64);
  for (let at = 0; at < padded.length; at += 64) state = block(state, view, at, w);
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => out.setInt32(4 * i, word));
  return new Uint8Array(out.buffer);
}

const join = (parts) => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

async function sha256(...parts) {
  const bytes = join(parts);
  const subtle = globalThis.crypto?.subtle;
  return subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : ownSha256(bytes);
}

// --- bytes and their spellings

const ascii = (text) => new TextEncoder().encode(text);
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

function u64(value, littleEndian) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value, littleEndian);
  return new Uint8Array(view.buffer);
}

// --- the permutation: SipHash-2-4, then a Feistel network over pairs of numbers below ceil(sqrt(size))

const MASK = (1n << 64n) - 1n;
const left64 = (x, n) => ((x << n) | (x >> (64n - n))) & MASK;

function sipRounds(v, times) {
  for (let i = 0; i < times; i++) {
    v[0] = (v[0] + v[1]) & MASK;
    v[1] = left64(v[1], 13n) ^ v[0];
    v[0] = left64(v[0], 32n);
    v[2] = (v[2] + v[3]) & MASK;
    v[3] = left64(v[3], 16n) ^ v[2];
    v[0] = (v[0] + v[3]) & MASK;
    v[3] = left64(v[3], 21n) ^ v[0];
    v[2] = (v[2] + v[1]) & MASK;
    v[1] = left64(v[1], 17n) ^ v[2];
    v[2] = left64(v[2], 32n);
  }
}

function siphash(key, message) {
  const keys = new DataView(key.buffer, key.byteOffset);
  const [k0, k1] = [keys.getBigUint64(0, true), keys.getBigUint64(8, true)];
  const v = [
    k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn, k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n,
  ];
  const padded = new Uint8Array(8 * (Math.floor(message.length / 8) + 1));
  padded.set(message);
  padded[padded.length - 1] = message.length;
  const words = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = words.getBigUint64(at, true);
    v[3] ^= word;
    sipRounds(v, 2);
    v[0] ^= word;
  }
  v[2] ^= 0xffn;
  sipRounds(v, 4);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/** The smallest number whose square is at least `size`. */
function sideOf(size) {
  let side = BigInt(Math.floor(Math.sqrt(Number(size))));
  while (side * side >= size) side -= 1n;
  while (side * side < size) side += 1n;
  return side;
}

/** The rank from 0 that `index` is drawn to, among `size`. */
export async function permute(seed, size, index) {
  if (size < 2n || index >= size) return index;
  const key = (await sha256(ascii("waiting-room/shuffle/1"), seed)).slice(0, 16);
  const side = sideOf(size);
  do {
    let [low, high] = [index % side, index / side];
    for (let round = 0; round < 10; round++) {
      const value = siphash(key, join([[round], u64(high, true)]));
      [low, high] = [high, (low + value) % side];
    }
    index = side * high + low;
  } while (index >= size);
  return index;
}

// --- the hash tree of a group of joins (RFC 9162, section 2.1.3.2)

export async function isIncluded(root, id, index, count, path) {
  if (index >= count) return false;
  let [at, last, node] = [index, count - 1, await sha256([0], id)];
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      node = await sha256([1], sibling, node);
      while (at !== 0 && at % 2 === 0) [at, last] = [at >> 1, last >> 1];
    } else {
      node = await sha256([1], node, sibling);
    }
    [at, last] = [at >> 1, last >> 1];
  }
  return last === 0 && hex(node) === root;
}

// --- the lines

const N = "(0|[1-9][0-9]{0,19})";
const HASH = "([0-9a-f]{64})";
const RANGE = "(?:0|[1-9][0-9]{0,19}):(?:0|[1-9][0-9]{0,19}):(?:0|[1-9][0-9]{0,19})";
const TEXT = "([!-~](?:[ -~]{0,398}[!-~])?)";
const LINES = {
  commit: `${N} ${N} ${HASH} (?:none|drand:${HASH}:${N})`,
  join: `${N} ${N} ${N} ${N} ${HASH}`,
  freeze: `${N} ${N} (${RANGE}(?:,${RANGE})*)`,
  reveal: `${N} ${N} ${HASH} (none|missing|(?:[0-9a-f]{2}){1,96})`,
  call: `${N} ${N} ${N} ${N} ${N}`,
  operator: `${N} ([a-z0-9_-]{1,32}) ${TEXT}`,
  edge: `${N} ${TEXT}`,
};
const PATTERNS = new Map(Object.entries(LINES).map(([kind, rest]) => [kind, new RegExp(`^${kind} ${rest}$`)]));

class Malformed extends Error {}

function big(text, bits = 64n) {
  const value = BigInt(text);
  if (value >> bits) throw new Malformed("a number is too large");
  return value;
}
const small = (text, bits) => Number(big(text, BigInt(bits)));

const readers = {
  commit: (draw, commitment, chain, round) => ({
    draw: small(draw, 32), commitment, beacon: chain ? { chain, round: big(round) } : null,
  }),
  join: (lane, first, count, root) => ({ lane: small(lane, 8), first: big(first), count: small(count, 32), root }),
  freeze: (draw, ranges) => ({ draw: small(draw, 32), ranges: ranges.split(",").map(readRange) }),
  reveal: (draw, secret, beacon) => ({ draw: small(draw, 32), secret: unhex(secret), beacon }),
  call: (lane, ...counts) => {
    const [called, claimed, missed] = counts.map((count) => big(count));
    return { lane: small(lane, 8), called, claimed, missed };
  },
  operator: () => ({}),
  edge: () => ({}),
};

function readRange(text) {
  const [lane, from, to] = text.split(":");
  const range = { lane: small(lane, 8), from: big(from), to: big(to) };
  if (range.from > range.to) throw new Malformed("a range ends before it begins");
  return range;
}

function readLine(line) {
  const kind = line.split(" ", 1)[0];
  if (!PATTERNS.has(kind)) throw new Malformed("no such kind of line");
  const match = PATTERNS.get(kind).exec(line);
  if (!match) throw new Malformed("a field is missing or malformed");
  const [, at, ...fields] = match;
  return { kind, at: big(at), ...readers[kind](...fields) };
}

// --- the audit

const QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971";
const GROUP_MAX = 8192;
const larger = (a, b) => (a > b ? a : b);

/** When a round of quicknet is published, in Unix milliseconds. */
const publishedAt = (round) => 1692803367000n + (round > 0n ? round - 1n : 0n) * 3000n;

class Audit {
  lanes = new Map();
  draws = [];
  groups = new Map();
  heads = new Map();
  problems = [];
  operatorActions = 0;
  line = 1;

  problem(code, what) {
    this.problems.push({ line: this.line, code, what });
  }

  check(well, code, what) {
    if (!well) this.problem(code, what);
  }

  lane(lane) {
    if (!this.lanes.has(lane)) {
      const counts = { joined: 0n, called: 0n, claimed: 0n, missed: 0n };
      this.lanes.set(lane, { ...counts, frozen: 0n, drawn: 0n, drawnBelow: 0n, passedOver: 0n });
    }
    return this.lanes.get(lane);
  }

  commit({ draw, commitment, beacon }) {
    const due = this.draws.length;
    if (draw !== due) return this.problem("commit-order", `draw ${draw} is committed to where draw ${due} is due`);
    const joined = new Map([...this.lanes].map(([lane, known]) => [lane, known.joined]));
    this.draws.push({ commitment, beacon, joined, frozen: null, drawn: null });
  }

  join({ lane, first, count, root }) {
    const end = first + BigInt(count);
    if (count < 1 || count > GROUP_MAX || end > MASK) {
      return this.problem("join-count", `${count} cannot have joined at once`);
    }
    const known = this.lane(lane);
    this.check(first <= known.joined, "join-gap", `numbers of lane ${lane} are missing before ${first}`);
    this.check(first >= known.joined, "join-twice", `the number ${first} of lane ${lane} is dealt again`);
    known.joined = larger(known.joined, end);
    const group = `${lane} ${first} ${count}`;
    if (!this.groups.has(group)) this.groups.set(group, root);
  }

  freeze({ at, draw, ranges }, head) {
    const known = this.draws.find((open) => !open.frozen);
    if (!known || this.draws[draw] !== known) {
      return this.problem("freeze-order", `draw ${draw} is not the one to be frozen`);
    }
    if (draw === 0) {
      const joined = [...this.lanes].filter(([, lane]) => lane.joined > 0n).map(([lane]) => lane).sort((a, b) => a - b);
      const leftOut = joined.filter((lane) => ranges.every((range) => range.lane !== lane));
      for (const lane of leftOut) this.problem("freeze-lane", `lane ${lane} is left out of the first draw`);
    }
    for (const { lane, from, to } of ranges) {
      const state = this.lane(lane);
      const first = larger(state.frozen, state.called < state.joined ? state.called : state.joined);
      const fits = to === state.joined && (from === first || (this.hasRounds() && from > first));
      const wanted = `${first} to ${state.joined}`;
      this.check(fits, "freeze-range", `lane ${lane} is drawn from ${from} to ${to}, but joined ${wanted}`);
      if (from > first) state.passedOver = from;
      const late = from < to && (known.joined.get(lane) ?? 0n) > from;
      this.check(!late, "commit-late", `lane ${lane} had been joined before the commit of draw ${draw}`);
      state.frozen = larger(state.frozen, to);
    }
    if (known.beacon) this.checkRound(known.beacon, at);
    known.frozen = { ranges, head };
  }

  checkRound({ chain, round }, frozenAt) {
    if (chain !== QUICKNET) return this.problem("beacon-unknown", "the beacon's network is not known");
    const early = `round ${round} of the beacon was public when the joins were frozen`;
    this.check(publishedAt(round) > frozenAt, "beacon-early", early);
  }

  async reveal({ draw, secret, beacon }) {
    const known = this.draws[draw];
    if (!known?.frozen || known.drawn) {
      return this.problem("reveal-order", `draw ${draw} is not the one to be revealed`);
    }
    known.secretFits = hex(await sha256(secret)) === known.commitment;
    this.check(known.secretFits, "secret", `the secret of draw ${draw} is not the one that was committed to`);
    if (known.beacon && beacon === "missing") {
      this.problem("beacon-missing", "the beacon was left out");
    } else if (!known.beacon !== (beacon === "none")) {
      this.problem("beacon-changed", "the beacon is not as committed");
    }
    const signed = beacon !== "none" && beacon !== "missing";
    const randomness = signed ? await sha256(unhex(beacon)) : new Uint8Array();
    known.drawn = [];
    for (const { lane, from, to } of known.frozen.ranges) {
      const place = join([[lane], u64(from), u64(to)]);
      const seed = await sha256(ascii("waiting-room/seed/1"), secret, known.frozen.head, place, randomness);
      known.drawn.push({ lane, from, to, seed });
      const state = this.lane(lane);
      state.drawn += to - from;
      state.drawnBelow = larger(state.drawnBelow, to);
    }
  }

  call({ lane, called, claimed, missed }) {
    const state = this.lane(lane);
    const grows = called >= state.called && claimed >= state.claimed && missed >= state.missed;
    this.check(grows, "call-back", `the calls of lane ${lane} went back`);
    Object.assign(state, { called, claimed, missed });
    const fits = claimed <= called && missed <= called;
    this.check(fits, "call-count", `${claimed} came and ${missed} did not, of ${called} called`);
    const callable = this.callable(lane);
    const early = `${called} of lane ${lane} were called when ${callable} could be`;
    this.check(called <= callable, "call-early", early);
    const left = `the draw passed over numbers below ${state.passedOver} of lane ${lane} as called, and they were not`;
    this.check(called >= state.passedOver, "passed-over", left);
    state.passedOver = 0n;
  }

  /** While a draw is to come, nobody is called whose rank it decides. */
  callable(lane) {
    const pending = this.draws.find((draw) => draw.frozen && !draw.drawn);
    const range = pending?.frozen.ranges.find((range) => range.lane === lane && range.from < range.to);
    if (range) return range.from;
    return this.isWaiting() && !this.hasRounds() ? this.lane(lane).drawnBelow : MASK;
  }

  operator() {
    this.operatorActions += 1;
  }

  edge() {}

  isWaiting() {
    return this.draws.some((draw) => !draw.drawn);
  }

  /** A room that draws in rounds commits to one draw more than it is about to do; whoever comes when nobody waits
   * walks in without a draw. */
  hasRounds() {
    return this.draws.length > 1;
  }

  /** Where a number stands: the draw's index, or "later", "never", "unknown", and its rank. */
  async position(lane, number) {
    const known = this.lanes.get(lane);
    if (!known || number >= known.joined) return { draw: "unknown", rank: null };
    for (const [draw, { drawn }] of this.draws.entries()) {
      const range = drawn?.find((range) => range.lane === lane && range.from <= number && number < range.to);
      if (!range) continue;
      const { from, to, seed } = range;
      return { draw, rank: from + (await permute(seed, to - from, number - from)) };
    }
    const holds = (range) => range.lane === lane && range.from <= number && number < range.to;
    const isFrozen = this.draws.some(({ frozen, drawn }) => frozen && !drawn && frozen.ranges.some(holds));
    const isToCome = this.isWaiting() && number >= larger(known.frozen, known.called);
    return isFrozen || isToCome ? { draw: "later", rank: null } : { draw: "never", rank: number };
  }

  async includes({ lane, first, count, index, path }, id) {
    const root = this.groups.get(`${lane} ${first} ${count}`);
    return root !== undefined && isIncluded(root, id, index, count, path);
  }
}

function* linesOf(bytes) {
  const end = bytes.at(-1) === 10 ? bytes.length - 1 : bytes.length;
  let from = 0;
  while (from <= end) {
    const found = bytes.indexOf(10, from);
    const to = found < 0 || found > end ? end : found;
    yield bytes.subarray(from, to);
    from = to + 1;
  }
}

/** Checks a log, given as the bytes it is. */
export async function audit(bytes) {
  const checked = new Audit();
  const decoder = new TextDecoder();
  const [title, ...lines] = linesOf(bytes);
  const match = /^waiting-room\/log\/1 ([!-~]+) (0|[1-9][0-9]{0,9})$/.exec(decoder.decode(title));
  checked.check(match && Number(match[2]) < 2 ** 32, "title", "this is not the title of a log");
  [checked.room, checked.epoch] = match ? [match[1], Number(match[2])] : ["", 0];
  let head = await sha256(title);
  checked.heads.set(hex(head), 1);
  for (const line of lines) {
    checked.line += 1;
    head = await sha256(head, line);
    checked.heads.set(hex(head), checked.line);
    try {
      const entry = readLine(decoder.decode(line));
      await checked[entry.kind](entry, head);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      checked.problem("malformed", error.message);
    }
  }
  checked.head = hex(head);
  return checked;
}

/** The receipt that a text is, or null. */
export function readReceipt(text) {
  const match = new RegExp(`^${N}\\.${N}\\.${N}\\.${N}\\.([A-Za-z0-9_-]*)$`).exec(text);
  if (!match) return null;
  try {
    const [lane, count, index] = [small(match[1], 8), small(match[3], 32), small(match[4], 32)];
    const base64 = match[5].replaceAll("-", "+").replaceAll("_", "/");
    const hashes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    if (hashes.length % 32 || index >= count || count > GROUP_MAX) return null;
    const path = Array.from({ length: hashes.length / 32 }, (_, at) => hashes.slice(32 * at, 32 * at + 32));
    return { lane, first: big(match[2]), count, index, path };
  } catch {
    return null;
  }
}
