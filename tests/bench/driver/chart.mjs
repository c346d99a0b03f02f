/*
 * The chart: an SVG of horizontal bars, drawn from the results. It has a background of its
 * own and follows prefers-color-scheme, so that it can be read on light and dark pages.
 *
 *   node tests/bench/driver/chart.mjs RESULTS.json >RESULTS.svg
 */
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {systems} from '../systems/index.mjs';

const WIDTH = 760, LEFT = 190, RIGHT = 90, ROW = 22, BAR = 14, HEAD = 46, FOOT = 44, MARGIN = 16;

/* What is drawn: which records, which figure, in which unit. Most interesting first. */
const PANELS = [
  {
    measure: 'fanout', cell: {way: 'push'}, most: 'waiters', less: true, unit: 'ms', bars: [['to_last_ms', 1]],
    title: waiters => `From a publish to the last of ${waiters} long-pollers`
  },
  {
    measure: 'rate', cell: {way: 'wait'}, most: 'waiters', less: false, unit: 'a second', bars: [['per_second', 1]],
    title: waiters => `Deliveries to ${waiters} long-pollers, who ask again at once`
  },
  {
    measure: 'rate', cell: {way: 'sse'}, most: 'waiters', less: false, unit: 'a second', bars: [['per_second', 1]],
    title: waiters => `Deliveries to ${waiters} event streams`
  },
  {
    measure: 'memory', cell: {connection: 'used'}, most: 'waiters', less: true, unit: 'kB',
    bars: [['web_bytes', 0.001], ['app_bytes', 0.001]],
    otherwise: true, // where it is only known of new connections, that
    title: waiters => `Memory for each of ${waiters} long-pollers: web server and (paler) application`
  }
];

/* Another number of waiters and another scale; a variant of what is there. */
const SKIPPED = new Set(['php', 'halley-nginx-2']);

function escaped(text) {
  return String(text).replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`);
}

function number(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}

function kind(system) {
  return /^(halley|floor)/.exec(system)?.[0] ?? 'peer';
}

/* The rows of a panel, of its largest crowd. */
function rowsOf(panel, records) {
  const mine = records.filter(record =>
    record.measure === panel.measure && Number.isFinite(record.median[panel.bars[0][0]]) && !SKIPPED.has(record.system));
  const fits = record => Object.entries(panel.cell).every(([name, value]) => record[name] === value);
  const hasBetter = record => mine.some(each => each.system === record.system && fits(each));
  const fit = mine.filter(record => fits(record) || panel.otherwise && !hasBetter(record));
  const crowd = Math.max(...fit.map(record => record[panel.most]));
  return fit.filter(record => record[panel.most] === crowd).map(record => {
    const parts = panel.bars.map(([name, factor]) => Math.max(0, record.median[name] ?? 0) * factor);
    const [name, factor] = panel.bars[0];
    const range = panel.bars.length === 1 ? [record.low[name] * factor, record.high[name] * factor] : null;
    return {
      crowd, parts, range, kind: kind(record.system),
      label: systems.find(system => system.id === record.system).title,
      sum: parts.reduce((all, part) => all + part, 0)
    };
  }).sort((a, b) => panel.less ? a.sum - b.sum : b.sum - a.sum);
}

function bar(row, top, scale) {
  const middle = top + ROW / 2;
  let left = LEFT;
  const bold = row.kind === 'halley' ? ' class="b"' : '';
  const out = [`<text x="${LEFT - 8}" y="${middle + 4}" text-anchor="end"${bold}>${escaped(row.label)}</text>`];
  row.parts.forEach((part, which) => {
    const width = part * scale;
    out.push(`<rect x="${left.toFixed(1)}" y="${middle - BAR / 2}" width="${width.toFixed(1)}" height="${BAR}" ` +
      `class="${row.kind}${which ? ' second' : ''}"/>`);
    left += width;
  });
  let last = left;
  if (row.range && row.range[1] > row.range[0]) {
    const [low, high] = row.range.map(value => LEFT + value * scale);
    const end = at => `M${at.toFixed(1)} ${middle - 3}v6`;
    out.push(`<path d="M${low.toFixed(1)} ${middle}H${high.toFixed(1)}${end(low)}${end(high)}"/>`);
    last = Math.max(last, high);
  }
  out.push(`<text x="${(last + 6).toFixed(1)}" y="${middle + 4}">${number(row.sum)}</text>`);
  return out.join('\n');
}

function drawn(panel, rows, top) {
  const most = Math.max(...rows.map(row => Math.max(row.sum, row.range?.[1] ?? 0)));
  const scale = (WIDTH - LEFT - RIGHT) / most;
  const title = panel.title(rows[0].crowd.toLocaleString('en'));
  return [
    `<text x="${MARGIN}" y="${top + 28}" class="h">${escaped(title)}</text>`,
    `<text x="${WIDTH - MARGIN}" y="${top + 28}" text-anchor="end" class="u">` +
      `${panel.unit}, ${panel.less ? 'less' : 'more'} is better</text>`,
    ...rows.map((row, at) => bar(row, top + HEAD + at * ROW, scale))
  ].join('\n');
}

const STYLE = `
.bg{fill:#fff}text{font:12px system-ui,sans-serif;fill:#24292f}.h{font-size:14px;font-weight:600}.u{fill:#57606a}.s{font-size:10px}.b{font-weight:600}
.halley{fill:#0969da}.floor{fill:#8c959f}.peer{fill:#bf8700}.second{opacity:.5}path{stroke:#24292f;fill:none}
@media(prefers-color-scheme:dark){.bg{fill:#0d1117}text{fill:#e6edf3}.u{fill:#9198a1}path{stroke:#e6edf3}
.halley{fill:#4493f8}.floor{fill:#656c76}.peer{fill:#d29922}}
`;

function foot(machine) {
  const {nginx, lighttpd, redis} = machine.programs;
  return [
    `Medians of all rounds, the thin lines are their range. Clients and servers on one machine, ` +
      `${machine.processors} processors (${machine.processor}).`,
    `nginx ${nginx}, lighttpd ${lighttpd}, Redis ${redis}; ${machine.date}. make bench draws this anew.`
  ];
}

/* The SVG's text; without anything to draw, only the lines at its foot. */
export function chart({machine, records}) {
  let top = 0;
  const out = [];
  for (const panel of PANELS) {
    const rows = rowsOf(panel, records);
    if (!rows.length) continue;
    out.push(drawn(panel, rows, top));
    top += HEAD + rows.length * ROW + 8;
  }
  const height = top + FOOT;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `role="img" aria-label="Halley beside other ways to push"><style>${STYLE}</style><rect width="100%" height="100%" rx="6" class="bg"/>
${out.join('\n')}
${foot(machine).map((text, at) =>
    `<text x="${MARGIN}" y="${height - 25 + at * 14}" class="u s">${escaped(text)}</text>`).join('\n')}
</svg>
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.stdout.write(chart(JSON.parse(readFileSync(process.argv[2], 'utf8'))));
