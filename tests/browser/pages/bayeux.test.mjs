/*
 * npm's faye and cometd in Chromium, by each of their transports that a browser of today has, on a page of
 * this site and on one of another. What they publish comes back to them, what redis-cli publishes comes
 * too, once each and in order; a session that is lost is followed by another.
 */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {bare, offerClients, otherSite} from '../lib/elsewhere.mjs';
import {Running, SERVERS} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const FAYE = 'faye/client/faye-browser-min.js';

/* In the page: connects by one transport, and fills window.heard. */
async function fayeIn([url, channel, without]) {
  const client = window.client = new Faye.Client(url, {timeout: 60, retry: 0.2});
  for (const transport of without) client.disable(transport);
  await client.subscribe(channel, data => window.heard.push(data));
  window.say = data => client.publish(channel, data);
  window.transport = () => client._dispatcher.connectionType;
}

async function cometdIn([url, channel, without, acknowledges]) {
  const {CometD, AckExtension} = await import('/npm/cometd/cometd.js');
  const client = window.client = new CometD();
  for (const transport of without) client.unregisterTransport(transport);
  if (acknowledges) client.registerExtension('ack', new AckExtension());
  client.configure({url, backoffIncrement: 100, maxBackoff: 300, logLevel: 'error'});
  await new Promise((done, fail) => {
    client.addListener('/meta/handshake', reply => {
      if (reply.successful) client.subscribe(channel, message => window.heard.push(message.data),
        answer => (answer.successful ? done() : fail(new Error(answer.error))));
    });
    client.handshake();
  });
  window.say = data => new Promise(done => client.publish(channel, data, done));
  window.transport = () => client.getTransport().type;
}

const faye = (transport, asked, ...without) => ({client: 'faye', start: fayeIn, transport, asked, without});
const cometd = (transport, asked, ...without) => ({client: 'cometd', start: cometdIn, transport, asked, without});

/* asked: the requests by which the transport can be told, and nothing else does what they do */
const HERE = [
  faye('websocket', ['WebSocket']),
  faye('eventsource', ['eventsource GET', 'xhr POST application/json'], 'websocket'),
  faye('long-polling', ['xhr POST application/json'], 'websocket', 'eventsource'),
  faye('callback-polling', ['script GET'], 'websocket', 'eventsource', 'long-polling'),
  cometd('websocket', ['WebSocket'], 'long-polling', 'callback-polling'),
  cometd('long-polling', ['xhr POST application/json'], 'websocket', 'callback-polling'),
  cometd('callback-polling', ['script GET'], 'websocket', 'long-polling')
];
const ELSEWHERE = [
  faye('websocket', ['WebSocket']),
  faye('cross-origin-long-polling', ['xhr POST text/plain'], 'websocket'),
  faye('callback-polling', ['script GET'], 'websocket', 'cross-origin-long-polling'),
  cometd('websocket', ['WebSocket'], 'long-polling', 'callback-polling'),
  cometd('long-polling', ['xhr POST application/json'], 'websocket', 'callback-polling'),
  cometd('callback-polling', ['script GET'], 'websocket', 'long-polling')
];

/* What a page asks Bayeux for, each kind once. */
function listen(page) {
  const asked = new Set();
  page.on('websocket', () => asked.add('WebSocket'));
  page.on('request', request => {
    if (!new URL(request.url()).pathname.startsWith('/bayeux')) return;
    const kind = request.resourceType() === 'fetch' ? 'xhr' : request.resourceType();
    const type = (request.headers()['content-type'] || '').split(';')[0];
    asked.add([kind, request.method(), type].filter(Boolean).join(' '));
  });
  return asked;
}

for (const server of SERVERS) {
  describe(`Bayeux in Chromium on ${server}`, () => {
    let halley, site, context, n = 0;

    before(async () => {
      site = await otherSite();
      halley = await Running.start(server, {HALLEY_ORIGINS: site.url.slice(0, -1), HALLEY_PROCESSES: '2', HALLEY_TIMEOUT: '3'});
      context = await halley.browser();
      await offerClients(context);
    });
    after(async () => {
      if (halley) await halley.stop();
      if (site) site.close();
    });

    async function start({client, start, without}, url, acknowledges) {
      const page = await bare(context, url, ...(client === 'faye' ? [FAYE] : []));
      const asked = listen(page), channel = `chat-${++n}`;
      await page.evaluate(() => { window.heard = []; });
      await page.evaluate(start, [`${halley.url}bayeux`, `/${channel}`, without, acknowledges]);
      return {page, asked, channel, heard: () => page.evaluate(() => window.heard)};
    }

    const has = (open, way) => until(async () => await open.page.evaluate(() => window.transport()) === way.transport, way.transport, 60);

    async function converse({page, channel, heard}, rounds) {
      const wanted = [];
      for (let i = 0; i < rounds; i++) {
        wanted.push({own: `${i} \u2028 \u{1f600} </script> "' \\`});
        await page.evaluate(data => window.say(data), wanted.at(-1));
        await until(async () => (await heard()).length >= wanted.length, `its own ${i}`, 60);
        for (let k = 0; k < 3; k++) {
          halley.publish(channel, {i, k, text: '\u2029 </script>'});
          wanted.push({i, k, text: '\u2029 </script>'});
        }
        await until(async () => (await heard()).length >= wanted.length, `redis-cli's ${i}`, 60);
      }
      assert.deepEqual(await heard(), wanted);
    }

    async function lose(ways) {
      const pages = await Promise.all(ways.map(way => start(way, `${halley.url}style.css`)));
      await Promise.all(pages.map((open, i) => has(open, ways[i])));
      const keys = halley.redis('--scan', '--pattern', 'halley.session:*');
      if (keys) halley.redis('DEL', ...keys.split('\n'));
      await Promise.all(pages.map(async ({page, heard}, i) => {
        await until(async () => {
          await page.evaluate(() => { window.say('again'); });
          return (await heard()).includes('again');
        }, `${ways[i].client} by ${ways[i].transport} hears again`, 60);
        await page.close();
      }));
    }

    // Chromium has six connections to a host: three pages hold no more.
    for (const [where, ways, rounds] of [['this site', HERE, 2], ['another site', ELSEWHERE, 1]]) {
      describe(`on a page of ${where}`, {concurrency: 3}, () => {
        for (const way of ways) {
          test(`${way.client} by ${way.transport} has all once and in order`, async () => {
            // cometd with its acknowledgements on one of the two
            const open = await start(way, where === 'this site' ? `${halley.url}style.css` : site.url, where === 'this site');
            await has(open, way);
            await converse(open, rounds);
            await has(open, way);
            for (const kind of way.asked) assert.ok(open.asked.has(kind), `no ${kind} among ${[...open.asked]}`);
            await open.page.close();
          });
        }
      });
    }

    // which asks nothing of a web server
    if (server === SERVERS[0]) {
      test('a page whose session is gone has another, and hears again', async () => {
        for (let i = 0; i < HERE.length; i += 3) await lose(HERE.slice(i, i + 3));
      });
    }

    test('a page of a site that is not listed hears nothing', async () => {
      const stranger = await otherSite();
      try {
        for (const transport of ['long-polling', 'websocket']) {
          const page = await bare(context, stranger.url);
          const successful = await page.evaluate(async ([url, only]) => {
            const {CometD} = await import('/npm/cometd/cometd.js');
            const client = new CometD();
            for (const one of ['websocket', 'long-polling', 'callback-polling']) if (one !== only) client.unregisterTransport(one);
            client.configure({url, logLevel: 'error'});
            return new Promise(done => client.handshake(reply => done(reply.successful)));
          }, [`${halley.url}bayeux`, transport]);
          assert.equal(successful, false, transport);
          await page.close();
        }
      } finally {
        stranger.close();
      }
    });
  });
}
