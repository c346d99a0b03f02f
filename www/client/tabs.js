/* Tabs of one browser share one connection: one leads, and holds it for all. */
import {attempt, failure, root, when} from './tools.js';
import {takeToken} from './token.js';
import {watch} from './watch.js';

/* Where those meet who ask for the same thing, and may. */
const keyOf = client => client._same + (client._who ? ' ' + client._who : '');

/* Says to the tab that leads what this one wants. */
function want(client, names) {
  const bus = new BroadcastChannel(keyOf(client));
  bus.postMessage({from: client._id, want: names, asleep: client._asleep});
  bus.close();
}

/* Leads from now on, until the function that it returns is called. */
function lead(client, free) {
  const bus = new BroadcastChannel(keyOf(client)), tabs = new Map(); // what the others want
  client._serves = fn => [...tabs.values()].some(fn);
  client._tell = batch => {
    const {state, transport, _error: e, _token: token} = client, error = e && {title: e.message, status: e.status};
    bus.postMessage({from: client._id, names: client._known(), state, transport, error, token, batch});
  };
  client._yield = () => {
    delete client._tell;
    delete client._serves;
    client._yield = null;
    client._prune();
    bus.close();
    free();
  };
  bus.onmessage = ({data: m}) => {
    if (!m.want) return;
    const was = client._dozes(), fresh = m.want.filter(name => !client._channels.has(name));
    // More than one request may ask for: that tab has to go alone.
    if (fresh.length + client._channels.size > client._limits.max_channels) return bus.postMessage({full: m.from});
    tabs.set(m.from, m);
    fresh.forEach(name => client._channels.set(name, {subs: [], since: 'now'}));
    const gone = client._prune();
    if (was !== client._dozes()) client.wake();
    else if (gone || fresh.length) client._changed();
    else client._tell();
  };
  client._tell();
  return client._yield;
}

/* Another tab holds the connection and hands on what comes: once it asks for all that this
 * one wants, a quick read of our own closes the gap. Whoever gets the lock leads; from one that
 * is not heard although it was asked, it is taken. */
export const tab = {
  streams: watch,
  // Either may be there, and not allowed: to a page without an origin, in a frame with `sandbox`, or by the browser.
  fits: () => root.navigator?.locks && root.origin !== 'null' && attempt(() => !new BroadcastChannel('').close()),
  leave: client => want(client, []),
  /* Tabs share where the same may speak for both. */
  speaks(client, {sub, subscribe, publish}) {
    const who = JSON.stringify([sub, subscribe, publish]), other = client._who && client._who !== who;
    client._who = who;
    if (!other) return;
    client._yield?.();
    client.wake();
  },
  run: turn => new Promise(done => {
    const {client} = turn, key = keyOf(client), bus = new BroadcastChannel(key), ask = () => want(client, client._names());
    const patience = 7 + Math.random() * 2; // seconds
    let leader, covered, missed = 0, queue = Promise.resolve();
    const next = fn => { queue = queue.then(fn).catch(turn.fail); };
    bus.onmessage = ({data: m}) => {
      if (m.full === client._id) turn.fail(new Error('too many channels'));
      if (!m.names) return;
      const known = m.from === leader, covers = client._names().every(name => m.names.includes(name));
      if (m.token && m.token !== client._token) takeToken(client, m.token);
      if (!known) ask();
      if (covers && !(known && covered)) next(turn.read);
      leader = m.from;
      covered = covers;
      missed = 0;
      next(() => {
        client._via = m.transport;
        if (covers && m.batch) turn.batch(Object.assign(m.batch, {retry: 0}));
        turn.alive(covers ? m.state : 'connecting', 0, m.error && failure(m.error));
      });
    };
    const stand = steal => {
      const queue = new AbortController(), options = steal ? {steal} : {signal: queue.signal};
      let own;
      when(turn.signal, () => own || queue.abort());
      navigator.locks.request(key, options, () => turn.signal.aborted || new Promise(free => {
        own = lead(client, free);
        done();
      })).catch(error => {
        if (!own) return turn.signal.aborted || turn.fail(error);
        if (client._yield !== own) return;
        own(); // it was taken from this tab, which was not heard
        client.wake();
      });
    };
    /* Counted, not measured: a tab that was frozen itself has not waited. */
    const beat = setInterval(() => {
      if (!leader) return;
      if (++missed > 2) ask();
      if (missed < patience) return;
      leader = null;
      turn.alive('connecting', 0); // the next one may be lost as well, before it is heard
      stand(true);
    }, 1000);
    when(turn.signal, () => { clearInterval(beat); bus.close(); });
    ask();
    stand();
  })
};
