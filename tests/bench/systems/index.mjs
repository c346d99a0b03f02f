/* Every system that can be measured. To add one, write its file and name it here. */
import {deployments} from './deployed.mjs';
import {floorFcgi, floorHttp} from './floor.mjs';
import {halley, halleyHttp, halleyProxied, halleySocketio} from './halley.mjs';
import {nchanMemory, nchanRedis} from './nchan.mjs';
import {faye, plain, socketio, sockjs, ws} from './node.mjs';
import {php} from './php.mjs';
import {staticFile} from './static.mjs';

export const systems = [
  halley('nginx'), halley('nginx', {processes: 2}), halley('nginx', {gathers: 100}), halley('nginx', {batches: false}),
  floorFcgi('nginx'),
  halley('lighttpd'), floorFcgi('lighttpd'), floorHttp,
  halleyHttp(), halleyHttp({processes: 2}), halleyHttp({processes: 12}), halleyProxied, halleySocketio,
  nchanRedis, nchanMemory, socketio, sockjs, faye, ws, php, plain, staticFile,
  ...deployments
];

export function systemById(id) {
  const found = systems.find(system => system.id === id);
  if (!found) throw new Error(`there is no system ${id}: ${systems.map(system => system.id).join(' ')}`);
  return found;
}
