/* What is subscribed, left and taken up again: places, limits, patterns, listeners of their own. */
import assert from 'node:assert/strict';
import {afterEach, beforeEach, test} from 'node:test';
import {EPOCH} from '../lib/paper-server.mjs';
import {Paper, got, isOpen, range} from '../lib/paper-client.mjs';
import {sleep, until} from '../lib/until.mjs';

let paper, server;
beforeEach(async () => { paper = await Paper.open(); ({server} = paper); });
afterEach(() => paper.close());
const isWaiting = (n = 1) => until(() => server.waiting.size === n, `${n} waits held`);
const place = (name, n) => `${name}@${EPOCH}-${n}`;

test('a full batch is followed by the next at once, however long the interval', async () => {
  server.publish('chat', ...range(1, 450));
  const halley = paper.client({since: 'start', transports: ['poll'], interval: 3600000});
  halley.subscribe('chat');
  await got(halley, 450);
  assert.deepEqual(halley.got, range(1, 450));
  assert.equal(server.count('poll'), 5);
});

test('told to come back later, a page reads all there is each time', async () => {
  server.before = r => r.endpoint === 'poll' ? {extra: {retry: 3600000}} : undefined;
  server.publish('chat', ...range(1, 250));
  const halley = paper.client({since: 'start'});
  halley.subscribe('chat');
  await got(halley, 250);
  assert.equal(server.count('wait'), 0);
});

test('a subscription ends once: twice removes nobody else\'s', async () => {
  const halley = paper.client(), heard = [], fn = m => heard.push(m.data);
  const stop = halley.subscribe('chat', fn);
  halley.subscribe('chat', fn);
  await isWaiting();
  stop();
  stop();
  server.publish('chat', 1);
  await got(halley, 1);
  assert.deepEqual(heard, [1]);
  await isWaiting();
  halley.unsubscribe('chat');
  const before = server.count('wait');
  halley.subscribe('chat', fn);
  stop();
  await until(() => server.count('wait') > before && server.waiting.size === 1);
  server.publish('chat', 2);
  await got(halley, 2);
  assert.deepEqual(heard, [1, 2]);
});

test('nothing is said after close() but that it is closed', async () => {
  const halley = paper.client();
  halley.subscribe('chat');
  await isWaiting();
  halley.close();
  const after = halley.states.length;
  server.publish('chat', 1);
  await until(() => !halley._looping);
  await sleep(20);
  assert.equal(halley.state, 'closed');
  assert.deepEqual(halley.states.slice(after).filter(s => s.state !== 'closed'), []);
});

for (const how of ['close', 'unsubscribe']) {
  test(`whoever leaves by ${how}() and comes back begins at now`, async () => {
    const halley = paper.client();
    halley.subscribe('chat');
    halley.subscribe('other');
    await isWaiting();
    server.publish('chat', 1);
    await got(halley, 1);
    how === 'close' ? halley.close() : halley.unsubscribe('chat');
    assert.ok(!halley.cursor.includes('chat'));
    server.publish('chat', 2);
    const before = server.count('wait');
    halley.subscribe('chat');
    await until(() => server.count('wait') > before && server.waiting.size === 1);
    server.publish('chat', 3);
    await got(halley, 2);
    assert.deepEqual(halley.got, [1, 3]);
  });
}

test('a further listener gets the past that it asks for, then what comes, in order and once', async () => {
  server.publish('chat', ...range(1, 8));
  const halley = paper.client(), first = [], second = [];
  halley.subscribe('chat', m => first.push(m.data));
  await isWaiting();
  let release;
  server.before = r => r.since === '-5' ? new Promise(done => { release = done; }) : undefined;
  halley.subscribe('chat', m => second.push(m.data), {since: '-5'});
  await until(() => release);
  server.publish('chat', 9);
  await until(() => first.length === 1);
  release();
  await until(() => second.length >= 5);
  server.publish('chat', 10);
  await until(() => second.length >= 6);
  await until(() => first.length === 2);
  assert.deepEqual(second, range(5, 10));
  assert.deepEqual(first, [9, 10]);
});

test('a cursor that went bad begins anew behind one gap', async () => {
  server.publish('chat', 1);
  server.before = r => /BAD/.test(r.since) ? {status: 400, detail: 'since: must be now, start, -K or a cursor'} : undefined;
  const halley = paper.client({since: 'chat@BAD'});
  halley.subscribe('chat');
  await isWaiting();
  server.publish('chat', 2);
  await got(halley, 1);
  assert.deepEqual(halley.got, [2]);
  assert.deepEqual(halley.gaps, [['chat']]);
  assert.ok(!halley.states.some(s => s.state === 'closed'));
});

test('a kept cursor serves channels that are subscribed later, too', async () => {
  server.publish('a', 1, 2);
  server.publish('b', 1, 2);
  const halley = paper.client({since: `${place('a', 1)},${place('b', 1)}`}), b = [];
  halley.subscribe('a');
  await got(halley, 1);
  await isWaiting();
  halley.subscribe('b', m => b.push(m.data));
  await until(() => b.length);
  assert.deepEqual(b, [2]);
});

test('the cursor survives a reload where that is asked for', async () => {
  const first = paper.client({persist: 'session'});
  first.subscribe('chat');
  await isWaiting();
  server.publish('chat', 1);
  await got(first, 1);
  await isWaiting();
  const kept = {...paper.kept};
  first.close();
  Object.assign(paper.kept, kept); // a page that is reloaded closes nothing
  server.publish('chat', 2);
  const second = paper.client({persist: 'session'});
  second.subscribe('chat');
  await got(second, 1);
  assert.deepEqual(second.got, [2]);
});

test('200 channels are read in four requests, none of which is refused', async () => {
  server.before = r => r.channels.length > 64 ? {status: 400, detail: 'channel: the most is 64'} : undefined;
  const halley = paper.client(), names = range(1, 200).map(n => `room-${n}`);
  names.forEach(name => halley.subscribe(name));
  await isOpen(halley, 'poll');
  assert.equal(server.count('poll'), 4);
  names.forEach((name, n) => server.publish(name, n));
  await got(halley, 200);
  assert.deepEqual(halley.got.slice().sort((a, b) => a - b), range(0, 199));
  assert.ok(server.requests.every(r => r.channels.length <= 64));
  assert.deepEqual(halley.errors, []);
});

test('100 channels go by two WebSockets', async () => {
  server.info.transports = ['ws', 'wait', 'poll'];
  const sockets = paper.sockets(), halley = paper.client();
  range(1, 100).forEach(n => halley.subscribe(`room-${n}`));
  await sockets.open(0);
  await sockets.open(1);
  assert.deepEqual(sockets.map(s => s.url.searchParams.getAll('channel').length), [64, 36]);
  sockets[1].say({messages: [{channel: 'room-99', id: `${EPOCH}-1`, at: 1, data: 'x'}], cursor: place('room-99', 1)});
  assert.deepEqual(halley.got, ['x']);
  assert.ok(halley.cursor.includes('room-1@') && halley.cursor.includes(place('room-99', 1)));
  await sleep(50);
  assert.equal(sockets.length, 2); // and stay
  halley.subscribe('room-101');
  await sockets.open(3);
  assert.equal(sockets[3].url.searchParams.getAll('channel').length, 37);
});

test('sixty changes of channels use one WebSocket and no further poll', async () => {
  server.info.transports = ['ws', 'wait', 'poll'];
  const sockets = paper.sockets(), halley = paper.client();
  halley.subscribe('first');
  const socket = await sockets.open(0), on = new Set(['first']);
  socket.taken = m => {
    for (const name of m.subscribe || []) on.add(name);
    for (const name of m.unsubscribe || []) on.delete(name);
    if (m.subscribe) socket.say({messages: [], cursor: [...on].map(name => place(name, 0)).join(',')});
  };
  const polls = server.count('poll');
  for (const n of range(1, 30)) {
    const stop = halley.subscribe(`room-${n}`);
    await sleep(1);
    if (n % 2) stop();
  }
  await sleep(20);
  assert.deepEqual([...on].sort(), ['first', ...range(1, 30).filter(n => n % 2 === 0).map(n => `room-${n}`)].sort());
  assert.equal(sockets.length, 1);
  assert.equal(server.count('poll'), polls);
  assert.deepEqual(halley._known().sort(), [...on].sort());
});

for (const answered of [true, false]) {
  test(`a WebSocket that breaks ${answered ? 'after' : 'before'} it has answered a change costs no channel`, async () => {
    server.info.transports = ['ws', 'wait', 'poll'];
    const sockets = paper.sockets(), halley = paper.client();
    halley.subscribe('first');
    const socket = await sockets.open(0);
    socket.taken = m => { if (answered && m.subscribe) socket.say({messages: [], cursor: m.subscribe.map(name => place(name, 0)).join(',')}); };
    halley.subscribe('a');
    halley.subscribe('b');
    await until(() => socket.sent.some(m => m.subscribe));
    socket.onclose({code: 1006});
    const next = await sockets.next(1);
    assert.deepEqual(next.url.searchParams.getAll('channel'), ['first', 'a', 'b']);
    assert.deepEqual(halley.errors, []);
  });
}

test('a channel that a WebSocket may not subscribe costs the others nothing', async () => {
  server.info.transports = ['ws', 'wait', 'poll'];
  const sockets = paper.sockets(), halley = paper.client();
  halley.subscribe('first');
  const socket = await sockets.open(0);
  socket.taken = m => {
    const bad = (m.subscribe || []).includes('secret');
    if (m.subscribe) socket.say(bad ? {error: {status: 403, title: 'Forbidden', detail: 'channel: secret'}, ref: m.ref} : {messages: [], cursor: place(m.subscribe[0], 0)});
  };
  for (const name of ['a', 'secret', 'b']) halley.subscribe(name);
  await until(() => halley.errors.length);
  assert.deepEqual(halley.errors.map(e => [e.channel, e.status]), [['secret', 403]]);
  assert.deepEqual(halley._known(), ['first', 'a', 'b']);
  assert.equal(sockets.length, 1);
});

test('a pattern brings the messages of every channel that it stands for', async () => {
  server.before = r => r.endpoint === 'poll' || r.endpoint === 'wait' && server.count('wait') < 2 ? {status: 200, body: {
    messages: r.endpoint === 'wait' ? ['news/a', 'news/a/b', 'news/c'].map((channel, n) => ({channel, id: `${EPOCH}-1`, at: n, data: channel})) : [],
    cursor: `news~2F~2A@${EPOCH}-0,news/a@${EPOCH}-1`
  }} : r.endpoint === 'info' ? undefined : {hang: true};
  const halley = paper.client(), one = [], all = [];
  halley.subscribe({pattern: 'news/*'}, m => one.push(m.channel));
  halley.subscribe({pattern: 'news/**'}, m => all.push(m.channel));
  await until(() => all.length === 3);
  assert.deepEqual(one, ['news/a', 'news/c']);
  assert.deepEqual(all, ['news/a', 'news/a/b', 'news/c']);
  assert.deepEqual(server.requests[0].query.getAll('pattern'), ['news/*', 'news/**']);
  assert.deepEqual(server.requests[0].channels, []);
  assert.throws(() => halley.subscribe({pattern: 'news'}), TypeError);
});

test('patterns come and go on an open WebSocket, and what is named as well stays', async () => {
  server.info.transports = ['ws', 'wait', 'poll'];
  const sockets = paper.sockets(), halley = paper.client(), heard = [];
  halley.subscribe('news/a', m => heard.push(m.data));
  const socket = await sockets.open(0), polls = server.count('poll');
  const leave = halley.subscribe({pattern: 'news/*'}, m => heard.push('* ' + m.data));
  halley.subscribe('other');
  const asked = await until(() => socket.sent.find(m => m.pattern));
  assert.deepEqual([asked.pattern, asked.since], [['news/*'], 'now']);
  assert.deepEqual(socket.sent.filter(m => m.subscribe).map(m => m.subscribe), [['other']]);
  const cursor = `news~2F~2A@${EPOCH}-0,${place('news/a', 1)},${place('news/b', 1)},${place('other', 0)}`;
  socket.say({messages: [{channel: 'news/a', id: `${EPOCH}-1`, at: 1, data: 'a'}, {channel: 'news/b', id: `${EPOCH}-1`, at: 2, data: 'b'}], cursor});
  assert.deepEqual(heard, ['a', '* a', '* b']);
  await leave.ready;
  leave();
  const again = await until(() => socket.sent.find(m => m.subscribe && m.subscribe.includes('news/a')));
  assert.deepEqual(socket.sent.find(m => m.unsubscribe).unsubscribe, ['news/*']);
  assert.deepEqual([again.subscribe, again.since], [['news/a'], place('news/a', 1)]);
  socket.say({messages: [], cursor: ''}); // between the two, it follows nothing
  socket.say({messages: [{channel: 'news/b', id: `${EPOCH}-2`, at: 3, data: 'late'}, {channel: 'news/a', id: `${EPOCH}-2`, at: 4, data: 'a2'}], cursor: place('news/a', 2)});
  assert.deepEqual(heard.slice(3), ['a2']);
  assert.equal(sockets.length, 1);
  assert.equal(server.count('poll'), polls);
});

test('a pattern too many is left out, and the others go on', async () => {
  server.info.transports = ['ws', 'wait', 'poll'];
  const sockets = paper.sockets(), halley = paper.client();
  halley.subscribe('first');
  const socket = await sockets.open(0);
  socket.taken = m => {
    if (m.pattern) socket.say(m.pattern.includes('x/*') ? {error: {status: 400, title: 'Bad Request', detail: 'pattern: the most is 8 of them'}, ref: m.ref}
      : {messages: [], cursor: `${m.pattern[0].replace('/*', '~2F~2A')}@${EPOCH}-0`});
  };
  const refusal = halley.subscribe({pattern: 'x/*'}).ready, good = halley.subscribe({pattern: 'y/*'}).ready;
  await assert.rejects(refusal, e => e.status === 400);
  await good;
  assert.deepEqual(halley._known(), ['first', 'y/*']);
});

test('numbers beyond 2^53 keep their text where that is asked for', async () => {
  server.before = r => r.endpoint === 'wait' && server.count('wait') === 1 ? {status: 200,
    body: `{"messages":[{"channel":"chat","id":"${EPOCH}-1","at":1,"data":{"a":9007199254740993,"b":[1,-1e400],"c":"9007199254740993 \\\\\\" 1"}}],"cursor":"chat@${EPOCH}-1"}`} : undefined;
  const halley = paper.client({numbers: 'text'});
  halley.subscribe('chat');
  await got(halley, 1);
  assert.deepEqual(halley.got, [{a: '9007199254740993', b: [1, '-1e400'], c: '9007199254740993 \\" 1'}]);
});
