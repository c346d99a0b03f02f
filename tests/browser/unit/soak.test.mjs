/* A short soak (tests/browser/soak); `make soak` runs longer ones. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Soak} from '../soak/soak.mjs';

test('whatever happens to tabs and network, each tab hears everything once and in order, and says what is so', async t => {
  const seed = Number(process.env.SEED) || Math.floor(Math.random() * 2 ** 31), soak = new Soak(seed);
  t.diagnostic(`SEED=${seed}`);
  await soak.run(Number(process.env.SOAK_SECONDS) || 20);
  assert.deepEqual(soak.wrong(), [], `SEED=${seed}`);
});
