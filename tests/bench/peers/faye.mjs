/* Faye, a Bayeux server, for clients that long-poll. */
import faye from 'faye';
import {create, listen, publisher} from './server.mjs';

const bayeux = new faye.NodeAdapter({mount: '/bayeux', timeout: 45});
const server = create(publisher(text => bayeux.getClient().publish('/bench', text)));
bayeux.attach(server);
listen(server);
