'use strict';

const rows = new Map();   // name -> {node, price, open, shown}
const dirty = new Set();  // what changed since the last frame
let changes = 0, frame = 0, flash = 0;

function row(name) {
  if (!rows.has(name)) {
    const node = document.createElement('li');
    node.className = 'card';
    node.append(...['b', 'div', 'div'].map(tag => document.createElement(tag)));
    node.children[0].textContent = name;
    node.children[1].className = 'price';
    node.children[2].className = 'change';
    rows.set(name, {node, price: null, open: null, shown: null});
    const later = [...$('board').children].find(other => other.firstChild.textContent > name);
    $('board').insertBefore(node, later || null);
  }
  return rows.get(name);
}

/* However many messages come between two frames, each price is drawn once: its last value. */
function draw() {
  frame = 0;
  flash = 1 - flash;
  for (const r of dirty) {
    const [, price, change] = r.node.children, percent = r.open ? 100 * (r.price / r.open - 1) : 0;
    price.textContent = r.price.toFixed(2);
    change.textContent = r.open ? `${percent < 0 ? '▼ −' : '▲ +'}${Math.abs(percent).toFixed(2)} %` : '';
    r.node.className = `card ${percent < 0 ? 'down' : 'up'} flash${flash}`;
    if (r.shown !== null && r.price !== r.shown) r.node.classList.add(r.price > r.shown ? 'rise' : 'fall');
    r.shown = r.price;
  }
  dirty.clear();
}

/* The feed says only what has changed, and everything every ten seconds: forty messages
 * of history hold at least one of those, so a page that opens now is complete at once. */
const halley = new Halley('/comet', {since: '-41'}), came = followAge($('board'), $('age'), 15);

halley.subscribe('ticker', ({at, data}) => {
  for (const [name, price] of Object.entries(data.prices || {})) {
    if (typeof price !== 'number') continue;
    const r = row(name);
    r.price = price;
    if (data.open) r.open = data.open[name];
    dirty.add(r);
    changes++;
  }
  came(at);
  $('say').textContent = '';
  // A hidden page draws no frames: then only the last values are kept, which is all it needs.
  frame = frame || requestAnimationFrame(draw);
});

setInterval(() => { $('rate').textContent = `${changes} changes in the last second`; changes = 0; }, 1000);

followState(halley, $('say'));
