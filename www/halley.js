/* Halley's browser client: messages from the server, as they happen.
 *
 *   const halley = new Halley('/comet');
 *   halley.subscribe('chat', m => console.log(m.id, m.data));
 *   halley.publish('chat', {text: 'hi'}).then(({id}) => ...);
 *
 * One object asks for all of its channels together, and goes in turns: a quick read
 * where one is due (at first, after a failure, for a new channel), then whatever the
 * transport holds open, until that ends, fails or is abandoned. The cursor of the last
 * batch carries from turn to turn, so that nothing is lost; the last id of each channel
 * drops what comes twice. A transport only has `run(turn)`, see Halley.transports.
 */
(function (root) {
  'use strict';

  const DEFAULTS = {
    since: 'now',       // 'now', 'start', '-K' (the last K), or a cursor kept from before
    timeout: 25,        // seconds for which a long poll may be held
    interval: 3000,     // ms between polls
    patience: 15000,    // ms until a quick request counts as lost
    backoff: 500,       // ms before the first new try, at random from 0; doubles to maxBackoff
    maxBackoff: 30000,
    tries: 5,           // for a publish, all under one Idempotency-Key
    transports: ['wait', 'poll']
  };
  const BLOCKED = 600000; // ms for which a transport that kept failing is left alone

  const encode = encodeURIComponent;
  const refused = e => e.status >= 400 && e.status < 500 && ![408, 425, 429].includes(e.status);

  /* Full jitter, after what the server has asked for. */
  const later = (e, n, o) => Math.round((e.retryAfter || 0) + Math.random() * Math.min(o.maxBackoff, o.backoff * 2 ** n));

  const aborted = signal => new Promise(done => signal.aborted ? done() : signal.addEventListener('abort', done));
  const sleep = (ms, signal) => new Promise(done => {
    const timer = setTimeout(done, ms);
    if (signal) aborted(signal).then(() => { clearTimeout(timer); done(); });
  });

  const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), n => n.toString(36)).join('-');

  function problem(res, text) {
    let p = {};
    try { p = JSON.parse(text); } catch (e) { /* an error page of some proxy */ }
    const title = p.title || res.statusText || 'HTTP ' + res.status, after = res.headers.get('Retry-After');
    return Object.assign(new Error(p.detail ? title + ': ' + p.detail : title), {
      status: res.status, title, detail: p.detail,
      retryAfter: after && (isNaN(after) ? Date.parse(after) - Date.now() : after * 1000)
    });
  }

  /* One request with a JSON answer, or an Error (with `status` if the server gave it). */
  async function call(url, init, ms, signal) {
    const control = new AbortController(), abort = () => control.abort();
    const timer = setTimeout(abort, ms);
    if (signal) aborted(signal).then(abort);
    try {
      const res = await fetch(url, Object.assign({cache: 'no-store', signal: control.signal}, init));
      const text = await res.text();
      if (!res.ok) throw problem(res, text);
      return JSON.parse(text);
    } finally {
      clearTimeout(timer);
    }
  }

  /* [epoch, n] of an id, and whether it comes after the one before. */
  const parts = id => id.split('-').map(Number);
  function after(id, last) {
    if (!last) return true;
    const [e, n] = parts(id), [le, ln] = parts(last);
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
      this._blocked = {};         // transport -> {fails, until}
      this._fails = 0;            // turns failed in a row
      this._quick = true;         // the next turn begins with a quick read
      this._online = () => { if (/waiting|offline/.test(this.state)) this.wake(); };
    }

    /* ---- events ---- */

    on(type, fn) { (this._on[type] = this._on[type] || []).push(fn); return this; }
    off(type, fn) { this._on[type] = (this._on[type] || []).filter(f => f !== fn && f.once !== fn); return this; }
    once(type, fn) {
      const one = event => { this.off(type, one); fn(event); };
      one.once = fn;
      return this.on(type, one);
    }
    _emit(type, event) { this._call(this._on[type], event); }
    _call(fns, event) {
      for (const fn of (fns || []).slice()) {
        try { fn(event); } catch (e) { setTimeout(() => { throw e; }); } // theirs, not ours
      }
    }

    /* ---- what is asked for ---- */

    /* Returns a function that ends this one subscription. */
    subscribe(channel, fn, options) {
      const c = this._channels.get(channel);
      if (c) c.fns.push(fn);
      else {
        this._channels.set(channel, {fns: [fn], since: options && options.since || this._start, last: ''});
        this.wake();
      }
      return () => this.unsubscribe(channel, fn);
    }
    /* Of a channel: one listener, or all. */
    unsubscribe(channel, fn) {
      const c = this._channels.get(channel);
      if (!c) return;
      const at = c.fns.indexOf(fn);
      if (arguments.length < 2) c.fns = [];
      else if (at >= 0) c.fns.splice(at, 1);
      if (!c.fns.length) {
        this._channels.delete(channel);
        this.wake();
      }
    }
    close() {
      this._channels.clear();
      this.wake();
      this._set('closed');
    }

    async publish(channel, data, options) {
      const o = Object.assign({}, this.options, options);
      const raw = data instanceof ArrayBuffer || ArrayBuffer.isView(data);
      const init = {
        method: 'POST',
        headers: {'Content-Type': raw ? 'application/octet-stream' : 'application/json',
          'Idempotency-Key': o.idempotencyKey || newKey()},
        body: raw ? data : JSON.stringify(data)
      };
      for (let n = 0; ; n++) {
        try {
          return await call(this.base + '/publish?channel=' + encode(channel), init, o.patience);
        } catch (e) {
          // The server forgets a key after five minutes: no longer a safe time to repeat.
          const ms = later(e, n, o);
          if (refused(e) || n + 1 >= o.tries || ms > 60000) throw e;
          await sleep(ms);
        }
      }
    }

    /* ---- turns ---- */

    /* Abandons the turn that is out, or the pause, and asks anew once the caller is done. */
    wake() {
      if (this._turn) this._turn.abort();
      if (this._looping) return;
      this._looping = true;
      Promise.resolve().then(() => this._loop());
    }

    async _loop() {
      if (root.addEventListener) root.addEventListener('online', this._online);
      while (this._channels.size) {
        const control = this._turn = new AbortController(), signal = control.signal;
        let ms = 0;
        try {
          ms = await this._go(signal);
        } catch (e) {
          if (!signal.aborted) ms = this._failed(e);
        }
        // What was refused for good is not asked again before something changes.
        if (ms === null) await aborted(signal);
        else if (ms) await sleep(ms, signal);
      }
      if (root.removeEventListener) root.removeEventListener('online', this._online);
      this._looping = false;
      this._set('closed');
    }

    async _go(signal) {
      const name = this._name = this._pick();
      if (this.state !== 'open') this._set('connecting');
      if (this._quick || this._retry || name === 'poll' || this._fresh().length) await this._join(signal);
      if (name !== 'poll' && !this._retry) {
        await Halley.transports[name].run({
          signal, client: this, options: this.options,
          url: (endpoint, more) => this._url(endpoint, [...this._channels.keys()], this.cursor, more),
          read: (endpoint, more, ms) => this._read(signal, endpoint, [...this._channels.keys()], this.cursor, more, ms),
          batch: batch => this._batch(signal, batch)
        });
      }
      this._fails = 0;
      delete this._blocked[name];
      return this._retry || (name === 'poll' ? this.options.interval : 0);
    }

    /* Where something fails again and again while quick reads work, the next transport has its turn. */
    _pick() {
      const all = this.options.transports.filter(t => Halley.transports[t]);
      return all.find(t => !(this._blocked[t] && this._blocked[t].until > Date.now())) || all[all.length - 1];
    }

    _failed(error) {
      const name = this._name;
      if (refused(error)) {
        this._quick = true;
        this._set('closed', {error});
        return null;
      }
      if (!this._quick) {
        const b = this._blocked[name] = this._blocked[name] || {fails: 0};
        if (++b.fails >= 3) b.until = Date.now() + BLOCKED;
      }
      this._quick = true;
      const retryIn = later(error, this._fails++, this.options);
      this._set(root.navigator && root.navigator.onLine === false ? 'offline' : 'waiting', {retryIn, error});
      return retryIn;
    }

    /* Channels that the cursor does not know, of the same start. */
    _fresh() {
      const all = [...this._channels].filter(([, c]) => c.since);
      return all.filter(([, c]) => c.since === all[0][1].since).map(([name]) => name);
    }

    /* A quick read of all, which gives every channel its place in the cursor. A new channel
     * that wants its past is read once more, alone, after that: what both reads have is dropped. */
    async _join(signal) {
      let alone = false, read = false;
      while (!read || this._fresh().length) {
        let fresh = this._fresh();
        if (alone) fresh = fresh.slice(0, 1);
        const since = fresh.length && this._channels.get(fresh[0]).since, first = !this.cursor;
        const known = [...this._channels.keys()].filter(name => !this._channels.get(name).since);
        try {
          this._batch(signal, await this._read(signal, 'poll', known.concat(fresh), this.cursor || since));
          read = true;
          if (fresh.length && !first && since !== 'now') {
            for (let at = since, batch; !batch || batch.messages.length; at = batch.cursor) {
              batch = await this._read(signal, 'poll', fresh, at);
              this._batch(signal, batch, true);
            }
          }
        } catch (error) {
          if (signal.aborted || !refused(error) || !fresh.length || this._channels.size < 2) throw error;
          // One bad name shall not cost the others their messages: find it, and leave it out.
          if (fresh.length === 1) {
            this._channels.delete(fresh[0]);
            this._emit('error', Object.assign(error, {channel: fresh[0]}));
          }
          alone = true;
          continue;
        }
        for (const name of fresh) if (this._channels.has(name)) this._channels.get(name).since = '';
      }
      this._quick = false;
    }

    _url(endpoint, channels, since, more) {
      const query = channels.map(name => 'channel=' + encode(name)).concat('since=' + encode(since));
      const extra = Object.assign({}, this.options.params, more);
      for (const key of Object.keys(extra)) query.push(key + '=' + encode(extra[key]));
      return this.base + '/' + endpoint + '?' + query.join('&');
    }

    async _read(signal, endpoint, channels, since, more, ms) {
      const url = this._url(endpoint, channels, since, more), cut = url.indexOf('?');
      const init = url.length < 2000 ? {} : {method: 'POST', body: new URLSearchParams(url.slice(cut))};
      return call(init.body ? url.slice(0, cut) : url, init, this.options.patience + (ms || 0), signal);
    }

    /* Every message of every transport comes through here. */
    _batch(signal, batch, past) {
      if (signal.aborted) throw new Error('abandoned');
      if (!batch || !Array.isArray(batch.messages) || !batch.cursor) throw new Error('not an answer of Halley');
      if (!past) {
        this._retry = batch.retry;
        this._set('open');
      }
      if (batch.gap) this._emit('gap', {channels: batch.gap});
      for (const m of batch.messages) {
        const c = this._channels.get(m.channel);
        if (!c || !after(m.id, c.last)) continue;
        c.last = m.id;
        this._call(c.fns.filter(Boolean), m);
        this._emit('message', m);
      }
      if (!past && !signal.aborted) this.cursor = batch.cursor;
    }

    _set(state, more) {
      const transport = this._retry ? 'poll' : this._name;
      if (!more && state === this.state && transport === this.transport) return;
      this.state = state;
      this.transport = transport;
      this._emit('state', Object.assign({state, transport}, more));
    }
  }

  /* A transport's `run(turn)` gives `turn.batch()` what arrives, and returns a promise that
   * resolves when the server has ended it in good order and rejects when it failed.
   * It lets go as soon as `turn.signal` is aborted. */
  Halley.transports = {
    wait: {
      async run(turn) {
        const timeout = turn.options.timeout;
        turn.batch(await turn.read('wait', {timeout}, timeout * 1000));
      }
    },
    poll: {} // a quick read is all there is to it
  };

  root.Halley = Halley;
  if (typeof module === 'object') module.exports = Halley;
})(typeof globalThis === 'object' ? globalThis : self);
