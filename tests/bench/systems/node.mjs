/* The peers that are written for node, one process each, as they run by themselves. */
import {existsSync} from 'node:fs';
import {freePort, TOP} from '../driver/place.mjs';

const PEERS = `${TOP}tests/bench/peers`;

function peer(id, title, speaks) {
  return {
    id,
    title,
    speaks,
    most: 19000,
    async start(place) {
      if (!existsSync(`${PEERS}/node_modules`)) throw new Error('the peers are missing: npm ci in tests/bench/peers');
      const port = await freePort();
      const app = await place.start(id, ['node', `${PEERS}/${id}.mjs`, String(port)], [port], {NODE_ENV: 'production'});
      return {port, publish: ['--publish-post', '/publish'], pids: {app: [app]}};
    }
  };
}

export const socketio = peer('socketio', 'Socket.IO, polling', {wait: 'engineio'});
export const sockjs = peer('sockjs', 'SockJS', {wait: 'sockjs-xhr', sse: 'sockjs-streaming'});
export const faye = peer('faye', 'Faye', {wait: 'bayeux'});
export const ws = peer('ws', 'ws', {ws: 'plain-ws'});
export const plain = {...peer('plain', 'node alone', {poll: 'path'}), path: '/poll'};
