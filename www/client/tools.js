/* What several parts of the client need. */
export const root = globalThis;

/* What it gives; something else where it fails. */
export function attempt(fn, other) {
  try { return fn(); } catch (e) { return other; }
}

/* Whether asking again would be answered alike. */
export const refused = e => e.status >= 400 && e.status < 500 && ![408, 425, 429].includes(e.status);

/* The error that a problem (RFC 9457) stands for. */
export const failure = p => Object.assign(new Error(p.detail ? p.title + ': ' + p.detail : p.title),
  {retryAfter: p.retry_after * 1000 || undefined}, p);
export const foreign = status => failure({title: 'not an answer of Halley', status});
/* Whether an answer has messages. */
export const isPage = answer => Array.isArray(answer?.messages);
export const warn = text => console.warn('Halley: ' + text);
export const givenUp = () => new DOMException('given up', 'AbortError');

/* Full jitter, after what the server has asked for. */
export const later = (e, n, o) => Math.round((e.retryAfter || 0) + Math.random() * Math.min(o.maxBackoff, o.backoff * 2 ** n));

/* Calls back when the signal, if there is one, is aborted; returns what forgets that. */
export function when(signal, fn) {
  if (signal?.aborted) fn();
  else signal?.addEventListener('abort', fn);
  return () => signal?.removeEventListener('abort', fn);
}
export const sleep = (ms, signal) => new Promise(done => {
  const timer = setTimeout(done, ms);
  when(signal, () => { clearTimeout(timer); done(); });
});

export const newKey = () => Date.now() + '-' + Math.random();

/* The values by their keys. A page may have no storage, or not be let at it. */
export const kept = key => attempt(() => sessionStorage.getItem(key));
export const keep = (key, text) => attempt(() => sessionStorage.setItem(key, text));
