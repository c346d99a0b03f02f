/* Publishing: one after the other, in the order of the calls, on every transport. */
import {call} from './requests.js';
import {failure, foreign, givenUp, later, newKey, refused, root, sleep, when} from './tools.js';

export function publish(halley, channel, data, options) {
  const o = {...halley.options, ...options}, out = halley._out;
  return new Promise((done, fail) => {
    const raw = data instanceof ArrayBuffer || ArrayBuffer.isView(data) || root.Blob && data instanceof Blob;
    const body = raw ? data : JSON.stringify(data);
    if (body === undefined) throw new TypeError(`publish: ${typeof data} is no JSON value`);
    if (out.length >= o.queue) throw failure({title: `publish: ${o.queue} wait already (option queue)`});
    const control = new AbortController();
    const forget = when(o.signal, () => { fail(givenUp()); control.abort(); });
    const job = {channel, raw, body, o, signal: control.signal, key: o.idempotencyKey || newKey(), done, fail, forget};
    out.push(job);
    if (out.length === 1) flush(halley, out);
  });
}

async function flush(halley, out) {
  for (let job; (job = out[0]); out.shift()) {
    try {
      if (!job.signal.aborted) job.done(await Promise.race([post(halley, job), new Promise(over => when(job.signal, over))]));
    } catch (e) {
      job.fail(e);
    }
    job.forget();
  }
}

async function post(halley, {channel, raw, body, o, key, signal}) {
  const headers = {'Content-Type': raw ? body.type || 'application/octet-stream' : 'application/json', 'Idempotency-Key': key};
  const long = raw || body.length > 4096 && new TextEncoder().encode(body).length > (halley._limits().max_message || 16384);
  for (let n = 0; ; n++) {
    try {
      if (halley._send && !long) return await halley._send({channel, body, key});
      const said = await call(halley, halley.base + '/publish?channel=' + encodeURIComponent(channel), {method: 'POST', headers, body}, o.patience, signal);
      if (!said?.id) throw foreign(200);
      return said;
    } catch (e) {
      const ms = later(e, n, o);
      if (refused(e) || n + 1 >= o.tries || ms > 60000 || signal.aborted) throw e; // the server forgets a key after 5 minutes
      await sleep(ms, signal);
    }
  }
}
