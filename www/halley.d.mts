import {Halley} from './halley.js';
export * from './halley.js';
export default Halley;
