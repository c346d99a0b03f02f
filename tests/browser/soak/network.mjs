/*
 * The network between browsers and a server, and whatever becomes of it: a TCP relay. What is done
 * to it holds for the connections that are open, or for all from then on, until it is works().
 *   network.refuse(odds)   new connections, all or that part of them
 *   network.reset()        those that are open end at once
 *   network.swallow()      nothing breaks, nothing arrives, nobody is told; what was swallowed stays so
 *   network.tear()         those that are open end in the middle of what comes next
 *   network.slow(wait)     each piece waits, both ways: what `wait()` promises
 *   network.buffer()       what the server says is held back, until release()
 *   network.portal(status) somebody else answers, whatever is asked
 */
import http from 'node:http';
import net from 'node:net';

export class Network {
  static async to(url) {
    const network = new Network(), there = new URL(url);
    network.port = Number(there.port);
    network.sockets = new Set();
    network.pairs = new Set();
    network.works();
    network.strange = http.createServer((request, response) => network.#answer(request, response));
    network.relay = net.createServer(near => network.#take(near));
    for (const server of [network.strange, network.relay]) await new Promise(done => server.listen(0, '127.0.0.1', done));
    there.port = network.relay.address().port;
    network.url = there.href;
    /* Answers after so many milliseconds, whatever becomes of the network. */
    network.hang = ms => `http://127.0.0.1:${network.strange.address().port}/hang?${ms}`;
    return network;
  }

  works() { Object.assign(this, {odds: 0, deaf: false, status: 0, wait: null, held: null}); }
  refuse(odds = 1) { this.odds = odds; }
  portal(status) { this.status = status; }
  slow(wait) { this.wait = wait; }
  reset() { for (const socket of this.sockets) socket.resetAndDestroy(); }
  tear() { for (const pair of this.pairs) pair.torn = true; }
  swallow() {
    this.deaf = true;
    for (const pair of this.pairs) {
      pair.dead = true;
      pair.far.destroy();
    }
  }
  buffer() { this.held = new Promise(done => { this.free = done; }); }
  release() {
    this.held = null;
    this.free();
  }
  close() {
    this.reset();
    for (const server of [this.strange, this.relay]) server.close();
    this.strange.closeAllConnections();
  }

  #answer({url}, response) {
    const [, ms] = /^\/hang\?(\d+)/.exec(url) || [];
    response.writeHead(ms ? 200 : this.status || 502, {'Content-Type': 'text/html', Connection: 'close'});
    setTimeout(() => response.end('<!DOCTYPE html><title>Please log in</title>'), ms || 0);
  }

  #take(near) {
    this.sockets.add(near);
    near.on('error', () => {}).on('close', () => this.sockets.delete(near));
    if (Math.random() < this.odds) return near.resetAndDestroy();
    if (this.deaf) return near.pause();
    const far = net.connect(this.status ? this.strange.address().port : this.port, '127.0.0.1'), pair = {near, far};
    far.on('error', () => {});
    this.pairs.add(pair);
    this.#carry(pair, near, far);
    this.#carry(pair, far, near);
  }

  /* One way, in order, the end included. */
  #carry(pair, from, to) {
    let queue = Promise.resolve();
    const next = fn => {
      const due = Promise.all([queue, this.wait?.(), from === pair.far && this.held]);
      queue = due.then(() => { if (!pair.dead) fn(); });
    };
    from.on('data', chunk => next(() => this.#give(pair, to, chunk)));
    from.on('close', () => next(() => {
      this.pairs.delete(pair);
      to.end();
    }));
  }

  #give(pair, to, chunk) {
    if (!pair.torn || to === pair.far) return void to.write(chunk);
    pair.dead = true;
    to.write(chunk.subarray(0, chunk.length / 2), () => to.resetAndDestroy());
    pair.far.destroy();
  }
}
