// Ten thousand shoppers at one hundred units. All of them can stand in line at once.
//
// A virtual user costs megabytes, a shopper who waits should cost next to nothing: so each virtual user is many
// shoppers, whose journeys are asynchronous and run side by side in its event loop.

import { journey } from '../lib/journey.js';
import { later } from '../lib/pace.js';
import { settings as read } from '../lib/settings.js';
import { summarise, trendStats } from '../lib/summary.js';
import { storm } from '../lib/thresholds.js';
import exec from 'k6/execution';

const SHOPPERS_PER_USER = Number(__ENV.SHOPPERS_PER_VU || 50);

const settings = {
  ...read,
  shoppers: Number(__ENV.SHOPPERS || 10_000),
  declinedEvery: Number(__ENV.DECLINED_EVERY || 10),
  doubleClickEvery: Number(__ENV.DOUBLE_CLICK_EVERY || 7),
  arrivalSeconds: Number(__ENV.ARRIVAL_SECONDS || 20),
};

export const options = {
  scenarios: {
    drop_day: {
      executor: 'per-vu-iterations',
      vus: Math.ceil(settings.shoppers / SHOPPERS_PER_USER),
      iterations: 1,
      maxDuration: `${settings.patienceSeconds + 120}s`,
    },
  },
  // Connections that a virtual user keeps open between requests, for all its shoppers.
  batch: SHOPPERS_PER_USER,
  batchPerHost: SHOPPERS_PER_USER,
  thresholds: storm,
  summaryTrendStats: trendStats,
};

export default async function shoppers() {
  const first = exec.scenario.iterationInTest * SHOPPERS_PER_USER;
  const count = Math.min(SHOPPERS_PER_USER, settings.shoppers - first);
  await Promise.all(Array.from({ length: count }, (_, n) => arrive(first + n)));
}

/** Everybody comes at a moment of their own, early ones and late ones in every virtual user. */
async function arrive(index) {
  await later(Math.random() * settings.arrivalSeconds * 1000);
  await journey(settings, index);
}

export function handleSummary(data) {
  return summarise(settings, data);
}
