/*
 * What to measure, from the environment (make bench NAME=value).
 *
 *   ONLY      measurements by name, with blanks between them (those of the default run)
 *   SERVER    lighttpd or nginx: leaves out what stands behind another web server
 *   SYSTEMS   systems by name (all that a measurement knows)
 *   N         numbers of waiters (1000 5000)
 *   ROUNDS    how often each is measured (3)
 *   DURATION  how many seconds a phase lasts that is measured by time (2)
 *   OUT       the folder for results.json and results.svg (build/bench)
 */
import {resolve} from 'node:path';
import {TOP} from './place.mjs';

function words(name) {
  return (process.env[name] || '').split(/[ ,]+/).filter(Boolean);
}

function numbers(name, otherwise) {
  const given = words(name).map(Number);
  if (given.some(number => !Number.isInteger(number) || number < 1))
    throw new Error(`${name}=${process.env[name]}: whole numbers above 0`);
  return given.length ? given : otherwise;
}

export const settings = {
  only: words('ONLY'),
  server: process.env.SERVER || '',
  systems: words('SYSTEMS'),
  waiters: numbers('N', [1000, 5000]),
  rounds: numbers('ROUNDS', [3])[0],
  seconds: numbers('DURATION', [2])[0],
  out: resolve(TOP, process.env.OUT || 'build/bench')
};

/* Is this system asked for? */
export function wanted(system) {
  if (settings.systems.length) return settings.systems.includes(system.id);
  return !settings.server || !system.server || system.server === settings.server;
}
