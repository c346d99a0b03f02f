/*
 * What SockJS serves beside sessions, held against the reference server (npm's sockjs): the page for
 * old browsers is the same to the byte, and the rest has the same form.
 */
import assert from 'node:assert/strict';
import {randomUUID} from 'node:crypto';
import {createServer} from 'node:http';
import {after, before, describe, test} from 'node:test';
import sockjs from 'sockjs';
import {Running, SERVERS} from '../lib/running.mjs';

const CLIENT = '/sockjs.min.js'; // where Halley says that it is unless sockjs_url does

async function get(url, headers = {}) {
  const answer = await fetch(url, {headers});
  return {status: answer.status, headers: answer.headers, body: await answer.text()};
}

/* What a session of that kind begins with, up to the frame `o`, and what is said of it. */
async function beginning(base, method, path) {
  const stop = new AbortController(), answer = await fetch(`${base}/0/${randomUUID()}/${path}`, {method, signal: stop.signal});
  let text = '';
  for await (const piece of answer.body) {
    text += Buffer.from(piece).toString();
    if (/o"?(\);)?\s*(<\/script>)?\s*$/.test(text)) break;
  }
  stop.abort();
  // lighttpd has a name of its own for scripts
  const type = answer.headers.get('content-type').toLowerCase().replace('text/javascript', 'application/javascript');
  return {text, type, status: answer.status, cache: answer.headers.get('cache-control').toLowerCase()};
}

const KINDS = [['POST', 'xhr'], ['POST', 'xhr_streaming'], ['GET', 'eventsource'], ['GET', 'htmlfile?c=window.hear'],
  ['GET', 'jsonp?c=window.hear']];

describe('beside the reference server', () => {
  let reference, theirs;

  before(async () => {
    reference = createServer();
    sockjs.createServer({sockjs_url: CLIENT, log: () => {}}).installHandlers(reference, {prefix: '/room'});
    await new Promise(done => reference.listen(0, '127.0.0.1', done));
    theirs = `http://127.0.0.1:${reference.address().port}/room`;
  });
  after(() => reference.close());

  for (const server of SERVERS) {
    describe(server, () => {
      let halley, ours;
      before(async () => {
        halley = await Running.start(server);
        ours = `${halley.url}sockjs/room`;
      });
      after(() => halley.stop());

      for (const path of ['/iframe.html', '/iframe-0.1.2.html', '/iframe-a.html?t=1234']) {
        test(`${path} is the same`, async () => {
          const [mine, other] = await Promise.all([get(ours + path), get(theirs + path)]);
          assert.equal(mine.status, other.status);
          assert.equal(mine.body, other.body);
          for (const name of ['content-type', 'cache-control'])
            assert.equal(mine.headers.get(name).toLowerCase(), other.headers.get(name).toLowerCase(), name);
          const again = answer => ({'If-None-Match': answer.headers.get('etag')});
          const [kept, keptThere] = await Promise.all([get(ours + path, again(mine)), get(theirs + path, again(other))]);
          assert.deepEqual([kept.status, kept.body], [keptThere.status, keptThere.body]);
        });
      }

      test('greeting and info have the same form', async () => {
        const [mine, other] = await Promise.all([get(ours), get(theirs)]);
        assert.equal(mine.body, other.body);
        const [told, toldThere] = (await Promise.all([get(`${ours}/info`), get(`${theirs}/info`)])).map(answer => JSON.parse(answer.body));
        assert.deepEqual(Object.keys(told).sort(), Object.keys(toldThere).sort());
        assert.deepEqual(told.origins, toldThere.origins);
        for (const name of Object.keys(told)) assert.equal(typeof told[name], typeof toldThere[name], name);
      });

      for (const [method, path] of KINDS) {
        test(`a session begins by ${path} with the same`, async () => {
          assert.deepEqual(await beginning(ours, method, path), await beginning(theirs, method, path));
        });
      }

      test('what is nothing is found by neither', async () => {
        for (const path of ['/a', '/a.html', '/a/a', '/iframe.htm', '/iframe', '/IFRAME.HTML', '/iframe.xml'])
          assert.equal((await get(ours + path)).status, (await get(theirs + path)).status, path);
      });
    });
  }
});
