/*
 * Polls that find nothing new, a second: with 64 connections, and with one, whose time a
 * request takes by itself.
 */
import {load} from '../driver/load.mjs';
import {settings} from '../driver/settings.mjs';
import {figures} from './figures.mjs';

export const polls = {
  id: 'polls',
  title: 'Empty polls a second',
  systems: ['halley-nginx', 'floor-nginx', 'halley-lighttpd', 'floor-lighttpd', 'plain', 'static'],

  cells: () => [{connections: 64}, {connections: 1}],

  async run(started, system, {connections}) {
    const values = figures(await load('poll', started, {
      proto: system.path ? undefined : system.speaks.poll, path: system.path, connections, seconds: settings.seconds / 2
    }));
    return connections === 1 ? {...values, latency_ms: 1000 / values.per_second} : values;
  },

  columns: ['per_second', 'latency_ms', 'cpu_web_us', 'cpu_app_us']
};
