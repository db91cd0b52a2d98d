// The end of a run: a JSON file for programs, a short list for people.

/** Needed in the options, for the summary's p50 and p99. */
export const trendStats = ['med', 'p(99)', 'max'];

const COUNTS = {
  joined: 'shoppers_joined',
  admitted: 'shoppers_admitted',
  missed: 'shoppers_missed',
  closed: 'shoppers_turned_away',
  accepted: 'orders_accepted',
  held: 'orders_held',
  sold_out: 'orders_sold_out',
  paid: 'orders_paid',
  payment_failed: 'orders_payment_failed',
  broken: 'journeys_broken',
  retries: 'request_retries',
  requests: 'http_reqs',
};
const TIMES = { poll: 'poll_time', decision: 'decision_time', wait: 'wait_time' };

/** What `handleSummary` answers. */
export function summarise(settings, data) {
  const summary = { shoppers: settings.shoppers };
  for (const [key, metric] of Object.entries(COUNTS)) {
    summary[key] = data.metrics[metric] ? data.metrics[metric].values.count : 0;
  }
  for (const [key, metric] of Object.entries(TIMES)) {
    const values = data.metrics[metric] ? data.metrics[metric].values : {};
    summary[`${key}_p50_ms`] = rounded(values.med);
    summary[`${key}_p99_ms`] = rounded(values['p(99)']);
  }
  summary.seconds = rounded(data.state.testRunDurationMs / 1000);
  const lines = Object.entries(summary).map(([key, value]) => `  ${key.padEnd(16)} ${value}`);
  return {
    [settings.summaryFile]: `${JSON.stringify(summary)}\n`,
    stderr: `${lines.join('\n')}\n`,
  };
}

function rounded(value) {
  return value === undefined ? null : Math.round(value * 1000) / 1000;
}
