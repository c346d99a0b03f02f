/* Node alone: what an empty poll costs where nothing is looked up for it. */
import {create, listen} from './server.mjs';

const EMPTY = '{"messages":[],"cursor":"bench@1795219200000-1"}\n';

listen(create((request, response) => {
  response.writeHead(200, {
    'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'Content-Length': EMPTY.length
  }).end(EMPTY);
}));
