/* halley.js in pages as sites have them: under policies, in frames without an address of their own, with
 * queries behind its name, within other scripts. It is one file, and asks for no second one. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';
import {PaperServer} from '../lib/paper-server.mjs';
import {until} from '../lib/until.mjs';

const WWW = fileURLToPath(new URL('../../../www/', import.meta.url));
const USE = `const halley = new Halley('/comet', OPTIONS); window.got = []; halley.subscribe('chat', m => window.got.push(m.data));`;
const use = (options = '{}') => USE.replace('OPTIONS', options);
const FILES = {'/use.js': use(), // Once the page has loaded: scripts on their way would keep it from that.
  '/use-jsonp.js': `var halley; addEventListener('load', () => setTimeout(() => { ${use(`{transports: ['jsonp']}`).replace('const halley', 'halley')} }));`, '/inline.js': readFileSync(WWW + 'halley.js', 'utf8') + use(),
  '/module.mjs': `import {Halley} from '/client/index.js'; window.Halley = Halley; ${use().replace('const halley', 'window.halley')}`};

/* The page, its policy, and which frame is looked at. */
const CASES = {
  'Trusted Types that allow none': {csp: "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'", html: '<script src="/halley.js"></script><script src="/use.js"></script>'},
  'a nonce': {csp: "script-src 'nonce-abc'; connect-src 'self'", html: `<script nonce="abc" src="/halley.js"></script><script nonce="abc">${use()}</script>`},
  'strict-dynamic': {csp: "script-src 'nonce-abc' 'strict-dynamic'", html: `<script nonce="abc" src="/halley.js"></script><script nonce="abc">${use()}</script>`},
  'a srcdoc frame': {frame: true, html: `<iframe srcdoc="<script src='/halley.js'></script><script src='/use.js'></script>"></iframe>`},
  'a query that busts caches': {html: '<script src="/halley.js?v=2.1&amp;x=%20"></script><script src="/use.js"></script>'},
  'another address in front': {html: '<base href="/deep/er/"><script src="/halley.js#x" async defer></script><script>addEventListener("load", () => { const s = document.createElement("script"); s.src = "/use.js"; document.head.append(s); });</script>'},
  'a script in which it stands among others': {html: '<script src="/inline.js"></script>'},
  'modules, one by one': {modules: true, html: '<script type="module" src="/module.mjs"></script>'},
  'JSONP under Trusted Types and a nonce': {csp: "script-src 'nonce-abc' 'self'; require-trusted-types-for 'script'; trusted-types halley", told: true,
    html: '<script nonce="abc" src="/halley.js"></script><script nonce="abc" src="/halley-legacy.js"></script><script nonce="abc" src="/use-jsonp.js"></script>'}
};

let paper, site, browser, asked;
before(async () => {
  paper = await new PaperServer().listen();
  paper.info = {transports: ['stream', 'wait', 'poll']};
  paper.before = async r => {
    if (r.endpoint !== 'jsonp') return undefined;
    r.endpoint = 'jsonp of the paper';
    const all = () => paper.channels.get('chat') || [], from = r.since === 'now' ? all().length : Number(r.since.replace(/.*-/, ''));
    if (r.query.get('timeout') !== '0') await until(() => all().length > from, 'a message', 3).catch(() => {});
    const batch = {messages: all().slice(from), cursor: `chat@1795219200000-${all().length}`};
    return {status: 200, body: `/**/${r.query.get('callback')}(${JSON.stringify(batch)});`, headers: {'Content-Type': 'text/javascript'}};
  };
  site = http.createServer((req, res) => {
    const path = req.url.replace(/[?#].*/, '');
    if (path.startsWith('/comet/')) {
      const other = http.request({port: new URL(paper.base).port, path: req.url, method: req.method, headers: req.headers}, answer => {
        res.writeHead(answer.statusCode, answer.headers);
        answer.pipe(res);
      });
      req.pipe(other);
      other.on('error', () => res.destroy());
      res.on('close', () => other.destroy());
      return;
    }
    asked.push(path);
    const found = CASES[decodeURIComponent(path.slice(1))], type = found ? 'text/html' : 'text/javascript';
    res.setHeader('Content-Type', type + '; charset=utf-8');
    if (found && found.csp) res.setHeader('Content-Security-Policy', found.csp);
    try { res.end(found ? `<!doctype html>${found.html}` : FILES[path] || readFileSync(WWW + path)); } catch (e) { res.writeHead(404).end(); }
  });
  await new Promise(done => site.listen(0, '127.0.0.1', done));
  browser = await chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'], timeout: 120000});
});
after(async () => {
  if (browser) await browser.close();
  site.closeAllConnections();
  site.close();
  await paper.close();
});

for (const [name, {frame, modules, told}] of Object.entries(CASES)) {
  test(`${name}: it hears`, async () => {
    asked = [];
    const page = await browser.newPage(), trouble = [];
    page.on('pageerror', error => trouble.push(String(error)));
    await page.goto(`http://127.0.0.1:${site.address().port}/${encodeURIComponent(name)}`);
    const seen = () => frame ? page.frames()[1] : page.mainFrame();
    if (told) { // the server hears from the page how far it is
      await until(() => paper.requests.some(r => r.since === 'now' && r.query.get('callback')), 'it asks', 60);
      const {id} = paper.publish('chat', name);
      await until(() => paper.requests.some(r => r.since && r.since.endsWith(id.replace(/.*-/, '-')) && r.query.get('callback')), 'it has the message', 60);
      return page.close();
    }
    await until(() => seen() && seen().evaluate(() => typeof halley === 'object' && halley.state === 'open'), 'it is open', 60);
    paper.publish('chat', name);
    await until(() => seen().evaluate(what => window.got.includes(what), name), 'it hears', 60);
    assert.deepEqual(trouble, []);
    const scripts = asked.filter(path => /halley|client\//.test(path));
    if (!modules) assert.ok(scripts.length <= 2 && !scripts.includes('/halley-streams.js'), scripts.join());
    await page.close();
  });
}
