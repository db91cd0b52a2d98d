// Checks the public log of a draw in the visitor's own browser, by the same script as the waiting room's own page.

const version = document.body.dataset.assets;
const { ask } = await import(`/assets/shop.js?v=${version}`);
const { audit, readReceipt, unhex } = await import(`/assets/verify.js?v=${version}`);

const at = (id) => document.getElementById(id);
const { draw, log, room } = at('draw-check').dataset;
const add = (id, text) => at(id).append(Object.assign(document.createElement('li'), { textContent: text }));
const count = (number) => number.toLocaleString();

function sayDraw(checked) {
  const joined = [...checked.lanes.values()].reduce((sum, lane) => sum + lane.joined, 0n);
  add('facts', `${count(joined)} entered; each has one line of the log that proves it.`);
  const [first] = checked.draws;
  if (!first) add('problems', 'The log has no commitment to a secret.');
  else if (!first.drawn) add('facts', first.frozen ? 'The entries are fixed; the secret is about to be told.' : 'The secret was committed to, and is not told yet.');
  else if (first.secretFits) add('facts', 'The secret is the one that was committed to before anybody entered.');
}

async function sayOwn(checked) {
  const { status, body } = await ask('GET', `/draws/${draw}/receipt`);
  if (status !== 200) return add('facts', 'Sign in with your entry to have it checked, too.');
  const receipt = readReceipt(body.receipt);
  const fits = receipt && String(receipt.first + BigInt(receipt.index)) === String(body.number);
  if (!fits || !(await checked.includes(receipt, unhex(body.entry_id)))) {
    return add('problems', 'The log does not have your entry at your number.');
  }
  add('facts', `The log has your entry, at number ${count(body.number + 1)}.`);
  const { draw: by, rank } = await checked.position(0, BigInt(body.number));
  at('own').textContent = by === 'later' ? 'Your place is still to be drawn.' : `Your place, computed here: ${count(rank + 1n)}.`;
}

/** Compares the log with the heads that this browser noted before, and notes this one. */
function sayHeads(checked) {
  const key = `draw-heads ${draw}`;
  const noted = JSON.parse(localStorage.getItem(key) ?? '[]');
  if (noted.some((head) => !checked.heads.has(head))) add('problems', 'The log was rewritten since this browser last saw it.');
  const kept = [...noted, checked.head].filter((head, index, all) => all.indexOf(head) === index);
  localStorage.setItem(key, JSON.stringify(kept.length > 40 ? [...kept.slice(0, 10), ...kept.slice(-30)] : kept));
}

async function check() {
  const answer = await fetch(log, { cache: 'no-store' });
  if (!answer.ok) throw new Error(`the log was answered with ${answer.status}`);
  const checked = await audit(new Uint8Array(await answer.arrayBuffer()));
  at('head').textContent = checked.head;
  for (const { line, what } of checked.problems) add('problems', `Line ${line}: ${what}`);
  if (checked.room !== room) add('problems', 'This is the log of another draw.');
  sayDraw(checked);
  await sayOwn(checked);
  sayHeads(checked);
  at('verdict').textContent = at('problems').children.length ? 'Something is wrong with this draw' : 'Nothing is wrong with this draw';
}

check().catch((error) => { at('verdict').textContent = `The draw could not be checked: ${error.message}`; });
