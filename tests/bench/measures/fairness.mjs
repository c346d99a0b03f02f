/*
 * A quiet channel's latency while another channel's message goes to N waiters: who ask
 * again when the last has been served ("push"), or each at once ("again"). Then the quiet
 * one's next request stands behind theirs in the kernel's queue, which nobody can see into.
 */
import {load} from '../driver/load.mjs';
import {settings} from '../driver/settings.mjs';
import {figures} from './figures.mjs';

const CROWD = 10000;

export const fairness = {
  id: 'fairness',
  title: 'A quiet channel beside a crowded one',
  heats: [['halley-nginx']],

  cells() {
    const waiters = process.env.N ? Math.min(settings.waiters.at(-1), CROWD) : CROWD;
    return ['push', 'again'].map(way => ({way, waiters}));
  },

  async run(started, system, {way, waiters}) {
    return figures(await load('fairness', started, {
      proto: 'halley-wait',
      fcgi: `unix:${started.fcgi}`,
      waiters,
      messages: 10,
      again: way === 'again' ? 'at-once' : 'after-last'
    }));
  },

  columns: ['alone_ms', 'during_ms', 'to_last_ms']
};
