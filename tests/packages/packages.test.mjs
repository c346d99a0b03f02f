/* What `make deb` builds: what Debian says of it, what is in it, and whether nginx takes the halves
 * into which its configuration is split. In a clean Debian it is tried by tests/packages/clean-root. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';

const TOP = fileURLToPath(new URL('../../', import.meta.url));
const run = (program, ...args) => execFileSync(program, args, {cwd: TOP, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']});

describe('the packages', () => {
  let folder, debs;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'halley-packages-'));
    const version = /^VERSION = (\S+)/m.exec(run('cat', 'Makefile'))[1];
    run('deploy/make-deb', version, folder);
    debs = readdirSync(folder).filter(name => name.endsWith('.deb') && !name.includes('dbgsym')).map(name => join(folder, name));
  });
  after(() => { rmSync(folder, {recursive: true, force: true}); });

  test('there are two', () => {
    assert.deepEqual(debs.map(deb => deb.replace(/.*\/|_.*/g, '')).sort(), ['halley', 'halley-www']);
  });

  test('lintian has nothing to say', () => {
    assert.equal(run('lintian', '--allow-root', '--fail-on', 'error,warning,info', ...debs), '');
  });

  test('they hold what make install puts there, and what web servers are told', () => {
    const put = join(folder, 'put'), list = text => text.split('\n').filter(name => name && !name.endsWith('/')).sort();
    run('make', '-s', 'install', 'PREFIX=/usr', 'unitdir=/lib/systemd/system', `DESTDIR=${put}`);
    const installed = list(run('find', put, '-type', 'f', '-printf', './%P\n')).filter(name => !name.endsWith('/LICENSE'));
    const packed = list(debs.map(deb => run('sh', '-c', 'dpkg-deb --fsys-tarfile "$0" | tar -tf -', deb)).join('\n'));
    const own = /\/(copyright|changelog\.gz)$|^\.\/usr\/share\/lintian\//;
    const told = packed.filter(name => /^\.\/etc\/(apache2|lighttpd|nginx)\//.test(name));
    assert.deepEqual(packed.filter(name => !own.test(name) && !told.includes(name)).map(name => name.replace(/(\/man\/.*)\.gz$/, '$1')).sort(), installed);
    assert.deepEqual(told, ['./etc/apache2/conf-available/halley-fcgid.conf', './etc/apache2/conf-available/halley.conf',
      './etc/lighttpd/conf-available/50-halley.conf', './etc/nginx/conf.d/halley.conf', './etc/nginx/snippets/halley.conf']);
  });

  test('nothing in them names another place than theirs', () => {
    const out = join(folder, 'out');
    run('dpkg-deb', '-x', debs.find(deb => /\/halley_/.test(deb)), out);
    const found = run('sh', '-c', 'cd "$0" && grep -rl /usr/local etc lib usr/lib; true', out);
    assert.equal(found, '');
  });

  test('nginx takes both halves, and one site may include one twice', () => {
    const conf = join(folder, 'nginx'), half = which => run('deploy/nginx/split', which, 'deploy/nginx/halley.conf');
    mkdirSync(conf);
    writeFileSync(join(conf, 'http.conf'), half('http'));
    writeFileSync(join(conf, 'server.conf'), half('server'));
    const server = port => `server { listen 127.0.0.1:${port}; include ${conf}/server.conf; }\n`;
    writeFileSync(join(conf, 'nginx.conf'), `pid ${conf}/pid;\nerror_log ${conf}/error.log;\nevents {}\nhttp {
      client_body_temp_path ${conf}/b; proxy_temp_path ${conf}/p; fastcgi_temp_path ${conf}/f; uwsgi_temp_path ${conf}/u; scgi_temp_path ${conf}/s;
      access_log off;\ninclude ${conf}/http.conf;\n${server(18080)}${server(18081)}}\n`);
    run('nginx', '-t', '-q', '-e', join(conf, 'error.log'), '-c', join(conf, 'nginx.conf'));
  });
});
