/* The comparison lab: one Halley client for each technique, all on channel `lab`, and a
 * loop that publishes there. The server counts by the `tag` that each client's requests bear. */
'use strict';

const TECHNIQUES = [
  {name: 'poll', title: 'Polling', wire: 'GET …/poll every so often; answered at once, mostly with nothing.',
    use: 'Where news may be late, or nothing else gets through. Always works.',
    cost: 'A whole request each time, needed or not. Late by half the interval on average.'},
  {name: 'wait', title: 'Long polling', wire: 'GET …/wait is answered when there is a message, or empty after 25 s; then asked again.',
    use: 'The fall-back that works through every proxy, and quick enough for people.',
    cost: 'A request a message, and one held connection: with Apache a thread, with lighttpd next to nothing.'},
  {name: 'events', title: 'Server-Sent Events', wire: 'GET …/events never ends; each message is a few lines of text/event-stream.',
    use: 'The best choice where only the server speaks: simple, standard, reconnects by itself.',
    cost: 'One held connection, no request a message. A proxy that buffers breaks it.'},
  {name: 'xhr', title: 'XHR streaming', wire: 'GET …/stream never ends; each line is a batch of JSON, read while it loads.',
    use: 'As event streams, where EventSource is missing, or headers and POST are needed.',
    cost: 'One held connection. The browser keeps all text, so it is begun anew now and then.'},
  {name: 'multipart', title: 'Multipart', wire: 'GET …/multipart: multipart/x-mixed-replace, every part replaces the one before.',
    use: 'History (Netscape, 1995), and cameras. Comet began with it.',
    cost: 'One held connection, and a part\'s header for each message.'},
  {name: 'iframe', title: 'Forever frame', wire: 'A hidden frame loads …/iframe, a page that never ends; each <script> in it calls its parent.',
    use: 'History: it worked in every browser that ever ran scripts.',
    cost: 'One held connection, a page that grows, and no sign when the connection breaks.'},
  {name: 'jsonp', title: 'JSONP', wire: '<script src="…/jsonp?callback=f"> waits as a long poll does; the answer calls f.',
    use: 'Long polling across sites for what knows no CORS. Trusts the other site with everything.',
    cost: 'As long polling, and a script element each time. Off unless the server says jsonp = on.'},
  {name: 'ws', title: 'WebSocket', wire: 'GET …/ws with Upgrade; from then on frames both ways, a batch each.',
    use: 'Where the page speaks often, too. Lowest cost a message.',
    cost: 'One held connection, and every proxy on the way must know the upgrade.'}
];

const KEPT = 10000; // samples of each technique

const make = (tag, text, className = '') => Object.assign(document.createElement(tag), {textContent: text, className});
const quantile = (sorted, q) => sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] : null;
const ms = n => n === null ? '–' : n.toFixed(n < 10 ? 1 : 0);
const count = n => n === undefined || n === null ? '–' : n.toLocaleString('en');

let run = '', counting = 0, publisher = null, publishing = false, sent = 0, taken = 0, trouble = '', unseen = '';

for (const t of TECHNIQUES) {
  const card = make('section', '', 'card'), head = make('h2', ''), label = make('label', ''), details = make('details', '');
  t.box = Object.assign(make('input', ''), {type: 'checkbox', checked: true, id: `use-${t.name}`});
  t.shown = make('small', '', 'soft');
  t.figure = make('div', '–', 'figure');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const list = make('dl', '');
  for (const [key, text] of [['On the wire', t.wire], ['Use it', t.use], ['It costs', t.cost]]) list.append(make('dt', key), make('dd', text));
  label.append(t.box, t.title);
  head.append(label, t.shown);
  details.append(make('summary', 'How it works, when, and what it costs'), list);
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `Latency of ${t.title}: nothing yet`);
  card.append(head, t.figure, svg, details);
  $('techniques').append(card);
  Object.assign(t, {card, svg, row: make('tr', ''), chart: new Chart(svg, {series: ['--c1'], seconds: 60, least: 5, format: n => `${Math.round(n)} ms`}), samples: [], heard: 0, server: {}});
  for (let i = 0; i < 10; i++) t.row.append(make(i ? 'td' : 'th', i ? '–' : t.title));
  t.row.firstChild.scope = 'row';
  $('table').tBodies[0].append(t.row);
}

/* All medians and 95ths on one scale, which is logarithmic: from what a machine takes to what a poll does. */
const SCALE = [0.1, 1, 10, 100, 1000, 10000]; // ms
const placeOf = n => Math.max(0, Math.min(100, 100 * Math.log10(n / SCALE[0]) / Math.log10(SCALE[SCALE.length - 1] / SCALE[0])));
const axis = make('div', '', 'axis');
for (const n of SCALE) axis.appendChild(make('span', n < 1000 ? `${n} ms` : `${n / 1000} s`)).style.left = `${placeOf(n)}%`;
for (const t of TECHNIQUES) {
  const row = make('div', '', 'one'), track = make('div', '', 'track');
  t.bar = track.appendChild(make('div', '', 'bar'));
  t.dot = track.appendChild(make('div', '', 'dot'));
  t.said = make('span', '–', 'said');
  t.bar.hidden = t.dot.hidden = true;
  row.append(make('span', t.title), track, t.said);
  $('rows').append(row);
}
$('rows').append(axis);

function compare(t, median, p95) {
  t.bar.hidden = t.dot.hidden = median === null;
  if (median === null) return;
  t.dot.style.left = t.bar.style.left = `${placeOf(median)}%`;
  t.bar.style.width = `${placeOf(p95) - placeOf(median)}%`;
  t.said.textContent = `${ms(median)} · ${ms(p95)}`;
}

/* What this server does not offer cannot be measured. */
const offered = fetch('/comet/info').then(answer => answer.json()).then(({transports}) => {
  for (const t of TECHNIQUES) {
    if (transports.includes(t.name === 'xhr' ? 'stream' : t.name)) continue;
    t.box.checked = false;
    t.box.disabled = true;
    t.card.classList.add('off');
    t.shown.textContent = 'switched off on this server';
  }
  return transports;
}).catch(error => { $('say').textContent = `The server does not answer: ${error.message}`; return []; });

/* JSONP needs no leave to go to another name of the same machine, and finds free connections there. */
function baseOf(t) {
  const other = {localhost: '127.0.0.1', '127.0.0.1': 'localhost'}[location.hostname];
  return t.name === 'jsonp' && other ? `${location.protocol}//${other}:${location.port}/comet` : '/comet';
}

function listen(t) {
  Object.assign(t, {samples: [], heard: 0, server: {}, tag: `${run}-${t.name}`});
  t.client = new Halley(baseOf(t), {transports: [t.name], interval: Number($('interval').value), hidden: 0, silence: 1e9, firstByte: 30000, params: {tag: t.tag}});
  t.client.on('state', ({state, error}) => {
    t.shown.textContent = state === 'open' ? '' : error ? error.message : state;
  });
  t.client.subscribe('lab', ({data}) => {
    if (!data || data.run !== run) return; // another page's
    const now = performance.now(), latency = now - data.sent;
    t.heard++;
    t.samples.push({n: data.n, sent: data.sent, latency});
    if (t.samples.length > KEPT) t.samples.shift();
    t.chart.add(now, [latency]);
  });
  return until(() => t.client.state === 'open');
}

const until = look => new Promise(done => {
  const timer = setInterval(() => { if (look() || !run) { clearInterval(timer); done(); } }, 20);
});

async function publish() {
  const message = {run, n: ++sent, sent: performance.now(), pad: 'x'.repeat(Number($('size').value))};
  try {
    await publisher.publish('lab', message);
    taken++;
    trouble = '';
  } catch (error) {
    trouble = ` Not published: ${error.message}.`;
  }
}

/* One after the other: two POSTs at a time may overtake each other on the way. */
async function publishAll() {
  for (const mine = run; publishing && run === mine;) {
    const next = performance.now() + 1000 / Math.max(0.1, Number($('rate').value) || 1);
    await publish();
    await new Promise(done => setTimeout(done, next - performance.now()));
  }
}

/* One technique's counters at a time: the connections are needed for other things. */
async function ask() {
  for (let i = 0; run; i++) {
    const t = TECHNIQUES[i % TECHNIQUES.length], asked = run;
    if (t.client) await countOf(t).catch(() => {});
    await new Promise(done => setTimeout(done, 250));
    if (asked !== run) return;
  }
}
async function countOf(t) {
  const response = await fetch(`/comet/status?tag=${t.tag}`, {cache: 'no-store'});
  unseen = response.status === 403 ? ' The server shows its counters to its own machine only (option status).' :
    response.status === 404 ? ' The server does not count what each technique costs (option tags).' : '';
  const answer = await response.json();
  if (answer.tag === t.tag) t.server = answer;
}

function figuresOf(t) {
  const sorted = t.samples.slice(-1000).map(s => s.latency).sort((a, b) => a - b), s = t.server;
  return [t.heard, quantile(sorted, 0.5), quantile(sorted, 0.95), s.requests, s.bytes_in, s.bytes_out,
    s.bytes_out === undefined || !t.heard ? undefined : Math.round((s.bytes_in + s.bytes_out) / t.heard), s.empty, s.held];
}

function show() {
  for (const t of TECHNIQUES) {
    if (!t.client) continue;
    const values = figuresOf(t), unit = make('small', ` ms median, ${ms(values[2])} ms p95`);
    t.figure.replaceChildren(ms(values[1]), unit);
    compare(t, values[1], values[2]);
    t.svg.setAttribute('aria-label', `Latency of ${t.title}: median ${ms(values[1])} ms, 95th percentile ${ms(values[2])} ms`);
    values.forEach((value, i) => { t.row.children[i + 1].textContent = i === 1 || i === 2 ? ms(value) : count(value); });
  }
  $('say').textContent = `${count(taken)} published, ${publisher && publisher.transport === 'ws' ? 'over the WebSocket' : 'by POST'}.${trouble}${unseen}`;
}

async function start() {
  run = `lab-${Date.now().toString(36)}`;
  sent = taken = 0;
  $('go').textContent = 'Stop';
  $('state').dataset.state = 'connecting';
  $('state').textContent = 'connecting';
  const transports = await offered, chosen = TECHNIQUES.filter(t => t.box.checked);
  publisher = new Halley('/comet', {transports: transports.includes('ws') ? ['ws'] : ['poll'], interval: 60000, hidden: 0});
  if (transports.includes('ws')) publisher.subscribe('lab'); // it listens only to be connected
  await Promise.all(chosen.map(listen));
  if (!run) return;
  $('state').dataset.state = 'open';
  $('state').textContent = `live (${chosen.length} at once)`;
  $('figures').disabled = $('samples').disabled = false;
  publishing = true;
  publishAll();
  counting = setInterval(show, 500);
  ask();
}

async function stop() {
  run = '';
  publishing = false;
  clearInterval(counting);
  $('go').textContent = 'Start';
  $('state').dataset.state = '';
  $('state').textContent = 'stopped';
  publisher.close();
  for (const t of TECHNIQUES.filter(t => t.client)) {
    t.client.close();
    await countOf(t).catch(() => {});
    t.shown.textContent = '';
  }
  show();
  for (const t of TECHNIQUES) t.client = null;
}

$('controls').onsubmit = event => { event.preventDefault(); run ? stop() : start(); };

function save(name, lines) {
  const text = lines.map(line => line.map(v => v === undefined || v === null ? '' : v).join(',')).join('\r\n') + '\r\n';
  const link = Object.assign(document.createElement('a'), {download: name, href: URL.createObjectURL(new Blob([text], {type: 'text/csv'}))});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
$('figures').onclick = () => save('comet-lab.csv', [
  ['technique', 'messages', 'median_ms', 'p95_ms', 'requests', 'bytes_in', 'bytes_out', 'bytes_per_message', 'empty', 'held'],
  ...TECHNIQUES.filter(t => t.samples.length).map(t => [t.name, ...figuresOf(t).map((v, i) => i === 1 || i === 2 ? v.toFixed(3) : v)])
]);
$('samples').onclick = () => save('comet-lab-messages.csv', [
  ['technique', 'n', 'published_ms', 'latency_ms'],
  ...TECHNIQUES.flatMap(t => t.samples.map(s => [t.name, s.n, s.sent.toFixed(3), s.latency.toFixed(3)]))
]);
