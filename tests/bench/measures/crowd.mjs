/*
 * A hundred thousand waiters at once: several processes on both sides, because each has
 * descriptors for some 19,000 only, and an address of the loopback for each of the clients'
 * processes, because each address has ports for some 28,000 only. One message reaches all:
 * how long that takes, and what a waiter costs all processes of Halley in memory.
 */
import net from 'node:net';
import {audience} from '../driver/load.mjs';
import {memoryOf} from '../driver/place.mjs';

const WAITERS = 100000, AUDIENCES = 6, MESSAGES = 3, SIZE = 100;

/* What `load` numbers, as it is written there (track_payload). */
function payload(number) {
  const head = `{"load":"#${number}#`;
  return `${head}${'x'.repeat(SIZE - head.length - 2)}"}`;
}

function publish(socket, number) {
  const words = ['FCALL', 'halley_publish', '1', 'bench', payload(number)];
  return new Promise((done, fail) => {
    const client = net.connect(socket, () => {
      const began = Number(process.hrtime.bigint() / 1000n);
      client.write(`*${words.length}\r\n` + words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join(''));
      client.once('data', reply => {
        client.destroy();
        if (String(reply).startsWith('-')) fail(new Error(`Redis: ${reply}`));
        else done(began);
      });
    }).on('error', fail);
  });
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function sum(results, name) {
  return results.reduce((all, result) => all + (result[name] ?? 0), 0);
}

export const crowd = {
  id: 'crowd',
  title: 'A hundred thousand waiters',
  afresh: true,
  beside: [['halley-http-12']],

  cells: system => (system.speaks.sse ? ['wait', 'sse'] : ['wait']).map(way => ({way, waiters: WAITERS})),

  async run(started, system, {way, waiters}) {
    const base = Date.now() * 1000, each = Math.ceil(waiters / AUDIENCES);
    const before = memoryOf(started.pids.app);
    const crowds = [];
    for (let i = 0; i < AUDIENCES; i++) {
      crowds.push(await audience(started, {
        proto: system.speaks[way], address: `127.0.0.${i + 2}`, base, messages: MESSAGES, timeout: 240,
        waiters: Math.min(each, waiters - i * each)
      }));
    }
    const bytes = memoryOf(started.pids.app) - before;
    const times = [];
    for (let i = 1; i <= MESSAGES; i++) {
      const began = await publish(started.redis, base + i);
      const ends = await Promise.all(crowds.map(one => one.has(base + i)));
      times.push((Math.max(...ends) - began) / 1000);
    }
    const results = await Promise.all(crowds.map(one => one.result()));
    return {
      to_last_ms: median(times), app_bytes: bytes / waiters,
      lost: sum(results, 'lost'), doubled: sum(results, 'doubled'), reordered: sum(results, 'reordered'), errors: sum(results, 'errors'),
      first_error: results.find(result => result.first_error)?.first_error
    };
  },

  columns: ['to_last_ms', 'app_bytes']
};
