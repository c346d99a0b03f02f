/* Every transport of halley.js in Firefox, behind the web servers: what redis-cli publishes comes once and
 * in order, whatever is killed or cut in the middle, and what is lost is told. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {Firefox, listen} from '../lib/firefox.mjs';
import {Running} from '../lib/running.mjs';
import {Wire} from '../lib/wire.mjs';

const SERVERS = (process.env.SERVERS || 'lighttpd nginx apache').split(/[ ,]+/);
const ALL = (process.env.TRANSPORTS || 'ws events stream xhr multipart iframe wait jsonp poll').split(' ');
const HELD = 3; // messages that the history holds after a gap
const range = (from, to) => Array.from({length: to - from + 1}, (_, i) => from + i);

describe('transports in Firefox', () => {
  let firefox, tabs;

  before(async () => {
    firefox = await Firefox.start();
    // Contexts of their own: one alone would run out of connections.
    tabs = await Promise.all(ALL.map(() => firefox.page('about:blank')));
  });
  after(async () => { if (firefox) await firefox.stop(); });

  for (const server of SERVERS) {
    describe(`on ${server}`, () => {
      const wanted = [];
      let halley, wire, pages, n = 0;

      before(async () => {
        halley = await Running.start(server, {HALLEY_JSONP: 'on', HALLEY_TAIL: '2'});
        wire = await Wire.to(halley.url);
        pages = await Promise.all(ALL.map(async (transport, i) => {
          const page = await firefox.again(tabs[i], wire.url);
          page.transport = transport;
          return listen(page, 'chat', {transports: [transport], interval: 200, maxBackoff: 2000, silence: 2000, patience: 4000, timeout: 2, hidden: 0});
        }));
        for (const page of pages) await page.isOpen(page.transport);
      });
      after(async () => {
        await Promise.all(tabs.map(tab => tab.goto('about:blank')));
        if (wire) wire.close();
        if (halley) await halley.stop();
      });

      function publish(count) {
        for (let i = 0; i < count; i++) {
          halley.publish('chat', ++n);
          wanted.push(n);
        }
      }
      async function allHave(gaps = 0) {
        for (const page of pages) {
          assert.deepEqual(await page.has(wanted.length).catch(error => assert.fail(`${page.transport}: ${error.message}`)), wanted, page.transport);
          assert.equal(await page.gaps(), gaps, `${page.transport}: gaps`);
        }
      }

      test('each delivers', async () => {
        publish(10);
        await allHave();
      });

      test('the application is killed in the middle: each has everything, once', async () => {
        publish(5);
        halley.killApplication();
        publish(5);
        await allHave();
        publish(1);
        await allHave();
      });

      // which asks nothing of a web server
      if (server === SERVERS[0]) {
        test('the network breaks and comes back: each has everything, once', async () => {
          publish(3);
          wire.cut();
          publish(3);
          wire.mend();
          publish(1);
          await allHave();
        });

        test('the network swallows everything and tells nobody: each finds out, and has everything, once', async () => {
          publish(3);
          wire.swallow();
          publish(3);
          wire.mend();
          publish(1);
          await allHave();
        });
      }

      test('of what the server no longer holds each is told a gap, and the rest', async () => {
        wire.cut();
        for (let i = 0; i < 10; i++) halley.redis('FCALL', 'halley_publish', '1', 'chat', String(++n), 'HISTORY', String(HELD));
        wanted.push(...range(n - HELD + 1, n));
        wire.mend();
        await allHave(1);
        publish(1);
        await allHave(1);
      });
    });
  }
});
