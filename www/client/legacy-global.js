/* The classic script: load it after halley.js. */
import {iframe, jsonp, multipart, xhr} from './legacy.js';

const T = self.Halley.transports;
Object.assign(T, {iframe, jsonp, multipart, xhr});
if (!self.ReadableStream) T.stream = xhr;
