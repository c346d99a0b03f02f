/* SockJS, for clients that poll (xhr) or stream (xhr-streaming). */
import sockjs from 'sockjs';
import {create, listen, publisher} from './server.mjs';

const connections = new Set();
const endpoint = sockjs.createServer({prefix: '/sockjs', log() {}});
endpoint.on('connection', connection => {
  connections.add(connection);
  connection.on('close', () => connections.delete(connection));
});

const server = create(publisher(text => {
  for (const connection of connections) connection.write(text);
}));
endpoint.installHandlers(server);
listen(server);
