// Checks the public log in the visitor's own browser, and shows what it says of their place.
import { audit, readReceipt, unhex } from "./verify.js";

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
  if (!cookie) return add("facts", "You have no place in this line, or this browser does not know of it.");
  const { receipt, id, number } = cookie;
  if (!receipt || id.length !== 12 || String(receipt.first + BigInt(receipt.index)) !== number) {
    return add("problems", "Your receipt cannot be read.");
  }
  const name = `Your number ${BigInt(number) + 1n}`;
  if (!(await checked.includes(receipt, id))) {
    return add("problems", `${name} is in the log, if at all, with another ticket than yours.`);
  }
  add("facts", `${name} is in the log with your ticket: your receipt fits.`);
  const { draw, rank } = await checked.position(receipt.lane, BigInt(number));
  if (draw === "later") return show("own", `${name} is still to be drawn.`);
  const how = draw === "never" ? "is in no draw and keeps place" : "was drawn to place";
  show("own", `${name} ${how} ${rank + 1n}.`);
}

function sayDraws(checked) {
  checked.draws.forEach(({ frozen, drawn, secretFits, beacon }, index) => {
    const name = `Draw ${index + 1}`;
    if (!drawn) return add("facts", `${name}: ${frozen ? "frozen, its secret is not revealed yet" : "still to come"}.`);
    const places = drawn.reduce((sum, { from, to }) => sum + to - from, 0n);
    const fits = secretFits ? "its secret fits what was committed to" : "its secret does not fit";
    const with_ = beacon ? `, mixed with round ${beacon.round} of a public beacon (signature not checked here)` : "";
    add("facts", `${name}: ${places} places, ${fits}${with_}.`);
  });
}

/** Compares the log with the heads that this browser noted before, and notes this one. */
function sayHeads(checked) {
  const key = `waiting-room-heads ${checked.room} ${checked.epoch}`;
  const noted = JSON.parse(localStorage.getItem(key) ?? "[]");
  const lost = noted.filter((head) => !checked.heads.has(head));
  if (lost.length) add("problems", "The log is not the one that this browser saw before: it was rewritten.");
  else if (noted.length) add("facts", `The log still has what this browser saw of it before (${noted.length} looks).`);
  // What does not fit stays noted; of the rest, the first and the latest looks.
  const kept = [...noted, checked.head].filter((head, at, all) => all.indexOf(head) === at);
  localStorage.setItem(key, JSON.stringify(kept.length > 40 ? [...kept.slice(0, 10), ...kept.slice(-30)] : kept));
}

async function check() {
  const { room } = byId("fairness").dataset;
  const answer = await fetch(`/.waiting-room/${room}/log`, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The log could not be had (${answer.status}).`);
  const checked = await audit(new Uint8Array(await answer.arrayBuffer()));
  const joined = [...checked.lanes.values()].reduce((sum, lane) => sum + lane.joined, 0n);
  show("joined", joined.toLocaleString());
  show("actions", String(checked.operatorActions));
  show("head", checked.head);
  for (const { line, what } of checked.problems) add("problems", `Line ${line}: ${what}.`);
  if (checked.room !== room) add("problems", "The log is of another room.");
  sayDraws(checked);
  await sayOwn(checked, cookieOf(room));
  sayHeads(checked);
  const wrong = byId("problems").children.length;
  show("verdict", wrong ? "Something is wrong with this log" : "Nothing is wrong with this log");
}

check().catch((error) => show("verdict", `This could not be checked. ${error.message}`));
