/* A page whose session has run out, behind a web server that sends whoever is not logged in to the login
 * page of another site: a browser shows nothing of such an answer, and the page is told what it is all the same. */
import assert from 'node:assert/strict';
import http from 'node:http';
import {after, before, test} from 'node:test';
import {bare, otherSite} from '../lib/elsewhere.mjs';
import {Running} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const TRANSPORTS = ['ws', 'events', 'stream', 'wait', 'poll'], WORDS = 'not an answer of Halley';
let halley, login, gate, context, session = true;

/* The web server in front: with a session everything goes to Halley, without one to the login page. */
function takes(req, res) {
  if (!session && req.url.startsWith('/comet/')) return res.writeHead(302, {Location: login.url + '?back=' + encodeURIComponent(req.url)}).end();
  const other = http.request({port: halley.port, path: req.url, method: req.method, headers: req.headers}, answer => {
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  });
  req.pipe(other);
  other.on('error', () => res.destroy());
  res.on('close', () => other.destroy());
}

function upgrades(req, near) {
  near.on('error', () => {});
  if (!session) return near.end(`HTTP/1.1 302 Found\r\nLocation: ${login.url}\r\nContent-Length: 0\r\n\r\n`);
  const other = http.request({port: halley.port, path: req.url, headers: req.headers}).end();
  other.on('error', () => near.destroy());
  other.on('upgrade', (answer, far) => {
    const fields = answer.rawHeaders.map((text, i) => text + (i % 2 ? '\r\n' : ': ')).join('');
    near.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`);
    near.pipe(far).pipe(near);
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
  });
}

/* Sockets that are open when the session ends are closed, as a web server does that knows of it. */
function runsOut() {
  session = false;
  for (const socket of gate.open) socket.destroy();
}

before(async () => {
  halley = await Running.start('lighttpd');
  login = await otherSite();
  gate = http.createServer(takes).on('upgrade', upgrades);
  gate.open = new Set();
  gate.on('connection', socket => { gate.open.add(socket); socket.on('close', () => gate.open.delete(socket)); });
  await new Promise(done => gate.listen(0, '127.0.0.1', done));
  gate.url = `http://127.0.0.1:${gate.address().port}/`;
  context = await halley.browser();
});
after(async () => {
  if (halley) await halley.stop();
  if (gate) { for (const socket of gate.open) socket.destroy(); gate.close(); }
  if (login) login.close();
});

/* A page that listens, and keeps what it was told of its state. */
async function listens(transport) {
  const page = await bare(context, gate.url + 'style.css');
  await page.addScriptTag({url: '/halley.js'});
  await page.evaluate(name => {
    Object.assign(window, {got: [], states: []});
    window.halley = new Halley('/comet', {transports: [name], interval: 200, maxBackoff: 1000});
    window.halley.on('state', ({state, error}) => window.states.push({state, said: error && error.message}));
    window.halley.subscribe('chat', m => window.got.push(m.data));
  }, transport);
  return page;
}
const state = page => page.evaluate(() => `${window.halley.state} ${window.halley.transport}`);
const said = page => page.evaluate(() => window.states.at(-1).said);

/* One page through it all; both ends of the session are everybody's. */
async function outlives(transport, session) {
  const page = await listens(transport);
  await until(async () => await state(page) === `open ${transport}`, `open by ${transport}`, 60);
  await session.over();
  await until(async () => await said(page) === WORDS, `${transport} says: ${WORDS}`, 60);
  const from = await page.evaluate(() => window.states.length);
  await until(() => page.evaluate(n => window.states.length > n + 4, from), `${transport} tries on`, 60);
  const since = await page.evaluate(n => window.states.slice(n), from);
  assert.ok(since.every(s => s.state !== 'open' && (s.state !== 'waiting' || s.said === WORDS)), transport + JSON.stringify(since));
  await assert.rejects(page.evaluate(() => window.halley.publish('chat', 1, {tries: 1})), new RegExp(WORDS), transport);
  await session.back();
  await until(async () => (await page.evaluate(() => window.got)).length, `${transport} has what came meanwhile`, 60);
  await until(async () => await state(page) === `open ${transport}`, `open by ${transport} again`, 60);
  assert.deepEqual(await page.evaluate(() => window.got), ['meanwhile'], transport);
  await page.close();
}

/* Does it once so many have come here; all of them go on then. */
function together(many, doIt) {
  let go;
  const all = new Promise(done => { go = done; });
  return () => {
    if (!--many) { doIt(); go(); }
    return all;
  };
}

test('a login page of another site is called what it is by every transport, and all is heard after the login', async () => {
  const over = together(TRANSPORTS.length, runsOut);
  const back = together(TRANSPORTS.length, () => { halley.publish('chat', 'meanwhile'); session = true; });
  await Promise.all(TRANSPORTS.map(transport => outlives(transport, {over, back})));
});

test('a page that begins without a session is told, and hears once there is one', async () => {
  const page = await listens('poll');
  await page.evaluate(() => window.halley.close());
  runsOut();
  await page.evaluate(() => {
    window.states = [];
    window.halley = new Halley('/comet', {maxBackoff: 1000});
    window.halley.on('state', ({state, error}) => window.states.push({state, said: error && error.message}));
    window.halley.subscribe('chat', m => window.got.push(m.data));
  });
  await until(async () => await said(page) === WORDS, WORDS, 60);
  session = true;
  await until(async () => await state(page) === 'open ws', 'open', 60);
  await page.close();
});
