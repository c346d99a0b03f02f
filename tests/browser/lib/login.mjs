/* What becomes of a page whose session runs out, behind a Gate: the same in every browser. A page is of
 * playwright or of puppeteer, with halley.js on it. */
import assert from 'node:assert/strict';
import {until} from './until.mjs';

const TRANSPORTS = ['ws', 'events', 'stream', 'wait', 'poll'], WORDS = 'not an answer of Halley';

/* In the page: a client that keeps what it was told of its state. */
function listenIn(options) {
  Object.assign(window, {got: window.got || [], states: []});
  window.halley = new Halley('/comet', options);
  window.halley.on('state', ({state, error}) => window.states.push({state, said: error && error.message}));
  window.halley.subscribe('chat', m => window.got.push(m.data));
}
const state = page => page.evaluate(() => `${window.halley.state} ${window.halley.transport}`);
const says = page => page.evaluate(() => window.states.at(-1).said);

/* One page through it all; both ends of the session are everybody's. */
async function outlives(page, transport, session) {
  await page.evaluate(listenIn, {transports: [transport], interval: 200, maxBackoff: 1000});
  await until(async () => await state(page) === `open ${transport}`, `open by ${transport}`, 60);
  await session.over();
  await until(async () => await says(page) === WORDS, `${transport} says: ${WORDS}`, 60);
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

/* By every transport at once, each on a page that `open` makes. */
export async function sessionRunsOut(gate, open) {
  const over = together(TRANSPORTS.length, () => gate.runsOut());
  const back = together(TRANSPORTS.length, () => { gate.halley.publish('chat', 'meanwhile'); gate.session = true; });
  await Promise.all(TRANSPORTS.map(async transport => outlives(await open(), transport, {over, back})));
}

export async function beginsWithoutSession(gate, open) {
  const page = await open();
  gate.runsOut();
  await page.evaluate(listenIn, {maxBackoff: 1000});
  await until(async () => await says(page) === WORDS, WORDS, 60);
  gate.session = true;
  await until(async () => await state(page) === 'open ws', 'open', 60);
  await page.close();
}
