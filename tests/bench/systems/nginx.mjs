/* A private nginx with what is given between the braces of `server`. */
import {writeFileSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {childrenOf, freePort, until} from '../driver/place.mjs';

const MODULES = '/usr/lib/nginx/modules';

/* workers: processes; modules: file names; http, server: lines of configuration. */
export async function startNginx(place, {workers = availableParallelism(), modules = [], http = '', server = ''}) {
  const port = await freePort();
  const conf = place.path('nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `    ${name}_temp_path ${place.path(name)};`).join('\n');
  writeFileSync(conf, `
${modules.map(module => `load_module ${MODULES}/${module};`).join('\n')}
daemon off;
user root;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${place.path('nginx.pid')};
error_log stderr error;
events { worker_connections 19000; }
http {
    access_log off;
${temporary}
${http}
    server {
        listen 127.0.0.1:${port} backlog=4096;
${server}
    }
}
`);
  const master = await place.start('nginx', ['nginx', '-c', conf, '-p', place.dir, '-e', 'stderr'], [port]);
  await until(() => childrenOf(master).length >= workers, 'nginx has not all its workers');
  return {port, pids: childrenOf(master)};
}
