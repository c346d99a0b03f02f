/* What is published, in which order, and what is refused before it is sent. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {Paper, isOpen, range} from '../lib/paper-client.mjs';
import {until} from '../lib/until.mjs';

let paper, server;
beforeEach(async () => { paper = await Paper.open(); ({server} = paper); });
afterEach(() => paper.close());
const published = () => (server.channels.get('chat') || []).map(m => m.data);

async function connected() {
  server.info.transports = ['ws', 'wait', 'poll'];
  const sockets = paper.sockets(), halley = paper.client();
  halley.subscribe('chat');
  const socket = await sockets.open(0);
  await isOpen(halley, 'ws');
  return {halley, socket, sockets};
}

test('publishes keep the order of their calls, a 429 in between included', async () => {
  let n = 0;
  server.before = () => ++n === 3 ? {status: 429, headers: {'Retry-After': '0'}} : undefined;
  const halley = paper.client();
  await Promise.all(range(1, 8).map(i => halley.publish('chat', i)));
  assert.deepEqual(published(), range(1, 8));
});

test('over a WebSocket, too', async () => {
  const {halley, socket} = await connected(), taken = [];
  let n = 0;
  socket.taken = m => setTimeout(() => {
    if (++n === 2) return socket.say({error: {status: 429, title: 'Too Many Requests', retry_after: 0.01}, ref: m.ref});
    taken.push(m.publish.data);
    socket.say({published: {id: '1-' + n, at: 1}, ref: m.ref});
  }, 5);
  await Promise.all(range(1, 6).map(i => halley.publish('chat', i)));
  assert.deepEqual(taken, range(1, 6));
});

test('one that is refused costs those behind it nothing, and each has an answer', async () => {
  server.before = r => r.body === '2' ? {status: 403, detail: 'channel: no'} : undefined;
  const halley = paper.client();
  const ends = await Promise.allSettled([1, 2, 3].map(i => halley.publish('chat', i)));
  assert.deepEqual(ends.map(e => e.status), ['fulfilled', 'rejected', 'fulfilled']);
  assert.equal(ends[1].reason.status, 403);
  assert.deepEqual(published(), [1, 3]);
});

test('a publish can be given up, before and while it is sent', async () => {
  server.before = r => r.body === '1' ? {hang: true} : undefined;
  const halley = paper.client(), first = new AbortController(), second = new AbortController();
  const ends = [halley.publish('chat', 1, {signal: first.signal}), halley.publish('chat', 2, {signal: second.signal}), halley.publish('chat', 3)];
  await until(() => server.count('publish'));
  second.abort();
  await assert.rejects(ends[1], {name: 'AbortError'});
  first.abort();
  await assert.rejects(ends[0], {name: 'AbortError'});
  assert.ok((await ends[2]).id);
  assert.deepEqual(published(), [3]);
  await assert.rejects(halley.publish('chat', 4, {signal: AbortSignal.abort()}), {name: 'AbortError'});
  assert.equal(server.count('publish'), 2);
});

test('only so many wait for their turn', async () => {
  server.before = () => ({hang: true});
  const halley = paper.client({queue: 2}), control = new AbortController();
  const waiting = [1, 2].map(i => halley.publish('chat', i, {signal: control.signal}));
  await assert.rejects(halley.publish('chat', 3), /2 wait already/);
  control.abort();
  await Promise.allSettled(waiting);
});

test('what is larger than a WebSocket may carry goes by POST, and the WebSocket stays', async () => {
  const {halley, socket} = await connected(), text = 'é'.repeat(5000); // 10,002 bytes, where info says 1,000
  await halley.publish('chat', text);
  assert.deepEqual(socket.sent, []);
  assert.ok(!socket.closed);
  assert.deepEqual(published(), [text]);
});

test('what is no JSON value is a TypeError, and nothing is sent', async () => {
  const halley = paper.client();
  for (const value of [undefined, () => 1, Symbol('s'), 10n, {toJSON() {}}]) await assert.rejects(halley.publish('chat', value), TypeError);
  assert.equal(server.requests.length, 0);
});

test('a Blob is sent as its bytes, with its type', async () => {
  server.before = () => ({status: 200, body: {id: '1-1', at: 1}});
  await paper.client().publish('chat', new Blob(['a "blob"'], {type: 'text/plain'}));
  assert.equal(server.requests[0].body, 'a "blob"');
  assert.equal(server.requests[0].headers['content-type'], 'text/plain');
});

test('headers and a fetch of one\'s own go with every request', async () => {
  let calls = 0;
  const halley = paper.client({headers: {Authorization: 'Bearer x'}, fetch: (...args) => { calls++; return fetch(...args); }});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  await halley.publish('chat', 1);
  assert.ok(server.requests.every(r => r.headers.authorization === 'Bearer x'));
  assert.ok(calls >= server.requests.length);
});
