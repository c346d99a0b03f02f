/**
 * Types of halley.js, of its modules, and of the package halley-client. A payload is whatever JSON
 * value was published, hence `any`, unless you say what your channels carry:
 *
 *   const halley = new Halley<{chat: {user: string; text: string}; ticker: number}>();
 *   halley.subscribe('chat', m => m.data.user);
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

/** What a channel carries, where a map from channels to payloads says so. */
export type HalleyPayload<Payloads, Channel> = Channel extends keyof Payloads ? Payloads[Channel] : any;

/** Messages that were owed are no longer held by the server. What is still held follows. */
export interface HalleyGap {
  channels: string[];
}

/** A page of history. `gap`: some are missing within it, or between it and the id that was given. */
export interface HalleyPage<T = any> {
  messages: HalleyMessage<T>[];
  more: boolean;
  gap?: string[];
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
   * because the server refused (`error`) before anything had worked: then until the channels
   * change, the page is shown, or `wake()`. What had worked and is refused is `waiting`, and
   * tried again after ten times `backoff` (5 s), doubling to `maxBackoff`. `waiting` without
   * `retryIn`: the connection stands, but the server is cut off from Redis (`error` 503). Where something
   * else answers, a login page say, also behind a redirect to another origin, `error` says
   * `not an answer of Halley`, and it is tried again like all that fails.
   */
  state: 'connecting' | 'open' | 'waiting' | 'offline' | 'closed';
  /** What brings the messages, here or in the tab of this browser that holds the connection. */
  transport?: HalleyTransport;
  /** Milliseconds. */
  retryIn?: number;
  error?: HalleyError;
}

export interface HalleyOptions {
  /**
   * Where channels start: `now`, `start`, `-K` (the last K messages), or a kept `cursor`. Default `now`. A page that
   * the server rendered may carry its cursor in the attribute `data-halley-cursor` of an element in front of
   * the script, or a batch as that element's text: channels that stand in it begin there, whatever `now`, `start` or `-K` say.
   */
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
  /**
   * Milliseconds after which a silent stream is looked at. By default one and a half times the
   * server's `keepalive`: a WebSocket is pinged, an event stream checked by a quick read; one that
   * should have said something by itself is given up after twice that.
   */
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
  /** How many publishes may wait for their turn. Default 1000. */
  queue?: number;
  /**
   * Gives the token (a JWT) to speak with; nothing, for nobody. It is asked for when the first request
   * is made, again shortly before the token expires (by its `exp`), and once after a 401; of tabs that
   * share a connection, only the one that leads asks again. It goes as `Authorization: Bearer`, as a
   * WebSocket's subprotocol, and in an event stream's query. Tabs whose tokens differ in `sub`,
   * `subscribe` or `publish` do not share. An open WebSocket is told the next token, all else asks anew.
   */
  token?: () => string | null | undefined | Promise<string | null | undefined>;
  /** Further query parameters of every reading request. Tabs that differ in them, in `headers`, `numbers` or `credentials` do not share. */
  params?: Record<string, string>;
  /** `session`: the cursor survives a reload of the page. */
  persist?: 'session';
  /** `text`: numbers beyond 2^53 come as strings of their digits. */
  numbers?: 'text';
  /** Further header fields, of what goes by fetch; WebSocket and EventSource have no header fields of one's own. */
  headers?: Record<string, string>;
  credentials?: RequestCredentials;
  /** In the place of the global one. */
  fetch?: typeof fetch;
  /** Says on the console what happens. */
  debug?: boolean;
}

export interface HalleyEvents {
  message: HalleyMessage;
  gap: HalleyGap;
  state: HalleyState;
  /** One channel was refused while others go on. */
  error: HalleyError;
}

/** Ends a subscription, once, when it is called. */
export interface HalleySubscription {
  (): void;
  /**
   * Settled once nothing that is published from then on is missed, and the past that was asked for is
   * there. Rejected with what the server refused the channel for, or an AbortError when it was left before.
   */
  ready: Promise<void>;
  /** `gap` and `error` of this channel alone; `state` of the whole client. */
  on<K extends 'gap' | 'state' | 'error'>(type: K, fn: (event: HalleyEvents[K]) => void): HalleySubscription;
}

/** What a transport is given. See `Halley.transports` for those there are, and for how to add one. */
export interface HalleyTurn {
  client: Halley;
  /** Aborted when the transport has to let go. */
  signal: AbortSignal;
  /** The address of an endpoint, with channels and cursor. */
  url(endpoint: string, more?: Record<string, string | number>): string;
  /** The channels of this request: of many, one part. */
  names: string[];
  /** Asks an endpoint that holds the request for `timeout`. */
  held(endpoint: string): Promise<any>;
  /** JSON as `options.numbers` wants it. */
  json(text: string): any;
  /** Sets how a silent connection is asked whether it lives; otherwise a quick read is made. */
  probe(fn: () => Promise<unknown>): void;
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
  /** Its first bytes come at once, and its silence is watched. */
  streams?: boolean | ((turn: any, transport: any) => void);
  /** Its own signs of life are heard. */
  ticks?: boolean;
  /** Whether this browser has it, and it can ask for that address. */
  fits?(url: string, options?: HalleyOptions): unknown;
}

export class Halley<Payloads extends object = Record<string, any>> {
  static readonly version: string;
  /** By name. `halley-client/core` has `wait` and `poll`; `Object.assign` adds others of `halley-client/streams`. */
  static transports: Record<string, HalleyTransportObject>;

  /** @param base where the server is mounted, `/comet` by default. Nothing is asked before `subscribe()`. */
  constructor(base?: string, options?: HalleyOptions);

  readonly base: string;
  readonly state: HalleyState['state'];
  readonly transport?: HalleyTransport;
  /** Where this client is in all of its channels; give it as `since` to go on in another page. Empty until the first answer. */
  cursor: string;

  /**
   * Returns a function that ends this subscription, once. A channel begins where `since` says, or at
   * its place in the cursor that the client began with, or where `options.since` says. A further
   * listener gets the past that its `since` names by itself. Whoever leaves the channel forgets its
   * place. A pattern (`news/*`, `news/**`) stands for all channels that it matches. `signal` ends it as well.
   */
  subscribe<C extends string>(channel: C | {pattern: string}, fn?: ((message: HalleyMessage<HalleyPayload<Payloads, C>>) => void) | null,
    options?: {since?: string; signal?: AbortSignal}): HalleySubscription;
  subscribe<T = any>(channel: string extends keyof Payloads ? string | {pattern: string} : never, fn?: ((message: HalleyMessage<T>) => void) | null,
    options?: {since?: string; signal?: AbortSignal}): HalleySubscription;
  /**
   * What comes on a channel from now on, or from `since`, for `for await`. It ends with the signal, with `close()`
   * and with `break`; in an error, where the channel is refused, or more than `queue` wait to be read.
   */
  messages<C extends string>(channel: C | {pattern: string}, options?: {since?: string; signal?: AbortSignal}):
    AsyncIterableIterator<HalleyMessage<HalleyPayload<Payloads, C>>>;
  /** One listener, or the whole channel. */
  unsubscribe(channel: string | {pattern: string}, fn?: (message: HalleyMessage) => void): void;

  /**
   * A page of what the channel's history holds, oldest first: the last `limit` (100), or those that end in
   * front of an id, or begin behind it. `more`: there are older ones, with `after` later ones. It moves no place.
   */
  history<C extends string>(channel: C, options?: {limit?: number; before?: string; after?: string; signal?: AbortSignal}):
    Promise<HalleyPage<HalleyPayload<Payloads, C>>>;

  on<K extends keyof HalleyEvents>(type: K, fn: (event: HalleyEvents[K]) => void): this;
  once<K extends keyof HalleyEvents>(type: K, fn: (event: HalleyEvents[K]) => void): this;
  off<K extends keyof HalleyEvents>(type: K, fn: (event: HalleyEvents[K]) => void): this;

  /**
   * Resolves once the server holds the message. Goes over the WebSocket if there is one. Repeated under one Idempotency-Key if the
   * answer is lost, so it happens once. In the order of the calls, one after the other, on every
   * transport. Any JSON value, or bytes (a buffer, a view, a Blob), which go as they are; what is no
   * JSON value is a TypeError. Given up by `signal` (AbortError), it may have been done or not.
   */
  publish<C extends string>(channel: C, data: HalleyPayload<Payloads, C> | ArrayBuffer | ArrayBufferView | Blob, options?: {idempotencyKey?: string; tries?: number; signal?: AbortSignal}): Promise<{id: string; at: number}>;

  /** Asks again at once: ends a pause, and the rest after a refusal. */
  wake(): void;
  /** Leaves all channels, and forgets where it was in them. */
  close(): void;
}

export default Halley;

type TheClass = typeof Halley;
type TheClient<Payloads extends object> = Halley<Payloads>;

/** What the classic script defines. */
declare global {
  var Halley: TheClass;
  type Halley<Payloads extends object = Record<string, any>> = TheClient<Payloads>;
}
