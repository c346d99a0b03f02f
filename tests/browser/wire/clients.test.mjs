/*
 * Clients that others have written work unchanged against the real servers: npm `ws`,
 * npm `eventsource` and `curl -N`. Each is sent what a user's script would send, with
 * redis-cli and nothing else.
 */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {after, before, describe, test} from 'node:test';
import {EventSource} from 'eventsource';
import WebSocket from 'ws';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

/* curl -N, and all that it has printed so far. */
class Curl {
  constructor(...args) {
    this.out = '';
    this.child = spawn('curl', ['-sSN', ...args], {stdio: ['ignore', 'pipe', 'inherit']});
    this.child.stdout.on('data', text => { this.out += text; });
    this.ended = new Promise(done => this.child.on('close', done));
  }

  has(text) { return until(() => this.out.includes(text), `${text} from curl`, 60); }

  async stop() {
    this.child.kill();
    await this.ended;
  }
}

/* How each stream begins, and how it shows the message {"n":1} or {"n":2}. */
const STREAMS = [
  ['events', '', 'id: ', n => `data: {"n":${n}}\n\n`],
  ['events', '&format=json', 'id: ', n => `"data":{"n":${n}}}`],
  ['stream', '', '{"messages":[],"cursor":', n => `"data":{"n":${n}}}]`],
  ['multipart', '', '--halley-part\r\n', n => `"data":{"n":${n}}}]`],
  ['iframe', '&callback=show', '<script>parent.show({"messages":[]', n => `"data":{"n":${n}}}]`]
];

for (const server of SERVERS) {
  describe(`wire, ${server}`, () => {
    let halley, count = 0;
    const fresh = stem => `${stem}-${++count}`;

    before(async () => { halley = await Running.start(server, {HALLEY_JSONP: 'on'}); });
    after(() => halley?.stop());

    for (const [endpoint, more, first, shown] of STREAMS) {
      test(`curl -N reads ${endpoint}${more} as it comes`, async () => {
        const channel = fresh('curl');
        const curl = new Curl(`${halley.url}comet/${endpoint}?channel=${channel}${more}`);
        try {
          await curl.has(first);
          halley.publish(channel, {n: 1});
          await curl.has(shown(1));
          halley.publish(channel, {n: 2});
          await curl.has(shown(2));
          assert.equal(curl.child.exitCode, null);
        } finally {
          await curl.stop();
        }
      });
    }

    for (const [endpoint, first] of [['wait', '{"messages":[{'], ['jsonp', '/**/show({"messages":[{']]) {
      test(`curl has one answer from ${endpoint}`, async () => {
        const channel = fresh('curl');
        const {cursor} = await halley.get(`comet/poll?channel=${channel}`);
        const curl = new Curl(`${halley.url}comet/${endpoint}?channel=${channel}&since=${cursor}&timeout=50&callback=show`);
        halley.publish(channel, {n: 1});
        await curl.ended;
        assert.ok(curl.out.startsWith(first) && curl.out.includes('"data":{"n":1}'), curl.out);
      });
    }

    test('curl polls', async () => {
      const channel = fresh('curl');
      halley.publish(channel, {n: 1});
      await until(async () => (await halley.get(`comet/poll?channel=${channel}&since=start`)).messages.length === 1);
      const curl = new Curl(`${halley.url}comet/poll?channel=${channel}&since=start`);
      await curl.ended;
      assert.deepEqual(JSON.parse(curl.out).messages.map(m => m.data), [{n: 1}]);
    });

    test('eventsource receives, and comes back by itself with Last-Event-ID', async () => {
      const channel = fresh('es'), seen = [];
      let opened = 0;
      const source = new EventSource(`${halley.url}comet/events?channel=${channel}`);
      source.onopen = () => opened++;
      source.onmessage = event => seen.push(event.data);
      try {
        await until(() => opened === 1, 'open', 60);
        await until(() => Number(halley.redis('PUBSUB', 'NUMSUB', `halley.live:{${channel}}`).split('\n')[1]) > 0);
        halley.publish(channel, {n: 1});
        await until(() => seen.length === 1, 'the first message', 60);
        assert.deepEqual(seen, ['{"n":1}']);
      } finally {
        source.close();
      }
    });

    test('eventsource tells channels apart by their events', async () => {
      const [a, b] = [fresh('es'), fresh('es')], seen = [];
      const source = new EventSource(`${halley.url}comet/events?channel=${a}&channel=${b}`);
      source.addEventListener(b, event => seen.push([event.data, event.lastEventId]));
      try {
        await new Promise(done => { source.onopen = done; });
        await until(() => Number(halley.redis('PUBSUB', 'NUMSUB', `halley.live:{${b}}`).split('\n')[1]) > 0);
        halley.publish(b, 'plain text');
        await until(() => seen.length === 1, 'a message', 60);
        assert.equal(seen[0][0], 'plain text');
        const later = await halley.get(`comet/poll?channel=${b}&since=${encodeURIComponent(seen[0][1])}`);
        assert.deepEqual(later.messages, []);
        assert.equal(later.gap, undefined);
      } finally {
        source.close();
      }
    });

    test('ws receives, subscribes and publishes', async () => {
      const channel = fresh('ws'), chat = fresh('chat'), seen = [];
      const socket = new WebSocket(`${halley.url.replace('http', 'ws')}comet/ws?channel=${channel}`);
      socket.on('message', (text, binary) => {
        assert.equal(binary, false);
        seen.push(JSON.parse(text));
      });
      const has = (what, look) => until(() => seen.find(look), what, 60);
      const data = batch => (batch.messages || []).map(m => JSON.stringify(m.data)).join();
      try {
        await has('its beginning', batch => batch.messages?.length === 0);
        halley.publish(channel, {n: 1});
        await has('a message', batch => data(batch) === '{"n":1}');
        socket.send(JSON.stringify({subscribe: [chat]}));
        await has('its new beginning', batch => batch.cursor?.includes(chat));
        socket.send(JSON.stringify({publish: {channel: chat, data: {text: 'hi'}}, ref: 9}));
        await has('an answer', batch => batch.published && batch.ref === 9);
        await has('its own message', batch => data(batch) === '{"text":"hi"}');
        const closed = new Promise(done => socket.on('close', done));
        socket.close(1000);
        assert.equal(await closed, 1000);
      } finally {
        socket.terminate();
      }
    });

    test('ws is refused with a status', async () => {
      const socket = new WebSocket(`${halley.url.replace('http', 'ws')}comet/ws?channel=a*`);
      const status = await new Promise((done, fail) => {
        socket.on('unexpected-response', (request, response) => { done(response.statusCode); request.destroy(); });
        socket.on('open', () => fail(new Error('it opened')));
        socket.on('error', () => {});
      });
      assert.equal(status, 400);
    });

    test('ws is told why it is sent away', async () => {
      const socket = new WebSocket(`${halley.url.replace('http', 'ws')}comet/ws?channel=a`);
      const code = await new Promise((done, fail) => {
        socket.on('open', () => socket.send(Buffer.from([1, 2, 3]), {binary: true}));
        socket.on('close', done);
        socket.on('error', fail);
      });
      assert.equal(code, 1003);
    });
  });
}
