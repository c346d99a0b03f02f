/*
 * `make bench`: measures everything in turn and says what came out; settings.mjs says what
 * can be asked of it.
 *
 * The exit code says whether everything could be measured and no message was lost,
 * doubled or reordered. How quick it was is for the reader to judge.
 */
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {FAULTS} from '../measures/figures.mjs';
import {measures} from '../measures/index.mjs';
import {output, programs} from '../measures/programs.mjs';
import {systems} from '../systems/index.mjs';
import {check} from './acceptance.mjs';
import {chart} from './chart.mjs';
import {machine} from './machine.mjs';
import {checks, table} from './report.mjs';
import {written} from './results.mjs';
import {measureAll, say} from './rounds.mjs';
import {checkNames, settings} from './settings.mjs';
import {Records} from './summary.mjs';

const whole = !settings.only.length && !settings.server && !settings.systems.length;
const broken = []; // what of the programs failed

/* Of these, the ones that ONLY names; without it, the usual ones. */
function chosen(all, usual) {
  return settings.only.length ? all.filter(({id}) => settings.only.includes(id)) : all.filter(usual);
}

async function runPrograms(planned) {
  const printed = {};
  for (const program of planned) {
    say(program.title);
    try {
      printed[program.id] = await output(program);
    } catch (error) {
      broken.push(`${program.id}: ${error.message}`);
    }
  }
  return printed;
}

function write(results) {
  mkdirSync(settings.out, {recursive: true});
  const text = written(results);
  writeFileSync(join(settings.out, 'results.json'), text);
  writeFileSync(join(settings.out, 'results.svg'), chart(JSON.parse(text)));
}

function named(record) {
  const {measure, system, runs, failures, median, low, high, counts, ...cell} = record;
  return [measure, system, ...Object.values(cell)].join(' ');
}

/* What went wrong, as lines. */
function amiss(summary) {
  const failed = summary.flatMap(record => record.failures.map(why => `not measured: ${named(record)}: ${why}`));
  const faulty = summary.filter(record => FAULTS.some(fault => record.counts[fault] > 0)).map(record =>
    `faults: ${named(record)}: ${JSON.stringify(record.counts)} ${record.runs.find(run => run.first_error)?.first_error ?? ''}`);
  return [...failed, ...broken.map(why => `not measured: ${why}`), ...faulty];
}

checkNames([...measures, ...programs].map(({id}) => id), systems.map(({id}) => id));
const plan = chosen(measures, measure => !measure.once);
const planned = chosen(programs, program => program.usual && whole);
const records = new Records();
for (const measure of plan) await measureAll(records, measure);
const printed = await runPrograms(planned);

const summary = records.summary();
const acceptance = check(summary, whole);
write({machine: await machine(), settings: {...settings, out: undefined}, printed, records: summary, acceptance});
for (const measure of plan) console.log(table(measure, summary));
for (const program of planned) console.log(`\n${program.title}\n${printed[program.id] ?? ''}`);
console.log(checks(acceptance));
console.log(`${settings.out}/results.json, results.svg`);

const wrong = amiss(summary);
if (wrong.length) console.log(`\nWHAT WENT WRONG\n${wrong.join('\n')}`);
process.exit(wrong.length ? 1 : 0);
