/* The tables on standard output. */
import {FAULTS} from '../measures/figures.mjs';
import {systemById} from '../systems/index.mjs';

const HEADS = {
  to_last_ms: 'to the last, ms',
  per_second: 'a second',
  latency_ms: 'latency, ms',
  requests_each: 'requests a message',
  alone_ms: 'alone, ms',
  during_ms: 'during, ms',
  cpu_web_us: 'web µs',
  cpu_app_us: 'app µs',
  cpu_redis_us: 'Redis µs',
  web_bytes: 'web, bytes',
  app_bytes: 'app, bytes',
  both_bytes: 'together',
  to_500_ms: 'to 500 held, ms',
  to_5000_ms: 'to 5000, ms',
  first_ms: 'first byte, ms',
  slowest_ms: 'slowest, ms',
  file_ms: 'file, ms',
  poll_ms: 'poll, ms',
  publish_ms: 'publish, ms',
  kernel_bytes: 'kernel, bytes',
  connections: 'of Redis'
};

const CELLS = new Set(['measure', 'system', 'runs', 'failures', 'median', 'low', 'high', 'counts']);

function number(value) {
  if (!Number.isFinite(value)) return '-';
  return value >= 100 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/* A median, and the range of all rounds where there is one. */
function figure(record, name) {
  if (!(name in record.median)) return '-';
  const range = record.runs.length > 1 ? ` (${number(record.low[name])}-${number(record.high[name])})` : '';
  return number(record.median[name]) + range;
}

function faults(record) {
  return FAULTS.map(fault => record.counts[fault] ?? 0).join('/');
}

function cellOf(record) {
  return Object.entries(record).filter(([name]) => !CELLS.has(name)).map(([, value]) => String(value));
}

function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map(row => row[column].length)));
  return rows.map(row => row.map((text, column) =>
    column === 0 ? text.padEnd(widths[column]) : text.padStart(widths[column])).join('  '));
}

function rowOf(record, measure, counted) {
  return [systemById(record.system).title, ...cellOf(record), ...measure.columns.map(name => figure(record, name)),
    ...counted ? [faults(record)] : []];
}

/* What was measured alike stands together, whoever it is of. */
export function table(measure, summary) {
  const records = summary.filter(record => record.measure === measure.id)
    .sort((a, b) => cellOf(a).join().localeCompare(cellOf(b).join(), 'en', {numeric: true}));
  const cells = Object.keys(records[0] ?? {}).filter(name => !CELLS.has(name));
  const counted = records.some(record => Object.keys(record.counts).length);
  const head = ['', ...cells, ...measure.columns.map(name => HEADS[name] ?? name), ...counted ? [FAULTS.join('/')] : []];
  const lines = aligned([head, ...records.map(record => rowOf(record, measure, counted))]);
  const apart = records.map((record, at) => at > 0 && cellOf(record).join() !== cellOf(records[at - 1]).join());
  return `\n${measure.title}\n${lines.map((line, at) => apart[at - 1] ? `\n${line}` : line).join('\n')}`;
}

function checked({what, got, low, high, relation, limit, holds}) {
  if (got === null) return [what, 'not measured', `${relation} ${limit}`, ''];
  const range = low < high ? ` (${number(low)}-${number(high)})` : '';
  return [what, number(got) + range, `${relation} ${limit}`, holds ? 'holds' : 'DOES NOT HOLD'];
}

export function checks(acceptance) {
  const lines = aligned([['', 'measured', 'limit', ''], ...acceptance.map(checked)]);
  return `\nWhat is to hold\n${lines.join('\n')}\n`;
}
