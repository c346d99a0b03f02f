/* What the client says of its state when the network, the server or Redis fails. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {Halley} from '../../../www/halley.mjs';
import {EPOCH} from '../lib/paper-server.mjs';
import {Paper, got, isOpen} from '../lib/paper-client.mjs';
import {until} from '../lib/until.mjs';

let paper, server;
beforeEach(async () => { paper = await Paper.open(); ({server} = paper); });
afterEach(() => paper.close());
const isWaiting = (n = 1) => until(() => server.waiting.size === n, `${n} waits held`);

test('offline is said at once; online opens everything anew', async () => {
  server.info.transports = ['ws', 'wait', 'poll'];
  const fire = paper.window(), sockets = paper.sockets(), halley = paper.client();
  halley.subscribe('chat');
  await sockets.open(0);
  await isOpen(halley, 'ws');
  fire('change'); // a field of some form
  fire('offline');
  assert.equal(halley.state, 'offline');
  server.publish('chat', 1); // the WebSocket is a black hole
  fire('online');
  await got(halley, 1);
  await sockets.open(1);
  await isOpen(halley, 'ws');
  assert.ok(sockets[0].closed);
});

test('another kind of network is another network', async () => {
  let change;
  paper.fake('navigator', {onLine: true, connection: {type: 'wifi', addEventListener: (type, fn) => { change = fn; }, removeEventListener() {}}});
  server.info.transports = ['ws', 'wait', 'poll'];
  paper.window();
  const sockets = paper.sockets(), halley = paper.client();
  halley.subscribe('chat');
  await sockets.open(0);
  change.handleEvent({type: 'change'});
  assert.deepEqual(sockets[0].sent, [{ping: 1, ref: '#1'}], 'the same kind: it is asked whether it lives');
  navigator.connection.type = 'cellular';
  change.handleEvent({type: 'change'});
  await sockets.open(1);
});

test('a WebSocket that does not answer a ping within keepalive\'s measure is given up', async () => {
  server.info = {transports: ['ws', 'wait', 'poll'], limits: {keepalive: 0.02}};
  const sockets = paper.sockets(), halley = paper.client({patience: 60});
  halley.subscribe('chat');
  const socket = await sockets.open(0);
  let pings = 0;
  socket.say({messages: [], cursor: `chat@${EPOCH}-0`});
  socket.taken = m => { if (m.ping && ++pings < 3) socket.say({pong: true, ref: m.ref}); };
  await sockets.next(1);
  assert.equal(pings, 3);
  assert.ok(halley.states.some(s => s.state === 'waiting' && s.error));
});

test('a stream without a sign of life for twice keepalive is given up', async () => {
  server.info = {transports: ['stream', 'wait', 'poll'], limits: {keepalive: 0.05}};
  const halley = paper.client();
  halley.subscribe('chat');
  await until(() => server.count('stream') === 2);
  assert.ok(halley.states.some(s => s.state === 'waiting' && /nothing is heard/.test(s.error.message)));
});

test('a wait that a dead server holds ends soon after its time', async () => {
  server.info.limits.keepalive = 0.5;
  const asked = [];
  server.before = r => { if (r.endpoint === 'wait') asked.push(r.query.get('timeout')); };
  const halley = paper.client({timeout: 25});
  halley.subscribe('chat');
  await until(() => asked.length);
  assert.deepEqual(asked.slice(0, 1), ['1'], 'it is asked for no longer than two keepalives');
});

for (const status of [401, 403, 404]) {
  test(`${status} after it had worked is tried again, slowly, and at once when shown`, async () => {
    const fire = paper.window(), halley = paper.client({backoff: 4, maxBackoff: 200});
    halley.subscribe('chat');
    halley.subscribe('other');
    await isWaiting();
    server.before = () => ({status});
    server.http.closeAllConnections();
    const refused = () => halley.states.filter(s => s.state === 'waiting' && s.error.status === status);
    await until(() => refused().length === 4);
    assert.deepEqual(refused().map(s => s.retryIn), [40, 80, 160, 200]);
    server.before = () => undefined;
    fire('visibilitychange');
    await isWaiting();
    server.publish('other', 1);
    await got(halley, 1);
    assert.deepEqual(halley.errors, []);
  });
}

test('a portal that refuses all at the beginning costs no channel', async () => {
  server.before = () => ({status: 403, body: '<html>log in</html>'});
  const fire = paper.window(), halley = paper.client();
  for (const name of ['a', 'b', 'c']) halley.subscribe(name);
  await until(() => halley.state === 'closed');
  server.before = () => undefined;
  fire('pageshow', {persisted: false});
  await isWaiting();
  assert.deepEqual(server.requests.at(-1).channels, ['a', 'b', 'c']);
  assert.deepEqual(halley.errors, []);
});

test('a forced transport that cannot work is tried less and less', async t => {
  t.mock.method(Math, 'random', () => 1);
  const sockets = paper.sockets(), halley = paper.client({transports: ['ws'], backoff: 1, maxBackoff: 64});
  halley.subscribe('chat');
  for (let n = 0; n < 8; n++) (await sockets.next(n)).onclose({code: 1006});
  await until(() => halley.states.filter(s => s.retryIn).length === 8);
  assert.deepEqual(halley.states.filter(s => s.retryIn).map(s => s.retryIn), [1, 2, 4, 8, 16, 32, 64, 64]);
  assert.equal(server.count('info'), 0);
});

test('a transport that does not exist is an error at once, in plain words', () => {
  assert.throws(() => new Halley('/comet', {transports: ['websocket']}), e => e instanceof TypeError && /there is no websocket; there are ws, /.test(e.message));
  for (const transports of ['ws', {}, [], null]) assert.throws(() => new Halley('/comet', {transports}), TypeError);
});

test('unknown options and events are warned of', t => {
  const warn = t.mock.method(console, 'warn', () => {});
  new Halley('/comet', {intervall: 5}).on('mesage', () => {});
  assert.deepEqual(warn.mock.calls.map(c => c.arguments[0]), ['Halley: unknown options: intervall', 'Halley: there is no event mesage']);
});

test('a stream says that Redis is away, and when it is back', async () => {
  server.info.transports = ['stream', 'wait', 'poll'];
  const halley = paper.client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  const [held] = server.streams, say = word => held.res.write(JSON.stringify({messages: [], cursor: `chat@${EPOCH}-0`, redis: word}) + '\n\n\n');
  say('away');
  await until(() => halley.state === 'waiting');
  const {error} = halley.states.at(-1);
  assert.equal(error.status, 503);
  assert.match(error.message, /Redis/);
  held.res.write('\n');
  say('up');
  await isOpen(halley, 'stream');
  assert.equal(server.count('stream'), 1);
  assert.equal(halley.states.filter(s => s.state === 'waiting').length, 1);
});

for (const [what, body] of [['a login page', '<!doctype html><title>log in</title>'], ['another application\'s JSON', '{"hello":1}']]) {
  test(`${what} in place of an answer is called "not an answer of Halley"`, async () => {
    server.before = () => ({status: 200, body});
    const halley = paper.client();
    halley.subscribe('chat');
    await until(() => halley.states.some(s => s.error && s.error.message === 'not an answer of Halley'));
    server.before = r => r.endpoint === 'info' ? {status: 200, body} : undefined;
    const next = paper.client();
    next.subscribe('chat');
    await until(() => next.states.some(s => s.error));
    assert.equal(next.states.find(s => s.error).error.message, 'not an answer of Halley');
    server.before = () => ({status: 200, body});
    await assert.rejects(halley.publish('chat', 1, {tries: 1}), /not an answer of Halley/);
  });
}

test('a redirect within reach is followed, with what was posted', async () => {
  server.before = r => r.moved ? undefined : {status: 307, headers: {Location: r.url.replace('/comet/', '/comet/moved/')}};
  const halley = paper.client();
  halley.subscribe('chat', null, {since: 'start'});
  await isOpen(halley, 'wait');
  await halley.publish('chat', 1);
  await got(halley, 1);
  assert.deepEqual(halley.got, [1]);
  assert.ok(!halley.states.some(s => s.error));
});
