/* Halley's browser client; halley.d.ts says what each thing is for.
 *
 * It goes in turns: a quick read of all channels where one is due (at first, after a
 * failure, for a new channel), then the best transport until that ends or fails. The
 * cursor goes along, so nothing is lost; the last id of each channel drops what is double.
 */
(function (root) {
  'use strict';

  const DEFAULTS = {
    since: 'now', timeout: 25, interval: 3000, patience: 15000, firstByte: 4000, silence: 60000,
    hidden: 60000, blocked: 600000, backoff: 500, maxBackoff: 30000, tries: 5
  };
  const EVENTS = ['online', 'visibilitychange', 'pagehide', 'pageshow'];

  const refused = e => e.status >= 400 && e.status < 500 && ![408, 425, 429].includes(e.status);
  const failure = p => Object.assign(new Error(p.detail ? p.title + ': ' + p.detail : p.title), p);

  /* Full jitter, after what the server has asked for. */
  const later = (e, n, o) => Math.round((e.retryAfter || 0) + Math.random() * Math.min(o.maxBackoff, o.backoff * 2 ** n));

  const aborted = signal => new Promise(done => signal.aborted ? done() : signal.addEventListener('abort', done));
  const sleep = (ms, signal) => new Promise(done => {
    const timer = setTimeout(done, ms);
    if (signal) aborted(signal).then(() => { clearTimeout(timer); done(); });
  });

  const newKey = () => Date.now().toString(36) + Math.random().toString(36).slice(1);

  /* One request: its JSON, or the Response if `raw`, or an Error, which has the answer's `status`. */
  async function call(url, init, ms, signal, raw) {
    const control = new AbortController(), abort = () => control.abort();
    const timer = setTimeout(abort, ms);
    if (signal) aborted(signal).then(abort);
    try {
      const res = await fetch(url, Object.assign({cache: 'no-store', signal: control.signal}, init));
      if (res.ok && raw) return res;
      const text = await res.text();
      if (res.ok) return JSON.parse(text);
      const after = res.headers.get('Retry-After');
      let p = {};
      try { p = JSON.parse(text); } catch (e) { /* some proxy's page */ }
      throw failure({
        status: res.status, title: p.title || 'HTTP ' + res.status, detail: p.detail,
        retryAfter: after && (isNaN(after) ? Date.parse(after) - Date.now() : after * 1000)
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /* Does an id `<epoch>-<n>` come after another? */
  function after(id, last) {
    const [e, n] = id.split('-').map(Number), [le, ln] = last.split('-').map(Number);
    return e > le || (e === le && n > ln);
  }

  class Halley {
    constructor(base, options) {
      const o = this.options = Object.assign({}, DEFAULTS, options);
      this.base = (base || '/comet').replace(/\/+$/, '');
      this.state = 'closed';
      this._start = /^(now|start|-\d+)$/.test(o.since) ? o.since : 'now';
      this.cursor = o.since === this._start ? '' : o.since;
      this._on = {};
      this._channels = new Map(); // name -> {fns, since, last}; since is '' once the cursor knows it
      this._fails = 0;            // turns failed in a row
      this._quick = true;         // the next turn begins with a quick read
      this._bad = {};             // transport -> how badly it failed
      this._until = {};           // transport -> until when it is left alone
      this._key = 'halley:' + this.base;
      this._id = newKey();
      this._tabs = new Map();     // for the tab that leads: what the others want
      this._shares = o.share !== false && !o.transports && root.BroadcastChannel && root.navigator && navigator.locks;
      try { Object.assign(this._until, JSON.parse(sessionStorage.getItem(this._key))); } catch (e) { /* no storage */ }
    }

    /* ---- events ---- */

    _fns(type) { return this._on[type] || (this._on[type] = []); }
    on(type, fn) { this._fns(type).push(fn); return this; }
    off(type, fn) { this._on[type] = this._fns(type).filter(f => f !== fn && f.once !== fn); return this; }
    once(type, fn) {
      const one = event => { this.off(type, one); fn(event); };
      one.once = fn;
      return this.on(type, one);
    }
    _emit(type, event, fns = this._fns(type)) {
      for (const fn of fns.slice()) {
        try { if (fn) fn(event); } catch (e) { setTimeout(() => { throw e; }); } // theirs, not ours
      }
    }

    /* ---- what is asked for ---- */

    subscribe(channel, fn, options) {
      const c = this._channels.get(channel), since = options && options.since || this._start;
      if (c && c.fns.length) c.fns.push(fn);
      else {
        this._channels.set(channel, {fns: [fn], since, last: '0-0'});
        this.wake();
      }
      return () => this.unsubscribe(channel, fn);
    }
    unsubscribe(channel, fn) {
      const c = this._channels.get(channel) || {fns: []}, at = c.fns.indexOf(fn);
      if (arguments.length < 2) c.fns = [];
      else if (at >= 0) c.fns.splice(at, 1);
      if (this._prune()) this.wake();
    }
    /* Drops the channels that neither this page nor another tab wants. */
    _prune() {
      const gone = this._names().filter(name => !this._mine(name) && !this._serves(t => t.want.includes(name)));
      gone.forEach(name => this._channels.delete(name));
      return gone.length;
    }
    _serves(fn) { return [...this._tabs.values()].some(fn); }
    _names() { return [...this._channels.keys()]; }
    _known() { return this._names().filter(name => !this._channels.get(name).since); }
    _mine(name) { return (this._channels.get(name) || {fns: []}).fns.length; }

    close() {
      this._channels.clear();
      this.wake();
      this._set('closed');
    }

    async publish(channel, data, options) {
      const o = Object.assign({}, this.options, options), key = o.idempotencyKey || newKey();
      const raw = data instanceof ArrayBuffer || ArrayBuffer.isView(data), body = raw ? data : JSON.stringify(data);
      const headers = {'Content-Type': 'application/' + (raw ? 'octet-stream' : 'json'), 'Idempotency-Key': key};
      for (let n = 0; ; n++) {
        try {
          if (this._send && !raw) return await this._send({channel, data, key});
          return await call(this.base + '/publish?channel=' + encodeURIComponent(channel), {method: 'POST', headers, body}, o.patience);
        } catch (e) {
          const ms = later(e, n, o);
          if (refused(e) || n + 1 >= o.tries || ms > 60000) throw e; // the server forgets a key after 5 minutes
          await sleep(ms);
        }
      }
    }

    /* ---- turns ---- */

    wake() {
      if (this._turn) this._turn.abort();
      if (this._looping) return;
      this._looping = true;
      Promise.resolve().then(() => this._loop());
    }

    async _loop() {
      if (root.addEventListener) EVENTS.forEach(type => root.addEventListener(type, this));
      this.handleEvent({});
      while (this._channels.size) {
        const {signal} = this._turn = new AbortController();
        let ms = 0;
        try {
          ms = await this._go(signal);
        } catch (e) {
          if (!signal.aborted) ms = this._failed(e);
        }
        if (ms === undefined) await aborted(signal); // refused for good: until something changes
        else if (ms) await sleep(ms, signal);
      }
      if (root.addEventListener) EVENTS.forEach(type => root.removeEventListener(type, this));
      clearTimeout(this._doze);
      this._leave();
      this._looping = false;
      this._set('closed');
    }

    async _go(signal) {
      const o = this.options;
      if (this.state !== 'open') this._set('connecting');
      if (this._quick || this._known().length < this._channels.size) await this._join(signal);
      const name = this._name = await this._pick(signal);
      let pause = this._retry || this._dozes() && o.hidden || name === 'poll' && o.interval;
      if (pause) {
        this._quick = true;
        this._set('open');
      } else {
        const at = this.cursor;
        await this._hold(name, signal);
        this._bad[name] = 0;
        // An end without news, at once: something is amiss, do not turn in circles.
        if (name !== 'tab' && at === this.cursor && Date.now() - this._began < 1000) pause = later({}, 1, o);
      }
      this._fails = 0;
      return pause || 0;
    }

    async _pick(signal) {
      await Halley.loaded;
      const T = Halley.transports, o = this.options, url = this._url('', this._names(), this.cursor);
      const fit = t => T[t] && (!T[t].fits || T[t].fits(url)) && !(this._until[t] > Date.now());
      this._shares = this._shares && T.tab;
      if (this._shares && !this._yield && fit('tab')) return 'tab';
      if (!o.transports && !this._offer) this._offer = await call(this.base + '/info', {}, o.patience, signal);
      const names = o.transports || ORDER.filter(t => T[t] && this._offer.transports.includes(t));
      return names.find(fit) || names[names.length - 1] || 'poll';
    }

    _failed(error) {
      const {_name: name, options: o} = this, no = refused(error);
      if (this._yield && (no || root.document && document.hidden)) this._yield(); // another tab may do better
      // Held against the transport, unless quick reads fail too, or it has worked for a while.
      const deaf = error.stalled && !this._fed;
      if (!this._quick && !no && (deaf || Date.now() - this._began < 10000)) {
        this._bad[name] = (this._bad[name] || 0) + (deaf || !this._heard ? 3 : 1);
        if (this._bad[name] > 2) {
          this._until[name] = Date.now() + o.blocked;
          this._fails = 0;
          try { if (!o.transports) sessionStorage.setItem(this._key, JSON.stringify(this._until)); } catch (e) { /* no storage */ }
        }
      }
      this._quick = true;
      if (no) return this._set('closed', {error});
      const retryIn = later(error, this._fails++, o);
      this._set(root.navigator && navigator.onLine === false ? 'offline' : 'waiting', {retryIn, error});
      return retryIn;
    }

    /* Gives every channel its place in the cursor. A new one that wants its past is read
     * once more after that, alone: what both reads have is dropped. */
    async _join(signal) {
      let alone = false, read = false;
      for (;;) {
        const since = ([...this._channels.values()].find(c => c.since) || {}).since, at = this.cursor;
        if (read && !since) break;
        let fresh = this._names().filter(name => since && this._channels.get(name).since === since);
        if (alone) fresh = fresh.slice(0, 1);
        try {
          this._batch(signal, await this._read(signal, 'poll', this._known().concat(fresh), at || since));
          read = true;
          if (since && at && since !== 'now') {
            for (let from = since, batch; !batch || batch.messages.length; from = batch.cursor) {
              batch = await this._read(signal, 'poll', fresh, from);
              this._batch(signal, batch, true);
            }
          }
          for (const name of fresh) (this._channels.get(name) || {}).since = '';
        } catch (error) {
          if (signal.aborted || !refused(error) || !since || this._channels.size < 2) throw error;
          // One bad name shall not cost the others their messages: find it, and leave it out.
          if (fresh.length < 2) {
            this._channels.delete(fresh[0]);
            this._emit('error', Object.assign(error, {channel: fresh[0]}));
          }
          alone = true;
        }
      }
      this._quick = false;
      this._tell();
    }

    /* Runs a transport. A stream that says nothing at first is held back by a proxy; one that
     * falls silent may be dead: a quick read shows whether it should have brought something. */
    async _hold(name, signal) {
      const transport = Halley.transports[name], o = this.options, control = new AbortController();
      let end, fail, timer;
      const over = new Promise((yes, no) => { end = yes; fail = no; });
      aborted(signal).then(() => fail(new Error('abandoned')));
      const alive = (state, ms = o.silence * (name === 'tab' ? 1.5 : 1)) => {
        clearTimeout(timer);
        timer = setTimeout(this._check, ms);
        this._heard = Date.now();
        this._set(state || 'open');
      };
      const ask = (endpoint, more, ms, raw) => this._read(control.signal, endpoint, this._names(), this.cursor, more, ms, raw);
      const read = () => ask('poll').then(b => this._batch(control.signal, b));
      this._check = () => read().then(missed => missed ? fail(failure({title: 'stalled', stalled: true})) : alive(), fail);
      const guarded = fn => value => {
        try { fn(value); } catch (e) { fail(e); }
        if (this._retry) end();
      };
      const batch = guarded(b => {
        this._fed = true;
        this._batch(control.signal, b);
        alive();
      });
      const text = guarded(t => t.trim() ? batch(JSON.parse(t)) : alive());
      const url = (endpoint, more) => this._url(endpoint, this._names(), this.cursor, more);
      this._heard = this._fed = 0;
      this._began = Date.now();
      if (transport.streams) timer = setTimeout(fail, o.firstByte, new Error('nothing came'));
      else alive();
      try {
        await Promise.race([over, transport.run({client: this, signal: control.signal, url, ask, read, text, batch, alive, fail})]);
      } finally {
        clearTimeout(timer);
        control.abort();
        this._check = this._via = null;
      }
    }

    _url(endpoint, channels, since, more) {
      const all = Object.assign({since}, this.options.params, more);
      return this.base + '/' + endpoint + '?' + channels.map(name => ['channel', name])
        .concat(Object.entries(all)).map(pair => pair.map(encodeURIComponent).join('=')).join('&');
    }

    _read(signal, endpoint, channels, since, more, ms, raw) {
      const url = this._url(endpoint, channels, since, more), [to, query] = url.split('?');
      const ask = ((Halley.transports[this.options.transports] || {}).ask || call); // JSONP alone does all by itself
      const [at, init] = url.length < 2000 ? [url, {}] : [to, {method: 'POST', body: new URLSearchParams(query)}];
      return ask(at, init, this.options.patience + (ms || 0), signal, raw);
    }

    /* Every message of every transport comes through here. Returns how many were new. */
    _batch(signal, batch, past) {
      if (signal.aborted) throw new Error('abandoned');
      if (batch && batch.error) throw failure(batch.error);
      if (!batch || !Array.isArray(batch.messages) || !batch.cursor) throw new Error('not an answer of Halley');
      if (!past) {
        this._retry = batch.retry;
        this._tell(batch);
      }
      const channels = (batch.gap || []).filter(name => this._mine(name));
      if (channels.length) this._emit('gap', {channels});
      let n = 0;
      for (const m of batch.messages) {
        const c = this._channels.get(m.channel);
        if (!c || !after(m.id, c.last)) continue;
        n++;
        c.last = m.id;
        if (!c.fns.length) continue;
        this._emit('', m, c.fns);
        this._emit('message', m);
      }
      if (!past && !signal.aborted) this.cursor = batch.cursor;
      return n;
    }

    _set(state, more) {
      const transport = this._retry || this._dozes() ? 'poll' : this._via || this._name;
      if (!more && state === this.state && transport === this.transport) return;
      this.state = state;
      this.transport = transport;
      this._tell();
      this._emit('state', Object.assign({state, transport}, more));
    }

    /* The page is hidden, shown, gone, back; the network is back. */
    handleEvent({type, persisted}) {
      if (type === 'pagehide') return this._leave();
      if (type === 'pageshow') return persisted && this.wake();
      clearTimeout(this._doze);
      if (root.document && document.hidden) {
        if (this.options.hidden) this._doze = setTimeout(() => { this._asleep = true; this.wake(); }, this.options.hidden);
      } else if (this._asleep || /waiting|offline/.test(this.state)) {
        this._asleep = false;
        this.wake();
      } else if (this._check && Date.now() - this._heard > 30000) this._check();
    }
    /* Nobody looks at this page, nor at a tab that it serves: no need to hold a connection. */
    _dozes() {
      return this._asleep && (!this._shares || this._yield) && !this._serves(t => t.want.length && !t.asleep);
    }

    /* ---- tabs of one browser: one leads, and holds the connection for all ---- */

    _tell() { /* nobody, unless this tab leads */ }
    _leave() {
      if (this._yield) this._yield();
      else if (this._shares && this._want) this._want([]);
    }
  }

  const ORDER = ['ws', 'events', 'stream', 'wait', 'poll']; // the best come first

  /* halley-streams.js says what a transport is. */
  Halley.transports = {
    wait: {
      async run(turn) {
        const {timeout} = turn.client.options;
        turn.batch(await turn.ask('wait', {timeout}, timeout * 1000));
      }
    },
    poll: {}, // a quick read is all there is to it
  };

  /* Streams, and sharing among tabs, come from the file beside this one, if they come. */
  const at = root.document && document.currentScript;
  if (at) {
    Halley.loaded = new Promise(done => {
      const script = document.createElement('script');
      script.onload = script.onerror = done;
      script.src = new URL('halley-streams.js', at.src);
      setTimeout(done, DEFAULTS.firstByte);
      document.head.append(script);
    });
  }

  root.Halley = Halley;
  if (typeof module === 'object') module.exports = Halley;
})(typeof globalThis === 'object' ? globalThis : self);
