/*
 * npm's sockjs-client, in each of its transports that work in node, against the real servers: what it
 * sends comes back to it by the channel, what redis-cli publishes comes too, once each and
 * in order.
 */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import SockJS from 'sockjs-client';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const TRANSPORTS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];

/* An open connection, and all that it has heard. */
async function connected(url, transport) {
  const socket = new SockJS(url, null, {transports: [transport], timeout: 60000});
  const heard = [];
  socket.onmessage = event => heard.push(event.data);
  await until(() => socket.readyState === SockJS.OPEN, `${transport} open`, 60);
  assert.equal(socket.transport, transport);
  return {socket, heard};
}

for (const server of SERVERS) {
  describe(`sockjs-client on ${server}`, () => {
    let halley;
    before(async () => { halley = await Running.start(server, {HALLEY_PROCESSES: '2'}); });
    after(() => halley.stop());

    for (const transport of TRANSPORTS) {
      test(`${transport} has every text once and in order`, async () => {
        const {socket, heard} = await connected(`${halley.url}sockjs/room`, transport);
        const wanted = [];
        for (let i = 0; i < 4; i++) {
          const own = `own ${i} \u2028 \u{1f600} </script>`;
          socket.send(own);
          wanted.push(own);
          await until(() => heard.length === wanted.length, `${transport}: ${own}`, 60);
          for (let k = 0; k < 3; k++) {
            halley.publish('chat', `${i}.${k}`);
            wanted.push(`${i}.${k}`);
          }
          await until(() => heard.length >= wanted.length, `${transport}: what redis-cli says`, 60);
        }
        assert.deepEqual(heard, wanted);
        socket.close();
      });
    }

    test('halley is spoken below the mount too', async () => {
      const {socket, heard} = await connected(`${halley.url}comet/sockjs/chat`, 'xhr-streaming');
      socket.send(JSON.stringify({subscribe: ['chat-sockjs']}));
      await until(() => heard.some(text => text.includes('chat-sockjs@')), 'the answer', 60);
      halley.publish('chat-sockjs', {n: 1});
      await until(() => heard.some(text => JSON.parse(text).messages?.[0]?.data?.n === 1), 'n: 1', 60);
      socket.close();
    });
  });
}
