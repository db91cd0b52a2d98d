// What is counted and timed, whatever the script: one name each, used in thresholds and in the summary.

import { Counter, Trend } from 'k6/metrics';

export const joined = new Counter('shoppers_joined');
export const admitted = new Counter('shoppers_admitted');
export const missed = new Counter('shoppers_missed');
/** Shoppers who still stood in line when the doors closed. */
export const closed = new Counter('shoppers_turned_away');
export const accepted = new Counter('orders_accepted');
export const held = new Counter('orders_held');
export const soldOut = new Counter('orders_sold_out');
export const paid = new Counter('orders_paid');
export const declined = new Counter('orders_payment_failed');
/** Shoppers whose journey ended in something nobody planned. */
export const broken = new Counter('journeys_broken');
/** Requests that were repeated because the first try was not answered or answered with "later". */
export const retries = new Counter('request_retries');

/** One poll of somebody who waits. */
export const pollTime = new Trend('poll_time', true);
/** From "buy" until the shopper knows whether the units are theirs. */
export const decisionTime = new Trend('decision_time', true);
/** From joining until being let in. */
export const waitTime = new Trend('wait_time', true);
