// A shopper's way through the shop: join, wait as told, claim, buy, pay, leave.

import { uuidv4 } from './uuid.js';
import * as figures from './figures.js';
import { Visitor, json } from './api.js';
import { later } from './pace.js';

/** How long an order may take to be decided or paid before its shopper calls it broken. */
const ORDER_PATIENCE_MS = 60_000;
const UNDECIDED = 'pending';

/** Thrown when the journey cannot go on: what happened instead. */
class Broken extends Error {}

/**
 * The whole journey of shopper number `index`; answers how it ended: `paid`, `payment_failed`, `sold_out`, `missed`,
 * `closed`, `gave_up` or `broken`. It never throws.
 */
export async function journey(settings, index) {
  const visitor = new Visitor(settings);
  try {
    const end = (await queue(visitor, settings)) || (await shop(visitor, settings, index));
    await visitor.leave();
    return end;
  } catch (error) {
    figures.broken.add(1);
    console.error(`shopper ${index}: ${error.message}`);
    return 'broken';
  }
}

/**
 * Until the shopper is let in; answers why not when they are not. Whoever is `waiting` or `to_be_drawn` asks again when
 * told to.
 */
async function queue(visitor, settings) {
  const began = Date.now();
  let place = expect('join', await visitor.join(), [200, 201]);
  visitor.ticket = place.ticket || visitor.ticket;
  figures.joined.add(1);
  for (;;) {
    if (Date.now() - began > settings.patienceSeconds * 1000) return 'gave_up';
    if (place.state === 'missed') return missed();
    if (place.state === 'closed') return closed();
    if (place.state === 'called') {
      const claim = await visitor.claim();
      if (claim.status === 410) return missed();
      if (claim.status !== 409) {
        visitor.pass = expect('claim', claim, [200]).pass;
        figures.admitted.add(1);
        figures.waitTime.add(Date.now() - began);
        return null;
      }
    }
    await later(place.poll_after_ms);
    place = await poll(visitor);
  }
}

function missed() {
  figures.missed.add(1);
  return 'missed';
}

function closed() {
  figures.closed.add(1);
  return 'closed';
}

async function poll(visitor) {
  const response = await visitor.status();
  figures.pollTime.add(response.timings.duration);
  return expect('poll', response, [200]);
}

/** What somebody does who was let in. */
async function shop(visitor, settings, index) {
  expect('product', await visitor.product(settings.product), [200]);
  const order = await buy(visitor, settings, index);
  if (!order) return 'sold_out';
  return pay(visitor, order, everyNth(index, settings.declinedEvery) ? settings.cards.declined : settings.cards.paid);
}

/** The order that holds the units, or nothing when they are sold out. */
async function buy(visitor, settings, index) {
  const key = uuidv4();
  const began = Date.now();
  const click = async () => read(await visitor.buy(settings.product, settings.quantity, key));
  // The second click asks for the same order: it must not become another one.
  const clicks = everyNth(index, settings.doubleClickEvery) ? [click(), click()] : [click()];
  const answers = (await Promise.all(clicks)).filter((answer) => !answer.inFlight);
  const orders = answers.map((answer) => answer.order).filter(Boolean);
  if (new Set(orders.map((order) => order.order_id)).size > 1) throw new Broken('two clicks became two orders');
  if (orders.length === 0) return soldOut();
  const order = orders[0];
  figures.accepted.add(1);
  // One line for each accepted order: the checker looks every one of them up in the database.
  console.log(`accepted ${order.order_id}`);
  const decided = await settled(visitor, order, (now) => now.state !== UNDECIDED);
  figures.decisionTime.add(Date.now() - began);
  if (decided.state === 'refused') return soldOut();
  figures.held.add(1);
  return decided;
}

/** What an answer to "buy" means: the order, if it was accepted; a refused one is told as a problem. */
function read(answer) {
  if (answer.status !== 409) return { order: expect('buy', answer, [200, 201, 202]) };
  const problem = json(answer) || {};
  return { order: problem.order, inFlight: String(problem.type).endsWith('request-in-flight') };
}

function soldOut() {
  figures.soldOut.add(1);
  return null;
}

async function pay(visitor, order, card) {
  const { checkout_url: checkout } = expect('pay', await visitor.pay(order.order_id), [200, 201]);
  if (!checkout) throw new Broken('no address to pay at');
  expect('confirm', await visitor.confirm(checkout, card), [200, 202]);
  const paid = await settled(visitor, order, (now) => now.state !== 'held');
  if (paid.state === 'paid') figures.paid.add(1);
  else if (paid.state === 'payment_failed') figures.declined.add(1);
  else throw new Broken(`order ${order.order_id} is ${paid.state} after its payment`);
  return paid.state;
}

/** Looks at an order until it is `done`. */
async function settled(visitor, first, done) {
  const deadline = Date.now() + ORDER_PATIENCE_MS;
  let order = first;
  while (!done(order)) {
    if (Date.now() > deadline) throw new Broken(`order ${first.order_id} is still ${order.state}`);
    await later(200 + Math.random() * 100);
    order = expect('order', await visitor.order(first.order_id), [200]);
  }
  return order;
}

/** The JSON of an answer with one of these statuses; anything else breaks the journey. */
function expect(step, response, statuses) {
  const body = json(response);
  if (!statuses.includes(response.status) || body === null) {
    throw new Broken(`${step} answered ${response.status} ${response.error || response.body}`);
  }
  return body;
}

function everyNth(index, n) {
  return n > 0 && index % n === n - 1;
}
