/*
 * Halley: Redis, worker, halley.fcgi, and a web server with the configuration that the
 * project ships. Messages are published by FCALL, as a script does that wants the id.
 */
import {join} from 'node:path';
import {BUILD, childrenOf, freePort} from '../driver/place.mjs';
import {startNginx} from './nginx.mjs';
import {startStore} from './redis.mjs';
import {startWeb} from './web.mjs';

const CONF = `
max_waiters = 200000
log_level = warning
`;

/* Each of several processes listens at a socket of its own: halley.fcgi(8). */
function socketsOf(place, processes) {
  return Array.from({length: processes}, (_, at) => place.path('halley.sock') + (at ? `.${at + 1}` : ''));
}

async function start(place, server, {processes, gathers, batches, services = ''}) {
  const sockets = socketsOf(place, processes);
  const store = await startStore(place, `${CONF}processes = ${processes}\nbatch_scheduling = ${batches ? 'on' : 'off'}\n\n[channel bench]\nbatch_ms = ${gathers}\n${services}`);
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

/*
 * Without a web server: halley.fcgi answers HTTP itself, at all addresses of the loopback.
 * Descriptors are what a process has least of, so each gets a share of the waiters.
 */
async function startHttp(place, processes) {
  const port = await freePort();
  const store = await startStore(place, `${CONF}processes = ${processes}\nhttp = tcp:0.0.0.0:${port}\n`);
  const app = await place.start('halley.fcgi', [join(BUILD, 'halley.fcgi'), '-f', store.conf, '-l', `unix:${place.path('halley.sock')}`],
    [port], store.environment);
  return {
    port,
    redis: store.socket,
    publish: ['--publish-redis', store.socket],
    pids: {app: [app, ...childrenOf(app)], ...store.pids}
  };
}

const HTTP = {wait: 'halley-wait', sse: 'halley-sse', poll: 'halley-poll', ws: 'halley-ws'};

export function halleyHttp({processes = 1} = {}) {
  return {
    id: processes > 1 ? `halley-http-${processes}` : 'halley-http',
    title: processes > 1 ? `Halley, HTTP, ${processes} processes` : 'Halley, HTTP',
    speaks: HTTP,
    most: 19000 * processes,
    start: place => startHttp(place, processes)
  };
}

/* Behind nginx that hands requests on over HTTP, on connections that it keeps. */
async function startProxied(place) {
  const app = await startHttp(place, 1);
  const web = await startNginx(place, {
    http: `    upstream halley { server 127.0.0.1:${app.port}; keepalive 8192; }`,
    server: `
        location /comet/ {
            proxy_pass http://halley;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 1h;
        }
`});
  return {...app, port: web.port, pids: {web: web.pids, ...app.pids}};
}

export const halleyProxied = {
  id: 'halley-nginx-proxy',
  title: 'Halley, nginx, proxy_pass',
  server: 'nginx',
  speaks: {wait: 'halley-wait', sse: 'halley-sse', poll: 'halley-poll'},
  most: 10000,
  start: startProxied
};

/* processes: of halley.fcgi; gathers: the channel's batch_ms; batches: batch_scheduling. */
export function halley(server, {processes = 1, gathers = 0, batches = true} = {}) {
  const words = [processes > 1 && `${processes} processes`, gathers > 0 && `${gathers} ms gathered`, !batches && 'usual scheduling'].filter(Boolean);
  return {
    id: ['halley', server, processes > 1 && processes, gathers > 0 && 'gathers', !batches && 'usual'].filter(Boolean).join('-'),
    title: ['Halley', server, ...words].join(', '),
    server,
    speaks: {wait: 'halley-wait', sse: 'halley-sse', poll: 'halley-poll'},
    most: server === 'lighttpd' ? 8900 : 10000, // as many as the web server has descriptors for
    start: place => start(place, server, {processes, gathers, batches})
  };
}

/* The same for Socket.IO's clients that poll: all of them join the channel. */
const SOCKETIO = `
[service socket.io]
[namespace socket.io /]
join = bench
`;

export const halleySocketio = {
  id: 'halley-socketio',
  title: "Halley, nginx, Socket.IO's clients",
  server: 'nginx',
  speaks: {wait: 'engineio'},
  most: 10000,
  start: place => start(place, 'nginx', {processes: 1, gathers: 0, batches: true, services: SOCKETIO})
};
