/* The requests by fetch: addresses, limits, and what is no answer. */
import {isPattern} from './names.js';
import {attempt, failure, foreign, root, when} from './tools.js';
import {tokenOf} from './token.js';

/* JSON, of which the numbers that a double cannot count to stay texts. */
const exact = text => JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, t => Math.abs(t) >= 2 ** 53 ? '"' + t + '"' : t));

export function parse(halley, text, status) {
  try { return (halley.options.numbers === 'text' ? exact : JSON.parse)(text); } catch (e) { throw foreign(status); } // a login page, a portal
}

export const queryOf = pairs => pairs.filter(([, value]) => value != null).map(pair => pair.map(encodeURIComponent).join('=')).join('&');

/* The address of an endpoint, with channels and cursor. */
export const urlOf = (halley, endpoint, channels, since, more) => halley.base + '/' + endpoint + '?' +
  queryOf(channels.map(name => [isPattern(name) ? 'pattern' : 'channel', name])
    .concat(Object.entries({since, ...halley.options.params, ...more})));

/* One request: its JSON, or the Response if `raw`, or an Error, which has the answer's `status`. */
export async function call(halley, url, signal, init, ms = halley.options.patience, raw) {
  const control = new AbortController(), {headers, credentials, fetch = root.fetch} = halley.options;
  const forget = when(signal, () => control.abort(signal.reason));
  let timer, res, bad;
  const ask = (own, redirect) => fetch.call(root, url,
    {cache: 'no-store', signal: control.signal, redirect, credentials, ...init, headers: own});
  try {
    for (let token; ; bad = token) {
      token = await tokenOf(halley, bad);
      timer ||= setTimeout(() => control.abort(new Error('no answer')), ms);
      const own = {...token && {Authorization: 'Bearer ' + token}, ...headers, ...init?.headers};
      res = await ask(own, 'manual');
      // Where a redirect leads to another origin, to a login page say, browsers fail and say no more.
      if (!res.ok && res.status < 400) res = await ask(own, 'follow').catch(e => { throw control.signal.aborted ? e : foreign(); });
      if (res.status !== 401 || bad || !token) break;
    }
    if (res.ok && raw) return res;
    const text = await res.text();
    if (res.ok) return parse(halley, text, res.status);
    const after = res.headers.get('Retry-After');
    throw failure({
      title: 'HTTP ' + res.status, ...attempt(() => JSON.parse(text)), status: res.status,
      retryAfter: after && (isNaN(after) ? Date.parse(after) - Date.now() : after * 1000)
    });
  } finally {
    clearTimeout(timer);
    if (!raw || !res?.ok) forget();
  }
}

/* A reading request; a long one is posted. What keeps answers by their addresses, a service worker, has none
 * of before for longer than four seconds; and pages that ask the same at the same time say the same. */
export function read(halley, signal, endpoint, channels, since, more, ms, raw) {
  const url = urlOf(halley, endpoint, channels, since, {...more, _: Date.now() / 4e3 | 0}), [to, query] = url.split('?');
  const {ask} = halley._transports[halley.options.transports] || {}; // JSONP alone does all by itself
  const [at, init] = url.length < 2000 ? [url] : [to, {method: 'POST', body: new URLSearchParams(query)}];
  return (ask || call)(halley, at, signal, init, halley.options.patience + (ms || 0), raw);
}
