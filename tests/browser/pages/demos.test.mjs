/* The pages as a visitor sees them, in Chromium, on every web server. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {after, before, describe, test} from 'node:test';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const live = page => page.locator('#state[data-state=open]').waitFor();
const shows = (page, text) => page.locator('.feed').getByText(text, {exact: true}).waitFor();

for (const server of SERVERS) {
  describe(`pages on ${server}`, () => {
    let halley;

    before(async () => { halley = await Running.start(server); });
    after(async () => { if (halley) await halley.stop(); });

    test('two browsers chat', async () => {
      const ada = await halley.page('chat.html'), ben = await halley.page('chat.html');
      await Promise.all([live(ada), live(ben)]);
      for (const [page, name, text] of [[ada, 'Ada', 'Is anybody there?'], [ben, 'Ben', 'I am.'], [ada, 'Ada', 'Good.']]) {
        await page.fill('#user', name);
        await page.fill('#text', text);
        await page.click('#form button');
        await Promise.all([shows(ada, text), shows(ben, text)]);
      }
      for (const page of [ada, ben]) {
        assert.deepEqual(await page.locator('#log .text').allTextContents(), ['Is anybody there?', 'I am.', 'Good.']);
      }
      assert.equal(await ada.locator('#log .mine').count(), 2);
      assert.equal(await ben.locator('#log .mine').count(), 1);
      assert.equal(await ada.inputValue('#text'), '');
    });

    test('redis-cli PUBLISH appears in the chat, whatever it says', async () => {
      const page = await halley.page('chat.html');
      await live(page);
      halley.publish('chat', {user: 'cron', text: 'backup finished'});
      halley.publish('chat', 'just words');
      halley.publish('chat', {deploy: 'web-2', ok: true});
      halley.publish('chat', {user: '<i>x</i>', text: '<img src=x onerror="document.title=1">'});
      for (const text of ['backup finished', 'just words', '{"deploy":"web-2","ok":true}', '<i>x</i>']) await shows(page, text);
      assert.equal(await page.locator('#log img, #log i').count(), 0);
      assert.equal(await page.title(), 'Chat, by Halley');
    });

    test('who comes late sees what was said before, each once and in order', async () => {
      for (let n = 1; n <= 20; n++) halley.publish('chat', {user: 'seq', text: `line ${n}`});
      const page = await halley.page('chat.html');
      await shows(page, 'line 20');
      const lines = (await page.locator('#log .text').allTextContents()).filter(t => t.startsWith('line '));
      assert.deepEqual(lines, Array.from({length: 20}, (_, i) => `line ${i + 1}`));
    });

    test('the monitor draws this machine', async () => {
      const page = await halley.page('monitor.html');
      await live(page);
      const drawn = await until(() => page.evaluate(() => {
        const paths = [...document.querySelectorAll('#tiles svg path:last-of-type')].map(p => p.getAttribute('d') || '');
        return paths.length === 6 && paths.every(d => d.includes('L')) && paths;
      }), 'six charts with a line each', 60);
      // Live: the lines move on by themselves.
      await until(async () => await page.locator('#tiles svg path').last().getAttribute('d') !== drawn[5], 'the charts move', 60);
      const memory = await page.locator('#tiles .card', {hasText: 'Memory in use'}).locator('.figure').textContent();
      assert.match(memory, /^[\d.]+ [MGT]iB of [\d.]+ [MGT]iB$/);
      assert.equal(await page.textContent('#say'), '');
    });

    test('the index shows it working, from the page and from the shell', async () => {
      const page = await halley.page('');
      await live(page);
      await page.fill('#text', 'said by the page');
      await page.click('#form button');
      await shows(page, 'said by the page');
      // the line as the page shows it, in whatever folder this is run
      const line = await until(async () => (await page.textContent('#line')).includes('redis.sock') && page.textContent('#line'),
        'the page knows where Redis is', 60);
      execFileSync('sh', ['-c', line.replace('"hi"', '"said by the shell"')], {cwd: '/'});
      await shows(page, 'said by the shell');
      const beside = await halley.page('dialects.html');
      await until(async () => await beside.textContent('#line') === line, 'the other page shows the same line', 60);
      assert.equal((await fetch(`${halley.url}comet/publish?channel=shell`, {method: 'POST', body: '1'})).status, 403);
      for (const href of await page.locator('main a[href]').evaluateAll(all => all.map(a => a.href))) {
        assert.equal((await fetch(href)).status, 200, href);
      }
    });

    test('the ticker is complete at once, and its prices move', async () => {
      const page = await halley.page('ticker.html');
      await live(page);
      const prices = () => page.locator('#board .price').allTextContents();
      await until(async () => (await prices()).length === 24, 'all instruments are there');
      const first = await prices();
      assert.ok(first.every(price => /^\d+\.\d\d$/.test(price)), first.join());
      assert.ok((await page.locator('#board .change').allTextContents()).every(text => /^[▲▼] [+−]\d+\.\d\d %$/.test(text)));
      await until(async () => (await prices()).join() !== first.join(), 'they move', 60);
      await page.getByText('A simulation:').waitFor();
    });

    test('a late arrival is told the match from its beginning', async () => {
      const page = await halley.page('scoreboard.html');
      await live(page);
      await page.locator('#told .kickoff').waitFor();
      const teams = [await page.textContent('#home'), await page.textContent('#away')];
      assert.equal(await page.locator('#told .kickoff').textContent(), `0′Kickoff ${teams.join(' – ')}`);
      const before = await page.textContent('#minute');
      await until(async () => await page.textContent('#minute') !== before, 'the clock runs', 60);
      await page.getByText('A simulation:').waitFor();
      // Events of a match of our own, put between the feed's: what is told is what was published.
      halley.publish('scoreboard', {event: 'goal', minute: 91, score: [7, 3], side: 0, player: 'Nobody'});
      await page.getByText(`7 : 3. Nobody, ${teams[0]}`).waitFor();
    });

    test('what was not sent stays said, whatever the connection does', async () => {
      const page = await halley.page('chat.html');
      await page.evaluate(() => { window.Halley.prototype.publish = () => Promise.reject(new Error('no')); });
      await page.fill('#user', 'ada');
      await page.fill('#text', 'hello');
      await page.click('#form button');
      await until(async () => await page.textContent('#say') === 'Not sent: no');
      await page.evaluate(() => { halley._emit('state', {state: 'waiting'}); halley._emit('state', {state: 'open'}); });
      assert.equal(await page.textContent('#say'), 'Not sent: no');
    });

    test('no price flashes where motion is unwanted', async () => {
      const page = await halley.page('ticker.html');
      await page.emulateMedia({reducedMotion: 'reduce'});
      await page.waitForSelector('#board .flash0, #board .flash1');
      const names = await page.evaluate(() => [...document.querySelectorAll('#board li')].map(li => getComputedStyle(li, '::after').animationName));
      assert.deepEqual([...new Set(names)], ['none']);
    });

    test('no page has complained, none is wider than a phone', async () => {
      const phone = await halley.browser({viewport: {width: 360, height: 740}, isMobile: true});
      for (const path of ['', 'chat.html', 'monitor.html', 'ticker.html', 'scoreboard.html', 'lab.html']) {
        const page = await halley.page(path, phone);
        if (path !== 'lab.html') await live(page);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= 360, `${path} is ${width} wide`);
      }
      assert.deepEqual(halley.errors, []);
    });
  });
}
