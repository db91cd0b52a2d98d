// Checks the public log in the visitor's own browser, and shows what it says of their place.
import { audit, readReceipt, unhex } from "./verify.js";

const words = JSON.parse(document.getElementById("words").textContent);
const say = (name, values = {}) => words[`fair_${name}`].replace(/\{([a-z_]+)\}/g, (_, word) => values[word]);
const lang = document.documentElement.lang;

const byId = (id) => document.getElementById(id);
const show = (id, text) => { byId(id).textContent = text; };
const add = (id, text) => { byId(id).append(Object.assign(document.createElement("li"), { textContent: text })); };

function cookieOf(room) {
  const name = `waiting-room-receipt-${room}=`;
  const cookie = document.cookie.split("; ").find((text) => text.startsWith(name));
  const [receipt, id, number] = (cookie ?? "").slice(name.length).split("~");
  return cookie && { receipt: readReceipt(receipt), id: unhex(id ?? ""), number };
}

/** Says where the visitor stands; a problem, if the log does not have them. */
async function sayOwn(checked, cookie) {
  if (!cookie) return add("facts", say("no_place"));
  const { receipt, id, number } = cookie;
  if (!receipt || id.length !== 12 || String(receipt.first + BigInt(receipt.index)) !== number) {
    return add("problems", say("unreadable"));
  }
  const own = { number: (BigInt(number) + 1n).toLocaleString(lang) };
  if (!(await checked.includes(receipt, id))) {
    return add("problems", say("other_ticket", own));
  }
  add("facts", say("included", own));
  const { draw, rank } = await checked.position(receipt.lane, BigInt(number));
  if (draw === "later") return show("own", say("later", own));
  const place = (rank + 1n).toLocaleString(lang);
  show("own", say(draw === "never" ? "never" : "drawn", { ...own, place }));
}

function sayDraws(checked) {
  checked.draws.forEach(({ frozen, drawn, secretFits, beacon }, index) => {
    const draw = index + 1;
    if (!drawn) return add("facts", say(frozen ? "draw_frozen" : "draw_later", { draw }));
    const places = drawn.reduce((sum, { from, to }) => sum + to - from, 0n);
    add("facts", say(secretFits ? "draw_fits" : "draw_wrong", { draw, places: places.toLocaleString(lang) }));
    if (beacon) add("facts", say("beacon", { draw, round: beacon.round }));
  });
}

/** Compares the log with the heads that this browser noted before, and notes this one. */
function sayHeads(checked) {
  const key = `waiting-room-heads ${checked.room} ${checked.epoch}`;
  const noted = JSON.parse(localStorage.getItem(key) ?? "[]");
  const lost = noted.filter((head) => !checked.heads.has(head));
  if (lost.length) add("problems", say("rewritten"));
  else if (noted.length) add("facts", say("same", { count: noted.length }));
  // What does not fit stays noted; of the rest, the first and the latest looks.
  const kept = [...noted, checked.head].filter((head, at, all) => all.indexOf(head) === at);
  localStorage.setItem(key, JSON.stringify(kept.length > 40 ? [...kept.slice(0, 10), ...kept.slice(-30)] : kept));
}

async function check() {
  const { room } = byId("fairness").dataset;
  const answer = await fetch(`/.waiting-room/${room}/log`, { cache: "no-store" });
  if (!answer.ok) throw new Error(say("no_log", { status: answer.status }));
  const checked = await audit(new Uint8Array(await answer.arrayBuffer()));
  const joined = [...checked.lanes.values()].reduce((sum, lane) => sum + lane.joined, 0n);
  show("joined", joined.toLocaleString(lang));
  show("actions", String(checked.operatorActions));
  show("head", checked.head);
  for (const { line, what } of checked.problems) add("problems", say("line", { line, what }));
  if (checked.room !== room) add("problems", say("other_room"));
  sayDraws(checked);
  await sayOwn(checked, cookieOf(room));
  sayHeads(checked);
  const wrong = byId("problems").children.length;
  show("verdict", say(wrong ? "wrong" : "well"));
}

show("verdict", say("checking"));
check().catch((error) => show("verdict", say("failed", { why: error.message })));
