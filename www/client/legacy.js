/* Transports for what cannot do better, or for the sake of comparison: name what you want.
 *
 *   new Halley('https://elsewhere.example/comet', {transports: ['jsonp']});
 *
 * jsonp      answers are scripts: works across sites without CORS. Reads only; the
 *            server offers it if its configuration says `jsonp = on`.
 * iframe     the forever frame: a page that never ends, of scripts that call its parent.
 * multipart  multipart/x-mixed-replace, a batch a part.
 * xhr        the lines of `stream`, for browsers whose fetch cannot stream: there it
 *            takes that transport's place by itself.
 */
import {when} from './tools.js';

const root = typeof self === 'object' ? self : globalThis;
let calls = 0;

/* A script of an address of the page's own, also where its policy wants a nonce, or trusted types. */
const nonce = root.document?.currentScript?.nonce || '';
let trusts;
function scriptOf(url) {
  const script = document.createElement('script');
  let src = url;
  try {
    trusts = trusts || root.trustedTypes.createPolicy('halley', {createScriptURL: own => own});
    src = trusts.createScriptURL(url);
  } catch (e) { /* none wanted, or not allowed */ }
  script.nonce = nonce;
  script.src = src;
  return script;
}

/* A function that the whole page can see; returns its name. */
function callback(fn) {
  const name = 'halley_' + ++calls;
  root[name] = fn;
  return name;
}

export const jsonp = {
  /* In the place of fetch, for quick reads too. A script shows no status: it comes or it does not. */
  ask(halley, url, signal, init, ms) {
    const control = new AbortController();
    let script;
    when(signal, () => control.abort());
    const answer = new Promise((done, fail) => {
      const name = callback(done), over = () => { delete root[name]; };
      const query = init ? '?' + init.body : url.slice(url.indexOf('?'));
      const now = /\/poll(\?|$)/.test(url) ? '&timeout=0' : '';
      script = scriptOf(url.replace(/\/\w+(\?.*)?$/, '/jsonp') + query + now + '&callback=' + name);
      script.onload = over;
      script.onerror = () => { over(); fail(new Error('script refused or lost')); };
      setTimeout(fail, ms, new Error('no answer'));
      when(control.signal, () => {
        fail(new Error('abandoned'));
        if (root[name]) root[name] = () => {}; // a script on its way cannot be called back, and calls this
      });
      document.head.append(script);
    });
    return answer.finally(() => { script.remove(); control.abort(); });
  },
  async run(turn) {
    turn.batch(await turn.held('jsonp'));
  }
};

/* No browser says when a frame's connection breaks. But the server keeps it alive with
 * comments: where none comes any more, look soon whether there is something to miss. */
export const iframe = {
  streams: true,
  fits: url => url.length < 8000,
  run: turn => new Promise((done, fail) => {
    const name = callback(batch => { fed = true; turn.batch(batch); alive(); });
    const frame = document.createElement('iframe'), alive = () => turn.alive('open', Math.min(20000, turn.client.options.silence || 20000));
    let fed = false;
    frame.hidden = true;
    frame.title = 'live data';
    frame.src = turn.url('iframe', {callback: name});
    frame.onload = () => (fed ? done : fail)(new Error('the frame has ended')); // an error page "loads" too
    const watch = setInterval(() => {
      const body = frame.contentDocument && frame.contentDocument.body;
      if (!body || body.childNodes.length < 2) return;
      while (body.childNodes.length > 1) body.firstChild.remove();
      alive();
    }, 2000);
    when(turn.signal, () => { clearInterval(watch); frame.remove(); delete root[name]; });
    document.body.append(frame);
  })
};

export const multipart = {
  streams: true,
  fits: () => root.ReadableStream,
  async run(turn) {
    const res = await turn.ask('multipart', {}, 0, true);
    const boundary = '\r\n--' + /boundary="?([^";]+)/.exec(res.headers.get('Content-Type'))[1];
    const reader = res.body.getReader(), decoder = new TextDecoder();
    for (let rest = '\r\n'; ;) {
      const {done, value} = await reader.read();
      if (done) return;
      const parts = (rest + decoder.decode(value, {stream: true})).split(boundary);
      rest = parts.pop();
      for (const part of parts) {
        const body = part.indexOf('\r\n\r\n'); // behind the part's own header
        if (body >= 0) turn.text(part.slice(body));
      }
    }
  }
};

export const xhr = {
  streams: true,
  ticks: true,
  run: turn => new Promise((done, fail) => {
    const xhr = new XMLHttpRequest();
    const url = turn.url('stream'), long = url.length > 2000, cut = url.indexOf('?');
    let seen = 0;
    xhr.open(long ? 'POST' : 'GET', long ? url.slice(0, cut) : url);
    xhr.onprogress = () => {
      if (xhr.status !== 200) return;
      const end = xhr.responseText.lastIndexOf('\n') + 1;
      xhr.responseText.slice(seen, end).split('\n').forEach(line => turn.text(line));
      seen = end;
      if (end > 1e6) done(); // all of it stays in memory: begin anew now and then
    };
    xhr.onload = () => (xhr.status === 200 ? done : fail)(Object.assign(new Error('HTTP ' + xhr.status), {status: xhr.status}));
    xhr.onerror = () => fail(new Error('stream lost'));
    when(turn.signal, () => xhr.abort());
    if (long) xhr.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
    xhr.send(long ? url.slice(cut + 1) : null);
  })
};
