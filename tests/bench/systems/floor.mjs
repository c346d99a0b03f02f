/*
 * The floors: the least that could be called serving the same requests (tests/bench/floor
 * says what that is). What stands behind a web server cannot be quicker than floor-fcgi
 * behind the same one. They are published to as Halley is.
 */
import {join} from 'node:path';
import {BUILD, freePort} from '../driver/place.mjs';
import {startStore} from './redis.mjs';
import {startWeb} from './web.mjs';

const SPEAKS = {wait: 'halley-wait', sse: 'halley-sse', poll: 'halley-poll'};

/* The program `name`, which listens at `where` (a path or a port). */
async function start(place, name, where) {
  const store = await startStore(place, '');
  const app = await place.start(name, [join(BUILD, 'tests/bench', name),
    '--listen', typeof where === 'number' ? String(where) : `unix:${where}`, '--redis', store.socket], [where]);
  return {publish: ['--publish-redis', store.socket], pids: {app: [app], ...store.pids}};
}

export function floorFcgi(server) {
  return {
    id: `floor-${server}`,
    title: `floor-fcgi, ${server}`,
    server,
    speaks: SPEAKS,
    most: server === 'lighttpd' ? 8900 : 10000,
    async start(place) {
      const socket = place.path('floor.sock');
      const floor = await start(place, 'floor-fcgi', socket);
      const web = await startWeb(place, server, [socket]);
      return {...floor, port: web.port, pids: {web: web.pids, ...floor.pids}};
    }
  };
}

export const floorHttp = {
  id: 'floor-http',
  title: 'floor-http alone',
  speaks: SPEAKS,
  most: 19000,
  async start(place) {
    const port = await freePort();
    return {...await start(place, 'floor-http', port), port};
  }
};
