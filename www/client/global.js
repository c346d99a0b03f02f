/* The classic script: defines Halley (build.mjs lets `require` have it, too). */
import {Halley} from './index.js';

globalThis.Halley = Halley;
