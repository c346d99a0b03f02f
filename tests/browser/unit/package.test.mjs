/* The package halley-client, as its users have it: packed, installed into a fresh project, imported,
 * required, bundled, and type-checked there. */
import assert from 'node:assert/strict';
import {execFile, execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import vm from 'node:vm';
import {gzipSync} from 'node:zlib';
import esbuild from 'esbuild';
import {rollup} from 'rollup';
import {build as vite} from 'vite';
import {PaperServer} from '../lib/paper-server.mjs';

const WWW = fileURLToPath(new URL('../../../www/', import.meta.url)), TESTS = fileURLToPath(new URL('..', import.meta.url));
let folder, project, server;

const put = (name, text) => { writeFileSync(join(project, name), text); return join(project, name); };
const size = text => gzipSync(text, {level: 9}).length;
/* What a program says on its standard output; the server must go on meanwhile. */
const run = (...args) => new Promise((done, fail) => execFile('node', args, {cwd: project}, (e, out, err) => e ? fail(new Error(err)) : done(out.trim())));

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halley-package-'));
  project = join(folder, 'project');
  mkdirSync(project);
  put('package.json', '{"name": "fresh", "private": true}');
  const [{filename}] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {cwd: WWW, stdio: ['ignore', 'pipe', 'ignore']}));
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, filename)], {cwd: project, stdio: 'ignore'});
  server = await new PaperServer().listen();
});
after(async () => {
  await server.close();
  rmSync(folder, {recursive: true, force: true});
});

/* A program that hears one message, and says it. `Halley` is what `how` imports. */
const heard = how => `${how}
const halley = new Halley('${server.base}', {share: false});
const stop = halley.subscribe('chat', m => { console.log(m.data); halley.close(); });
stop.ready.then(() => halley.publish('chat', 'heard'));
`;

test('it holds what its entries name, with maps, and nothing else', () => {
  const root = join(project, 'node_modules/halley-client'), pack = JSON.parse(readFileSync(join(root, 'package.json')));
  const files = readdirSync(root, {recursive: true}).map(String);
  const named = JSON.stringify(pack.exports).match(/\.\/[^"]+\.[a-z]+/g).map(name => name.slice(2));
  for (const name of named) assert.ok(files.includes(name), name);
  for (const name of files.filter(name => /^dist\/.*\.[mc]?js$/.test(name))) {
    const text = readFileSync(join(root, name), 'utf8'), map = JSON.parse(readFileSync(join(root, name + '.map')));
    assert.match(text, new RegExp(`sourceMappingURL=${name.slice(5)}.map`));
    if (map.sources.length) assert.ok(map.sourcesContent.length === map.sources.length, name);
  }
  assert.ok(files.includes('README.md'));
  assert.ok(!files.some(name => /\.html$|test|feeds/.test(name)));
});

test('it is imported and required by Node, and hears', async () => {
  const ways = {
    'esm.mjs': `import {Halley} from 'halley-client';`,
    'default.mjs': `import Halley from 'halley-client';`,
    'core.mjs': `import Halley from 'halley-client/core';`,
    'streams.mjs': `import {Halley} from 'halley-client/core'; import {stream} from 'halley-client/streams'; Object.assign(Halley.transports, {stream});`,
    'cjs.cjs': `const {Halley} = require('halley-client');`,
    'core.cjs': `const {Halley} = require('halley-client/core'); Object.assign(Halley.transports, require('halley-client/streams'), require('halley-client/legacy'));`,
    'global.cjs': `const Halley = require('halley-client/global');`,
    'global.mjs': `import 'halley-client/global'; const {Halley} = globalThis;`
  };
  const said = await Promise.all(Object.entries(ways).map(([name, how]) => run(put(name, heard(how)))));
  assert.deepEqual(said, said.map(() => 'heard'));
});

test('the classic script defines Halley', () => {
  const page = {setTimeout, AbortController, URL, console};
  vm.runInNewContext(readFileSync(join(project, 'node_modules/halley-client/dist/global.js'), 'utf8'), page);
  assert.equal(page.Halley.version, JSON.parse(readFileSync(join(WWW, 'package.json'))).version);
  assert.equal(new page.Halley().state, 'closed');
});

const bundlers = {
  async esbuild(entry) {
    const {outputFiles: [file]} = await esbuild.build({entryPoints: [entry], bundle: true, minify: true, format: 'esm', target: 'es2020', write: false});
    return file.text;
  },
  /* Without a plugin rollup knows no packages: where an entry lies is what the package's exports say. */
  async rollup(entry) {
    const lies = createRequire(entry), root = join(project, 'node_modules/halley-client'), {exports} = lies('halley-client/package.json');
    const resolveId = name => name.startsWith('halley-client') ? join(root, exports[name.replace('halley-client', '.')].import.default) : null;
    const {output: [{code}]} = await (await rollup({input: entry, plugins: [{name: 'packages', resolveId}]})).generate({format: 'es'});
    return code;
  },
  async vite(entry) {
    const [{output: [{code}]}] = await vite({root: project, logLevel: 'error', configFile: false,
      build: {write: false, target: 'es2020', lib: {entry, formats: ['es'], fileName: 'bundle'}}});
    return code;
  }
};
for (const [name, bundle] of Object.entries(bundlers)) {
  test(`${name} makes one file of it that hears, and of its core one without what nobody asked for`, async () => {
    const all = await bundle(put('all.js', heard(`import {Halley} from 'halley-client';`)));
    assert.equal(await run(put(`${name}-all.mjs`, all)), 'heard');
    assert.match(all, /WebSocket/);
    const core = await bundle(put('core.js', heard(`import {Halley} from 'halley-client/core';`)));
    assert.equal(await run(put(`${name}-core.mjs`, core)), 'heard');
    assert.ok(!/new (WebSocket|EventSource|BroadcastChannel)/.test(core));
    const some = await bundle(put('some.js', heard(`import {Halley} from 'halley-client/core'; import {stream} from 'halley-client/streams'; Object.assign(Halley.transports, {stream});`)));
    assert.equal(await run(put(`${name}-some.mjs`, some)), 'heard');
    assert.ok(!/new (WebSocket|EventSource|BroadcastChannel)/.test(some));
    assert.ok(!/import\s*[({"']|require\(/.test(all), 'nothing is loaded later');
  });
}

test('it is small', async () => {
  const of = async what => size(await bundlers.esbuild(put('size.js', `import {Halley} from '${what}'; globalThis.H = Halley;`)));
  const all = await of('halley-client'), core = await of('halley-client/core');
  assert.ok(all < 9400, `everything: ${all} bytes`);
  assert.ok(core < 6900, `core: ${core} bytes`);
});

test('its types say what a channel carries, in modules, in CommonJS and in a classic script', () => {
  const uses = `
type Payloads = {chat: {user: string}; ticker: number};
const halley = new Halley<Payloads>('/comet', {token: async () => 'x'});
const leave = halley.subscribe('chat', m => { const user: string = m.data.user; });
leave.ready.then(() => leave.on('gap', g => g.channels.length)());
// @ts-expect-error no such member
halley.subscribe('chat', m => m.data.nobody);
// @ts-expect-error a number
halley.subscribe('ticker', m => m.data.user);
halley.subscribe({pattern: 'news/*'}, m => m.data.anything);
halley.publish('ticker', 5);
// @ts-expect-error no number
halley.publish('ticker', 'five');
(async () => { for await (const m of halley.messages('ticker', {signal: new AbortController().signal})) m.data.toFixed(); })();
halley.history('chat', {limit: 5, before: '1-1'}).then(page => page.messages[0].data.user);
const plain = new Halley();
plain.subscribe('anything', m => m.data.whatever);
plain.subscribe<{a: number}>('anything', m => m.data.a.toFixed());
const version: string = Halley.version;
const own: Halley<Payloads> = halley;
`;
  put('esm.mts', `import {Halley} from 'halley-client';\nimport Same from 'halley-client/core';\nimport {ws} from 'halley-client/streams';\nObject.assign(Same.transports, {ws});\n${uses}`);
  put('cjs.cts', `import {Halley} from 'halley-client';\nimport legacy = require('halley-client/legacy');\nObject.assign(Halley.transports, {jsonp: legacy.jsonp});\n${uses}`);
  put('classic.ts', `/// <reference types="halley-client/global" />\n${uses}`);
  put('tsconfig.json', JSON.stringify({compilerOptions: {strict: true, noEmit: true, target: 'es2022', lib: ['es2022', 'dom'], module: 'nodenext', types: [], moduleDetection: 'auto'},
    files: ['esm.mts', 'cjs.cts', 'classic.ts']}));
  const tsc = join(TESTS, 'node_modules/typescript/bin/tsc');
  try { execFileSync('node', [tsc, '-p', project], {encoding: 'utf8'}); } catch (e) { assert.fail(e.stdout); }
});
