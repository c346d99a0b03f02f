/* Subscriptions that tell of themselves, given up by a signal, or read with `for await`; where a page begins. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {EPOCH} from '../lib/paper-server.mjs';
import {Paper, got, isOpen, range} from '../lib/paper-client.mjs';
import {until} from '../lib/until.mjs';

let paper, server;
beforeEach(async () => { paper = await Paper.open(); ({server} = paper); });
afterEach(() => paper.close());
const isWaiting = (n = 1) => until(() => server.waiting.size === n, `${n} waits held`);

test('ready is settled once nothing that follows is missed', async () => {
  for (const since of [undefined, 'start', '-1']) {
    const halley = paper.client(), heard = [];
    const stop = halley.subscribe('chat', m => heard.push(m.data), {since});
    await stop.ready;
    server.publish('chat', 'after');
    await until(() => heard.at(-1) === 'after');
    await halley.subscribe('chat').ready;
    await halley.subscribe('chat', null, {since: '-1'}).ready;
    halley.close();
  }
});

test('ready is refused with the channel, alone or beside others, and given up with it', async () => {
  server.before = r => r.channels.includes('secret') ? {status: 403, detail: 'channel: secret'} : undefined;
  const halley = paper.client(), alone = paper.client();
  const refusal = alone.subscribe('secret').ready, other = halley.subscribe('chat').ready, one = halley.subscribe('secret').ready;
  await assert.rejects(refusal, e => e.status === 403);
  await assert.rejects(one, e => e.status === 403 && e.channel === 'secret');
  await other;
  const left = halley.subscribe('late');
  left();
  await assert.rejects(left.ready, {name: 'AbortError'});
  const closed = paper.client(), never = closed.subscribe('chat');
  closed.close();
  await assert.rejects(never.ready, {name: 'AbortError'});
});

test('a subscription tells of its own gap, its own error, and of the state', async () => {
  server.publish('a', 1, 2, 3);
  server.trim('a', 2);
  server.before = r => r.channels.includes('secret') ? {status: 403} : undefined;
  const halley = paper.client({since: `a@${EPOCH}-1,b@${EPOCH}-0`}), said = [];
  const listen = name => {
    const tell = type => e => said.push([name, type, e.channels || e.status || e.state]);
    halley.subscribe(name).on('gap', tell('gap')).on('error', tell('error')).on('state', tell('state'));
  };
  ['a', 'b', 'secret'].forEach(listen);
  await isWaiting();
  assert.deepEqual(said.filter(s => s[1] === 'gap'), [['a', 'gap', ['a']]]);
  assert.deepEqual(said.filter(s => s[1] === 'error'), [['secret', 'error', 403]]);
  assert.deepEqual(said.filter(s => s[1] === 'state' && s[0] !== 'secret'),
    [['a', 'state', 'connecting'], ['b', 'state', 'connecting'], ['a', 'state', 'open'], ['b', 'state', 'open']]);
});

test('a signal ends a subscription, and nothing is left at it', async () => {
  const halley = paper.client(), control = new AbortController(), heard = [];
  const listeners = new Set();
  for (const [verb, note] of [['addEventListener', 'add'], ['removeEventListener', 'delete']]) {
    const asIs = control.signal[verb].bind(control.signal);
    control.signal[verb] = (type, fn) => { listeners[note](fn); asIs(type, fn); };
  }
  halley.subscribe('other');
  const stop = halley.subscribe('chat', m => heard.push(m.data), {signal: control.signal});
  await isWaiting();
  await halley.publish('chat', 1, {signal: control.signal});
  await until(() => heard.length);
  stop();
  assert.equal(listeners.size, 0);
  halley.subscribe('chat', m => heard.push(m.data), {signal: control.signal});
  await until(() => server.requests.at(-1).channels.includes('chat') && server.waiting.size === 1);
  control.abort();
  assert.equal(listeners.size, 0);
  await until(() => server.requests.at(-1).channels.join() === 'other');
  await assert.rejects(halley.subscribe('chat', null, {signal: control.signal}).ready, {name: 'AbortError'});
  assert.ok(!halley._channels.has('chat'));
});

test('messages come one after the other, also those from before they are asked for', async () => {
  const halley = paper.client(), read = halley.messages('chat'), heard = [];
  await isWaiting();
  server.publish('chat', 1, 2, 3);
  await got(halley, 3);
  for await (const m of read) if (heard.push(m.data) === 3) break;
  assert.deepEqual(heard, [1, 2, 3]);
  assert.deepEqual(halley._names(), []);
});

test('a signal, close() or a refusal ends them', async () => {
  const halley = paper.client(), control = new AbortController(), heard = [];
  const all = async (...args) => { for await (const m of halley.messages(...args)) heard.push(m.data); };
  halley.subscribe('stays');
  const ends = all('chat', {signal: control.signal});
  await isWaiting();
  server.publish('chat', 1);
  await until(() => heard.length);
  control.abort();
  await ends;
  await all('chat', {signal: control.signal});
  server.before = r => r.channels.includes('secret') ? {status: 403} : undefined;
  await assert.rejects(all('secret'), e => e.status === 403);
  const closes = all('chat', {since: 'start'});
  await until(() => heard.length === 2);
  halley.close();
  await closes;
  assert.deepEqual(heard, [1, 1]);
});

test('messages that nobody reads are not kept without end', async () => {
  const halley = paper.client({queue: 20}), read = halley.messages('chat');
  await isWaiting();
  server.publish('chat', ...range(1, 30));
  await until(() => !halley._names().length);
  const heard = [];
  await assert.rejects((async () => { for await (const m of read) heard.push(m.data); })(), /20 wait already/);
  assert.deepEqual(heard, range(1, 21));
});

test('history is asked for by pages, and can be given up', async () => {
  server.before = r => r.endpoint === 'history' ? {status: 200, body: {messages: [{channel: 'a b', id: '5-1', at: 1, data: 1}], more: true}} : undefined;
  const halley = paper.client({params: {tag: 'x'}});
  assert.deepEqual(await halley.history('a b'), {messages: [{channel: 'a b', id: '5-1', at: 1, data: 1}], more: true});
  await halley.history('a b', {limit: 5, before: '5-9'});
  await halley.history('a b', {after: '5-1'});
  assert.deepEqual(server.requests.map(r => Object.fromEntries(r.query)), [{channel: 'a b', tag: 'x'},
    {channel: 'a b', limit: '5', before: '5-9', tag: 'x'}, {channel: 'a b', after: '5-1', tag: 'x'}]);
  server.before = () => ({status: 403, detail: 'channel: no'});
  await assert.rejects(halley.history('a b'), e => e.status === 403);
  server.before = () => ({status: 200, body: '<html>'});
  await assert.rejects(halley.history('a b'), /not an answer of Halley/);
  server.before = () => ({hang: true});
  const control = new AbortController(), page = halley.history('a b', {signal: control.signal});
  control.abort();
  await assert.rejects(page, {name: 'AbortError'});
  await assert.rejects(halley.history('a b', {signal: control.signal}), {name: 'AbortError'});
});

test('a page begins where it was rendered', async () => {
  server.publish('chat', 1);
  const place = `chat@${EPOCH}-1`, element = {getAttribute: name => name === 'data-halley-cursor' ? place : null};
  paper.window({hidden: false, baseURI: server.base, querySelector: what => what === '[data-halley-cursor]' ? element : null});
  server.publish('chat', 2);
  const halley = paper.client();
  halley.subscribe('chat');
  await got(halley, 1);
  assert.deepEqual(halley.got, [2]);
  const other = paper.client({since: 'start'});
  other.subscribe('chat');
  await isOpen(other);
  await got(other, 1);
  assert.deepEqual(other.got, [2], 'what the page says of its channels comes before where others start');
  const given = paper.client({since: `chat@${EPOCH}-0`});
  given.subscribe('chat');
  await got(given, 2);
  assert.deepEqual(given.got, [1, 2]);
});
