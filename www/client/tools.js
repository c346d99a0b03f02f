/* What several parts of the client need. */
export const root = globalThis;

/* What it gives; something else where it fails. */
export function attempt(fn, other) {
  try { return fn(); } catch (e) { return other; }
}

/* Whether asking again would be answered alike. */
export const refused = e => /^4(?!08|25|29)/.test(e.status);

/* The error that a problem (RFC 9457) stands for. */
export const failure = p => Object.assign(new Error(p.detail ? p.title + ': ' + p.detail : p.title),
  {retryAfter: p.retry_after * 1000 || undefined}, p);
export const foreign = status => failure({title: 'not an answer of Halley', status});
/* Whether an answer has messages. */
export const isPage = answer => Array.isArray(answer?.messages);
export const warn = text => console.warn('Halley: ' + text);
export const givenUp = () => new DOMException('given up', 'AbortError');

export const LONGEST = 2 ** 31 - 1; // that a timer counts to: what is more is none to it

/* Full jitter, after what the server has asked for. */
export const later = (e, n, o) => Math.round(Math.max(0, e.retryAfter || 0) + Math.random() * Math.min(o.maxBackoff, o.backoff * 2 ** n));

/* Calls back when the signal, if there is one, is aborted; returns what forgets that. */
export function when(signal, fn) {
  if (signal?.aborted) fn();
  else signal?.addEventListener('abort', fn);
  return () => signal?.removeEventListener('abort', fn);
}
export const sleep = (ms, signal) => new Promise(done => {
  const timer = setTimeout(done, Math.min(ms, LONGEST));
  when(signal, () => { clearTimeout(timer); done(); });
});

/* What a promise gives, or an error where it takes too long. */
export const inTime = (promise, ms) => new Promise((yes, no) => {
  const timer = setTimeout(no, ms, new Error('no answer'));
  promise.then(yes, no).then(() => clearTimeout(timer));
});

export const newKey = () => Date.now() + '-' + Math.random();

/* The values by their keys. A page may have no storage, or not be let at it. */
export const kept = key => attempt(() => sessionStorage.getItem(key));
export const keep = (key, text) => attempt(() => sessionStorage.setItem(key, text));
