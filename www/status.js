/*
 * The status page: reads the figures that Prometheus reads, and what each process last said, every
 * two seconds, and says in words when it cannot.
 */
'use strict';

const $ = id => document.getElementById(id);
const EVERY = 2000, SLOWEST = 30000; // milliseconds
const count = new Intl.NumberFormat('en');
let before = null, failures = 0, timer, due = 0, seen = 0;

/* The series of the page, by name: [{labels, value}]. */
function parse(text) {
  const series = new Map();
  for (const line of text.split('\n')) {
    const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) || [];
    if (!name) continue;
    const all = Object.fromEntries([...(labels || '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]));
    series.set(name, [...series.get(name) || [], {labels: all, value: Number(value)}]);
  }
  return {
    at: Date.now(), series,
    list: name => series.get(`halley_${name}`) || [],
    sum: (name, label, wanted) => (series.get(`halley_${name}`) || [])
      .reduce((sum, one) => sum + (label && one.labels[label] !== wanted ? 0 : one.value), 0)
  };
}

/* How much a figure grew in a second since the page was read last. */
function rate(now, name) {
  if (!before) return '–';
  const a_second = (now.sum(name) - before.sum(name)) / ((now.at - before.at) / 1000);
  return a_second < 0 ? '–' : count.format(a_second < 10 ? Math.round(a_second * 10) / 10 : Math.round(a_second));
}

const seconds = value => value === Infinity ? 'more than 10 s' : value >= 1 ? `${value} s` : `${Math.round(value * 1e6) / 1e3} ms`;

/* The bound within which that part of all was; of what came since the page was read last, if anything did. */
function quantile(now, name, part) {
  const grown = now.list(`${name}_bucket`).map(({labels, value}, i) =>
    ({bound: labels.le === '+Inf' ? Infinity : Number(labels.le), value: value - (before ? before.list(`${name}_bucket`)[i]?.value ?? 0 : 0)}));
  const buckets = grown.length && grown.at(-1).value > 0 ? grown
    : now.list(`${name}_bucket`).map(({labels, value}) => ({bound: labels.le === '+Inf' ? Infinity : Number(labels.le), value}));
  const all = buckets.at(-1)?.value;
  return all ? seconds(buckets.find(bucket => bucket.value >= all * part).bound) : '–';
}

function row(cells) {
  const line = document.createElement('tr');
  cells.forEach((text, i) => {
    const cell = document.createElement(i ? 'td' : 'th');
    if (!i) cell.scope = 'row';
    cell.textContent = text;
    line.append(cell);
  });
  return line;
}

function showNow(now) {
  const held = now.sum('held_together'), most = now.sum('max_waiters');
  $('held').textContent = count.format(held);
  $('most').textContent = count.format(most);
  $('fill').firstElementChild.style.width = `${Math.min(100, 100 * held / (most || 1))}%`;
  $('fill').dataset.level = held >= most ? 'full' : held >= most * 0.9 ? 'high' : '';
  $('messages').textContent = rate(now, 'messages_total');
  $('requests').textContent = rate(now, 'requests_total');
  $('median').textContent = quantile(now, 'delivery_seconds', 0.5);
  $('most95').textContent = quantile(now, 'delivery_seconds', 0.95);
  $('redis').textContent = now.sum('redis_up') ? 'answers' : 'is away';
  $('redis').className = now.sum('redis_up') ? '' : 'bad';
  $('trip').textContent = quantile(now, 'redis_roundtrip_seconds', 0.5);
  const lost = now.sum('redis_reconnects_total');
  $('lost').textContent = lost === 1 ? 'lost once' : lost ? `lost ${count.format(lost)} times` : 'never lost';
  const known = now.list('worker_leader').length > 0;
  $('leader').textContent = !known ? 'not known' : now.sum('worker_leader') ? 'one leads' : 'none leads';
  $('leader').className = known && !now.sum('worker_leader') ? 'bad' : '';
  $('queue').textContent = known ? count.format(now.sum('worker_queue')) : '–';
}

function showTransports(now) {
  const names = now.list('transport_requests_total').map(({labels}) => labels.transport);
  const of = (figure, name) => now.sum(`transport_${figure}`, 'transport', name);
  const used = names.filter(name => of('requests_total', name) || of('held', name));
  $('transports').tBodies[0].replaceChildren(...used.map(name => row([name,
    ...['held', 'requests_total', 'messages_total', 'bytes_out_total'].map(figure => count.format(of(figure, name)))])));
}

/* In a person's words, what figures say that should be none. */
function showWrong(now) {
  const problems = now.list('problems_total').filter(one => one.value)
    .map(({labels, value}) => `${count.format(value)} ${value === 1 ? 'answer' : 'answers'} ${labels.status} (${labels.reason})`);
  const told = [
    ['gaps_total', 'times a reader was told that messages are missing'],
    ['answers_retry_total', 'requests were told to come back later, for want of room'],
    ['cut_off_total', 'readers were too slow and cut off'],
    ['worker_dropped_total', 'publishes could not be understood'],
    ['log_lost_total', 'lines of the log nobody took']
  ].filter(([name]) => now.sum(name)).map(([name, words]) => `${count.format(now.sum(name))} ${words}`);
  const all = [...told, ...problems];
  $('well').hidden = all.length > 0;
  $('wrong').replaceChildren(...all.map(text => Object.assign(document.createElement('li'), {textContent: text})));
  for (const place of document.querySelectorAll('.since'))
    place.textContent = new Date(now.sum('start_time_seconds') * 1000).toLocaleString('en');
}

function ago(uptime) {
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const [length, name] = units.find(([length]) => uptime >= length) || units.at(-1);
  return `${Math.floor(uptime / length)} ${name}`;
}

function showProcesses(processes) {
  $('processes').tBodies[0].replaceChildren(...processes.map(one => row([one.id, one.role, one.version ?? '–', one.redis ?? '–',
    one.uptime === undefined ? '–' : ago(one.uptime),
    one.sequencer ? `${one.sequencer.state}, ${one.sequencer.total} sequenced` : `holds ${one.clients}, follows ${one.channels} channels`])));
}

function say(state, words) {
  $('state').dataset.state = state;
  $('state').textContent = words;
}

async function ask(path) {
  const answer = await fetch(path, {cache: 'no-store', signal: AbortSignal.timeout(8000)});
  if (answer.status === 403) throw Object.assign(new Error('shown on the server itself only'), {refused: true});
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  return answer;
}

async function look() {
  try {
    const [metrics, status] = await Promise.all([ask('/comet/metrics'), ask('/comet/status')]);
    const now = parse(await metrics.text());
    if (!now.list('build_info').length) throw new Error('not an answer of Halley');
    showNow(now);
    showTransports(now);
    showWrong(now);
    showProcesses((await status.json()).processes);
    [before, failures, seen] = [now, 0, Date.now()];
    $('figures').hidden = false;
    $('figures').classList.remove('stale');
    say('open', 'live');
  } catch (error) {
    failures++;
    $('figures').classList.add('stale');
    if (error.refused) $('lead').textContent = 'These figures are shown on the server itself only: the option status in halley.conf says to whom else.';
    say('closed', error.refused ? error.message : 'no answer');
  }
  due = Date.now() + Math.min(SLOWEST, EVERY * 2 ** Math.max(0, failures - 1));
}

/* Every second: the words about what is awaited, and the question when its time has come. */
async function tick() {
  if (Date.now() >= due && !document.hidden) await look();
  else if (failures && $('state').textContent !== 'shown on the server itself only') {
    const next = Math.max(1, Math.ceil((due - Date.now()) / 1000));
    say('closed', `No answer, next try in ${next} s${seen ? `; figures are ${ago((Date.now() - seen) / 1000)} old` : ''}`);
  }
  timer = setTimeout(tick, 1000);
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  clearTimeout(timer);
  due = 0;
  tick();
});
tick();
