/*
 * npm's socket.io-client and Laravel Echo in Chromium, on a page of this site and on one of another: by
 * polling, by WebSocket, and by the upgrade from the one to the other. What redis-cli, npm's
 * redis-emitter and Laravel publish comes once and in order, to a halley.js page beside them too.
 */
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Emitter} from '@socket.io/redis-emitter';
import {createClient} from 'redis';
import {bare, offerClients, otherSite} from '../lib/elsewhere.mjs';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const CONF = fileURLToPath(new URL('../wire/socketio.conf', import.meta.url));
const IO = 'socket.io-client/dist/socket.io.min.js', ECHO = 'laravel-echo/dist/echo.iife.js';
const WAYS = {polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket']};

/* In the page: a socket in a namespace, and in a channel besides; window.heard is without cursors, and with
 * bytes as lists. */
async function connectIn([url, transports, channel]) {
  const plain = value => (value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value);
  const socket = window.socket = io(url, {transports, forceNew: true, timeout: 60000, withCredentials: true});
  window.heard = [];
  window.ask = (...words) => new Promise(done => socket.emit(...words, done));
  window.way = () => socket.io.engine.transport.name;
  socket.onAny((event, ...args) => window.heard.push([event, ...args.slice(0, -1).map(plain)]));
  await new Promise(done => socket.on('connect', done));
  const answer = await window.ask('subscribe', channel);
  if (!answer.ok) throw new Error(JSON.stringify(answer));
}

/* In the page: Laravel Echo, as its guide for Socket.IO says. */
async function echoIn([host, channel]) {
  const echo = window.echo = new Echo.default({broadcaster: 'socket.io', client: io, host, path: '/socket.io/laravel', withoutInterceptors: true});
  window.heard = [];
  echo.channel(channel).listen('OrderShipped', data => window.heard.push(data));
  const socket = echo.connector.socket;
  await new Promise(done => socket.on('connect', done));
  await new Promise(done => socket.emit('subscribe', channel, done)); // behind Echo's own, which asks for no answer
}

async function halleyIn(channel) {
  window.heard = [];
  window.halley = new Halley('/comet');
  window.halley.subscribe(channel, message => window.heard.push(message.data));
  await new Promise(done => window.halley.on('state', ({state}) => state === 'open' && done()));
}

for (const server of SERVERS) {
  describe(`socket.io-client in Chromium on ${server}`, () => {
    let halley, site, context;

    before(async () => {
      site = await otherSite();
      halley = await Running.start(server, {CONF, HALLEY_ORIGINS: site.url.slice(0, -1), HALLEY_PROCESSES: '2'});
      context = await halley.browser();
      await offerClients(context);
    });
    after(async () => {
      if (halley) await halley.stop();
      if (site) site.close();
    });

    const heard = page => page.evaluate(() => window.heard);
    const has = (page, count, what) => until(async () => (await heard(page)).length >= count, what, 60);

    async function open(url, ...connection) {
      const page = await bare(context, url, IO);
      await page.evaluate(connectIn, connection);
      return page;
    }

    for (const [way, transports] of Object.entries(WAYS)) {
      for (const where of ['this site', 'another site']) {
        test(`by ${way} on a page of ${where}: events and binary go both ways, once and in order`, async () => {
          const channel = `room-${way}-${where.length}`, wanted = [];
          const page = await open(where === 'this site' ? `${halley.url}style.css` : site.url, `${halley.url}shop`, transports, channel);
          await until(async () => await page.evaluate(() => window.way()) === transports.at(-1), way, 60);
          assert.deepEqual(await page.evaluate(() => window.ask('subscribe', 'said')), {ok: true});
          for (let i = 0; i < 2; i++) {
            const said = `${way} ${i} \u2028 \u{1f600} </script>`;
            assert.deepEqual(await page.evaluate(([text, n]) => window.ask('greet', text, new Uint8Array([0, 255, n])), [said, i]), {ok: true});
            wanted.push(['greet', said, [0, 255, i]]);
            await has(page, wanted.length, 'its own');
            for (let k = 0; k < 3; k++) {
              halley.publish(channel, {event: 'shipped', data: {i, k}});
              wanted.push(['shipped', {i, k}]);
            }
            await has(page, wanted.length, 'what redis-cli says');
          }
          assert.deepEqual(await heard(page), wanted);
          assert.equal(await page.evaluate(() => window.way()), transports.at(-1));
          await page.close();
        });
      }
    }

    test('what the emitter sends to everybody, to a room and to a namespace arrives', async () => {
      const redis = createClient({socket: {path: join(halley.dir, 'redis.sock')}});
      await redis.connect();
      try {
        const emitter = new Emitter(redis), url = `${halley.url}style.css`;
        const all = await open(url, halley.url, ['polling'], 'room'), shop = await open(url, `${halley.url}shop`, ['websocket'], 'other');
        emitter.emit('hello', {a: 1});
        emitter.to('room').emit('inside', 1, 'two', Buffer.from([3, 4]));
        emitter.except(await all.evaluate(() => window.socket.id)).emit('not', 'you');
        emitter.of('/shop').emit('sale', [7]);
        emitter.emit('last', 0);
        const last = events => events.some(([event]) => event === 'last');
        await until(async () => last(await heard(all)), 'the last event', 60);
        await has(all, 3, 'what is for the room');
        await has(shop, 1, 'what is for the namespace');
        // two channels have no order between them
        const sorted = (await heard(all)).sort(([a], [b]) => (a < b ? -1 : 1));
        assert.deepEqual(sorted, [['hello', {a: 1}], ['inside', 1, 'two', [3, 4]], ['last', 0]]);
        assert.deepEqual(await heard(shop), [['sale', [7]]]);
        await all.close();
        await shop.close();
      } finally {
        await redis.quit();
      }
    });

    test('a Laravel broadcast reaches Echo, and a halley.js page beside it', async () => {
      const url = `${halley.url}style.css`;
      const [page, beside] = await Promise.all([bare(context, url, IO, ECHO), bare(context, url)]);
      await beside.addScriptTag({url: '/halley.js'});
      await Promise.all([page.evaluate(echoIn, [halley.url, 'orders']), beside.evaluate(halleyIn, 'orders')]);
      halley.redis('PUBLISH', 'laravel_database_orders', '{"event":"App\\\\Events\\\\OrderShipped","data":{"i":1},"socket":null}');
      await has(page, 1, 'the broadcast at Echo');
      await has(beside, 1, 'the broadcast at halley.js');
      assert.deepEqual(await heard(page), [{i: 1}]);
      const [{event, data}] = await heard(beside);
      assert.deepEqual([event, data], ['App\\Events\\OrderShipped', {i: 1}]);
      await page.close();
      await beside.close();
    });
  });
}
