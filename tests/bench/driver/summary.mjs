/*
 * Records: what was measured of one system in one cell of a measurement, all rounds, and
 * their medians and spreads. Counts of faults are summed up, never averaged away.
 */
import {SUMMED} from '../measures/figures.mjs';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export class Records {
  constructor() {
    this.all = new Map();
  }

  of(measure, system, cell) {
    const key = JSON.stringify([measure.id, system.id, cell]);
    if (!this.all.has(key)) this.all.set(key, {measure: measure.id, system: system.id, ...cell, runs: [], failures: []});
    return this.all.get(key);
  }

  /* Each record with `median`, `low` and `high` of every figure, and the sums of `counts`. */
  summary() {
    return [...this.all.values()].map(record => {
      const names = [...new Set(record.runs.flatMap(run => Object.keys(run)))].filter(name => name !== 'first_error');
      const pick = (wanted, make) => Object.fromEntries(names.filter(name => SUMMED.has(name) === wanted)
        .map(name => [name, make(record.runs.map(run => run[name]).filter(Number.isFinite))]));
      return {
        ...record,
        median: pick(false, median),
        low: pick(false, values => Math.min(...values)),
        high: pick(false, values => Math.max(...values)),
        counts: pick(true, values => values.reduce((sum, value) => sum + value, 0))
      };
    });
  }
}

/* Finds a summary's record; undefined if it was not measured. */
export function find(summary, wanted) {
  return summary.find(record => record.runs.length &&
    Object.entries(wanted).every(([name, value]) => record[name] === value));
}
