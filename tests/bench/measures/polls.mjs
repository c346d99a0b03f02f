/* Polls that find nothing new, a second, over 64 connections. */
import {load} from '../driver/load.mjs';
import {settings} from '../driver/settings.mjs';
import {figures} from './figures.mjs';

const CONNECTIONS = 64;

export const polls = {
  id: 'polls',
  title: 'Empty polls a second',
  often: 2,
  heats: [['halley-nginx', 'floor-nginx'], ['halley-lighttpd', 'floor-lighttpd'], ['halley-http', 'floor-http']],
  beside: [['plain', 'static']],

  cells: () => [{connections: CONNECTIONS}],

  async run(started, system, {connections}) {
    return figures(await load('poll', started, {
      proto: system.path ? undefined : system.speaks.poll, path: system.path, connections, seconds: settings.seconds
    }));
  },

  columns: ['per_second', 'cpu_web_us', 'cpu_app_us']
};
