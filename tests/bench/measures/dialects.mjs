/*
 * Other systems' clients: from a publish to the last of a crowd of Socket.IO's that poll,
 * beside the same with Socket.IO's own server, and beside Halley's own long-pollers behind
 * the same web server: what sessions cost that stand in Redis.
 */
import {spread} from './fanout.mjs';

const CROWD = 5000;

export const dialects = {
  id: 'dialects',
  title: "From a publish to the last of Socket.IO's clients that poll",
  heats: [['halley-socketio', 'socketio', 'halley-nginx']],
  cells: () => [{way: 'push', waiters: Number(process.env.N) || CROWD}],
  run: spread,
  columns: ['to_last_ms', 'per_second', 'cpu_web_us', 'cpu_app_us', 'cpu_redis_us']
};
