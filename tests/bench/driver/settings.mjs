/*
 * What to measure, from the environment (make bench NAME=value).
 *
 *   ONLY      measurements by name, with blanks between them (those of the default run)
 *   SERVER    lighttpd or nginx: leaves out what stands behind another web server
 *   SYSTEMS   systems by name (all that a measurement knows)
 *   N         numbers of waiters (1000 5000)
 *   ROUNDS    how often each is measured (5)
 *   DURATION  how many seconds a phase lasts that is measured by time (0.8)
 *   OUT       the folder for results.json and results.svg (build/bench)
 */
import {resolve} from 'node:path';
import {TOP} from './place.mjs';

/* Ends the program: it was asked for something that there is not. */
export function wrong(text) {
  console.error(`bench: ${text}`);
  process.exit(64);
}

function words(name) {
  return (process.env[name] || '').split(/[ ,]+/).filter(Boolean);
}

function numbers(name, otherwise) {
  const given = words(name).map(Number);
  if (given.some(number => !Number.isInteger(number) || number < 1))
    wrong(`${name}=${process.env[name]}: whole numbers above 0`);
  return given.length ? given : otherwise;
}

function positive(name, otherwise) {
  const given = Number(process.env[name] || otherwise);
  if (!(given > 0)) wrong(`${name}=${process.env[name]}: a number above 0`);
  return given;
}

export const settings = {
  only: words('ONLY'),
  server: process.env.SERVER || '',
  systems: words('SYSTEMS'),
  waiters: numbers('N', [1000, 5000]),
  rounds: numbers('ROUNDS', [5])[0],
  roundsOfOnce: numbers('ROUNDS', [1])[0],
  seconds: positive('DURATION', 0.8),
  out: resolve(TOP, process.env.OUT || 'build/bench')
};

/* Whatever is named must be there, or a part of the run would go missing in silence. */
export function checkNames(measures, systems) {
  const known = {ONLY: [settings.only, measures], SYSTEMS: [settings.systems, systems],
    SERVER: [settings.server ? [settings.server] : [], ['nginx', 'lighttpd']]};
  for (const [name, [given, all]] of Object.entries(known)) {
    const unknown = given.find(each => !all.includes(each));
    if (unknown) wrong(`${name}=${unknown}: there are ${all.join(' ')}`);
  }
}

/* Is this system asked for? */
export function wanted(system) {
  if (settings.systems.length) return settings.systems.includes(system.id);
  return !settings.server || !system.server || system.server === settings.server;
}
