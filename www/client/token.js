/* Who speaks: the token that `options.token` gives. It is asked for anew before it expires, and after
 * a 401; of tabs that share a connection the one that leads asks, and hands it on. */

/* What a JWT says, as far as this client reads it: nothing, of a token that is none. */
function claims(text) {
  try { return JSON.parse(atob(text.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))); } catch (e) { return {}; }
}

/* A token that counts from now on. Tabs share where the same may speak for both. */
export function takeToken(halley, text) {
  const {exp, sub, subscribe, publish} = claims(text), left = exp * 1000 - Date.now() || Infinity;
  const who = JSON.stringify([sub, subscribe, publish]), other = halley._who && halley._who !== who;
  halley._who = who;
  halley._token = text;
  halley._renewAt = Date.now() + Math.max(1000, left - Math.min(30000, left / 10));
  if (other) {
    halley._yield?.();
    halley.wake();
  }
  return text;
}

/* The token to speak with, or undefined; another one than `bad`. Whoever asks meanwhile gets the same. */
export function tokenOf(halley, bad) {
  const {token} = halley.options;
  if (!token || halley._token && halley._token !== bad && Date.now() < halley._renewAt) return halley._token;
  const over = () => { halley._asking = null; };
  if (!halley._asking) {
    halley._asking = Promise.resolve().then(token).then(text => takeToken(halley, text || ''));
    halley._asking.then(over, over);
  }
  return halley._asking;
}

/* Keeps what is held by a token held: an open WebSocket is told the next one, all else asks anew. */
export function renewing(halley) {
  let timer;
  const next = () => {
    const ms = halley._renewAt - Date.now();
    if (ms < Infinity && halley.options.token) timer = setTimeout(renew, Math.min(ms, 2 ** 31 - 1));
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
  return () => clearTimeout(timer);
}
