/*
 * What batch_scheduling gains and costs: deliveries a second and CPU time of each on a
 * machine that does nothing else; and how long a poll takes there, and where other programs
 * keep every processor busy, which halley.fcgi does not interrupt then.
 */
import {spawn} from 'node:child_process';
import {cpus} from 'node:os';
import {load} from '../driver/load.mjs';
import {figures} from './figures.mjs';
import {stream} from './rate.mjs';

const ROUNDS = 100, WAITERS = 1000;

/* A program on each processor that never sleeps, while `work` is done. */
async function amongBusy(work) {
  const others = cpus().map(() => spawn('sh', ['-c', 'while :; do :; done'], {stdio: 'ignore'}));
  try {
    return await work();
  } finally {
    for (const other of others) other.kill('SIGKILL');
  }
}

async function poll(started, system) {
  return figures(await load('latency', started, {proto: system.speaks.poll, waiters: 1, rounds: ROUNDS}));
}

export const scheduling = {
  id: 'scheduling',
  title: 'batch_scheduling on, and off',
  heats: [['halley-nginx', 'halley-nginx-usual']],

  cells: () => [
    ...['wait', 'sse'].map(way => ({way, waiters: WAITERS})),
    ...['idle', 'busy'].map(others => ({way: 'poll', others}))
  ],

  run(started, system, cell) {
    if (cell.way !== 'poll') return stream(started, system, cell);
    return cell.others === 'busy' ? amongBusy(() => poll(started, system)) : poll(started, system);
  },

  columns: ['per_second', 'cpu_app_us', 'latency_ms']
};
