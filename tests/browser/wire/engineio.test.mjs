/*
 * npm's engine.io-client, by polling, by WebSocket, and on the way from the one to the other, against
 * the real servers: what it sends comes back to it by the channel, what redis-cli publishes comes
 * too, once each and in order; bytes stay bytes; and who answers pings stays.
 */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Socket} from 'engine.io-client';
import {Running, SERVERS} from '../lib/running.mjs';
import {sleep, until} from '../lib/until.mjs';

const CONF = `
[channel chat*]
publish = anyone
history = 1000

[service engine.io]
protocol = channel chat

[service engine.io/echo]
protocol = echo
ping_interval = 300
ping_timeout = 30000
`;

const WAYS = [['polling'], ['websocket'], ['polling', 'websocket']];

/* The one with test rows in its table of protocols. */
const BIN_DIR = fileURLToPath(new URL('../../../build/test', import.meta.url));

/* An open connection, and all that it has heard. */
async function connected(url, path, transports) {
  const socket = new Socket(url, {path, transports, upgrade: transports.length > 1, addTrailingSlash: true});
  socket.binaryType = 'arraybuffer';
  const heard = [], events = [];
  socket.on('message', data => heard.push(data));
  for (const event of ['open', 'upgrade', 'close', 'error', 'upgradeError']) socket.on(event, () => events.push(event));
  await until(() => events.includes('open'), `${transports} open (${events})`, 60);
  return {socket, heard, events};
}

for (const server of SERVERS) {
  describe(`engine.io-client on ${server}`, () => {
    let halley, dir;
    before(async () => {
      dir = mkdtempSync(join(tmpdir(), 'halley-engineio-'));
      writeFileSync(join(dir, 'halley.conf'), CONF);
      halley = await Running.start(server, {CONF: join(dir, 'halley.conf'), BIN_DIR, HALLEY_PROCESSES: '2'});
    });
    after(async () => {
      await halley.stop();
      rmSync(dir, {recursive: true, force: true});
    });

    for (const transports of WAYS) {
      test(`${transports.join(' to ')} has every text once and in order`, async () => {
        const {socket, heard, events} = await connected(halley.url, '/engine.io/', transports);
        const wanted = [];
        for (let i = 0; i < 4; i++) {
          const own = `own ${i} \u2028 \u{1f600} \u001f`;
          socket.send(own);
          wanted.push(own);
          await until(() => heard.length === wanted.length, `${transports}: ${own} in ${heard}`, 60);
          for (let k = 0; k < 5; k++) {
            halley.publish('chat', `${i}.${k}`);
            wanted.push(`${i}.${k}`);
          }
          if (transports.length > 1 && i === 1) await until(() => events.includes('upgrade'), `an upgrade, not ${events}`, 60);
          await until(() => heard.length >= wanted.length, `${transports}: what redis-cli says`, 60);
        }
        assert.deepEqual(heard, wanted);
        assert.equal(socket.transport.name, transports.at(-1));
        assert.deepEqual(events.filter(event => event !== 'upgrade'), ['open']);
        socket.close();
        await until(() => events.includes('close'), 'its end', 60);
      });

      test(`${transports.join(' to ')} has bytes, and stays through pings`, async () => {
        const {socket, heard, events} = await connected(halley.url, '/comet/engine.io/echo/', transports);
        let pings = 0;
        socket.on('ping', () => pings++);
        const bytes = Uint8Array.from({length: 256}, (_, i) => i);
        for (let i = 0; i < 3; i++) {
          socket.send(`text ${i}`);
          socket.send(bytes);
        }
        await until(() => heard.length === 6, `six messages, not ${heard.length}`, 60);
        for (let i = 0; i < 6; i += 2) {
          assert.equal(heard[i], `text ${i / 2}`);
          assert.deepEqual(new Uint8Array(heard[i + 1]), bytes);
        }
        await until(() => pings >= 3, 'three pings', 60);
        for (let i = 0; i < 100; i++) socket.send(`many ${i}`); // as a page does in a loop
        await until(() => heard.length === 106, `a hundred more, not ${heard.length - 6}`, 60);
        assert.equal(heard[105], 'many 99');
        await sleep(50);
        assert.deepEqual(events.filter(event => event !== 'upgrade'), ['open']);
        socket.close();
      });
    }
  });
}
