/* What surrounds a client in a page: storage that is not let at, options that come from elsewhere, clocks that
 * jump, tokens that do not come, caches and names that nobody thought of. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {Paper, got, isOpen, range} from '../lib/paper-client.mjs';
import {paperLocks} from '../lib/paper-locks.mjs';
import {EPOCH} from '../lib/paper-server.mjs';
import {sleep, until} from '../lib/until.mjs';

let paper, server;
beforeEach(async () => { paper = await Paper.open(); ({server} = paper); });
afterEach(() => paper.close());
const isWaiting = (n = 1) => until(() => server.waiting.size === n, `${n} waits held`);
const jwt = claims => ['{"alg":"none"}', JSON.stringify(claims), 'x'].map(x => Buffer.from(x).toString('base64url')).join('.');

/* ---- storage and messages between tabs ---- */

test('where BroadcastChannel is there but not allowed, a page goes alone, may close, and begin again', async t => {
  const asIs = globalThis.BroadcastChannel;
  t.after(() => { globalThis.BroadcastChannel = asIs; });
  globalThis.BroadcastChannel = class { constructor() { throw new DOMException('The operation is insecure.', 'SecurityError'); } };
  paper.fake('navigator', {locks: paperLocks(), onLine: true});
  const halley = paper.client({share: true});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  assert.ok(halley.states.every(s => !s.error));
  halley.close();
  await until(() => !halley._looping, 'the end', 2);
  halley.subscribe('chat');
  await isWaiting();
  server.publish('chat', 1);
  await got(halley, 1);
});

test('a page without an origin, which has Web Locks but may not ask for one, goes alone and tells of no trouble', async t => {
  t.after(() => { delete globalThis.origin; });
  globalThis.origin = 'null';
  paper.fake('navigator', {locks: {request: async () => { throw new DOMException('Access to the Locks API is denied in this context.', 'SecurityError'); }}, onLine: true});
  const halley = paper.client({share: true});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  assert.ok(halley.states.every(s => !s.error));
});

test('what others have written into the storage harms nobody', async () => {
  for (const text of ['{"ws":', 'null', '[]', '7', '"x"']) {
    paper.kept[paper.client()._same] = text;
    const halley = paper.client();
    halley.subscribe('chat');
    await isOpen(halley, 'wait');
    halley.close();
  }
});

test('two clients of one page keep their places beside each other', async () => {
  const open = () => ['a', 'b'].map(name => {
    const halley = paper.client({persist: 'session'});
    halley.subscribe(name);
    return halley;
  });
  const [a, b] = open();
  await isWaiting(2);
  server.publish('a', 1);
  server.publish('b', 1);
  await Promise.all([got(a, 1), got(b, 1)]);
  await isWaiting(2);
  const kept = {...paper.kept};
  [a, b].forEach(halley => halley.close());
  Object.assign(paper.kept, kept); // a page that is reloaded closes nothing
  server.publish('a', 2);
  server.publish('b', 2);
  for (const halley of open()) {
    await got(halley, 1);
    assert.deepEqual(halley.got, [2]);
  }
});

test('tabs that want numbers, or credentials, in other ways do not share', async () => {
  paper.fake('navigator', {locks: paperLocks(), onLine: true});
  const all = [{}, {numbers: 'text'}, {credentials: 'include'}].map(o => paper.client({share: true, ...o}));
  all.forEach(halley => halley.subscribe('chat'));
  await isWaiting(3);
});

test('what a leading tab hands on is not taken where the read in front of it has failed', async t => {
  paper.fake('navigator', {locks: paperLocks(), onLine: true});
  const halley = paper.client({share: true}), leader = new BroadcastChannel(halley._same);
  t.after(() => leader.close());
  navigator.locks.request(halley._same, {}, () => new Promise(() => {}));
  server.before = r => server.count('poll') === 2 && r.endpoint === 'poll' ? {cut: true} : undefined;
  leader.onmessage = ({data}) => {
    if (!data.want || server.channels.get('chat').length) return;
    const [, second] = [1, 2].map(n => server.publish('chat', n)); // this tab has no place in front of the first but its own
    leader.postMessage({from: 'leader', names: ['chat'], state: 'open', transport: 'wait', batch: {messages: [second], cursor: `chat@${EPOCH}-2`}});
  };
  halley.subscribe('chat');
  await until(() => halley.got.includes(2));
  assert.deepEqual(halley.got, [1, 2]);
});

/* ---- options ---- */

test('an option that is given as undefined or null is not given', async () => {
  server.info.transports = ['stream', 'wait', 'poll'];
  const names = ['since', 'timeout', 'interval', 'patience', 'firstByte', 'silence', 'hidden', 'blocked', 'backoff', 'maxBackoff', 'tries',
    'queue', 'share', 'params', 'persist', 'numbers', 'headers', 'credentials', 'fetch', 'debug', 'token'];
  for (const nothing of [undefined, null]) {
    const halley = paper.client(Object.fromEntries(names.map(name => [name, nothing])));
    halley.subscribe('chat');
    await isOpen(halley, 'stream');
    assert.ok(halley.states.every(s => !s.error));
    halley.close();
  }
  server.before = () => ({status: 503});
  await assert.rejects(paper.client({tries: 2}).publish('chat', 1, {tries: undefined}), e => e.status === 503);
});

test('a time without end is long, not none', async () => {
  server.info.transports = ['stream', 'wait', 'poll'];
  const fire = paper.window({hidden: true}), halley = paper.client({hidden: Infinity, patience: Infinity, firstByte: Infinity, silence: 1e10});
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  fire('visibilitychange');
  await sleep(50);
  assert.deepEqual([halley.state, halley.transport], ['open', 'stream']);
  assert.ok(halley.states.every(s => !s.error));
});

/* ---- clocks ---- */

test('a Retry-After in the past, or beyond what a timer counts to, is no reason to ask in a circle', async () => {
  for (const value of ['Wed, 21 Oct 2015 07:28:00 GMT', '-5', '4000000000', 'soon']) {
    server.requests.length = 0;
    server.before = () => ({status: 503, headers: {'Retry-After': value}});
    const halley = paper.client({backoff: 1000, maxBackoff: 1000});
    halley.subscribe('chat');
    await until(() => halley.states.some(s => s.retryIn !== undefined));
    const {retryIn} = halley.states.find(s => s.retryIn !== undefined);
    await sleep(30);
    assert.ok(retryIn >= 0, `${value}: ${retryIn}`);
    assert.ok(server.requests.length < 4, `${value}: ${server.requests.length} requests`);
    halley.close();
  }
});

test('a publish whose answer is missing after a sleep of the computer is not repeated once its key is forgotten', async t => {
  let asleep = 0;
  const {now} = Date;
  t.mock.method(Date, 'now', () => now() + asleep);
  for (const when of ['while it is asked', 'in a pause']) {
    server.requests.length = asleep = 0;
    server.before = r => {
      if (when === 'while it is asked') asleep = 3600000;
      else setTimeout(() => { asleep = 3600000; }, 20);
      return {cutAfter: true};
    };
    t.mock.method(Math, 'random', () => 1);
    await assert.rejects(paper.client({backoff: 100, maxBackoff: 100}).publish('chat', when), TypeError);
    assert.equal(server.requests.length, 1);
  }
});

test('a token that has expired by the clock of this computer is not asked for every second', async () => {
  let calls = 0;
  const seconds = Math.floor(Date.now() / 1000), halley = paper.client({token: () => { calls++; return jwt({sub: 'anna', exp: seconds - 3000}); }});
  server.info.transports = ['stream', 'wait', 'poll'];
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  await sleep(1500);
  assert.equal(calls, 1);
});

/* ---- tokens that do not come ---- */

test('who waits for a token that does not come is told, and a later one serves', async () => {
  let give;
  const halley = paper.client({patience: 30, tries: 2, token: () => new Promise(yes => { give = yes; })});
  const {ready} = halley.subscribe('chat');
  await until(() => halley.states.find(s => s.state === 'waiting'), 'waiting', 2);
  const end = what => Promise.race([what.then(() => 'done', e => e.message), sleep(2000).then(() => 'never')]);
  assert.notEqual(await end(halley.history('chat')), 'never');
  assert.notEqual(await end(halley.publish('chat', 1)), 'never');
  give('token');
  await ready;
  assert.equal((await halley.publish('chat', 2)).id, `${EPOCH}-1`);
});

test('a token that is refused without a reason is asked for again', async () => {
  for (const reason of [undefined, null, 'no', {status: undefined}]) {
    let n = 0;
    const halley = paper.client({token: () => ++n < 3 ? Promise.reject(reason) : 'token'}); // eslint-disable-line prefer-promise-reject-errors
    await halley.subscribe('chat').ready;
    assert.ok(halley.states.find(s => s.state === 'waiting').error);
    n = 0;
    assert.ok((await halley.publish('chat', 1)).id);
    halley.close();
  }
});

/* ---- what lies between ---- */

test('a cache that answers what it was asked before is never asked the same', async () => {
  const cache = new Map(), cached = async (url, init) => { // of a service worker: by the address alone
    if (init.method === 'POST') return fetch(url, init);
    if (!cache.has(url)) cache.set(url, await (await fetch(url, init)).text());
    return new Response(cache.get(url));
  };
  const halley = paper.client({fetch: cached, timeout: 0.05});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  await sleep(200);
  server.publish('chat', 1);
  await until(() => halley.got.length, 'a message', 15);
});

test('nothing is taken of a stream behind what could not be read', async () => {
  server.info.transports = ['stream', 'wait', 'poll'];
  const halley = paper.client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  const [held] = server.streams, line = n => JSON.stringify({messages: [{channel: 'chat', id: `${EPOCH}-${n}`, at: n, data: n}], cursor: `chat@${EPOCH}-${n}`});
  held.deaf = true;
  server.publish('chat', 1, 2);
  held.res.write(line(1).slice(0, 30) + '\n' + line(2) + '\n');
  await got(halley, 2);
  assert.deepEqual(halley.got, [1, 2]);
});

test('a WebSocket that says what is no JSON is given up', async () => {
  server.info.transports = ['ws', 'wait', 'poll'];
  const sockets = paper.sockets(), halley = paper.client();
  halley.subscribe('chat');
  const socket = await sockets.open(0);
  await isOpen(halley, 'ws');
  for (const data of ['<html>', 'null']) assert.doesNotThrow(() => socket.onmessage({data}));
  server.publish('chat', 1);
  await got(halley, 1);
});

/* ---- channels ---- */

test('a channel with its past beside a pattern that covers it: each hears all of it, once', async () => {
  const message = (channel, n) => ({channel, id: `${EPOCH}-${n}`, at: n, data: n});
  const history = range(1, 3).map(n => message('news/a', n));
  server.before = r => {
    if (!/poll|wait/.test(r.endpoint)) return;
    const since = r.since || 'now', from = since === 'start' ? 0 : since.includes('news/a@') ? Number(/news\/a@\d+-(\d+)/.exec(since)[1]) : since === 'now' ? history.length : 0;
    const messages = history.slice(from), patterns = r.query.getAll('pattern').map(p => `${p.replace('/*', '~2F~2A')}@${EPOCH}-0`);
    if (r.endpoint === 'wait' && !messages.length) return {hang: true};
    return {status: 200, body: {messages, cursor: [...patterns, `news/a@${EPOCH}-${history.length}`].join()}};
  };
  for (const first of ['pattern', 'channel']) {
    const halley = paper.client(), one = [], all = [];
    const waits = server.count('wait');
    const subscribe = {
      pattern: since => halley.subscribe({pattern: 'news/*'}, m => all.push(m.data), {since}),
      channel: since => halley.subscribe('news/a', m => one.push(m.data), {since})
    };
    await subscribe[first]('start').ready;
    await until(() => server.count('wait') > waits);
    await subscribe[first === 'pattern' ? 'channel' : 'pattern']('start').ready;
    assert.deepEqual([one, all], [[1, 2, 3], [1, 2, 3]], `the ${first} first`);
    halley.close();
  }
});

test('a name that is no text of whole characters is a TypeError at once', () => {
  const halley = paper.client();
  assert.throws(() => halley.subscribe('chat-\ud83d'), e => e instanceof TypeError || e instanceof URIError);
  assert.equal(halley.state, 'closed');
});
