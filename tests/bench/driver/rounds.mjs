/*
 * The systems that are held against each other run side by side, a heat, and are measured
 * in turn: in each round each cell of one right after the same cell of the others, every
 * other round in reverse. So a machine that becomes slower or quicker does so for all
 * alike. Whoever is not being measured has no clients, and does nothing.
 */
import {systemById} from '../systems/index.mjs';
import {Place} from './place.mjs';
import {settings, wanted} from './settings.mjs';

const began = Date.now();

/* What is being done, on standard error: standard output is for results. */
export function say(text) {
  process.stderr.write(`${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s  ${text}\n`);
}

/* A system that runs in a place of its own, or could not be started. */
class Runner {
  constructor(records, measure, system) {
    Object.assign(this, {records, measure, system, place: new Place(), started: null, broken: ''});
  }

  async start() {
    try {
      this.started = await this.system.start(this.place);
    } catch (error) {
      say(error.message);
      this.broken = error.message;
    }
    return this;
  }

  has(cell) {
    return this.measure.cells(this.system).some(each => JSON.stringify(each) === JSON.stringify(cell));
  }

  async run(cell) {
    const record = this.records.of(this.measure, this.system, cell);
    try {
      if (!this.started) throw new Error(this.broken);
      const values = await this.measure.run(this.started, this.system, cell);
      const dead = this.place.dead();
      if (dead.length) throw new Error(`${dead.join(', ')} ended: ${this.place.said(dead[0])}`);
      record.runs.push(values);
    } catch (error) {
      say(error.message);
      record.failures.push(error.message);
    }
  }

  stop() {
    return this.place.stop();
  }
}

/* What any of them is measured in, in the order in which they name it. */
function cellsOf(measure, heat) {
  const cells = new Map(heat.flatMap(system => measure.cells(system)).map(cell => [JSON.stringify(cell), cell]));
  return [...cells.values()];
}

async function sideBySide(records, measure, heat, rounds) {
  const runners = [];
  for (const system of heat) runners.push(await new Runner(records, measure, system).start());
  for (let round = 1; round <= rounds; round++) {
    say(`${measure.id}, round ${round} of ${rounds}: ${heat.map(({id}) => id).join(', ')}`);
    for (const cell of cellsOf(measure, heat)) {
      for (const runner of round % 2 ? runners : [...runners].reverse()) if (runner.has(cell)) await runner.run(cell);
    }
  }
  for (const runner of runners) await runner.stop();
}

/* Where what was done before would show: each run has its system anew, and to itself. */
async function oneByOne(records, measure, heat, rounds) {
  for (let round = 1; round <= rounds; round++) {
    say(`${measure.id}, round ${round} of ${rounds}: ${heat.map(({id}) => id).join(', ')}`);
    for (const cell of cellsOf(measure, heat)) {
      for (const system of round % 2 ? heat : [...heat].reverse()) {
        const runner = new Runner(records, measure, system);
        if (!runner.has(cell)) continue;
        await runner.start();
        await runner.run(cell);
        await runner.stop();
      }
    }
  }
}

async function runHeats(records, measure, heats, rounds) {
  for (const ids of heats) {
    const heat = ids.map(systemById).filter(wanted).filter(system => measure.cells(system).length);
    const afresh = measure.afresh || heat.some(system => system.afresh);
    if (heat.length) await (afresh ? oneByOne : sideBySide)(records, measure, heat, rounds);
  }
}

export async function measureAll(records, measure) {
  const {heats = [], beside = [], often = 1, once = false} = measure;
  if (once) return runHeats(records, measure, beside, settings.roundsOfOnce);
  await runHeats(records, measure, heats, settings.rounds * often);
  await runHeats(records, measure, beside, Math.ceil(settings.rounds / 2));
}
