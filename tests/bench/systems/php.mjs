/* PHP scripts that wait by themselves: a process of php-fpm for each waiter. */
import {readdirSync, writeFileSync} from 'node:fs';
import {childrenOf, TOP, until} from '../driver/place.mjs';
import {startNginx} from './nginx.mjs';
import {startRedis} from './redis.mjs';

const PROCESSES = 210; // 200 wait, some publish
const SCRIPT = `${TOP}tests/bench/peers/wait.php`;

function fpmConf(place, socket) {
  return `
[global]
error_log = ${place.path('fpm-error.log')}
daemonize = no
[www]
user = root
group = root
listen = ${socket}
listen.backlog = 4096
pm = static
pm.max_children = ${PROCESSES}
`;
}

/* Debian names the program by its version. */
function program() {
  const found = readdirSync('/usr/sbin').filter(name => /^php-fpm\d/.test(name)).sort();
  if (!found.length) throw new Error('php-fpm is missing');
  return `/usr/sbin/${found.at(-1)}`;
}

export const php = {
  id: 'php',
  title: 'PHP-FPM blocking on Redis, nginx',
  speaks: {wait: 'php'},
  most: 200,
  afresh: true, // a script that waits does not notice that its client has left
  async start(place) {
    const redis = await startRedis(place);
    const socket = place.path('fpm.sock');
    const conf = place.path('fpm.conf');
    writeFileSync(conf, fpmConf(place, socket));
    const master = await place.start('php-fpm', [program(), '-F', '-R', '-y', conf], [socket]);
    await until(() => childrenOf(master).length === PROCESSES, 'php-fpm has not all its processes');
    const web = await startNginx(place, {server: `
        location / {
            include /etc/nginx/fastcgi_params;
            fastcgi_param SCRIPT_FILENAME ${SCRIPT};
            fastcgi_param REDIS_SOCKET ${redis.socket};
            fastcgi_pass unix:${socket};
        }
`});
    return {
      port: web.port,
      publish: ['--publish-post', '/publish'],
      pids: {web: web.pids, app: childrenOf(master), redis: [redis.pid]}
    };
  }
};
