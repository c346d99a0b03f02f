/* One turn of a transport: what it is given, and how it ends. */
import {parse, read, urlOf} from './requests.js';
import {when} from './tools.js';

/* Runs a transport, as often as there are parts, until one of them ends or fails. A stream is
 * watched besides (watch.js). */
export async function hold(halley, name, signal) {
  const transport = halley._transports[name], control = new AbortController(), o = halley.options;
  const keep = halley._limits.keepalive * 1000, own = control.signal;
  const parts = halley._parts(halley._names()), watch = transport.streams === true ? halley.constructor.watch : transport.streams;
  let end, fail;
  const over = new Promise((yes, no) => { end = yes; fail = e => { no(e); control.abort(); }; }); // nothing is taken after it
  const forget = when(signal, () => fail(new Error('abandoned')));
  const ask = (names, endpoint, more, ms, raw) => read(halley, own, endpoint, names, halley.cursor, more, ms, raw);
  const guarded = fn => value => {
    try { fn(value); } catch (e) { fail(e); }
    if (halley._retry) end();
  };
  /* A held request, whose answer is late when a server that lives would have given it. */
  const held = (names, endpoint) => {
    const timeout = Math.min(o.timeout, Math.floor(keep / 500)), most = Math.max(timeout * 1000 + 1000, keep * 2 + 5000);
    return ask(names, endpoint, {timeout}, Math.min(timeout * 1000, most - o.patience));
  };
  const shared = {
    client: halley, signal: own, fail, keep, name,
    json: text => parse(halley, text),
    batch: guarded(b => {
      halley._fed = true;
      halley._batch(own, b);
      shared.hears(b);
      shared.alive();
    }),
    text: guarded(text => text.trim() ? shared.batch(shared.json(text)) : shared.alive()),
    alive: () => {
      halley._heard = Date.now();
      if (!own.aborted) halley._set('open');
    },
    hears() {},
    probe() {},
    read: () => ask(halley._names(), 'poll').then(b => { // all of it: what comes after it is taken to follow it
      const n = halley._batch(own, b);
      return b.more ? shared.read() : n;
    })
  };
  halley._heard = halley._fed = 0;
  halley._began = Date.now();
  watch?.(shared, transport);
  if (!transport.streams) shared.alive();
  try {
    await Promise.race([over, ...parts.map(names => transport.run({
      ...shared, names, url: (endpoint, more) => urlOf(halley, endpoint, names, halley.cursor, more),
      ask: (...args) => ask(names, ...args), held: endpoint => held(names, endpoint)
    }))]);
  } finally {
    forget();
    control.abort();
    halley._check = halley._via = halley._sync = null;
  }
}
