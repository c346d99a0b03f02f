/*
 * The web servers in front of a FastCGI application, as the project ships them:
 * deploy/render writes the configuration, with the application's socket in it.
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {childrenOf, freePort, run, TOP, until} from '../driver/place.mjs';

/* deploy/render's names, where ours are others. */
const RENDERED = {lighttpd: 'lighttpd-socket', 'lighttpd-spawns': 'lighttpd'};

/*
 * In front of an application that listens at `sockets`; several of them with nginx alone.
 * {port, pids, master}: who does the work, and whom all others were started by.
 */
export async function startWeb(place, server, sockets, environment = {}) {
  const port = await freePort();
  const {stdout} = await run(`${TOP}deploy/render`, [RENDERED[server] ?? server, place.path('web')], {
    env: {...process.env, HOST: '127.0.0.1', PORT: String(port), HALLEY_SOCKET: sockets[0], HALLEY_USER: 'root', ...environment}
  });
  if (sockets.length > 1) spread(place.path('web/nginx.conf'), sockets);
  const pid = await place.start(server, stdout.trim().split(' '), [port]);
  return {port, pids: await serving(server, pid), master: pid};
}

/* What halley.fcgi(8) tells the administrator of several processes to write. */
function spread(conf, sockets) {
  const line = socket => `server unix:${socket};`;
  writeFileSync(conf, readFileSync(conf, 'utf8').replaceAll(line(sockets[0]), sockets.map(line).join('\n    ')));
}

/* Who does the work: with nginx the workers, not their master. */
async function serving(server, pid) {
  if (server !== 'nginx') return [pid];
  await until(() => childrenOf(pid).length > 0, `${server} has no workers`);
  return childrenOf(pid);
}
