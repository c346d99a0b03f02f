/* What browser clients weigh, all by the same command: what a page gets that imports one, bundled and
 * minified by esbuild, gzipped. Fetches the others from npm into a folder of its own.
 *
 *   npm run sizes [-- NAME=LINE…]
 */
import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';

const www = fileURLToPath(new URL('..', import.meta.url)), folder = mkdtempSync(join(tmpdir(), 'halley-sizes-'));
const npm = (...args) => execFileSync('npm', args, {cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']});
const ROWS = [
  ['halley-client/core', `import {Halley} from 'halley-client/core'; window.it = Halley;`],
  ['halley-client', `import {Halley} from 'halley-client'; window.it = Halley;`],
  ['mitt', `import mitt from 'mitt'; window.it = mitt;`],
  ['reconnecting-eventsource', `import it from 'reconnecting-eventsource'; window.it = it;`],
  ['nchan', `import it from 'nchan'; window.it = it;`],
  ['faye', `import it from 'faye/client/faye-browser-min.js'; window.it = it;`],
  ['socket.io-client', `import {io} from 'socket.io-client'; window.it = io;`],
  ['sockjs-client', `import it from 'sockjs-client/dist/sockjs.min.js'; window.it = it;`],
  ['centrifuge', `import {Centrifuge} from 'centrifuge'; window.it = Centrifuge;`]
];

try {
  const [{filename}] = JSON.parse(npm('pack', www, '--json'));
  writeFileSync(join(folder, 'package.json'), '{"private": true}');
  const others = ROWS.map(([name]) => name).filter(name => !name.startsWith('halley')), {devDependencies} = createRequire(join(www, 'package.json'))('./package.json');
  npm('install', '--no-audit', '--no-fund', `./${filename}`, `esbuild@${devDependencies.esbuild}`, ...others);
  const esbuild = createRequire(join(folder, 'package.json'))('esbuild');
  console.log('| client | version | bytes, gzipped |\n|---|---|---|');
  for (const [name, contents] of ROWS) {
    const {outputFiles: [file]} = await esbuild.build({stdin: {contents, resolveDir: folder}, bundle: true, minify: true, platform: 'browser',
      format: 'esm', write: false, logLevel: 'silent', define: {global: 'globalThis'}}).catch(e => ({outputFiles: [{text: '', why: e.message}]}));
    const {version} = createRequire(join(folder, 'package.json'))(join(folder, 'node_modules', name.split('/')[0], 'package.json'));
    console.log(`| ${name} | ${version} | ${file.text ? gzipSync(file.text, {level: 9}).length : 'cannot be bundled'} |${file.why || ''}`);
  }
} finally {
  rmSync(folder, {recursive: true, force: true});
}
