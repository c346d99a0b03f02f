/*
 * The load generator, build/tests/bench/load: one process, one line of JSON when it has
 * finished. `load --help` says what its figures are.
 */
import {spawn} from 'node:child_process';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {BUILD} from './place.mjs';

const LOAD = join(BUILD, 'tests/bench/load');
const GRACE_S = 30; // beyond what it may take by its own --timeout

function flags(options) {
  return Object.entries(options).flatMap(([name, value]) =>
    value === undefined || value === false ? [] : value === true ? [`--${name}`] : [`--${name}`, String(value)]);
}

/* Who is watched while it runs: its CPU per delivery is told under this label. */
function watches(started) {
  return Object.entries(started.pids).flatMap(([label, pids]) => ['--watch', `${label}=${pids.join(',')}`]);
}

/* At the web server, unless the application itself is asked. */
function where(started, options) {
  return options.fcgi ? [] : ['--port', String(started.port)];
}

const running = new Set();
process.on('exit', () => running.forEach(child => child.kill('SIGKILL')));

function begin(argv) {
  const child = spawn(LOAD, argv, {stdio: ['pipe', 'pipe', 'pipe']});
  const said = [];
  running.add(child);
  child.stderr.on('data', text => said.push(text));
  child.said = () => Buffer.concat(said).toString().trim().split('\n').slice(-5).join('\n');
  child.ended = new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => { running.delete(child); done(code ?? signal); });
  });
  return child;
}

/*
 * Runs one measurement; its JSON, whatever the exit code, as long as there is some: lost
 * messages are a result too.
 */
export async function load(kind, started, options = {}) {
  const {timeout = 60, ...others} = options;
  const argv = [kind, ...where(started, options), ...started.publish ?? [], ...watches(started), ...flags({timeout, ...others})];
  const child = begin(argv);
  const limit = setTimeout(() => child.kill('SIGKILL'), (timeout + GRACE_S) * 1000);
  const lines = [];
  createInterface({input: child.stdout}).on('line', line => lines.push(line));
  const code = await child.ended;
  clearTimeout(limit);
  const json = lines.findLast(line => line.startsWith('{'));
  if (!json) throw new Error(`load ${kind}: exit code ${code}: ${child.said()}`);
  return JSON.parse(json);
}

/*
 * A crowd that is parked when this returns. has(number): when, in microseconds of the clock
 * that processes share, the last of it had that message. result(): what `load` has counted.
 */
export async function audience(started, options) {
  const {timeout, ...others} = options;
  const child = begin(['audience', '--port', String(started.port), ...flags({timeout, ...others})]);
  const limit = setTimeout(() => child.kill('SIGKILL'), (timeout + GRACE_S) * 1000);
  const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]();
  const said = async start => {
    for (let next = await lines.next(); !next.done; next = await lines.next()) if (next.value.startsWith(start)) return next.value;
    throw new Error(`load audience: no "${start}": ${child.said()}`);
  };
  await said('ready');
  return {
    has: async number => Number((await said(`has ${number} `)).split(' ')[2]),
    async result() {
      const json = JSON.parse(await said('{'));
      await child.ended;
      clearTimeout(limit);
      return json;
    }
  };
}

/* While waiters are parked, and nothing else happens, calls look(). */
export async function hold(started, options, look) {
  const {timeout = 60, ...others} = options;
  const child = begin(['hold', '--port', String(started.port), ...flags({timeout, ...others})]);
  const limit = setTimeout(() => child.kill('SIGKILL'), (timeout + GRACE_S) * 1000);
  try {
    const parked = new Promise(done => createInterface({input: child.stdout}).on('line', line => {
      if (line.startsWith('ready')) done('ready');
    }));
    const first = await Promise.race([parked, child.ended]);
    if (first !== 'ready') throw new Error(`load hold: exit code ${first}: ${child.said()}`);
    return await look();
  } finally {
    clearTimeout(limit);
    child.kill('SIGTERM');
    await child.ended;
  }
}
