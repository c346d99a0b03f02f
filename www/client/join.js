/* How channels get their places: the quick reads that a turn begins with. */
import {read} from './requests.js';
import {isNew} from './names.js';
import {failure, isPage, later, refused, sleep} from './tools.js';

/* Gives every channel its place in the cursor. A new one that wants its past is read once
 * more after that, alone: what both reads have is dropped. One bad name shall not cost the
 * others their messages: it is found, and left out, if anything can be read at all. */
export async function join(halley, signal) {
  const all = halley._channels, bad = new Map();
  let alone = false, some = false;
  halley._reads = true;
  try {
    for (;;) {
      const due = halley._names().filter(name => all.get(name).since && !bad.has(name)), known = halley._known();
      const since = due.length ? all.get(due[0]).since : '';
      if (!since && (some || bad.size && !known.length)) break;
      const same = due.filter(name => all.get(name).since === since), fresh = alone ? same.slice(0, 1) : same;
      try {
        await place(halley, signal, known.concat(fresh), fresh, since);
        some = true;
      } catch (error) {
        if (signal.aborted || !refused(error)) throw error;
        if (error.status === 400 && /^since|cursor/.test(error.detail) && halley.cursor) {
          beginAnew(halley);
          continue;
        }
        if (!fresh.length || all.size < 2) throw error;
        if (fresh.length < 2) bad.set(fresh[0], error);
        alone = true;
      }
    }
    if (!some) throw [...bad.values()][0];
    for (const [name, error] of bad) halley._refuse(name, error);
    halley._quick = false;
  } finally {
    halley._reads = false;
  }
  halley._tell();
}

async function place(halley, signal, names, fresh, since) {
  const at = halley.cursor;
  const ask = async (part, from, past) => {
    const batch = await read(halley, signal, 'poll', part, from);
    halley._batch(signal, batch, past);
    return batch;
  };
  for (const part of halley._parts(names)) {
    for (let from = at || since; (await ask(part, from)).more; from = halley.cursor);
  }
  if (since && at && since !== 'now') {
    for (let from = since, batch; !batch || batch.messages.length; from = batch.cursor) batch = await ask(fresh, from, true);
  }
  halley._placed(fresh);
}

/* The server does not take the cursor: what was owed is lost, once, and all begins anew. */
function beginAnew(halley) {
  halley._places.clear();
  halley._channels.forEach(channel => { channel.since = 'now'; });
  halley._gap(halley._names());
}

/* A further listener that wants the past: what comes meanwhile waits until that is read. */
export async function past(halley, name, sub, since) {
  const last = new Map(), give = m => isNew(last, m) && halley._call(sub.fn, m);
  sub.held = [];
  for (let from = since, n = 0; halley._subs(name).includes(sub);) {
    try {
      const batch = await read(halley, undefined, 'poll', [name], from);
      if (!isPage(batch)) throw failure(batch);
      batch.messages.forEach(give);
      if (!batch.messages.length && !halley._channels.get(name).since) break;
      if (!batch.messages.length) await sleep(halley.options.backoff); // the channel itself has no place yet
      from = batch.cursor;
      n = 0;
    } catch (error) {
      if (refused(error)) {
        halley._emit('error', Object.assign(error, {channel: name}), [sub]);
        break;
      }
      await sleep(later(error, n++, halley.options));
    }
  }
  sub.held.forEach(give);
  sub.held = null;
  sub.last = last;
  sub.placed();
}
