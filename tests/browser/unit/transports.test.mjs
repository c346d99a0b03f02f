/* How halley.js chooses between transports, gives one up, and comes back to it. The
 * browser's own means (WebSocket, EventSource, storage, visibility) are fakes here. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {Halley} from '../../../www/halley.mjs';
import {EPOCH, PaperServer} from '../lib/paper-server.mjs';
import {until} from '../lib/until.mjs';

const ALL = ['ws', 'events', 'stream', 'multipart', 'iframe', 'wait', 'poll'];
const FAKED = ['WebSocket', 'EventSource', 'sessionStorage', 'document', 'addEventListener', 'removeEventListener'];
let server, open, asIs;

beforeEach(async () => {
  server = await new PaperServer().listen();
  server.info = {transports: ALL, limits: {}};
  open = [];
  asIs = FAKED.map(name => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  for (const name of FAKED) fake(name, undefined);
  const kept = {};
  fake('sessionStorage', {getItem: key => kept[key] || null, setItem: (key, value) => { kept[key] = value; }});
});
afterEach(async () => {
  open.forEach(h => h.close());
  await server.close();
  for (const [name, was] of asIs) if (was) Object.defineProperty(globalThis, name, was); else delete globalThis[name];
});

function fake(name, value) {
  Object.defineProperty(globalThis, name, {value, configurable: true, writable: true});
  return value;
}

/* A class whose objects the test plays by hand: made.at(-1).onmessage({data}). */
function fakeSource(name) {
  const made = [];
  fake(name, class {
    constructor(url) { this.url = new URL(url); this.sent = []; made.push(this); }
    send(text) { this.sent.push(JSON.parse(text)); }
    close() { this.closed = true; }
  });
  made.next = n => until(() => made[n] && made[n].onmessage && made[n], `${name} number ${n + 1}`);
  return made;
}

function client(options) {
  const halley = new Halley(server.base, Object.assign(
    {backoff: 5, maxBackoff: 20, interval: 10, share: false, patience: 60000, firstByte: 60000}, options));
  halley.got = []; halley.states = [];
  halley.on('message', m => halley.got.push(m.data));
  halley.on('state', s => halley.states.push(s));
  open.push(halley);
  return halley;
}
const got = (halley, n) => until(() => halley.got.length >= n, `${n} messages`);
const isOpen = (halley, transport) => until(() => halley.state === 'open' && halley.transport === transport, `open by ${transport}`);
const batch = (...ns) => JSON.stringify({messages: ns.map(n => ({channel: 'chat', id: `${EPOCH}-${n}`, at: n, data: n})), cursor: `chat@${EPOCH}-${ns.at(-1) || 0}`});

test('the WebSocket is taken where there is one, and carries on from the cursor', async () => {
  const sockets = fakeSource('WebSocket');
  server.publish('chat', 1);
  const halley = client({since: 'start'});
  halley.subscribe('chat');
  const socket = await sockets.next(0);
  assert.equal(socket.url.protocol, 'ws:');
  assert.equal(socket.url.pathname, '/comet/ws');
  assert.deepEqual([...socket.url.searchParams], [['channel', 'chat'], ['since', `chat@${EPOCH}-1`]]);
  assert.equal(halley.state, 'connecting');
  socket.onopen();
  await isOpen(halley, 'ws');
  socket.onmessage({data: batch(2, 3)});
  assert.deepEqual(halley.got, [1, 2, 3]);
  assert.equal(halley.cursor, `chat@${EPOCH}-3`);
});

test('what the server has switched off is not tried', async () => {
  fakeSource('WebSocket');
  server.info = {transports: ['stream', 'poll']};
  const halley = client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
});

test('a WebSocket that does not open gives way at once, and is left alone for the session', async () => {
  const sockets = fakeSource('WebSocket'), sources = fakeSource('EventSource');
  const halley = client();
  halley.subscribe('chat');
  (await sockets.next(0)).onclose({code: 1006});
  const source = await sources.next(0);
  assert.deepEqual([...source.url.searchParams.keys()], ['channel', 'since', 'format']);
  assert.equal(source.url.searchParams.get('format'), 'json');
  source.onmessage({data: batch(1)});
  await isOpen(halley, 'events');
  assert.deepEqual(halley.got, [1]);
  const next = client();
  next.subscribe('chat');
  await sources.next(1);
  assert.equal(sockets.length, 1);
});

test('what was left alone is tried again later', async () => {
  const sockets = fakeSource('WebSocket');
  server.info = {transports: ['ws', 'wait', 'poll']};
  server.before = r => r.endpoint === 'wait' ? {status: 200, body: JSON.parse(batch(server.requests.length))} : undefined;
  const halley = client({blocked: 3600000});
  halley.subscribe('chat');
  (await sockets.next(0)).onclose({code: 1006});
  await isOpen(halley, 'wait');
  assert.ok(halley._until.ws > Date.now() + 3000000);
  halley._until.ws = Date.now(); // an hour later
  (await sockets.next(1)).onopen();
  await isOpen(halley, 'ws');
});

test('what breaks because the page is about to be left is not held against the transport', async () => {
  const sockets = fakeSource('WebSocket'), page = fakePage();
  server.info = {transports: ['ws', 'wait', 'poll']};
  const halley = client();
  halley.subscribe('chat');
  const socket = await sockets.next(0);
  page.fire('beforeunload');
  socket.onclose({code: 1006});
  (await sockets.next(1)).onopen(); // it was a download, and the page has stayed
  await isOpen(halley, 'ws');
  assert.equal(server.count('wait'), 0);
  assert.equal(sessionStorage.getItem(halley._same), null); // nor told to the next page
});

test('a stream that a proxy holds back is found by its silence', async () => {
  server.before = r => r.endpoint === 'stream' ? {hang: true} : undefined;
  const halley = client({firstByte: 20});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  assert.equal(server.count('stream'), 1);
  assert.ok(halley.states.some(s => s.state === 'waiting' && /nothing came/.test(s.error.message)));
});

test('an event stream of which a proxy lets only the headers through is found out', async () => {
  const sources = fakeSource('EventSource');
  const halley = client({firstByte: 20});
  halley.subscribe('chat');
  const source = await sources.next(0);
  server.publish('chat', 1);
  source.onopen();
  assert.equal(`${halley.state} ${halley.transport}`, 'open events');
  await isOpen(halley, 'stream');
  assert.ok(source.closed);
  server.publish('chat', 2);
  await got(halley, 2);
  assert.deepEqual(halley.got, [1, 2]);
  assert.equal(sources.length, 1);
});

test('an event stream that cannot be served for now says why, and for how long', async () => {
  const sources = fakeSource('EventSource'), heard = {};
  globalThis.EventSource.prototype.addEventListener = function (type, fn) { heard[type] = fn; };
  server.info = {transports: ['events', 'wait', 'poll']};
  const halley = client({backoff: 1, maxBackoff: 1});
  halley.subscribe('chat');
  const source = await sources.next(0);
  source.onopen();
  heard['halley-error']({data: '{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Redis is away","retry_after":1}'});
  await until(() => halley.states.some(s => s.error));
  const {state, error, retryIn} = halley.states.find(s => s.error);
  assert.equal(state, 'waiting');
  assert.equal(error.status, 503);
  assert.match(error.message, /Redis is away/);
  assert.ok(retryIn >= 1000 && retryIn <= 1001, String(retryIn));
  assert.ok(source.closed);
  await sources.next(1);
});

test('a stream delivers, and is resumed where it was torn, with nothing lost or doubled', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  server.publish('chat', 1, 2);
  await got(halley, 2);
  const [held] = server.streams;
  held.deaf = true;
  held.res.write('{"messages":[{"chan'); // the line is never finished
  server.publish('chat', 3);
  held.res.destroy();
  await got(halley, 3);
  await until(() => server.streams.size);
  server.publish('chat', 4);
  await got(halley, 4);
  assert.deepEqual(halley.got, [1, 2, 3, 4]);
  assert.equal(server.count('stream'), 2);
});

test('a stream that ends in good order is asked for anew without a pause', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  for (const held of server.streams) held.res.end();
  await until(() => server.count('stream') === 2);
  server.publish('chat', 1);
  await got(halley, 1);
  assert.ok(!halley.states.some(s => s.state === 'waiting'));
});

test('lines cut anywhere, also inside a character, are put together', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  const [held] = server.streams;
  const bytes = Buffer.from(JSON.stringify({messages: [{channel: 'chat', id: '1-1', at: 1, data: 'comète ☄'}], cursor: 'x'}) + '\n\n');
  for (const byte of bytes) {
    held.res.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  await got(halley, 1);
  assert.deepEqual(halley.got, ['comète ☄']);
});

test('a stream that dies young three times gives way', async () => {
  server.info = {transports: ['stream', 'wait', 'poll']};
  const halley = client();
  halley.subscribe('chat');
  for (let n = 1; n <= 3; n++) {
    await until(() => server.count('stream') === n && server.streams.size && halley.state === 'open');
    const [held] = server.streams;
    held.res.destroy();
    await until(() => !server.streams.has(held));
  }
  await isOpen(halley, 'wait');
  assert.equal(server.count('stream'), 3);
});

test('a stream that went deaf without an end is found out and replaced', async () => {
  const halley = client({silence: 30});
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  for (const held of server.streams) held.deaf = true;
  server.publish('chat', 1);
  await got(halley, 1);
  await until(() => server.count('stream') === 2);
  server.publish('chat', 2);
  await got(halley, 2);
  assert.deepEqual(halley.got, [1, 2]);
});

test('a silent stream that is well is kept', async () => {
  const halley = client({silence: 5});
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  await until(() => server.count('poll') > 5);
  assert.equal(server.count('stream'), 1);
  assert.equal(halley.state, 'open');
});

test('"retry" on a stream turns it into polling until it is gone', async () => {
  const halley = client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  let full = true;
  server.before = () => full ? {extra: {retry: 5}} : undefined;
  for (const held of server.streams) held.res.write(JSON.stringify({messages: [], cursor: halley.cursor, retry: 5}) + '\n');
  await isOpen(halley, 'poll');
  await until(() => !server.streams.size);
  server.publish('chat', 1);
  await got(halley, 1);
  full = false;
  await isOpen(halley, 'stream');
});

test('a list of channels too long for a URL goes by a stream, with POST', async () => {
  fakeSource('WebSocket');
  const halley = client(), names = Array.from({length: 64}, (_, n) => `room ${n} ${'x'.repeat(120)}`);
  names.forEach(name => halley.subscribe(name));
  await isOpen(halley, 'stream');
  const {method, channels} = server.requests.find(r => r.endpoint === 'stream');
  assert.equal(method, 'POST');
  assert.deepEqual(channels, names);
});

test('transports can be forced, without a question', async () => {
  fakeSource('WebSocket');
  const halley = client({transports: ['wait']});
  halley.subscribe('chat');
  await isOpen(halley, 'wait');
  assert.equal(server.count('info'), 0);
});

test('a transport of one\'s own can be added', async t => {
  t.after(() => { delete Halley.transports.pigeon; });
  let pigeon;
  Halley.transports.pigeon = {run: turn => new Promise(done => { pigeon = {turn, done}; })};
  const halley = client({transports: ['pigeon']});
  halley.subscribe('chat');
  await until(() => pigeon);
  pigeon.turn.text(batch(7));
  assert.deepEqual(halley.got, [7]);
  const first = pigeon;
  halley.subscribe('other');
  await until(() => pigeon !== first);
  assert.ok(first.turn.signal.aborted);
  first.turn.text(batch(8));
  assert.deepEqual(halley.got, [7], 'an abandoned turn is not listened to');
});

/* ---- the WebSocket's other direction ---- */

async function openSocket(options) {
  const sockets = fakeSource('WebSocket'), halley = client(options);
  halley.subscribe('chat');
  const socket = await sockets.next(0);
  socket.onopen();
  await isOpen(halley, 'ws');
  return {halley, socket, sockets};
}

test('publish goes over the WebSocket', async () => {
  const {halley, socket} = await openSocket();
  const answer = halley.publish('chat', {text: 'hi'}, {idempotencyKey: 'k1'});
  assert.deepEqual(socket.sent, [{publish: {channel: 'chat', data: {text: 'hi'}, key: 'k1'}, ref: 'k1'}]);
  socket.onmessage({data: '{"published":{"id":"1-1","at":5},"ref":"k1"}'});
  assert.deepEqual(await answer, {id: '1-1', at: 5});
  const refusal = halley.publish('secret', 1, {idempotencyKey: 'k2'});
  socket.onmessage({data: '{"error":{"status":403,"title":"Forbidden","detail":"channel: nobody may"},"ref":"k2"}'});
  await assert.rejects(refusal, e => e.status === 403 && /nobody may/.test(e.message));
  assert.equal(server.count('publish'), 0);
});

test('a publish that the WebSocket took with it is repeated by POST under its key', async () => {
  const {halley, socket} = await openSocket();
  const answer = halley.publish('chat', 'hi');
  const {key} = socket.sent[0].publish;
  socket.onclose({code: 1006});
  assert.deepEqual(await answer, {id: `${EPOCH}-1`, at: EPOCH + 1});
  assert.equal(server.requests.find(r => r.endpoint === 'publish').headers['idempotency-key'], key);
});

test('an error that the WebSocket says of reading is reported', async () => {
  const {halley, socket} = await openSocket();
  socket.onmessage({data: '{"error":{"status":403,"title":"Forbidden","detail":"channel: no"}}'});
  await until(() => halley.state === 'waiting');
  assert.equal(halley.states.at(-1).error.status, 403);
  assert.ok(socket.closed);
});

test('a WebSocket that broke after it had worked is opened again', async () => {
  const {halley, socket, sockets} = await openSocket();
  socket.onmessage({data: batch(1)});
  server.publish('chat', 1, 2);
  socket.onclose({code: 1006});
  const next = await sockets.next(1);
  assert.equal(next.url.searchParams.get('since'), `chat@${EPOCH}-2`);
  assert.deepEqual(halley.got, [1, 2]);
});

test('frames of an abandoned WebSocket are not listened to', async () => {
  const {halley, socket, sockets} = await openSocket();
  halley.wake();
  await sockets.next(1);
  assert.ok(socket.closed);
  socket.onmessage({data: batch(9)});
  assert.deepEqual(halley.got, []);
});

/* ---- a hidden page ---- */

function fakePage() {
  const listeners = {}, document = fake('document', {hidden: false});
  fake('addEventListener', (type, fn) => { listeners[type] = fn; });
  fake('removeEventListener', type => { delete listeners[type]; });
  return {
    show(yes) { document.hidden = !yes; listeners.visibilitychange.handleEvent({type: 'visibilitychange'}); },
    fire(type, more) { listeners[type].handleEvent({type, ...more}); }
  };
}

test('a page hidden for a while polls, and loses nothing; shown, it is live at once', async () => {
  const page = fakePage(), halley = client({hidden: 10});
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  page.show(false);
  await isOpen(halley, 'poll');
  await until(() => !server.streams.size);
  server.publish('chat', 1);
  await got(halley, 1);
  page.show(true);
  await isOpen(halley, 'stream');
  server.publish('chat', 2);
  await got(halley, 2);
  assert.deepEqual(halley.got, [1, 2]);
});

test('a page that may not sleep goes on when hidden', async () => {
  const page = fakePage(), halley = client({hidden: 0});
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  page.show(false);
  server.publish('chat', 1);
  await got(halley, 1);
  assert.equal(halley.transport, 'stream');
  assert.equal(server.streams.size, 1);
});

test('a page shown again looks at once whether its stream still lives', async t => {
  const page = fakePage(), halley = client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  for (const held of server.streams) held.deaf = true;
  server.publish('chat', 1);
  const now = Date.now();
  t.mock.method(Date, 'now', () => now + 3600000); // the laptop slept
  page.show(true);
  await got(halley, 1);
  await until(() => server.count('stream') === 2);
});

test('a page that comes out of the browser\'s cache asks anew', async () => {
  const page = fakePage(), halley = client();
  halley.subscribe('chat');
  await isOpen(halley, 'stream');
  page.fire('pagehide', {persisted: true});
  page.fire('pageshow', {persisted: true});
  await until(() => server.count('stream') === 2);
});
