/** The transports that stream, and the sharing among tabs, to add to the transports of `halley-client/core`. */
import {HalleyTransportObject} from '../halley.js';

export const ws: HalleyTransportObject;
export const events: HalleyTransportObject;
export const stream: HalleyTransportObject;
export const tab: HalleyTransportObject;
/** Watches over further transports that stream, as `Halley.watch`. */
export const watch: (turn: any, transport: any) => () => void;
