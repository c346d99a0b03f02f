/* What a page has to load. */
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {gzipSync} from 'node:zlib';

test('halley.js stays under 6 kB gzipped', () => {
  const size = gzipSync(readFileSync(new URL('../../../www/halley.js', import.meta.url)), {level: 9}).length;
  assert.ok(size < 6000, `${size} bytes`);
});
