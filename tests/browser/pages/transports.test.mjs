/* Every transport of halley.js in Chromium, through the real web servers: a message arrives,
 * and whatever is killed in the middle, all have arrived afterwards, once and in order. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {PROTOCOL, Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';
import {Wire} from '../lib/wire.mjs';

const ALL = (process.env.TRANSPORTS || 'ws events stream xhr multipart iframe wait jsonp poll').split(' ');
const range = (from, to) => Array.from({length: to - from + 1}, (_, i) => from + i);

/* A page with nothing but the client. It comes from the server: Chromium lets no page that a
 * test made up open a WebSocket to this machine. */
async function bare(halley, context, url = halley.url) {
  const page = await (context || await halley.browser()).newPage();
  await page.goto(url + 'style.css');
  return loaded(page);
}
async function loaded(page) {
  for (const url of ['/halley.js', '/halley-legacy.js']) await page.addScriptTag({url});
  return page;
}

/* Listens to a channel there; page.got() says what came, page.where() by what. */
async function listen(page, channel, options) {
  await page.evaluate(([name, o]) => {
    window.got = [];
    window.gaps = 0;
    window.halley = new Halley('/comet', Object.assign({interval: 200, maxBackoff: 2000}, o));
    window.halley.on('gap', () => { window.gaps++; });
    window.halley.subscribe(name, m => window.got.push(m.data));
  }, [channel, options]);
  page.got = () => page.evaluate(() => window.got);
  page.where = () => page.evaluate(() => `${window.halley.state} ${window.halley.transport}`);
  return page;
}

const isOpen = (page, transport) => until(async () => await page.where() === `open ${transport}`, `open by ${transport}`, 60);

for (const server of SERVERS) {
  describe(`transports on ${server}`, () => {
    let halley, wire, pages, n = 0, gaps = 0;

    before(async () => {
      halley = await Running.start(server, {HALLEY_JSONP: 'on'});
      wire = await Wire.to(halley.url);
      pages = await Promise.all(ALL.map(async transport => {
        // Browsers of their own: one alone would run out of connections.
        const page = await listen(await bare(halley, null, wire.url), 'chat',
          {transports: [transport], silence: 5000, patience: 5000, timeout: 5});
        await isOpen(page, transport);
        page.transport = transport;
        return page;
      }));
    });
    after(async () => {
      if (wire) wire.close();
      if (halley) await halley.stop();
    });

    /* Acknowledged, so not to be lost: again until Redis takes it. */
    const publish = () => until(() => {
      try { return halley.redis('FCALL', 'halley_publish', '1', 'chat', String(n + 1), 'IDEMPOTENCY', `n${n + 1}`).includes('-') && ++n; }
      catch { return false; }
    }, 'Redis takes a message', 60);
    const allHave = async (gaps = 0) => {
      for (const page of pages) {
        await until(async () => (await page.got()).length >= n, `${page.transport} has ${n}`, 90)
          .catch(async error => { throw new Error(`${error.message}; it has ${await page.got()}, ${await page.where()}`); });
        assert.deepEqual(await page.got(), range(1, n), page.transport);
        assert.ok(await page.evaluate(() => window.gaps) <= gaps, page.transport);
      }
    };

    test('info offers them', async () => {
      const {transports} = await halley.get('comet/info');
      for (const name of ALL) if (name !== 'xhr') assert.ok(transports.includes(name), name);
    });

    test(`pages and client come over ${PROTOCOL}`, async () => {
      const protocols = () => performance.getEntries().map(entry => entry.nextHopProtocol).filter(Boolean);
      for (const page of pages) assert.deepEqual([...new Set(await page.evaluate(protocols))], [PROTOCOL], page.transport);
    });

    test('each delivers', async () => {
      for (let i = 0; i < 10; i++) await publish();
      await allHave();
    });

    const kills = {
      'the application': () => halley.killApplication(),
      'the web server': () => process.kill(halley.pidOf('web'), 'SIGKILL'),
      Redis: () => process.kill(halley.pidOf('redis'), 'SIGKILL'),
      'the worker': () => process.kill(halley.pidOf('worker'), 'SIGKILL')
    };
    for (const [what, kill] of Object.entries(kills)) {
      test(`${what} is killed in the middle: each has everything, once`, async () => {
        for (let i = 0; i < 5; i++) await publish();
        kill();
        for (let i = 0; i < 5; i++) await publish();
        // Only Redis itself, killed, may have forgotten something, and says so.
        if (what === 'Redis') gaps = 1;
        await allHave(gaps);
        await publish();
        await allHave(gaps);
      });
    }

    test('the network breaks and comes back: each has everything, once', async () => {
      for (let i = 0; i < 3; i++) await publish();
      wire.cut();
      for (let i = 0; i < 3; i++) await publish();
      wire.mend();
      await publish();
      await allHave(gaps);
    });

    test('the network swallows everything and tells nobody: each finds out, and has everything, once', async () => {
      for (let i = 0; i < 3; i++) await publish();
      await allHave(gaps);
      wire.swallow();
      for (let i = 0; i < 3; i++) await publish();
      wire.mend();
      await publish();
      await allHave(gaps);
    });

    test('left to itself the client takes the WebSocket, and publishes over it', async () => {
      const page = await listen(await bare(halley), 'lab', {share: false});
      await isOpen(page, 'ws');
      const posts = [];
      page.on('request', request => { if (request.method() === 'POST') posts.push(request.url()); });
      const answer = await page.evaluate(() => window.halley.publish('lab', {over: 'ws'}));
      assert.match(answer.id, /^\d+-\d+$/);
      await until(async () => (await page.got()).length);
      assert.deepEqual(await page.got(), [{over: 'ws'}]);
      await assert.rejects(page.evaluate(() => window.halley.publish('monitor', 1)), /channel/);
      assert.deepEqual(posts, []);
    });

    test('two WebSockets publishing the same key publish once', async () => {
      const [a, b] = await Promise.all([0, 1].map(async () => listen(await bare(halley), 'lab', {share: false})));
      await Promise.all([isOpen(a, 'ws'), isOpen(b, 'ws')]);
      const send = page => page.evaluate(() => window.halley.publish('lab', 'once', {idempotencyKey: 'same'}));
      assert.deepEqual(await send(a), await send(b));
    });

    test('where the WebSocket does not come through the client steps down, and remembers', async () => {
      const context = await halley.browser();
      await context.addInitScript(() => {
        window.tried = 0;
        window.WebSocket = class extends WebSocket { constructor() { super(`${location.origin.replace('http', 'ws')}/nothing-here`); window.tried++; } };
      });
      const page = await listen(await bare(halley, context), 'chat', {since: '-1', share: false});
      await isOpen(page, 'events');
      await publish();
      await until(async () => (await page.got()).includes(n));
      assert.equal(await page.evaluate(() => window.tried), 1);
      await page.reload();
      await listen(await loaded(page), 'chat', {share: false});
      await isOpen(page, 'events');
      assert.equal(await page.evaluate(() => window.tried), 0);
    });

    test("the WebSockets of other systems' clients are told at once what becomes of them", async () => {
      const page = await bare(halley);
      const become = path => page.evaluate(url => new Promise(done => {
        const socket = new WebSocket(url);
        for (const type of ['open', 'error']) socket.addEventListener(type, () => done(type));
      }), halley.url.replace('http', 'ws') + path);
      assert.equal(await become('bayeux'), 'open');
      assert.equal(await become('comet/poll?channel=chat'), 'error');
    });

    test('patterns come and go on one open WebSocket, and history is read beside it', async () => {
      const page = await bare(halley), sockets = [];
      page.on('websocket', socket => sockets.push(socket.url()));
      await listen(page, 'pat/a', {share: false});
      await isOpen(page, 'ws');
      const said = await page.evaluate(async () => {
        window.all = [];
        window.leave = halley.subscribe({pattern: 'pat/*'}, m => window.all.push(m.data));
        await window.leave.ready;
        return halley.transport;
      });
      assert.equal(said, 'ws');
      halley.redis('FCALL', 'halley_publish', '1', 'pat/a', '1');
      halley.redis('FCALL', 'halley_publish', '1', 'pat/b', '2');
      await until(() => page.evaluate(() => window.all.length === 2), 'the pattern brings both', 60);
      await page.evaluate(() => window.leave());
      halley.redis('FCALL', 'halley_publish', '1', 'pat/b', '3');
      halley.redis('FCALL', 'halley_publish', '1', 'pat/a', '4');
      await until(async () => (await page.got()).includes(4), 'what is named as well stays', 60);
      assert.deepEqual(await page.got(), [1, 4]);
      assert.deepEqual(await page.evaluate(() => window.all), [1, 2]);
      assert.equal(sockets.length, 1);
      const {messages, more} = await page.evaluate(() => halley.history('pat/a', {limit: 1}));
      assert.deepEqual([messages.map(m => m.data), more], [[4], true]);
    });

    test('ten tabs hold one connection, and a closing leader loses nothing', async () => {
      const context = await halley.browser(), tabs = [];
      for (let i = 0; i < 10; i++) tabs.push(await listen(await bare(halley, context), 'tabs', {}));
      for (const tab of tabs) await isOpen(tab, 'ws');
      // What the server counts: waiters that are neither those of the other tests' pages nor gone.
      const leads = async () => (await Promise.all(tabs.map(tab => tab.evaluate(() => Boolean(window.halley._yield))))).filter(Boolean).length;
      assert.equal(await leads(), 1);
      let sent = 0;
      while (tabs.length > 6) {
        for (let i = 0; i < 3; i++) halley.redis('FCALL', 'halley_publish', '1', 'tabs', String(++sent));
        const which = await Promise.all(tabs.map(tab => tab.evaluate(() => Boolean(window.halley._yield))));
        await tabs.splice(Math.max(0, which.indexOf(true)), 1)[0].close();
        halley.redis('FCALL', 'halley_publish', '1', 'tabs', String(++sent));
        for (const tab of tabs) {
          await until(async () => (await tab.got()).length >= sent, `a tab has ${sent}`, 60);
          assert.deepEqual(await tab.got(), range(1, sent));
        }
      }
      await until(async () => await leads() === 1);
    });
  });
}
