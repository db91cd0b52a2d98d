// The product page: live stock, and buying.

const { ask, everySecond, pause } = await import(`/assets/shop.js?v=${document.body.dataset.assets}`);

const product = document.getElementById('product').dataset.product;
const form = document.getElementById('buy');
const button = form.querySelector('button');
const stock = document.getElementById('stock');
const message = document.getElementById('message');
const TRIES = 6;

let buying = false;
let soldOut = false;

everySecond(async () => {
  const { status, body } = await ask('GET', `/products/${product}`);
  if (status !== 200) return;
  const left = body.stock.available;
  soldOut = body.stock.sold_out;
  stock.textContent = soldOut ? 'Sold out' : `${left} left`;
  stock.classList.toggle('none', soldOut);
  button.disabled = buying || soldOut;
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  if (buying) return;
  buying = true;
  button.disabled = true;
  message.textContent = 'Placing your order…';
  message.textContent = await buy(Number(form.elements.quantity.value));
  buying = false;
  button.disabled = soldOut;
});

/** Buys; answers what to tell the shopper when that did not work. */
async function buy(quantity) {
  const key = keyFor(quantity);
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const answer = await ask('POST', '/orders', {
      headers: { 'Idempotency-Key': `"${key.value}"`, Prefer: 'wait=10' },
      body: { lines: [{ product_id: product, quantity }] },
    });
    if ([201, 202].includes(answer.status)) {
      key.forget();
      location.assign(answer.headers.get('Location'));
      return 'Opening your order…';
    }
    const inFlight = answer.body.type === 'urn:problem:request-in-flight';
    if (!inFlight && answer.status !== 0 && answer.status < 500) {
      key.forget();
      return explain(answer);
    }
    // Not known whether it was taken: the same key again is the same order.
    await pause(attempt * 500);
  }
  return 'The shop does not answer. Your click is remembered: press Buy again and it is still one order.';
}

function explain({ status, body }) {
  if (status === 401) return 'Your time in the shop is over. Reload the page to join the line again.';
  return body.detail || 'That did not work.';
}

/** A key for this purchase, kept until it is answered, through reloads too. */
function keyFor(quantity) {
  const place = `order-key:${product}:${quantity}`;
  const value = sessionStorage.getItem(place) || randomKey();
  sessionStorage.setItem(place, value);
  return { value, forget: () => sessionStorage.removeItem(place) };
}

/** `crypto.randomUUID` is missing where the page came over plain HTTP. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
