/* A quiet channel's latency while another channel's message goes to N waiters. */
import {load} from '../driver/load.mjs';
import {settings} from '../driver/settings.mjs';
import {figures} from './figures.mjs';

const CROWD = 10000;

export const fairness = {
  id: 'fairness',
  title: 'A quiet channel beside a crowded one',
  systems: ['halley-nginx'],

  cells: () => [{waiters: process.env.N ? Math.min(settings.waiters.at(-1), CROWD) : CROWD}],

  async run(started, system, {waiters}) {
    return figures(await load('fairness', started, {proto: 'halley-wait', fcgi: `unix:${started.fcgi}`, waiters, messages: 10}));
  },

  columns: ['alone_ms', 'during_ms', 'to_last_ms']
};
