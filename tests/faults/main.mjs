/*
 * `make faults`: numbered messages, readers on every transport, and faults at random.
 *
 *   SECONDS=60 SEED=1 SERVER=nginx node tests/faults/main.mjs
 *
 * In the end everything is made whole, each reader must reach the last messages, and the
 * judge says what was lost, doubled, reordered, or untrue. ONLY="worker killed,..."
 * takes these faults alone. Exit code 1 where anything was wrong.
 */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {FAULTS} from './faults.mjs';
import {KINDS} from './judge.mjs';
import {TRANSPORTS} from './parse.mjs';
import {PUBLISHERS} from './publishers.mjs';
import {Random} from './random.mjs';
import {Reader} from './readers.mjs';
import {Site} from './site.mjs';

const SECONDS = Number(process.env.SECONDS || 60), SERVER = process.env.SERVER || 'lighttpd';
const SEED = Number(process.env.SEED || Date.now() % 1000000000);
const EVERY_MS = Number(process.env.EVERY_MS || 30); // between two messages of a publisher
const CHANNELS = ['one', 'two/all', 'drei.%'];
/* Each publisher has a channel of its own but for one, which all share. */
const CHANNELS_OF = {Bare: ['one', 'drei.%'], Fcall: ['two/all', 'drei.%'], Post: ['drei.%', 'one']};
const HEAL_SECONDS = Number(process.env.HEAL_SECONDS || 120);

const random = new Random(SEED);
const wrong = Object.fromEntries(KINDS.map(kind => [kind, []]));
const log = (...words) => console.log(`[${((Date.now() - began) / 1000).toFixed(1).padStart(7)}]`, ...words);
let began = Date.now();

function complain(kind, text) {
  if (wrong[kind].push(text) <= 10) log(`${kind.toUpperCase()}: ${text}`);
}

/* One fault after the other, at times two at once, until the time is over. */
async function hurt(site, context) {
  const only = process.env.ONLY?.split(','), rows = FAULTS.filter(row => !only || only.includes(row.name));
  const end = Date.now() + SECONDS * 1000, counts = {}, running = new Set();
  while (Date.now() < end) {
    const row = random.weighed(rows);
    const fault = (async () => {
      if (process.env.VERBOSE) log(row.name);
      if (await row.run(site, random, context) !== false) counts[row.name] = (counts[row.name] || 0) + 1;
    })().catch(error => site.strange.push(`${row.name}: ${error.stack}`)).finally(() => running.delete(fault));
    running.add(fault);
    if (random.unit() < 0.75) await Promise.race([fault, pause(Math.max(0, end - Date.now()))]);
    if (running.size > 1) await Promise.race(running);
    await pause(random.between(200, Number(process.env.PAUSE_MS || 3500)));
  }
  await Promise.all(running);
  return counts;
}

/* Every reader must come to the last message of every publisher. */
async function settle(readers, publishers) {
  const end = Date.now() + HEAL_SECONDS * 1000;
  const behind = () => readers.flatMap(reader => publishers.flatMap(publisher => publisher.channels.map(channel => {
    const last = Math.max(0, ...publisher.acknowledged.get(channel)), has = reader.last(channel, publisher.name);
    return has < last ? `${reader.transport}: ${publisher.name} ${has} of ${last} in ${channel}` : null;
  }))).filter(Boolean);
  while (behind().length > 0 && Date.now() < end) await pause(100);
  return behind();
}

/* Page by page: a history of many thousands takes longer than the administrator waits. */
async function held(site, channel) {
  const ids = [];
  for (let from = '-', page = null; page === null || page.length > 0; from = `(${ids.at(-1)}`) {
    page = await site.admin.do('XRANGE', `halley.history:{${channel}}`, from, '+', 'COUNT', '1000');
    ids.push(...page.map(([id]) => id));
    if (ids.length === 0) break;
  }
  return ids;
}

/* After a last marker has come everywhere, what each reader has is compared with what it was owed. */
async function judge(site, readers, publishers) {
  log('every reader is to come to the end');
  const late = await settle(readers, publishers);
  await pause(3000); // what nobody was promised may have been done last
  for (const text of late) complain('lost', `${text}, ${HEAL_SECONDS} s after everything was whole again`);
  for (const channel of CHANNELS) {
    const ids = late.length === 0 ? await held(site, channel) : [];
    const acknowledged = new Map(publishers.filter(one => one.acknowledged.has(channel)).map(one => [one.name, one.acknowledged.get(channel)]));
    for (const reader of readers) {
      const view = reader.views.get(channel);
      view.finish(acknowledged);
      view.mustHave(ids);
    }
  }
}

function report(site, readers, publishers, counts) {
  const sum = list => list.reduce((a, b) => a + b, 0), faults = sum(Object.values(counts));
  console.log(`\nfaults on ${SERVER}, seed ${SEED}, ${SECONDS} s`);
  for (const [name, count] of Object.entries(counts).sort()) console.log(`  ${String(count).padStart(5)}  ${name}`);
  for (const publisher of publishers) {
    console.log(`  ${publisher.name.padEnd(12)} ${publisher.count} acknowledged; ${JSON.stringify(publisher.troubles)}`);
  }
  for (const reader of readers) {
    const views = [...reader.views.values()];
    console.log(`  ${reader.transport.padEnd(12)} ${reader.messages} messages, ${sum(views.map(view => view.gaps))} gaps with ` +
      `${sum(views.map(view => view.inGaps))} in them; refused ${JSON.stringify(reader.refusals)}`);
  }
  for (const text of new Set(site.notes)) console.log(`  note: ${text}`);
  for (const text of site.strange) console.log(`  STRANGE: ${text}`);
  const messages = sum(publishers.map(publisher => publisher.count));
  const inGaps = Math.max(...readers.map(reader => sum([...reader.views.values()].map(view => view.inGaps))));
  const late = Math.max(...readers.map(reader => sum([...reader.views.values()].map(view => view.lateCount))));
  const again = Math.max(...readers.map(reader => sum([...reader.views.values()].map(view => view.again))));
  console.log(`${SERVER}: ${faults} faults, ${messages} messages, at most ${inGaps} in told gaps, ${again} once more behind them, ${late} late; ` +
    KINDS.map(kind => `${wrong[kind].length} ${kind}`).join(', ') + `, ${site.strange.length} strange`);
  return faults > 0 && messages > 0 && site.strange.length === 0 && KINDS.every(kind => wrong[kind].length === 0);
}

/* What was lost is looked for in the logs: when each message was acknowledged stands beside them. */
function keep(site, publishers) {
  const when = Object.fromEntries(publishers.map(publisher => [publisher.name, Object.fromEntries(publisher.when)]));
  site.place.kept = true;
  writeFileSync(join(site.place.dir, 'acknowledged.json'), JSON.stringify(when));
  console.log(`kept: ${site.place.dir}`);
}

async function main() {
  log(`faults on ${SERVER}, seed ${SEED}, ${SECONDS} s`);
  const site = await Site.start(SERVER, random);
  began = Date.now();
  const readers = Object.keys(TRANSPORTS).map(transport => new Reader(transport, site, CHANNELS, new Random(random.between(0, 1e9)), complain));
  for (const reader of readers) await reader.begin();
  const publishers = PUBLISHERS.map(Kind => new Kind(site, CHANNELS_OF[Kind.name], EVERY_MS));
  for (const publisher of publishers) publisher.begin();
  const counts = await hurt(site, {readers, channels: CHANNELS});
  log('whole again');
  await site.whole(HEAL_SECONDS);
  await pause(1000);
  for (const publisher of publishers) await publisher.end();
  await judge(site, readers, publishers);
  /* each program asks twice a second whose Redis this is; what turns in circles asks thousands of times */
  const calls = await site.idleCalls(), usual = 10 * (site.appPids().length + 5);
  if (calls > usual) site.strange.push(`${calls} reads a second though nothing is published`);
  for (const reader of readers) await reader.end();
  const good = report(site, readers, publishers, counts);
  if (good || !process.env.KEEP) await site.stop();
  else keep(site, publishers);
  process.exit(good ? 0 : 1);
}

main().catch(error => { console.log(error.stack); process.exit(2); });
