/* halley.js against a server of paper that misbehaves on demand: order, resumption,
 * fall-back, backoff. Nothing here waits for a time, only for facts. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {Halley} from '../../../www/halley.mjs';
import {EPOCH, PaperServer} from '../lib/paper-server.mjs';
import {until} from '../lib/until.mjs';

let server, open;

beforeEach(async () => { server = await new PaperServer().listen(); open = []; });
afterEach(async () => { open.forEach(h => h.close()); await server.close(); });

/* A client that gives up its pauses quickly, with everything that it said. */
function client(options) {
  const halley = new Halley(server.base, Object.assign({backoff: 5, maxBackoff: 20, interval: 10, share: false}, options));
  halley.got = []; halley.gaps = []; halley.states = []; halley.errors = [];
  halley.on('message', m => halley.got.push(m.data));
  halley.on('gap', g => halley.gaps.push(g.channels));
  halley.on('state', s => halley.states.push(s));
  halley.on('error', e => halley.errors.push(e));
  open.push(halley);
  return halley;
}
const got = (halley, n) => until(() => halley.got.length >= n, `${n} messages`);
const isWaiting = (n = 1) => until(() => server.waiting.size === n, `${n} waits held`);
const range = (from, to) => Array.from({length: to - from + 1}, (_, i) => from + i);

test('a message reaches the subscriber as the server gave it', async () => {
  const halley = client(), heard = [];
  halley.subscribe('chat', m => heard.push(m));
  await isWaiting();
  const sent = server.publish('chat', {text: 'hi'});
  await until(() => heard.length);
  assert.deepEqual(heard, [sent]);
  assert.equal(halley.state, 'open');
  assert.deepEqual(halley.states.map(s => s.state), ['connecting', 'open']);
  assert.equal(halley.states[1].transport, 'wait');
});

test('several channels share one request', async () => {
  const halley = client();
  for (const name of ['a', 'b', 'c']) halley.subscribe(name);
  await isWaiting();
  assert.deepEqual(server.requests.map(r => [r.endpoint, r.channels]),
    [['poll', ['a', 'b', 'c']], ['info', []], ['wait', ['a', 'b', 'c']]]);
});

test('a channel listener hears its own channel only', async () => {
  const halley = client(), a = [];
  halley.subscribe('a', m => a.push(m.data));
  halley.subscribe('b');
  await isWaiting();
  server.publish('b', 1);
  server.publish('a', 2);
  await got(halley, 2);
  assert.deepEqual(a, [2]);
});

test('what is published between two requests arrives once and in order', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isWaiting();
  for (const n of range(1, 60)) {
    server.publish('chat', n);
    if (n % 7 === 0) await isWaiting();
  }
  await got(halley, 60);
  assert.deepEqual(halley.got, range(1, 60));
});

test('what is published before the first wait is out is not lost', async () => {
  const halley = client();
  server.before = r => { if (r.endpoint === 'wait' && server.count('wait') === 1) server.publish('chat', 'between'); };
  halley.subscribe('chat');
  await got(halley, 1);
  assert.deepEqual(halley.got, ['between']);
});

test('history comes with since, and goes on past the limit of one answer', async () => {
  server.publish('chat', ...range(1, 250));
  const all = client({since: 'start'}), some = client();
  all.subscribe('chat');
  some.subscribe('chat', undefined, {since: '-3'});
  await got(all, 250);
  await got(some, 3);
  assert.deepEqual(all.got, range(1, 250));
  assert.deepEqual(some.got, [248, 249, 250]);
});

test('a kept cursor resumes across page loads', async () => {
  const first = client();
  first.subscribe('chat');
  await isWaiting();
  server.publish('chat', 1);
  await got(first, 1);
  await isWaiting();
  const kept = first.cursor;
  first.close();
  server.publish('chat', 2, 3);
  const second = client({since: kept});
  second.subscribe('chat');
  await got(second, 2);
  assert.deepEqual(second.got, [2, 3]);
});

test('a gap is told, with its channels, and what is still there follows', async () => {
  server.publish('chat', 1, 2, 3, 4);
  server.trim('chat', 3);
  const halley = client({since: `chat@${EPOCH}-1`});
  halley.subscribe('chat');
  await got(halley, 1);
  assert.deepEqual(halley.gaps, [['chat']]);
  assert.deepEqual(halley.got, [4]);
});

test('what comes twice is dropped, another epoch is not', async () => {
  const id = (epoch, n) => ({channel: 'chat', id: `${epoch}-${n}`, at: 1, data: `${epoch - EPOCH}:${n}`});
  const answers = [
    [id(EPOCH, 9), id(EPOCH, 10)],
    [id(EPOCH, 10), id(EPOCH, 9), id(EPOCH, 11)],
    [id(EPOCH - 5, 12), id(EPOCH + 5, 1)]
  ];
  server.before = r => r.endpoint === 'wait' && answers.length
    ? {status: 200, body: {messages: answers.shift(), cursor: 'x'}} : undefined;
  const halley = client();
  halley.subscribe('chat');
  await got(halley, 4);
  await isWaiting();
  assert.deepEqual(halley.got, ['0:9', '0:10', '0:11', '5:1']);
});

test('a new channel makes the wait ask anew, and loses nothing of the old one', async () => {
  const halley = client();
  halley.subscribe('a');
  await isWaiting();
  server.publish('a', 'a1');
  halley.subscribe('b');
  server.publish('a', 'a2');
  await until(() => server.requests.some(r => r.endpoint === 'wait' && r.channels.includes('b')));
  server.publish('a', 'a3');
  server.publish('b', 'b1');
  await got(halley, 4);
  assert.deepEqual(halley.got, ['a1', 'a2', 'a3', 'b1']);
});

test('a new channel with a past of its own gets it, the others go on from where they are', async () => {
  server.publish('b', ...range(1, 130));
  const halley = client(), b = [];
  halley.subscribe('a');
  await isWaiting();
  // b moves on between the read that gives its place and the read of its past.
  let once = true;
  server.before = r => {
    if (r.channels.length === 1 && r.channels[0] === 'b' && once) { once = false; server.publish('b', 131); server.publish('a', 'a1'); }
  };
  halley.subscribe('b', m => b.push(m.data), {since: 'start'});
  await until(() => b.length === 131);
  await isWaiting();
  server.publish('b', 132);
  await until(() => b.length === 132);
  assert.deepEqual(b, range(1, 132));
  assert.deepEqual(halley.got.filter(d => typeof d === 'string'), ['a1']);
});

test('different starts in the first request are kept apart', async () => {
  server.publish('a', 1, 2, 3);
  server.publish('b', 1, 2, 3);
  server.publish('c', 1, 2, 3);
  const halley = client(), heard = [];
  const hear = m => heard.push(m.channel + m.data);
  halley.subscribe('a', hear, {since: '-1'});
  halley.subscribe('b', hear);
  halley.subscribe('c', hear, {since: 'start'});
  await isWaiting();
  assert.deepEqual(heard.sort(), ['a3', 'c1', 'c2', 'c3']);
  server.publish('b', 4);
  await until(() => heard.length === 5);
  assert.equal(heard[4], 'b4');
});

test('nothing of an unsubscribed channel is heard, the rest goes on', async () => {
  const halley = client();
  const stop = halley.subscribe('a');
  halley.subscribe('b');
  await isWaiting();
  stop();
  await until(() => server.requests.at(-1).channels.join() === 'b');
  await isWaiting();
  server.publish('a', 'a1');
  server.publish('b', 'b1');
  await got(halley, 1);
  assert.deepEqual(halley.got, ['b1']);
});

test('of two listeners of a channel one may leave', async () => {
  const halley = client(), heard = [];
  const one = m => heard.push('one' + m.data), two = m => heard.push('two' + m.data);
  halley.subscribe('a', one);
  halley.subscribe('a', two);
  await isWaiting();
  const before = server.requests.length;
  halley.unsubscribe('a', one);
  server.publish('a', 1);
  await until(() => heard.length);
  assert.deepEqual(heard, ['two1']);
  assert.equal(server.requests.slice(0, before).length, before);
});

test('a late answer of an abandoned request is not delivered', async () => {
  const halley = client();
  let release;
  halley.subscribe('a');
  await isWaiting();
  server.before = r => r.endpoint === 'wait' && r.channels.join() === 'a,b'
    ? new Promise(done => { release = () => done({status: 200, body: {cursor: 'late', messages: [{channel: 'a', id: '1-1', at: 1, data: 'late'}]}}); })
    : undefined;
  halley.subscribe('b');
  await until(() => release);
  halley.unsubscribe('b');
  release();
  await until(() => server.requests.at(-1).channels.join() === 'a' && server.waiting.size === 1);
  assert.deepEqual(halley.got, []);
  assert.notEqual(halley.cursor, 'late');
});

test('close ends the request, and nothing is heard afterwards', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isWaiting();
  halley.close();
  await isWaiting(0);
  server.publish('chat', 1);
  assert.equal(halley.state, 'closed');
  assert.deepEqual(halley.got, []);
});

test('a closed client can be opened again, and resumes', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isWaiting();
  halley.close();
  await isWaiting(0);
  server.publish('chat', 1);
  halley.subscribe('chat', undefined, {since: 'start'});
  await got(halley, 1);
  assert.deepEqual(halley.got, [1]);
});

test('a torn wait is asked again with the cursor, after a quick read', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isWaiting();
  server.publish('chat', 1);
  await got(halley, 1);
  await isWaiting();
  server.before = r => r.endpoint === 'poll' && server.count('poll') < 5 ? {cut: true} : undefined;
  server.http.closeAllConnections();
  server.publish('chat', 2);
  await got(halley, 2);
  await isWaiting();
  server.publish('chat', 3);
  await got(halley, 3);
  assert.deepEqual(halley.got, [1, 2, 3]);
  const waits = halley.states.filter(s => s.state === 'waiting');
  assert.ok(waits.length >= 3 && waits.every(s => s.error && s.retryIn >= 0 && s.retryIn <= 20));
  assert.equal(halley.state, 'open');
});

test('pauses double up to their cap, at random from zero', async t => {
  let share = 1;
  t.mock.method(Math, 'random', () => share);
  server.before = () => ({cut: true});
  const halley = client({backoff: 1, maxBackoff: 8});
  halley.subscribe('chat');
  const pauses = () => halley.states.filter(s => s.state === 'waiting').map(s => s.retryIn);
  await until(() => pauses().length >= 6);
  assert.deepEqual(pauses().slice(0, 6), [1, 2, 4, 8, 8, 8]);
  share = 0.5;
  const n = pauses().length;
  await until(() => pauses().length > n + 1);
  assert.equal(pauses().at(-1), 4);
});

test('Retry-After is honoured, in seconds and as a date', async () => {
  const values = ['7', new Date(Date.now() + 60000).toUTCString()];
  for (const value of values) {
    server.before = () => ({status: 503, headers: {'Retry-After': value}, detail: 'no room'});
    const halley = client();
    halley.subscribe('chat');
    const told = await until(() => halley.states.find(s => s.state === 'waiting'));
    const least = value === '7' ? 7000 : 50000;
    assert.ok(told.retryIn >= least && told.retryIn <= least + 11000, String(told.retryIn));
    assert.equal(told.error.status, 503);
    assert.match(told.error.message, /no room/);
    halley.close();
  }
});

test('"retry" turns a wait into polling until it is gone', async () => {
  const halley = client();
  let full = true;
  server.before = r => full && r.endpoint !== 'publish' ? {extra: {retry: 10}} : undefined;
  halley.subscribe('chat');
  await until(() => server.count('poll') > 3);
  server.publish('chat', 1);
  await got(halley, 1);
  assert.equal(server.count('wait'), 0);
  assert.equal(halley.transport, 'poll');
  full = false;
  await isWaiting();
  server.publish('chat', 2);
  await got(halley, 2);
  assert.deepEqual(halley.got, [1, 2]);
  assert.equal(halley.transport, 'wait');
});

test('a wait that keeps failing gives way to polling, which loses nothing', async () => {
  server.before = r => r.endpoint === 'wait' ? {status: 502} : undefined;
  const halley = client();
  halley.subscribe('chat');
  await until(() => halley.transport === 'poll' && halley.state === 'open');
  assert.equal(server.count('wait'), 3);
  server.publish('chat', 1, 2);
  await got(halley, 2);
  assert.deepEqual(halley.got, [1, 2]);
  assert.equal(server.count('wait'), 3);
});

test('a server that is away is not held against the wait', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isWaiting();
  server.before = () => ({cut: true});
  server.http.closeAllConnections();
  await until(() => halley.states.filter(s => s.state === 'waiting').length > 8);
  server.before = () => undefined;
  await isWaiting();
  assert.equal(halley.transport, 'wait');
});

test('waits that are answered at once with nothing are not asked in a circle', async () => {
  const at = [];
  server.before = r => { at.push(Date.now()); return r.endpoint === 'wait' ? {extra: {}} : undefined; };
  const halley = client({backoff: 100, maxBackoff: 100});
  halley.subscribe('chat');
  await until(() => server.count('wait') > 10);
  const waits = at.slice(2);
  assert.ok(waits.at(-1) - waits[0] > 100, 'ten of them take longer than ten round trips');
  assert.ok(!halley.states.some(s => s.state === 'waiting'));
});

test('poll alone polls at its interval', async () => {
  const halley = client({transports: ['poll']});
  halley.subscribe('chat');
  await until(() => server.count('poll') > 2);
  server.publish('chat', 1);
  await got(halley, 1);
  assert.equal(server.count('wait'), 0);
});

test('an answer that is not Halley\'s counts as a failure', async () => {
  let n = 0;
  server.before = () => ++n < 3 ? {status: 200, body: n % 2 ? '<html>log in to the hotel</html>' : '{}'} : undefined;
  const halley = client();
  halley.subscribe('chat');
  await isWaiting();
  assert.equal(halley.states.filter(s => s.state === 'waiting').length, 2);
});

for (const status of [400, 401, 403, 404]) {
  test(`${status} is reported and not asked again until something changes`, async () => {
    server.before = r => r.channels.includes('secret') ? {status, detail: 'channel: not for you'} : undefined;
    const halley = client();
    halley.subscribe('secret');
    const told = await until(() => halley.states.find(s => s.state === 'closed'));
    assert.equal(told.error.status, status);
    assert.match(told.error.message, /not for you/);
    await new Promise(done => setTimeout(done, 100));
    assert.equal(server.requests.length, 1);
    server.before = () => undefined;
    halley.wake();
    await isWaiting();
    assert.equal(halley.state, 'open');
  });
}

test('one refused channel does not cost the others their messages', async () => {
  server.before = r => r.channels.includes('secret') ? {status: 403} : undefined;
  server.publish('a', 1);
  const halley = client({since: '-5'});
  for (const name of ['a', 'secret', 'b']) halley.subscribe(name);
  await isWaiting();
  assert.deepEqual(halley.errors.map(e => [e.channel, e.status]), [['secret', 403]]);
  halley.subscribe('secret');
  await until(() => halley.errors.length === 2);
  await isWaiting();
  server.publish('b', 2);
  await got(halley, 2);
  assert.deepEqual(halley.got, [1, 2]);
});

test('a long list of channels is asked for by POST', async () => {
  const halley = client();
  const names = range(1, 60).map(n => `room/${n} with a name that is rather long`);
  for (const name of names) halley.subscribe(name);
  await isWaiting();
  const wait = server.requests.at(-1);
  assert.equal(wait.method, 'POST');
  assert.ok(!wait.url.includes('?'));
  assert.deepEqual(wait.channels, names);
  server.publish(names[59], 'hi');
  await got(halley, 1);
});

test('odd channel names travel unharmed', async () => {
  const halley = client(), name = 'a b+c&d=é/☄?#%';
  halley.subscribe(name);
  await isWaiting();
  server.publish(name, 1);
  await got(halley, 1);
  assert.deepEqual(server.requests.at(-1).channels, [name]);
});

test('options.params go with every read', async () => {
  const halley = client({params: {tag: 'lab-1'}});
  halley.subscribe('chat');
  await isWaiting();
  assert.ok(server.requests.filter(r => r.endpoint !== 'info').every(r => r.query.get('tag') === 'lab-1'));
});

test('coming online ends a pause', async t => {
  const listeners = {};
  globalThis.addEventListener = (type, fn) => { listeners[type] = () => fn.handleEvent({type}); };
  globalThis.removeEventListener = type => { delete listeners[type]; };
  t.after(() => { delete globalThis.addEventListener; delete globalThis.removeEventListener; });
  server.before = () => ({status: 503, headers: {'Retry-After': '600'}});
  const halley = client();
  halley.subscribe('chat');
  await until(() => halley.state === 'waiting');
  server.before = () => undefined;
  listeners.online();
  await isWaiting();
  halley.close();
  await until(() => !listeners.online);
});

/* ---- listeners ---- */

test('listeners may come and go while they are being called', async () => {
  const halley = client(), heard = [];
  const b = () => { heard.push('b'); };
  halley.on('message', () => { halley.off('message', b); halley.on('message', () => heard.push('late')); });
  halley.on('message', b);
  halley.once('message', () => heard.push('once'));
  halley.subscribe('chat');
  await isWaiting();
  server.publish('chat', 1, 2);
  await got(halley, 2);
  assert.deepEqual(heard, ['b', 'once', 'late']);
});

test('off takes away a once', () => {
  const halley = client(), heard = [];
  const fn = () => heard.push(1);
  halley.once('state', fn);
  halley.off('state', fn);
  halley.close();
  halley._emit('state', {});
  assert.deepEqual(heard, []);
});

test('a listener that throws costs nobody else a message', async t => {
  const thrown = [], asIs = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', e => thrown.push(e.message));
  t.after(() => { process.removeAllListeners('uncaughtException'); asIs.forEach(fn => process.on('uncaughtException', fn)); });
  const halley = client();
  halley.subscribe('chat', () => { throw new Error('mine'); });
  await isWaiting();
  server.publish('chat', 1, 2);
  await got(halley, 2);
  await until(() => thrown.length === 2);
  assert.deepEqual(thrown, ['mine', 'mine']);
  assert.deepEqual(halley.got, [1, 2]);
});

test('a channel may be subscribed from within a listener', async () => {
  const halley = client();
  halley.subscribe('a', () => halley.subscribe('b'));
  await isWaiting();
  server.publish('a', 1, 2);
  await until(() => server.requests.at(-1).channels.includes('b') && server.requests.at(-1).endpoint === 'wait');
  await isWaiting();
  server.publish('b', 3);
  await got(halley, 3);
  assert.deepEqual(halley.got, [1, 2, 3]);
});

/* ---- publish ---- */

test('publish answers with id and time', async () => {
  const halley = client();
  assert.deepEqual(await halley.publish('chat', {text: 'hi'}), {id: `${EPOCH}-1`, at: EPOCH + 1});
  const sent = server.requests[0];
  assert.deepEqual([sent.method, sent.query.get('channel'), JSON.parse(sent.body)], ['POST', 'chat', {text: 'hi'}]);
  assert.ok(sent.headers['idempotency-key'].length > 16);
});

test('a publish whose answer is lost is repeated under the same key, and happens once', async () => {
  server.before = () => server.requests.length < 3 ? {cutAfter: true} : undefined;
  const answer = await client().publish('chat', 'once');
  const keys = server.requests.map(r => r.headers['idempotency-key']);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.equal(answer.id, `${EPOCH}-1`);
  assert.equal(server.channels.get('chat').length, 1);
});

test('two publishes have two keys, a given key is used', async () => {
  const halley = client();
  await halley.publish('chat', 1);
  await halley.publish('chat', 1);
  await halley.publish('chat', 1, {idempotencyKey: 'mine'});
  const keys = server.requests.map(r => r.headers['idempotency-key']);
  assert.equal(new Set(keys).size, 3);
  assert.equal(keys[2], 'mine');
});

test('a publish gives up after its tries, and at once when refused', async () => {
  const halley = client({tries: 4});
  server.before = () => ({status: 503});
  await assert.rejects(halley.publish('chat', 1), e => e.status === 503);
  assert.equal(server.requests.length, 4);
  server.before = () => ({status: 403, detail: 'channel: nobody may publish here'});
  await assert.rejects(halley.publish('chat', 1), /nobody may publish/);
  assert.equal(server.requests.length, 5);
});

test('a publish does not wait longer than its key is remembered', async () => {
  server.before = () => ({status: 429, headers: {'Retry-After': '600'}});
  await assert.rejects(client().publish('chat', 1), e => e.status === 429);
  assert.equal(server.requests.length, 1);
});

test('bytes are published as they are', async () => {
  server.before = () => ({status: 200, body: {id: '1-1', at: 1}});
  await client().publish('chat', new TextEncoder().encode('raw "bytes"'));
  assert.equal(server.requests[0].body, 'raw "bytes"');
  assert.equal(server.requests[0].headers['content-type'], 'application/octet-stream');
});
