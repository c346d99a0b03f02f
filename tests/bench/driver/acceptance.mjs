/*
 * What the measurements are to show, each as one number beside its limit. Ratios are taken
 * within each round, whose two sides were measured one soon after the other, and their
 * median counts: so they may be compared between machines.
 */
import {FAULTS} from '../measures/figures.mjs';
import {systemById} from '../systems/index.mjs';
import {find, median} from './summary.mjs';

const NODE_PEERS = ['socketio', 'sockjs', 'faye'];
const SERVERS = ['nginx', 'lighttpd'];

/* A figure of the record that fits, round by round; empty if it was not measured. */
function rounds(summary, name, wanted) {
  return find(summary, wanted)?.runs.map(run => run[name]) ?? [];
}

/* make(a, b, ...) of what each list has for a round. */
function together(make, ...lists) {
  const common = lists.length ? Math.min(...lists.map(list => list.length)) : 0;
  return Array.from({length: common}, (_, at) => make(...lists.map(list => list[at])));
}

/* A line of the report; `got` is null where something was not measured. */
function line(what, all, relation, limit) {
  const values = all.filter(Number.isFinite);
  if (!values.length) return {what, got: null, relation, limit, holds: null};
  const got = median(values);
  const holds = relation === '>=' ? got >= limit : relation === '<=' ? got <= limit : got < limit;
  return {what, got, low: Math.min(...values), high: Math.max(...values), relation, limit, holds};
}

function ratio(summary, name, wanted, to) {
  return together((mine, theirs) => mine / theirs, rounds(summary, name, wanted), rounds(summary, name, {...wanted, ...to}));
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
    ratio(summary, 'per_second', {measure: 'polls', system}, floor), '>=', 0.95));
  return lines;
}

/* One waiter, idle: beside Redis alone and a request through the same server alone. */
function besideTheWay(summary, server) {
  const latency = (system, way) => rounds(summary, 'latency_ms', {measure: 'latency', system: `${system}-${server}`, way});
  return line(`${server}: one waiter, publish to answer, of Redis alone + a request alone`,
    together((all, redis, request) => all / (redis + request),
      latency('halley', 'wait'), latency('halley', 'redis-raw'), latency('floor', 'request')), '<=', 1.5);
}

function besidePeers(summary) {
  const nginx = {system: 'halley-nginx'};
  const small = {measure: 'fanout', way: 'push', waiters: 1000, ...nginx};
  const nchan = {system: 'nchan-redis'};
  return [
    line("nginx: deliveries/s, of Nchan's with Redis",
      ratio(summary, 'per_second', {measure: 'rate', way: 'wait', ...nginx}, nchan), '>=', 1),
    line("nginx, push, 1000 waiters: publish to last, of Nchan's with Redis", ratio(summary, 'to_last_ms', small, nchan), '<=', 1),
    ...NODE_PEERS.map(system => line(`nginx, push, 5000 waiters: publish to last, of ${system}'s`,
      ratio(summary, 'to_last_ms', {...small, waiters: 5000}, {system}), '<', 1))
  ];
}

/* Socket.IO's clients that poll, beside their own server, and beside Halley's own long-pollers. */
function besideSocketio(summary) {
  const mine = {measure: 'dialects', system: 'halley-socketio'};
  return [['socketio', "Socket.IO's own", 0.9], ['halley-nginx', "Halley's own long-pollers'", 1.6]].map(([system, whose, limit]) =>
    line(`Socket.IO's clients, nginx: publish to last, of ${whose}`, ratio(summary, 'to_last_ms', mine, {system}), '<=', limit));
}

/* Halley's own HTTP beside the least that an HTTP server could do. */
function besideFloorHttp(summary) {
  const mine = {system: 'halley-http'}, floor = {system: 'floor-http'};
  return [
    ...['wait', 'sse'].map(way => line(`HTTP, ${way}: deliveries/s, of floor-http's`,
      ratio(summary, 'per_second', {measure: 'direct-rate', way, ...mine}, floor), '>=', 0.85)),
    ...crowdsOf(summary, 'halley-http', ['push', 'sse']).map(({way, waiters}) =>
      line(`HTTP, ${way}, ${waiters} waiters: publish to last, of floor-http's`,
        ratio(summary, 'to_last_ms', {measure: 'direct', way, waiters, ...mine}, floor), '<=', 1.15)),
    line("HTTP: empty polls/s, of floor-http's", ratio(summary, 'per_second', {measure: 'polls', ...mine}, floor), '>=', 0.85),
    ...['new', 'used'].map(connection => line(`HTTP: memory for a waiter on a ${connection} connection, kB, halley.fcgi`,
      rounds(summary, 'app_bytes', {measure: 'memory', connection, ...mine}).map(bytes => bytes / 1000), '<=', 0.35))
  ];
}

function crowdsOf(summary, system, ways) {
  return summary.filter(record => record.measure === 'direct' && record.system === system && ways.includes(record.way));
}

/* The list with the better median; of each round's better one the median would be mere luck. */
function better(pick, ...lists) {
  const best = pick(...lists.filter(list => list.length).map(median));
  return lists.find(list => list.length && median(list) === best) ?? [];
}

/* Beside others that need no web server, with as many processes as Nchan has workers. */
function besideServers(summary) {
  const mine = {system: 'halley-http-2'}, nchan = {system: 'nchan-redis'}, ws = {system: 'ws'};
  const of = (measure, name, cell, system) => rounds(summary, name, {measure, ...cell, ...system});
  const beside = (measure, name, cell, pick) => together((a, b) => a / b, of(measure, name, cell, mine),
    better(pick, of(measure, name, cell, nchan), of(measure, name, cell, ws)));
  return [
    line("HTTP, wait: deliveries/s, of Nchan's with Redis", ratio(summary, 'per_second', {measure: 'direct-rate', way: 'wait', ...mine}, nchan), '>=', 1.3),
    line("HTTP, sse: deliveries/s, of Nchan's with Redis", ratio(summary, 'per_second', {measure: 'direct-rate', way: 'sse', ...mine}, nchan), '>=', 1.2),
    line("WebSocket: deliveries/s, of Nchan's or ws's", beside('direct-rate', 'per_second', {way: 'ws'}, Math.max), '>=', 1.2),
    ...crowdsOf(summary, 'halley-http-2', ['push']).map(({way, waiters}) =>
      line(`HTTP, ${way}, ${waiters} waiters: publish to last, of Nchan's with Redis`,
        ratio(summary, 'to_last_ms', {measure: 'direct', way, waiters, ...mine}, nchan), '<=', 1)),
    ...crowdsOf(summary, 'halley-http-2', ['ws']).map(({way, waiters}) =>
      line(`WebSocket, ${waiters} waiters: publish to last, of Nchan's or ws's, how many times quicker`,
        together((a, b) => b / a, of('direct', 'to_last_ms', {way, waiters}, mine),
          better(Math.min, of('direct', 'to_last_ms', {way, waiters}, nchan), of('direct', 'to_last_ms', {way, waiters}, ws))), '>=', 1.2))
  ];
}

function fairness(summary) {
  const wanted = {measure: 'fairness', way: 'push', system: 'halley-nginx'};
  const later = together((during, alone) => during - alone, rounds(summary, 'during_ms', wanted), rounds(summary, 'alone_ms', wanted));
  return line('a quiet channel, later beside a broadcast to 10,000, ms', later, '<=', 5);
}

/*
 * A web server keeps for a connection what its earlier requests needed, whoever answered
 * them: so it is also shown what Halley adds to that.
 */
function memory(summary) {
  const kilobytes = (connection, name, system) =>
    rounds(summary, name, {measure: 'memory', connection, system}).map(bytes => bytes / 1000);
  const added = (connection, server) => together((both, web) => both - web,
    kilobytes(connection, 'both_bytes', `halley-${server}`), kilobytes(connection, 'web_bytes', `floor-${server}`));
  return [
    ...['new', 'used'].flatMap(connection => [
      line(`lighttpd: memory for a waiter on a ${connection} connection, kB, together`,
        kilobytes(connection, 'both_bytes', 'halley-lighttpd'), '<=', 3.5),
      line(`lighttpd: memory for a waiter on a ${connection} connection, kB, halley.fcgi`,
        kilobytes(connection, 'app_bytes', 'halley-lighttpd'), '<=', 0.3)
    ]),
    ...SERVERS.flatMap(server => ['new', 'used'].map(connection =>
      line(`${server}: memory for a waiter on a ${connection} connection, kB, beyond ${server}'s own`,
        added(connection, server), '<=', 0.3)))
  ];
}

/* Full, it tells pages to poll, and the rest of the site does not notice. */
function filled(summary) {
  const site = run => Math.max(...['file_ms', 'poll_ms', 'publish_ms'].map(name =>
    run[name] / Math.max(150, 3 * run[`idle_${name}`])));
  return summary.filter(({measure, runs}) => measure === 'capacity' && runs.length).flatMap(({system, way, runs}) => {
    const {title, may} = systemById(system);
    return [
      line(`${title}, ${way}: held, of the ${may} that its figures allow`, runs.map(({held}) => held / may), '>=', 0.89),
      line(`${title}, ${way}: p99 of the site then, of 150 ms or three times its own`, runs.map(site), '<=', 1),
      line(`${title}, ${way}: the slowest first byte of what did not ask to wait, ms`, runs.map(run => run.slowest_ms), '<=', 5000)
    ];
  });
}

function nothingAmiss(summary) {
  const counted = summary.filter(record => Object.keys(record.counts).length);
  const sum = counted.reduce((all, {counts}) => all + FAULTS.reduce((each, fault) => each + (counts[fault] ?? 0), 0), 0);
  return line('messages lost, doubled or reordered, and errors, in every run', counted.length ? [sum] : [], '<=', 0);
}

/* All lines of a whole run; of a part of it, those that it has measured. */
export function check(summary, whole) {
  return [
    ...SERVERS.flatMap(server => besideFloor(summary, server)),
    ...SERVERS.map(server => besideTheWay(summary, server)),
    ...besidePeers(summary),
    ...besideSocketio(summary),
    ...besideFloorHttp(summary),
    ...besideServers(summary),
    ...memory(summary),
    fairness(summary),
    ...filled(summary),
    nothingAmiss(summary)
  ].filter(({got}) => whole || got !== null);
}
