/* Who speaks: tokens that are fetched, renewed, refused, and shared among tabs or not. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {Paper, got, isOpen} from '../lib/paper-client.mjs';
import {paperLocks} from '../lib/paper-locks.mjs';
import {EPOCH} from '../lib/paper-server.mjs';
import {until} from '../lib/until.mjs';

let paper, server;
beforeEach(async () => { paper = await Paper.open(); ({server} = paper); });
afterEach(() => paper.close());

/* What a server would issue, but for the signature. */
const jwt = (claims, n = 0) => ['{"alg":"none"}', JSON.stringify(claims), 'signature' + n].map(x => Buffer.from(x).toString('base64url')).join('.');
const soon = seconds => Date.now() / 1000 + seconds;
const bearer = r => (r.headers.authorization || '').replace('Bearer ', '');

test('every request says who asks, and the token is asked for once', async () => {
  let calls = 0;
  const text = jwt({sub: 'anna', exp: soon(3600)}), halley = paper.client({token: async () => { calls++; return text; }});
  halley.subscribe('a');
  halley.subscribe('b');
  await Promise.all([isOpen(halley, 'wait'), halley.publish('a', 1)]);
  await until(() => server.waiting.size);
  assert.equal(calls, 1);
  assert.ok(server.requests.length > 3 && server.requests.every(r => bearer(r) === text));
});

test('after a 401 another one is fetched, once, and the request made again', async () => {
  let calls = 0;
  server.before = r => bearer(r) !== 'token-2' ? {status: 401} : undefined;
  const halley = paper.client({token: () => `token-${++calls}`});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  await until(() => server.waiting.size);
  assert.equal(calls, 2);
  assert.deepEqual(halley.errors, []);
  server.before = () => ({status: 401});
  await assert.rejects(halley.publish('chat', 1), e => e.status === 401);
  assert.equal(calls, 3);
  // Several at once, refused together, ask for one.
  server.before = r => bearer(r) < 'token-4' ? {status: 401} : undefined;
  await Promise.all([halley.publish('chat', 2), ...[1, 2, 3].map(() => assert.rejects(halley.history('chat')))]);
  assert.equal(calls, 4);
});

test('a token is renewed before it expires, and what is held goes on under the next', async () => {
  let n = 0;
  const halley = paper.client({token: () => jwt({sub: 'anna', exp: soon(++n === 1 ? 1.2 : 3600)}, n)});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  const first = bearer(server.requests[0]);
  await until(() => server.requests.some(r => r.endpoint === 'wait' && bearer(r) !== first));
  assert.equal(n, 2);
  server.publish('chat', 1);
  await got(halley, 1);
  assert.ok(halley.states.every(s => !s.error));
});

test('a WebSocket is opened with the token, and told the next one', async () => {
  server.info.transports = ['ws', 'wait', 'poll'];
  const sockets = paper.sockets(), said = [];
  let n = 0;
  const Socket = globalThis.WebSocket;
  paper.fake('WebSocket', class extends Socket { constructor(url, protocols) { super(url); said.push(protocols); } });
  const tokens = [jwt({sub: 'anna', exp: soon(1.2)}, 1), jwt({sub: 'anna', exp: soon(3600)}, 2)];
  const halley = paper.client({token: () => tokens[Math.min(n++, 1)]});
  halley.subscribe('chat');
  const socket = await sockets.open(0);
  assert.deepEqual(said, [['halley', 'bearer.' + tokens[0]]]);
  const told = await until(() => socket.sent.find(m => m.token));
  assert.equal(told.token, tokens[1]);
  socket.say({token: {expires: soon(3600)}, ref: told.ref});
  assert.equal(sockets.length, 1);
  // Revoked: another one is fetched at once, and the place kept.
  socket.say({messages: [], cursor: `chat@${EPOCH}-5`});
  socket.onclose({code: 4401});
  const next = await sockets.next(1);
  assert.equal(n, 3);
  assert.equal(next.url.searchParams.get('since'), `chat@${EPOCH}-5`);
  assert.ok(!halley.states.some(s => s.error));
});

test('an event stream, which has no header fields, has the token in its address', async () => {
  server.info.transports = ['events', 'wait', 'poll'];
  const made = [];
  paper.fake('EventSource', class { constructor(url, init) { this.url = url; this.init = init; made.push(this); } close() {} });
  const halley = paper.client({token: () => 'opaque', credentials: 'include'});
  halley.subscribe('chat');
  const source = await until(() => made[0]);
  assert.equal(new URL(source.url).searchParams.get('token'), 'opaque');
  assert.equal(source.init.withCredentials, true);
});

test('a page that cannot have a token says so, and tries again', async () => {
  let n = 0;
  const halley = paper.client({token: async () => { if (++n < 3) throw new Error('login server away'); return 'x'; }});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  assert.ok(halley.states.some(s => s.state === 'waiting' && /login server away/.test(s.error.message)));
});

test('without a token to give, requests go as they are', async () => {
  const halley = paper.client({token: () => null});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  assert.ok(server.requests.every(r => r.headers.authorization === undefined));
});

test('tabs of one user have one token from the tab that leads; of two users they share nothing', async () => {
  paper.fake('navigator', {locks: paperLocks(), onLine: true});
  server.info.transports = ['stream', 'wait', 'poll'];
  let calls = 0;
  const of = (sub, seconds) => () => jwt({sub, exp: soon(seconds)}, ++calls);
  const tab = (sub, seconds) => {
    const halley = paper.client({share: true, token: of(sub, seconds), firstByte: 60000});
    halley.subscribe('chat');
    return halley;
  };
  const a = tab('anna', 3);
  await isOpen(a, 'stream');
  const b = tab('anna', 3);
  await isOpen(b, 'stream');
  assert.equal(server.streams.size, 1);
  const c = tab('bert', 3600);
  await isOpen(c, 'stream');
  await until(() => server.streams.size === 2);
  const before = calls;
  await until(() => calls > before && a._yield, 'the tab that leads has renewed', 60);
  await isOpen(a, 'stream');
  server.publish('chat', 1);
  await Promise.all([got(a, 1), got(b, 1), got(c, 1)]);
  assert.equal(calls, before + 1);
  assert.equal(a._token, b._token);
  assert.notEqual(a._token, c._token);
});

test('a page whose user becomes another one leaves the connection of the first', async () => {
  paper.fake('navigator', {locks: paperLocks(), onLine: true});
  server.info.transports = ['stream', 'wait', 'poll'];
  let user = 'anna';
  const halley = paper.client({share: true, token: () => jwt({sub: user, exp: soon(3600)}), firstByte: 60000});
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  const key = halley._who;
  user = 'bert';
  server.before = r => JSON.parse(Buffer.from(bearer(r).split('.')[1], 'base64url')).sub === 'anna' ? {status: 401} : undefined;
  for (const held of server.streams) held.res.destroy();
  await until(() => halley._who !== key && halley.state === 'open' && server.streams.size === 1 && halley._yield);
  assert.equal(JSON.parse(Buffer.from(bearer([...server.streams][0].request).split('.')[1], 'base64url')).sub, 'bert');
});
