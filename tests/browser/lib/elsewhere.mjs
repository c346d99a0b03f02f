/*
 * Pages for npm's clients, with nothing else on them.
 *   const site = await otherSite();          // an empty page of another site, at site.url
 *   await offerClients(context);             // node_modules at /npm/, of whichever site
 *   await bare(context, url)                 // a page there
 *   ... import('/npm/faye/client/faye-browser-min.js')
 */
import {readFileSync} from 'node:fs';
import {createServer} from 'node:http';
import {fileURLToPath} from 'node:url';

const MODULES = fileURLToPath(new URL('../node_modules', import.meta.url));

export async function otherSite() {
  const server = createServer((request, response) => {
    response.writeHead(200, {'Content-Type': 'text/html'});
    response.end('<!DOCTYPE html><title>elsewhere</title><body>');
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  return {url: `http://127.0.0.1:${server.address().port}/`, close: () => { server.closeAllConnections(); server.close(); }};
}

export async function offerClients(context) {
  await context.route('**/npm/**', route => route.fulfill({
    contentType: 'text/javascript', body: readFileSync(MODULES + new URL(route.request().url()).pathname.slice('/npm'.length), 'utf8')
  }));
}

/* The page itself comes from a server: Chromium lets none that a test made up open a WebSocket. */
export async function bare(context, url, ...scripts) {
  const page = await context.newPage();
  await page.goto(url);
  for (const script of scripts) await page.addScriptTag({url: `/npm/${script}`});
  return page;
}
