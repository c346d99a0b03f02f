/* The transports that stream, and the sharing among tabs.
 *
 * `run(turn)` hands what arrives to turn.text() or turn.batch(), and
 * returns a promise: resolved when the server ended in good order, rejected when it failed.
 * It lets go when turn.signal is aborted. `streams`: the first bytes must come at once, and what
 * watches over it. */
import {socket} from './socket.js';
import {failure, root, when} from './tools.js';
import {watch} from './watch.js';
export {tab} from './tabs.js';
export {watch};

const has = (name, url, {headers} = {}) => root[name] && url.length < 8000 && !headers; // which they cannot send

export const ws = {
  streams: watch,
  fits: (...args) => has('WebSocket', ...args),
  run: turn => new Promise((done, fail) => socket(turn, done, fail))
};

export const events = {
  streams: watch,
  fits: (...args) => has('EventSource', ...args),
  run: turn => new Promise((done, fail) => {
    const {_token: token, options: o} = turn.client, url = turn.url('events', {format: 'json', ...token && {token}});
    const source = new EventSource(url, {withCredentials: o.credentials === 'include'});
    source.onopen = () => turn.alive('open', o.firstByte); // headers only, perhaps: look soon
    // It cannot be served for now: EventSource is told by an event, an error would end it for good.
    source.addEventListener?.('halley-error', ({data}) => fail(failure(turn.json(data))));
    source.onmessage = ({data}) => turn.text(data);
    source.onerror = () => fail(new Error('event stream lost'));
    when(turn.signal, () => source.close());
  })
};

/* A line at a time of what a response brings. */
export const stream = {
  streams: watch,
  ticks: true,
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
};
