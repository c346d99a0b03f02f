/* What the demo pages look like to a person, to a program that reads them out, and under a site's policy. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {after, before, test} from 'node:test';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';
import {Wire} from '../lib/wire.mjs';

const PAGES = ['', 'chat.html', 'monitor.html', 'ticker.html', 'scoreboard.html', 'lab.html', 'dialects.html'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let halley, wire;

before(async () => {
  halley = await Running.start(SERVERS[0], {HALLEY_JSONP: 'on'});
  wire = await Wire.to(halley.url);
});
after(async () => {
  if (wire) wire.close();
  if (halley) await halley.stop();
});

const state = (page, words) => until(async () => words.test(await page.textContent('#state')), `#state says ${words}`, 60);
const live = page => state(page, /^live/);

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing on any page, ${colorScheme}`, async () => {
    const context = await halley.browser({colorScheme, reducedMotion: 'reduce', bypassCSP: true}), found = [];
    for (const path of PAGES) {
      const page = await halley.page(path, context);
      if (!/lab|dialects/.test(path)) await live(page);
      await page.evaluate(AXE);
      const {violations} = await page.evaluate(() => window.axe.run({resultTypes: ['violations']}));
      found.push(...violations.map(v => `${path} ${v.id}: ${v.nodes[0].target} ${v.nodes[0].failureSummary}`));
      await page.close();
    }
    assert.deepEqual(found, []);
  });
}

test('every page runs where a site allows its own files alone', async () => {
  const context = await halley.browser(), refused = [];
  await context.route(url => /\/([a-z]+\.html)?$/.test(url.pathname), async route => {
    const response = await route.fetch();
    await route.fulfill({response, headers: {...response.headers(), 'content-security-policy': "default-src 'self'; require-trusted-types-for 'script'"}});
  });
  context.on('console', said => { if (/Content Security Policy|TrustedHTML|TrustedScript/.test(said.text())) refused.push(said.text()); });
  for (const path of PAGES.filter(path => path !== 'dialects.html')) {
    const page = await halley.page(path, context);
    if (path === 'lab.html') await page.waitForSelector('#techniques .card');
    else await live(page);
    await page.close();
  }
  assert.deepEqual(refused, []);
});

test('a page says in words that nobody answers, counts down, and dims what has grown old', async () => {
  const page = await (await halley.browser()).newPage();
  await page.goto(wire.url + 'monitor.html');
  await live(page);
  await until(() => page.locator('#tiles .figure small').count(), 'figures');
  wire.cut();
  await state(page, /^No answer, next try (in \d+ s|now)$/);
  await until(async () => /^\d+ s ago$/.test(await page.textContent('#age')), 'the figures\' age', 60);
  assert.ok(await page.locator('#tiles.stale').count());
  wire.mend();
  await live(page);
  await until(async () => !await page.locator('#tiles.stale').count() && await page.textContent('#age') === '', 'fresh again', 60);
});

test('a page of which nothing is known yet says what it waits for', async () => {
  const page = await (await halley.browser()).newPage();
  await page.route('**/comet/**', route => route.abort());
  for (const [path, selector, words] of [['', '.empty', /Nothing yet/], ['monitor.html', '#say', /Waiting for the first figures/],
    ['ticker.html', '#say', /Waiting for the first prices/], ['scoreboard.html', '#minute', /Waiting for the match/]]) {
    await page.goto(halley.url + path);
    assert.match(await page.textContent(selector), words, path);
    await state(page, /^No answer|^Connecting/);
  }
});

test('the lab compares all on one scale before it explains', async () => {
  const page = await (await halley.browser()).newPage();
  await page.goto(halley.url + 'lab.html');
  assert.ok(await page.evaluate(() => document.getElementById('compare').compareDocumentPosition(document.getElementById('techniques')) & 4));
  await page.fill('#rate', '10');
  await page.fill('#interval', '300');
  await page.click('#go');
  await until(() => page.evaluate(() => TECHNIQUES.every(t => t.samples.length > 5 && !t.dot.hidden)), 'all have figures', 120);
  const rows = await page.evaluate(() => TECHNIQUES.map(t => ({median: figuresOf(t)[1], left: parseFloat(t.dot.style.left), said: t.said.textContent})));
  for (const {left, said} of rows) {
    assert.ok(left > 0 && left < 100);
    assert.match(said, /^[\d.]+ · [\d.]+$/);
  }
  const [poll] = rows, ws = rows[rows.length - 1];
  assert.ok(poll.left > ws.left, 'polling is further to the right than the WebSocket');
  // What nobody has taken was not published.
  await page.evaluate(() => { publisher.publish = () => Promise.reject(new Error('cut off')); });
  await until(async () => /Not published: cut off/.test(await page.textContent('#say')), 'it says so', 60);
  const said = () => page.evaluate(() => [parseInt(document.getElementById('say').textContent.replace(/,/g, ''), 10), sent]);
  const [before, tries] = await said();
  await until(async () => (await said())[1] > tries + 3, 'it goes on trying', 60);
  assert.equal((await said())[0], before);
});
