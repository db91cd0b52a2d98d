// The order page: how the order stands, as it happens.

const { ask, everySecond, money } = await import(`/assets/shop.js?v=${document.body.dataset.assets}`);

const at = (id) => document.getElementById(id);
const page = at('order');
const address = `/orders/${page.dataset.order}`;
// What stays so for longer than anybody looks at a page.
const FINAL = ['refused', 'paid', 'shipped', 'delivered', 'confirmed', 'return_requested', 'cancelled', 'payment_failed',
  'payment_abandoned', 'refunded'];

const WORDS = {
  pending: ['One moment', 'Your order is in the queue. This takes a second or two.'],
  held: ['It is yours, for now', 'We keep it for you until it is paid.'],
  refused: ['Sold out', 'Somebody was quicker. Nothing was charged.'],
  paid: ['Paid. Thank you!', 'It is yours.'],
  cancelled: ['Cancelled', 'Your order was cancelled and nothing was charged.'],
  payment_failed: ['The payment failed', 'Nothing was charged, and the units went back to the shop.'],
  expired: ['The time is over', 'The order was not paid in time, so the units went back to the shop.'],
  payment_abandoned: ['Not paid', 'Nothing was charged, and the units went back to the shop.'],
  shipped: ['On its way', 'Your order was shipped.'],
  delivered: ['It is there', 'Your order was delivered. You may send it back until the end of the next day.'],
  confirmed: ['Thank you!', 'Your order is complete.'],
  return_requested: ['Sent back', 'Your money comes back when the order is here.'],
  refund_due: ['Your money comes back', ''],
  refunded: ['Your money is back', ''],
};

/** Why an order was refused, and why its money went back. */
const REASONS = {
  sold_out: 'Somebody was quicker. Nothing was charged.',
  limit_reached: 'You would have more of it than one customer may have. Nothing was charged.',
  units_gone: 'The payment came after the units were gone. You get all of it back.',
  wrong_amount: 'The payment was not what the order costs. You get all of it back.',
  cancelled: 'Your order was cancelled. You get back what you paid.',
  returned: 'You sent the order back. You get back what you paid.',
};

let order = null;

everySecond(async () => {
  const { status, body } = await ask('GET', address);
  if (status === 200) show(body);
  if (status === 401) tell('Your time in the shop is over; reload the page to join the line again.');
  return !(order && FINAL.includes(order.state));
});
setInterval(showCountdown, 250);

at('pay').addEventListener('click', () => act('pay', async () => {
  const { status, body } = await ask('POST', `${address}/pay`);
  if (status === 200) location.assign(body.checkout_url);
  return status === 200 ? '' : body.detail || 'The payment cannot be started now. Try again.';
}));

at('cancel').addEventListener('click', () => act('cancel', async () => {
  const { status, body } = await ask('POST', `${address}/cancel`, { headers: { Prefer: 'wait=10' } });
  if (status === 200) show(body);
  return [200, 202].includes(status) ? '' : body.detail || 'That did not work. Try again.';
}));

at('return').addEventListener('click', () => act('return', async () => {
  const { status, body } = await ask('POST', `${address}/return`, { headers: { Prefer: 'wait=10' } });
  if (status === 200) show(body);
  return [200, 202].includes(status) ? '' : body.detail || 'That did not work. Try again.';
}));

async function act(name, work) {
  at(name).disabled = true;
  tell(await work());
  at(name).disabled = false;
}

function show(now) {
  if (order && now.version < order.version) return;
  order = now;
  const [headline, explanation] = WORDS[now.state] || ['Your order', now.state];
  page.dataset.state = now.state;
  setText('headline', now.refusal === 'limit_reached' ? 'Not so many' : headline);
  setText('explanation', REASONS[now.refund_reason || now.refusal] || explanation);
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
  setText('address', `Goes to ${lines.filter(Boolean).join(', ')}`);
}

function showCountdown() {
  const until = order && order.state === 'held' && order.hold_expires_at_unix_ms;
  at('countdown').hidden = !until;
  if (!until) return;
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  if (at('countdown').textContent !== text) at('countdown').textContent = text;
}

/** Only when it changes: a status that is written again is read out again. */
function setText(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

function tell(text) {
  setText('message', text);
}
