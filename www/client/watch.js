/* Whether a stream lives: one that says nothing at first is held back by a proxy; one that
 * falls silent for longer than the server lets it may be dead. */
import {tokenOf} from './token.js';
import {LONGEST, failure, when} from './tools.js';

/* Keeps what is held by a token held: an open WebSocket is told the next one, all else asks anew. */
function renewing(halley, signal) {
  let timer;
  const next = () => {
    const ms = halley._renewAt - Date.now();
    if (ms < Infinity && halley.options.token) timer = setTimeout(renew, Math.min(ms, LONGEST));
  };
  const renew = async () => {
    if (Date.now() < halley._renewAt) return next();
    try {
      const text = await tokenOf(halley);
      if (!halley._speak) return halley.wake();
      halley._speak(text);
      halley._tell();
      next();
    } catch (e) { halley.wake(); } // what it asks next says why
  };
  next();
  when(signal, () => clearTimeout(timer));
}

/* Watches over a turn until that is over. */
export function watch(turn, transport) {
  const {client, signal, fail, keep, name} = turn, o = client.options;
  const shared = name === 'tab';
  let timer, away = false, ask = turn.read;
  const silent = () => fail(failure({title: 'nothing is heard any more', stalled: true}));
  const wait = (fn, ms, ...args) => {
    clearTimeout(timer);
    if (ms) timer = setTimeout(fn, ms, ...args);
  };
  const check = client._check = event => {
    if (transport.ticks && !o.silence && !event) return silent();
    wait(silent, Math.min(5000, o.patience));
    return ask().then(missed => missed ? silent() : turn.alive(), fail);
  };
  turn.alive = (state, ms = o.silence || !shared && keep * (transport.ticks ? 2 : 1.5), error) => {
    if (signal.aborted) return;
    wait(check, ms);
    client._heard = Date.now();
    if (!away) client._set(state || 'open', error && state !== client.state ? {error} : undefined);
    else if (client.state !== 'waiting') client._set('waiting', {error: failure({title: 'Redis is away', status: 503})});
  };
  turn.hears = batch => { away = batch.redis === 'away'; };
  turn.probe = fn => { ask = fn; };
  wait(fail, o.firstByte, new Error('nothing came'));
  when(signal, () => clearTimeout(timer));
  if (!shared) renewing(client, signal);
}
