/* Tabs of one browser and a server of paper, in one process (soak.mjs has a real browser), and
 * everything that a network and people do to them, at random: answers refused, cut, hung, 401, 502, slow, buffered, half a line; the network lost and found; tabs opened,
 * closed, hidden, shown, taken out of the cache; the tab that leads hung. At twenty messages a second.
 *
 * What must hold: each tab hears every message of its time once and in order, and no tab says `open` for
 * longer than 15 s while nothing could come. The seed is printed; the same one makes the same faults, but
 * not the same moments.
 */
import {Random} from '../../faults/random.mjs';
import {Halley} from '../../../www/halley.mjs';
import {paperLocks} from '../lib/paper-locks.mjs';
import {PaperServer} from '../lib/paper-server.mjs';
import {sleep, until} from '../lib/until.mjs';

const RATE_MS = 50, UNTRUE_MS = 15000;

export class Soak {
  constructor(seed) {
    const random = new Random(seed);
    this.random = () => random.unit();
    this.tabs = [];
    this.gone = [];
    this.faults = {};
    this.n = 0;
    this.fault = null; // what every request meets for now
  }

  pick(list) { return list[Math.floor(this.random() * list.length)]; }
  count(what) { this.faults[what] = (this.faults[what] || 0) + 1; }

  async run(seconds) {
    this.server = await new PaperServer().listen();
    this.server.info = {transports: ['stream', 'wait', 'poll'], limits: {max_channels: 64, keepalive: 1, max_message: 16384}};
    this.server.before = () => this.fault ? this.fault() : undefined;
    const asIs = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    Object.defineProperty(globalThis, 'navigator', {value: {locks: paperLocks(), onLine: true}, configurable: true});
    const timers = [setInterval(() => this.server.publish('soak', ++this.n), RATE_MS), setInterval(() => this.look(), 500),
      setInterval(() => { for (const {res, deaf} of this.server.streams) if (!deaf) res.write('\n'); }, 500)];
    try {
      for (let i = 0; i < 4; i++) await this.open();
      for (const end = Date.now() + seconds * 1000; Date.now() < end;) await this.step();
      await this.calm();
    } finally {
      timers.forEach(clearInterval);
      [...this.tabs, ...this.gone].forEach(tab => tab.halley.close());
      await until(() => [...this.tabs, ...this.gone].every(tab => !tab.halley._looping), 'all have ended');
      await this.server.close();
      if (asIs) Object.defineProperty(globalThis, 'navigator', asIs); else delete globalThis.navigator;
    }
  }

  async open() {
    const halley = new Halley(this.server.base, {backoff: 20, maxBackoff: 500, interval: 200, patience: 2000, firstByte: 2000, blocked: 2000, hidden: 0, timeout: 2});
    const tab = {halley, got: [], gaps: 0, untrue: 0};
    halley.on('gap', () => { tab.gaps++; });
    const {ready} = halley.subscribe('soak', m => tab.got.push(m.data));
    this.tabs.push(tab);
    await Promise.race([ready.catch(() => {}), sleep(3000)]);
  }

  /* One thing happens, for a while. */
  async step() {
    const faults = {
      refuse: () => ({cut: true}), hang: () => ({hang: true}), 401: () => ({status: 401}), 502: () => ({status: 502, body: '<html>'}),
      slow: async () => { await sleep(300 * this.random()); return undefined; }, 'a portal': () => ({status: 200, body: '<html>log in</html>'}),
      half: () => this.random() < 0.5 ? {cut: true} : undefined
    };
    const deeds = {
      reset: () => { this.server.http.closeAllConnections(); },
      'half a line': () => { for (const {res} of this.server.streams) { res.write('{"messages":[{"chan'); res.destroy(); } },
      'black hole': async () => { for (const held of this.server.streams) held.deaf = true; await sleep(500); },
      close: async () => {
        const [tab] = this.tabs.splice(Math.floor(this.random() * this.tabs.length), 1);
        tab.last = this.n;
        tab.halley.close();
        this.gone.push(tab);
        await this.open();
      },
      hidden: async () => {
        const {halley} = this.pick(this.tabs);
        halley._asleep = true;
        halley.wake();
        await sleep(300);
        halley.handleEvent({type: 'visibilitychange'});
      },
      'the network': async () => {
        this.tabs.forEach(({halley}) => halley.handleEvent({type: 'offline'}));
        await sleep(200);
        this.tabs.forEach(({halley}) => halley.handleEvent({type: 'online'}));
      },
      cache: () => { const {halley} = this.pick(this.tabs); halley.handleEvent({type: 'pagehide', persisted: true}); halley.handleEvent({type: 'pageshow', persisted: true}); },
      'a hung leader': () => { const tab = this.tabs.find(t => t.halley._yield); if (tab) tab.halley._tell = () => {}; }
    };
    const what = this.pick([...Object.keys(faults), ...Object.keys(deeds)]);
    this.count(what);
    if (deeds[what]) return deeds[what]() || sleep(200);
    this.fault = faults[what];
    if (this.random() < 0.5) this.server.http.closeAllConnections();
    await sleep(200 + 1500 * this.random());
    this.fault = null;
    await sleep(300);
  }

  /* A tab that says `open` has what was published 15 s ago. */
  look() {
    this.past = this.past || [];
    this.past.push(this.n);
    const due = this.past[this.past.length - 1 - UNTRUE_MS / 500];
    for (const tab of this.tabs) {
      const last = tab.got[tab.got.length - 1];
      if (tab.halley.state === 'open' && due && last !== undefined && last < due) tab.untrue++;
    }
  }

  /* All faults are over: everybody has everything. */
  async calm() {
    this.fault = null;
    await sleep(500);
    const end = ++this.n;
    this.server.publish('soak', end);
    const has = tab => tab.got[tab.got.length - 1] >= end;
    await until(() => this.tabs.every(has), `all have ${end}`, 60).catch(() => {
      for (const tab of this.tabs.filter(tab => !has(tab))) {
        const {state, transport, _yield: leads} = tab.halley;
        tab.stuck = `${state} by ${transport}${leads ? ', leading' : ''}, at ${tab.got[tab.got.length - 1]} of ${end}`;
      }
    });
  }

  /* What did not hold; empty: everything did. */
  get wrong() {
    const said = [];
    for (const tab of [...this.tabs, ...this.gone]) {
      const {got} = tab;
      const bad = got.findIndex((n, i) => i && n !== got[i - 1] + 1);
      if (bad > 0) said.push(`${got[bad - 1]} was followed by ${got[bad]}`);
      if (tab.gaps) said.push(`${tab.gaps} gaps where none was`);
      if (tab.stuck) said.push(`stuck: ${tab.stuck}`);
      if (tab.untrue) said.push(`${tab.untrue / 2} s of "open" that was not`);
    }
    return said;
  }

  get summary() {
    const what = Object.entries(this.faults).map(([name, n]) => `${name} ${n}`).join(', ');
    return `${this.n} messages, ${this.tabs.length + this.gone.length} tabs; ${what}; heap ${Math.round(process.memoryUsage().heapUsed / 1048576)} MiB`;
  }
}
