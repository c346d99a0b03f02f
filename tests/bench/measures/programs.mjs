/*
 * Programs that measure by themselves, each starting what it needs; what they print is
 * the result. Each says in its source what it measures.
 */
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {BUILD, run, TOP} from '../driver/place.mjs';

const LIMIT_MS = 300000;

/* usual: part of the default run; the others are asked for by ONLY=. */
export const programs = [
  {id: 'throughput', title: 'Publishing, as ratios of what Redis does by itself', usual: true},
  {id: 'parked', title: 'Memory of halley.fcgi for each waiter, one channel and a channel each'},
  {id: 'sessions', title: 'What sessions of polling clients cost Redis'},
  {id: 'token', title: 'Polls and deliveries with a verified token, beside those without'},
  {id: 'saturation', title: 'Three times what Apache can hold: errors, times, messages', limit: 2400000},
  {id: 'streams', title: 'What each transport costs in time, lighttpd and Apache'}
];

/* What it has printed; an Error with all it said if it failed. */
export async function output(program) {
  const path = join(BUILD, 'tests/bench', program.id);
  if (!existsSync(path)) throw new Error(`${path} is not there: build it first`);
  const options = {cwd: TOP, timeout: program.limit ?? LIMIT_MS, env: {...process.env, HALLEY_BIN_DIR: BUILD}};
  const {stdout} = await run(path, [], options).catch(error => {
    throw new Error(`${error.message}\n${error.stdout}`); // what it has found out so far, and what does not hold
  });
  return stdout.trimEnd();
}
