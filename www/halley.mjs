/* The client for `import`, as its modules are: the same class, as a name and as the default. */
import {Halley} from './client/index.js';

export {Halley, Halley as default};
