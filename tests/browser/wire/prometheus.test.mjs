/*
 * The figures, the alerts and the dashboard, tried with a real Prometheus: it reads the page without
 * a complaint, every expression is one that it evaluates over series that there are, and each alert
 * is given when it should be, and not before.
 */
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {fileURLToPath} from 'node:url';
import {freePort} from '../../lib/free-port.mjs';
import {Running} from '../lib/running.mjs';
import {until} from '../lib/until.mjs';

const DEPLOY = fileURLToPath(new URL('../../../deploy/', import.meta.url));
const RULES = readFileSync(join(DEPLOY, 'prometheus/halley.rules.yml'), 'utf8');

/* By alert: series as promtool writes them (start, step, times), and after how many minutes it is given. */
const ALERTS = {
  HalleyNearlyFull: [{halley_held_together: '950x20', halley_max_waiters: '1000x20'}, 6],
  HalleyTellsToPoll: [{halley_answers_retry_total: '0+5x20'}, 12],
  HalleyRedisAway: [{halley_redis_up: '0x20'}, 2],
  HalleyNoLeader: [{halley_worker_leader: '0x20'}, 2],
  HalleyWorkerBehind: [{halley_worker_queue: '7x20'}, 6],
  HalleyGaps: [{halley_gaps_total: '0+1x20'}, 3],
  HalleySlow: [{'halley_delivery_seconds_bucket{le="1"}': '0+50x20', 'halley_delivery_seconds_bucket{le="2.5"}': '0+100x20',
    'halley_delivery_seconds_bucket{le="+Inf"}': '0+100x20'}, 12],
  HalleyRefuses: [{'halley_problems_total{status="503"}': '0+10x20', 'halley_requests_total{endpoint="wait"}': '0+100x20'}, 12]
};

/* The same when all is well: nothing is told. */
const WELL = {
  halley_held_together: '100x20', halley_max_waiters: '1000x20', halley_answers_retry_total: '5x20', halley_redis_up: '1x20',
  halley_worker_leader: '1x20', halley_worker_queue: '0x20', halley_gaps_total: '3x20',
  'halley_delivery_seconds_bucket{le="1"}': '0+100x20', 'halley_delivery_seconds_bucket{le="+Inf"}': '0+100x20',
  'halley_problems_total{status="503"}': '7x20', 'halley_requests_total{endpoint="wait"}': '0+100x20'
};

const series = values => Object.entries(values).map(([name, text]) => ({series: name, values: text}));
const named = expression => expression.match(/\bhalley_[a-z_]+/g) || [];
const dashboard = () => JSON.parse(readFileSync(join(DEPLOY, 'grafana/halley.json'), 'utf8')).panels.flatMap(panel =>
  panel.targets.map(target => target.expr.replaceAll('$instance', '.*').replaceAll('$__rate_interval', '1m')));

describe('Prometheus', () => {
  let halley, dir, prometheus, port;

  const api = async path => (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json();
  const query = expression => api(`query?query=${encodeURIComponent(expression)}`);

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'halley-prometheus-'));
    halley = await Running.start('apache');
    port = await freePort();
    const config = readFileSync(join(DEPLOY, 'prometheus/halley.yml'), 'utf8');
    assert.match(config, /127\.0\.0\.1:80'/);
    writeFileSync(join(dir, 'prometheus.yml'), 'global: {scrape_interval: 1s, evaluation_interval: 1s}\n' +
      config.replace('127.0.0.1:80', `127.0.0.1:${halley.port}`));
    writeFileSync(join(dir, 'halley.rules.yml'), RULES);
    prometheus = spawn('prometheus', ['--config.file', join(dir, 'prometheus.yml'), '--storage.tsdb.path', join(dir, 'data'),
      '--web.listen-address', `127.0.0.1:${port}`], {stdio: 'ignore'});
    await until(async () => (await query('up == 1').catch(() => ({data: {result: []}}))).data.result.length === 1,
      'Prometheus reads the page', 60);
  });
  after(async () => {
    const gone = new Promise(done => prometheus?.on('close', done));
    if (prometheus?.kill('SIGTERM')) await gone;
    await halley?.stop();
    rmSync(dir, {recursive: true, force: true});
  });

  test('has nothing to say against the page', async () => {
    const page = await (await fetch(halley.url + 'comet/metrics')).text();
    assert.equal(execFileSync('promtool', ['check', 'metrics'], {input: page, encoding: 'utf8', stdio: 'pipe'}), '');
    assert.doesNotMatch(page, /\bpid|process="/);
  });

  test('finds every series that an alert or the dashboard asks for', async () => {
    const names = new Set([...named(RULES), ...dashboard().flatMap(named)]);
    assert.ok(names.size > 12, [...names].join(' '));
    for (const name of names)
      await until(async () => (await query(`count(${name})`)).data.result.length === 1, name);
  });

  test('evaluates every alert and every panel', async () => {
    const rules = () => api('rules').then(said => said.data.groups.flatMap(group => group.rules));
    await until(async () => (await rules()).every(rule => rule.health !== 'unknown'), 'every rule was evaluated', 60);
    for (const rule of await rules()) assert.deepEqual([rule.name, rule.health, rule.lastError ?? ''], [rule.name, 'ok', '']);
    assert.deepEqual((await rules()).map(rule => rule.name).sort(), Object.keys(ALERTS).sort());
    for (const expression of dashboard()) assert.equal((await query(expression)).status, 'success', expression);
  });

  test('gives each alert when it should, and none when all is well', () => {
    const well = {interval: '1m', input_series: series(WELL), alert_rule_test: Object.keys(ALERTS).map(name => (
      {alertname: name, eval_time: '15m', exp_alerts: []}))};
    const cases = Object.entries(ALERTS).map(([name, [values, minutes]]) => ({interval: '1m', input_series: series(values),
      promql_expr_test: [{expr: `count(ALERTS{alertname="${name}",alertstate="firing"})`, eval_time: `${minutes}m`,
        exp_samples: [{labels: '{}', value: 1}]}]}));
    writeFileSync(join(dir, 'tests.json'), JSON.stringify({rule_files: [join(dir, 'halley.rules.yml')], tests: [well, ...cases]}));
    execFileSync('promtool', ['test', 'rules', join(dir, 'tests.json')], {encoding: 'utf8', stdio: 'pipe'});
  });
});
