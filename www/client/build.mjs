/* Builds what is served and what is packed of the modules in this folder (`make client`):
 *
 *   ../halley.js, ../halley-legacy.js   the classic scripts of a site; they stand in the repository, so
 *                                       that a checkout serves them without npm
 *   ../dist/                            the package halley-client, of `npm pack`
 *
 *   node build.mjs [--site FOLDER]      FOLDER: the site's scripts go there, and nothing else is built
 *
 * esbuild is npm's: of this package, or of the browser tests, or fetched for the occasion. */
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url)), www = join(here, '..');
const pack = JSON.parse(readFileSync(join(www, 'package.json')));

function find(name) {
  for (const folder of [www, join(www, '../tests/browser')]) {
    try { return createRequire(join(folder, 'package.json'))(name); } catch (e) { /* not there */ }
  }
  const folder = mkdtempSync(join(tmpdir(), 'halley-client-'));
  process.on('exit', () => rmSync(folder, {recursive: true, force: true}));
  execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, `${name}@${pack.devDependencies[name]}`],
    {stdio: ['ignore', 'ignore', 'inherit']});
  return createRequire(join(folder, 'package.json'))(name);
}
const esbuild = find('esbuild');

/* Members that begin with "_" are this client's own, and shortened alike in all files, but those that tests look at. */
let mangleCache = {};
async function build(options) {
  const made = await esbuild.build({
    absWorkingDir: here, bundle: true, minify: true, target: 'es2020', legalComments: 'none', logLevel: 'warning',
    mangleProps: /^_/, reserveProps: /^_(emit|yield|tell)$/, mangleCache, ...options
  });
  ({mangleCache} = made);
}

const site = process.argv[2] === '--site' ? process.argv[3] : www, modules = ['index', 'core', 'streams', 'legacy'];
const says = name => ({js: `/* ${name} of Halley ${pack.version}: built of www/client by "make client"; halley.d.ts says what it does. */\n"use strict";`});
const required = {js: 'if(typeof module=="object"&&module.exports)module.exports=globalThis.Halley;'};
await build({entryPoints: {halley: 'global.js'}, outdir: site, format: 'iife', banner: says('The client'), footer: required});
await build({entryPoints: {'halley-legacy': 'legacy-global.js'}, outdir: site, format: 'iife', banner: says('Further transports')});
if (site === www) {
  const outdir = join(www, 'dist'), common = {outdir, sourcemap: true, entryPoints: modules.map(name => `${name}.js`)};
  rmSync(outdir, {recursive: true, force: true});
  await build({...common, format: 'esm', splitting: true, outExtension: {'.js': '.mjs'}});
  await build({...common, format: 'cjs', outExtension: {'.js': '.cjs'}});
  await build({...common, entryPoints: {global: 'global.js', 'legacy.global': 'legacy-global.js'}, format: 'iife', footer: required});
}
