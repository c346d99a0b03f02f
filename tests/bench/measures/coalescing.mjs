/*
 * A channel that changes fast, for long-pollers: how many requests a delivered message
 * takes, and how late it is, with and without batch_ms. Halley counts its requests itself.
 */
import {load} from '../driver/load.mjs';
import {settings} from '../driver/settings.mjs';
import {figures} from './figures.mjs';

const WAITERS = 100, RATE = 50; // messages a second: well below what the machine can do

async function waits(started) {
  const response = await fetch(`http://127.0.0.1:${started.port}/comet/status`);
  return (await response.json()).transports.wait;
}

export const coalescing = {
  id: 'coalescing',
  title: `Requests for each delivered message, ${RATE} a second`,
  beside: [['halley-nginx', 'halley-nginx-gathers']],

  cells: () => [{waiters: WAITERS}],

  async run(started, system, {waiters}) {
    const before = await waits(started);
    const values = figures(await load('fixed', started, {
      proto: system.speaks.wait, waiters, rate: RATE, seconds: settings.seconds, again: 'at-once'
    }));
    const after = await waits(started);
    const asked = after.requests - before.requests - waiters; // the first request of each finds nothing
    return {...values, requests_each: asked / (after.messages - before.messages)};
  },

  columns: ['requests_each', 'latency_ms', 'cpu_web_us', 'cpu_app_us']
};
