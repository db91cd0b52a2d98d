// One visitor: joins the line, waits as told, is let in, buys, pays, leaves.
// `-e SHOPPERS=20` sends twenty of them side by side. See README.md for every parameter.

import { journey } from '../lib/journey.js';
import { later } from '../lib/pace.js';
import { settings } from '../lib/settings.js';
import { summarise, trendStats } from '../lib/summary.js';
import { sound } from '../lib/thresholds.js';
import exec from 'k6/execution';

export const options = {
  scenarios: {
    shoppers: {
      executor: 'per-vu-iterations',
      vus: settings.shoppers,
      iterations: 1,
      maxDuration: `${settings.patienceSeconds + 120}s`,
    },
  },
  thresholds: sound,
  summaryTrendStats: trendStats,
};

export default async function shopper() {
  const index = exec.scenario.iterationInTest;
  await later((index * settings.arrivalSeconds * 1000) / settings.shoppers);
  const end = await journey(settings, index);
  console.log(`shopper ${index}: ${end}`);
}

export function handleSummary(data) {
  return summarise(settings, data);
}
