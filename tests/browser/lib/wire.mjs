/*
 * The network between a browser and the server, as a test wants it: a plain TCP relay.
 *   wire.cut()    connections break, and new ones are refused at once
 *   wire.swallow() the worst: nothing breaks, nothing arrives, nobody is told
 *   wire.mend()   new connections work; those that were swallowed stay dead
 */
import net from 'node:net';

export class Wire {
  /* To the server of a URL; wire.url is the same through the wire. */
  static async to(url) {
    const wire = new Wire(), there = new URL(url), {port} = there;
    wire.pairs = new Set();
    wire.mode = 'works';
    wire.server = net.createServer(near => wire.#take(near, port));
    await new Promise(done => wire.server.listen(0, '127.0.0.1', done));
    there.port = wire.server.address().port;
    wire.url = there.href;
    return wire;
  }

  #take(near, port) {
    near.on('error', () => {});
    if (this.mode === 'cut') return near.destroy();
    if (this.mode === 'swallows') return near.pause();
    const far = net.connect(port, '127.0.0.1'), pair = {near, far};
    this.pairs.add(pair);
    far.on('error', () => {});
    near.pipe(far);
    far.pipe(near);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on('close', () => { this.pairs.delete(pair); if (!pair.dead) other.destroy(); });
    }
  }

  cut() {
    this.mode = 'cut';
    for (const {near, far} of this.pairs) { near.destroy(); far.destroy(); }
  }

  swallow() {
    this.mode = 'swallows';
    for (const pair of this.pairs) {
      pair.dead = true;
      pair.near.unpipe();
      pair.far.unpipe();
      pair.near.pause();
      pair.far.destroy();
    }
  }

  mend() { this.mode = 'works'; }

  close() {
    this.cut();
    this.server.close();
  }
}
