/* A minute of faults, a third of it on each server; the seed of a run that fails is in its output. */
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import test from 'node:test';
import {fileURLToPath} from 'node:url';

const MAIN = fileURLToPath(new URL('main.mjs', import.meta.url));
const SECONDS = 20, PATIENCE_MS = 280000;

for (const server of ['lighttpd', 'nginx', 'apache']) {
  test(`nothing is lost, doubled, reordered or untrue on ${server}`, () => {
    const run = spawnSync(process.execPath, [MAIN], {
      encoding: 'utf8', timeout: PATIENCE_MS, env: {...process.env, SERVER: server, SECONDS: String(SECONDS), SEED: process.env.SEED || ''}
    });
    assert.equal(run.status, 0, run.stdout + run.stderr);
  });
}
