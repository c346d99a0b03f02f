/* `make soak`: SECONDS and SEED as they say, on SERVER, or in one process where that is `paper`. */
import {seedOf} from '../../faults/random.mjs';
import {Soak as Browser} from './soak.mjs';
import {Soak as Paper} from './paper.mjs';

const {SEED, SECONDS, SERVER = 'lighttpd'} = process.env, seed = seedOf(SEED), seconds = Number(SECONDS) || 60;
const soak = SERVER === 'paper' ? new Paper(seed) : new Browser(seed);
console.log(`soak: SEED=${seed}, ${seconds} s on ${SERVER}`);
await soak.run(seconds, SERVER);
console.log(soak.summary);
for (const text of soak.wrong) console.log(`WRONG: ${text}`);
process.exit(soak.wrong.length ? 1 : 0);
