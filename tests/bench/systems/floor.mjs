/*
 * The floors: programs that do the least that could be called serving the same requests
 * (tests/bench/floor-fcgi.c and floor-http.c say what that is). What stands behind a web
 * server cannot be quicker than floor-fcgi behind the same one.
 */
import {join} from 'node:path';
import {BUILD, freePort} from '../driver/place.mjs';
import {startRedis} from './redis.mjs';
import {startWeb} from './web.mjs';

const SPEAKS = {wait: 'halley-wait', sse: 'halley-sse', poll: 'halley-poll'};

export function floorFcgi(server) {
  return {
    id: `floor-${server}`,
    title: `floor-fcgi, ${server}`,
    server,
    speaks: SPEAKS,
    most: server === 'lighttpd' ? 8900 : 10000,
    async start(place) {
      const redis = await startRedis(place);
      const socket = place.path('floor.sock');
      const app = await place.start('floor-fcgi', [join(BUILD, 'tests/bench/floor-fcgi'), '-l', `unix:${socket}`,
        '--redis', redis.socket], [socket]);
      const web = await startWeb(place, server, [socket]);
      return {
        port: web.port,
        redis: redis.socket,
        fcgi: socket,
        publish: ['--publish-redis', redis.socket],
        pids: {web: web.pids, app: [app], redis: [redis.pid]}
      };
    }
  };
}

export const floorHttp = {
  id: 'floor-http',
  title: 'floor-http alone',
  speaks: SPEAKS,
  most: 19000,
  async start(place) {
    const redis = await startRedis(place);
    const port = await freePort();
    const app = await place.start('floor-http', [join(BUILD, 'tests/bench/floor-http'), '--port', String(port),
      '--redis', redis.socket], [port]);
    return {port, redis: redis.socket, publish: ['--publish-redis', redis.socket], pids: {app: [app], redis: [redis.pid]}};
  }
};
