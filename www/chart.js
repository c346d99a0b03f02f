/* Line charts over time for the demo pages: an svg with a path for each series.
 *
 *   const chart = new Chart(svg, {series: ['--c1', '--c2'], seconds: 120, max: 100});
 *   chart.add(message.at, [1, 2]);   // draws with the next frame
 *
 * The right edge is the latest time given, the lower one nothing. Without `max` the scale follows the
 * data; what its upper edge stands for is written above it, as `format` says numbers. */
class Chart {
  constructor(svg, {series, seconds = 120, max = 0, least = 1, format = n => String(Math.round(n))}) {
    this.svg = svg;
    this.seconds = seconds;
    this.max = max;
    this.least = least; // so that noise around nothing does not look like mountains
    this.points = [];
    this.format = format;
    this.scale = Object.assign(document.createElement('span'), {className: 'scale'});
    svg.before(this.scale);
    svg.classList.add('chart');
    svg.setAttribute('viewBox', '0 -2 100 104');
    svg.setAttribute('preserveAspectRatio', 'none');
    for (const y of [0, 50, 100]) this.make('line', {x1: 0, x2: 100, y1: y, y2: y});
    // By script, not in an attribute: a policy may forbid style attributes.
    const paint = (path, what, colour) => { path.style[what] = `var(${colour})`; return path; };
    this.area = series.length === 1 ? paint(this.make('path', {class: 'area'}), 'fill', series[0]) : null;
    this.lines = series.map(colour => paint(this.make('path', {}), 'stroke', colour));
  }

  make(name, attributes) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return this.svg.appendChild(node);
  }

  add(at, values) {
    this.points.push({at, values});
    const oldest = at - this.seconds * 1000;
    while (this.points[0].at < oldest) this.points.shift();
    this.frame = this.frame || requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  draw() {
    const end = this.points[this.points.length - 1].at, width = this.seconds * 1000;
    const seen = this.points.flatMap(p => p.values).filter(v => v !== null);
    this.top = this.max || Math.max(this.least, ...seen) * 1.1;
    this.scale.textContent = `↑ ${this.format(this.top)}`;
    const x = p => (100 - (end - p.at) / width * 100).toFixed(2);
    const y = v => (100 - Math.min(1, v / this.top) * 100).toFixed(2);
    this.lines.forEach((line, i) => {
      const known = this.points.filter(p => p.values[i] !== null && p.values[i] !== undefined);
      const d = known.map((p, n) => `${n ? 'L' : 'M'}${x(p)} ${y(p.values[i])}`).join('');
      line.setAttribute('d', d);
      if (this.area && known.length) {
        this.area.setAttribute('d', `${d}L${x(known[known.length - 1])} 100L${x(known[0])} 100Z`);
      }
    });
  }
}
