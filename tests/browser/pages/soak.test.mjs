/* A minute of the soak (tests/browser/soak); `make soak` runs longer ones. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {seedOf} from '../../faults/random.mjs';
import {SERVERS} from '../lib/running.mjs';
import {Soak} from '../soak/soak.mjs';

test('whatever happens to tabs of a browser and their network, each hears everything once and in order, and says what is so', async t => {
  const seed = seedOf(process.env.SEED), soak = new Soak(seed);
  t.diagnostic(`SEED=${seed}`);
  await soak.run(Number(process.env.SOAK_SECONDS) || 60, SERVERS[0]);
  t.diagnostic(soak.summary);
  assert.deepEqual(soak.wrong, [], `SEED=${seed}`);
});
