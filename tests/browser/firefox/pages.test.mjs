/* The client and the pages of www/ in Firefox: tabs, a network that goes, publishing and reading, what the
 * demonstrations show, and other systems' clients. No page complains, and none is refused anything. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {createServer} from 'node:http';
import {after, afterEach, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {Firefox, eventually, listen} from '../lib/firefox.mjs';
import {Running} from '../lib/running.mjs';

const CLIENTS = ['halley.js', 'sockjs-client', 'socket.io-client', 'faye', 'cometd'];
const TECHNIQUES = ['poll', 'wait', 'events', 'xhr', 'multipart', 'iframe', 'jsonp', 'ws'];
const range = (from, to) => Array.from({length: to - from + 1}, (_, i) => from + i);

let firefox, halley;

const texts = (page, selector) => page.$$eval(selector, all => all.map(one => one.textContent));
const textOf = async (page, selector) => (await texts(page, selector)).join();
const live = page => page.waitForSelector('#state[data-state=open]');
const shows = (page, selector, wanted) => eventually(async () => (await texts(page, selector)).includes(wanted), `${selector} shows ${wanted}`);
const open = (path, context) => firefox.page(halley.url + path, context);

async function say(page, text) {
  await page.type('#text', text);
  await page.click('#form button');
}
/* By the button, of which nobody tells when it is done: a page out of the browser's cache loads nothing. */
async function goBack(page, path) {
  await page.evaluate(() => { setTimeout(() => history.back()); });
  await eventually(() => page.evaluate(name => location.pathname.endsWith(name) && document.readyState === 'complete', path).catch(() => false), `back at ${path}`);
}
function publish(channel, from, to) {
  for (const n of range(from, to)) halley.publish(channel, n);
}

before(async () => {
  execFileSync(fileURLToPath(new URL('../../../deploy/install-clients', import.meta.url)));
  halley = await Running.start('lighttpd', {HALLEY_JSONP: 'on'});
  firefox = await Firefox.start();
});
after(async () => {
  if (firefox) await firefox.stop();
  if (halley) await halley.stop();
});
afterEach(() => {
  assert.deepEqual(firefox.errors.splice(0), []);
  assert.deepEqual(firefox.refusals.splice(0), []);
});

describe('the client in Firefox', () => {
  const listener = (channel, options, context) => firefox.listener(halley.url, context, channel, options);
  const held = async tag => (await halley.get(`comet/status?tag=${tag}`)).held;
  const leads = page => page.evaluate(() => Boolean(window.halley._yield));

  test('two tabs hold one connection, and the other takes over where the leading one closes', async () => {
    const context = await firefox.context(), params = {tag: 'tabs'}, tabs = [];
    for (let i = 0; i < 2; i++) tabs.push(await listener('chat-tabs', {params}, context));
    for (const tab of tabs) await tab.isOpen('ws');
    await eventually(async () => await held('tabs') === 1, 'one connection is held');
    publish('chat-tabs', 1, 3);
    for (const tab of tabs) assert.deepEqual(await tab.has(3), range(1, 3));
    const leading = await Promise.all(tabs.map(leads));
    assert.equal(leading.filter(Boolean).length, 1);

    publish('chat-tabs', 4, 4);
    const [leader] = tabs.splice(leading.indexOf(true), 1);
    await leader.close();
    publish('chat-tabs', 5, 6);
    assert.deepEqual(await tabs[0].has(6), range(1, 6));
    await eventually(() => leads(tabs[0]), 'the other leads');

    tabs.push(await listener('chat-tabs', {params}, context));
    for (const tab of tabs) await tab.isOpen('ws');
    publish('chat-tabs', 7, 8);
    assert.deepEqual(await tabs[0].has(8), range(1, 8));
    assert.deepEqual((await tabs[1].has(2)).slice(-2), [7, 8]);
    await eventually(async () => await held('tabs') === 1, 'one connection is held again');
    await context.close();
  });

  test('without a network it is offline, and has everything once there is one', async () => {
    const page = await listener('chat-offline', {share: false});
    await page.isOpen('ws');
    publish('chat-offline', 1, 2);
    await page.has(2);
    await page.setOfflineMode(true);
    await eventually(() => page.evaluate(() => window.states.includes('offline')), 'it is offline');
    publish('chat-offline', 3, 5);
    await page.setOfflineMode(false);
    assert.deepEqual(await page.has(5), range(1, 5));
    await page.isOpen('ws');
    publish('chat-offline', 6, 6);
    assert.deepEqual(await page.has(6), range(1, 6));
    assert.equal(await page.gaps(), 0);
    await page.browserContext().close();
  });

  test('a hidden page lets its connection go, and has everything once it is shown', async () => {
    const page = await listener('chat-hidden', {share: false, hidden: 500, params: {tag: 'hidden'}});
    await page.isOpen('ws');
    const other = await firefox.page('about:blank', page.browserContext());
    await eventually(() => page.evaluate(() => document.visibilityState === 'hidden'), 'it is hidden');
    await page.isOpen('poll');
    await eventually(async () => await held('hidden') === 0, 'no connection is held');
    publish('chat-hidden', 1, 3);
    await other.close();
    await page.bringToFront();
    await page.isOpen('ws');
    assert.deepEqual(await page.has(3), range(1, 3));
    await page.browserContext().close();
  });

  test('a page that keeps its place goes on there when it is loaded again', async () => {
    const context = await firefox.context(), options = {share: false, persist: 'session'};
    const page = await listener('chat-again', options, context);
    await page.isOpen('ws');
    publish('chat-again', 1, 2);
    await page.has(2);
    await page.goto('about:blank');
    publish('chat-again', 3, 4);
    await listen(await firefox.again(page, halley.url), 'chat-again', options);
    publish('chat-again', 5, 5);
    assert.deepEqual(await page.has(3), [3, 4, 5]);
    await context.close();
  });

  test("a page that comes out of the browser's cache has what it missed", async () => {
    const page = await listener('chat-cache', {share: false, transports: ['poll'], interval: 500});
    await page.isOpen('poll');
    publish('chat-cache', 1, 2);
    await page.has(2);
    await page.goto(`${halley.url}chart.js`);
    publish('chat-cache', 3, 4);
    await goBack(page, 'style.css');
    assert.deepEqual(await page.has(4), range(1, 4));
    await page.browserContext().close();
  });

  test('a link that is followed while the WebSocket opens costs the next page nothing', async () => {
    const page = await firefox.bare(halley.url);
    await page.evaluate(() => {
      const {ws} = Halley.transports, {run} = ws;
      ws.run = turn => {
        const running = run(turn);
        location.href = '/chart.js';
        return running;
      };
    });
    await listen(page, 'chat-link', {share: false});
    await eventually(() => page.evaluate(() => location.pathname === '/chart.js').catch(() => false), 'the next page');
    await listen(await firefox.again(page, halley.url), 'chat-link', {share: false});
    await page.isOpen('ws');
    await page.browserContext().close();
  });

  test('a long poll that breaks for a download goes on', async () => {
    let asked = 0;
    const elsewhere = createServer((request, response) => {
      asked++;
      response.writeHead(204).end(); // as a download: the page stays
    });
    await new Promise(done => elsewhere.listen(0, '127.0.0.1', done));
    try {
      const page = await listener('chat-download', {share: false, transports: ['wait', 'poll'], interval: 200});
      await page.isOpen('wait');
      for (let i = 1; i <= 4; i++) {
        await page.evaluate(url => { setTimeout(() => { location.href = url; }); }, `http://127.0.0.1:${elsewhere.address().port}/`);
        await eventually(() => asked >= i, 'the link is followed');
        await page.isOpen('wait');
      }
      publish('chat-download', 1, 3);
      assert.deepEqual(await page.has(3), range(1, 3));
      await page.isOpen('wait');
      await page.browserContext().close();
    } finally {
      elsewhere.closeAllConnections();
      elsewhere.close();
    }
  });

  test('where the WebSocket does not come through it steps down to the event stream', async () => {
    const page = await firefox.bare(halley.url);
    await page.evaluate(() => {
      window.WebSocket = class extends WebSocket { constructor() { super(`${location.origin.replace('http', 'ws')}/nothing-here`); } };
    });
    await listen(page, 'chat-down', {share: false});
    await page.isOpen('events');
    publish('chat-down', 1, 3);
    assert.deepEqual(await page.has(3), range(1, 3));
    await eventually(() => firefox.refusals.length, 'the refusal is told');
    assert.deepEqual(firefox.refusals.splice(0), [`404 ${halley.url}nothing-here`]);
    await page.browserContext().close();
  });

  for (const [transport, posts] of [['ws', 0], ['events', 1]]) {
    test(`it publishes, open by ${transport}, and is told what it may not`, async () => {
      const channel = `chat-by-${transport}`, page = await listener(channel, {share: false, transports: [transport]}), posted = [];
      page.on('request', request => { if (request.method() === 'POST') posted.push(request.url()); });
      await page.isOpen(transport);
      const {id} = await page.evaluate(name => window.halley.publish(name, {text: '\u2028 \u{1f600}'}), channel);
      assert.match(id, /^\d+-\d+$/);
      assert.deepEqual(await page.has(1), [{text: '\u2028 \u{1f600}'}]);
      await eventually(() => posted.length >= posts, 'the request is told');
      assert.equal(posted.length, posts);
      assert.match(await page.evaluate(() => window.halley.publish('monitor', 1).catch(error => error.message)), /channel/);
      await eventually(() => firefox.refusals.length >= posts, 'the refusal is told');
      assert.equal(firefox.refusals.splice(0).length, posts);
      await page.browserContext().close();
    });
  }

  test('history is read by pages, and a channel by for await', async () => {
    const page = await listener('chat-read', {share: false});
    await page.isOpen('ws');
    publish('chat-read', 1, 5);
    await page.has(5);
    const pages = await page.evaluate(async () => {
      const last = await window.halley.history('chat-read', {limit: 2});
      const before = await window.halley.history('chat-read', {limit: 10, before: last.messages[0].id});
      return [last, before].map(({messages, more}) => [messages.map(m => m.data), more]);
    });
    assert.deepEqual(pages, [[[4, 5], true], [[1, 2, 3], false]]);
    await page.evaluate(() => {
      window.read = [];
      (async () => {
        for await (const {data} of window.halley.messages('chat-read', {since: '-3'})) {
          window.read.push(data);
          if (data === 7) break;
        }
        window.read.push('over');
      })();
    });
    await eventually(() => page.evaluate(() => window.read.length >= 3), 'what was is read');
    publish('chat-read', 6, 8);
    await page.has(8);
    await eventually(() => page.evaluate(() => window.read.includes('over')), 'the loop ends');
    assert.deepEqual(await page.evaluate(() => window.read), [3, 4, 5, 6, 7, 'over']);
    await page.browserContext().close();
  });
});

describe('the pages in Firefox', () => {
  test('two browsers chat, and redis-cli too', async () => {
    const pages = [await open('chat.html'), await open('chat.html')];
    const line = text => Promise.all(pages.map(page => shows(page, '#log .text', text)));
    await Promise.all(pages.map(live));
    for (const [i, page] of pages.entries()) {
      await page.bringToFront();
      await page.type('#user', `user ${i}`);
      await say(page, `said by ${i}`);
      await line(`said by ${i}`);
    }
    halley.publish('chat', {user: '<i>x</i>', text: '<img src=x onerror="document.title=1">'});
    await line('<img src=x onerror="document.title=1">');
    for (const page of pages) {
      assert.deepEqual(await texts(page, '#log .text'), ['said by 0', 'said by 1', '<img src=x onerror="document.title=1">']);
      assert.equal((await texts(page, '#log .mine')).length, 1);
      assert.equal((await texts(page, '#log img, #log i')).length, 0);
      await page.browserContext().close();
    }
  });

  test('who leaves the chat and comes back by the button has every line, once', async () => {
    const page = await open('chat.html');
    await live(page);
    for (let n = 1; n <= 3; n++) halley.publish('chat', `line ${n}`);
    await shows(page, '#log .text', 'line 3');
    await page.goto(`${halley.url}style.css`);
    for (let n = 4; n <= 6; n++) halley.publish('chat', `line ${n}`);
    await goBack(page, 'chat.html');
    await live(page);
    halley.publish('chat', 'line 7');
    await shows(page, '#log .text', 'line 7');
    assert.deepEqual((await texts(page, '#log .text')).filter(text => text.startsWith('line ')), range(1, 7).map(n => `line ${n}`));
    await page.browserContext().close();
  });

  test('the index hears the page and the shell', async () => {
    const page = await open('');
    await live(page);
    await say(page, 'said by the page');
    await shows(page, '#feed li > div:last-child', 'said by the page');
    const line = await eventually(async () => (await textOf(page, '#line')).includes('redis.sock') && textOf(page, '#line'), 'the page knows where Redis is');
    execFileSync('sh', ['-c', line.replace('"hi"', '"said by the shell"')], {cwd: '/'});
    await shows(page, '#feed li > div:last-child', 'said by the shell');
    await page.browserContext().close();
  });

  /* What moves by itself on a page: a function of it that says so, and what must be there first. */
  const MOVING = {
    'monitor.html': () => [...document.querySelectorAll('#tiles svg path:last-of-type')].map(path => path.getAttribute('d') || '').join().replace(/^((?!L).)*$/, ''),
    'ticker.html': () => [...document.querySelectorAll('#board .price')].map(price => price.textContent).join(),
    'scoreboard.html': () => document.querySelector('#told .kickoff') && document.getElementById('minute').textContent,
    'status.html': () => document.getElementById('figures').hidden ? '' : document.getElementById('processes').textContent
  };
  for (const [path, look] of Object.entries(MOVING)) {
    test(`${path} moves`, async () => {
      const page = await open(path);
      const first = await eventually(() => page.evaluate(look), 'it shows something');
      await eventually(async () => await page.evaluate(look) !== first, 'it moves');
      await page.browserContext().close();
    });
  }

  test('in the lab all techniques hear every message once and in order', async () => {
    const page = await open('lab.html');
    await page.$eval('#rate', input => { input.value = 20; });
    await page.$eval('#interval', input => { input.value = 200; });
    await page.click('#go');
    const heard = () => page.evaluate(() => TECHNIQUES.map(({name, samples}) => [name, samples.map(({n}) => n)]));
    await eventually(async () => (await heard()).every(([, ns]) => ns.length >= 10), 'ten messages each');
    assert.equal(await textOf(page, '#state'), 'live (8 at once)');
    const all = await heard();
    assert.deepEqual(all.map(([name]) => name), TECHNIQUES);
    for (const [name, ns] of all) assert.deepEqual(ns, range(1, ns.length), name);
    await page.click('#go');
    await shows(page, '#state', 'stopped');
    await page.browserContext().close();
  });

  test("other systems' clients hear redis-cli and the page, once each and in order", async () => {
    const page = await open('dialects.html');
    await shows(page, '#state', 'all five are live');
    const wanted = ['said by the page', 'just words', 'line 5', 'line 4', 'line 3', 'line 2', 'line 1'];
    for (let n = 1; n <= 5; n++) halley.publish('chat', {user: 'cron', text: `line ${n}`});
    halley.publish('chat', 'just words');
    for (const name of CLIENTS) await shows(page, `[data-client="${name}"] .feed .text`, 'just words');
    await say(page, 'said by the page');
    for (const name of CLIENTS) {
      await shows(page, `[data-client="${name}"] .feed .text`, 'said by the page');
      assert.deepEqual(await texts(page, `[data-client="${name}"] .feed .text`), wanted, name);
    }
    await page.browserContext().close();
  });
});
