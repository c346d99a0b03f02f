/*
 * npm's socket.io-client, with polling, WebSocket and the upgrade between them, against the real
 * servers; what npm's redis-emitter and Laravel publish; and that nothing is lost, doubled or out of
 * order while answers are dropped on their way and processes are killed.
 *
 * MESSAGES=n is how many each loss run publishes.
 */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import net from 'node:net';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Emitter} from '@socket.io/redis-emitter';
import Echo from 'laravel-echo';
import {createClient} from 'redis';
import {io} from 'socket.io-client';
import {Running, SERVERS} from '../lib/running.mjs';
import {sleep, until} from '../lib/until.mjs';

const CONF = fileURLToPath(new URL('socketio.conf', import.meta.url));
const WAYS = {polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket']};

function connect(url, options = {}) {
  const socket = io(url, {forceNew: true, timeout: 60000, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options});
  socket.heard = [];
  socket.onAny((event, ...args) => socket.heard.push([event, ...args]));
  return socket;
}

async function connected(url, options) {
  const socket = connect(url, options);
  await until(() => socket.connected, `connected to ${url}`, 60);
  return socket;
}

function ask(socket, ...words) {
  return new Promise(done => socket.emit(...words, done));
}

/* What an event carries, but for the cursor. */
function said(socket, event) {
  return socket.heard.filter(one => one[0] === event).map(one => one.slice(1, -1));
}

for (const server of SERVERS) {
  describe(`socket.io-client on ${server}`, () => {
    let halley;
    before(async () => { halley = await Running.start(server, {CONF, HALLEY_PROCESSES: '2'}); });
    after(() => halley.stop());

    for (const [way, transports] of Object.entries(WAYS)) {
      test(`${way}: events, acknowledgements and binary go both ways`, async () => {
        const socket = await connected(`${halley.url}shop`, {transports});
        const listener = await connected(halley.url, {transports});
        assert.deepEqual(await ask(listener, 'subscribe', ['said', `room-${way}`]), {ok: true});
        assert.equal((await ask(listener, 'greet', 1)).error.status, 403);
        if (way === 'upgrade')
          await until(() => listener.io.engine.transport.name === 'websocket', 'the upgrade', 60);
        for (let i = 0; i < 5; i++) {
          assert.deepEqual(await ask(socket, 'greet', {i}, Buffer.from([1, 2, i])), {ok: true});
          halley.publish(`room-${way}`, {event: 'shipped', data: i});
          halley.publish('news', {event: 'price', data: i});
        }
        await until(() => said(listener, 'greet').length >= 5 && said(listener, 'shipped').length >= 5 &&
          said(socket, 'price').length >= 5, `what was said: ${JSON.stringify(listener.heard)}`, 60);
        assert.deepEqual(said(listener, 'greet').map(([data, bytes]) => [data.i, [...bytes]]),
          [0, 1, 2, 3, 4].map(i => [i, [1, 2, i]]));
        assert.deepEqual(said(listener, 'shipped'), [[0], [1], [2], [3], [4]]);
        assert.deepEqual(said(socket, 'price'), [[0], [1], [2], [3], [4]]);
        assert.deepEqual(await ask(listener, 'unsubscribe', `room-${way}`), {ok: true});
        socket.disconnect();
        listener.disconnect();
      });

      test(`${way}: a broken connection is recovered, also before its first event`, async () => {
        const socket = await connected(`${halley.url}shop`, {transports});
        for (let i = 0; i < 4; i++) {
          assert.equal(socket.recovered, i > 0);
          socket.io.engine.close();
          await until(() => !socket.connected, 'the break', 60);
          halley.publish('news', {event: 'missed', data: i});
          await until(() => socket.connected && said(socket, 'missed').length > i, `missed ${i}`, 60);
        }
        assert.deepEqual(said(socket, 'missed'), [[0], [1], [2], [3]]);
        socket.disconnect();
      });
    }

    test('a namespace that is none is refused', async () => {
      const socket = connect(`${halley.url}nothing`);
      const error = await new Promise(done => socket.on('connect_error', done));
      assert.equal(error.message, 'Invalid namespace');
      socket.disconnect();
    });

    test('what the emitter sends to everybody, to a room and to a namespace arrives', async () => {
      const redis = createClient({socket: {path: join(halley.dir, 'redis.sock')}});
      await redis.connect();
      const emitter = new Emitter(redis);
      const all = await connected(halley.url), shop = await connected(`${halley.url}shop`);
      assert.deepEqual(await ask(all, 'subscribe', 'room'), {ok: true});
      emitter.emit('hello', {a: 1});
      emitter.to('room').emit('inside', 1, 'two', Buffer.from('three'));
      emitter.except(all.id).emit('not', 'you');
      emitter.of('/shop').emit('sale', [7]);
      emitter.emit('last');
      await until(() => said(all, 'last').length && said(all, 'inside').length && said(shop, 'sale').length,
        `the emitter's events: ${JSON.stringify(all.heard)}`, 60);
      assert.deepEqual(said(all, 'hello'), [[{a: 1}]]);
      assert.deepEqual(said(all, 'inside'), [[1, 'two', Buffer.from('three')]]);
      assert.deepEqual(said(all, 'not'), []);
      assert.deepEqual(said(shop, 'sale'), [[[7]]]);
      await redis.quit();
      all.disconnect();
      shop.disconnect();
    });

    test('Laravel Echo hears a broadcast', async () => {
      const echo = new Echo({broadcaster: 'socket.io', client: io, host: halley.url, path: '/socket.io/laravel',
        withoutInterceptors: true});
      const heard = [];
      echo.channel('orders').listen('OrderShipped', data => heard.push(data));
      const socket = echo.connector.socket;
      await until(() => socket.connected, 'the connection', 60);
      await ask(socket, 'subscribe', 'orders'); /* behind Echo's own, which asks for no answer */
      halley.redis('PUBLISH', 'laravel_database_orders', JSON.stringify(
        {event: 'App\\Events\\OrderShipped', data: {i: 1}, socket: null}));
      await until(() => heard.length, 'the broadcast', 60);
      assert.deepEqual(heard, [{i: 1}]);
      echo.disconnect();
    });
  });
}

/* Between client and server: an answer gets lost with the probability 0.15. */
async function losing(port) {
  const server = net.createServer(near => {
    const far = net.connect(port, '127.0.0.1');
    const end = () => { near.destroy(); far.destroy(); };
    for (const one of [near, far]) one.on('error', end).on('close', end);
    near.pipe(far);
    far.once('data', first => {
      if (Math.random() < 0.15) return end();
      near.write(first);
      far.pipe(near);
    });
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  return server;
}

/* The processes of halley.fcgi that serve in this run, and nobody else's. */
function processes(halley) {
  const all = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='], {encoding: 'utf8'}).trim().split('\n')
    .map(line => line.trim().split(/ +/)).map(([pid, parent, name]) => ({pid: +pid, parent: +parent, name}));
  const ours = new Set([halley.child.pid]);
  for (let size = 0; size !== ours.size;) {
    size = ours.size;
    for (const one of all) if (ours.has(one.parent)) ours.add(one.pid);
  }
  const serving = all.filter(one => ours.has(one.pid) && one.name === 'halley.fcgi');
  const parents = new Set(serving.map(one => one.parent)); // which only start those that serve
  return serving.map(one => one.pid).filter(pid => !parents.has(pid));
}

const MESSAGES = Number(process.env.MESSAGES || 0);

for (const [name, short] of [['lighttpd', 200], ['nginx', 60], ['apache', 60]].filter(([one]) => SERVERS.includes(one))) {
  describe(`socket.io-client over a bad network to ${name}, where one process after the other is killed`, () => {
    const count = MESSAGES || short;
    let halley, server;
    before(async () => {
      halley = await Running.start(name, {CONF, HALLEY_PROCESSES: '2'});
      server = await losing(halley.port);
    });
    after(async () => {
      if (server) server.close();
      if (halley) await halley.stop();
    });

    test(`${count} messages come once each and in order`, async () => {
      const socket = await connected(`http://127.0.0.1:${server.address().port}/shop`, {transports: ['polling']});
      let breaks = 0, unrecovered = 0, kills = 0;
      socket.on('connect', () => { breaks++; unrecovered += !socket.recovered; });
      const killer = setInterval(() => {
        const pids = processes(halley);
        if (pids.length) process.kill(pids[kills++ % pids.length], 'SIGKILL');
      }, 800);
      try {
        for (let i = 0; i < count; i++) {
          halley.publish('news', {event: 'n', data: i});
          await sleep(30);
        }
        await until(() => said(socket, 'n').length >= count, `${said(socket, 'n').length} of ${count}`, 240);
      } finally {
        clearInterval(killer);
      }
      assert.deepEqual(said(socket, 'n'), Array.from({length: count}, (_, i) => [i]));
      assert.equal(unrecovered, 0);
      assert.ok(kills > 0 && breaks > 0, `${kills} kills, ${breaks} breaks`);
      socket.disconnect();
    });
  });
}
