/* What a page has to load, and that it is what the sources say. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';

const WWW = fileURLToPath(new URL('../../../www/', import.meta.url));

for (const [file, most] of [['halley.js', 9220], ['halley-legacy.js', 1500]]) {
  test(`${file} stays under ${most} bytes gzipped`, () => {
    const size = gzipSync(readFileSync(WWW + file), {level: 9}).length;
    assert.ok(size < most, `${size} bytes`);
  });
}

test('the scripts of a site are what "make client" builds of the modules', t => {
  const folder = mkdtempSync(join(tmpdir(), 'halley-site-'));
  t.after(() => rmSync(folder, {recursive: true}));
  execFileSync('node', [WWW + 'client/build.mjs', '--site', folder]);
  for (const file of ['halley.js', 'halley-legacy.js'])
    assert.equal(readFileSync(WWW + file, 'utf8'), readFileSync(join(folder, file), 'utf8'), `${file}: run "make client"`);
});

test('one version is told everywhere', async () => {
  const {Halley} = await import('../../../www/halley.mjs');
  const [, version] = /^VERSION = (\S+)$/m.exec(readFileSync(WWW + '../Makefile', 'utf8'));
  assert.equal(Halley.version, version);
  assert.equal(JSON.parse(readFileSync(WWW + 'package.json')).version, version);
});
