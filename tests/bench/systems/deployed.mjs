/*
 * Each deployment of Halley's with the figures that are shipped: the web server's configuration of
 * deploy/ as it is, and of Halley's options only what its head says to write.
 */
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {BUILD, run} from '../driver/place.mjs';
import {startStore} from './redis.mjs';
import {startWeb} from './web.mjs';

const CONF = 'log_level = warning\n', SITE = '[channel beside]\npublish = anyone\n';

/* Everybody that these have started, and whom those have. */
function family(...roots) {
  const parents = new Map(), names = new Map();
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number)) {
    try {
      const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      parents.set(pid, Number(parent));
      names.set(pid, name);
    } catch { /* it has ended */ }
  }
  const of = pid => pid > 1 && (roots.includes(pid) || of(parents.get(pid)));
  return [...parents.keys()].filter(of).map(pid => ({pid, app: names.get(pid) === 'halley.fcgi'}));
}

async function start(place, server, {spawns, conf}) {
  const socket = place.path('halley.sock');
  const store = await startStore(place, CONF + conf + SITE);
  const roots = [];
  if (!spawns)
    roots.push(await place.start('halley.fcgi', [join(BUILD, 'halley.fcgi'), '-f', store.conf, '-l', `unix:${socket}`],
      [socket], store.environment));
  const web = await startWeb(place, server, [socket],
    {...store.environment, HALLEY_CONF: store.conf, HALLEY_BIN_DIR: BUILD, HALLEY_USER: 'www-data'});
  roots.push(web.master);
  return {
    port: web.port,
    redis: store.socket,
    pids: {},

    /* The processes that are there now: {web, app}, lists of pids. */
    processes() {
      const all = family(...roots);
      return {web: all.filter(({app}) => !app).map(({pid}) => pid), app: all.filter(({app}) => app).map(({pid}) => pid)};
    },

    async connections() {
      const {stdout} = await run('redis-cli', ['-s', store.socket, 'INFO', 'clients']);
      return Number(/connected_clients:(\d+)/.exec(stdout)[1]) - 1;
    }
  };
}

/*
 * may: how many requests of one kind can be held with its figures, by what they say;
 * offered: pages, more than those; spawns: the web server starts halley.fcgi.
 */
function deployed(id, title, server, {may, offered, spawns = false, conf = ''}) {
  return {id, title, may, offered, most: offered, speaks: {}, start: place => start(place, server, {spawns, conf})};
}

export const deployments = [
  deployed('shipped-fcgid', 'Apache, mod_fcgid', 'apache-fcgid', {may: 356, offered: 1070, spawns: true}),
  deployed('shipped-proxy-fcgi', 'Apache, mod_proxy_fcgi', 'apache', {may: 1900, offered: 4000, conf: 'threads = 2048\nreserve = 148\n'}),
  deployed('shipped-lighttpd', 'lighttpd', 'lighttpd-spawns', {may: 7000, offered: 12000, spawns: true}),
  deployed('shipped-nginx', 'nginx', 'nginx', {may: 10000, offered: 12000})
];
