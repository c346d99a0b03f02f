/*
 * A connection to Redis for who must know what became of each command: nothing is sent
 * again by itself, and a connection that breaks fails what was under way ("it may have
 * been done"). RESP2, one unix socket.
 */
import net from 'node:net';

export class RedisError extends Error {} // Redis's own answer: surely not done

class Reader {
  constructor() {
    this.data = Buffer.alloc(0);
  }

  /* The next whole reply, or undefined. */
  next() {
    const from = {at: 0}, reply = this.#parse(from);
    if (reply !== undefined) this.data = this.data.subarray(from.at);
    return reply;
  }

  #line(from) {
    const end = this.data.indexOf('\r\n', from.at);
    if (end < 0) return undefined;
    const line = this.data.toString('latin1', from.at, end);
    from.at = end + 2;
    return line;
  }

  #parse(from) {
    const line = this.#line(from);
    if (line === undefined) return undefined;
    const rest = line.slice(1), count = Number(rest);
    switch (line[0]) {
      case '+': return {text: rest};
      case '-': return {error: rest};
      case ':': return {text: count};
      case '$': {
        if (count < 0) return {text: null};
        if (this.data.length < from.at + count + 2) return undefined;
        from.at += count + 2;
        return {text: this.data.toString('utf8', from.at - count - 2, from.at - 2)};
      }
      default: {
        const list = [];
        for (let i = 0; i < count; i++) {
          const item = this.#parse(from);
          if (item === undefined) return undefined;
          list.push(item.error ? item : item.text);
        }
        return {text: list};
      }
    }
  }
}

export class Redis {
  /* patience: milliseconds after which a connection that owes an answer is given up. */
  constructor(path, patience = 0) {
    this.path = path;
    this.patience = patience;
    this.waiting = [];
  }

  #connect() {
    if (this.socket) return;
    const socket = net.connect({path: this.path}), reader = new Reader();
    this.socket = socket;
    socket.on('data', data => {
      reader.data = Buffer.concat([reader.data, data]);
      for (let reply; (reply = reader.next()) !== undefined;) {
        const {done, fail} = this.waiting.shift();
        if (reply.error) fail(new RedisError(reply.error));
        else done(reply.text);
      }
    });
    const lost = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      for (const {fail} of this.waiting.splice(0)) fail(new Error('the connection broke'));
    };
    socket.on('error', lost);
    socket.on('close', lost);
  }

  /* What Redis answers; throws RedisError, or another Error where nobody can know. */
  do(...words) {
    this.#connect();
    const parts = words.map(word => Buffer.from(String(word)));
    const bytes = Buffer.concat([Buffer.from(`*${parts.length}\r\n`),
      ...parts.flatMap(part => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n')])]);
    return new Promise((done, fail) => {
      const socket = this.socket;
      const late = this.patience && setTimeout(() => socket.destroy(), this.patience);
      this.waiting.push({
        done: text => { clearTimeout(late); done(text); },
        fail: error => { clearTimeout(late); fail(error); }
      });
      socket.write(bytes);
    });
  }

  close() {
    this.socket?.destroy();
  }
}
