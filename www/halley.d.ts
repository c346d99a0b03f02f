/**
 * Types of halley.js. A payload is whatever JSON value was published, hence `T = any`.
 *
 * halley.js by itself waits and polls; halley-streams.js, which it loads from beside itself,
 * adds WebSocket, event stream, fetch streaming and the sharing among tabs.
 */

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

/**
 * WebSocket, EventSource, fetch streaming, long polling, polling. `jsonp`, `iframe`,
 * `multipart` and `xhr` come with halley-legacy.js, and are used only where
 * `options.transports` names them.
 */
export type HalleyTransport = 'ws' | 'events' | 'stream' | 'wait' | 'poll' | 'jsonp' | 'iframe' | 'multipart' | 'xhr' | (string & {});

export interface HalleyState {
  /**
   * connecting: nothing heard yet; open: answers come; waiting: a pause before the next
   * try (`retryIn`, `error`); offline: the same, and the browser says it has no network;
   * closed: nothing is asked, because of `close()`, because there is no channel, or
   * because the server refused (`error`): then until the channels change or `wake()`.
   */
  state: 'connecting' | 'open' | 'waiting' | 'offline' | 'closed';
  /** What brings the messages, here or in the tab of this browser that holds the connection. */
  transport?: HalleyTransport;
  /** Milliseconds. */
  retryIn?: number;
  error?: HalleyError;
}

export interface HalleyOptions {
  /** Where channels start: `now`, `start`, `-K` (the last K messages), or a kept `cursor`. Default `now`. */
  since?: string;
  /**
   * Transports to use, best first, and no others; the server is not asked what it has, and
   * the connection not shared. By default the best that server, browser and what lies
   * between let through: one that keeps failing is left alone for `blocked`, for this
   * session, then tried again.
   */
  transports?: HalleyTransport[];
  /** Whether tabs of one browser share one connection where they can (Web Locks and BroadcastChannel). Default true. */
  share?: boolean;
  /** Seconds for which the server may hold a long poll. Default 25. */
  timeout?: number;
  /** Milliseconds between polls. Default 3000. */
  interval?: number;
  /** Milliseconds until a quick request counts as lost. Default 15000. */
  patience?: number;
  /** Milliseconds after which a stream that says nothing at first counts as held back by a proxy. Default 4000. */
  firstByte?: number;
  /** Milliseconds after which a quick read looks whether a silent stream still lives. Default 60000. */
  silence?: number;
  /**
   * Milliseconds after which a hidden page, unless it serves a visible tab, gives up its
   * connection and polls, at that pace; it is live again as soon as it is shown. 0 for never. Default 60000.
   */
  hidden?: number;
  /** Milliseconds for which a transport that kept failing is left alone. Default 600000. */
  blocked?: number;
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

/** What a transport is given. See `Halley.transports` for those there are, and for how to add one. */
export interface HalleyTurn {
  client: Halley;
  /** Aborted when the transport has to let go. */
  signal: AbortSignal;
  /** The address of an endpoint, with channels and cursor. */
  url(endpoint: string, more?: Record<string, string | number>): string;
  /** Asks an endpoint: its JSON, or the Response if `raw`. `ms` on top of `patience`. */
  ask(endpoint: string, more?: Record<string, string | number>, ms?: number, raw?: boolean): Promise<any>;
  /** A batch that arrived, as text or as object. */
  text(text: string): void;
  batch(batch: object): void;
  /** Something arrived that is no batch: a sign of life. */
  alive(): void;
  fail(error: Error): void;
}

export interface HalleyTransportObject {
  /** Resolves when the server ended in good order, rejects when it failed. */
  run(turn: HalleyTurn): Promise<unknown>;
  /** Its first bytes come at once. */
  streams?: boolean;
  /** Whether this browser has it, and it can ask for that address. */
  fits?(url: string): unknown;
}

export class Halley {
  /** Settled once halley-streams.js is there, or known not to come. */
  static loaded?: Promise<unknown>;
  /** By name. */
  static transports: Record<string, HalleyTransportObject>;

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
   * Resolves once the server holds the message. Goes over the WebSocket if there is one. Repeated under one Idempotency-Key if the
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
