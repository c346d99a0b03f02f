/* Who speaks: the token that `options.token` gives. It is asked for anew before it expires, and after
 * a 401; of tabs that share a connection the one that leads asks, and hands it on. */

import {attempt, inTime} from './tools.js';

/* What a JWT says, as far as this client reads it: nothing, of a token that is none. */
const claims = text => attempt(() => JSON.parse(atob(text.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))), {});

/* A token that counts from now on. */
export function takeToken(halley, text) {
  const said = claims(text), left = said.exp * 1000 - Date.now();
  halley._token = text;
  // One that is over as soon as it is given: the clock is wrong, or it is; the server says which.
  halley._renewAt = left > 0 ? Date.now() + Math.max(1000, left - Math.min(30000, left / 10)) : Infinity;
  halley._transports.tab?.speaks(halley, said);
  return text;
}

/* The token to speak with, or undefined; another one than `bad`. Whoever asks meanwhile gets the same. */
export function tokenOf(halley, bad) {
  const {token} = halley.options;
  if (!token || halley._token && halley._token !== bad && Date.now() < halley._renewAt) return halley._token;
  if (!halley._asking) {
    halley._asking = Promise.resolve().then(token).then(text => takeToken(halley, text || ''))
      .catch(e => { throw e || Error('no token'); }).finally(() => { halley._asking = null; });
  }
  return inTime(halley._asking, halley.options.patience);
}
