/* Socket.IO, for clients that poll (Engine.IO 4, Socket.IO protocol 5). */
import {Server} from 'socket.io';
import {create, listen, publisher} from './server.mjs';

const server = create(publisher(text => io.emit('m', text)));
const io = new Server(server, {transports: ['polling'], serveClient: false});
listen(server);
