/* JSONP of halley-legacy.js, in a page of paper: its scripts come when the test says so. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import vm from 'node:vm';

const LEGACY = readFileSync(new URL('../../../www/halley-legacy.js', import.meta.url), 'utf8');
const LONG = 60000; // it does not come to that

/* The transport, and the scripts that it has put into its page. */
function page() {
  const scripts = [], root = {Halley: {transports: {}}};
  const document = {
    createElement: () => ({remove() { this.gone = true; }}),
    head: {append: script => scripts.push(script)}
  };
  const patience = (fn, ms, ...args) => ms < LONG && setTimeout(fn, ms, ...args);
  vm.runInNewContext(LEGACY, {self: root, document, AbortController, setTimeout: patience});
  const control = new AbortController();
  const ask = ms => root.Halley.transports.jsonp.ask(null, '/comet/wait?channel=chat', control.signal, undefined, ms);
  // As a browser does: the script is run, whether it is still in the page or not, then it has loaded.
  const comes = (script, batch) => {
    const name = /callback=(\w+)$/.exec(script.src)[1];
    vm.runInNewContext(`${name}(batch)`, Object.assign(Object.create(root), {batch}));
    script.onload();
  };
  const left = () => Object.keys(root).filter(name => name.startsWith('halley_'));
  return {scripts, ask, comes, left, leave: () => control.abort()};
}

test('an answer is given, and leaves nothing in the page', async () => {
  const {scripts, ask, comes, left} = page();
  const answer = ask(LONG);
  comes(scripts[0], {messages: []});
  assert.deepEqual(await answer, {messages: []});
  assert.equal(scripts[0].gone, true);
  assert.deepEqual(left(), []);
});

test('a script that comes when nobody waits any more finds what it calls, and leaves nothing', async () => {
  for (const late of ['too late', 'abandoned']) {
    const {scripts, ask, comes, left, leave} = page();
    const answer = ask(late === 'too late' ? 1 : LONG);
    if (late === 'abandoned') leave();
    await assert.rejects(answer, late === 'too late' ? /no answer/ : /abandoned/);
    assert.equal(scripts[0].gone, true);
    comes(scripts[0], {messages: []});
    assert.deepEqual(left(), [], late);
  }
});

test('a script that is refused leaves nothing in the page, whenever that is known', async () => {
  for (const late of [false, true]) {
    const {scripts, ask, left, leave} = page();
    const answer = ask(LONG);
    if (late) leave();
    else scripts[0].onerror();
    await assert.rejects(answer, late ? /abandoned/ : /refused/);
    if (late) scripts[0].onerror();
    await null;
    assert.deepEqual(left(), []);
  }
});
