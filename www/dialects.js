/*
 * One channel, heard by five systems' clients side by side. Each is a row of `clients`: `start`
 * connects it, and tells its card
 *   live(way)        it hears the channel, by this way if it says so
 *   lost(reason)     it does not any more, and tries again by itself
 *   hears(data)      what was published
 * Why a client cannot connect, the page finds out by asking for its address itself.
 */
const CHANNEL = 'chat', SHOWN = 20, RETRY_MS = 2000;

const $ = id => document.getElementById(id);

/* ------------------------------------------------------------------ the clients */

/* Their published files, which deploy/install-clients has put beside this page. */
function script(file) {
  return new Promise((done, failed) => {
    const node = document.createElement('script');
    node.src = `clients/${file}`;
    node.onload = done;
    node.onerror = () => failed(new Error('absent'));
    document.head.append(node);
  });
}

async function startHalley(card) {
  const halley = new Halley('/comet');
  halley.on('state', ({state, transport, error}) => {
    if (state === 'open') card.live(transport);
    else card.lost(error && error.message);
  });
  halley.subscribe(CHANNEL, message => card.hears(message.data));
  followShell(halley, $('line'));
  return halley;
}

async function startSockjs(card) {
  await script('sockjs.min.js');
  const connect = () => {
    const socket = new SockJS('/sockjs/room');
    socket.onopen = () => card.live(socket.transport);
    socket.onmessage = event => card.hears(read(event.data));
    socket.onclose = event => {
      card.lost(event.reason);
      setTimeout(connect, RETRY_MS);
    };
  };
  connect();
}

async function startSocketio(card) {
  await script('socket.io.min.js');
  const socket = io();
  const live = () => card.live(socket.io.engine.transport.name);
  socket.on('connect', () => {
    live();
    socket.io.engine.on('upgrade', live);
  });
  socket.on('message', data => card.hears(data));
  socket.on('disconnect', reason => card.lost(reason));
  socket.on('connect_error', error => card.lost(error.message));
}

async function startFaye(card) {
  await script('faye-browser-min.js');
  const client = new Faye.Client('/bayeux');
  client.on('transport:up', () => card.live());
  client.on('transport:down', () => card.lost());
  client.subscribe(`/${CHANNEL}`, data => card.hears(data))
    .then(() => card.live(), error => card.lost(error.message));
}

async function startCometd(card) {
  const {CometD} = await import('./clients/cometd/cometd.js').catch(() => { throw new Error('absent'); });
  const client = new CometD();
  // Its timers run in a Worker made of a blob: otherwise, which default-src 'self' forbids.
  client.configure({url: new URL('/bayeux', location).href, logLevel: 'error', useWorkerScheduler: false});
  // A new session begins with no subscriptions.
  client.addListener('/meta/handshake', reply => {
    if (reply.successful) client.subscribe(`/${CHANNEL}`, message => card.hears(message.data));
  });
  client.addListener('/meta/connect', reply => {
    if (reply.successful) card.live(client.getTransport().type);
    else card.lost(reply.error);
  });
  client.handshake(reply => { if (!reply.successful) card.lost(reply.error); });
}

const clients = [
  {name: 'halley.js', path: '/comet/info', start: startHalley,
    code: "new Halley('/comet').subscribe(\n  'chat', m => show(m.data));"},
  {name: 'sockjs-client', path: '/sockjs/room/info', service: 'sockjs/room', start: startSockjs,
    code: "new SockJS('/sockjs/room')\n  .onmessage = e => show(e.data);"},
  {name: 'socket.io-client', path: '/socket.io/', service: 'socket.io', start: startSocketio,
    code: "io().on('message',\n  data => show(data));"},
  {name: 'faye', path: '/bayeux', service: 'bayeux', start: startFaye,
    code: "new Faye.Client('/bayeux').subscribe(\n  '/chat', data => show(data));"},
  {name: 'cometd', path: '/bayeux', service: 'bayeux', start: startCometd,
    code: "cometd.init('/bayeux');\ncometd.subscribe('/chat',\n  m => show(m.data));"}
];

/* ---------------------------------------------------------------------- cards */

/* SockJS carries texts: what is JSON was published as that. */
function read(text) {
  try { return JSON.parse(text); } catch { return text; }
}

/* Everything that came from elsewhere goes through textContent. */
function node(name, className, text, parent) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

class Card {
  constructor(client) {
    this.client = client;
    this.root = node('section', 'card', '', $('clients'));
    this.root.dataset.client = client.name;
    const head = node('header', '', '', this.root);
    node('h2', '', client.name, head);
    this.state = node('output', 'state', '', head);
    this.why = node('p', 'why', '', this.root);
    node('pre', '', client.code, this.root);
    const log = node('div', 'log', '', this.root);
    log.setAttribute('role', 'log');
    log.setAttribute('aria-label', `What ${client.name} hears`);
    this.feed = node('ul', 'feed', '', log);
    this.feed.setAttribute('aria-label', log.getAttribute('aria-label'));
    this.feed.tabIndex = 0;
    this.#show('connecting', 'connecting', '');
  }

  #show(state, word, why) {
    this.state.dataset.state = state;
    this.state.textContent = word;
    this.why.textContent = why;
    count();
  }

  live(way) {
    const known = this.state.dataset.state === 'open' && !way;
    if (!known) this.#show('open', way ? `live (${way})` : 'live', '');
  }

  absent() {
    this.#show('closed', 'not here', `The files of ${this.client.name} are not here: make run fetches them, with npm.`);
  }

  async lost(reason) {
    this.#show('connecting', 'not connected', 'Trying again.');
    const why = await obstacle(this.client, reason);
    if (this.state.dataset.state !== 'open') this.#show('connecting', 'not connected', `${why} Trying again.`);
  }

  hears(data) {
    const chat = data && typeof data.text === 'string', item = node('li', '', '');
    const meta = node('div', 'meta', '', item);
    node('b', '', chat ? String(data.user || 'somebody') : 'a script', meta);
    node('time', '', new Date().toLocaleTimeString(), meta);
    node('div', 'text', chat ? data.text : typeof data === 'string' ? data : JSON.stringify(data), item);
    this.feed.prepend(item);
    while (this.feed.children.length > SHOWN) this.feed.lastChild.remove();
  }
}

/* Why a client is not connected, as a sentence. */
async function obstacle({path, service}, reason) {
  let answer;
  try {
    answer = await fetch(path, {cache: 'no-store'});
  } catch {
    return 'The server cannot be reached.';
  }
  if (answer.status === 404 && service) return `No service is at ${path}: [service ${service}] in halley.conf makes one.`;
  if (answer.status >= 500) return `The server has an error (${answer.status}): Halley or Redis is away.`;
  return reason ? `The connection has ended (${reason}).` : 'The connection has ended.';
}

const WORDS = ['none', 'one', 'two', 'three', 'four', 'all'];

function count() {
  const live = document.querySelectorAll('#clients .state[data-state=open]').length;
  $('state').dataset.state = live === clients.length ? 'open' : 'connecting';
  $('state').textContent = live === clients.length ? 'all five are live' : `${WORDS[live]} of five ${live > 1 ? 'are' : 'is'} live`;
}

/* ----------------------------------------------------------------------- begin */

let publisher;

for (const client of clients) {
  const card = new Card(client);
  const started = client.start(card).catch(error => {
    if (error.message === 'absent') card.absent();
    else card.lost(error.message);
  });
  if (client.name === 'halley.js') publisher = started;
}

$('form').onsubmit = async event => {
  event.preventDefault();
  $('say').textContent = '';
  try {
    await (await publisher).publish(CHANNEL, {user: 'this page', text: $('text').value});
    $('form').reset();
  } catch (error) {
    $('say').textContent = `Not sent: ${error.message}`;
  }
};
