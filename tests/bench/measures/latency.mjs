/*
 * One waiter on an idle system: from a publish to the bytes at the client. Beside it what
 * the way alone takes: the same Redis's bare PUBLISH to a bare subscriber, and a request
 * that is answered at once, by the floor behind the same web server.
 */
import {load} from '../driver/load.mjs';
import {figures} from './figures.mjs';

const ROUNDS = 60;

/* worker: a bare PUBLISH, which halley-worker takes over; the others are published by FCALL. */
const WAYS = {halley: ['wait', 'sse', 'worker', 'redis-raw'], floor: ['wait', 'request']};
const PROTOS = {sse: 'sse', request: 'poll'}; // the others wait

export const latency = {
  id: 'latency',
  title: 'One waiter: from a publish to the answer',
  heats: [['halley-nginx', 'floor-nginx'], ['halley-lighttpd', 'floor-lighttpd']],

  cells: system => WAYS[system.id.split('-')[0]].map(way => ({way})),

  async run(started, system, {way}) {
    if (way === 'redis-raw') return figures(await load('redis-raw', started, {rounds: ROUNDS}));
    const by = way === 'worker' ? {publish: ['--publish-redis-plain', started.redis]} : {};
    return figures(await load('latency', {...started, ...by}, {
      proto: system.speaks[PROTOS[way] ?? 'wait'], waiters: 1, rounds: ROUNDS
    }));
  },

  columns: ['latency_ms', 'cpu_web_us', 'cpu_app_us']
};
