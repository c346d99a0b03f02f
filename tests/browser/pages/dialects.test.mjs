/* Other systems' clients side by side in Chromium: what redis-cli publishes, all of them hear. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const CLIENTS = ['halley.js', 'sockjs-client', 'socket.io-client', 'faye', 'cometd'];
const card = (page, name) => page.locator(`#clients [data-client="${name}"]`);
const live = (page, name) => card(page, name).locator('.state[data-state=open]').waitFor();
const heard = (page, name) => card(page, name).locator('.feed .text').allTextContents();

for (const server of SERVERS) {
  describe(`clients side by side on ${server}`, () => {
    let halley;

    before(async () => {
      execFileSync(fileURLToPath(new URL('../../../deploy/install-clients', import.meta.url)));
      halley = await Running.start(server);
    });
    after(async () => { if (halley) await halley.stop(); });

    test('one line of redis-cli reaches all of them, once each and in order', async () => {
      const page = await halley.page('dialects.html');
      for (const name of CLIENTS) await live(page, name);
      await page.locator('#state[data-state=open]').waitFor();
      for (let n = 1; n <= 5; n++) halley.publish('chat', {user: 'cron', text: `line ${n}`});
      halley.publish('chat', 'just words');
      halley.publish('chat', {user: '<i>x</i>', text: '<img src=x onerror="document.title=1">'});
      const wanted = ['<img src=x onerror="document.title=1">', 'just words', 'line 5', 'line 4', 'line 3', 'line 2', 'line 1'];
      for (const name of CLIENTS) {
        await until(async () => (await heard(page, name)).length >= wanted.length, `${name} hears all`, 60);
        assert.deepEqual(await heard(page, name), wanted, name);
      }
      assert.equal(await page.locator('.feed img, .feed i').count(), 0);
    });

    test('what the page says, they hear too', async () => {
      const page = await halley.page('dialects.html');
      for (const name of CLIENTS) await live(page, name);
      await page.fill('#text', 'said by the page');
      await page.click('#form button');
      for (const name of CLIENTS) await card(page, name).getByText('said by the page', {exact: true}).waitFor();
      assert.equal(await page.textContent('#say'), '');
    });
  });
}

describe('a client that cannot connect', () => {
  let halley;

  before(async () => { halley = await Running.start('lighttpd', {CONF: fileURLToPath(new URL('../../../deploy/halley.conf', import.meta.url))}); });
  after(async () => { if (halley) await halley.stop(); });

  test('is told that there is no service for it', async () => {
    const page = await halley.page('dialects.html');
    await live(page, 'halley.js');
    for (const [name, section] of [['sockjs-client', 'sockjs/room'], ['socket.io-client', 'socket.io'], ['faye', 'bayeux'], ['cometd', 'bayeux']]) {
      await card(page, name).getByText(`[service ${section}] in halley.conf makes one.`).waitFor();
    }
    await page.getByText('one of five is live').waitFor();
  });

  test('is told that its files are not there', async () => {
    const context = await halley.browser();
    await context.route('**/clients/**', route => route.fulfill({status: 404}));
    const page = await halley.page('dialects.html', context);
    for (const name of CLIENTS.slice(1)) {
      await card(page, name).getByText(`The files of ${name} are not here: make run fetches them, with npm.`).waitFor();
    }
  });

  test('is no wider than a phone, in a light room and in a dark one', async () => {
    for (const colorScheme of ['light', 'dark']) {
      const phone = await halley.browser({viewport: {width: 360, height: 740}, isMobile: true, colorScheme});
      const page = await halley.page('dialects.html', phone);
      await live(page, 'halley.js');
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 360);
    }
  });
});
