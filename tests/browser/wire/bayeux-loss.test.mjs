/*
 * Nothing is lost, doubled or out of order: two processes take the requests of npm's faye and cometd in
 * turn, one of them is killed with -9 every 0.8 s, and of the answers to connects 15 in 100 never
 * arrive. So by themselves, and behind nginx and Apache. LOSS_MESSAGES=200 is the long run.
 *
 * CometD without acknowledgement cannot be told what it has missed: it asks anew with another id, so
 * with any server what an answer had that never arrived is lost. Here nothing else is.
 */
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {AckExtension, CometD} from 'cometd';
import {freePort} from '../../lib/free-port.mjs';
import {Running} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const require = createRequire(import.meta.url);
const faye = require('faye');
require('cometd-nodejs-client').adapt();

const TOP = fileURLToPath(new URL('../../../', import.meta.url));
const MESSAGES = Number(process.env.LOSS_MESSAGES || 40);
const LOST = 0.15;
const pause = ms => new Promise(done => setTimeout(done, ms));

/* A proxy that forgets answers, in front of whoever serves. */
class Lossy {
  async listen() {
    this.lossy = false;
    this.turn = this.forgotten = this.killed = 0;
    this.dropped = []; /* bodies of answers that never arrived */
    this.proxy = http.createServer((request, response) => this.#take(request, response));
    await new Promise(done => this.proxy.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${this.proxy.address().port}/bayeux`;
    return this;
  }

  #take(request, response) {
    const sent = [];
    request.on('data', piece => sent.push(piece));
    request.on('end', () => this.#forward(request, Buffer.concat(sent), response, 50));
  }

  /* To the next port; a process that is not there is passed over, as web servers do it. */
  #forward(request, body, response, tries) {
    const port = this.ports[this.turn++ % this.ports.length];
    const {url: path, method, headers} = request;
    const up = http.request({host: '127.0.0.1', port, path, method, headers: {...headers, connection: 'close'}}, answer => {
      const got = [];
      answer.on('data', piece => got.push(piece));
      answer.on('error', () => response.destroy());
      answer.on('end', () => {
        const forget = body.includes('meta/connect') && this.lossy && Math.random() < LOST;
        this.forgotten += forget;
        if (forget) this.dropped.push(Buffer.concat(got).toString());
        if (forget || !answer.complete) return response.destroy();
        response.writeHead(answer.statusCode, answer.headers);
        response.end(Buffer.concat(got));
      });
    });
    up.on('error', error => {
      if (error.code === 'ECONNREFUSED' && tries > 0) setTimeout(() => this.#forward(request, body, response, tries - 1), 20);
      else response.destroy();
    });
    response.on('close', () => up.destroy());
    up.end(body);
  }

  /* From now on answers are lost, and processes killed. */
  suffer() {
    this.lossy = true;
    this.killer = setInterval(() => this.kill(this.killed++), 800);
  }

  calm() {
    this.lossy = false;
    clearInterval(this.killer);
  }

  close() {
    this.calm();
    this.stopped = true;
    this.proxy.closeAllConnections();
    this.proxy.close();
  }
}

/* Redis, a worker, and two processes. */
class Site extends Lossy {
  static async start() {
    const site = new Site();
    site.dir = mkdtempSync(join(tmpdir(), 'halley-loss-'));
    site.redis = join(site.dir, 'redis.sock');
    site.conf = join(site.dir, 'halley.conf');
    writeFileSync(site.conf, `redis = unix:${site.redis}\ntimeout = 20\n[service bayeux]\n`);
    site.others = [site.run('redis-server', '--port', '0', '--unixsocket', site.redis, '--save', '', '--dir', site.dir)];
    await until(() => site.cli('PING') === 'PONG', 'Redis', 60);
    site.others.push(site.run(join(TOP, 'build/halley-worker'), '-f', site.conf));
    site.ports = [await freePort(), await freePort()];
    site.processes = [site.serve(0), site.serve(1)];
    return site.listen();
  }

  run(program, ...args) {
    return spawn(program, args, {stdio: 'ignore'});
  }

  serve(which) {
    return this.run(join(TOP, 'build/halley.fcgi'), '-f', this.conf, '-w', `tcp:127.0.0.1:${this.ports[which]}`);
  }

  cli(...args) {
    try {
      return execFileSync('redis-cli', ['-s', this.redis, ...args], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']}).trim();
    } catch { return ''; }
  }

  kill(count) {
    const which = count % 2;
    this.processes[which].kill('SIGKILL');
    setTimeout(() => { if (!this.stopped) this.processes[which] = this.serve(which); }, 100);
  }

  stop() {
    this.close();
    for (const child of [...this.processes, ...this.others]) child.kill('SIGKILL');
    rmSync(this.dir, {recursive: true, force: true});
  }
}

/* Parent and name of a process; it may be gone. */
function look(pid) {
  try {
    const [, name, parent] = /\((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return {pid: Number(pid), name, parent: Number(parent)};
  } catch { return {}; }
}

/* A web server with two processes, which are started again by whoever started them. */
class Served extends Lossy {
  static async start(server) {
    const site = new Served();
    site.halley = await Running.start(server, {HALLEY_PROCESSES: '2', HALLEY_TIMEOUT: '20'});
    site.ports = [site.halley.port];
    return site.listen();
  }

  cli(...args) {
    return this.halley.redis(...args);
  }

  /* Those of ours that have no children. */
  #processes() {
    const all = readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(look);
    const ours = new Set([this.halley.child.pid]);
    for (let before = 0; before !== ours.size;) {
      before = ours.size;
      for (const {pid, parent} of all) if (ours.has(parent)) ours.add(pid);
    }
    const found = all.filter(({pid, name}) => name === 'halley.fcgi' && ours.has(pid));
    return found.filter(({pid}) => !found.some(({parent}) => parent === pid)).map(({pid}) => pid);
  }

  kill(count) {
    const all = this.#processes();
    try {
      if (all.length > 0) process.kill(all[count % all.length], 'SIGKILL');
    } catch { /* it has just gone */ }
  }

  stop() {
    this.close();
    return this.halley.stop();
  }
}

async function fayeHears(url, channel, hear) {
  const client = new faye.Client(url, {timeout: 60, retry: 0.2});
  client.disable('websocket');
  await client.subscribe(channel, hear);
  return () => client.disconnect();
}

async function cometdHears(url, channel, hear, acks) {
  const client = new CometD();
  client.unregisterTransport('websocket');
  if (acks) client.registerExtension('ack', new AckExtension());
  client.configure({url, backoffIncrement: 100, maxBackoff: 300});
  await new Promise(done => {
    client.addListener('/meta/handshake', reply => {
      if (reply.successful) client.subscribe(channel, message => hear(message.data), answer => answer.successful && done());
    });
    client.handshake();
  });
  return () => new Promise(done => client.disconnect(done));
}

/* What is missing was in an answer that did not arrive, or was about to when its process was killed;
 * nothing is doubled or out of order. */
function noWorseThanItsOwnServer(heard, site) {
  assert.deepEqual(heard, [...new Set(heard)].sort((a, b) => a - b));
  const missing = Array.from({length: heard.at(-1)}, (_, i) => i).filter(i => !heard.includes(i));
  const unexplained = missing.filter(i => !site.dropped.some(body => body.includes(`"/plain","data":${i},`)));
  assert.ok(unexplained.length <= site.killed, `${unexplained} of ${missing} were lost by nobody`);
}

const SITES = {
  'by themselves': () => Site.start(),
  'behind nginx': () => Served.start('nginx'),
  'behind Apache': () => Served.start('apache')
};

for (const [where, start] of Object.entries(SITES)) {
  describe(`Bayeux, while answers are lost and processes ${where} are killed`, () => {
    let site;
    before(async () => { site = await start(); });
    after(() => site.stop());

    test('faye and cometd with acknowledgement have everything once and in order', async () => {
      const wanted = Array.from({length: MESSAGES}, (_, i) => i), heard = {faye: [], cometd: []}, plain = [];
      const ends = [await fayeHears(site.url, '/faye', i => heard.faye.push(i)),
        await cometdHears(site.url, '/cometd', i => heard.cometd.push(i), true),
        await cometdHears(site.url, '/plain', i => plain.push(i), false)];
      site.suffer();
      for (const i of wanted) {
        for (const channel of ['faye', 'cometd', 'plain']) site.cli('PUBLISH', `halley:${channel}`, String(i));
        await pause(60);
      }
      for (const client of ['faye', 'cometd'])
        await until(() => heard[client].includes(MESSAGES - 1), `the last message at ${client}`, 120);
      await pause(500);
      site.calm();
      for (let i = MESSAGES; !plain.includes(i - 1); i++) { /* its last one may be lost too */
        site.cli('PUBLISH', 'halley:plain', String(i));
        await pause(500);
        assert.ok(i < MESSAGES + 100, 'cometd without acknowledgement does not come back');
        if (plain.includes(i)) break;
      }
      for (const end of ends) await end();
      assert.deepEqual(heard, {faye: wanted, cometd: wanted});
      noWorseThanItsOwnServer(plain, site);
      assert.ok(site.forgotten > 0 && site.killed > 0);
    });
  });
}
