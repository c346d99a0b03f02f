/*
 * Tabs of a real browser, a real server, and a network between them, to which everything happens that
 * does to networks, tabs and people, at random, at twenty messages a second. (paper.mjs is its little
 * sister, in one process, whose faults follow each other ten times as fast.)
 *
 * What must hold: each tab hears every message of its time once and in order; none says `open` for
 * longer than 15 s while what was published does not come; and the tab that is there from the beginning
 * to the end has no more memory and no more listeners than at first. The seed is printed; the same one
 * makes the same faults, but not the same moments.
 */
import {fileURLToPath} from 'node:url';
import {join} from 'node:path';
import {createClient} from 'redis';
import {Random} from '../../faults/random.mjs';
import {Running} from '../lib/running.mjs';
import {sleep, until} from '../lib/until.mjs';
import {Network} from './network.mjs';

const CLIENT = fileURLToPath(new URL('../../../www/halley.js', import.meta.url));
const CHANNEL = 'soak', HISTORY = '1000000', FEW_TABS = 3, MANY_TABS = 5;
const RATE_MS = 50, LOOK_MS = 500;
const TRANSIT_MS = 3000;  // what was published before that ought to be there
const UNTRUE_MS = 15000;  // for so long `open` may be said of a connection that is none
const HEAP_MORE = 1 << 20, LISTENERS_MORE = 8;

/* The server tells of itself every three seconds; people and networks here are in a hurry. */
const SERVER = {HALLEY_KEEPALIVE: '3'};
const OPTIONS = {backoff: 100, maxBackoff: 2000, interval: 500, blocked: 5000, hidden: 1500};

/* In the page: listens, and keeps count of what is not as it should be, with what led to it. */
function listenIn([channel, options]) {
  const heard = window.heard = {first: 0, last: 0, wrong: [], gaps: 0}, story = [], {_emit, handleEvent} = Halley.prototype;
  const tell = text => story.push(`${(Date.now() / 1000 % 1000).toFixed(2)} ${text}`) > 40 && story.shift();
  Object.assign(Halley.prototype, {
    _emit(event, of, ...more) {
      tell(`${this.transport}${this._yield ? ' leading' : ''}: ${event} ${of.data || of.state || of.channels || of.message}`);
      return _emit.call(this, event, of, ...more);
    },
    handleEvent(event) {
      tell(event.type);
      return handleEvent.call(this, event);
    }
  });
  window.halley = new Halley('/comet', options);
  window.halley.on('gap', () => { heard.gaps++; });
  window.halley.subscribe(channel, ({data: n}) => {
    if (heard.last && n !== heard.last + 1) heard.wrong.push(`${heard.last} was followed by ${n}:\n  ${story.join('\n  ')}`);
    heard.first = heard.first || n;
    heard.last = n;
  });
}

/* In the page: what it has heard, and what it says of itself. */
function lookIn() {
  const {first, last, wrong, gaps} = window.heard, {state, transport, _yield: leads} = window.halley;
  return {first, last, wrong, gaps, state, transport, leads: Boolean(leads)};
}

/* In the page: somebody turns away from it, or back to it. */
function hideIn(hidden) {
  for (const [name, value] of [['hidden', hidden], ['visibilityState', hidden ? 'hidden' : 'visible']])
    Object.defineProperty(document, name, {value, configurable: true});
  document.dispatchEvent(new Event('visibilitychange', {bubbles: true}));
}

/* One tab, and what was seen of it: `seen`, what it said last; `asleep`, it cannot say anything;
 * `untrue`, for how long it has been saying `open` although nothing comes; `worst`, the longest of these. */
class Tab {
  static async open(soak) {
    const tab = new Tab();
    Object.assign(tab, {soak, page: await soak.context.newPage(), seen: {}, asleep: false, untrue: 0, worst: 0});
    // What was swallowed before may be taken by the browser for a connection.
    await until(() => tab.page.goto(`${soak.network.url}style.css`, {timeout: 5000}).then(() => true, () => false), 'a page', 120);
    await tab.page.evaluate(listenIn, [CHANNEL, OPTIONS]);
    tab.devtools = await soak.context.newCDPSession(tab.page);
    tab.looking = tab.#look();
    return tab;
  }

  async #look() {
    while (!this.closed) {
      const due = this.soak.due();
      try {
        if (!this.asleep) this.#judge(await this.page.evaluate(lookIn), due);
      } catch (error) {
        if (!this.closed) this.soak.say(`a tab does not answer: ${error.message}`);
        return;
      }
      await sleep(LOOK_MS);
    }
  }

  /* Counted by looks: a machine that stands still has seen nothing untrue. */
  #judge(seen, due) {
    this.seen = seen;
    const behind = seen.first && seen.last < due || !seen.first && this.born + 20 < due;
    this.untrue = seen.state === 'open' && behind && !this.asleep ? this.untrue + LOOK_MS : 0;
    if (this.untrue <= this.worst) return;
    this.worst = this.untrue;
    this.when = `by ${seen.transport}${seen.leads ? ', leading' : ''}, after: ${this.soak.lately.join(', ')}`;
  }

  async close(politely) {
    this.closed = true;
    await this.looking;
    await this.page.evaluate(lookIn).then(seen => { this.seen = seen; });
    await this.page.close({runBeforeUnload: politely});
  }

  async sleeps(fn) {
    this.asleep = true;
    await fn();
    this.asleep = false;
    this.untrue = 0;
  }

  freeze(ms) {
    return this.sleeps(async () => {
      await this.devtools.send('Page.setWebLifecycleState', {state: 'frozen'});
      await sleep(ms);
      await this.devtools.send('Page.setWebLifecycleState', {state: 'active'});
      await this.page.bringToFront();
    });
  }

  /* Its script does not get on, and nothing of it is heard. */
  hang(ms) {
    return this.sleeps(() => this.page.evaluate(url => {
      const request = new XMLHttpRequest();
      request.open('GET', url, false);
      try { request.send(); } catch (e) { /* of another site: it has waited */ }
    }, this.soak.network.hang(ms)));
  }

  /* What it holds when all that can be thrown away is. */
  async weight() {
    await this.devtools.send('Performance.enable');
    for (let i = 0; i < 3; i++) await this.devtools.send('HeapProfiler.collectGarbage');
    const {metrics} = await this.devtools.send('Performance.getMetrics');
    const of = name => metrics.find(metric => metric.name === name).value;
    return {heap: of('JSHeapUsedSize'), listeners: of('JSEventListeners')};
  }

  get wrong() {
    const {wrong = [], gaps} = this.seen, {worst} = this;
    return [...wrong, ...gaps ? [`${gaps} gaps where none was`] : [], ...worst > UNTRUE_MS ? [`${worst / 1000} s of "open" that was not, ${this.when}`] : []];
  }
}

/* What happens: for a while to the network, then it is over. */
const NETWORK = {
  'connections refused': network => network.refuse(),
  'half of the connections refused': (network, random) => {
    if (random.unit() < 0.5) network.reset();
    network.refuse(0.5);
  },
  'connections reset': network => network.reset(),
  'connections torn': network => network.tear(),
  'a black hole': network => network.swallow(),
  'half open': network => {
    network.swallow();
    network.works();
  },
  slow: (network, random) => network.slow(() => sleep(random.between(20, 800))),
  buffered: network => network.buffer(),
  ...Object.fromEntries([200, 401, 403, 404, 502].map(status => [status === 200 ? 'a portal' : String(status), network => {
    network.portal(status);
    network.reset();
  }]))
};

/* And to tabs. */
const TABS_DEEDS = {
  'a tab opened': soak => soak.open(),
  'a tab closed': soak => soak.lose(true),
  'a tab gone': soak => soak.lose(false),
  hidden: async ({tabs, random}) => {
    const {page} = random.pick(tabs);
    await page.evaluate(hideIn, true);
    await sleep(random.between(200, 6000));
    await page.evaluate(hideIn, false);
  },
  frozen: ({tabs, random}) => random.pick(tabs).freeze(random.between(500, 6000)),
  'the leader frozen': ({leader, random}) => leader().freeze(random.between(500, 15000)),
  'the leader hung': ({leader, random}) => leader().hang(random.between(8000, 14000)),
  'the leader closed': soak => soak.lose(true, soak.leader()),
  'in the cache and back': ({tabs, random}) => random.pick(tabs).page.evaluate(() => {
    for (const type of ['pagehide', 'pageshow']) dispatchEvent(new PageTransitionEvent(type, {persisted: true}));
  }),
  offline: async ({context, random}) => {
    await context.setOffline(true);
    await sleep(random.between(200, 4000));
    await context.setOffline(false);
  },
  'another network': ({context, network}) => {
    network.swallow();
    network.works();
    return context.setOffline(true).then(() => context.setOffline(false));
  }
};

export class Soak {
  constructor(seed) {
    Object.assign(this, {random: new Random(seed), tabs: [], gone: [], said: [], done: {}, lately: [], n: 0, past: []});
    this.leader = () => this.tabs.find(tab => tab.seen.leads) || this.random.pick(this.tabs);
  }

  say(text) { this.said.push(text); }

  async run(seconds, server = 'lighttpd') {
    this.halley = await Running.start(server, SERVER);
    try {
      await this.#begin();
      for (const end = Date.now() + seconds * 1000; Date.now() < end;) await this.#step();
      await this.#calm();
    } finally {
      await this.#end();
    }
  }

  async #begin() {
    this.network = await Network.to(this.halley.url);
    this.context = await this.halley.browser();
    await this.context.addInitScript({path: CLIENT});
    this.redis = createClient({socket: {path: join(this.halley.dir, 'redis.sock')}});
    await this.redis.connect();
    this.publishing = this.#publish();
    const steady = await this.open();
    await until(() => steady.seen.last > 100, 'the first tab hears', 60);
    this.before = await steady.weight();
    while (this.tabs.length < FEW_TABS) await this.open();
  }

  /* By who is on time: what is late is not made up for. */
  async #publish() {
    while (!this.over) {
      await Promise.all([sleep(RATE_MS), this.redis.sendCommand(['FCALL', 'halley_publish', '1', CHANNEL, String(this.n + 1), 'HISTORY', HISTORY])]);
      this.n++;
      this.past.push([Date.now(), this.n]);
      if (this.past.length > 2000) this.past.splice(0, 1000);
    }
  }

  /* What was published so long ago that everybody has it. */
  due() {
    const time = Date.now() - TRANSIT_MS, at = this.past.findLast(([when]) => when < time);
    return at ? at[1] : 0;
  }

  async open() {
    const tab = await Tab.open(this);
    tab.born = this.n;
    this.tabs.push(tab);
    return tab;
  }

  /* All but the first, which stays. */
  async lose(politely, tab = this.random.pick(this.tabs)) {
    if (tab === this.tabs[0]) return;
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    this.gone.push(tab);
    await tab.close(politely);
  }

  /* Each of all things once, in any order, before one comes again. */
  #next() {
    if (!this.deck?.length) this.deck = [...Object.keys(NETWORK), ...Object.keys(TABS_DEEDS)];
    const [what] = this.deck.splice(this.random.between(0, this.deck.length - 1), 1);
    this.done[what] = (this.done[what] || 0) + 1;
    this.lately = [...this.lately, what].slice(-3);
    return what;
  }

  async #step() {
    const {network, random} = this, what = this.#next();
    if (this.tabs.length > MANY_TABS) await this.lose(true, this.tabs[1]);
    if (this.tabs.length < FEW_TABS) await this.open();
    if (TABS_DEEDS[what]) {
      await TABS_DEEDS[what](this);
    } else {
      NETWORK[what](network, random);
      await sleep(random.between(300, 5000));
      if (network.held) network.release();
      network.works();
    }
    await sleep(random.between(200, 1500));
  }

  /* All is over: everybody has everything, and the first tab is as it was. */
  async #calm() {
    this.over = true;
    await this.publishing;
    for (const tab of this.tabs) {
      await until(() => tab.seen.last >= this.n, 'all', 60).catch(() => this.say(`stuck: ${JSON.stringify(tab.seen)} of ${this.n}`));
    }
    const [steady, ...others] = this.tabs;
    for (const tab of others) await this.lose(true, tab);
    await until(() => steady.seen.leads && steady.seen.state === 'open', 'the first tab is alone', 60);
    this.after = await steady.weight();
    if (this.after.heap > this.before.heap + HEAP_MORE) this.say(`the heap grew from ${this.before.heap} to ${this.after.heap}`);
    if (this.after.listeners > this.before.listeners + LISTENERS_MORE)
      this.say(`listeners grew from ${this.before.listeners} to ${this.after.listeners}`);
  }

  async #end() {
    this.over = true;
    for (const tab of this.tabs) tab.closed = true;
    await this.publishing?.catch(() => {});
    await this.redis?.quit();
    await this.halley.stop();
    this.network?.close();
  }

  /* What did not hold; empty: everything did. */
  get wrong() { return [...this.said, ...[...this.tabs, ...this.gone].flatMap(tab => tab.wrong)]; }

  get summary() {
    const all = [...this.tabs, ...this.gone], {before, after} = this;
    return [`${this.n} messages, ${all.length} tabs; the longest "open" that was not: ${Math.max(...all.map(tab => tab.worst)) / 1000} s`,
      `heap ${before.heap} then ${after?.heap} bytes, listeners ${before.listeners} then ${after?.listeners}`,
      Object.entries(this.done).map(([what, n]) => `${what} ${n}`).join(', ')].join('\n');
  }
}
