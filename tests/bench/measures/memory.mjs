/*
 * What a waiter costs in memory: the proportional set size of every server process with N
 * long-pollers parked, less what it was before they came. What the kernel holds for their
 * connections is in no process and not counted; it is the same for all.
 */
import {setTimeout as pause} from 'node:timers/promises';
import {hold} from '../driver/load.mjs';
import {memoryOf} from '../driver/place.mjs';
import {settings} from '../driver/settings.mjs';

const WARM = 50; // what the first requests allocate once is not the price of a waiter
const SETTLED_MS = 300;

async function measured(started) {
  await pause(SETTLED_MS);
  return Object.fromEntries(Object.entries(started.pids).map(([label, pids]) => [label, memoryOf(pids)]));
}

export const memory = {
  id: 'memory',
  title: 'Memory for each waiter',
  once: true,
  systems: ['halley-nginx', 'floor-nginx', 'halley-lighttpd', 'floor-lighttpd', 'nchan-redis', 'nchan-memory',
    'socketio', 'sockjs', 'faye', 'php'],

  cells: system => [{waiters: Math.min(settings.waiters.at(-1), system.most)}],

  async run(started, system, {waiters}) {
    const proto = system.speaks.wait;
    await hold(started, {proto, waiters: Math.min(WARM, waiters)}, () => pause(SETTLED_MS));
    const before = await measured(started);
    return hold(started, {proto, waiters}, async () => {
      const after = await measured(started);
      const each = label => label in before ? (after[label] - before[label]) / waiters : 0;
      return {web_bytes: each('web'), app_bytes: each('app'), both_bytes: each('web') + each('app')};
    });
  },

  columns: ['web_bytes', 'app_bytes', 'both_bytes']
};
