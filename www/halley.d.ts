/** Types of halley.js. A payload is whatever JSON value was published, hence `T = any`. */

export interface HalleyMessage<T = any> {
  channel: string;
  /** `<epoch>-<n>`: n counts 1, 2, 3 … within the channel. */
  id: string;
  /** Unix milliseconds, by Redis's clock. */
  at: number;
  data: T;
  /** There when the payload was not UTF-8 text: `data` is then its base64. */
  encoding?: 'base64';
}

/** Messages that were owed are no longer held by the server. What is still held follows. */
export interface HalleyGap {
  channels: string[];
}

export interface HalleyError extends Error {
  /** HTTP status, if the server answered. */
  status?: number;
  title?: string;
  detail?: string;
  /** Milliseconds, from Retry-After. */
  retryAfter?: number;
  /** Of an `error` event: the channel that was refused, and is left out from now on. */
  channel?: string;
}

export type HalleyTransport = 'wait' | 'poll';

export interface HalleyState {
  /**
   * connecting: nothing heard yet; open: answers come; waiting: a pause before the next
   * try (`retryIn`, `error`); offline: the same, and the browser says it has no network;
   * closed: nothing is asked, because of `close()`, because there is no channel, or
   * because the server refused (`error`): then until the channels change or `wake()`.
   */
  state: 'connecting' | 'open' | 'waiting' | 'offline' | 'closed';
  transport?: HalleyTransport;
  /** Milliseconds. */
  retryIn?: number;
  error?: HalleyError;
}

export interface HalleyOptions {
  /** Where channels start: `now`, `start`, `-K` (the last K messages), or a kept `cursor`. Default `now`. */
  since?: string;
  /** Transports to use, best first. */
  transports?: HalleyTransport[];
  /** Seconds for which the server may hold a long poll. Default 25. */
  timeout?: number;
  /** Milliseconds between polls. Default 3000. */
  interval?: number;
  /** Milliseconds until a quick request counts as lost. Default 15000. */
  patience?: number;
  /** Milliseconds of the first pause after a failure, of which a random part is taken. Default 500. */
  backoff?: number;
  /** Milliseconds to which that doubles. Default 30000. */
  maxBackoff?: number;
  /** How often one `publish()` is tried. Default 5. */
  tries?: number;
  /** Further query parameters of every reading request. */
  params?: Record<string, string>;
}

export interface HalleyEvents {
  message: HalleyMessage;
  gap: HalleyGap;
  state: HalleyState;
  /** One channel was refused while others go on. */
  error: HalleyError;
}

export class Halley {
  /** @param base where the server is mounted, `/comet` by default. Nothing is asked before `subscribe()`. */
  constructor(base?: string, options?: HalleyOptions);

  readonly base: string;
  readonly state: HalleyState['state'];
  readonly transport?: HalleyTransport;
  /** Where this client is in all of its channels; give it as `since` to go on in another page. Empty until the first answer. */
  cursor: string;

  /** Returns a function that ends this subscription. `since` counts if the channel is new to this client. */
  subscribe<T = any>(channel: string, fn?: (message: HalleyMessage<T>) => void, options?: {since?: string}): () => void;
  /** One listener, or the whole channel. */
  unsubscribe(channel: string, fn?: (message: HalleyMessage) => void): void;

  on<K extends keyof HalleyEvents>(type: K, fn: (event: HalleyEvents[K]) => void): this;
  once<K extends keyof HalleyEvents>(type: K, fn: (event: HalleyEvents[K]) => void): this;
  off<K extends keyof HalleyEvents>(type: K, fn: (event: HalleyEvents[K]) => void): this;

  /**
   * Resolves once the server holds the message. Repeated under one Idempotency-Key if the
   * answer is lost, so it happens once. Any JSON value, or bytes, which go as they are.
   */
  publish(channel: string, data: unknown, options?: {idempotencyKey?: string; tries?: number}): Promise<{id: string; at: number}>;

  /** Asks again at once: ends a pause, and the rest after a refusal. */
  wake(): void;
  /** Leaves all channels. */
  close(): void;
}

export default Halley;

/** What the classic script defines. */
declare global {
  interface Window { Halley: typeof Halley; }
}
