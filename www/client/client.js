/* Halley's browser client, with long polling and polling; halley.d.ts says what each thing is for.
 *
 * It goes in turns: a quick read of all channels where one is due (at first, after a
 * failure, for a new channel; join.js), then the best transport until that ends or fails (turn.js).
 * The cursor goes along, so nothing is lost; the last id of each channel drops what is double.
 */
import {covers, isNew, nameOf, placesOf} from './names.js';
import {check} from './options.js';
import {join, past} from './join.js';
import {publish} from './publish.js';
import {history, messages} from './reading.js';
import {call, urlOf} from './requests.js';
import {tokenOf} from './token.js';
import {attempt, failure, foreign, givenUp, isPage, keep, kept, later, newKey, refused, root, sleep, warn, when} from './tools.js';
import {hold} from './turn.js';

/* The list at a key; it begins empty. */
const listed = (on, type) => on[type] || (on[type] = []);
const ORDER = ['ws', 'events', 'stream', 'wait', 'poll']; // the best come first
const drop = (map, is) => map.forEach((at, name) => is(name) && map.delete(name));
const net = () => root.navigator?.connection;

/* The network is another one, or changes otherwise. */
function changed(halley, {type}) {
  if (net().type === halley._net) halley._check?.(type);
  else halley._anew();
}

/* The page is hidden, shown, gone, back; the network is lost, back. */
const HEARD = {
  beforeunload(halley) { halley._parted = Date.now(); },
  pagehide(halley) { halley._leave(); },
  pageshow(halley, {persisted}) { if (persisted || halley._lost()) halley.wake(); },
  offline(halley) { halley._set('offline'); },
  online(halley) { halley._anew(); }, // what was open before leads nowhere, whatever it looks like
  visibilitychange(halley, {type}) {
    clearTimeout(halley._doze);
    const {hidden} = halley.options;
    if (root.document?.hidden) {
      if (hidden) halley._doze = setTimeout(() => { halley._asleep = true; halley.wake(); }, hidden);
    } else if (halley._asleep || halley._lost()) {
      halley._asleep = false;
      halley.wake();
    } else if (Date.now() - halley._heard > 15000) halley._check ? halley._check(type) : halley._anew();
  }
};

export class Halley {
  constructor(base, options) {
    const T = this._transports = Halley.transports, o = this.options = check(options, T);
    this.base = (base || '/comet').replace(/\/+$/, '');
    this.state = 'closed';
    this._start = /^(now|start|-\d+)$/.test(o.since) ? o.since : 'now';
    this._on = {message: [], gap: [], state: [], error: []};
    this._channels = new Map(); // name -> {subs, since}; since is '' once the cursor knows it
    this._last = new Map();     // channel -> id of its last message
    this._fails = 0;            // turns failed in a row
    this._ends = 0;             // turns that ended at once in a row
    this._refusals = 0;         // turns refused in a row
    this._parted = 0;           // when this page was last about to be left
    this._quick = true;         // the next turn begins with a quick read
    this._limits = {max_channels: 64, max_message: 16384, keepalive: 15}; // until the server says others
    this._bad = {};             // transport -> how badly it failed
    this._sent = Promise.resolve(); // settled when all is sent that was published
    this._unsent = 0;
    // Who asks for the same thing in the same way shares it.
    this._same = 'halley:' + this.base + JSON.stringify([o.params, o.headers, o.numbers, o.credentials]);
    this._id = newKey();
    this._shares = o.share !== false && !o.transports && T.tab?.fits();
    this._kept = o.persist === 'session' && this._same + ' cursor';
    this.cursor = o.since !== this._start ? o.since : this._begin();
    this._until = attempt(() => JSON.parse(kept(this._same))) || {}; // transport -> until when it is left alone
  }

  /* What the page says where it begins, or what a page before it has kept. */
  _begin() {
    const at = root.document?.querySelector?.('[data-halley-cursor]');
    // What was to put it there may have failed.
    return attempt(() => at.getAttribute('data-halley-cursor') || JSON.parse(at.textContent).cursor) || this._kept && kept(this._kept) || '';
  }
  /* Beside what other clients of this page keep there. */
  _store(gone) {
    if (!this._kept) return;
    const all = placesOf(kept(this._kept) || '');
    if (gone) drop(all, gone);
    this._take(all, this._places);
    keep(this._kept, [...all.values()].join());
  }
  /* Of places, those of what is wanted here. */
  _take(to, places) { places.forEach((at, name) => this._wants(name) && to.set(name, at)); }

  /* ---- events ---- */

  _fns(type) {
    if (!this._on[type]) warn('there is no event ' + type);
    return listed(this._on, type);
  }
  on(type, fn) { this._fns(type).push(fn); return this; }
  off(type, fn) { this._on[type] = this._fns(type).filter(f => f !== fn && f.once !== fn); return this; }
  once(type, fn) {
    const one = event => { this.off(type, one); fn(event); };
    one.once = fn;
    return this.on(type, one);
  }
  _call(fn, event) {
    try { fn?.(event); } catch (e) { setTimeout(() => { throw e; }); } // theirs, not ours
  }
  /* To all, and to those who listen at one of these subscriptions. */
  _emit(type, event, subs = []) {
    if (this.options.debug) console.debug('Halley', type, event);
    this._fire([this, ...subs], type, event);
  }
  _fire(these, type, event) {
    for (const {_on: on} of these) for (const fn of [...on[type] || []]) this._call(fn, event);
  }

  /* ---- what is asked for ---- */

  subscribe(channel, fn, options) {
    const name = nameOf(channel), {since, signal} = options || {}, sub = {fn, _on: {}};
    const was = this._channels.get(name), among = was?.subs.length;
    const leave = () => this._leaveOne(name, s => s === sub);
    leave.ready = new Promise((yes, no) => { sub.placed = yes; sub.lost = no; });
    leave.ready.catch(() => {}); // whoever waits for it hears of it
    leave.on = (type, fn) => { listed(sub._on, type).push(fn); return leave; };
    if (signal?.aborted) {
      sub.lost(givenUp());
      return leave;
    }
    sub.forget = when(signal, leave);
    const from = since || (among || this._places.has(name) ? 'now' : this._start);
    if (!among) this._channels.delete(name);
    // Where others hear the same, or a part of it, the past is for this one alone.
    const beside = this._names().some(n => covers(n, name) || covers(name, n));
    if (!beside) {
      if (since && !was) this._places.delete(name); // another tab may need it
      this._last.delete(name);
    }
    const c = among ? was : {subs: [], since: beside ? 'now' : from};
    c.subs.push(sub);
    this._channels.set(name, c);
    if (beside && from !== 'now') past(this, name, sub, from);
    else if (!c.since) sub.placed();
    if (!among) this._changed();
    return leave;
  }
  unsubscribe(channel, fn) {
    const all = arguments.length < 2;
    this._leaveOne(nameOf(channel), s => all || s.fn === fn, all);
  }
  _subs(name) { return this._channels.get(name)?.subs || []; }
  _leaveOne(name, is, all) {
    const subs = this._subs(name), at = subs.findIndex(is);
    if (at >= 0) this._lose(subs.splice(at, all ? subs.length : 1), givenUp());
    if (this._prune()) this._changed();
  }
  _lose(subs, error) {
    for (const sub of subs) {
      sub.lost(error);
      sub.forget();
      this._fire([sub], 'end');
    }
  }
  /* Drops the channels that neither this page nor another tab wants, and their places. */
  _prune() {
    const gone = this._names().filter(name => !this._subs(name).length && !this._serves(t => t.want.includes(name)));
    gone.forEach(name => this._channels.delete(name));
    if (gone.length) this._forget(name => gone.some(g => covers(g, name)) && !this._wants(name));
    return gone.length;
  }
  _forget(is) {
    for (const map of [this._places, this._last]) drop(map, is);
    this._store(is);
  }
  _all() { return this._names().flatMap(name => this._subs(name)); }
  _names() { return [...this._channels.keys()]; }
  _known() { return this._names().filter(name => !this._channels.get(name).since); }
  _wants(channel) { return this._names().some(name => covers(name, channel)); }
  _takers(channel) { return this._names().flatMap(name => covers(name, channel) ? this._subs(name) : []); }
  _placed(names) {
    for (const name of names) {
      const c = this._channels.get(name);
      if (!c) continue;
      c.since = '';
      c.subs.forEach(sub => sub.held || sub.placed());
    }
  }
  /* One channel is left out, and the others go on. */
  _refuse(name, error) {
    const subs = this._subs(name);
    this._channels.delete(name);
    this._emit('error', Object.assign(error, {channel: name}), subs);
    this._lose(subs, error);
  }
  _gap(names = []) {
    const channels = names.filter(name => this._takers(name).length);
    if (channels.length) this._emit('gap', {channels});
    for (const name of channels) this._fire(this._takers(name), 'gap', {channels: [name]});
  }

  close() {
    const subs = this._all();
    this._forget(name => this._wants(name));
    this._places.clear();
    this._channels.clear();
    this._lose(subs, givenUp());
    this.wake();
    this._set('closed');
  }

  messages(channel, options) { return messages(this, channel, options); }
  history(channel, options) { return history(this, channel, options); }
  publish(channel, data, options) { return publish(this, channel, data, options); }

  /* Where this client is in all that it was given, as the server writes it. */
  get cursor() { return [...this._places.values()].join(','); }
  set cursor(text) { this._places = placesOf(text); }

  /* ---- turns ---- */

  wake() {
    this._turn?.abort();
    if (this._looping) return;
    this._looping = true;
    this._loop();
  }

  /* Other channels are wanted. A quick read that is on its way, or due, finds them by itself. */
  _changed() {
    if (this._looping && this._channels.size && this._reads) return;
    if (this._sync) this._sync();
    else this.wake();
  }

  _listen(verb) {
    for (const type in HEARD) root[verb]?.(type, this);
    net()?.[verb]?.('change', this);
  }

  async _loop() {
    await null; // what is asked for in one go is asked for at once
    this._listen('addEventListener');
    this._net = net()?.type;
    this.handleEvent({type: 'visibilitychange'});
    while (this._channels.size) {
      const {signal} = this._turn = new AbortController();
      let ms = 0;
      try {
        ms = await this._go(signal);
      } catch (e) {
        if (!signal.aborted) ms = this._failed(e);
      }
      if (ms === undefined) await new Promise(done => when(signal, done)); // refused for good: until something changes
      else if (ms) await sleep(ms, signal);
    }
    this._listen('removeEventListener');
    clearTimeout(this._doze);
    this._leave();
    this._looping = false;
    this._set('closed');
  }

  async _go(signal) {
    const o = this.options;
    if (this.state !== 'open') this._set('connecting');
    await tokenOf(this);
    if (this._channels.size > 64 && !o.transports) await this._info(signal);
    if (this._quick || this._known().length < this._channels.size) await join(this, signal);
    const name = this._name = await this._pick(signal);
    let pause = this._retry || this._dozes() && o.hidden || name === 'poll' && o.interval;
    if (pause) {
      this._quick = true;
      this._set('open');
    } else {
      const at = this.cursor;
      await hold(this, name, signal);
      this._bad[name] = 0;
      // An end without news, at once: something is amiss, do not turn in circles.
      const idle = name !== 'tab' && at === this.cursor && Date.now() - this._began < 1000;
      this._ends = idle ? this._ends + 1 : 0;
      if (idle) pause = later({}, this._ends, o);
    }
    this._fails = this._refusals = 0;
    return pause || 0;
  }

  async _info(signal) {
    const said = this._offer || await call(this, this.base + '/info', signal);
    if (!Array.isArray(said?.transports)) throw foreign(200);
    Object.assign(this._limits, said.limits);
    return (this._offer = said);
  }

  /* As many requests as the server wants for so many channels. */
  _parts(names) {
    const parts = [], most = this._limits.max_channels;
    for (let i = 0; i < names.length; i += most) parts.push(names.slice(i, i + most));
    return parts;
  }

  async _pick(signal) {
    const {_transports: T, options: o} = this, parts = this._parts(this._names());
    const url = urlOf(this, '', parts[0], this.cursor);
    const fit = t => (!T[t].fits || T[t].fits(url, o)) && !(this._until[t] > Date.now());
    if (this._shares && !this._yield && parts.length < 2 && fit('tab')) return 'tab';
    const offer = o.transports || (await this._info(signal)).transports, order = o.transports || ORDER.filter(t => offer.includes(t));
    const names = order.filter(t => T[t] && (parts.length < 4 || /ws|poll/.test(t)));
    return names.find(fit) || names.pop() || 'poll';
  }

  _failed(error) {
    const {_name: name, options: o} = this, no = refused(error), now = Date.now();
    if (this._yield && (no || root.document?.hidden)) this._yield(); // another tab may do better
    // Held against the transport, unless quick reads fail too, or it has worked for a while, or the
    // page was about to be left: Firefox breaks what is open then, also where a download is all that comes.
    const deaf = error.stalled && !this._fed, young = now - this._began < 10000;
    if (!this._quick && !young) this._fails = 0;
    if (!this._quick && !no && this._began > this._parted && (deaf || young)) {
      this._bad[name] = (this._bad[name] || 0) + (deaf || !this._heard ? 3 : 1);
      if (this._bad[name] > 2 && !(this._until[name] > now)) {
        this._until[name] = now + o.blocked;
        this._fails = 0;
        if (!o.transports) keep(this._same, JSON.stringify(this._until));
      }
    }
    this._quick = true;
    if (no && !this._worked) {
      this._all().forEach(sub => sub.lost(error));
      return this._set('closed', {error});
    }
    // What had worked and is refused now may be a deploy, or a portal's page: slowly, but for ever.
    const retryIn = no ? Math.min(o.maxBackoff, o.backoff * 10 * 2 ** this._refusals++) : later(error, this._fails++, o);
    this._reads = true;
    this._set(root.navigator?.onLine === false ? 'offline' : 'waiting', {retryIn, error});
    return retryIn;
  }

  /* Every message of every transport comes through here. Returns how many were new. */
  _batch(signal, batch, past) {
    if (signal.aborted) throw new Error('abandoned');
    if (batch?.error) throw failure(batch.error);
    if (!isPage(batch) || batch.cursor === undefined) throw foreign();
    this._worked = true;
    if (!past) {
      this._retry = batch.retry;
      this._tell(batch);
    }
    this._gap(batch.gap);
    let n = 0;
    for (const m of batch.messages) {
      if (!this._wants(m.channel) || !isNew(this._last, m)) continue;
      n++;
      const subs = this._takers(m.channel);
      for (const sub of subs) {
        if (sub.held) sub.held.push(m);
        else if (!sub.last || isNew(sub.last, m)) this._call(sub.fn, m);
      }
      if (subs.length) this._emit('message', m);
    }
    if (!past && !signal.aborted) this._move(batch.cursor);
    return n;
  }
  /* What a batch says of channels that were left meanwhile is forgotten. */
  _move(cursor) {
    const places = placesOf(cursor), one = this._parts(this._names()).length < 2;
    if (one) drop(this._places, name => !places.has(name) && !this._channels.has(name) && this._wants(name)); // what a pattern stands for no more
    this._take(this._places, places);
    this._store();
  }

  _set(state, more) {
    if (state !== 'closed' && !this._channels.size) return; // closed meanwhile
    const transport = this._retry || this._dozes() ? 'poll' : this._via || this._name;
    if (!more && state === this.state && transport === this.transport) return;
    this.state = state;
    this.transport = transport;
    this._error = more?.error;
    this._tell();
    this._emit('state', {state, transport, ...more}, this._all());
  }

  handleEvent(event) { (HEARD[event.type] || changed)(this, event); }
  _lost() { return /waiting|offline|closed/.test(this.state); }
  /* Whatever is open is left, and all channels are read at once. */
  _anew() {
    this._net = net()?.type;
    this._quick = true;
    this.wake();
  }
  /* Nobody looks at this page, nor at a tab that it serves: no need to hold a connection. */
  _dozes() {
    return this._asleep && (!this._shares || this._yield) && !this._serves(t => t.want.length && !t.asleep);
  }

  /* ---- tabs of one browser: one leads, and holds the connection for all (tabs.js) ---- */

  _tell() { /* nobody, unless this tab leads */ }
  _serves() { /* likewise */ }
  _leave() {
    if (this._yield) this._yield();
    else if (this._shares) this._transports.tab.leave(this);
  }
}

Halley.version = '0.1.0';

/* streams.js says what a transport is. */
Halley.transports = {
  wait: {
    async run(turn) { turn.batch(await turn.held('wait')); }
  },
  poll: {} // a quick read is all there is to it
};

