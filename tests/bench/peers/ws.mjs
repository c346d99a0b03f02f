/* ws, a WebSocket server: each message that is posted is a frame to everybody. */
import {WebSocket, WebSocketServer} from 'ws';
import {create, listen, publisher} from './server.mjs';

const server = create(publisher(text => {
  for (const client of sockets.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(text);
  }
}));
const sockets = new WebSocketServer({server});
listen(server);
