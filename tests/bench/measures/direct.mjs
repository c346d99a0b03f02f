/*
 * Without a web server in between: Halley's own HTTP beside the least that an HTTP server
 * could do, and beside the servers of others, each with as many processes as it wants.
 * What stands behind a web server is measured by `fanout` and `rate`.
 */
import {settings} from '../driver/settings.mjs';
import {spread} from './fanout.mjs';
import {stream} from './rate.mjs';

const CROWD = 10000; // besides those of the other measurements
const HEATS = [['halley-http', 'floor-http'], ['halley-http-2', 'nchan-redis', 'ws']];
const COLUMNS = ['per_second', 'cpu_web_us', 'cpu_app_us'];

function waysOf(system, first) {
  return [[first, 'wait'], ['sse', 'sse'], ['ws', 'ws']].filter(([, speaks]) => system.speaks[speaks]).map(([way]) => way);
}

export const direct = {
  id: 'direct',
  title: 'From a publish to the last waiter, without a web server',
  afresh: true, // a long poll whose client left is held to its end: its client may still read
  heats: HEATS,
  cells: system => [...new Set([...settings.waiters, CROWD])].flatMap(waiters =>
    waysOf(system, 'push').map(way => ({way, waiters}))),
  run: spread,
  columns: ['to_last_ms', ...COLUMNS]
};

export const directRate = {
  id: 'direct-rate',
  title: 'Deliveries a second, without a web server',
  often: 2,
  heats: HEATS,
  cells: system => waysOf(system, 'wait').map(way => ({way, waiters: settings.waiters[0]})),
  run: stream,
  columns: COLUMNS
};
