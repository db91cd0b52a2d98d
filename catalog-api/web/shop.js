// What every page shares, and which script a page needs.

const version = document.body.dataset.assets;

/** An amount in the visitor's own notation. */
export function money({ minor, currency }) {
  const format = new Intl.NumberFormat(undefined, { style: 'currency', currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** Asks for JSON. Answers status, body and headers, or status 0 when there was no answer. */
export async function ask(method, address, { headers, body } = {}) {
  try {
    const response = await fetch(address, {
      method,
      headers: { Accept: 'application/json', ...(body && { 'Content-Type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
    });
    const type = response.headers.get('Content-Type') || '';
    return { status: response.status, headers: response.headers, body: type.includes('json') ? await response.json() : {} };
  } catch (_) {
    return { status: 0, headers: new Headers(), body: {} };
  }
}

/** The page's sentences by their names, in its language. */
export async function readWords() {
  const { lang } = document.documentElement;
  return (await ask('GET', `/assets/${lang}.json?v=${version}`)).body;
}

/** Calls `look` every second while the page is seen, until it answers false. */
export async function everySecond(look) {
  for (;;) {
    if (!document.hidden && (await look()) === false) return;
    await pause(1000);
  }
}

export function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

const TRIES = 6;

/** Places an order and opens it; answers what to tell the shopper when that did not work. */
export async function order(body) {
  const key = keyFor(JSON.stringify(body));
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const answer = await ask('POST', '/orders', {
      headers: {
        'Idempotency-Key': `"${key.value}"`,
        Prefer: 'wait=10',
        // Only the shop knows whether a key that was sent before has an order: this one was not.
        ...(key.isNew && attempt === 1 && { 'Waiting-Room-First-Try': '?1' }),
      },
      body,
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
  return 'The shop does not answer. Your click is remembered: press again and it is still one order.';
}

function explain({ status, body }) {
  if (status === 401) return 'Your time in the shop is over. Reload the page to join the line again.';
  const prices = (body.changes || []).map(({ product_id, seen, now }) => `${product_id}: ${money(now)} instead of ${money(seen)}`);
  return [body.detail || 'That did not work.', ...prices].join(' ');
}

/** A key for this purchase, kept until it is answered, through reloads too. */
function keyFor(purchase) {
  const place = `order-key:${purchase}`;
  const kept = sessionStorage.getItem(place);
  const value = kept || randomKey();
  sessionStorage.setItem(place, value);
  return { value, isNew: !kept, forget: () => sessionStorage.removeItem(place) };
}

/** `crypto.randomUUID` is missing where the page came over plain HTTP. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// A member who looks around for longer than an access token lives still orders as a member.
const RENEWED_AFTER = 10 * 60 * 1000;

setInterval(renew, 60 * 1000);
renew();

async function renew() {
  const since = Number(localStorage.getItem('member-since'));
  if (!since || Date.now() - since < RENEWED_AFTER) return;
  const { refresh } = await import(`/assets/members.js?v=${version}`);
  await refresh();
}

// Not awaited: those scripts import this one, which must be finished for that.
for (const page of ['product', 'order', 'cart', 'draw', 'draw-check', 'sign-in', 'sign-up', 'account']) {
  if (document.querySelector(`main #${page}`)) import(`/assets/${page}.js?v=${version}`);
}
