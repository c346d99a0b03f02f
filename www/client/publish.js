/* Publishing: one after the other, in the order of the calls, on every transport. */
import {call, queryOf} from './requests.js';
import {failure, foreign, givenUp, later, newKey, refused, sleep, when} from './tools.js';

export async function publish(halley, channel, data, options) {
  const o = {...halley.options, ...options}, raw = data instanceof ArrayBuffer || ArrayBuffer.isView(data) || data instanceof Blob;
  const body = raw ? data : JSON.stringify(data);
  if (body === undefined) throw new TypeError(`publish: ${typeof data} is no JSON value`);
  if (halley._unsent >= o.queue) throw failure({title: `publish: ${o.queue} wait already (option queue)`});
  const control = new AbortController(), {signal} = control, job = {channel, raw, body, key: o.idempotencyKey || newKey()};
  let forget;
  const over = new Promise((yes, no) => {
    forget = when(o.signal, () => { no(givenUp()); control.abort(); });
  });
  const send = async () => signal.aborted || Promise.race([post(halley, job, o, signal), over]);
  const sent = halley._unsent++ ? halley._sent.then(send) : send(); // at once, where nothing waits: a page may be about to go
  halley._sent = sent.catch(() => {}).then(() => {
    halley._unsent--;
    forget();
  });
  return Promise.race([over, sent]);
}

async function post(halley, job, o, signal) {
  const {channel, raw, body, key} = job, url = halley.base + '/publish?' + queryOf([['channel', channel]]);
  const headers = {'Content-Type': raw ? body.type || 'application/octet-stream' : 'application/json', 'Idempotency-Key': key};
  const until = Date.now() + 240000; // the server forgets a key after 5 minutes, also where this computer sleeps
  for (let n = 0; ; n++) {
    try {
      const said = await (halley._send?.(job) || call(halley, url, signal, {method: 'POST', headers, body}, o.patience));
      if (!said?.id) throw foreign(200);
      return said;
    } catch (e) {
      const ms = later(e, n, o);
      if (refused(e) || n + 1 >= (o.tries ?? halley.options.tries) || ms > 60000 || signal.aborted) throw e;
      await sleep(ms, signal);
      if (Date.now() > until) throw e;
    }
  }
}
