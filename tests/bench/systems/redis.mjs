/* A private Redis that keeps nothing on disk: what is measured is who talks to it. */
import {freePort} from '../driver/place.mjs';

/* {socket, pid}, and with `port` set (for who cannot use a socket) {port}. */
export async function startRedis(place, {withPort = false} = {}) {
  const socket = place.path('redis.sock');
  const port = withPort ? await freePort() : 0;
  const pid = await place.start('redis', ['redis-server', '--port', String(port), '--bind', '127.0.0.1',
    '--unixsocket', socket, '--unixsocketperm', '777', '--save', '', '--appendonly', 'no', '--maxclients', '10000',
    '--dir', place.dir], withPort ? [socket, port] : [socket]);
  return {socket, port, pid};
}
