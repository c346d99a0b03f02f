/* The examples for React and Vue, and pages that carry their cursor (doc/pages). */
import assert from 'node:assert/strict';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, before, beforeEach, test} from 'node:test';
import {fileURLToPath, pathToFileURL} from 'node:url';
import React from 'react';
import {act, create} from 'react-test-renderer';
import {effectScope, nextTick, ref} from 'vue';
import {Paper, range} from '../lib/paper-client.mjs';
import {until} from '../lib/until.mjs';

const DOC = new URL('../../../doc/pages/', import.meta.url), HERE = fileURLToPath(new URL('..', import.meta.url));
let paper, server, folder, react, vue;

/* They are copied to where their frameworks are, as a user does. */
before(async () => {
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  folder = mkdtempSync(join(HERE, 'node_modules/.doc-'));
  const copied = name => {
    writeFileSync(join(folder, name), readFileSync(new URL(name, DOC)));
    return import(pathToFileURL(join(folder, name)));
  };
  react = (await copied('use-channel-react.mjs')).useChannel;
  vue = (await copied('use-channel-vue.mjs')).useChannel;
});
after(() => rmSync(folder, {recursive: true, force: true}));
beforeEach(async () => { paper = await Paper.open(); ({server} = paper); });
afterEach(() => paper.close());
const waits = (...names) => until(() => server.waiting.size === 1 && server.requests.at(-1).channels.join() === names.join(), `a wait for ${names}`);

test('a React component shows its channel, changes it, and leaves it', async t => {
  t.mock.method(console, 'error', () => {}); // React speaks of its own renderer's age
  const halley = paper.client();
  let shown;
  const Room = ({name}) => {
    shown = react(halley, name, {keep: 3});
    return null;
  };
  let root;
  await act(async () => { root = create(React.createElement(Room, {name: 'a'})); await waits('a'); });
  await act(async () => { server.publish('a', ...range(1, 5)); await until(() => halley.got.length === 5); });
  assert.deepEqual(shown[0].map(m => m.data), [3, 4, 5]);
  assert.deepEqual(shown.slice(1), ['open', false]);
  await act(async () => { root.update(React.createElement(Room, {name: 'b'})); await waits('b'); });
  await act(async () => { server.publish('a', 6); server.publish('b', 7); await until(() => halley.got.length === 6); });
  assert.deepEqual(shown[0].map(m => m.data), [7]);
  await act(async () => root.unmount());
  await until(() => !halley._names().length);
});

test('a Vue composable does the same', async () => {
  const halley = paper.client(), room = ref('a'), scope = effectScope(), {messages, state, gap} = scope.run(() => vue(halley, room, {keep: 3}));
  await waits('a');
  server.publish('a', ...range(1, 5));
  await until(() => messages.value.length === 3);
  assert.deepEqual(messages.value.map(m => m.data), [3, 4, 5]);
  assert.deepEqual([state.value, gap.value], ['open', false]);
  room.value = 'b';
  await nextTick();
  await waits('b');
  server.publish('a', 6);
  server.publish('b', 7);
  await until(() => messages.value.length === 1);
  assert.deepEqual(messages.value.map(m => m.data), [7]);
  scope.stop();
  await until(() => !halley._names().length);
});

for (const how of ['attribute', 'batch']) {
  test(`what is published between rendering and the first request is not missed: the page carries its ${how}`, async () => {
    let n = 0;
    for (let i = 0; i < 100; i++) {
      const rendered = await (await fetch(`${server.base}/poll?channel=chat&since=-1`)).json();
      server.publish('chat', ++n); // in the hole
      const element = {getAttribute: () => how === 'batch' ? '' : rendered.cursor, textContent: JSON.stringify(rendered)};
      paper.window({hidden: false, querySelector: what => what === '[data-halley-cursor]' ? element : null});
      const halley = paper.client({transports: ['wait']});
      halley.subscribe('chat');
      await until(() => halley.got.length, `message ${n}`);
      assert.deepEqual(halley.got, [n]);
      halley.close();
    }
  });
}

test('a page whose cursor is no cursor begins as if it had none', async () => {
  for (const element of [{getAttribute: () => '', textContent: '[an error occurred while processing this directive]'}, {getAttribute: () => '', textContent: ''}]) {
    paper.window({hidden: false, querySelector: () => element});
    const halley = paper.client();
    assert.equal(halley.cursor, '');
  }
});
