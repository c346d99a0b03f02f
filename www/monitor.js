'use strict';

const bytes = n => {
  const unit = ['B', 'KiB', 'MiB', 'GiB', 'TiB'], step = Math.min(4, Math.floor(Math.log2(Math.max(1, n)) / 10));
  return [(n / 1024 ** step).toFixed(step && n / 1024 ** step < 100 ? 1 : 0), unit[step]];
};

/* What to draw of a message: the lines, and the figure with its unit. */
const tiles = [
  {title: 'Processor', max: 100, format: n => `${n} %`, lines: d => [d.cpu], figure: d => [d.cpu, `% of ${d.cpus} processors`]},
  {title: 'Load', format: n => n.toFixed(1), names: ['1 min', '5 min', '15 min'], lines: d => d.load, figure: d => [d.load[0].toFixed(2), 'waiting or running']},
  {title: 'Memory in use', max: 100, format: n => `${n} %`, lines: d => [100 * d.memory.used / d.memory.total],
    figure: d => [bytes(d.memory.used)[0], `${bytes(d.memory.used)[1]} of ${bytes(d.memory.total).join(' ')}`]},
  {title: 'Redis commands', lines: d => [d.redis.ops], least: 10, figure: d => [d.redis.ops, 'a second']},
  {title: 'Redis memory', format: n => bytes(n).join(' '), lines: d => [d.redis.memory], figure: d => bytes(d.redis.memory)},
  {title: 'Redis clients', lines: d => [d.redis.clients], least: 4, figure: d => [d.redis.clients, 'connections']}
];

const make = (tag, text, className = '') => Object.assign(document.createElement(tag), {textContent: text, className});

tiles.forEach((tile, i) => {
  const names = tile.names || [''];
  const colours = names.length > 1 ? names.map((_, n) => `--c${n + 1}`) : [`--c${i + 1}`];
  const card = document.createElement('section');
  card.className = 'card';
  card.append(make('h2', tile.title), make('div', '–', 'figure'), document.createElementNS('http://www.w3.org/2000/svg', 'svg'), make('div', '', 'key'));
  for (const [c, text] of names.entries()) {
    const key = card.lastChild.appendChild(make('span', text || 'last two minutes', text ? '' : 'plain'));
    key.style.setProperty('--c', `var(${colours[c]})`);
  }
  card.querySelector('svg').setAttribute('role', 'img');
  card.querySelector('svg').setAttribute('aria-label', `${tile.title}: nothing yet`);
  $('tiles').append(card);
  tile.figureNode = card.querySelector('.figure');
  tile.svg = card.querySelector('svg');
  tile.chart = new Chart(tile.svg, {series: colours, seconds: 120, max: tile.max, least: tile.least, format: tile.format});
});

const halley = new Halley('/comet', {since: '-120'}), came = followAge($('tiles'), $('age'), 5);

halley.subscribe('monitor', ({at, data}) => {
  try {
    for (const tile of tiles) {
      const [value, unit] = tile.figure(data), small = document.createElement('small');
      tile.chart.add(at, tile.lines(data));
      small.textContent = ' ' + unit;
      tile.figureNode.replaceChildren(String(value), small);
      tile.svg.setAttribute('aria-label', `${tile.title}: ${value} ${unit}`);
    }
    $('say').textContent = '';
    came(at);
  } catch (error) {
    $('say').textContent = 'A message on this channel was not of the monitor\'s form, and is left out.';
  }
});

followState(halley, $('say'));
