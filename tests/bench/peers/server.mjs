/*
 * What the peers written for node have in common: an HTTP server on the port that they
 * are given, and POST /publish, whose body goes to everybody who waits.
 *
 *   node tests/bench/peers/NAME.mjs PORT
 */
import http from 'node:http';

const KEPT_OPEN_MS = 65000; // idle connections, as long as nginx keeps them

/* Calls publish(text) for what is posted, and other(request, response) for the rest. */
export function publisher(publish, other = notFound) {
  return (request, response) => {
    if (request.method !== 'POST' || request.url !== '/publish') return other(request, response);
    const pieces = [];
    request.on('data', piece => pieces.push(piece));
    request.on('end', () => {
      publish(Buffer.concat(pieces).toString());
      response.writeHead(204).end();
    });
  };
}

function notFound(request, response) {
  response.writeHead(404).end();
}

/* A server that does not listen yet, so that a library can be attached to it. */
export function create(handler) {
  const server = http.createServer(handler);
  server.keepAliveTimeout = KEPT_OPEN_MS;
  return server;
}

export function listen(server) {
  server.listen({port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096});
}
