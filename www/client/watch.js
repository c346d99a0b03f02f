/* Whether a stream lives: one that says nothing at first is held back by a proxy; one that
 * falls silent for longer than the server lets it may be dead. */
import {failure} from './tools.js';

/* Watches over a turn until the function that it returns is called. */
export function watch(turn, transport) {
  const {client, signal, fail, keep, name} = turn, o = client.options;
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
  turn.alive = (state, ms = o.silence || name !== 'tab' && keep * (transport.ticks ? 2 : 1.5), error) => {
    if (signal.aborted) return;
    wait(check, ms);
    client._heard = Date.now();
    if (!away) client._set(state || 'open', error && state !== client.state ? {error} : undefined);
    else if (client.state !== 'waiting') client._set('waiting', {error: failure({title: 'Service Unavailable', status: 503, detail: 'Redis is away'})});
  };
  turn.hears = batch => { away = batch.redis === 'away'; };
  turn.probe = fn => { ask = fn; };
  wait(fail, o.firstByte, new Error('nothing came'));
  return () => clearTimeout(timer);
}
