// The order page: how the order stands, as it happens.

const { ask, everySecond, money, readWords } = await import(`/assets/shop.js?v=${document.body.dataset.assets}`);

const at = (id) => document.getElementById(id);
const page = at('order');
const address = `/orders/${page.dataset.order}`;
// What stays so for longer than anybody looks at a page.
const FINAL = ['refused', 'paid', 'shipped', 'delivered', 'confirmed', 'return_requested', 'cancelled', 'payment_failed',
  'payment_abandoned', 'refunded'];

const words = await readWords();

let order = null;

everySecond(async () => {
  const { status, body } = await ask('GET', address);
  if (status === 200) show(body);
  if (status === 401) tell(words.time_over);
  return !(order && FINAL.includes(order.state));
});
setInterval(showCountdown, 250);

at('pay').addEventListener('click', () => act('pay', async () => {
  const { status, body } = await ask('POST', `${address}/pay`);
  if (status === 200) location.assign(body.checkout_url);
  return status === 200 ? '' : say(body, words.no_payment);
}));

at('cancel').addEventListener('click', () => act('cancel', async () => {
  const { status, body } = await ask('POST', `${address}/cancel`, { headers: { Prefer: 'wait=10' } });
  if (status === 200) show(body);
  return [200, 202].includes(status) ? '' : say(body, words.failed);
}));

at('return').addEventListener('click', () => act('return', async () => {
  const { status, body } = await ask('POST', `${address}/return`, { headers: { Prefer: 'wait=10' } });
  if (status === 200) show(body);
  return [200, 202].includes(status) ? '' : say(body, words.failed);
}));

async function act(name, work) {
  at(name).disabled = true;
  tell(await work());
  at(name).disabled = false;
}

function show(now) {
  if (order && now.version < order.version) return;
  order = now;
  page.dataset.state = now.state;
  setText('headline', words[now.state] || now.state);
  const reason = words[`back_${now.refund_reason}`] || words[`refused_${now.refusal}`];
  setText('explanation', reason || words[`${now.state}_why`] || '');
  setText('total', now.total ? money(now.total) : '–');
  at('pay').hidden = now.state !== 'held';
  at('cancel').hidden = !['pending', 'held', 'paid'].includes(now.state);
  at('return').hidden = now.state !== 'delivered';
  showLines(now.lines);
  if (now.address) showAddress(now.address);
  showCountdown();
}

function showLines(lines) {
  at('lines').hidden = lines.length === 0;
  const rows = lines.map((line) => {
    const row = document.createElement('tr');
    for (const text of [line.name, line.quantity, money(line.unit_price)]) {
      row.insertCell().textContent = text;
    }
    return row;
  });
  at('lines').tBodies[0].replaceChildren(...rows);
}

/** As it was when the order was placed: it does not change, and only the whole page's answer has it. */
function showAddress({ recipient, line1, line2, postal_code, city, country }) {
  const lines = [recipient, line1, line2, [postal_code, city].filter(Boolean).join(' '), country];
  at('address').hidden = false;
  setText('address', `${words.goes_to} ${lines.filter(Boolean).join(', ')}`);
}

function showCountdown() {
  const until = order && order.state === 'held' && order.hold_expires_at_unix_ms;
  at('countdown').hidden = !until;
  if (!until) return;
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  if (at('countdown').textContent !== text) at('countdown').textContent = text;
}

/** The shop explains itself in English only. */
function say({ detail }, otherwise) {
  return (document.documentElement.lang === 'en' && detail) || otherwise;
}

/** Only when it changes: a status that is written again is read out again. */
function setText(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

function tell(text) {
  setText('message', text);
}
