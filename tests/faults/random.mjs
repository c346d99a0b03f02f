/* Random numbers that begin with a seed and are the same for everybody who has it (mulberry32). */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /* 0 <= x < 1 */
  unit() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  }

  /* least <= x <= most, a whole number */
  between(least, most) {
    return least + Math.floor(this.unit() * (most - least + 1));
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  /* One of a list whose members say by `weight` how often they want to come. */
  weighed(list) {
    let at = this.unit() * list.reduce((sum, one) => sum + one.weight, 0);
    return list.find(one => (at -= one.weight) < 0) || list[list.length - 1];
  }
}

/* What somebody has said, or any. */
export const seedOf = text => Number(text) || Math.floor(Math.random() * 2 ** 31);
