/* The lab runs all techniques at once, and what it shows agrees with what the browser,
 * the network and Redis say. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after, before, describe, test} from 'node:test';
import {HTTP2, Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const ALL = ['poll', 'wait', 'events', 'xhr', 'multipart', 'iframe', 'jsonp', 'ws'];

for (const server of SERVERS) {
  describe(`the lab on ${server}`, () => {
    let halley, page, seen;

    before(async () => {
      halley = await Running.start(server, {HALLEY_JSONP: 'on'});
      page = await (await halley.browser({acceptDownloads: true})).newPage();
      seen = {}; // tag's technique -> requests that left the browser
      const note = url => {
        const tag = new URL(url).searchParams.get('tag');
        if (tag && !url.includes('/status')) { const name = tag.split('-').pop(); seen[name] = (seen[name] || 0) + 1; }
      };
      page.on('request', request => note(request.url()));
      page.on('websocket', socket => note(socket.url()));
      await page.goto(halley.url + 'lab.html');
    });
    after(async () => { if (halley) await halley.stop(); });

    const techniques = () => page.evaluate(() => TECHNIQUES.map(t =>
      ({name: t.name, ns: t.samples.map(s => s.n), latencies: t.samples.map(s => s.latency), server: t.server, tag: t.tag})));

    test('all techniques run at once, and hear every message once and in order', async () => {
      await page.fill('#rate', '10');
      await page.fill('#interval', '300');
      await page.click('#go');
      await page.getByText('live (8 at once)').waitFor();
      await until(async () => (await techniques()).every(t => t.ns.length >= 30), 'thirty messages each', 120);
      for (const t of await techniques()) {
        assert.deepEqual(t.ns, t.ns.map((_, i) => i + 1), t.name);
        assert.ok(t.latencies.every(l => l > 0), t.name);
      }
    });

    test('what it shows of each is there: connections held, charts, figures', async () => {
      await until(async () => (await techniques()).every(t => t.server.requests), 'the server has counted', 60);
      const held = Object.fromEntries((await techniques()).map(t => [t.name, t.server.held]));
      for (const name of ['events', 'xhr', 'multipart', 'iframe', 'ws']) assert.equal(held[name], 1, name);
      for (const d of await page.locator('#techniques svg path:last-child').evaluateAll(all => all.map(p => p.getAttribute('d')))) {
        assert.match(d, /^M.*L/);
      }
    });

    test('its numbers agree with an independent count', async () => {
      await page.evaluate(() => { publishing = false; }); // no more messages; what is held goes on
      const sent = await page.evaluate(() => sent);
      await until(async () => (await techniques()).every(t => t.ns.length === sent), 'all have all', 60);
      // A request that is given up on its way is counted by the browser alone: so none may be.
      await page.evaluate(() => {
        TECHNIQUES[0].client.options.interval = 1e9;
        return new Promise(done => setTimeout(done, 600)); // the poll that was to follow has left
      });
      const counted = async tag => halley.get(`comet/status?tag=${tag}`);
      await until(async () => {
        for (const {name, tag} of await techniques()) {
          const {requests, held} = await counted(tag);
          if (requests !== seen[name] || held !== (name === 'poll' ? 0 : 1)) return false;
        }
        return true;
      }, 'every request has arrived, and is held or answered', 60);
      await page.click('#go');
      await page.getByText('stopped').waitFor();
      // In history, as Redis counts them: those of this page, and nobody else's.
      const run = await page.evaluate(() => TECHNIQUES[0].tag.replace(/-poll$/, ''));
      const stored = halley.redis('XRANGE', 'halley.history:{lab}', '-', '+').split('\n').filter(line => line.includes(`"${run}"`)).length;
      assert.equal(stored, sent);
      for (const {name, tag} of await techniques()) {
        const {requests, messages, bytes_in: received, bytes_out: answered} = await counted(tag);
        assert.equal(requests, seen[name], `${name}: requests`);
        assert.equal(messages, sent, `${name}: messages`);
        assert.ok(answered > sent * 100 && received > requests * (HTTP2 ? 20 : 100), // HPACK says most in a byte
          `${name}: ${answered} bytes of ${sent} messages, ${received} of ${requests} requests`);
      }
    });

    test('the figures come as CSV', async () => {
      const save = async id => {
        const [download] = await Promise.all([page.waitForEvent('download'), page.click(id)]);
        return readFileSync(await download.path(), 'utf8').trim().split('\r\n').map(line => line.split(','));
      };
      const [head, ...rows] = await save('#figures'), sent = await page.evaluate(() => sent);
      assert.deepEqual(rows.map(row => row[0]), ALL);
      for (const row of rows) {
        assert.equal(row.length, head.length);
        assert.equal(Number(row[head.indexOf('messages')]), sent);
        assert.ok(Number(row[head.indexOf('p95_ms')]) >= Number(row[head.indexOf('median_ms')]));
        assert.ok(Number(row[head.indexOf('requests')]) >= 2);
      }
      const [columns, ...lines] = await save('#samples');
      assert.deepEqual(columns, ['technique', 'n', 'published_ms', 'latency_ms']);
      assert.equal(lines.length, ALL.length * sent);
      assert.deepEqual(halley.errors, []);
    });
  });
}

test('the lab says why it has no counters where the server shows them to nobody', async () => {
  const halley = await Running.start('lighttpd', {HALLEY_STATUS: 'none'});
  try {
    const page = await (await halley.browser()).newPage();
    await page.goto(halley.url + 'lab.html');
    await page.click('#go');
    await page.getByText('shows its counters to its own machine only').waitFor({timeout: 60000});
    await until(() => page.evaluate(() => TECHNIQUES.some(t => t.samples.length > 0)), 'it works all the same', 60);
  } finally {
    await halley.stop();
  }
});
