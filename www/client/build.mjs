/* Builds what is served and what is packed of the modules in this folder (`make client`):
 *
 *   ../halley.js, ../halley-legacy.js   the classic scripts of a site; they stand in the repository, so
 *                                       that a checkout serves them without npm
 *   ../dist/                            the package halley-client, of `npm pack`
 *
 *   node build.mjs [--site FOLDER]      FOLDER: the site's scripts go there, and nothing else is built
 *
 * esbuild and terser are npm's: of this package, or of the browser tests, or fetched for the occasion. */
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
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
const esbuild = find('esbuild'), terser = find('terser');

/* Members that begin with "_" are this client's own, and shortened alike in all files, but those that tests look at. */
let mangleCache = {};
async function build(options) {
  const made = await esbuild.build({
    absWorkingDir: here, bundle: true, minify: true, target: 'es2020', legalComments: 'none', logLevel: 'warning',
    mangleProps: /^_/, reserveProps: /^_(emit|yield|tell)$/, mangleCache, ...options
  });
  ({mangleCache} = made);
  return made.outputFiles;
}

const site = process.argv[2] === '--site' ? process.argv[3] : www, modules = ['index', 'core', 'streams', 'legacy'];
const required = 'try{module.exports=Halley}catch(e){}\n';

/* A script of a site, which nothing shortens further: the names that terser gives what is local compress better. */
async function script(file, entry, what, footer = '') {
  const [{text}] = await build({entryPoints: [entry], format: 'iife', write: false});
  const {code} = await terser.minify(text, {ecma: 2020, toplevel: true});
  const says = `/* Halley ${pack.version}${what}, built of www/client by "make client" */\n"use strict";`;
  writeFileSync(join(site, file), says + code + '\n' + footer);
}
await script('halley.js', 'global.js', '', required);
await script('halley-legacy.js', 'legacy-global.js', ', further transports');
if (site === www) {
  const outdir = join(www, 'dist'), common = {outdir, sourcemap: true, entryPoints: modules.map(name => `${name}.js`)};
  rmSync(outdir, {recursive: true, force: true});
  await build({...common, format: 'esm', splitting: true, outExtension: {'.js': '.mjs'}});
  await build({...common, format: 'cjs', outExtension: {'.js': '.cjs'}});
  await build({...common, entryPoints: {global: 'global.js', 'legacy.global': 'legacy-global.js'}, format: 'iife', footer: {js: required.trim()}});
}
