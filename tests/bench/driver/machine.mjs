/* Which machine and which programs the figures are of. */
import {readFileSync} from 'node:fs';
import {cpus, release, totalmem} from 'node:os';
import {run, TOP} from './place.mjs';

/* The first match in what a command says, on either stream; null without such a program. */
async function said(pattern, command, ...args) {
  try {
    const {stdout, stderr} = await run(command, args, {cwd: TOP});
    return pattern.exec(stdout + stderr)?.[1] ?? null;
  } catch {
    return null;
  }
}

function locked(name) {
  const lock = JSON.parse(readFileSync(`${TOP}tests/bench/peers/package-lock.json`, 'utf8'));
  return lock.packages[`node_modules/${name}`].version;
}

export async function machine() {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: await said(/^(\w+)/, 'git', 'rev-parse', '--short', 'HEAD'),
    processor: cpus()[0].model,
    processors: cpus().length,
    memory: totalmem(),
    kernel: release(),
    programs: {
      nginx: await said(/nginx\/([\d.]+)/, 'nginx', '-v'),
      lighttpd: await said(/lighttpd\/([\d.]+)/, 'lighttpd', '-v'),
      redis: await said(/v=([\d.]+)/, 'redis-server', '--version'),
      nchan: await said(/:([\d.]+)/, 'dpkg-query', '-W', '-f', '${Version}', 'libnginx-mod-nchan'),
      php: await said(/PHP ([\d.]+)/, 'php', '-v'),
      node: process.versions.node,
      'socket.io': locked('socket.io'),
      sockjs: locked('sockjs'),
      ws: locked('ws'),
      faye: locked('faye')
    }
  };
}
