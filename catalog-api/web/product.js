// The product page: live stock, buying, and the cart.

const { ask, everySecond, order } = await import(`/assets/shop.js?v=${document.body.dataset.assets}`);

const { product, opens, closes } = document.getElementById('product').dataset;
const form = document.getElementById('buy');
const buttons = form.querySelectorAll('button');
const stock = document.getElementById('stock');
const times = document.getElementById('times');
const message = document.getElementById('message');
const UNSOLD = { sold_out: 'Sold out', stopped: 'Not for sale just now', retired: 'No longer sold' };

let busy = false;
let unsold = false;

follow();
tellTimes();

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (busy) return;
  hold(true);
  const quantity = Number(form.elements.quantity.value);
  message.textContent = '…';
  message.textContent = await (event.submitter?.value === 'cart' ? putIntoCart(quantity) : order({ lines: [{ product_id: product, quantity }] }));
  hold(false);
});

/** Events while they come, else a look every second. */
function follow() {
  const events = new EventSource(`/products/${product}/stock/events`);
  events.addEventListener('stock', (event) => show(JSON.parse(event.data)));
  events.addEventListener('error', () => {
    // A browser connects again by itself unless it was refused.
    if (events.readyState === EventSource.CLOSED) everySecond(look);
  });
}

async function look() {
  const { status, body } = await ask('GET', `/products/${product}/stock`);
  if (status === 200) show(body);
}

function show({ available, status }) {
  const told = UNSOLD[status];
  unsold = Boolean(told);
  stock.textContent = told || `${available} left`;
  stock.classList.toggle('none', unsold);
  hold(busy);
}

function hold(now) {
  busy = now;
  buttons.forEach((button) => { button.disabled = busy || (unsold && button.value === 'buy'); });
}

async function putIntoCart(quantity) {
  const { status, body } = await ask('POST', '/cart/lines', { body: { product_id: product, quantity } });
  if (status === 200) return 'It is in your cart.';
  if (status === 401) return 'Your time in the shop is over. Reload the page to join the line again.';
  return body.detail || 'That did not work.';
}

/** When the sale opens or closes, in the visitor's own time. */
function tellTimes() {
  const said = [['Opens', opens], ['Closes', closes]].filter(([, at]) => at);
  times.textContent = said.map(([what, at]) => `${what} ${new Date(at).toLocaleString()}`).join(' · ');
  times.hidden = said.length === 0;
}
