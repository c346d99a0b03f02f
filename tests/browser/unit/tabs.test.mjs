/* Tabs of one browser: here several clients in one process, with Web Locks of paper. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {Halley} from '../../../www/halley.mjs';
import {paperLocks} from '../lib/paper-locks.mjs';
import {PaperServer} from '../lib/paper-server.mjs';
import {until} from '../lib/until.mjs';

let server, tabs, asIs;

beforeEach(async () => {
  server = await new PaperServer().listen();
  server.info = {transports: ['stream', 'wait', 'poll']};
  asIs = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', {value: {locks: paperLocks(), onLine: true}, configurable: true});
  tabs = [];
});
afterEach(async () => {
  tabs.forEach(tab => tab.close());
  await until(() => tabs.every(tab => !tab._looping));
  await server.close();
  if (asIs) Object.defineProperty(globalThis, 'navigator', asIs); else delete globalThis.navigator;
});

function tab(options) {
  const halley = new Halley(server.base, Object.assign({backoff: 5, maxBackoff: 20, interval: 10, firstByte: 60000}, options));
  halley.got = []; halley.gaps = []; halley.states = [];
  halley.on('message', m => halley.got.push(m.data));
  halley.on('gap', g => halley.gaps.push(g));
  halley.on('state', s => halley.states.push(s.state));
  tabs.push(halley);
  return halley;
}
const isOpen = (...all) => until(() => all.every(t => t.state === 'open' && t.transport === 'stream'), 'all open by stream');
const has = (n, ...all) => until(() => all.every(t => t.got.length >= n), `${n} messages in each tab`);
const held = names => until(() => server.streams.size === 1 &&
  [...server.streams][0].request.channels.slice().sort().join() === names, `one stream, of ${names}`);
const range = (from, to) => Array.from({length: to - from + 1}, (_, i) => from + i);

async function open(n) {
  const all = range(1, n).map(() => tab());
  all.forEach(t => t.subscribe('chat'));
  await isOpen(...all);
  return all;
}

test('ten tabs hold one connection, and each hears everything once', async () => {
  const all = await open(10);
  assert.equal(server.streams.size, 1);
  server.publish('chat', ...range(1, 30));
  await has(30, ...all);
  for (const t of all) assert.deepEqual(t.got, range(1, 30));
  assert.equal(server.streams.size, 1);
});

test('a tab that is far behind when the leader begins to speak for it misses nothing', async () => {
  const a = tab(), b = tab();
  let go;
  const held = new Promise(done => { go = done; }), isLeaders = r => r.endpoint === 'poll' && r.channels.length === 2;
  a.subscribe('one');
  await isOpen(a);
  server.before = r => isLeaders(r) ? held : undefined;
  b.subscribe('two');
  await until(() => server.requests.some(isLeaders), 'the leader asks for the other channel');
  server.publish('two', ...range(1, 250)); // more than two reads bring
  go();
  await isOpen(a, b);
  server.publish('two', 251);
  await has(251, b);
  assert.deepEqual(b.got, range(1, 251));
});

test('when the leader closes another takes over, and nothing is lost or doubled', async () => {
  const all = await open(4);
  let n = 0;
  while (all.length > 1) {
    const heard = n;
    server.publish('chat', ++n, ++n);
    const leader = all.findIndex(t => t._yield);
    assert.ok(leader >= 0);
    all.splice(leader, 1)[0].close();
    server.publish('chat', ++n);
    await has(heard + 3, ...all);
    server.publish('chat', ++n);
    await has(n, ...all);
    await until(() => server.streams.size === 1);
  }
  assert.deepEqual(all[0].got, range(1, 12));
});

test('tabs with different channels share one request for all of them', async () => {
  const a = tab(), b = tab();
  server.publish('two', 'old');
  a.subscribe('one');
  await isOpen(a);
  b.subscribe('two', undefined, {since: 'start'});
  await held('one,two');
  await isOpen(a, b);
  server.publish('one', 1);
  server.publish('two', 2);
  await has(1, a);
  await has(2, b);
  assert.deepEqual(a.got, [1]);
  assert.deepEqual(b.got, ['old', 2]);
  b.close();
  await held('one');
});

test('the leader hands over the channels of others without a loss', async () => {
  const a = tab(), b = tab(), c = tab();
  a.subscribe('one');
  await isOpen(a);
  b.subscribe('two');
  c.subscribe('three');
  await held('one,three,two');
  await isOpen(a, b, c);
  a.close();
  server.publish('two', 2);
  server.publish('three', 3);
  await held('three,two');
  await has(1, b, c);
  server.publish('three', 33);
  await has(2, c);
  assert.deepEqual([a.got, b.got, c.got], [[], [2], [3, 33]]);
});

test('a tab that comes late has its own history, once, and the others not again', async () => {
  const [a] = await open(1);
  server.publish('chat', 1, 2, 3);
  await has(3, a);
  const late = tab();
  late.subscribe('chat', undefined, {since: '-2'});
  await isOpen(late);
  server.publish('chat', 4);
  await has(4, a);
  await has(3, late);
  assert.deepEqual(a.got, [1, 2, 3, 4]);
  assert.deepEqual(late.got, [2, 3, 4]);
  assert.equal(server.streams.size, 1);
});

test('a channel already led, subscribed by the leader\'s own page, starts as it asks', async () => {
  const a = tab(), b = tab();
  a.subscribe('one');
  await isOpen(a);
  server.publish('two', 1, 2);
  b.subscribe('two');
  await held('one,two');
  a.subscribe('two', undefined, {since: 'start'});
  await has(2, a);
  await isOpen(a, b);
  server.publish('two', 3);
  await has(3, a);
  await has(1, b);
  assert.deepEqual(a.got, [1, 2, 3]);
  assert.deepEqual(b.got, [3]);
});

test('tabs tell of the leader\'s trouble', async () => {
  const [a, b] = await open(2);
  server.before = () => ({cut: true});
  for (const stream of server.streams) stream.res.destroy();
  await until(() => a.state === 'waiting' && b.state === 'waiting');
  server.before = () => undefined;
  server.publish('chat', 1);
  await has(1, a, b);
  await isOpen(a, b);
});

test('a leader that does not answer is not waited for', async () => {
  navigator.locks.request(new Halley(server.base)._same, {}, () => new Promise(() => {})); // a tab that hangs
  const t = tab({firstByte: 30});
  t.subscribe('chat');
  await isOpen(t);
  server.publish('chat', 1);
  await has(1, t);
  assert.equal(t._yield, undefined);
});

test('a tab that the leader has no room for goes alone', async () => {
  const a = tab(), b = tab();
  range(1, 40).forEach(n => a.subscribe('a' + n));
  await isOpen(a);
  range(1, 40).forEach(n => b.subscribe('b' + n));
  await until(() => server.streams.size === 2);
  await isOpen(b);
  server.publish('b7', 7);
  await has(1, b);
});

test('one may ask not to share, and without Web Locks each tab goes alone', async () => {
  const a = tab(), b = tab({share: false});
  Object.defineProperty(globalThis, 'navigator', {value: {}, configurable: true});
  const c = tab();
  for (const t of [a, b, c]) t.subscribe('chat');
  await isOpen(a, b, c);
  assert.equal(server.streams.size, 3);
});

test('a leader that hangs is replaced within ten seconds, with nothing lost or doubled', async () => {
  const all = await open(3), leader = all.find(tab => tab._yield), others = all.filter(tab => tab !== leader);
  server.publish('chat', 1);
  await has(1, ...all);
  // It hangs: nothing is told, nothing is answered, but its stream and its lock are held.
  leader._tell = () => {};
  for (const stream of server.streams) stream.deaf = true;
  const since = Date.now();
  server.publish('chat', 2, 3);
  await has(3, ...others);
  assert.ok(Date.now() - since < 20000); // 10 s, where a machine has time
  assert.ok(others.some(tab => tab._yield));
  server.publish('chat', 4);
  await has(4, ...others);
  for (const tab of others) assert.deepEqual(tab.got, [1, 2, 3, 4]);
  await until(() => all.filter(tab => tab._yield).length === 1, 'the one that hung leads no more');
  await has(4, leader);
  assert.deepEqual(leader.got, [1, 2, 3, 4]);
});

test('a tab that takes over is not open before it has a connection', async () => {
  const [a, b] = await open(2), leader = a._yield ? a : b, other = leader === a ? b : a;
  leader._tell = () => {};
  server.before = () => ({hang: true});
  await until(() => other._yield, 'the other leads', 30);
  assert.notEqual(other.state, 'open');
  server.before = () => undefined;
  await isOpen(other);
});

test('tabs that ask with other parameters or headers do not share', async () => {
  const a = tab({params: {token: 'a'}}), b = tab({params: {token: 'b'}}), c = tab({headers: {Authorization: 'c'}});
  for (const t of [a, b, c]) t.subscribe('chat');
  await isOpen(a, b, c);
  assert.equal(server.streams.size, 3);
});
