/*
 * Every measurement, in the order in which they are made. A measure is
 *
 *   id, title   what ONLY= names, and what stands above its table
 *   systems     whom it measures, in the order of each round
 *   afresh      true: a system is started anew for each of its cells
 *   cells(system)                what is measured of a system: an object for each run
 *   run(started, system, cell)   one run: an object of figures
 *   columns     the figures that its table shows
 */
import {coalescing} from './coalescing.mjs';
import {fairness} from './fairness.mjs';
import {fanout} from './fanout.mjs';
import {latency} from './latency.mjs';
import {memory} from './memory.mjs';
import {polls} from './polls.mjs';
import {rate} from './rate.mjs';

export const measures = [fanout, rate, polls, latency, memory, coalescing, fairness];
