/*
 * Publishers: each says 1, 2, 3 ... to its channels, one after the other, in its own way,
 * and keeps which numbers were acknowledged. What surely or perhaps was not done is said
 * again under the same idempotency key; a bare PUBLISH has none, so it is said again only
 * where Redis answered 0 or refused.
 */
import http from 'node:http';
import {setTimeout as pause} from 'node:timers/promises';
import {Redis, RedisError} from './resp.mjs';

class Publisher {
  constructor(site, channels, everyMs) {
    Object.assign(this, {site, channels, everyMs});
    this.acknowledged = new Map(channels.map(channel => [channel, new Set()]));
    this.when = new Map(channels.map(channel => [channel, []])); // by number, in milliseconds since 1970
    this.given = new Map(channels.map(channel => [channel, 0]));
    this.troubles = {};
  }

  begin() {
    this.goes = this.#go();
  }

  get count() {
    return [...this.acknowledged.values()].reduce((sum, numbers) => sum + numbers.size, 0);
  }

  async end() {
    this.over = true;
    await this.goes;
    this.close?.();
  }

  trouble(error) {
    const word = error instanceof RedisError ? error.message.split(' ')[0] : error.message;
    this.troubles[word] = (this.troubles[word] || 0) + 1;
  }

  async #go() {
    for (let turn = 0; !this.over; turn++) {
      const channel = this.channels[turn % this.channels.length], n = this.given.get(channel) + 1;
      this.given.set(channel, n);
      await this.#say(channel, n);
      await pause(this.everyMs);
    }
  }

  async #say(channel, n) {
    const payload = JSON.stringify({p: this.name, n});
    for (let again = 0; ; again++) {
      try {
        const sure = await this.publish(channel, payload, `${this.name}-${channel}-${n}`);
        if (sure) this.acknowledged.get(channel).add(n);
        if (sure) this.when.get(channel)[n] = Date.now();
        return;
      } catch (error) {
        this.trouble(error);
        if (this.maybe(error)) return;
      }
      await pause(50 + Math.min(again, 5) * 30);
    }
  }

  maybe() {
    return false;
  }
}

class Bare extends Publisher {
  name = 'bare';
  redis = new Redis(this.site.redisSocket);

  async publish(channel, payload) {
    const heard = await this.redis.do('PUBLISH', `${this.site.prefix}:${channel}`, payload);
    if (heard === 0) throw new RedisError('NOBODY heard it');
    return true;
  }

  /* May have been done: it is not said again, and not counted on. */
  maybe(error) {
    return !(error instanceof RedisError);
  }

  close() {
    this.redis.close();
  }
}

class Fcall extends Publisher {
  name = 'fcall';
  redis = new Redis(this.site.redisSocket);

  async publish(channel, payload, key) {
    await this.redis.do('FCALL', 'halley_publish', '1', channel, payload, 'IDEMPOTENCY', key);
    return true;
  }

  close() {
    this.redis.close();
  }
}

class Post extends Publisher {
  name = 'post';

  publish(channel, payload, key) {
    return new Promise((done, fail) => {
      const request = http.request(`${this.site.url}/comet/publish?channel=${encodeURIComponent(channel)}`, {
        method: 'POST', agent: false, headers: {'Idempotency-Key': key, 'Content-Length': Buffer.byteLength(payload)}
      });
      request.setTimeout(8000, () => request.destroy(new Error('silent')));
      request.on('error', error => fail(new Error(error.code || error.message)));
      request.on('response', response => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', part => { text += part; });
        response.on('error', () => fail(new Error('cut')));
        response.on('end', () => {
          if (response.statusCode === 200 && response.complete && /"id"/.test(text)) done(true);
          else fail(new Error(String(response.statusCode)));
        });
      });
      request.end(payload);
    });
  }
}

export const PUBLISHERS = [Bare, Fcall, Post];
