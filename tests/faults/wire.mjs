/*
 * The network between Halley and Redis: a relay of a unix socket that can break
 * connections, refuse new ones, or swallow everything without a word.
 */
import {chmodSync, rmSync} from 'node:fs';
import net from 'node:net';

export class RedisWire {
  static async between(path, target) {
    const wire = new RedisWire();
    wire.target = target;
    wire.pairs = new Set();
    wire.mode = 'works';
    rmSync(path, {force: true});
    wire.server = net.createServer({allowHalfOpen: false}, near => wire.#take(near));
    await new Promise(done => wire.server.listen(path, done));
    chmodSync(path, 0o777);
    return wire;
  }

  #take(near) {
    near.on('error', () => {});
    if (this.mode === 'refuses') return near.destroy();
    const far = net.connect({path: this.target}), pair = {near, far};
    this.pairs.add(pair);
    far.on('error', () => {});
    near.pipe(far);
    far.pipe(near);
    if (this.mode === 'swallows') this.#hold(pair);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on('close', () => { this.pairs.delete(pair); other.destroy(); });
    }
  }

  #hold({near, far}) {
    near.unpipe(far);
    far.unpipe(near);
    near.pause();
    far.pause();
  }

  /* Each connection breaks with the probability `part`; what was under way is gone. */
  reset(random, part = 1) {
    for (const {near, far} of this.pairs) {
      if (random.unit() < part) { near.destroy(); far.destroy(); }
    }
  }

  refuse(random) {
    this.mode = 'refuses';
    this.reset(random);
  }

  /* Nothing arrives any more, and nobody is told. */
  swallow() {
    this.mode = 'swallows';
    for (const pair of this.pairs) this.#hold(pair);
  }

  /* Whoever was swallowed hears the rest, or, with `late` false, breaks. */
  mend(late) {
    const swallowed = this.mode === 'swallows';
    this.mode = 'works';
    if (!swallowed) return;
    for (const {near, far} of this.pairs) {
      if (late) { near.pipe(far); far.pipe(near); } else { near.destroy(); far.destroy(); }
    }
  }

  close() {
    this.server.close();
    for (const {near, far} of this.pairs) { near.destroy(); far.destroy(); }
  }
}
