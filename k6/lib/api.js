// One visitor's requests. Each method is one request (or one that is safely repeated) and carries the name it is
// counted under, so that the numbers of a step can be told from those of another.

import http from 'k6/http';

import * as figures from './figures.js';
import { later } from './pace.js';

/** Answers that belong to a journey: not called yet, sold out, missed. */
const EXPECTED = http.expectedStatuses({ min: 200, max: 399 }, 409, 410);
/** How often a request is tried when it is not answered, or answered with "later". */
const TRIES = 8;

export class Visitor {
  constructor({ shop, room }) {
    this.shop = shop;
    this.room = room;
    this.ticket = null;
    this.pass = null;
  }

  // --- the line

  join() {
    return this.patiently('join', 'POST', this.roomAddress('/join'));
  }

  status() {
    return this.patiently('poll', 'GET', this.roomAddress('/status'));
  }

  claim() {
    return this.patiently('claim', 'POST', this.roomAddress('/claim'));
  }

  leave() {
    return this.patiently('leave', 'POST', this.roomAddress('/leave'));
  }

  // --- the shop

  product(id) {
    return this.patiently('product', 'GET', `${this.shop}/products/${id}`);
  }

  /** The same key names the same order, however often this is called. */
  buy(product, quantity, key) {
    const body = { lines: [{ product_id: product, quantity }] };
    const headers = { 'Idempotency-Key': `"${key}"`, Prefer: 'wait=10' };
    return this.patiently('buy', 'POST', `${this.shop}/orders`, body, headers);
  }

  order(id) {
    return this.patiently('order', 'GET', `${this.shop}/orders/${id}`, null, { Prefer: 'wait=10' });
  }

  /** Answers where to pay. */
  pay(id) {
    return this.patiently('pay', 'POST', `${this.shop}/orders/${id}/pay`, {});
  }

  /** Tells the sandbox provider the card, as its checkout page does. */
  confirm(checkoutUrl, card) {
    const [, origin, payment] = /^(https?:\/\/[^/]+)\/.*?([^/?#]+)(?:[?#].*)?$/.exec(checkoutUrl);
    const url = `${origin}/v1/payments/${payment}/confirm`;
    return this.patiently('confirm', 'POST', url, { card_number: card });
  }

  // --- how

  roomAddress(path) {
    return `${this.shop}/.waiting-room/${this.room}${path}`;
  }

  /** Tries again, a little later each time, when there is no answer, 429, 502, 503 or 504. */
  async patiently(name, method, url, body, headers) {
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.send(name, method, url, body, headers);
      const notNow = response.status === 0 || [429, 502, 503, 504].includes(response.status);
      if (!notNow || attempt === TRIES) {
        return response;
      }
      figures.retries.add(1, { name });
      const asked = Number(response.headers['Retry-After'] || 0) * 1000;
      await later(Math.max(asked, attempt * 250) * (1 + Math.random() / 2));
    }
  }

  send(name, method, url, body, headers) {
    const own = {};
    if (this.ticket) own['Waiting-Room-Ticket'] = this.ticket;
    if (this.pass) own['Waiting-Room-Pass'] = this.pass;
    if (body) own['Content-Type'] = 'application/json';
    return http.asyncRequest(method, url, body ? JSON.stringify(body) : null, {
      headers: { ...own, Accept: 'application/json', ...headers },
      // Several visitors share a virtual user. With its cookie jar they would be one visitor.
      jar: new http.CookieJar(),
      redirects: 0,
      responseCallback: EXPECTED,
      tags: { name },
      timeout: '30s',
    });
  }
}

/** The JSON of an answer, or nothing. */
export function json(response) {
  try {
    return response.json();
  } catch (_) {
    return null;
  }
}
