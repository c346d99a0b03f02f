/** Transports for what cannot do better, to add to `Halley.transports`, and to name in `options.transports`. */
import {HalleyTransportObject} from '../halley.js';

export const jsonp: HalleyTransportObject;
export const iframe: HalleyTransportObject;
export const multipart: HalleyTransportObject;
export const xhr: HalleyTransportObject;
