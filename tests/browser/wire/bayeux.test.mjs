/*
 * npm's faye and cometd, in each of their transports that work in node, against the real servers: what
 * redis-cli publishes comes once and in order, and so does what they publish.
 */
import assert from 'node:assert/strict';
import {createRequire} from 'node:module';
import {after, before, describe, test} from 'node:test';
import {AckExtension, CometD} from 'cometd';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const require = createRequire(import.meta.url);
const faye = require('faye');
require('cometd-nodejs-client').adapt();

async function fayeClient(url, transport, channel) {
  const client = new faye.Client(url, {timeout: 60, retry: 0.2}), heard = [];
  if (transport !== 'websocket') client.disable('websocket');
  await client.subscribe(channel, data => heard.push(data));
  if (transport === 'websocket')
    await until(() => client._dispatcher.connectionType === transport, 'the WebSocket', 60);
  return {heard, publish: data => client.publish(channel, data), end: () => client.disconnect()};
}

async function cometdClient(url, transport, channel, acks) {
  const client = new CometD(), heard = [];
  if (transport !== 'websocket') client.unregisterTransport('websocket');
  if (acks) client.registerExtension('ack', new AckExtension());
  client.configure({url, backoffIncrement: 100, maxBackoff: 300});
  await new Promise((done, fail) => {
    client.addListener('/meta/handshake', reply => {
      if (!reply.successful) return;
      client.subscribe(channel, message => heard.push(message.data),
                       answer => (answer.successful ? done() : fail(new Error(answer.error))));
    });
    client.handshake();
  });
  assert.equal(client.getTransport().type, transport);
  return {
    heard,
    publish: data => new Promise(done => client.publish(channel, data, done)),
    end: () => new Promise(done => client.disconnect(done))
  };
}

const CLIENTS = {
  'faye, websocket': (url, channel) => fayeClient(url, 'websocket', channel),
  'faye, long-polling': (url, channel) => fayeClient(url, 'long-polling', channel),
  'cometd, websocket': (url, channel) => cometdClient(url, 'websocket', channel, true),
  'cometd, long-polling': (url, channel) => cometdClient(url, 'long-polling', channel, false),
  'cometd, acknowledged': (url, channel) => cometdClient(url, 'long-polling', channel, true)
};

for (const server of SERVERS) {
  describe(`Bayeux on ${server}`, () => {
    let halley;
    before(async () => { halley = await Running.start(server, {HALLEY_PROCESSES: '2'}); });
    after(() => halley.stop());

    for (const [name, connect] of Object.entries(CLIENTS)) {
      test(`${name} has every message once and in order`, async () => {
        const channel = `chat-${name.replace(/\W+/g, '-')}`;
        const client = await connect(`${halley.url}bayeux`, `/${channel}`);
        const wanted = [];
        for (let i = 0; i < 3; i++) {
          wanted.push({own: `${i} \u2028 \u{1f600} </script>`});
          await client.publish(wanted.at(-1));
          await until(() => client.heard.length >= wanted.length, `${name}: its own ${i}`, 60);
          for (let k = 0; k < 3; k++) {
            halley.publish(channel, {i, k});
            wanted.push({i, k});
          }
          await until(() => client.heard.length >= wanted.length, `${name}: redis-cli's ${i}`, 60);
        }
        assert.deepEqual(client.heard, wanted);
        await client.end();
      });
    }
  });
}
