/*
 * Waiters whose connections are new: each sends one request, which waits, and nothing
 * else. What `load hold` parks has asked for a cursor over the same connection before, as
 * a browser has; servers keep more for such a connection.
 */
import net from 'node:net';
import {until} from './place.mjs';

const TOGETHER = 200; // that connect at the same time

function connect(port, request) {
  return new Promise((done, fail) => {
    const socket = net.connect({port, host: '127.0.0.1'}, () => socket.write(request, () => done(socket)));
    socket.on('error', fail);
  });
}

/* While `count` of them wait, calls look(). None of them may be answered meanwhile. */
export async function newcomers(port, path, count, look) {
  const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const sockets = [];
  let gone = 0;
  try {
    while (sockets.length < count) {
      const some = Math.min(TOGETHER, count - sockets.length);
      sockets.push(...await Promise.all(Array.from({length: some}, () => connect(port, request))));
    }
    for (const socket of sockets) socket.on('close', () => gone++);
    const seen = await look();
    if (gone) throw new Error(`${gone} of ${count} waiters were sent away`);
    return seen;
  } finally {
    for (const socket of sockets) socket.destroy();
    await until(() => gone === sockets.length, 'connections do not close');
  }
}
