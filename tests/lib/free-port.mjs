/*
 * A TCP port of 127.0.0.1 that nobody listens at now. It lies below those that the kernel
 * gives to who connects (ip_local_port_range): else a client may have it by the time that a
 * server takes it, or takes it again.
 */
import {randomInt} from 'node:crypto';
import net from 'node:net';

const FIRST = 10240, END = 32768, ATTEMPTS = 1000;

const isFree = port => new Promise(done => {
  const server = net.createServer().on('error', () => done(false))
    .listen(port, '127.0.0.1', () => server.close(() => done(true)));
});

export async function freePort() {
  for (let i = 0; i < ATTEMPTS; i++) {
    const port = randomInt(FIRST, END);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port');
}
