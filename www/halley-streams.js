/* The streams of halley.js, the best of which it uses where it finds this file beside itself,
 * and the sharing of one connection among the tabs of a browser: one leads, and holds the
 * connection for all. */
(function (root) {
  'use strict';

  const Halley = root.Halley, legacy = Halley.transports.stream;
  const aborted = signal => new Promise(done => signal.aborted ? done() : signal.addEventListener('abort', done));
  const failure = p => Object.assign(new Error(p.detail ? p.title + ': ' + p.detail : p.title), p);
  const has = name => url => root[name] && url.length < 8000;

  Object.assign(Halley.prototype, {
    _want(want) {
      const bus = new BroadcastChannel(this._key);
      bus.postMessage({from: this._id, want, asleep: this._asleep});
      bus.close();
    },
    _lead(free) {
      const bus = new BroadcastChannel(this._key);
      this._tell = batch => bus.postMessage({from: this._id, names: this._known(), state: this.state, transport: this.transport, batch});
      this._yield = () => {
        delete this._tell;
        this._yield = null;
        this._tabs.clear();
        this._prune();
        bus.close();
        free();
      };
      bus.onmessage = ({data: m}) => {
        if (!m.want) return;
        const was = this._dozes(), fresh = m.want.filter(name => !this._channels.has(name));
        // More than one request may ask for: that tab has to go alone.
        if (fresh.length + this._channels.size > 64) return bus.postMessage({full: m.from});
        this._tabs.set(m.from, m);
        fresh.forEach(name => this._channels.set(name, {fns: [], since: 'now', last: '0-0'}));
        if (this._prune() || fresh.length || was !== this._dozes()) this.wake();
        else this._tell();
      };
      this._tell();
    }
  });

  /* `run(turn)` hands what arrives to turn.text() or turn.batch(), and
   * returns a promise: resolved when the server ended in good order, rejected when it failed.
   * It lets go when turn.signal is aborted. `streams`: the first bytes must come at once. */
  Object.assign(Halley.transports, {
    ws: {
      streams: true,
      fits: has('WebSocket'),
      run: turn => new Promise((done, fail) => {
        const socket = new WebSocket(new URL(turn.url('ws'), root.location && location.href).href.replace(/^http/, 'ws'));
        const {client} = turn, asked = new Map();
        socket.onopen = () => {
          turn.alive();
          client._send = publish => new Promise((yes, no) => {
            const timer = setTimeout(no, client.options.patience, new Error('no answer'));
            asked.set(publish.key, m => {
              clearTimeout(timer);
              asked.delete(publish.key);
              m.published ? yes(m.published) : no(failure(m.error));
            });
            socket.send(JSON.stringify({publish, ref: publish.key}));
          });
        };
        socket.onmessage = ({data}) => {
          const m = JSON.parse(data), answer = asked.get(m.ref);
          if (answer) answer(m);
          else turn.batch(m);
        };
        const closed = socket.onclose = ({code}) => {
          client._send = null;
          asked.forEach(answer => answer({error: {title: 'connection lost'}}));
          (code === 1000 || code === 1001 ? done : fail)(new Error('WebSocket closed, ' + code));
        };
        aborted(turn.signal).then(() => { socket.onclose = null; socket.close(); closed({}); });
      })
    },
    events: {
      streams: true,
      fits: has('EventSource'),
      run: turn => new Promise((done, fail) => {
        const source = new EventSource(turn.url('events', {format: 'json'}));
        source.onopen = () => turn.alive('open', turn.client.options.firstByte); // headers only, perhaps: look soon
        // It cannot be served for now: EventSource is told by an event, an error would end it for good.
        if (source.addEventListener) source.addEventListener('halley-error', ({data}) => {
          const p = JSON.parse(data);
          fail(failure(Object.assign(p, {retryAfter: p.retry_after * 1000 || 0})));
        });
        source.onmessage = ({data}) => turn.text(data);
        source.onerror = () => fail(new Error('event stream lost'));
        aborted(turn.signal).then(() => source.close());
      })
    },
    stream: {
      streams: true,
      fits: () => root.ReadableStream && root.TextDecoder,
      async run(turn) {
        const reader = (await turn.ask('stream', {}, 0, true)).body.getReader(), decoder = new TextDecoder();
        for (let rest = ''; ;) {
          const {done, value} = await reader.read();
          if (done) return;
          const lines = (rest + decoder.decode(value, {stream: true})).split('\n');
          rest = lines.pop();
          lines.forEach(turn.text);
        }
      }
    },
    /* Another tab holds the connection and hands on what comes: once it asks for all that this
     * one wants, a quick read of our own closes the gap. Whoever gets the lock leads. */
    tab: {
      streams: true,
      run: turn => new Promise(done => {
        const {client} = turn, bus = new BroadcastChannel(client._key), want = () => client._want(client._names());
        let leader, covered, queue = Promise.resolve();
        const next = fn => { queue = queue.then(fn).catch(turn.fail); };
        bus.onmessage = ({data: m}) => {
          if (m.full === client._id) turn.fail(new Error('too many channels'));
          if (!m.names) return;
          const known = m.from === leader, covers = client._names().every(name => m.names.includes(name));
          if (!known) want();
          if (covers && !(known && covered)) next(turn.read);
          leader = m.from;
          covered = covers;
          next(() => {
            client._via = m.transport;
            if (covers && m.batch) turn.batch(Object.assign(m.batch, {retry: 0}));
            turn.alive(covers ? m.state : 'connecting');
          });
        };
        aborted(turn.signal).then(() => bus.close());
        want();
        navigator.locks.request(client._key, {signal: turn.signal}, () => turn.signal.aborted || new Promise(free => {
          client._lead(free);
          done();
        })).catch(() => {});
      })
    }
  });
  if (legacy) Halley.transports.stream = legacy; // of halley-legacy.js
})(typeof globalThis === 'object' ? globalThis : self);
