/*
 * What goes wrong. Each fault hurts something, waits, and makes it whole again; it
 * returns false where it could not be done. To add one, write a row.
 */
import {setTimeout as pause} from 'node:timers/promises';
import {Redis} from './resp.mjs';

const short = (random, least = 100, most = 2500) => pause(random.between(least, most));

/* Sets an option of Redis for a while. */
function setting(name, during, after, least = 300, most = 3000) {
  return async (site, random) => {
    if (!await site.tell('CONFIG', 'SET', name, during)) return false;
    await short(random, least, most);
    return whileItWorks(site, 'CONFIG', 'SET', name, after);
  };
}

/* Redis may be dead just now, or refuse: what was changed is changed back in the end. */
async function whileItWorks(site, ...words) {
  for (let i = 0; i < 200; i++) {
    if (await site.tell(...words)) return true;
    await pause(100);
  }
  site.strange.push(`${words.join(' ')} is not done`);
  return true;
}

async function stopFor(pids, random, hurt, longest = 3000) {
  for (const pid of pids) hurt(pid, 'SIGSTOP');
  await short(random, 200, longest);
  for (const pid of pids) hurt(pid, 'SIGCONT');
}

function appFault(signal) {
  return async (site, random) => {
    const pids = site.appPids();
    if (pids.length === 0) return false;
    for (const pid of random.unit() < 0.3 ? pids : [random.pick(pids)]) site.hurtApp(pid, signal);
    return true;
  };
}

async function someWorker(site, random) {
  const leader = random.unit() < 0.6 ? await site.leader() : null;
  return leader || random.pick(site.workers);
}

function workerFault(signal) {
  return async (site, random) => {
    const worker = await someWorker(site, random);
    await worker.restart(signal, () => short(random, 0, 1500));
    return true;
  };
}

const RELOAD = {nginx: 'SIGHUP', apache: 'SIGUSR1', lighttpd: 'SIGUSR1'};

export const FAULTS = [
  {name: 'halley.fcgi killed', weight: 6, run: appFault('SIGKILL')},
  {name: 'halley.fcgi ended', weight: 4, run: appFault('SIGTERM')},
  {
    name: 'halley.fcgi stopped', weight: 4, async run(site, random) {
      const pids = site.appPids();
      if (pids.length === 0) return false;
      await stopFor([random.pick(pids)], random, (pid, signal) => site.hurtApp(pid, signal));
      return true;
    }
  },
  {name: 'worker killed', weight: 7, run: workerFault('SIGKILL')},
  {name: 'worker ended', weight: 4, run: workerFault('SIGTERM')},
  {
    name: 'worker stopped', weight: 4, async run(site, random) {
      const worker = await someWorker(site, random);
      await stopFor([worker.pid], random, (_, signal) => worker.signal(signal), 4000);
      return true;
    }
  },
  {
    name: 'Redis killed', weight: 6, async run(site, random) {
      await site.redis.restart('SIGKILL', () => short(random, 0, 1500));
      return true;
    }
  },
  {
    name: 'Redis ended', weight: 2, async run(site, random) {
      await site.redis.restart('SIGTERM', () => short(random, 0, 1500));
      return true;
    }
  },
  {
    name: 'Redis killed and its tail cut', weight: 4, async run(site, random) {
      await site.redis.restart('SIGKILL', async () => site.cutTail(random.between(1, 6000)));
      return true;
    }
  },
  {
    name: 'Redis killed and slow to load', weight: 2, async run(site, random) {
      await site.redis.restart('SIGKILL', async () => { site.slowLoad = random.between(1, 4); });
      site.slowLoad = 0;
      await short(random, 0, 500);
      return true;
    }
  },
  {
    name: 'Redis stopped', weight: 3, async run(site, random) {
      await stopFor([site.redis.pid], random, (_, signal) => site.redis.signal(signal), 4500);
      return true;
    }
  },
  {
    name: 'web server killed', weight: 2, async run(site, random) {
      site.web.hurt = true;
      site.web.signal('SIGKILL', true);
      await short(random, 300, 1000);
      return true;
    }
  },
  {
    name: 'web server ended', weight: 2, async run(site, random) {
      await site.web.restart('SIGTERM', () => short(random, 0, 500));
      return true;
    }
  },
  {
    name: 'web server reloaded', weight: 3, async run(site, random) {
      site.web.hurt = true; // lighttpd ends when it has graced its requests
      site.web.signal(RELOAD[site.server]);
      await short(random, 500, 2000);
      return true;
    }
  },
  {
    name: 'readers hang up', weight: 8, async run(site, random, {readers}) {
      for (const reader of readers) if (random.unit() < 0.6) reader.hangUp();
      return true;
    }
  },
  {
    name: 'Redis connections reset', weight: 5, async run(site, random) {
      site.wire.reset(random, random.pick([0.3, 0.6, 1]));
      return true;
    }
  },
  {
    name: 'Redis refuses connections', weight: 2, async run(site, random) {
      site.wire.refuse(random);
      await short(random);
      site.wire.mend(false);
      return true;
    }
  },
  {
    name: 'Redis swallowed and then late', weight: 2, async run(site, random) {
      site.wire.swallow();
      await short(random, 500, 5000);
      site.wire.mend(true);
      return true;
    }
  },
  {
    name: 'Redis swallowed and then gone', weight: 3, async run(site, random) {
      site.wire.swallow();
      await short(random, 300, 5000);
      site.wire.mend(false);
      return true;
    }
  },
  {name: 'CLIENT KILL of subscribers', weight: 4, run: site => site.tell('CLIENT', 'KILL', 'TYPE', 'pubsub')},
  {name: 'CLIENT KILL of commands', weight: 4, run: site => site.tell('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')},
  {name: 'CLIENT PAUSE', weight: 3, run: (site, random) => site.tell('CLIENT', 'PAUSE', String(random.between(200, 3500)), random.pick(['ALL', 'WRITE']))},
  {name: 'DEBUG SLEEP', weight: 3, run: (site, random) => site.tell('DEBUG', 'SLEEP', String(random.between(200, 4000) / 1000))},
  {name: 'FUNCTION FLUSH', weight: 4, run: site => site.tell('FUNCTION', 'FLUSH')},
  {
    name: 'tiny output buffers', weight: 3, run: setting('client-output-buffer-limit', 'pubsub 1 1 1 normal 40000 20000 1',
      'pubsub 33554432 8388608 60 normal 0 0 0', 200, 1500)
  },
  {
    name: 'full disk', weight: 2, async run(site, random) {
      if (!site.fillDisk()) return false;
      await short(random, 500, 4000);
      site.emptyDisk();
      return true;
    }
  },
  {name: 'out of memory', weight: 3, run: setting('maxmemory', '1048576', '0')},
  {name: 'too few replicas', weight: 2, run: setting('min-replicas-to-write', '1', '0')},
  {
    name: 'read-only', weight: 3, async run(site, random) {
      if (!await site.tell('REPLICAOF', '127.0.0.1', '1')) return false;
      await short(random, 300, 6000);
      return whileItWorks(site, 'REPLICAOF', 'NO', 'ONE');
    }
  },
  {
    name: 'too many clients', weight: 2, async run(site, random) {
      if (!await site.tell('CONFIG', 'SET', 'maxclients', '4')) return false;
      await site.tell('CLIENT', 'KILL', 'TYPE', random.pick(['normal', 'pubsub']), 'SKIPME', 'yes');
      await short(random);
      return whileItWorks(site, 'CONFIG', 'SET', 'maxclients', '4000');
    }
  },
  {
    name: 'wrong type', weight: 3, async run(site, random, {channels}) {
      const key = `halley.${random.pick(['history', 'meta'])}:{${random.pick(channels)}}`;
      if (site.filled.has(key)) return false;
      site.filled.add(key);
      try {
        if (!await site.tell('RENAME', key, `aside ${key}`)) return false;
        await site.tell('SET', key, 'x');
        await short(random);
        return await whileItWorks(site, 'RENAME', `aside ${key}`, key);
      } finally {
        site.filled.delete(key);
      }
    }
  },
  {
    name: 'forged live message', weight: 3, async run(site, random, {channels}) {
      const channel = random.pick(channels), epoch = random.pick([9999999999999, 9007199254740991, 1, Date.now()]);
      return site.tell('PUBLISH', `${site.prefix}.live:{${channel}}`, `${epoch}-${random.between(1, 5)} 1 {"p":"forged","n":1}`);
    }
  },
  {
    name: 'publish in another database', weight: 2, async run(site, random, {channels}) {
      const other = new Redis(site.redisSocket);
      try {
        await other.do('SELECT', '1');
        await other.do('FCALL', 'halley_publish', '1', random.pick(channels), '{"p":"elsewhere","n":1}');
        return true;
      } catch {
        return false;
      } finally {
        other.close();
      }
    }
  }
];
