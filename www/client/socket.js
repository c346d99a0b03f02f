/* The WebSocket, whose channels change with those that are wanted, without a new one. */
import {covers, isPattern} from './names.js';
import {attempt, failure, inTime, root, when} from './tools.js';

export function socket(turn, done, fail) {
  const {client, names} = turn, on = new Set(names), asked = new Map(), joined = new Set(), joins = [];
  const {_channels: all, _places: places} = client, token = client._token;
  const url = new URL(turn.url('ws'), root.document?.baseURI || root.location?.href);
  const ws = new WebSocket(url.href.replace(/^http/, 'ws'), token ? ['halley', 'bearer.' + token] : []);
  let open = false, due = false, count = 0;

  /* Answers come under the `ref` of what was said. */
  const send = (text, ref, answer) => {
    asked.set(ref, m => { asked.delete(ref); answer(m); });
    ws.send(text);
  };
  const say = (what, answer) => {
    const ref = '#' + ++count;
    send(JSON.stringify({...what, ref}), ref, answer);
    return ref;
  };
  /* What is larger than a WebSocket may carry is not for it. */
  const long = text => text.length > 4096 && new TextEncoder().encode(text).length > client._limits.max_message;
  const post = ({channel, raw, body, key}) => !raw && !long(body) && inTime(new Promise((yes, no) => {
    send(`{"publish":{"channel":${JSON.stringify(channel)},"data":${body},"key":${JSON.stringify(key)}},"ref":${JSON.stringify(key)}}`, key, m => {
      m.published ? yes(m.published) : no(failure(m.error));
    });
  }), client.options.patience);
  /* Whoever speaks goes on under another token. */
  const speak = token => say({token}, ({error}) => error?.status && turn.fail(failure(error)));

  /* One bad name shall not cost the others: it is found, and left out. */
  function join(list, since) {
    list.forEach(name => on.add(name));
    joins.push(say({[isPattern(list[0]) ? 'pattern' : 'subscribe']: list, since}, ({error}) => {
      if (!error?.status) return; // the connection is lost, and with it nothing else
      if (error.status >= 500 || error.status === 429) return turn.fail(failure(error));
      list.forEach(name => on.delete(name));
      if (list.length > 1) return list.forEach(name => join([name], since));
      client._refuse(list[0], failure(error));
    }));
  }
  function sync() {
    due = false;
    if (!open || client._sync !== later) return;
    const gone = [...on].filter(name => !all.has(name) || all.get(name).since && !places.has(name) && !joined.has(name));
    gone.forEach(name => on.delete(name));
    const fresh = [...all.keys()].filter(name => !on.has(name));
    if (!all.size || client._parts([...all.keys()]).length > 1) return client.wake();
    if (gone.length) ws.send(JSON.stringify({unsubscribe: gone}));
    // With a pattern goes all that it stood for, what is named as well too: that is asked for anew.
    for (const name of on) if (!isPattern(name) && gone.some(left => covers(left, name))) fresh.push(name);
    const groups = new Map();
    for (const name of fresh) {
      const since = client._places.get(name) || all.get(name).since || 'now', key = since + (isPattern(name) ? ' ' : '');
      groups.set(key, (groups.get(key) || []).concat(name));
      joined.add(name);
    }
    groups.forEach((list, key) => join(list, key.trim()));
  }
  /* What is asked for in one go is said in one go. */
  const later = () => { if (!due) due = Promise.resolve().then(sync); };
  if (names.length === all.size) client._sync = later; // one of several is of no use to others: they begin anew

  ws.onopen = () => {
    open = true;
    turn.alive();
    client._send = post;
    client._speak = speak;
    sync();
  };
  ws.onmessage = ({data}) => {
    const m = attempt(() => turn.json(data)), answer = asked.get(m?.ref);
    if (answer) return answer(m);
    turn.batch(m);
    for (const name of joined) {
      if (!client._places.has(name)) continue;
      joined.delete(name);
      client._placed([name]);
    }
    if (!joined.size) joins.splice(0).forEach(ref => asked.delete(ref)); // only a refusal is answered
  };
  turn.probe(() => new Promise(yes => open ? say({ping: 1}, () => yes()) : yes()));
  const closed = ws.onclose = ({code}) => {
    client._send = client._speak = null;
    asked.forEach(answer => answer({error: {title: 'connection lost'}}));
    if (code === 4401) client._renewAt = 0; // it has expired, or was revoked: another one may do
    (code === 1000 || code === 1001 || code === 4401 && client.options.token ? done : fail)(new Error('WebSocket closed, ' + code));
  };
  when(turn.signal, () => { ws.onclose = null; ws.close(); closed({}); });
}
