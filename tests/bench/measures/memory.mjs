/*
 * What a waiter costs in memory: the proportional set size of every server process with N
 * long-pollers parked, less what it was before they came. What the kernel holds for their
 * connections is in no process and not counted; it is the same for all.
 *
 * A connection that was used for a request before the one that waits ("used"), as a
 * browser's mostly is, costs some servers more than a new one ("new").
 */
import {setTimeout as pause} from 'node:timers/promises';
import {hold} from '../driver/load.mjs';
import {newcomers} from '../driver/newcomers.mjs';
import {memoryOf, until} from '../driver/place.mjs';
import {settings} from '../driver/settings.mjs';

const WARM = 50; // what the first requests allocate once is not the price of a waiter
const STEP_MS = 200;
const HALLEYS = /^(halley|floor)/; // who speaks Halley's protocol, in which both ways can be had
const FIRST = /^(nchan|php)/; // whose protocols begin with a request that waits
const WAIT = '/comet/wait?channel=bench&timeout=55';

function measured(started) {
  return Object.fromEntries(Object.entries(started.pids).map(([label, pids]) => [label, memoryOf(pids)]));
}

/* Once it has stopped changing. */
async function settled(started) {
  let last = measured(started);
  await until(async () => {
    await pause(STEP_MS);
    const before = last;
    last = measured(started);
    return Math.abs(last.app - before.app || 0) + Math.abs(last.web - before.web || 0) < 16384;
  }, 'the memory of the servers does not come to rest');
  return last;
}

/* Parks them in one of the two ways. */
function park(started, system, connection, waiters, look) {
  if (connection === 'new' && HALLEYS.test(system.id)) return newcomers(started.port, WAIT, waiters, look);
  return hold(started, {proto: system.speaks.wait, waiters}, look);
}

export const memory = {
  id: 'memory',
  title: 'Memory for each waiter',
  afresh: true,
  beside: [[ // it is nearly the same each time
    'halley-nginx', 'floor-nginx', 'halley-lighttpd', 'floor-lighttpd', 'halley-http', 'nchan-redis', 'nchan-memory',
    'socketio', 'sockjs', 'faye', 'php']],

  cells(system) {
    const waiters = Math.min(settings.waiters.at(-1), system.most);
    const ways = HALLEYS.test(system.id) ? ['new', 'used'] : FIRST.test(system.id) ? ['new'] : ['used'];
    return ways.map(connection => ({connection, waiters}));
  },

  async run(started, system, {connection, waiters}) {
    await park(started, system, connection, Math.min(WARM, waiters), () => settled(started));
    const before = await settled(started);
    const after = await park(started, system, connection, waiters, () => settled(started));
    const each = label => label in before ? (after[label] - before[label]) / waiters : 0;
    return {web_bytes: each('web'), app_bytes: each('app'), both_bytes: each('web') + each('app')};
  },

  columns: ['web_bytes', 'app_bytes', 'both_bytes']
};
