/*
 * A measurement is made in rounds, and in each round of every system in turn, so that a
 * machine that becomes slower or quicker does so for all alike. A system is started for
 * its turn and ended after it: no two of them run at the same time.
 */
import {systemById} from '../systems/index.mjs';
import {Place} from './place.mjs';
import {settings, wanted} from './settings.mjs';

const began = Date.now();

/* What is being done, on standard error: standard output is for results. */
export function say(text) {
  process.stderr.write(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s  ${text}\n`);
}

async function measureCell(measure, system, started, place, cell) {
  const values = await measure.run(started, system, cell);
  const dead = place.dead();
  if (dead.length) throw new Error(`${dead.join(', ')} ended: ${place.said(dead[0])}`);
  return values;
}

/* One system, started, measured in these cells, ended. */
async function start(records, measure, system, cells) {
  const place = new Place();
  let started = null;
  try {
    started = await system.start(place);
  } catch (error) {
    say(error.message);
    for (const cell of cells) records.of(measure, system, cell).failures.push(error.message);
  }
  for (const cell of started ? cells : []) {
    const record = records.of(measure, system, cell);
    try {
      record.runs.push(await measureCell(measure, system, started, place, cell));
    } catch (error) {
      say(error.message);
      record.failures.push(error.message);
    }
  }
  await place.stop();
}

/* One system's turn in a round. */
async function turn(records, measure, system) {
  const cells = measure.cells(system);
  for (const some of measure.afresh ? cells.map(cell => [cell]) : [cells]) await start(records, measure, system, some);
}

export async function measureAll(records, measure) {
  const systems = measure.systems.map(systemById).filter(wanted).filter(system => measure.cells(system).length);
  const {rounds} = settings;
  for (let round = 1; round <= rounds; round++) {
    for (const system of systems) {
      say(`${measure.id}, round ${round} of ${rounds}: ${system.title}`);
      await turn(records, measure, system);
    }
  }
}
