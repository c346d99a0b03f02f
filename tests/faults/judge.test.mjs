/* The judge itself: it must see each kind of wrong, and nothing in what is right. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {View} from './judge.mjs';

const said = (id, n, p = 'a') => ({id, data: {p, n}});

/* Feeds batches [gap, messages, after], then asks for what publisher "a" was promised. */
function judged(batches, promised = [], held) {
  const kinds = [], view = new View('wait', 'c', kind => kinds.push(kind));
  view.place = {epoch: 5, n: 0};
  for (const [gap, messages, after] of batches) view.batch(gap, messages, after);
  view.finish(new Map([['a', new Set(promised)]]));
  if (held) view.mustHave(held);
  return kinds;
}

const right = {
  'one after the other': [[[false, [said('5-1', 1)], '5-1'], [false, [said('5-2', 2)], '5-2']], [1, 2]],
  'a channel that began later than its reader': [[[false, [said('9-1', 1)], '9-1']], [1]],
  'a gap before the first message, told by another Redis': [[[true, [said('9-1', 1)], '9-1']], [1]],
  'a told gap to another epoch': [[[false, [said('5-1', 1)], '5-1'], [true, [said('8-1', 4)], '8-1']], [1, 2, 3, 4]],
  'a gap behind what is whole, in one batch': [[[true, [said('5-1', 1), said('8-1', 3), said('8-2', 4)], '8-2']], [1, 2, 3, 4]],
  'a gap without a message': [[[false, [said('5-1', 1)], '5-1'], [true, [], '5-3'], [false, [said('5-4', 4)], '5-4']], [1, 2, 4]],
  'what comes late, behind a gap':
    [[[false, [said('5-1', 1), said('5-2', 4)], '5-2'], [true, [said('5-4', 2), said('5-5', 3), said('5-6', 5)], '5-6']], [1, 2, 3, 4, 5]],
  'what is missing on both sides of a gap': [[[false, [said('5-1', 3)], '5-1'], [true, [said('5-3', 2), said('5-4', 6)], '5-4']], [2, 3, 4, 5, 6]],
  'what a Redis without its tail is told once more, behind a gap of its own':
    [[[false, [said('5-1', 1), said('5-2', 2)], '5-2'], [true, [said('8-1', 2), said('8-3', 1)], '8-3']], [1, 2]],
  'what a Redis without its tail is told once more, behind the gap':
    [[[false, [said('5-1', 1), said('5-2', 2), said('5-3', 3)], '5-3'], [true, [said('8-1', 2), said('8-2', 3), said('8-3', 4)], '8-3']], [1, 2, 3, 4]],
  'a number that nobody was promised': [[[false, [said('5-1', 1)], '5-1'], [false, [said('5-2', 3)], '5-2']], [1, 3]]
};
for (const [name, [batches, promised]] of Object.entries(right)) {
  test(`right: ${name}`, () => assert.deepEqual(judged(batches, promised), []));
}

const wrong = {
  'lost': [[[false, [said('5-1', 1)], '5-1'], [false, [said('5-2', 3)], '5-2']], [1, 2, 3]],
  'lost at the end': [[[false, [said('5-1', 1)], '5-1']], [1, 2]],
  'doubled': [[[false, [said('5-1', 1)], '5-1'], [false, [said('5-2', 1)], '5-2']], [1]],
  'reordered': [[[false, [said('5-1', 2)], '5-1'], [false, [said('5-2', 1)], '5-2']], []],
  'doubled into another epoch without a gap': [[[false, [said('9-1', 1)], '9-1'], [false, [said('10-1', 1)], '10-1']], [1]],
  'doubled behind a gap of one epoch': [[[false, [said('5-1', 1)], '5-1'], [true, [said('5-3', 1)], '5-3']], [1]],
  'doubled behind a gap, twice': [[[false, [said('5-1', 1)], '5-1'], [true, [said('8-1', 1), said('8-2', 1)], '8-2']], [1]],
  'reordered behind a gap': [[[false, [said('5-1', 1), said('5-2', 2)], '5-2'], [true, [said('8-1', 2), said('8-2', 1)], '8-2']], [1, 2]],
  'reordered, a bare publish': [[[false, [said('5-1', 1, 'bare'), said('5-2', 3, 'bare'), said('5-3', 2, 'bare')], '5-3']], []],
  'reordered behind what came late': [[[false, [said('5-1', 5)], '5-1'], [true, [said('5-3', 3), said('5-4', 2)], '5-4']], []],
  'reordered beside a gap that is elsewhere': [[[true, [said('5-1', 2), said('5-2', 1), said('5-4', 4)], '5-4']], []],
  'doubled and late': [[[false, [said('5-1', 1, 'bare')], '5-1'], [false, [said('5-2', 2, 'bare')], '5-2'], [false, [said('5-3', 1, 'bare')], '5-3']], []],
  'false gap': [[[true, [said('5-1', 1)], '5-1']], [1]],
  'gap not told': [[[false, [said('5-1', 1)], '5-1'], [false, [said('5-3', 2)], '5-3']], [1, 2]],
  'gap not told by a place': [[[false, [said('5-1', 1)], '5-1'], [false, [], '5-2']], [1]],
  'lost beside a gap that is elsewhere':
    [[[true, [said('5-1', 1), said('8-1', 2)], '8-1'], [false, [said('8-2', 5)], '8-2']], [1, 2, 3, 4, 5]],
  'withheld': [[[false, [said('5-1', 1)], '5-1']], [1], ['5-1', '5-2']]
};
for (const [name, [batches, promised, held]] of Object.entries(wrong)) {
  test(`wrong: ${name}`, () => {
    const kinds = judged(batches, promised, held);
    assert.ok(kinds.some(kind => name.startsWith(kind)), `${name}: ${kinds}`);
  });
}
