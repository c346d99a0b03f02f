/* The status page says what is so, in words too when nobody answers or nobody may see it. */
import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {Running} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const text = (page, id) => page.textContent(`#${id}`);
const says = (page, id, wanted) => until(async () => wanted.test(await text(page, id)), `#${id} is ${wanted}`, 60);

describe('the status page', () => {
  let halley, page, context;

  before(async () => {
    halley = await Running.start('nginx', {HALLEY_PROCESSES: '2'});
    context = await halley.browser();
    page = await halley.page('status.html', context);
    await says(page, 'state', /^live$/);
  });
  after(async () => { if (halley) await halley.stop(); });

  test('tells what is held, by all processes, and of how many', async () => {
    const before = Number(await text(page, 'held'));
    const waits = new AbortController();
    const all = Promise.allSettled(Array.from({length: 5}, () =>
      fetch(halley.url + 'comet/wait?channel=status-test&timeout=50', {signal: waits.signal})));
    await until(async () => Number(await text(page, 'held')) >= before + 5, 'five more are held', 60);
    assert.equal(await text(page, 'most'), '10,000');
    assert.match(await page.textContent('#transports'), /wait/);
    waits.abort();
    await all;
  });

  test('tells what went wrong, in words', async () => {
    await fetch(halley.url + 'comet/poll?channel=chat&since=never');
    await says(page, 'wrong', /1 answers? 400 \(since\)/);
    assert.equal(await page.isVisible('#well'), false);
  });

  test('tells of Redis, of the workers and of every process', async () => {
    await says(page, 'redis', /answers/);
    await says(page, 'leader', /one leads/);
    await until(async () => (await page.locator('#processes tbody tr').count()) >= 3, 'two applications and a worker', 60);
    assert.match(await page.textContent('#processes'), /worker.*leading/);
  });

  test('says so when nobody answers, dims what is old, and goes on by itself', async () => {
    await context.route(/\/comet\//, route => route.abort());
    await says(page, 'state', /^No answer, next try in \d+ s; figures are \d+ s old$/);
    assert.ok(await page.locator('#figures.stale').count());
    await context.unroute(/\/comet\//);
    await says(page, 'state', /^live$/);
    assert.equal(await page.locator('#figures.stale').count(), 0);
  });

  test('says whom the figures are for where they are not shown', async () => {
    const other = await halley.browser();
    await other.route(/\/comet\//, route => route.fulfill({status: 403, contentType: 'application/problem+json', body: '{}'}));
    const refused = await halley.page('status.html', other);
    await says(refused, 'state', /shown on the server itself only/);
    assert.match(await text(refused, 'lead'), /the option status/);
    assert.equal(await refused.isVisible('#figures'), false);
  });
});
