export * from './halley.js';
export {default} from './halley.js';
