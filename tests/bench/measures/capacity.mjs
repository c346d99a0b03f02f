/*
 * What each deployment can hold with the figures that are shipped, as long polls and as streams,
 * what that costs, and what happens beyond it: three times as many pages come as may be held, or
 * as many as this machine has descriptors for.
 *
 * The rest of the site is asked for beside them: on the idle server; while pages come; and when it
 * is full. Nothing is published to the pages until then, as answering thousands would be measured
 * with it; then some messages are, each of which every page must have.
 */
import {readFileSync} from 'node:fs';
import {setTimeout as pause} from 'node:timers/promises';
import {memoryOf, run} from '../driver/place.mjs';
import {median} from '../driver/summary.mjs';
import {startSite, startVisitors} from '../driver/visits.mjs';

const IDLE_S = 3, FULL_S = 6, MESSAGES = 3, BETWEEN_MS = 1500;
const RISES_MS = 1000, FULL_MS = 25000; // it holds no more than it did so long ago; how long that may take
const ALL_MS = 90000; // how long all pages may take to have what was published
const KERNELS = ['SUnreclaim', 'KernelStack', 'PageTables'];

/* What the kernel keeps for its own, for all of the machine, in bytes. */
function kernel() {
  const text = readFileSync('/proc/meminfo', 'utf8');
  return KERNELS.reduce((sum, name) => sum + 1024 * Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)[1]), 0);
}

/* Servers end processes that have nothing to do, also while they are looked at. */
function memoryOfEach(pids) {
  return pids.reduce((sum, pid) => {
    try {
      return sum + memoryOf([pid]);
    } catch {
      return sum;
    }
  }, 0);
}

function memory(started) {
  const {web, app} = started.processes();
  return {web: memoryOfEach(web), app: memoryOfEach(app), kernel: kernel()};
}

function clock() {
  return Number(process.hrtime.bigint() / 1000n);
}

/* Until as many are held as before, for a while. */
async function filled(site) {
  const end = Date.now() + FULL_MS;
  const most = () => Math.max(0, ...site.looks.map(({held}) => held));
  for (let before = -1; Date.now() < end && (before < most() || before === 0);) {
    before = most();
    await pause(RISES_MS);
  }
}

/* When so many were held, in ms from `began`; undefined: never. */
function reached(site, began, count) {
  const look = site.looks.find(({held}) => held >= count);
  return look && (look.at - began) / 1000;
}

async function publish(started, number) {
  const began = clock();
  await run('redis-cli', ['-s', started.redis, 'FCALL', 'halley_publish', '1', 'crowd', String(number)]);
  return began;
}

/* How long each message took to the last of those who were held; and what there is to say in the end. */
async function told(started, visitors) {
  const began = [];
  for (let number = 1; number <= MESSAGES; number++) {
    began.push(await publish(started, number));
    await pause(BETWEEN_MS);
  }
  let said = await visitors.said();
  for (const end = Date.now() + ALL_MS; said.got.get(MESSAGES)?.all !== said.pages && Date.now() < end;) {
    await pause(200);
    said = await visitors.said();
  }
  const times = began.map((at, i) => (said.got.get(i + 1)?.last - at) / 1000);
  return {to_last_ms: median(times), missed: said.pages - (said.got.get(MESSAGES)?.all ?? 0)};
}

async function measured(started, system, visitors, site) {
  const idle = await site.probed(IDLE_S);
  const before = memory(started);
  const began = clock();
  site.watch(true);
  visitors.add(system.offered);
  await filled(site);
  visitors.anew();
  const full = await site.probed(FULL_S);
  const after = memory(started);
  const held = site.looks.at(-1).held;
  const {web, app} = started.processes();
  const cost = label => (after[label] - before[label]) / held;
  const connections = await started.connections();
  site.watch(false);
  const {to_last_ms, missed} = await told(started, visitors);
  const said = await visitors.said();
  return {
    held, told: said.told, first_ms: said.first_ms, slowest_ms: said.slowest_ms,
    file_ms: full.file_ms, poll_ms: full.poll_ms, publish_ms: full.publish_ms,
    idle_file_ms: idle.file_ms, idle_poll_ms: idle.poll_ms, idle_publish_ms: idle.publish_ms,
    to_last_ms, to_500_ms: reached(site, began, 500), to_5000_ms: reached(site, began, 5000),
    web_bytes: cost('web'), app_bytes: cost('app'), kernel_bytes: cost('kernel'),
    processes: web.length + app.length, connections,
    lost: missed + said.missed, doubled: said.doubled, errors: said.errors + idle.errors + full.errors,
    first_error: said.first_error ?? full.first_error ?? idle.first_error
  };
}

export const capacity = {
  id: 'capacity',
  title: 'What the figures that are shipped hold, and what a site costs then',
  afresh: true,
  once: true,
  beside: [['shipped-fcgid', 'shipped-proxy-fcgi', 'shipped-lighttpd', 'shipped-nginx']],

  cells: system => ['waits', 'streams'].map(way => ({way, pages: system.offered})),

  async run(started, system, {way}) {
    const visitors = startVisitors(started.port, way, 'crowd');
    const site = startSite(started.port);
    try {
      return await measured(started, system, visitors, site);
    } finally {
      await Promise.all([visitors.end(), site.end()]);
    }
  },

  columns: ['held', 'told', 'first_ms', 'slowest_ms', 'file_ms', 'poll_ms', 'publish_ms', 'to_500_ms', 'to_5000_ms',
    'to_last_ms', 'web_bytes', 'app_bytes', 'kernel_bytes', 'processes', 'connections']
};
