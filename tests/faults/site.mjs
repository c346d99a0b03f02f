/*
 * A whole Halley that may be hurt: Redis with an append-only file, three workers,
 * halley.fcgi, a web server, and a relay between Halley and Redis. What dies is started
 * again; what dies without having been killed is a fault of ours.
 */
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {BUILD, freePort, Place, run, TOP} from '../bench/driver/place.mjs';
import {Redis, RedisError} from './resp.mjs';
import {RedisWire} from './wire.mjs';

export const WORKERS = 3;
const RENDERED = {apache: 'apache-fcgid'}; // Apache is the one that starts halley.fcgi
const APPS = {lighttpd: 0, nginx: 2, apache: 1}; // halley.fcgi that we start; the others' are the web server's
const HURT = new Set(['SIGKILL', 'SIGTERM', 'SIGABRT']);

/* The channels' histories outlive any run: a gap that is told is never due to age. */
const CONF = `
max_waiters = 2000
log_level = info
keepalive = 2
timeout = 4
max_stream = 40
jsonp = on
lease = 2000
request_timeout = 4
redis_timeout = 3

[channel *]
publish = anyone
history = 1000000
ttl = 86400
`;

class Program {
  constructor(site, name, launch) {
    Object.assign(this, {site, name, launch, deaths: 0, wanted: true});
  }

  async start() {
    await this.launch();
    this.inner = this.site.place.programs.findLast(one => one.name === this.name);
    this.hurt = false;
    this.inner.child.once('exit', (code, signal) => this.#ended(code, signal));
  }

  get pid() {
    return this.inner.child.pid;
  }

  async #ended(code, signal) {
    this.deaths++;
    if (!this.hurt && this.wanted) this.site.strange.push(`${this.name} ended by itself: code ${code}, signal ${signal}\n${this.site.place.said(this.name)}`);
    this.reap();
    if (this.wanted && !this.held) await this.again();
  }

  /* What it has started goes with it. */
  reap() {
    try { process.kill(-this.inner.child.pid, 'SIGKILL'); } catch { /* it has gone */ }
  }

  /* Once at a time, whoever asks: two of one kind would tear its files and its socket. */
  again() {
    this.starting ??= this.#again().finally(() => { this.starting = null; });
    return this.starting;
  }

  async #again() {
    while (this.wanted && !this.site.over) {
      try {
        await this.start();
        return;
      } catch (error) {
        this.site.notes.push(`${this.name} does not start: ${error.message.split('\n')[0]}`);
        await pause(300);
      }
    }
  }

  signal(signal, whole = false) {
    if (HURT.has(signal)) this.hurt = true;
    try { process.kill(whole ? -this.pid : this.pid, signal); } catch { /* it has gone */ }
  }

  /* Ends it and starts it again after a while, with something done in between; one such after the other. */
  restart(signal, between = async () => {}) {
    this.turn = (this.turn ?? Promise.resolve()).then(() => this.#restart(signal, between));
    return this.turn;
  }

  async #restart(signal, between) {
    await this.starting;
    this.held = true;
    const inner = this.inner;
    this.signal(signal);
    const late = setTimeout(() => { this.hurt = true; this.reap(); }, 12000);
    await inner.ended;
    clearTimeout(late);
    await between();
    this.held = false;
    await this.again();
  }
}

/* Everything below a process that has this name. */
function family(pid, name, found = []) {
  let children;
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return found;
  }
  for (const child of children) {
    try {
      if (readFileSync(`/proc/${child}/comm`, 'utf8').trim() === name) found.push(child);
    } catch { /* it has gone */ }
    family(child, name, found);
  }
  return found;
}

export class Site {
  static async start(server, random) {
    const site = new Site();
    Object.assign(site, {server, random, strange: [], notes: [], prefix: 'halley', filled: new Set(), place: new Place()});
    site.redisSocket = site.place.path('redis.sock');
    site.wireSocket = site.place.path('wire.sock');
    site.port = await freePort();
    site.url = `http://127.0.0.1:${site.port}`;
    site.conf = site.place.path('halley.conf');
    writeFileSync(site.conf, CONF);
    site.#disk();
    site.wire = await RedisWire.between(site.wireSocket, site.redisSocket);
    site.admin = new Redis(site.redisSocket, 5000);
    site.redis = new Program(site, 'redis', () => site.#redis());
    site.workers = Array.from({length: WORKERS}, (_, i) => new Program(site, `worker${i}`, () => site.#worker(i)));
    site.apps = Array.from({length: APPS[server]}, (_, i) => new Program(site, `app${i}`, () => site.#app(i)));
    site.web = new Program(site, 'web', () => site.#web());
    site.programs = [site.redis, ...site.workers, ...site.apps, site.web];
    for (const program of site.programs) await program.start();
    await site.whole(60);
    return site;
  }

  /* A disk of its own, so that it can be full; a folder where nothing can be mounted. */
  #disk() {
    this.disk = this.place.path('disk');
    mkdirSync(this.disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', this.disk], {stdio: 'ignore'});
      this.mounted = true;
      process.prependListener('exit', () => this.#unmount());
    } catch {
      this.notes.push('nothing can be mounted here: no full disk');
    }
  }

  #unmount() {
    if (!this.mounted) return;
    for (const program of this.place.programs) program.child.kill('SIGKILL');
    execFileSync('umount', ['-l', this.disk]);
    this.mounted = false;
  }

  /* Sockets of programs: some talk to Redis directly, some over the relay. */
  #environment(name) {
    const direct = name.charCodeAt(name.length - 1) % 2 === 0;
    return {HALLEY_REDIS: `unix:${direct ? this.redisSocket : this.wireSocket}`};
  }

  /* However much it has to load: a delay for each command, a command being some 150 bytes. */
  #loadFor(seconds) {
    const delay = Math.ceil(seconds * 1e6 / Math.max(1, this.#aofSize() / 150));
    return ['--key-load-delay', String(delay), '--loading-process-events-interval-bytes', '1024'];
  }

  #aof() {
    const dir = join(this.disk, 'appendonlydir');
    return readdirSync(dir).filter(name => name.endsWith('.incr.aof')).map(name => join(dir, name))[0];
  }

  #aofSize() {
    const file = this.#aof();
    return file ? statSync(file).size : 0;
  }

  async #redis() {
    const slow = this.slowLoad ? this.#loadFor(this.slowLoad) : [];
    await this.place.start('redis', ['redis-server', '--port', '0', '--unixsocket', this.redisSocket,
      '--unixsocketperm', '777', '--dir', this.disk, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec',
      '--aof-load-truncated', 'yes', '--auto-aof-rewrite-percentage', '0', '--enable-debug-command', 'local',
      '--maxclients', '4000', ...slow], [this.redisSocket]);
  }

  #worker(i) {
    return this.place.start(`worker${i}`, [join(BUILD, 'halley-worker'), '-f', this.conf], [], this.#environment(`worker${i}`));
  }

  /* Of nginx's two the first serves WebSockets; Apache starts its own, but for WebSockets. */
  #app(i) {
    const listen = this.server === 'apache' ? [] : ['-l', `unix:${this.place.path(`app${i}.sock`)}`];
    const at = this.server === 'apache' ? [] : [this.place.path(`app${i}.sock`)];
    if (i === 0) {
      listen.push('-w', `unix:${this.place.path('ws.sock')}`);
      at.push(this.place.path('ws.sock'));
    }
    return this.place.start(`app${i}`, [join(BUILD, 'halley.fcgi'), '-f', this.conf, ...listen], at, this.#environment(`app${i}`));
  }

  async #render() {
    const environment = {...process.env, HOST: '127.0.0.1', PORT: String(this.port), HALLEY_BIN_DIR: BUILD,
      HALLEY_CONF: this.conf, HALLEY_WWW: join(TOP, 'www'), ...this.#environment('web1')};
    if (this.server !== 'lighttpd') environment.HALLEY_WEBSOCKET_SOCKET = this.place.path('ws.sock');
    if (this.server === 'nginx') environment.HALLEY_SOCKET = this.place.path('app0.sock');
    const {stdout} = await run(join(TOP, 'deploy/render'), [RENDERED[this.server] ?? this.server, this.place.path('web')], {env: environment});
    if (this.server === 'nginx') {
      const conf = this.place.path('web/nginx.conf'), line = i => `server unix:${this.place.path(`app${i}.sock`)} max_fails=0;`;
      const text = readFileSync(conf, 'utf8');
      writeFileSync(conf, text.replace(/server unix:[^;]*app0\.sock[^;]*;/, [line(0), line(1)].join('\n    ')));
    }
    return stdout.trim().split(' ');
  }

  async #web() {
    await this.place.start('web', await this.#render(), [this.port]);
  }

  /* What halley.fcgi runs, whoever has started it. */
  appPids() {
    const own = this.apps.filter(app => app.inner.running).map(app => app.pid);
    return this.server === 'nginx' ? own : [...own, ...family(this.web.pid, 'halley.fcgi')];
  }

  hurtApp(pid, signal) {
    for (const app of this.apps) {
      if (app.pid === pid && HURT.has(signal)) app.hurt = true;
    }
    try { process.kill(pid, signal); } catch { /* it has gone */ }
  }

  /* The worker that leads, if one does. */
  async leader() {
    try {
      const owner = await this.admin.do('HGET', 'halley.lease:sequencer', 'owner');
      return this.workers.find(worker => String(owner).split(':')[1] === String(worker.pid));
    } catch {
      return undefined;
    }
  }

  /*
   * Redis 7.0 itself leaves the beginning of a transaction that was cut in the file, runs on
   * without it, and carries it out at its next start: messages that nobody had come back in
   * the midst of history. Its own tool takes such a beginning away.
   */
  cutTail(bytes) {
    const file = this.#aof();
    if (!file) return;
    truncateSync(file, Math.max(0, statSync(file).size - bytes));
    execFileSync('redis-check-aof', ['--fix', join(this.disk, 'appendonlydir', 'appendonly.aof.manifest')], {input: 'y\n'});
  }

  fillDisk() {
    if (!this.mounted) return false;
    try {
      execFileSync('dd', ['if=/dev/zero', `of=${join(this.disk, 'ballast')}`, 'bs=64k'], {stdio: 'ignore'});
    } catch { /* it is full now */ }
    return true;
  }

  emptyDisk() {
    execFileSync('rm', ['-f', join(this.disk, 'ballast')]);
  }

  /* Redis says what it does of this; true where it did it. */
  async tell(...words) {
    try {
      await this.admin.do(...words);
      return true;
    } catch (error) {
      if (error instanceof RedisError) this.notes.push(`${words[0]} ${words[1]}: ${error.message}`);
      return false;
    }
  }

  async healthy() {
    try {
      return (await fetch(`${this.url}/comet/health`, {signal: AbortSignal.timeout(3000)})).status === 200;
    } catch {
      return false;
    }
  }

  /* Everything answers again. */
  async whole(seconds) {
    const end = Date.now() + seconds * 1000;
    let reason = '';
    while (Date.now() < end) {
      try {
        reason = 'health';
        if (await this.healthy()) {
          reason = 'no worker listens';
          await this.#mendTypes();
          const clients = await this.admin.do('CLIENT', 'LIST', 'TYPE', 'pubsub');
          if ((clients.match(/ psub=[1-9]/g) || []).length >= WORKERS && await this.leader()) return true;
        }
      } catch (error) {
        reason = error.message;
      }
      await pause(100);
    }
    this.strange.push(`not whole after ${seconds} s: ${reason}`);
    return false;
  }

  /* A fault that put something else into a key may have lost what was there, with Redis's tail. */
  async #mendTypes() {
    for (const [keys, type] of [['halley.history:{*}', 'stream'], ['halley.meta:{*}', 'hash']]) {
      for (const key of await this.admin.do('KEYS', keys)) {
        if (await this.admin.do('TYPE', key) !== type) await this.admin.do('DEL', key);
      }
    }
  }

  /* Calls of functions that Redis is asked for in a second when nothing happens. */
  async idleCalls() {
    const calls = async () => Number(/cmdstat_fcall_ro:calls=(\d+)/.exec(await this.admin.do('INFO', 'commandstats'))?.[1] || 0);
    const before = await calls();
    await pause(2000);
    return (await calls() - before) / 2;
  }

  async stop() {
    this.over = true;
    for (const program of this.programs) program.wanted = false;
    for (const pid of this.appPids()) { try { process.kill(pid, 'SIGCONT'); } catch { /* gone */ } }
    this.wire.close();
    this.admin.close();
    for (const program of [...this.place.programs].filter(one => one.running)) {
      try { process.kill(-program.child.pid, 'SIGKILL'); } catch { /* it has gone */ }
      await program.ended;
    }
    this.#unmount();
    await this.place.stop();
  }
}

