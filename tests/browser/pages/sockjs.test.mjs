/*
 * npm's sockjs-client in Chromium, on a page of another site: each of its transports that a browser
 * of today has, so every kind of request and both sides of the page for old browsers. What it
 * sends comes back to it by the channel, what redis-cli publishes comes too, once each and in order.
 */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {createServer} from 'node:http';
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const CLIENT = readFileSync(join(dirname(createRequire(import.meta.url).resolve('sockjs-client/package.json')),
  'dist/sockjs.min.js'), 'utf8');

/* transport: the requests by which one can tell it, behind the session's path */
const TRANSPORTS = {
  'websocket': ['websocket'],
  'xhr-streaming': ['xhr_streaming', 'xhr_send'],
  'eventsource': ['eventsource', 'xhr_send'],
  'iframe-eventsource': ['iframe.html', 'eventsource', 'xhr_send'],
  'iframe-htmlfile': ['iframe.html', 'htmlfile', 'xhr_send'],
  'xhr-polling': ['xhr', 'xhr_send'],
  'iframe-xhr-polling': ['iframe.html', 'xhr', 'xhr_send'],
  'jsonp-polling': ['jsonp', 'jsonp_send']
};

/* Another site, which has nothing but an empty page and the client. */
async function otherSite() {
  const server = createServer((request, response) => {
    const script = request.url === '/sockjs.min.js';
    response.writeHead(200, {'Content-Type': script ? 'text/javascript' : 'text/html'});
    response.end(script ? CLIENT : '<!DOCTYPE html><title>elsewhere</title><script src="/sockjs.min.js"></script><body>');
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  return {server, url: `http://127.0.0.1:${server.address().port}`};
}

for (const name of SERVERS) {
  describe(`sockjs-client in Chromium on ${name}`, () => {
    let halley, site, context;

    before(async () => {
      site = await otherSite();
      halley = await Running.start(name, {HALLEY_ORIGINS: site.url, HALLEY_PROCESSES: '2'});
      context = await halley.browser();
      await context.route(`${halley.url}sockjs.min.js`, route =>
        route.fulfill({contentType: 'text/javascript', body: CLIENT}));
    });
    after(async () => {
      if (halley) await halley.stop();
      if (site) site.server.close();
    });

    for (const [transport, kinds] of Object.entries(TRANSPORTS)) {
      test(`${transport} has every text once and in order`, async () => {
        const page = await context.newPage(), asked = [], wanted = [];
        page.on('request', request => asked.push(new URL(request.url()).pathname.split('/').pop()));
        page.on('websocket', socket => asked.push(new URL(socket.url()).pathname.split('/').pop()));
        await page.goto(site.url);
        await page.evaluate(([url, only]) => {
          window.heard = [];
          window.socket = new SockJS(url, null, {transports: [only], timeout: 60000});
          window.socket.onmessage = event => window.heard.push(event.data);
        }, [`${halley.url}sockjs/room`, transport]);
        const heard = () => page.evaluate(() => window.heard);
        await until(() => page.evaluate(() => window.socket.readyState === SockJS.OPEN), `${transport} is open`, 60);

        for (let i = 0; i < 2; i++) {
          const own = `${transport} ${i} \u2028 \u{1f600} </script> "' \\`;
          await page.evaluate(text => window.socket.send(text), own);
          wanted.push(own);
          await until(async () => (await heard()).length === wanted.length, `${transport}: its own`, 60);
          for (let k = 0; k < 3; k++) {
            halley.publish('chat', `${i}.${k}`);
            wanted.push(`${i}.${k}`);
          }
          await until(async () => (await heard()).length >= wanted.length, `${transport}: what redis-cli says`, 60);
        }
        assert.deepEqual(await heard(), wanted);
        for (const kind of kinds) assert.ok(asked.includes(kind), `${transport} does not ask for ${kind}: ${asked}`);
        await page.close();
      });
    }

    test('a page of a site that is not listed is refused', async () => {
      const stranger = await otherSite();
      try {
        const page = await context.newPage();
        await page.goto(stranger.url);
        const code = await page.evaluate(url => new Promise(done => {
          const socket = new SockJS(url, null, {transports: ['xhr-polling', 'websocket', 'jsonp-polling']});
          socket.onopen = () => done('open');
          socket.onclose = event => done(event.code);
        }), `${halley.url}sockjs/room`);
        assert.notEqual(code, 'open');
        await page.close();
      } finally {
        stranger.server.close();
      }
    });
  });
}
