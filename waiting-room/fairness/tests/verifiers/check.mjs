// Asks the browser's verifier about every log of a folder, in the form that the Rust test compares.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const [script, folder, permutations] = process.argv.slice(2);
// As a module whatever its ending, and as it stands.
const source = readFileSync(script).toString("base64");
const verify = await import(`data:text/javascript;base64,${source}`);
const read = (name) => new Uint8Array(readFileSync(`${folder}/${name}`));

for (const log of readdirSync(folder).filter((name) => name.endsWith(".log")).sort()) {
  const audit = await verify.audit(read(log));
  const problems = audit.problems.map(({ line, code }) => `${line}:${code}`).join(",");
  const places = [];
  for (let lane = 0; lane < 3; lane++) {
    for (let number = 0n; number < 30n; number++) {
      const { draw, rank } = await audit.position(lane, number);
      places.push(`${draw}.${rank ?? "-"}`);
    }
  }
  console.log(log.replace(".log", ""), audit.head, `[${problems}]`, ...places);
}

for (const line of readFileSync(`${folder}/receipts`, "utf8").trim().split("\n")) {
  const [log, receipt, id] = line.split(" ");
  const known = verify.readReceipt(receipt);
  const audit = await verify.audit(read(log));
  console.log(line, known ? await audit.includes(known, verify.unhex(id)) : "malformed");
}

for (const line of readFileSync(permutations, "utf8").trim().split("\n").filter((line) => !line.startsWith("#"))) {
  const [seed, size, index, rank] = line.split(" ");
  assert.equal(await verify.permute(verify.unhex(seed), BigInt(size), BigInt(index)), BigInt(rank), line);
}

for (let length = 0; length < 300; length++) {
  const bytes = Uint8Array.from({ length }, (_, at) => (7 * at + length) % 256);
  const digest = createHash("sha256").update(bytes).digest("hex");
  assert.equal(verify.hex(verify.ownSha256(bytes)), digest, `own SHA-256 of ${length} bytes`);
}
