/* A file of the size of an empty answer, by nginx: what a request costs without any application. */
import {writeFileSync} from 'node:fs';
import {startNginx} from './nginx.mjs';

const EMPTY = '{"messages":[],"cursor":"bench@1795219200000-1"}\n';

export const staticFile = {
  id: 'static',
  title: 'a file, nginx',
  speaks: {poll: 'path'},
  path: '/poll.json',
  async start(place) {
    writeFileSync(place.path('poll.json'), EMPTY);
    const web = await startNginx(place, {server: `        root ${place.dir};`});
    return {port: web.port, pids: {web: web.pids}};
  }
};
