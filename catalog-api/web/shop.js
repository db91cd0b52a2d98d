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

// Not awaited: those scripts import this one, which must be finished for that.
for (const page of ['product', 'order', 'draw', 'draw-check']) {
  if (document.getElementById(page)) import(`/assets/${page}.js?v=${version}`);
}
