/*
 * Nchan, a module of nginx that does what Halley does: with Redis, where its messages
 * reach every nginx, and without, where they stay in nginx's own memory.
 */
import {until} from '../driver/place.mjs';
import {startNginx} from './nginx.mjs';
import {startRedis} from './redis.mjs';

const COMMON = `
        nchan_channel_id bench;
        nchan_message_buffer_length 1000;
        nchan_message_timeout 1h;
`;

function locations(redis) {
  return `
        location = /sub {
            ${redis}
            nchan_subscriber longpoll eventsource;
            nchan_subscriber_first_message newest;
            ${COMMON}
        }
        location = /publish {
            ${redis}
            nchan_publisher;
            ${COMMON}
        }
`;
}

const SPEAKS = {wait: 'nchan-poll', sse: 'nchan-sse'};
const PUBLISH = ['--publish-post', '/publish'];

/* Each worker of nginx has connections of its own: several answers in a row, by whichever. */
async function connected(port) {
  for (let i = 0; i < 20; i++) {
    const response = await fetch(`http://127.0.0.1:${port}/publish`, {headers: {Connection: 'close'}});
    await response.text();
    if (response.status === 503) return false;
  }
  return true;
}

export const nchanRedis = {
  id: 'nchan-redis',
  title: 'Nchan with Redis',
  speaks: SPEAKS,
  most: 19000,
  async start(place) {
    const redis = await startRedis(place, {withPort: true});
    const web = await startNginx(place, {
      modules: ['ngx_nchan_module.so'],
      http: `    upstream redis { nchan_redis_server redis://127.0.0.1:${redis.port}; }`,
      server: locations('nchan_redis_pass redis;')
    });
    await until(() => connected(web.port), 'nchan is not connected to Redis');
    return {port: web.port, publish: PUBLISH, pids: {web: web.pids, redis: [redis.pid]}};
  }
};

export const nchanMemory = {
  id: 'nchan-memory',
  title: 'Nchan in memory',
  speaks: SPEAKS,
  most: 19000,
  async start(place) {
    const web = await startNginx(place, {workers: 1, modules: ['ngx_nchan_module.so'], server: locations('')});
    return {port: web.port, publish: PUBLISH, pids: {web: web.pids}};
  }
};
