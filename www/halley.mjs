/* halley.js and its streams for `import`: the same class, as a name and as the default. */
import './halley.js';
import './halley-streams.js';

export const Halley = globalThis.Halley;
export default Halley;
