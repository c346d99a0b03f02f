/*
 * What the measurements are to show, each as one number beside its limit. Ratios are of
 * medians of the same run, so they may be compared between machines.
 */
import {FAULTS} from '../measures/figures.mjs';
import {find} from './summary.mjs';

const NODE_PEERS = ['socketio', 'sockjs', 'faye'];
const SERVERS = ['nginx', 'lighttpd'];

/* A median of the record that fits; NaN if there is none. */
function value(summary, name, wanted) {
  return find(summary, wanted)?.median[name] ?? NaN;
}

/* As one line of the report; `got` is null where something was not measured. */
function line(what, got, relation, limit) {
  const known = Number.isFinite(got);
  const holds = relation === '>=' ? got >= limit : relation === '<=' ? got <= limit : got < limit;
  return {what, got: known ? got : null, limit: `${relation} ${limit}`, holds: known ? holds : null};
}

function ratio(summary, name, wanted, to) {
  return value(summary, name, wanted) / value(summary, name, {...wanted, ...to});
}

/* Halley beside the least that could stand behind the same server. */
function besideFloor(summary, server) {
  const system = `halley-${server}`;
  const floor = {system: `floor-${server}`};
  const lines = [];
  for (const way of ['wait', 'sse']) {
    const wanted = {measure: 'rate', system, way};
    lines.push(line(`${server}, ${way}: deliveries/s, of floor-fcgi's`, ratio(summary, 'per_second', wanted, floor), '>=', 0.95));
    lines.push(line(`${server}, ${way}: CPU of halley.fcgi a delivery, of floor-fcgi's`,
      ratio(summary, 'cpu_app_us', wanted, floor), '<=', 1.5));
  }
  for (const record of summary.filter(each => each.measure === 'fanout' && each.system === system)) {
    const wanted = {measure: 'fanout', system, way: record.way, waiters: record.waiters};
    lines.push(line(`${server}, ${record.way}, ${record.waiters} waiters: publish to last, of floor-fcgi's`,
      ratio(summary, 'to_last_ms', wanted, floor), '<=', 1.1));
  }
  lines.push(line(`${server}: empty polls/s, of floor-fcgi's`,
    ratio(summary, 'per_second', {measure: 'polls', system, connections: 64}, floor), '>=', 0.95));
  return lines;
}

/* One waiter, idle: beside Redis alone and a request through the same server alone. */
function besideTheWay(summary, server) {
  const latency = way => value(summary, 'latency_ms', {measure: 'latency', system: `halley-${server}`, way});
  const request = value(summary, 'latency_ms', {measure: 'polls', system: `floor-${server}`, connections: 1});
  return line(`${server}: one waiter, publish to answer, of Redis alone + a request alone`,
    latency('wait') / (latency('redis-raw') + request), '<=', 1.5);
}

function besidePeers(summary) {
  const lines = [];
  const nginx = {system: 'halley-nginx'};
  const small = {measure: 'fanout', way: 'push', waiters: 1000, ...nginx};
  const large = {...small, waiters: 5000};
  lines.push(line("nginx: deliveries/s, of Nchan's with Redis",
    ratio(summary, 'per_second', {measure: 'rate', way: 'wait', ...nginx}, {system: 'nchan-redis'}), '>=', 1));
  lines.push(line("nginx, push, 1000 waiters: publish to last, of Nchan's with Redis",
    ratio(summary, 'to_last_ms', small, {system: 'nchan-redis'}), '<=', 1));
  for (const system of NODE_PEERS) {
    lines.push(line(`nginx, push, 5000 waiters: publish to last, of ${system}'s`,
      ratio(summary, 'to_last_ms', large, {system}), '<', 1));
  }
  return lines;
}

function memory(summary) {
  const bytes = (name, system) => value(summary, name, {measure: 'memory', system});
  return [
    line('lighttpd: memory for a waiter, kB, together', bytes('both_bytes', 'halley-lighttpd') / 1000, '<=', 3.5),
    line('lighttpd: memory for a waiter, kB, halley.fcgi', bytes('app_bytes', 'halley-lighttpd') / 1000, '<=', 0.3),
    line("nginx: memory for a waiter, kB, beyond nginx's own",
      (bytes('both_bytes', 'halley-nginx') - bytes('web_bytes', 'floor-nginx')) / 1000, '<=', 0.3)
  ];
}

function nothingAmiss(summary) {
  const counted = summary.filter(record => Object.keys(record.counts).length);
  const sum = counted.reduce((all, {counts}) => all + FAULTS.reduce((each, fault) => each + (counts[fault] ?? 0), 0), 0);
  return line('messages lost, doubled or reordered, and errors, in every run', counted.length ? sum : NaN, '<=', 0);
}

/* All lines of a whole run; of a part of it, those that it has measured. */
export function check(summary, whole) {
  return [
    ...SERVERS.flatMap(server => besideFloor(summary, server)),
    ...SERVERS.map(server => besideTheWay(summary, server)),
    ...besidePeers(summary),
    ...memory(summary),
    nothingAmiss(summary)
  ].filter(({got}) => whole || got !== null);
}
