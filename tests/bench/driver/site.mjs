/*
 * The rest of a site, a process of its own so that nobody else's work is in its times: a file, a
 * poll and a publish, each on a new connection, at even intervals, whether or not the last has been
 * answered. Beside them it asks how many requests Halley holds.
 *
 * visits.mjs starts it; told {probe: true} it begins, and told {probe: false} it answers with the
 * times of each when the last has come; told {watch: true} it looks what is held, and sends that.
 */
import http from 'node:http';
import {setTimeout as pause} from 'node:timers/promises';

const EVERY_MS = 40, LOOK_MS = 100, PATIENCE_MS = 20000;
const {port} = JSON.parse(process.argv[2]);
const kinds = {
  file: {path: '/style.css'},
  poll: {path: '/comet/poll?channel=beside'},
  publish: {path: '/comet/publish?channel=beside', method: 'POST', body: '1'}
};

let probing = false, watching = false;

/* Its status, and body. */
function ask({path, method = 'GET', body}) {
  return new Promise((done, fail) => {
    const headers = body ? {'Content-Type': 'application/json', 'Content-Length': body.length} : {};
    const asked = http.request({port, host: '127.0.0.1', path, method, headers, agent: false, timeout: PATIENCE_MS}, answer => {
      const pieces = [];
      answer.on('data', piece => pieces.push(piece));
      answer.on('end', () => done({status: answer.statusCode, text: Buffer.concat(pieces).toString()}));
      answer.on('error', fail);
    });
    asked.on('timeout', () => asked.destroy(new Error(`${path}: no answer in ${PATIENCE_MS / 1000} s`)));
    asked.on('error', fail);
    asked.end(body);
  });
}

async function timed(kind, seen) {
  const began = performance.now();
  try {
    const {status} = await ask(kinds[kind]);
    if (status >= 400) throw new Error(`${kind}: ${status}`);
  } catch (error) {
    if (seen.errors++ === 0) seen.first_error = `the site beside: ${error.message}`;
  }
  seen[kind].push(performance.now() - began);
}

async function probe() {
  const seen = {file: [], poll: [], publish: [], errors: 0}, all = [];
  for (let due = performance.now(); probing; due += EVERY_MS) {
    for (const kind of Object.keys(kinds)) all.push(timed(kind, seen));
    await pause(Math.max(0, due + EVERY_MS - performance.now()));
  }
  await Promise.all(all);
  process.send({seen});
}

/* When, by the clock that processes share, so many were held. */
async function watch() {
  while (watching) {
    try {
      const {text} = await ask({path: '/comet/metrics'});
      const held = [...text.matchAll(/^halley_transport_held\{.*\} (\d+)$/gm)].reduce((all, [, each]) => all + Number(each), 0);
      process.send({held, at: Number(process.hrtime.bigint() / 1000n)});
    } catch { /* the next look says it */ }
    await pause(LOOK_MS);
  }
}

process.on('message', told => {
  if (told.probe !== undefined) {
    probing = told.probe;
    if (probing) probe();
  }
  if (told.watch !== undefined) {
    watching = told.watch;
    if (watching) watch();
  }
});
process.on('disconnect', () => process.exit());
