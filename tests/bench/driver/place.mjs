/*
 * A place: a temporary folder and the programs that run in it, which end with it.
 *
 * Each program leads a process group of its own, so that Ctrl-C reaches only this
 * process, which ends them all; should this one be killed, the kernel tells them
 * (setpriv --pdeathsig). Nothing is ended by its name.
 */
import {execFile, spawn} from 'node:child_process';
import {chmodSync, existsSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {freePort} from '../../lib/free-port.mjs';

export {freePort};
export const TOP = fileURLToPath(new URL('../../../', import.meta.url));
export const BUILD = resolve(TOP, process.env.HALLEY_BIN_DIR || 'build');
const PATIENCE_MS = 60000;

export const run = promisify(execFile);

/* Does somebody listen at this port (a number) or socket (a path)? */
function listens(where) {
  return new Promise(done => {
    const options = typeof where === 'number' ? {port: where, host: '127.0.0.1'} : {path: where};
    const socket = net.connect(options, () => { socket.destroy(); done(true); });
    socket.on('error', () => done(false));
  });
}

export async function until(condition, what) {
  const end = Date.now() + PATIENCE_MS;
  for (let wait = 2; !await condition(); wait = Math.min(50, wait * 2)) {
    if (Date.now() > end) throw new Error(`${what} after ${PATIENCE_MS / 1000} s`);
    await pause(wait);
  }
}

const places = new Set();

function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch { /* it has gone */ }
}

process.on('exit', () => {
  for (const place of places) {
    for (const {child} of place.programs) killGroup(child, 'SIGKILL');
    if (!place.kept) rmSync(place.dir, {recursive: true, force: true});
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

export class Place {
  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'halley-bench-'));
    chmodSync(this.dir, 0o755); // servers that root starts become somebody else
    this.programs = [];
    places.add(this);
  }

  path(name) {
    return join(this.dir, name);
  }

  /* Starts a program and waits until it listens at all of `at`; its pid. */
  async start(name, argv, at = [], environment = {}) {
    const log = openSync(this.path(`${name}.log`), 'a');
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...argv], {
      cwd: TOP, detached: true, stdio: ['ignore', log, log], env: {...process.env, ...environment}
    });
    closeSync(log);
    const program = {name, child, running: true};
    program.ended = new Promise(done => child.on('close', () => { program.running = false; done(); }));
    child.on('error', () => {});
    this.programs.push(program);
    for (const where of at) {
      await until(async () => {
        if (!program.running) throw new Error(`${name} ended instead of listening:\n${this.said(name)}`);
        return listens(where);
      }, `${name} does not listen at ${where}`);
      if (typeof where === 'string') chmodSync(where, 0o777);
    }
    return child.pid;
  }

  /* The end of what a program has said. */
  said(name) {
    const log = this.path(`${name}.log`);
    return existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(-15).join('\n') : '';
  }

  /* The programs that have ended though nobody told them to. */
  dead() {
    return this.programs.filter(program => !program.running).map(program => program.name);
  }

  async stop() {
    for (const program of this.programs.reverse()) {
      if (program.running) program.child.kill('SIGTERM');
      await Promise.race([program.ended, pause(5000, null, {ref: false})]);
      killGroup(program.child, 'SIGKILL');
      await program.ended;
    }
    places.delete(this);
    rmSync(this.dir, {recursive: true, force: true});
  }
}

/* The processes that this one has started: a master's workers. */
export function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
}

/* Proportional set size, in bytes: shared pages are divided by who shares them. */
export function memoryOf(pids) {
  return pids.reduce((sum, pid) =>
    sum + 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]), 0);
}
