/*
 * A Halley server of paper: poll, wait, stream, info and publish on node's http, history
 * in an array, nothing else. It exists so that a test can make it misbehave exactly:
 * `server.before = (request) => reply` may answer a request in its stead with
 * {status, headers, body}, {cut: true} (the connection is torn), {hang: true} (never),
 * or {extra: {...}} (added to the batch).
 */
import http from 'node:http';

export const EPOCH = 1795219200000;

export class PaperServer {
  constructor() {
    this.channels = new Map();   // name -> [{channel, id, at, data}]
    this.trimmed = new Map();    // name -> how many are no longer held
    this.requests = [];          // {method, endpoint, channels, since, query, headers, body}
    this.waiting = new Set();
    this.streams = new Set();    // {request, res, deaf}, one for each stream that is held
    this.keys = new Map();
    this.before = () => undefined;
    this.http = http.createServer((req, res) => this.#take(req, res));
  }

  async listen() {
    await new Promise(done => this.http.listen(0, '127.0.0.1', done));
    this.base = `http://127.0.0.1:${this.http.address().port}/comet`;
    return this;
  }

  async close() {
    this.http.closeAllConnections();
    await new Promise(done => this.http.close(done));
  }

  count(endpoint) { return this.requests.filter(r => r.endpoint === endpoint).length; }

  publish(channel, ...payloads) {
    const list = this.#list(channel);
    let message;
    for (const data of payloads) {
      const n = (this.trimmed.get(channel) || 0) + list.length + 1;
      message = {channel, id: `${EPOCH}-${n}`, at: EPOCH + n, data};
      list.push(message);
    }
    for (const look of [...this.waiting]) look();
    return message;
  }

  /* Forgets the oldest messages, as a trimmed history does. */
  trim(channel, n) {
    this.#list(channel).splice(0, n);
    this.trimmed.set(channel, (this.trimmed.get(channel) || 0) + n);
  }

  #list(channel) {
    if (!this.channels.has(channel)) this.channels.set(channel, []);
    return this.channels.get(channel);
  }

  #batch(channels, since, limit) {
    const known = since.includes('@')
      ? new Map(since.split(',').map(part => part.split('@').map(decodeURIComponent))) : new Map();
    const at = new Map(), gap = [];
    let messages = [];
    for (const name of channels) {
      const list = this.#list(name), gone = this.trimmed.get(name) || 0, last = gone + list.length;
      let from = last;
      if (known.has(name)) from = Number(known.get(name).split('-')[1]);
      else if (since === 'start') from = gone;
      else if (/^-\d+$/.test(since)) from = Math.max(gone, last - Number(since.slice(1)));
      if (from < gone) { gap.push(name); from = gone; }
      at.set(name, from);
      messages.push(...list.slice(from - gone));
    }
    const more = limit > 0 && messages.length > limit;
    messages = messages.sort((a, b) => a.at - b.at).slice(0, limit);
    for (const m of messages) at.set(m.channel, Number(m.id.split('-')[1]));
    const cursor = [...at].map(([name, n]) => `${encodeURIComponent(name)}@${EPOCH}-${n}`).join(',');
    return Object.assign({messages, cursor}, gap.length ? {gap} : {}, more ? {more} : {});
  }

  /* A batch a line. A test may write to `server.streams` itself, or tear them. */
  #stream(request, res) {
    let cursor = this.#batch(request.channels, request.since, 0).cursor;
    const held = {request, res, end: () => { this.waiting.delete(look); this.streams.delete(held); }};
    const look = () => {
      const batch = this.#batch(request.channels, cursor, 100);
      cursor = batch.cursor;
      if (batch.messages.length && !held.deaf) res.write(JSON.stringify(batch) + '\n');
    };
    res.writeHead(200, {'Content-Type': 'application/x-ndjson'});
    res.write(JSON.stringify({messages: [], cursor}) + '\n');
    look();
    this.waiting.add(look);
    this.streams.add(held);
    res.on('close', held.end);
  }

  async #take(req, res) {
    const [path, search = ''] = req.url.split('?');
    let body = '';
    for await (const piece of req) body += piece;
    const endpoint = path.replace('/comet/', '').replace(/^moved\//, ''), moved = path.includes('/moved/');
    const form = (req.headers['content-type'] || '').startsWith('application/x-www-form-urlencoded');
    const query = new URLSearchParams(form ? body : search);
    const request = {method: req.method, endpoint, moved, query, body, headers: req.headers, url: req.url,
      channels: query.getAll('channel'), since: query.get('since')};
    this.requests.push(request);
    const send = (status, value, headers) => {
      res.writeHead(status, Object.assign({'Content-Type': 'application/json'}, headers));
      res.end(typeof value === 'string' ? value : JSON.stringify(value));
    };

    const instead = (await this.before(request)) || {};
    if (instead.cut) return req.socket.destroy();
    if (instead.hang) return;
    if (instead.status) {
      return send(instead.status, instead.body || {title: 'No', status: instead.status, detail: instead.detail}, instead.headers);
    }

    if (endpoint === 'publish') {
      const key = query.get('channel') + ' ' + req.headers['idempotency-key'];
      if (!this.keys.has(key)) this.keys.set(key, this.publish(query.get('channel'), JSON.parse(body)));
      if (instead.cutAfter) return req.socket.destroy();
      const {id, at} = this.keys.get(key);
      return send(200, {id, at});
    }
    if (endpoint === 'info') return send(200, this.info || {transports: ['wait', 'poll']});
    if (!['poll', 'wait', 'stream'].includes(endpoint)) return send(404, {title: 'Not found', status: 404});

    if (endpoint === 'stream') return this.#stream(request, res);

    // As the real one does, a channel's place is settled when the request arrives.
    const start = this.#batch(request.channels, request.since || 'now', 0).cursor;
    const first = this.#batch(request.channels, request.since || 'now', Number(query.get('limit') || 100));
    const answer = batch => send(200, Object.assign(batch, instead.extra));
    if (endpoint === 'poll' || first.messages.length || first.gap || instead.extra) return answer(first);
    const end = () => { this.waiting.delete(look); clearTimeout(timer); };
    const look = () => {
      const batch = this.#batch(request.channels, start, 100);
      if (batch.messages.length) { end(); answer(batch); }
    };
    const timer = setTimeout(() => { end(); answer(this.#batch(request.channels, start, 100)); },
      Number(query.get('timeout') || 25) * 1000);
    this.waiting.add(look);
    res.on('close', end);
  }
}
