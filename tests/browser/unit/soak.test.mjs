/* A short soak in one process (tests/browser/soak/paper.mjs); `make soak SERVER=paper` runs longer ones. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {seedOf} from '../../faults/random.mjs';
import {Soak} from '../soak/paper.mjs';

test('whatever happens to tabs and network, each tab hears everything once and in order, and says what is so', async t => {
  const seed = seedOf(process.env.SEED), soak = new Soak(seed);
  t.diagnostic(`SEED=${seed}`);
  await soak.run(Number(process.env.SOAK_SECONDS) || 10);
  assert.deepEqual(soak.wrong, [], `SEED=${seed}`);
});
