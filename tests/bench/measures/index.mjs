/*
 * Every measurement, in the order in which they are made. A measure is
 *
 *   id, title   what ONLY= names, and what stands above its table
 *   heats       whom it measures: lists of systems that are held against each other
 *   beside      more of them, in fewer rounds; neither need be there
 *   once        true: by itself in one round, as it is long; and asked for by ONLY= alone
 *   often       how many times ROUNDS the heats are measured, where runs are short; or 1
 *   afresh      true: a system is started anew for each of its cells
 *   cells(system)                what is measured of a system: an object for each run
 *   run(started, system, cell)   one run: an object of figures
 *   columns     the figures that its table shows
 */
import {capacity} from './capacity.mjs';
import {coalescing} from './coalescing.mjs';
import {crowd} from './crowd.mjs';
import {dialects} from './dialects.mjs';
import {direct, directRate} from './direct.mjs';
import {fairness} from './fairness.mjs';
import {fanout} from './fanout.mjs';
import {latency} from './latency.mjs';
import {memory} from './memory.mjs';
import {polls} from './polls.mjs';
import {rate} from './rate.mjs';
import {scheduling} from './scheduling.mjs';

export const measures = [
  fanout, dialects, direct, rate, directRate, polls, latency, memory, coalescing, fairness, scheduling, crowd, capacity
];
