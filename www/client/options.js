/* The options, and what is said of those that cannot be meant (halley.d.ts says what each is for). */
import {LONGEST, warn} from './tools.js';

const DEFAULTS = {
  since: 'now', timeout: 25, interval: 3000, patience: 15000, firstByte: 4000, silence: 0, hidden: 60000,
  blocked: 600000, backoff: 500, maxBackoff: 30000, tries: 5, queue: 1000, transports: undefined, share: true, params: undefined,
  persist: '', numbers: '', headers: undefined, credentials: undefined, fetch: undefined, debug: false, token: undefined
};

export function check(options, known) {
  const o = {...DEFAULTS}, names = options?.transports, unknown = Object.keys(options || {}).filter(key => !(key in DEFAULTS));
  for (const key in options) {
    const value = options[key] ?? DEFAULTS[key]; // what is kept nowhere is not given
    o[key] = value > LONGEST ? LONGEST : value;
  }
  if (names !== undefined) {
    if (!Array.isArray(names) || !names.length) throw new TypeError('transports: wants a list of names');
    const odd = names.find(name => !known[name]);
    if (odd !== undefined) throw new TypeError(`transports: there is no ${odd}; there are ${Object.keys(known).join(', ')}`);
  }
  if (unknown.length) warn('unknown options: ' + unknown.join(', '));
  return o;
}
