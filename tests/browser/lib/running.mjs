/*
 * Halley as `make run` starts it, of its own Redis, worker and web server, in a folder
 * and on a port of its own; and a browser to look at it with.
 *
 *   const halley = await Running.start('lighttpd', {HALLEY_JSONP: 'on'});
 *   halley.publish('chat', {user: 'cron', text: 'hi'});  // with redis-cli
 *   const page = await halley.page('chat.html');
 *   await halley.stop();
 */
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';
import {freePort} from '../../lib/free-port.mjs';

const TOP = fileURLToPath(new URL('../../../', import.meta.url));

/* Whether browsers come over TLS with HTTP/2 (HTTP2=1), to a certificate that nobody has signed, or over HTTP/1.1. */
export const HTTP2 = Boolean(process.env.HTTP2);
if (HTTP2) process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'; // what the tests themselves ask

/* By what name a browser calls it: the nextHopProtocol of its timings. */
export const PROTOCOL = HTTP2 ? 'h2' : 'http/1.1';

/* Which servers the page tests run on: all, or those named in SERVERS. */
export const SERVERS = (process.env.SERVERS || 'lighttpd nginx apache caddy').split(/[ ,]+/);

export class Running {
  static async start(server, environment = {}) {
    const halley = new Running();
    halley.dir = mkdtempSync(join(tmpdir(), 'halley-browser-'));
    halley.port = await freePort();
    halley.tlsPort = HTTP2 ? await freePort() : '';
    halley.url = HTTP2 ? `https://127.0.0.1:${halley.tlsPort}/` : `http://127.0.0.1:${halley.port}/`;
    halley.errors = [];
    halley.browsers = [];
    try {
      await halley.#run(server, environment);
    } catch (error) {
      await halley.stop();
      throw error;
    }
    return halley;
  }

  async #run(server, environment) {
    this.child = spawn('bash', [join(TOP, 'deploy/run')], {
      cwd: TOP, stdio: ['ignore', 'pipe', 'pipe'],
      env: {...process.env, ...environment, RUN_DIR: this.dir, PORT: String(this.port), TLS_PORT: String(this.tlsPort), SERVER: server, HOST: '127.0.0.1'}
    });
    this.ended = new Promise(done => this.child.on('close', done));
    const said = [];
    this.child.stderr.on('data', text => said.push(String(text)));
    const ready = new Promise(done => {
      createInterface({input: this.child.stdout}).on('line', line => {
        said.push(line + '\n');
        if (line.startsWith('Halley is ready')) done(true);
      });
    });
    if (await Promise.race([ready, this.ended.then(() => false)])) return;
    throw new Error(`make run on ${server} ended before it was ready:\n${said.join('')}`);
  }

  /* Fails if a page has thrown what nobody caught. */
  async stop() {
    for (const browser of this.browsers) await browser.close().catch(() => {});
    if (this.child && this.child.exitCode === null) this.child.kill('SIGTERM');
    await this.ended;
    rmSync(this.dir, {recursive: true, force: true});
    if (this.errors.length) throw new Error(`pages complain: ${this.errors.join('\n')}`);
  }

  redis(...args) {
    return execFileSync('redis-cli', ['-s', join(this.dir, 'redis.sock'), ...args], {encoding: 'utf8'}).trim();
  }

  /* As a user's own script would: with nothing but redis-cli. */
  publish(channel, message) {
    return this.redis('PUBLISH', `halley:${channel}`, typeof message === 'string' ? message : JSON.stringify(message));
  }

  /* Of what `make run` has started under that name, if it has. */
  pidOf(name) {
    const line = readFileSync(join(this.dir, 'processes'), 'utf8').split('\n').find(line => line.endsWith(` ${name}`));
    return line && Number(line.split(' ')[0]);
  }

  /* All of halley.fcgi that serves requests: `make run` or the web server has started it, and does so again. */
  killApplication() {
    execFileSync('pkill', ['-KILL', '-s', String(this.pidOf('fcgi') || this.pidOf('http') || this.pidOf('web')), '-f', 'halley.fcgi']);
  }

  async get(path) {
    return (await fetch(this.url + path)).json();
  }

  /* A browser of its own (other cookies, other storage), which must not complain. */
  async browser(options = {}) {
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      timeout: 120000,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', '--disable-background-timer-throttling', '--disable-dev-shm-usage']
    });
    this.browsers.push(browser);
    const context = await browser.newContext({ignoreHTTPSErrors: HTTP2, ...options});
    context.setDefaultTimeout(60000);
    context.on('weberror', said => this.errors.push(String(said.error().stack || said.error())));
    return context;
  }

  async page(path, context) {
    const page = await (context || await this.browser()).newPage();
    await page.goto(this.url + path);
    return page;
  }
}
