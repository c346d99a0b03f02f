/*
 * Halley: Redis, worker, halley.fcgi, and a web server with the configuration that the
 * project ships. Messages are published by FCALL, as a script does that wants the id.
 */
import {join} from 'node:path';
import {BUILD, childrenOf} from '../driver/place.mjs';
import {startStore} from './redis.mjs';
import {startWeb} from './web.mjs';

const CONF = `
max_waiters = 19000
log_level = warning
`;

/* Each of several processes listens at a socket of its own: halley.fcgi(8). */
function socketsOf(place, processes) {
  return Array.from({length: processes}, (_, at) => place.path('halley.sock') + (at ? `.${at + 1}` : ''));
}

async function start(place, server, processes, gathers) {
  const sockets = socketsOf(place, processes);
  const store = await startStore(place, `${CONF}processes = ${processes}\n\n[channel bench]\nbatch_ms = ${gathers}\n`);
  const app = await place.start('halley.fcgi',
    [join(BUILD, 'halley.fcgi'), '-f', store.conf, '-l', `unix:${sockets[0]}`], sockets, store.environment);
  const web = await startWeb(place, server, sockets,
    {...store.environment, HALLEY_CONF: store.conf, HALLEY_BIN_DIR: BUILD});
  return {
    port: web.port,
    redis: store.socket,
    fcgi: sockets[0],
    publish: ['--publish-redis', store.socket],
    pids: {web: web.pids, app: [app, ...childrenOf(app)], ...store.pids}
  };
}

/* processes: of halley.fcgi; gathers: the channel's batch_ms. */
export function halley(server, {processes = 1, gathers = 0} = {}) {
  const words = [processes > 1 && `${processes} processes`, gathers > 0 && `${gathers} ms gathered`].filter(Boolean);
  return {
    id: ['halley', server, processes > 1 && processes, gathers > 0 && 'gathers'].filter(Boolean).join('-'),
    title: ['Halley', server, ...words].join(', '),
    server,
    speaks: {wait: 'halley-wait', sse: 'halley-sse', poll: 'halley-poll'},
    most: server === 'lighttpd' ? 8900 : 10000, // as many as the web server has descriptors for
    start: place => start(place, server, processes, gathers)
  };
}
