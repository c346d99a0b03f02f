/*
 * Nchan, a module of nginx that does what Halley does: with Redis, where its messages
 * reach every nginx, and without, where they stay in nginx's own memory.
 */
import {run, until} from '../driver/place.mjs';
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
            nchan_subscriber longpoll eventsource websocket;
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

const SPEAKS = {wait: 'nchan-poll', sse: 'nchan-sse', ws: 'nchan-ws'};
const PUBLISH = ['--publish-post', '/publish'];

/* Each worker of nginx has a connection for commands and one that is subscribed. */
async function connected(place, workers) {
  const {stdout} = await run('redis-cli', ['-s', place.path('redis.sock'), 'CLIENT', 'LIST', 'TYPE', 'pubsub']);
  return stdout.trim().split('\n').filter(Boolean).length >= workers;
}

/* Until it has put its scripts into Redis, the answer is 503. */
async function answers(port) {
  const response = await fetch(`http://127.0.0.1:${port}/publish`);
  await response.text();
  return response.status !== 503;
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
    await until(() => connected(place, web.pids.length), 'not every worker of nginx is connected to Redis');
    await until(() => answers(web.port), 'Nchan does not answer');
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
