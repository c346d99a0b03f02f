/*
 * A web server in front of a Halley of running.mjs that sends whoever has no session to the login page of
 * another site.
 *
 *   const gate = await Gate.open(halley);    // everybody has a session
 *   gate.url
 *   gate.runsOut();                          // nobody has one, and what is open is closed
 *   gate.session = true;                     // everybody again
 *   gate.close();
 */
import http from 'node:http';
import {otherSite} from './elsewhere.mjs';

export class Gate {
  static async open(halley) {
    const gate = Object.assign(new Gate(), {halley, login: await otherSite(), session: true, sockets: new Set()});
    gate.server = http.createServer((...args) => gate.takes(...args)).on('upgrade', (...args) => gate.upgrades(...args));
    gate.server.on('connection', socket => { gate.sockets.add(socket); socket.on('close', () => gate.sockets.delete(socket)); });
    await new Promise(done => gate.server.listen(0, '127.0.0.1', done));
    gate.url = `http://127.0.0.1:${gate.server.address().port}/`;
    return gate;
  }

  takes(req, res) {
    if (!this.session && req.url.startsWith('/comet/')) {
      return res.writeHead(302, {Location: `${this.login.url}?back=${encodeURIComponent(req.url)}`}).end();
    }
    const other = http.request({port: this.halley.port, path: req.url, method: req.method, headers: req.headers}, answer => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    req.pipe(other);
    other.on('error', () => res.destroy());
    res.on('close', () => other.destroy());
  }

  upgrades(req, near) {
    near.on('error', () => {});
    if (!this.session) return near.end(`HTTP/1.1 302 Found\r\nLocation: ${this.login.url}\r\nContent-Length: 0\r\n\r\n`);
    const other = http.request({port: this.halley.port, path: req.url, headers: req.headers}).end();
    other.on('error', () => near.destroy());
    other.on('upgrade', (answer, far) => {
      const fields = answer.rawHeaders.map((text, i) => text + (i % 2 ? '\r\n' : ': ')).join('');
      near.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`);
      near.pipe(far).pipe(near);
      far.on('error', () => near.destroy());
      near.on('close', () => far.destroy());
    });
  }

  /* As a web server does that knows of it. */
  runsOut() {
    this.session = false;
    for (const socket of this.sockets) socket.destroy();
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    this.login.close();
  }
}
