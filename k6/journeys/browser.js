// The whole journey in a real browser: opens the shop, waits in line, is let in, buys, pays on the sandbox's checkout
// page, sees "paid" and one unit less, with a screenshot of each step. See README.md for how to start it.
//
// Somebody who comes alone is let in at once. To see the line whoever knows the operator's address and token can
// have the room paused until the line was seen (OPERATOR_URL, OPERATOR_TOKEN).

import { browser } from 'k6/browser';
import http from 'k6/http';

import * as figures from '../lib/figures.js';
import { settings } from '../lib/settings.js';
import { summarise, trendStats } from '../lib/summary.js';

const OPERATOR = { url: __ENV.OPERATOR_URL, token: __ENV.OPERATOR_TOKEN };
const SCREENSHOTS = __ENV.SCREENSHOTS || 'screenshots';
/** How long a page may take. */
const SOON = 15_000;

export const options = {
  scenarios: {
    browser: {
      executor: 'shared-iterations',
      maxDuration: `${settings.patienceSeconds + 120}s`,
      options: { browser: { type: 'chromium' } },
    },
  },
  thresholds: { journeys_broken: ['count==0'], orders_paid: ['count==1'] },
  summaryTrendStats: trendStats,
};

export default async function journey() {
  const context = await browser.newContext({ viewport: { width: 1000, height: 760 }, locale: 'en-GB' });
  const visit = new Visit(await context.newPage());
  try {
    await wait(visit);
    const before = await look(visit);
    await buy(visit);
    await pay(visit);
    const after = await visit.stock();
    await visit.screenshot('one-less');
    if (after !== before - 1) throw new Error(`${before} left before, ${after} after`);
  } catch (error) {
    figures.broken.add(1);
    console.error(error.message || error);
    await visit.screenshot('broken');
  } finally {
    operate('resume');
    await context.close();
  }
}

export function handleSummary(data) {
  return summarise(settings, data);
}

/** Until the shop is seen. */
async function wait(visit) {
  operate('pause');
  const began = Date.now();
  await visit.page.goto(`${settings.shop}/`);
  if (OPERATOR.url) await visit.sees('#line');
  figures.joined.add(1);
  if (await visit.page.locator('#line').isVisible()) {
    await visit.screenshot('in-line');
    operate('resume');
  }
  await visit.sees('.shelf', settings.patienceSeconds * 1000);
  figures.admitted.add(1);
  figures.waitTime.add(Date.now() - began);
  await visit.screenshot('let-in');
}

/** Looks at the product; answers how many are left. */
async function look(visit) {
  const left = await visit.stock();
  await visit.screenshot('product');
  return left;
}

async function buy(visit) {
  const began = Date.now();
  await visit.page.locator('#buy button').click();
  await visit.sees('#order[data-state="held"] #pay:not([hidden])');
  figures.accepted.add(1);
  figures.held.add(1);
  figures.decisionTime.add(Date.now() - began);
  await visit.screenshot('held');
}

async function pay(visit) {
  await visit.page.locator('#pay').click();
  const card = `input[name="card_number"][value="${settings.cards.paid.replace(/(\d{4})(?=\d)/g, '$1 ')}"]`;
  await visit.sees(card);
  await visit.page.locator(card).check();
  await visit.screenshot('checkout');
  await visit.page.locator('form button[type="submit"]').click();
  await visit.sees('#order[data-state="paid"]');
  figures.paid.add(1);
  await visit.screenshot('paid');
}

/** A page and the pictures taken of it. */
class Visit {
  constructor(page) {
    this.page = page;
    this.pictures = 0;
  }

  sees(selector, timeout = SOON) {
    return this.page.locator(selector).waitFor({ state: 'visible', timeout });
  }

  screenshot(name) {
    this.pictures += 1;
    const number = String(this.pictures).padStart(2, '0');
    return this.page.screenshot({ path: `${SCREENSHOTS}/${number}-${name}.png`, fullPage: true });
  }

  /** Opens the product's page; answers how many are left. */
  async stock() {
    await this.page.goto(`${settings.shop}/products/${settings.product}`);
    await this.sees('#stock');
    const text = await this.page.locator('#stock').textContent();
    return text.trim() === 'Sold out' ? 0 : parseInt(text, 10);
  }
}

/** Pauses or resumes the room, if somebody said how. */
function operate(what) {
  if (!OPERATOR.url) return;
  const headers = { Authorization: `Bearer ${OPERATOR.token}` };
  const answer = http.post(`${OPERATOR.url}/rooms/${settings.room}/${what}`, null, { headers });
  if (answer.status !== 204) throw new Error(`${what} answered ${answer.status} ${answer.body}`);
}
