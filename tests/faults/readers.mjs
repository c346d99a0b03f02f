/*
 * A reader follows all channels by one transport, as a careful client does: it keeps the
 * cursor of the last whole batch, gives a silent connection up, and comes back.
 */
import http from 'node:http';
import {createRequire} from 'node:module';
import {setTimeout as pause} from 'node:timers/promises';
import {View} from './judge.mjs';
import {places, TRANSPORTS} from './parse.mjs';

const {WebSocket} = createRequire(new URL('../browser/package.json', import.meta.url))('ws');
const SILENCE_MS = 9000; // keepalive is 2 seconds, `timeout` 4
const LEAST_PAUSE_MS = 60;

export class Reader {
  constructor(transport, site, channels, random, complain) {
    Object.assign(this, {transport, site, channels, random, ...TRANSPORTS[transport]});
    this.views = new Map(channels.map(channel => [channel, new View(transport, channel, complain)]));
    this.complain = complain;
    this.refusals = {};
    this.answers = this.messages = 0;
    this.pending = new Set(); // channels of a gap event whose message is still to come
  }

  /* Stands at "now", before anything is published. */
  async begin() {
    const answer = await fetch(`${this.site.url}/comet/poll?${this.#query('now')}`);
    if (answer.status !== 200) throw new Error(`the first poll: ${answer.status} ${await answer.text()}`);
    this.#take(await answer.json());
    this.goes = this.#follow();
  }

  async end() {
    this.over = true;
    this.hangUp();
    await this.goes;
  }

  hangUp() {
    this.break?.();
  }

  #query(since) {
    return this.channels.map(channel => `channel=${encodeURIComponent(channel)}&`).join('') +
      `since=${encodeURIComponent(since)}${this.more}`;
  }

  async #follow() {
    while (!this.over) {
      this.retry = 0;
      let why = 'ok';
      try {
        await (this.transport === 'ws' ? this.#socket() : this.#request());
      } catch (error) {
        why = error.status || 'broken';
        const page = /"<!DOCTYPE/.test(error.message); // Apache's own, behind what an application that died had sent
        if (!page && (error instanceof SyntaxError || error instanceof TypeError)) this.complain('differs', `${this.transport}: ${error.stack}`);
      }
      if (why !== 'ok') this.refusals[why] = (this.refusals[why] || 0) + 1;
      await pause(why === 'ok' ? this.pause || Math.min(this.retry, 500) : LEAST_PAUSE_MS + this.random.between(0, 250));
    }
  }

  /* Ends when the connection does. */
  #request() {
    return new Promise((done, fail) => {
      const request = http.get(`${this.site.url}/comet/${this.endpoint}?${this.#query(this.cursor)}`, {agent: false});
      this.break = () => { request.socket?.resetAndDestroy(); request.destroy(); };
      request.setTimeout(SILENCE_MS, () => request.destroy(new Error('silent')));
      request.on('error', fail);
      request.on('close', done);
      request.on('response', response => this.#response(response, done, fail));
    });
  }

  #response(response, done, fail) {
    if (response.statusCode !== 200) {
      response.resume();
      fail(Object.assign(new Error('refused'), {status: response.statusCode}));
      return;
    }
    const feed = this.parser(batch => this.#take(batch), this.channels);
    let whole = '';
    response.setEncoding('utf8');
    response.on('error', fail);
    response.on('data', text => {
      try {
        if (this.whole) whole += text; else feed(text);
      } catch (error) {
        fail(error);
      }
    });
    response.on('end', () => {
      try {
        if (this.whole && response.complete) feed(whole);
        this.answers++;
        done();
      } catch (error) {
        fail(error);
      }
    });
  }

  #socket() {
    return new Promise((done, fail) => {
      const socket = new WebSocket(`${this.site.url.replace('http', 'ws')}/comet/ws?${this.#query(this.cursor)}`);
      let quiet;
      const heard = () => {
        clearTimeout(quiet);
        quiet = setTimeout(() => socket.terminate(), SILENCE_MS);
      };
      this.break = () => socket.terminate();
      heard();
      socket.on('ping', heard);
      socket.on('message', text => {
        heard();
        const said = JSON.parse(text);
        if (said.messages) this.#take(said);
      });
      socket.on('unexpected-response', (request, response) => {
        request.destroy();
        fail(Object.assign(new Error('refused'), {status: response.statusCode}));
      });
      socket.on('error', fail);
      socket.on('close', () => { clearTimeout(quiet); this.answers++; done(); });
    });
  }

  #take(batch) {
    const after = places(batch.cursor), gaps = new Set([...(batch.gap || []), ...this.pending]);
    this.retry = batch.retry || 0;
    this.messages += batch.messages.length;
    this.lastHeard = Date.now();
    for (const [channel, view] of this.views) {
      const messages = batch.messages.filter(message => message.channel === channel);
      const gap = gaps.has(channel);
      const moved = after[channel] && view.place && after[channel] !== `${view.place.epoch}-${view.place.n}`;
      if (gap && messages.length === 0 && !moved && this.transport === 'events') {
        this.pending.add(channel);
        continue;
      }
      this.pending.delete(channel);
      view.batch(gap, messages, after[channel]);
    }
    if (batch.cursor) this.cursor = batch.cursor;
  }

  /* The last number heard of a publisher in a channel. */
  last(channel, publisher) {
    return this.views.get(channel).streams.get(publisher)?.last || 0;
  }
}
