/*
 * The pages of a site, a process of their own: each waits for the messages of one channel, by long
 * polling or a stream, on a connection that it keeps, as a browser does. One that is told to come
 * back by polling does that once it has rested, and then tries again. Messages are numbers that
 * follow each other, so that each page knows what it has missed.
 *
 * visit() of visits.mjs starts it; told {add}, it has so many pages more, and told {say}, it answers
 * with what has happened so far; told {anew}, it counts the times of what is asked from then on.
 */
import http from 'node:http';
import {setTimeout as pause} from 'node:timers/promises';

const TOGETHER = 100; // that have asked for the first time and do not know yet whether they are connected
const WAIT_S = 55, FAILED_MS = 1000;

const {port, way, channel} = JSON.parse(process.argv[2]);
const sum = {pages: 0, told: 0, errors: 0, missed: 0, doubled: 0};
let firsts = []; // ms until an answer began that was not asked to wait
let since = 0; // those of requests that are older do not count
const got = new Map(); // number: {all, held, last}: who has it, of them who was held; when the last of those had it
let connecting = 0;

function clock() {
  return Number(process.hrtime.bigint() / 1000n);
}

function failed(what) {
  if (sum.errors++ === 0) sum.first_error = what;
}

function note(number, held) {
  if (!got.has(number)) got.set(number, {all: 0, held: 0, last: 0});
  const message = got.get(number);
  message.all++;
  if (held) Object.assign(message, {held: message.held + 1, last: clock()});
}

function noteFirst(began, ms) {
  if (began >= since) firsts.push(ms);
}

function take(page, batch, held) {
  for (const {data: number} of batch.messages ?? []) {
    if (number < page.next) sum.doubled++;
    else {
      sum.missed += number - page.next;
      page.next = number + 1;
      note(number, held);
    }
  }
  if (batch.cursor) page.cursor = batch.cursor;
  if (batch.retry) sum.told++;
  page.retry = batch.retry ?? 0;
}

/* One request; `each` is called with each piece of its body. When that began, in ms from when it was asked. */
function request(page, path, each) {
  const began = performance.now();
  return new Promise((done, fail) => {
    const asked = http.get({port, host: '127.0.0.1', path, agent: page.agent}, answer => {
      let first;
      answer.setEncoding('utf8');
      answer.on('data', piece => {
        first ??= performance.now() - began;
        each(piece);
      });
      answer.on('end', () => answer.statusCode < 400 ? done(first) : fail(new Error(`${answer.statusCode}`)));
      answer.on('error', fail);
    });
    asked.on('socket', socket => {
      const ready = () => { page.connected?.(); };
      if (socket.connecting) socket.once('connect', ready);
      else ready();
    });
    asked.on('error', error => {
      page.connected?.();
      /* the server had closed the connection when this was on its way: browsers ask again */
      if (asked.reusedSocket && error.code === 'ECONNRESET') done(request(page, path, each));
      else fail(error);
    });
  });
}

async function answered(page, endpoint, more, held) {
  const began = performance.now();
  let text = '';
  const first = await request(page, `/comet/${endpoint}?channel=${channel}&since=${page.cursor}&limit=1000${more}`,
    piece => { text += piece; });
  take(page, JSON.parse(text), held);
  if (!held) noteFirst(began, first);
}

/* Its lines, as they come. */
async function streamed(page) {
  const began = performance.now();
  let rest = '', started = false;
  await request(page, `/comet/stream?channel=${channel}&since=${page.cursor}&limit=1000`, piece => {
    if (!started) noteFirst(began, performance.now() - began);
    started = true;
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line.trim()) take(page, JSON.parse(line), true);
  });
}

async function live() {
  const page = {agent: new http.Agent({keepAlive: true, maxSockets: 1}), cursor: 'start', next: 1, retry: 0};
  page.connected = () => { connecting--; page.connected = null; };
  connecting++;
  sum.pages++;
  for (let polls = false; ; polls = page.retry > 0) {
    try {
      if (polls) await answered(page, 'poll', '', false);
      else if (way === 'streams') await streamed(page);
      else await answered(page, 'wait', `&timeout=${WAIT_S}`, true);
      if (polls) page.retry = 0;
      await pause(page.retry);
    } catch (error) {
      failed(`${polls ? 'poll' : way}: ${error.message}`);
      page.retry = 0;
      await pause(FAILED_MS);
    }
  }
}

async function add(count) {
  for (let i = 0; i < count; i++) {
    while (connecting >= TOGETHER) await pause(1);
    live();
  }
}

function percentile(times, part) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * part)];
}

process.on('message', ({add: more, say, anew}) => {
  if (more) add(more);
  if (anew) [firsts, since] = [[], performance.now()];
  if (say) process.send({...sum, first_ms: percentile(firsts, 0.99), slowest_ms: percentile(firsts, 1 - 1e-9), got: [...got]});
});
process.on('disconnect', () => process.exit());
