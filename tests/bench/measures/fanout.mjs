/*
 * Fan-out: from a publish to the last of N waiters having it. Long-pollers either ask
 * again as soon as they are answered, as browsers do, so that a message's deliveries and
 * the returning requests compete ("again"); or only once the last one has been answered,
 * so that the push alone is timed ("push"). Event streams have nothing to ask.
 */
import {load} from '../driver/load.mjs';
import {settings} from '../driver/settings.mjs';
import {figures} from './figures.mjs';

const DELIVERIES = 30000; // in one run, over all its messages
const MESSAGES = [5, 20]; // of these a run has so many at least, and at most
const WARMUP = 2; // the first message finds memory that was never used, and caches that know nothing
const PHP_WAITERS = 200; // php-fpm has a process for each

function messages(waiters) {
  const [least, most] = MESSAGES;
  return Math.max(least, Math.min(most, Math.round(DELIVERIES / waiters)));
}

/* Asking again at once, with the smaller crowd, is what `rate` measures. */
function waysOf(system, waiters) {
  const ways = ['push'];
  if (/^(halley|floor)/.test(system.id) && waiters === settings.waiters.at(-1)) ways.push('again');
  if (system.speaks.sse) ways.push('sse');
  return ways;
}

/* One run of it: some messages, each to its last waiter. */
export async function spread(started, system, {way, waiters}) {
  return figures(await load('fanout', started, {
    proto: system.speaks[way] ?? system.speaks.wait,
    waiters,
    messages: messages(waiters),
    warmup: WARMUP,
    again: way === 'again' ? 'at-once' : way === 'push' ? 'after-last' : undefined
  }));
}

export const fanout = {
  id: 'fanout',
  title: 'From a publish to the last waiter',
  heats: [['halley-nginx', 'floor-nginx', 'nchan-redis', 'socketio', 'sockjs', 'faye'],
    ['halley-lighttpd', 'floor-lighttpd']],
  beside: [['nchan-memory'], ['php']],

  cells(system) {
    const sizes = system.id === 'php' ? [PHP_WAITERS] : settings.waiters.filter(count => count <= system.most);
    return sizes.flatMap(waiters => waysOf(system, waiters).map(way => ({way, waiters})));
  },

  run: spread,

  columns: ['to_last_ms', 'per_second', 'cpu_web_us', 'cpu_app_us']
};
