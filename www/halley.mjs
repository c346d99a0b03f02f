/* halley.js for `import`: the same class, as a name and as the default. */
import './halley.js';

export const Halley = globalThis.Halley;
export default Halley;
