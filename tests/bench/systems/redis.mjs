/* A private Redis that keeps nothing on disk: what is measured is who talks to it. */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {BUILD, freePort, run, until} from '../driver/place.mjs';

/* {socket, pid}, and with `port` set (for who cannot use a socket) {port}. */
export async function startRedis(place, {withPort = false} = {}) {
  const socket = place.path('redis.sock');
  const port = withPort ? await freePort() : 0;
  const pid = await place.start('redis', ['redis-server', '--port', String(port), '--bind', '127.0.0.1',
    '--unixsocket', socket, '--unixsocketperm', '777', '--save', '', '--appendonly', 'no', '--maxclients', '10000',
    '--dir', place.dir], withPort ? [socket, port] : [socket]);
  return {socket, port, pid};
}

/*
 * Redis and halley-worker, which has put the functions into it that messages are published
 * by. {socket, pids, conf, environment}: the latter two for halley.fcgi.
 */
export async function startStore(place, text) {
  const conf = place.path('halley.conf');
  const redis = await startRedis(place);
  const environment = {HALLEY_REDIS: `unix:${redis.socket}`};
  writeFileSync(conf, text);
  const worker = await place.start('halley-worker', [join(BUILD, 'halley-worker'), '-f', conf], [], environment);
  const functions = async () => (await run('redis-cli', ['-s', redis.socket, 'FUNCTION', 'LIST'])).stdout;
  await until(async () => (await functions()).includes('halley_publish'), 'Redis has no function halley_publish');
  return {socket: redis.socket, pids: {worker: [worker], redis: [redis.pid]}, conf, environment};
}
