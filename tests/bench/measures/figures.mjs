/* The figures of one run of load, flat, under the names that reports and checks use. */

const COUNTS = ['deliveries', 'requests', 'lost', 'doubled', 'reordered', 'errors', 'reopened'];
const SPREADS = ['to_last_ms', 'latency_ms', 'alone_ms', 'during_ms'];

/* Of a run that did not get to its end, only the counts. */
export function figures(json) {
  const values = {};
  for (const name of COUNTS) if (name in json) values[name] = json[name];
  if (json.first_error) values.first_error = json.first_error;
  if (!json.complete) return {...values, unfinished: 1};
  if ('per_second' in json) values.per_second = json.per_second;
  for (const name of SPREADS) if (json[name]) values[name] = json[name].median;
  for (const [label, {us_each}] of Object.entries(json.cpu ?? {})) values[`cpu_${label}_us`] = us_each;
  return values;
}

/* Messages that came too often, too late or not at all: never, in any run. */
export const FAULTS = ['lost', 'doubled', 'reordered', 'errors', 'unfinished'];

/* What is summed up over all rounds, where other figures have a median. */
export const SUMMED = new Set([...FAULTS, ...COUNTS]);
