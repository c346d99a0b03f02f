/* The whole client: long polling and polling, the streams, and the sharing among tabs. */
import {Halley} from './client.js';
import {events, stream, tab, watch, ws} from './streams.js';

Halley.transports = {ws, events, stream, ...Halley.transports, tab};
Halley.watch = watch; // over further transports that stream

export {Halley, Halley as default};
