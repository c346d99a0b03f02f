/* Deliveries a second, to waiters who ask again at once, message upon message. */
import {load} from '../driver/load.mjs';
import {settings} from '../driver/settings.mjs';
import {figures} from './figures.mjs';

const WAITERS = 1000;

/* One run of it. */
export async function stream(started, system, {way, waiters}) {
  return figures(await load('rate', started, {
    proto: system.speaks[way], waiters, seconds: settings.seconds, again: way === 'wait' ? 'at-once' : undefined
  }));
}

export const rate = {
  id: 'rate',
  title: 'Deliveries a second',
  often: 2,
  heats: [['halley-nginx-2', 'halley-nginx', 'halley-nginx-proxy', 'floor-nginx', 'nchan-redis'], ['halley-lighttpd', 'floor-lighttpd']],
  beside: [['nchan-memory', 'floor-http']],

  cells(system) {
    const waiters = Math.min(settings.waiters[0], WAITERS);
    return ['wait', 'sse'].filter(way => system.speaks[way]).map(way => ({way, waiters}));
  },

  run: stream,

  columns: ['per_second', 'cpu_web_us', 'cpu_app_us', 'cpu_redis_us']
};
