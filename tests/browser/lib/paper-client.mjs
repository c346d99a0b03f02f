/* Clients of a server of paper, with everything that they said, and what a browser has beside
 * fetch, as fakes that a test plays by hand. */
import {Halley} from '../../../www/halley.mjs';
import {PaperServer} from './paper-server.mjs';
import {until} from './until.mjs';

const FAKED = ['WebSocket', 'EventSource', 'sessionStorage', 'document', 'addEventListener', 'removeEventListener', 'navigator'];

export class Paper {
  static async open(transports = ['wait', 'poll']) {
    const paper = new Paper();
    paper.server = await new PaperServer().listen();
    paper.server.info = {transports, limits: {max_channels: 64, keepalive: 15, max_message: 1000}};
    paper.clients = [];
    paper.asIs = FAKED.map(name => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
    paper.kept = {};
    paper.fake('sessionStorage', {
      getItem: key => paper.kept[key] || null, setItem: (key, value) => { paper.kept[key] = value; }
    });
    return paper;
  }

  async close() {
    this.clients.forEach(halley => halley.close());
    await until(() => this.clients.every(halley => !halley._looping));
    await this.server.close();
    for (const [name, was] of this.asIs) if (was) Object.defineProperty(globalThis, name, was); else delete globalThis[name];
  }

  fake(name, value) {
    Object.defineProperty(globalThis, name, {value, configurable: true, writable: true});
    return value;
  }

  client(options) {
    const halley = new Halley(this.server.base, Object.assign({backoff: 5, maxBackoff: 20, interval: 10, share: false}, options));
    Object.assign(halley, {got: [], gaps: [], states: [], errors: []});
    halley.on('message', m => halley.got.push(m.data));
    halley.on('gap', g => halley.gaps.push(g.channels));
    halley.on('state', s => halley.states.push(s));
    halley.on('error', e => halley.errors.push(e));
    this.clients.push(halley);
    return halley;
  }

  /* What the window hears: fire(type). */
  window(document = {hidden: false, baseURI: this.server.base}) {
    const listeners = {};
    this.fake('document', document);
    this.fake('addEventListener', (type, fn) => { listeners[type] = fn; });
    this.fake('removeEventListener', type => { delete listeners[type]; });
    return (type, more) => listeners[type] && listeners[type].handleEvent({type, ...more});
  }

  /* WebSockets that the test plays: made[n].sent, made.next(n), made.open(n). */
  sockets() {
    const made = [];
    this.fake('WebSocket', class {
      constructor(url) { this.url = new URL(url); this.sent = []; made.push(this); }
      send(text) { this.sent.push(JSON.parse(text)); if (this.taken) this.taken(JSON.parse(text)); }
      close() { this.closed = true; }
      say(message) { this.onmessage({data: JSON.stringify(message)}); }
    });
    made.next = n => until(() => made[n] && made[n].onmessage && made[n], `WebSocket number ${n + 1}`);
    made.open = async n => { (await made.next(n)).onopen(); return made[n]; };
    return made;
  }
}

export const range = (from, to) => Array.from({length: to - from + 1}, (_, i) => from + i);
export const got = (halley, n) => until(() => halley.got.length >= n, `${n} messages`);
export const isOpen = (halley, transport) => until(() => halley.state === 'open' && (!transport || halley.transport === transport), `open by ${transport}`);
