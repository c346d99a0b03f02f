/* The client with long polling and polling alone. */
export {Halley, Halley as default} from './client.js';
